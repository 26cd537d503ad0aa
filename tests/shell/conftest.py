"""Prompts on a simulated link, in a pseudo-terminal; one is shared by the tests that leave nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shell.terminal import Terminal

ROOT = Path(__file__).parents[2]
# Nobody else is on the cable: no address needs to be probed for, and the tests are done sooner.
SIM = ("--link", "sim", "--set", "acd_probe_num=0")
Starter = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """start(*words) runs ./node.py on a cable with those words; its state is in tmp_path."""
    started: list[Terminal] = []

    def begin(*words: str, **options: int) -> Terminal:
        argv = [sys.executable, str(ROOT / "node.py"), *SIM, *words]
        terminal = Terminal(argv, {"XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1"}, **options)
        started.append(terminal)
        return terminal

    yield begin
    for terminal in started:
        terminal.close()


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A prompt that is ready."""
    argv = [sys.executable, str(ROOT / "node.py"), *SIM, "--seed", "1"]
    terminal = Terminal(argv, {"XDG_STATE_HOME": str(tmp_path_factory.mktemp("state"))}, rows=50)
    terminal.until(terminal.is_waiting)
    yield terminal
    terminal.close()
