"""wget's progress bar, and how it writes sizes, rates and durations.

    name                 42%[=======>            ] 412.00K   103KB/s    eta 5s

It is for a terminal only, and redrawn at most five times a second of the node's time.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TextIO

NAME = 20  # columns, the space after it included
FIXED = 59  # columns of everything but the bar
INTERVAL = 0.2  # seconds between two redrawings
WINDOW = 3.0  # seconds that the rate is measured over
PATIENCE = 3.0  # seconds before the time left is guessed at
RESOLUTION = 5e-7  # seconds, for what took none


class Bar:
    """One body's. `start` bytes of `total` (None: unknown) were there already."""

    def __init__(self, terminal: TextIO, width: int, name: str, total: int | None, start: int, now: float) -> None:
        self._terminal = terminal
        self._room = width - 1 - FIXED
        self._name = name if len(name) < NAME else name[: NAME - 4] + "..."
        self._total = total
        self._start = start
        self._began_at = now
        self._drawn_at = now
        self._turn = 0
        self._samples: deque[tuple[float, int]] = deque([(now, start)])
        self._draw(start, self._rate(start, now), "")

    @classmethod
    def on(cls, stream: TextIO, name: str, total: int | None, start: int, now: float) -> Bar | None:
        """One on `stream`, if that is a terminal with room for it."""
        try:
            if not stream.isatty():
                return None
            width = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            return None
        return cls(stream, width, name, total, start, now) if width >= FIXED + 6 else None

    def show(self, received: int, now: float) -> None:
        """So much is there now."""
        if now - self._drawn_at < INTERVAL:
            return
        self._drawn_at = now
        self._turn += 1
        self._samples.append((now, received))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()
        tail = ""
        if self._total is not None and now - self._began_at > PATIENCE and received > self._start:
            speed = (received - self._start) / (now - self._began_at)
            tail = f"    eta {countdown((self._total - received) / speed)}"
        self._draw(received, self._rate(received, now), tail)

    def end(self, received: int, now: float) -> None:
        """The last state, and the line's end."""
        seconds = now - self._began_at
        speed = short_rate((received - self._start) / seconds) if seconds >= INTERVAL else "--.-KB/s"
        self._turn += 1
        self._draw(received, speed, f"    in {took(seconds)}")
        self._terminal.write("\n\n")
        self._terminal.flush()

    def _rate(self, received: int, now: float) -> str:
        at, before = self._samples[0]
        return short_rate((received - before) / (now - at)) if now - at >= INTERVAL else "--.-KB/s"

    def _draw(self, received: int, speed: str, tail: str) -> None:
        percent, bar = "    ", _moving(self._turn, self._room)
        if self._total is not None:
            share = min(1.0, received / self._total) if self._total else 1.0
            percent, bar = f"{int(share * 100):3}%", self._filled(received)
        size = amount(received, 1000, 2) if received >= 1024 else str(received)
        line = f"{self._name:{NAME}}{percent:4}[{bar}] {size:>7}  {speed:>8}{tail}"
        width = self._room + FIXED
        self._terminal.write("\r" + f"{line:{width}}"[:width])
        self._terminal.flush()

    def _filled(self, received: int) -> str:
        assert self._total is not None
        total = self._total or 1
        done = min(self._room, self._room * received // total) if self._total else self._room
        before = min(done, self._room * self._start // total)
        new = done - before
        return ("+" * before + ("=" * (new - 1) + ">" if new else "")).ljust(self._room)


def _moving(turn: int, room: int) -> str:
    """For a body of unknown length: it goes to and fro."""
    way = room - 3
    at = turn % (2 * way)
    return (" " * (at if at <= way else 2 * way - at) + "<=>").ljust(room)


def amount(count: float, limit: float = 10, decimals: int = 1) -> str:
    """'977K', '1.0M': with decimals below `limit`. Plain under 1024."""
    if count < 1024:
        return f"{count:.0f}"
    for unit in "KMGTPE":
        count /= 1024
        if count < 1024 or unit == "E":
            return f"{count:.{decimals if count < limit else 0}f}{unit}"
    raise AssertionError


def rate(count: int, seconds: float) -> str:
    """'2.58 MB/s', as the line after the bar has it."""
    return short_rate(count / (seconds or RESOLUTION), " ")


def short_rate(per_second: float, space: str = "") -> str:
    """'2.58MB/s': three digits, as the bar has it."""
    value, unit = per_second, "B"
    for larger in ("KB", "MB", "GB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}{space}{unit}/s"


def took(seconds: float) -> str:
    """'0s', '0.008s', '3.9s', '12s', '2m 3s'"""
    if seconds >= 60:
        return countdown(seconds)
    digits = 0 if seconds >= 9.95 or seconds < 0.0005 else 1 if seconds >= 0.95 else 2 if seconds >= 0.095 else 3
    text = f"{seconds:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "s"


def countdown(seconds: float) -> str:
    """'5s', '2m 3s', '1h 40m', '3d 2h'"""
    left = int(seconds + 0.5)
    for size, large, small, part in ((86400, "d", "h", 3600), (3600, "h", "m", 60), (60, "m", "s", 1)):
        if left >= size:
            return f"{left // size}{large} {left % size // part}{small}" if left < 100 * 86400 else "--"
    return f"{left}s"
