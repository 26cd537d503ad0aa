"""The manual page: up to date, correct roff, and everything in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from apps.registry import APPS
from apps.settings import SETTINGS, TUNABLES
from docs import commands
from services import KINDS
from tests import needs

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "node.1"


def test_the_page_is_up_to_date() -> None:
    argv = [sys.executable, "-m", "docs.man", "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_it_is_roff_without_a_fault() -> None:
    needs.programs("groff")
    done = subprocess.run(["groff", "-man", "-ww", "-b", "-z", "-Tutf8", PAGE], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def shown() -> str:
    """The page as man shows it, in lines that are long enough for everything."""
    needs.programs("man")
    done = subprocess.run(
        ["man", "-l", "-P", "cat", PAGE],
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "1000"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_man_shows_it(shown: str) -> None:
    lines = shown.splitlines()
    assert lines[0].split() == ["NODE.PY(1)", "General", "Commands", "Manual", "NODE.PY(1)"]
    assert "node.py - a TCP/IP host in Python that people can watch" in shown
    headings = [line for line in lines if line.isupper() and not line.startswith(" ")]
    assert headings[:4] == ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"] and headings[-1] == "SEE ALSO"


def test_everything_is_in_it(shown: str) -> None:
    words = " ".join(shown.split())
    for command in (commands.main(), *commands.commands()):
        for entry in command.entries:
            assert " ".join(entry.text.split()) in words, entry
            assert all(word in words for word in entry.words), entry
    for name, app in APPS.items():
        assert app.command is None or f"{name}: {app.text}" in words
    for kind in KINDS.values():
        assert f"{kind.text}, on port {kind.port}" in words
    for setting in SETTINGS.values():
        assert f"{setting.text} (default: {setting.default})" in words
    for tunable in TUNABLES.values():
        assert tunable.name in words and f"{tunable.text}; {tunable.source}" in words
    for example, _ in commands.examples():
        assert example in words
