"""What of the recording is to be printed now: the chosen frames in order, within a budget of lines a second.

A burst may use what a second allows at once. When the budget is spent nothing is printed until a quarter of a second's
worth has come together again; then a line says how many frames were left out, and it goes on with the present. Of a
tree eight lines count as one: whoever asks for trees wants those of a whole conversation. Reads no clock and writes
nothing: `stack.trace.trace` calls `step`.
"""

from __future__ import annotations

from rich.text import Text

from stack.events import AddressConflict, Dropped, Fault
from stack.trace import render
from stack.trace.choice import Choice, Level
from stack.trace.flow import Flows
from stack.trace.picture import Picture
from stack.trace.recorder import Entry, Note, Recorder

RATE = 200.0  # lines a second
TREE_LINES = 8  # of a tree count as one
TREE_BYTES = 256  # of a frame's bytes, in the trees that are printed as packets pass


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


class Printer:
    """From now on: the lines and trees for the frames of a choice among those `reader` has."""

    def __init__(self, reader: Reader, choice: Choice, now: float, rate: float = RATE) -> None:
        self.choice = choice
        self.rate = rate
        self.position = reader.recorder.serial
        self.hidden = 0  # frames left out and not yet spoken of
        self._number = reader.recorder.number
        self._reader = reader
        self._allowance = rate
        self._refilled_at = now
        self._is_spent = False

    def step(self, upto: int, now: float, picture: Picture | None = None, last: bool = False) -> list[Text]:
        """The lines for the items up to serial `upto`; the `last` step of all also says what it leaves out.

        Raises ChoiceFailed.
        """
        picture = picture or Picture(self._reader.recorder.started or 0.0)
        wanted = self._take(upto)
        self._allowance = min(self.rate, self._allowance + self.rate * (now - self._refilled_at))
        self._refilled_at = now
        if self._is_spent and self._allowance < self.rate / 4 and not last:
            self.hidden += len(wanted)
            return []
        texts = []
        if self.hidden:
            texts.append(render.gap_line(self.hidden))
            self._allowance -= 1
            self.hidden = 0
        shown = 0
        picture.fit([i for i, level in wanted[: int(self.rate)] if isinstance(i, Entry) and level is Level.LINE])
        for item, level in wanted:
            if self._allowance < 1:
                break
            texts.append(self._text(item, level, picture))
            self._allowance -= max(1, texts[-1].plain.count("\n") / TREE_LINES)
            shown += 1
        self.hidden = len(wanted) - shown
        self._is_spent = self.hidden > 0
        if last and self.hidden:
            texts.append(render.gap_line(self.hidden))
            self.hidden = 0
        return texts

    def _text(self, item: Entry | Note, level: Level, picture: Picture) -> Text:
        if isinstance(item, Note):
            return picture.note(item)
        # A tree's end is an empty line, for more may follow.
        return picture.tree(item, limit=TREE_BYTES).append("\n") if level is Level.TREE else picture.line(item)

    def _take(self, upto: int) -> list[tuple[Entry | Note, Level]]:
        """The items up to `upto` that are wanted; what the ring lost before it was looked at counts as left out."""
        wanted: list[tuple[Entry | Note, Level]] = []
        choice = self.choice
        for item in self._reader.since(self.position):
            if item.serial > upto:
                break
            self.position = item.serial
            if isinstance(item, Note):
                if choice.has_events and is_news(item):
                    wanted.append((item, Level.LINE))
                continue
            self.hidden += item.number - self._number - 1
            self._number = item.number
            level = choice.level(item)
            if level is not Level.NOTHING:
                wanted.append((item, level))
        self.position = max(self.position, upto)
        return wanted


def is_news(note: Note) -> bool:
    """Whether an event that belongs to no frame is worth a line among the frames."""
    return isinstance(note.event, (Dropped, AddressConflict, Fault))
