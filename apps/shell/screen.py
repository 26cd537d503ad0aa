"""Standard output and error while there is a prompt: whatever any thread prints appears above the line being typed.

While no prompt is shown, text goes straight to the terminal, so that a command's output is there before anything that
follows it. The change from one to the other is under a lock, and drains what is on its way. It refuses to buffer
without end: a thread that prints faster than the terminal takes waits.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from prompt_toolkit.patch_stdout import StdoutProxy

BATCH = 0.05  # seconds between two redrawings of the prompt for text above it


class Screen(io.TextIOBase):
    """Stands for `sys.stdout` and `sys.stderr`."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._target: Any = terminal
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        with self._lock:
            self._target.write(text)
        return len(text)

    def flush(self) -> None:
        with self._lock:
            self._target.flush()

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

    @contextmanager
    def prompting(self) -> Iterator[None]:
        """While a prompt is shown."""
        proxy = StdoutProxy(sleep_between_writes=BATCH, raw=True)
        with self._lock:
            self._terminal.flush()
            self._target = proxy
        try:
            yield
        finally:
            with self._lock:
                self._target = self._terminal
                proxy.close()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """As the process's standard output and error."""
        before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = self
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
