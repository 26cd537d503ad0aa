"""One lazy heap of deadlines for the whole stack.

A timer that is moved later, as a retransmission timer is with every ACK, costs nothing: its entry stays where it is
and is pushed again when it comes up too early. Equal deadlines run in the order they were set, so a run is
repeatable. Entries of timers that were turned off are swept out when they are the most of the heap: a keep-alive's
would else hold a closed connection for two hours.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

FEW = 64  # entries that are not worth a sweep


class Timer:
    """One deadline: `at` is its absolute time, or None while it is off."""

    __slots__ = ("_queued_at", "_run", "_timers", "at")

    def __init__(self, timers: Timers, run: Callable[[float], None]) -> None:
        self.at: float | None = None
        self._queued_at: float | None = None  # the earliest heap entry that still stands for this timer
        self._run = run
        self._timers = timers

    def set(self, at: float) -> None:
        self.at = at
        if self._queued_at is None or at < self._queued_at:
            self._queued_at = at
            self._timers.push(at, self)

    def cancel(self) -> None:
        self.at = None

    def fire(self, now: float) -> None:
        self.at = None
        self._run(now)


class Timers:
    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._serial = 0
        self._sweep_at = FEW  # entries

    def timer(self, run: Callable[[float], None]) -> Timer:
        """A new timer, off; `run(now)` is called when it is due."""
        return Timer(self, run)

    def push(self, at: float, timer: Timer) -> None:
        self._serial += 1
        heappush(self._heap, (at, self._serial, timer))
        if len(self._heap) > self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        """Keep only the entries that stand for a timer that is on. In place, because `run` may be at work on it."""
        kept = []
        for entry in self._heap:
            at, _, timer = entry
            if timer._queued_at != at:
                continue
            if timer.at is None:
                timer._queued_at = None
            else:
                kept.append(entry)
        self._heap[:] = kept
        heapify(self._heap)
        self._sweep_at = 2 * len(kept) + FEW

    def next_at(self) -> float | None:
        """The earliest deadline that is on."""
        heap = self._heap
        while heap:
            at, _, timer = heap[0]
            if timer.at == at:
                return at
            heappop(heap)
            self._stale(at, timer)
        return None

    def run(self, now: float) -> None:
        """Fire everything due at or before `now`, in order."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, _, timer = heappop(heap)
            if timer.at == at:
                timer._queued_at = None
                timer.fire(now)
            else:
                self._stale(at, timer)

    def _stale(self, at: float, timer: Timer) -> None:
        """An entry that came up but whose timer was moved or cancelled."""
        if timer._queued_at != at:
            return  # an earlier entry of the same timer already stands for it
        timer._queued_at = None
        if timer.at is not None:
            timer.set(timer.at)
