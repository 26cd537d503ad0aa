"""What is typed while no prompt is shown: kept for the next prompt, and not echoed into the middle of its drawing.

The terminal echoes only while a command has been running for a while, when somebody may be typing for it. Around
the moments at which the prompt comes and goes it is silent, and the prompt begins on a line of its own
whatever stands where the cursor is. It refuses to touch a standard input that is no terminal.
"""

from __future__ import annotations

import os
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

DELAY = 0.1  # seconds after which a command may want to be typed for
LOCAL_MODES = 3  # where termios.tcgetattr has them


def width() -> int:
    """The terminal's columns, whatever the environment says of them."""
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        return 80


class TypeAhead:
    """`running` is for while a command runs, `fresh_line` what to print before a prompt; `restore` at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fd = sys.stdin.fileno() if sys.stdin.isatty() else -1
        self._was_echoing = self._set(False)

    def restore(self) -> None:
        if self._was_echoing:
            self._set(True)

    @contextmanager
    def running(self, at_once: bool) -> Iterator[None]:
        """Echo while a command runs: from its start, or once it has taken a while."""
        is_over = False

        def begin() -> None:
            with self._lock:
                if not is_over:
                    self._set(True)

        timer = threading.Timer(0 if at_once else DELAY, begin)
        if at_once:
            begin()
        else:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._lock:
                is_over = True
                self._set(False)

    @staticmethod
    def fresh_line() -> str:
        """Blanks that end where they began if that was a line's first column, and on the next line otherwise."""
        return " " * width() + "\r"

    def _set(self, is_on: bool) -> bool:
        """Have the terminal echo or not; whether it did before."""
        if self._fd < 0:
            return False
        try:
            attributes = termios.tcgetattr(self._fd)
            if not attributes[LOCAL_MODES] & termios.ICANON:
                return False  # somebody has made it raw, and wants it as it is
            was_on = bool(attributes[LOCAL_MODES] & termios.ECHO)
            if was_on != is_on:
                attributes[LOCAL_MODES] ^= termios.ECHO
                termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        except termios.error:
            return False  # hung up
        return was_on
