"""How frames are to be shown: from when times count, in which columns, by which dissectors."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from stack.events import Event
from stack.trace import render, tcpdump
from stack.trace.capture import BILLION
from stack.trace.dissect import dissect
from stack.trace.dissectors import BUILT_IN, Dissectors
from stack.trace.recorder import Entry, Note
from stack.trace.render import Arrows, Row, Widths

COLUMNS, TCPDUMP = FORMATS = ("columns", "tcpdump")


def checked_format(name: str) -> str:
    """`name`, or ValueError if it is no format's."""
    if name not in FORMATS:
        raise ValueError(f"the format of a line is {' or '.join(map(repr, FORMATS))}, not {name!r}")
    return name


class Picture:
    """`started` is the time of the entries' clock from which columns count, `zero` the nanoseconds since 1970 when that
    clock was at 0, which tcpdump's lines go by."""

    def __init__(
        self,
        started: float = 0.0,
        arrows: Arrows = render.UNICODE,
        format: str = COLUMNS,
        dissectors: Dissectors = BUILT_IN,
        widths: Widths | None = None,
        zero: int = 0,
    ) -> None:
        self.started = started
        self.arrows = arrows
        self.format = format
        self.dissectors = dissectors
        self.widths = widths or Widths()
        self.zero = zero
        self._rows: dict[int, Row] = {}  # by the frame's number: those that were read to fit the columns

    def at(self, time: float) -> int:
        """Nanoseconds since 1970."""
        return self.zero + round(time * BILLION)

    def fit(self, entries: Iterable[Entry]) -> None:
        """Make the columns as wide as these need, before the first of them is shown."""
        self._rows.clear()
        if self.format == COLUMNS:
            for entry in entries:
                row = self._rows[entry.number] = render.row(entry, self.started, self.arrows, self.dissectors)
                self.widths.fit(row.shown, row.size)

    def line(self, entry: Entry) -> Text:
        if self.format == COLUMNS:
            row = self._rows.pop(entry.number, None)
            if row is not None:
                return render.laid_out(row, self.widths, self.arrows)
            return render.line(entry, self.started, self.arrows, self.dissectors, self.widths)
        layers = dissect(entry, self.dissectors)
        text = Text(no_wrap=True)
        text.append(f"{tcpdump.stamp(self.at(entry.time))} ", render.DIM)
        text.append(tcpdump.words(layers), render.style_of(layers))
        return render.with_remarks(text, render.remarks(entry, layers))

    def tree(self, entry: Entry, after: Iterable[Event] = (), limit: int | None = None) -> Text:
        return render.tree(entry, self.started, after, limit, self.dissectors)

    def note(self, note: Note) -> Text:
        if self.format == COLUMNS:
            return render.note_line(note, self.started)
        text = Text(f"{tcpdump.stamp(self.at(note.time))} ", render.DIM, no_wrap=True)
        return text.append_text(render.note_words(note))
