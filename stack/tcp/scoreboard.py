"""What is in flight: one entry a transmission, oldest first, with when and how often it was sent.

It answers which round trip an ACK has measured (Karn's rule: only what was sent once, RFC 6298 3) and how often a
range has been resent. An ACK costs as much as it acknowledges, whatever the window. Selective acknowledgments will
mark the same entries.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from stack.wire.sequence import diff


class Sent:
    """Sequence numbers start to end (exclusive), a SYN or FIN counting one."""

    __slots__ = ("end", "sent_at", "start", "times")

    def __init__(self, start: int, end: int, sent_at: float, times: int) -> None:
        self.start = start
        self.end = end
        self.sent_at = sent_at
        self.times = times


class Scoreboard:
    def __init__(self) -> None:
        self._sent: deque[Sent] = deque()

    def __len__(self) -> int:
        return len(self._sent)

    def __iter__(self) -> Iterator[Sent]:
        return iter(self._sent)

    def record(self, start: int, end: int, now: float) -> tuple[int, float | None]:
        """A transmission of start..end. Returns how often it has now been resent, and the seconds since it was last
        sent."""
        if not self._sent or diff(start, self._sent[-1].end) >= 0:
            self._sent.append(Sent(start, end, now, 1))
            return 0, None
        return self._resend(start, end, now)

    def _resend(self, start: int, end: int, now: float) -> tuple[int, float | None]:
        """Replace what start..end covers by one entry, keeping what lies outside it. Costs as much as lies before
        `end`."""
        sent = self._sent
        kept: list[Sent] = []
        times = 0
        last: float | None = None
        rest: Sent | None = None
        while sent and diff(sent[0].start, end) < 0:
            entry = sent.popleft()
            if diff(entry.end, start) <= 0:
                kept.append(entry)
                continue
            times = max(times, entry.times)
            last = entry.sent_at if last is None else max(last, entry.sent_at)
            if diff(entry.start, start) < 0:
                kept.append(Sent(entry.start, start, entry.sent_at, entry.times))
            if diff(entry.end, end) > 0:
                rest = Sent(end, entry.end, entry.sent_at, entry.times)
        kept.append(Sent(start, end, now, times + 1))
        if rest is not None:
            kept.append(rest)
        sent.extendleft(reversed(kept))
        return times, None if last is None else now - last

    def acknowledge(self, una: int) -> float | None:
        """Forget everything before `una`. Returns when the newest of it that was sent only once had been sent, or
        None: RFC 6298 3 allows a sample only where it is unambiguous, so an ACK that covers anything resent gives
        none."""
        newest: float | None = None
        is_ambiguous = False
        while self._sent:
            entry = self._sent[0]
            if diff(entry.start, una) >= 0:
                break
            is_ambiguous |= entry.times > 1
            if diff(entry.end, una) > 0:
                entry.start = una
                break  # partly acknowledged: the rest is still on its way
            newest = entry.sent_at
            self._sent.popleft()
        return None if is_ambiguous else newest

    def clear(self) -> None:
        self._sent.clear()
