"""Standard output and error while there is a prompt: whatever any thread prints appears above the line being typed.

While a prompt is shown only its own thread writes to the terminal: the others leave their text with it, and it puts
whole lines above the prompt, at most every 50 ms. Otherwise text goes straight to the terminal, so that a command's
output is there before anything that follows it. prompt_toolkit's own way leaves raw mode for each text, and what is
typed at that moment is echoed into the middle of it. It refuses to buffer without end: who prints faster than the
terminal takes waits.
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application

BATCH = 0.05  # seconds between two redrawings of the prompt for text above it
LIMIT = 1 << 20  # characters that may wait to be printed
PATIENCE = 1.0  # seconds a writer waits for room, before it prints all the same


class Screen(io.TextIOBase):
    """Stands for `sys.stdout` and `sys.stderr`."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._room = threading.Condition(threading.RLock())
        self._waiting: list[str] = []
        self._size = 0  # characters in it
        self._loop: asyncio.AbstractEventLoop | None = None  # of the prompt that is shown
        self._app: Application[Any] | None = None
        self._shown_by = 0  # the thread that shows it
        self._is_scheduled = False

    # --- what a stream has

    def write(self, text: str) -> int:
        with self._room:
            if self._loop is None:
                self._terminal.write(text)
                return len(text)
            if self._size > LIMIT and threading.get_ident() != self._shown_by:
                self._room.wait_for(lambda: self._size <= LIMIT, PATIENCE)
            self._waiting.append(text)
            self._size += len(text)
            if not self._is_scheduled and self._loop is not None:
                self._schedule(self._loop)
        return len(text)

    def flush(self) -> None:
        with self._room:
            if self._loop is None:
                self._terminal.flush()

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def fileno(self) -> int:
        return self._terminal.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._terminal.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._terminal.errors

    # --- the prompt

    def ask(self, session: PromptSession[str], message: str) -> str:
        """Show a prompt until a line is entered. Raises KeyboardInterrupt and EOFError as the session does."""

        def begin() -> None:
            with self._room:
                self._terminal.flush()
                self._app, self._loop = session.app, asyncio.get_running_loop()
                self._shown_by = threading.get_ident()

        try:
            return session.prompt(message, pre_run=begin)
        finally:
            with self._room:
                self._app = self._loop = None
                self._is_scheduled = False
                self._terminal.write(self._take())
                self._terminal.flush()

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(loop.call_later, BATCH, self._print_above)
            self._is_scheduled = True
        except RuntimeError:
            pass  # the prompt is over, and `ask` is about to print what waits

    def _print_above(self) -> None:
        """In the prompt's thread: the lines that wait, then the prompt again under them."""
        with self._room:
            self._is_scheduled = False
            app = self._app
            if app is None or app.is_done:
                return
            text, newline, rest = self._take().rpartition("\n")
            if rest:
                self._waiting.append(rest)  # a line that is not complete waits for its end
                self._size = len(rest)
        if newline:
            app.renderer.erase()
            app.output.enable_autowrap()
            app.output.write_raw((text + newline).replace("\n", "\r\n"))
            app.output.flush()
            app.renderer.reset()
            app.renderer.request_absolute_cursor_position()
            app.invalidate()

    def _take(self) -> str:
        text = "".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        self._room.notify_all()
        return text

    @contextmanager
    def installed(self) -> Iterator[None]:
        """As the process's standard output and error."""
        before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = self
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
