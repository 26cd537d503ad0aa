"""A terminal for tests: a program in a pseudo-terminal, and the screen a person would see, scrollback included.

It understands what prompt_toolkit and our own colours send and fails on anything else, so that garbage is noticed.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from typing import Any

from tests.patience import PATIENCE

ESCAPE = re.compile(r"\x1b(?:\[([?>=]?)([0-9;]*)([A-Za-z@`])|\](?:[^\x07\x1b]*)(?:\x07|\x1b\\)|([=>78cM]))")
TOOLBAR = re.compile(r"\w+ [\d./, ]+  rx ")
PARTIAL = re.compile(r"\x1b(?:\[[?>=]?[0-9;]*|\][^\x07\x1b]*\x1b?)?\Z")


class Screen:
    """What a terminal of `columns` by `rows` makes of a stream of characters."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.scrolled: list[str] = []
        self.x = self.y = 0
        self.answers: list[str] = []  # what the terminal sends back
        self._rest = ""

    def feed(self, text: str) -> None:
        text = self._rest + text
        partial = PARTIAL.search(text)
        self._rest = text[partial.start() :] if partial else ""
        text = text[: partial.start()] if partial else text
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = ESCAPE.match(text, at)
                assert match, f"an escape sequence no terminal knows: {text[at : at + 20]!r}"
                if match[3]:
                    self._control(match[1], match[2], match[3])
                at = match.end()
            else:
                self._character(text[at])
                at += 1

    def lines(self) -> list[str]:
        """Everything on the screen and above it, without trailing blanks."""
        shown = ["".join(row).rstrip() for row in self.cells]
        while shown and not shown[-1]:
            shown.pop()
        return self.scrolled + shown

    def _character(self, c: str) -> None:
        if c == "\r":
            self.x = 0
        elif c == "\n":
            self._down()
        elif c == "\b":
            self.x = max(0, self.x - 1)
        elif c == "\x07":
            pass
        else:
            assert c.isprintable(), f"{c!r} on the screen"
            if self.x == self.columns:
                self.x = 0
                self._down()
            self.cells[self.y][self.x] = c
            self.x += 1

    def _down(self) -> None:
        if self.y < self.rows - 1:
            self.y += 1
            return
        self.scrolled.append("".join(self.cells.pop(0)).rstrip())
        self.cells.append([" "] * self.columns)

    def _control(self, private: str, parameters: str, letter: str) -> None:
        first, *others = [int(p or 0) for p in parameters.split(";")]
        count = first or 1
        if letter == "n" and first == 6:
            self.answers.append(f"\x1b[{self.y + 1};{min(self.x, self.columns - 1) + 1}R")
        elif letter == "A":
            self.y = max(0, self.y - count)
        elif letter == "B":
            self.y = min(self.rows - 1, self.y + count)
        elif letter == "C":
            self.x = min(self.columns - 1, self.x + count)
        elif letter == "D":
            self.x = max(0, min(self.x, self.columns - 1) - count)
        elif letter == "G":
            self.x = count - 1
        elif letter == "H":
            self.y, self.x = count - 1, (others[0] if others else 1) - 1
        elif letter == "K":
            start, end = {0: (self.x, self.columns), 1: (0, self.x + 1), 2: (0, self.columns)}[first]
            self.cells[self.y][start:end] = [" "] * (min(end, self.columns) - start)
        elif letter == "J":
            if first == 0:
                self.cells[self.y][self.x :] = [" "] * (self.columns - self.x)
            for row in self.cells[self.y + 1 :] if first == 0 else self.cells:
                row[:] = [" "] * self.columns
        else:
            assert letter in "mhlqtu", f"escape sequence {private}{parameters}{letter}"


def begin(
    argv: list[str], env: dict[str, str], columns: int = 80, rows: int = 24, **options: Any
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a program on a terminal of its own; it and the other end. pty.fork would do, but not beside threads."""
    fd, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    words, env = ["setsid", "--ctty", "--", *argv], {**os.environ, **env}
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=env, **options)
    os.close(slave)
    return process, fd


class Terminal:
    """A program on a terminal. `expect` and `wait` read what it prints; `type` is the keyboard."""

    def __init__(self, argv: list[str], env: dict[str, str] | None = None, columns: int = 100, rows: int = 30) -> None:
        self.screen = Screen(columns, rows)
        self.process, self.fd = begin(argv, {**(env or {}), "TERM": "xterm-256color"}, columns, rows)
        self._pending = b""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def enter(self, text: str) -> None:
        """Type a line and Enter, as a person does: Enter is a key of its own."""
        self.type(text)
        self.type("\r")

    def read(self, seconds: float) -> bool:
        """Take what there is within `seconds`; False if there was nothing, or the program has ended."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        text = self._decode(data)
        self.screen.feed(text)
        for answer in self.screen.answers:
            os.write(self.fd, answer.encode())
        self.screen.answers.clear()
        return bool(data)

    def _decode(self, data: bytes) -> str:
        data = self._pending + data
        try:
            self._pending = b""
            return data.decode()
        except UnicodeDecodeError as e:
            assert e.end == len(data) and e.reason == "unexpected end of data", f"not UTF-8: {data!r}"
            self._pending = data[e.start :]
            return data[: e.start].decode()

    def text(self) -> str:
        return "\n".join(self.screen.lines())

    def expect(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until the screen has `pattern`, a regular expression by lines; AssertionError with the screen if not."""
        compiled = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + seconds
        while True:
            match = compiled.search(self.text())
            if match:
                return match
            remaining = deadline - time.monotonic()
            if remaining <= 0 or (not self.read(min(remaining, 0.5)) and self.has_ended()):
                match = compiled.search(self.text())
                if match:
                    return match
                raise AssertionError(f"no {pattern!r} on the screen:\n{self.text()}")

    def prompts(self) -> list[int]:
        """The numbers of the lines on which the prompt stands or stood."""
        return [number for number, line in enumerate(self.screen.lines()) if line.startswith(">>>")]

    def is_waiting(self) -> bool:
        """Whether an empty prompt is there, with nothing under it but the toolbar."""
        screen = self.screen
        under = ["".join(row).strip() for row in screen.cells[screen.y + 1 :]]
        is_empty = "".join(screen.cells[screen.y]).rstrip() == ">>>" and screen.x == len(">>> ")
        return is_empty and any(under) and not any(line for line in under[:-1] if not TOOLBAR.match(line))

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline and not self.has_ended(), f"waited in vain:\n{self.text()}"
            self.read(0.05)

    def ask(self, *lines: str, seconds: float = PATIENCE) -> list[str]:
        """Type lines at the empty prompt; what is printed until the next one."""
        self.until(self.is_waiting)
        asked = self.prompts()[-1]
        for line in lines:
            self.enter(line)
        self.until(lambda: self.prompts()[-1] > asked and self.is_waiting(), seconds)
        answer = self.screen.lines()[asked + 1 : self.prompts()[-1]]
        while answer and answer[0].startswith("..."):
            answer.pop(0)
        return answer

    def settle(self, seconds: float = 0.3) -> None:
        """Read until nothing comes for `seconds`; less than the half second between two looks at the counters."""
        deadline = time.monotonic() + 10
        while self.read(seconds):
            assert time.monotonic() < deadline, f"it never rests:\n{self.text()}"

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit code, once it has ended."""
        deadline = time.monotonic() + seconds
        while not self.has_ended():
            assert time.monotonic() < deadline, f"it does not end:\n{self.text()}"
            self.read(0.05)
        while self.read(0):
            pass
        return int(self.process.returncode)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.fd)
