"""`run` at a terminal: the command has it while it runs, Ctrl-C is the command's, and we have it back afterwards."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import start
from tests.patience import PATIENCE
from tests.shell.terminal import begin

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys, termios
from stack.link.lab import open_lab
lab = open_lab(bytes((192, 168, 1, 3)), 24)
before = termios.tcgetattr(0)
while (line := input("ready> ")) != "end":
    code = lab.run(line)
    print("code", code, os.tcgetpgrp(0) == os.getpgrp(), termios.tcgetattr(0) == before)
"""


class Terminal:
    """Our program at a pseudo-terminal, as a newcomer sees it."""

    def __init__(self, argv: list[str]) -> None:
        self.process, self.fd = begin(argv, {"SHELL": "/bin/sh", "PS1": "shell> ", "ENV": ""}, cwd=ROOT)
        self.text = ""

    def expect(self, pattern: str, timeout: float = PATIENCE) -> str:
        """Read until `pattern` has appeared; what was read up to its end."""
        deadline = time.monotonic() + timeout
        while (found := re.search(pattern, self.text)) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.text!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.text += os.read(self.fd, 4096).decode()
        seen, self.text = self.text[: found.end()], self.text[found.end() :]
        return seen

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())


def terminal_of(*argv: str) -> Iterator[Terminal]:
    start().close()
    made = Terminal([*argv])
    yield made
    made.process.kill()
    made.process.wait()
    os.close(made.fd)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    yield from terminal_of(sys.executable, "-c", PROGRAM)


@pytest.fixture
def shell() -> Iterator[Terminal]:
    yield from terminal_of("/bin/sh", "-i")


def test_a_command_reads_from_the_terminal(terminal: Terminal) -> None:
    terminal.expect("ready> ")
    terminal.type("read x; echo you said $x\n")
    terminal.type("hello\n")
    terminal.expect("you said hello")
    terminal.expect("code 0 True True")


def test_ctrl_c_ends_the_command_and_not_us(terminal: Terminal) -> None:
    terminal.expect("ready> ")
    terminal.type("echo sleeping; exec sleep 1000\n")
    terminal.expect("\nsleeping")
    terminal.type("\x03")
    terminal.expect("code 130 True True")
    terminal.type("true\n")
    terminal.expect("code 0 True True")


def test_a_shell_has_job_control_and_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.expect("ready> ")
    terminal.type("\n")
    terminal.expect("shell> ")
    terminal.type("echo $((6 * 7)); tty\n")
    seen = terminal.expect("\n42.*\n.*/dev/pts/")
    assert "job control turned off" not in seen
    terminal.type("sleep 1000\n")
    time.sleep(0.2)
    terminal.type("\x03")
    terminal.expect("shell> ")
    terminal.type("sleep 1000\n")
    time.sleep(0.2)
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.type("kill %1; exit 5\n")
    terminal.type("exit 5\n")
    terminal.expect("code 5 True True")


def test_a_command_that_leaves_the_terminal_raw_does_no_harm(terminal: Terminal) -> None:
    terminal.expect("ready> ")
    terminal.type("stty raw -echo; kill -9 $$\n")
    terminal.expect("code 137 True True")


def test_ctrl_z_where_nobody_could_resume_us_stops_nothing(terminal: Terminal) -> None:
    """Our process group is an orphan here, as under a terminal of one program: the command goes on."""
    terminal.expect("ready> ")
    terminal.type("echo sleeping; sleep 1; echo awake\n")
    terminal.expect("\nsleeping")
    time.sleep(0.3)  # a shell cannot stop between its vfork and its child's exec
    terminal.type("\x1a")
    terminal.expect("awake")
    terminal.expect("code 0 True True")


def test_ctrl_z_under_a_shell_suspends_us_with_the_command_and_fg_resumes_both(shell: Terminal, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{PROGRAM}")
    shell.expect("shell> ")
    shell.type(f"{sys.executable} {program}\n")
    shell.expect("ready> ")
    shell.type("echo sleeping; sleep 1; echo awake\n")
    shell.expect("\nsleeping")
    time.sleep(0.3)  # a shell cannot stop between its vfork and its child's exec
    shell.type("\x1a")
    shell.expect("Stopped(.|\n)*shell> ")
    shell.type("fg\n")
    shell.expect("awake")
    shell.expect("code 0 True True")
    shell.type("end\n")
    shell.expect("shell> ")
