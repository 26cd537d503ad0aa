"""The README does what it says: its sessions are typed and its programs run, and what comes out is what it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from node import Node
from stack.link.lab import open_lab
from stack.wire.address import parse_ip
from tests import needs
from tests.shell.terminal import Terminal

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
# What differs from run to run, and what stands for it.
VARYING = [
    (r"time=[\d.]+ ms", "time=T ms"),
    (r"= [\d.]+/[\d.]+/[\d.]+/[\d.]+ ms", "= T/T/T/T ms"),
    (r"time \d+ms", "time T"),
    (r"  [\d.]+ ms", "  T ms"),
    (r"^ *\d+ +\d+\.\d{6} +", "N T "),
    (r"\b\d{5} → 7 ", "PORT → 7 "),
    (r"7 → \d{5} ", "7 → PORT "),
    (r" (Ack|Win|TSval|TSecr|WS)=\d+", ""),
]
# How many of these there are, and which of two packets on their ways was first, is a matter of timing.
PURE_ACK = re.compile(r"^N T .*\[ACK\].* Len=0$")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def normal(lines: list[str]) -> list[str]:
    text = "\n".join(line.rstrip() for line in lines)
    for pattern, words in VARYING:
        text = re.sub(pattern, words, text, flags=re.MULTILINE)
    kept = [line for line in text.split("\n") if not PURE_ACK.match(line)]
    return sorted(kept) if any(line.startswith("N T ") for line in kept) else kept


def steps(lines: list[str], mark: str) -> list[tuple[str, list[str]]]:
    """What is typed after `mark`, each with what the README shows in answer."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith(mark):
            found.append((line.removeprefix(mark), []))
        else:
            found[-1][1].append(line)
    return found


@pytest.fixture(autouse=True)
def needs_a_lab() -> None:
    with needs.lab():
        open_lab(parse_ip("192.168.1.3"), 24, services=()).close()


def argv(command: str) -> list[str]:
    program, *words = shlex.split(command)
    assert program == "./node.py"
    return [sys.executable, str(ROOT / "node.py"), *words]


def test_the_session(tmp_path: Path) -> None:
    session = blocks("console")[0].splitlines()
    first = next(i for i, line in enumerate(session) if line.startswith(">>> "))
    command, *banner = session[:first]
    environment = {"XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1"}
    terminal = Terminal(argv(command.removeprefix("$ ")), environment, columns=200, rows=60)
    try:
        terminal.until(terminal.is_waiting)
        assert terminal.screen.lines()[: len(banner)] == banner
        for typed, shown in steps(session[first:], ">>> "):
            assert normal(terminal.ask(typed)) == normal(shown), typed
    finally:
        terminal.close()


def test_the_commands() -> None:
    for typed, shown in steps(blocks("console")[1].splitlines(), "$ "):
        done = subprocess.run(argv(typed), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
        assert (normal(done.stdout.splitlines()), done.returncode) == (normal(shown), 0), typed


def test_the_programs(tmp_path: Path) -> None:
    program, test = blocks("python")
    names: dict[str, object] = {}
    exec(compile(program, "README.md", "exec"), names)
    assert names["Node"] is Node
    (tmp_path / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert "1 passed" in done.stdout, done.stdout


def test_the_two_commands_are_the_makefile_s() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+) ", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
