"""Where the trace writes: a function that takes text, in colour or not, in the characters its stream can encode."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from rich.text import Text

from stack.trace import render
from stack.trace.color import is_coloured


class Screen:
    """`write` takes a string, None is whatever `sys.stdout` is then; `color` is 'auto', 'always' or 'never'."""

    def __init__(self, write: Callable[[str], object] | None = None, color: str | bool | None = None) -> None:
        is_coloured(color)  # a wrong word is an error now and not in the printing thread
        self.color = color
        self._write = write

    def _stream(self) -> object:
        """Where the text goes, to ask whether it is a terminal and what it can encode; None if that is unknown."""
        return sys.stdout if self._write is None else getattr(self._write, "__self__", None)

    def _encoding(self) -> str:
        return getattr(self._stream(), "encoding", None) or "utf-8"

    @property
    def arrows(self) -> render.Arrows:
        try:
            render.UNICODE.right.encode(self._encoding())
        except (UnicodeEncodeError, LookupError):
            return render.ASCII
        return render.UNICODE

    def print(self, lines: Iterable[Text]) -> None:
        """All lines in one write."""
        color = is_coloured(self.color, self._stream())
        text = "".join(render.to_ansi(line, color) + ("" if line.plain.endswith("\n") else "\n") for line in lines)
        if not text:
            return
        if self._write is not None:
            self._write(text)
            return
        encoding = self._encoding()
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
