"""What of the recording is to be printed now: the chosen frames in order, within a budget of lines a second.

A burst may use what a second allows at once. When the budget is spent nothing is printed until a quarter of a second's
worth has come together again; then a line says how many frames were left out, and it goes on with the present. Reads no
clock and writes nothing: `stack.trace.trace` calls `step`.
"""

from __future__ import annotations

from rich.text import Text

from stack.events import AddressConflict, Dropped, Fault
from stack.trace import render
from stack.trace.choice import Test
from stack.trace.flow import Flows
from stack.trace.recorder import Entry, Note, Recorder
from stack.trace.render import Arrows

RATE = 200.0  # lines a second


class Reader:
    """Items of a recorder with their flows filled in: each segment is followed once, in order, whoever asks first."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.flows = Flows()
        self._followed = 0

    def since(self, serial: int) -> list[Entry | Note]:
        """What is kept of the items after `serial`, oldest first."""
        items = self.recorder.since(min(serial, self._followed))
        for item in items:
            if isinstance(item, Entry) and item.serial > self._followed:
                item.flow = self.flows.follow(item.framed)
        if items:
            self._followed = max(self._followed, items[-1].serial)
        return [item for item in items if item.serial > serial]


class ChoiceFailed(Exception):
    """The function given to choose frames raised; the message says so in one line."""


class Printer:
    """From now on: the lines for the frames `test` chooses (all, if it is None) among those `reader` has."""

    def __init__(self, reader: Reader, test: Test | None, now: float, rate: float = RATE) -> None:
        self.test = test
        self.rate = rate
        self.position = reader.recorder.serial
        self.hidden = 0  # frames left out and not yet spoken of
        self._number = reader.recorder.number
        self._reader = reader
        self._allowance = rate
        self._refilled_at = now
        self._is_spent = False

    def step(self, upto: int, now: float, arrows: Arrows = render.UNICODE, last: bool = False) -> list[Text]:
        """The lines for the items up to serial `upto`; the `last` step of all also says what it leaves out.

        Raises ChoiceFailed.
        """
        wanted = self._take(upto)
        self._allowance = min(self.rate, self._allowance + self.rate * (now - self._refilled_at))
        self._refilled_at = now
        if self._is_spent and self._allowance < self.rate / 4 and not last:
            self.hidden += len(wanted)
            return []
        lines = []
        if self.hidden:
            lines.append(render.gap_line(self.hidden))
            self.hidden = 0
        room = max(0, int(self._allowance) - len(lines))
        started = self._reader.recorder.started or 0.0
        lines += [
            render.line(item, started, arrows) if isinstance(item, Entry) else render.note_line(item, started)
            for item in wanted[:room]
        ]
        self._allowance -= len(lines)
        self.hidden = len(wanted) - min(room, len(wanted))
        self._is_spent = self.hidden > 0
        if last and self.hidden:
            lines.append(render.gap_line(self.hidden))
            self.hidden = 0
        return lines

    def _take(self, upto: int) -> list[Entry | Note]:
        """The items up to `upto` that are wanted; what the ring lost before it was looked at counts as left out."""
        wanted: list[Entry | Note] = []
        for item in self._reader.since(self.position):
            if item.serial > upto:
                break
            self.position = item.serial
            if isinstance(item, Note):
                if self.test is None and is_news(item):
                    wanted.append(item)
                continue
            self.hidden += item.number - self._number - 1
            self._number = item.number
            if self.test is None or self._passes(item):
                wanted.append(item)
        self.position = max(self.position, upto)
        return wanted

    def _passes(self, entry: Entry) -> bool:
        assert self.test is not None
        try:
            return bool(self.test(entry))
        except Exception as error:
            raise ChoiceFailed(f"frame {entry.number}: {type(error).__name__}: {error}") from error


def is_news(note: Note) -> bool:
    """Whether an event that belongs to no frame is worth a line among the frames."""
    return isinstance(note.event, (Dropped, AddressConflict, Fault))
