"""Where nc's words come from: standard input, bytes that were given, or nobody.

A source is asked, never waited for: `is_ready` is called under the engine's lock by whoever waits there. Standard input
is read in a thread of its own, one piece at a time and only when the last one has been taken, so that at the prompt
what is typed for the next command is left to it. It refuses to read a descriptor in virtual time.
"""

from __future__ import annotations

import os
import select
import sys
from typing import Any, Protocol

from apps.host import Host

PIECE = 1 << 16  # bytes
DATAGRAM = 1472  # bytes: what fits into one Ethernet frame


class Source(Protocol):
    is_terminal: bool  # somebody sits there
    is_silent: bool  # there never is anything, nor an end that could be told

    def begin(self) -> None:
        """There is somebody to be told: until then nothing is taken from wherever it comes from. Again: nothing."""

    def is_ready(self) -> bool:
        """Whether `take` has something to give; under the lock."""

    def take(self) -> bytes:
        """The next piece, b'' at the end."""

    def close(self) -> None: ...


class Given:
    """Bytes, in pieces."""

    is_terminal = is_silent = False

    def __init__(self, data: bytes, piece: int = PIECE) -> None:
        self._rest = memoryview(data)
        self._piece = piece

    def begin(self) -> None:
        pass

    def is_ready(self) -> bool:
        return True

    def take(self) -> bytes:
        part, self._rest = self._rest[: self._piece], self._rest[self._piece :]
        return bytes(part)

    def close(self) -> None:
        pass


class Nobody:
    """Says nothing, and does not come to an end either."""

    is_terminal = False
    is_silent = True

    def begin(self) -> None:
        pass

    def is_ready(self) -> bool:
        return False

    def take(self) -> bytes:
        return b""

    def close(self) -> None:
        pass


class Typed:
    """A descriptor: a terminal, a pipe, a file. One that is closed has come to its end."""

    is_silent = False

    def __init__(self, node: Host, fd: int, piece: int = PIECE) -> None:
        if node.engine.is_virtual:
            raise ValueError("standard input does not wait for virtual time")
        self.is_terminal = os.isatty(fd)
        self._engine = node.engine
        self._fd = fd
        self._size = piece
        self._piece: bytes | None = None
        self._is_over = self._is_closed = False
        self._ear, self._mouth = os.pipe()  # its end stops the thread
        self._thread: Any = None

    def begin(self) -> None:
        if self._thread is None:
            self._thread = self._engine.spawn(self._read, name="nc reads")

    def is_ready(self) -> bool:
        return self._piece is not None or self._is_over

    def take(self) -> bytes:
        with self._engine:
            piece, self._piece = self._piece, None
            return piece or b""

    def close(self) -> None:
        """Leave the descriptor alone from now on."""
        os.close(self._mouth)
        with self._engine:
            self._is_closed = True
        if self._thread is not None:
            self._thread.join()
        os.close(self._ear)

    def _read(self) -> None:
        while True:
            with self._engine as engine:
                engine.wait(lambda: self._piece is None or self._is_closed)
                if self._is_closed:
                    return
            piece = self._next()
            with self._engine:
                if not piece:
                    self._is_over = True
                    return
                self._piece = piece

    def _next(self) -> bytes:
        """What comes next; b'' at the end, which `close` is too."""
        try:
            ready, _, _ = select.select([self._fd, self._ear], [], [])
            return b"" if self._ear in ready else os.read(self._fd, self._size)
        except (OSError, ValueError):
            return b""  # closed, or a terminal that hung up


def standard_input(node: Host, piece: int = PIECE) -> Source:
    """Whatever the program's standard input is; nothing at all if it has none."""
    try:
        return Typed(node, sys.stdin.fileno(), piece)
    except (OSError, ValueError, AttributeError):
        return Given(b"")
