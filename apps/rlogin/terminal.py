"""The terminal at which an rlogin session is held: raw meanwhile, and as it was before afterwards, whatever happens.

A thread reads the keys and hears of the window's changes, because nothing waits for both a file and a node's socket.
Standard input need not be a terminal; then what is in it is typed, and its end is.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
import tty
from types import FrameType, TracebackType
from typing import Any

from apps.host import Host
from stack.wire.rlogin import WindowSize

ENOUGH = 65536  # bytes typed and not sent, at which the keyboard is left alone
ENDS = (signal.SIGTERM, signal.SIGHUP)  # a session that ends by them gives the terminal back first
STDIN, STDOUT = 0, 1
IFLAG, OSPEED = 0, 5  # where termios.tcgetattr has them


class Terminal:
    """`with Terminal(node) as terminal:` makes it raw. It is a `Keyboard`, and `show` writes to it."""

    def __init__(self, node: Host) -> None:
        self.is_over = False
        self._node = node
        self._before: list[Any] | None = termios.tcgetattr(STDIN) if os.isatty(STDIN) else None
        self._typed = b""
        self._is_resized = False
        self._is_done = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Terminal:
        sys.stdout.flush()
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._mouth, False)
        self._thread = threading.Thread(target=self._read, name="rlogin keys", daemon=True)
        try:
            if threading.current_thread() is threading.main_thread():
                self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda *_: self._ring(b"w"))
                for number in ENDS:
                    self._handlers[number] = signal.signal(number, self._on_end)
            if self._before is not None:
                tty.setraw(STDIN)
                self.set_flow(bool(self._before[IFLAG] & termios.IXON))
            self._thread.start()
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        with self._node.engine:
            self._is_done = True
        self._ring(b"q")
        self._thread.join()
        os.close(self._ear)
        os.close(self._mouth)

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._before is not None:
            try:
                termios.tcsetattr(STDIN, termios.TCSANOW, self._before)  # waiting for Ctrl-Q helps nobody
            except termios.error:
                pass  # hung up

    def _on_end(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        os.kill(os.getpid(), number)

    # --- the keyboard

    def is_ready(self) -> bool:
        return bool(self._typed) or self._is_resized

    def take(self) -> bytes:
        typed, self._typed = self._typed, b""
        return typed

    def take_resized(self) -> bool:
        resized, self._is_resized = self._is_resized, False
        return resized

    def size(self) -> WindowSize:
        try:
            columns, rows = os.get_terminal_size(STDIN)
        except OSError:
            return WindowSize(24, 80)
        return WindowSize(rows, columns)

    def set_flow(self, is_local: bool) -> None:
        if self._before is not None:
            now = termios.tcgetattr(STDIN)
            now[IFLAG] = now[IFLAG] | termios.IXON if is_local else now[IFLAG] & ~termios.IXON
            termios.tcsetattr(STDIN, termios.TCSANOW, now)

    def speed(self) -> str:
        """Bits a second, as the terminal has it."""
        if self._before is None:
            return "38400"
        names = {getattr(termios, name): name[1:] for name in dir(termios) if name[0] == "B" and name[1:].isdigit()}
        return names.get(self._before[OSPEED], "38400")

    def show(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(STDOUT, view) :]

    # --- the thread

    def _read(self) -> None:
        files = [STDIN, self._ear]
        while True:
            ready, _, _ = select.select(files, [], [])
            heard = os.read(self._ear, 64) if self._ear in ready else b""
            typed = os.read(STDIN, 4096) if STDIN in ready else None
            if b"q" in heard:
                return
            if typed == b"":
                files.remove(STDIN)
            try:
                self._tell(typed, b"w" in heard)
            except OSError:
                return  # the node has gone down

    def _tell(self, typed: bytes | None, is_resized: bool) -> None:
        with self._node.engine as engine:  # leaving it wakes who waits for this
            self._is_resized |= is_resized
            self.is_over |= typed == b""
            self._typed += typed or b""
            if len(self._typed) >= ENOUGH:
                engine.wait(lambda: self._is_done or len(self._typed) < ENOUGH)

    def _ring(self, what: bytes) -> None:
        try:
            os.write(self._mouth, what)
        except BlockingIOError:
            pass
