"""A simulated cable: what one end sends the others receive, late, twice, damaged, out of order or never.

It is a shared medium as the first Ethernets were: with more than two ends a frame goes to every other one. Each
frame's fate is drawn when it is sent, from `rng` alone, so the same calls with the same seed give the same frames at
the same times. Time is whatever the caller passes as `now`; nothing here waits, and a World in virtual time and the
device in `cable_end` share it. Refuses to look into frames, except to finish a checksum that was left out before it
damages the bytes: a damaged frame must not count as verified.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from stack.config import Random
from stack.frame import OutFrame
from stack.interface import GSO_NONE, Interface, Offload
from stack.link import offload as offloading

_NOWHERE = Interface("cable", bytes(6))


class _Setting:
    """An attribute of a cable: a number within bounds, checked when it is set."""

    def __init__(self, text: str, low: float, high: float, whole: bool = False, may_be_none: bool = False) -> None:
        self.text = text
        self.low = low
        self.high = high
        self.whole = whole
        self.may_be_none = may_be_none

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.slot = "_" + name

    def __get__(self, cable: Cable | None, owner: type) -> Any:
        return self if cable is None else getattr(cable, self.slot)

    def __set__(self, cable: Cable, value: float | None) -> None:
        setattr(cable, self.slot, self.check(value))

    def check(self, value: Any) -> float | None:
        if value is None and self.may_be_none:
            return None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not self.low <= value <= self.high or (self.whole and value != int(value)):
            none = " or None" if self.may_be_none else ""
            raise ValueError(f"{self.name} is {self.text}{none}, not {value!r}")
        return int(value) if self.whole else value


def _probability(text: str) -> _Setting:
    return _Setting(f"{text}, from 0 to 1", 0.0, 1.0)


@dataclass(slots=True)
class Traffic:
    """What became of the frames sent: `delivered` counts each copy at each end."""

    sent: int = 0
    sent_bytes: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0
    overflowed: int = 0  # found the queue before a limited `rate` full


@dataclass(slots=True)
class _End:
    """One socket of the cable: frames on their way to it, and the frames it has still to put on the wire."""

    arriving: list[tuple[float, int, bytes, Offload | None]] = field(default_factory=list)  # a heap by time and order
    leaving: deque[float] = field(default_factory=deque)  # when each queued frame has left; ascending
    idle_at: float = 0.0  # when the transmitter has put its last frame on the wire


class Cable:
    """A cable with `ends` ends, numbered from 0. An attribute set counts for every frame sent from then on.

    delay       seconds from one end to another
    loss        probability that a frame vanishes
    duplicate   probability that it arrives twice
    reorder     probability that it is held back by up to twice the delay (at least 1 ms), so that later ones pass
    corrupt     probability that one bit of it is flipped
    rate        bits per second each end may send, or None
    queue       frames an end may have waiting for `rate`, beyond which it loses them, or None
    """

    delay = _Setting("seconds, from 0 to 3600", 0.0, 3600.0)
    loss = _probability("the share of frames lost")
    duplicate = _probability("the share of frames that arrive twice")
    reorder = _probability("the share of frames held back")
    corrupt = _probability("the share of frames damaged")
    rate = _Setting("bits per second, from 1 to 1e15", 1.0, 1e15, may_be_none=True)
    queue = _Setting("a whole number of frames, from 1 to 1000000", 1, 1_000_000, whole=True, may_be_none=True)
    settings = ("delay", "loss", "duplicate", "reorder", "corrupt", "rate", "queue")

    def __init__(
        self,
        rng: Random,
        *,
        ends: int = 2,
        delay: float = 0.0005,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        corrupt: float = 0.0,
        rate: float | None = None,
        queue: int | None = 1000,
    ) -> None:
        self.rng = rng
        self.delay = delay
        self.loss = loss
        self.duplicate = duplicate
        self.reorder = reorder
        self.corrupt = corrupt
        self.rate = rate
        self.queue = queue
        self.traffic = Traffic()
        self._order = 0
        self._ends = [_End() for _ in range(ends)]

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)
        t = self.traffic
        return (
            f"Cable({values}): {t.sent} sent, {t.delivered} delivered, {t.lost} lost, {t.duplicated} duplicated, "
            f"{t.reordered} reordered, {t.corrupted} corrupted, {t.overflowed} overflowed"
        )

    @property
    def ends(self) -> int:
        return len(self._ends)

    def add_end(self) -> int:
        """One more end; its number."""
        self._ends.append(_End())
        return len(self._ends) - 1

    def send(
        self,
        end: int,
        head: bytes,
        payload: bytes | memoryview,
        now: float,
        offload: Offload | None = None,
        reaches: Callable[[int], None] | None = None,
    ) -> None:
        """Put a frame, given in two parts, on the wire at `end`; every other end receives it if its fate allows.

        `reaches` is called with the number of each end whose `next_at` came nearer.
        """
        frame = head + payload if payload else head
        self.traffic.sent += 1
        self.traffic.sent_bytes += len(frame)
        left_at = self._transmit(self._ends[end], len(frame), now)
        if left_at is None:
            self.traffic.overflowed += 1
            return
        for number in range(len(self._ends)):
            if number != end:
                self._propagate(number, frame, offload, left_at, reaches)

    def next_at(self, end: int) -> float | None:
        """When the next frame is due at `end`, or None if none is on its way."""
        arriving = self._ends[end].arriving
        return arriving[0][0] if arriving else None

    def take(self, end: int, now: float) -> tuple[bytes, Offload | None] | None:
        """The next frame due at `end` at or before `now`, or None."""
        arriving = self._ends[end].arriving
        if not arriving or arriving[0][0] > now:
            return None
        _, _, frame, offload = heappop(arriving)
        self.traffic.delivered += 1
        return frame, offload

    def _transmit(self, end: _End, length: int, now: float) -> float | None:
        """When the last bit of a frame of `length` bytes has left the transmitter; None if its queue is full."""
        rate: float | None = self.rate
        if rate is None:
            end.leaving.clear()
            end.idle_at = now
            return now
        while end.leaving and end.leaving[0] <= now:
            end.leaving.popleft()
        if self.queue is not None and len(end.leaving) >= self.queue:
            return None
        end.idle_at = max(end.idle_at, now) + length * 8 / rate
        end.leaving.append(end.idle_at)
        return end.idle_at

    def _propagate(
        self, end: int, frame: bytes, offload: Offload | None, left_at: float, reaches: Callable[[int], None] | None
    ) -> None:
        """Draw the frame's fate on its way to one end."""
        if self._happens(self.loss):
            self.traffic.lost += 1
            return
        at = left_at + self.delay
        copies = 1
        if self._happens(self.duplicate):
            self.traffic.duplicated += 1
            copies = 2
        for _ in range(copies):
            arrives_at = at
            if self._happens(self.reorder):
                self.traffic.reordered += 1
                arrives_at += self.rng.uniform(0.0, max(2 * self.delay, 0.001))
            arrived, note = frame, offload
            if self._happens(self.corrupt):
                self.traffic.corrupted += 1
                arrived, note = self._damage(frame, offload)
            self._deliver(end, arrives_at, arrived, note, reaches)

    def _deliver(
        self, end: int, at: float, frame: bytes, offload: Offload | None, reaches: Callable[[int], None] | None
    ) -> None:
        arriving = self._ends[end].arriving
        is_nearer = not arriving or at < arriving[0][0]
        self._order += 1
        heappush(arriving, (at, self._order, frame, offload))
        if is_nearer and reaches is not None:
            reaches(end)

    def _damage(self, frame: bytes, offload: Offload | None) -> tuple[bytes, Offload | None]:
        """A copy with one bit flipped, its checksum finished before, so that the receiver has what to find it with."""
        if offload is not None:
            if offload.needs_checksum:
                finished = offloading.finish(OutFrame(_NOWHERE, frame, b"", offload, None), offload)
                frame = finished.head + finished.payload
            offload = offload._replace(needs_checksum=False, csum_start=0, csum_offset=0, verified=False)
            if offload.gso_type == GSO_NONE:
                offload = None
        if not frame:
            return frame, offload
        bit = self.rng.randrange(0, len(frame) * 8)
        damaged = bytearray(frame)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        return bytes(damaged), offload

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability
