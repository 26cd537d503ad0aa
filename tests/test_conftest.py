"""Where GLASSTACK_NO_SKIP is set a skipped test is a failed one, whether it was skipped alone or with its module; and
beside a test marked `alone` nothing else runs, whatever the number of workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")
SKIPPING = {
    "call": "import pytest\ndef test_call():\n    pytest.skip('no such thing')\n",
    "mark": "import pytest\n@pytest.mark.skipif(True, reason='no such thing')\ndef test_mark(): pass\n",
    "module": "import pytest\npytest.skip('no such thing', allow_module_level=True)\n",
    "expected": "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_expected(): assert False\n",
}
NOTING = """
import os, pytest, time
def note(word):
    with open("notes", "a") as file:
        file.write(word + "\\n")
@pytest.mark.parametrize("number", range(12))
def test_in_company(number):
    note("begin")
    time.sleep(0.02)
    note("end")
@pytest.mark.alone
@pytest.mark.parametrize("number", range(3))
def test_alone(number):
    note("begin alone")
    time.sleep(0.05)
    note("end alone")
"""


def run(directory: Path, tests: dict[str, str], *options: str, **environment: str) -> tuple[int, str]:
    (directory / "conftest.py").write_text(CONFTEST.read_text())
    for name, text in tests.items():
        (directory / f"test_{name}.py").write_text(text)
    words = ("-q", "-p", "no:cacheprovider", "--continue-on-collection-errors")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, *options, str(directory)],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    code, said = run(tmp_path, SKIPPING, GLASSTACK_NO_SKIP="0")
    assert code == 0, said
    assert "3 skipped, 1 xfailed" in said, said


def test_a_skip_fails_where_nothing_may_be_skipped_and_alone_is_alone(tmp_path: Path) -> None:
    code, said = run(tmp_path, {**SKIPPING, "noting": NOTING}, "-n2", "--dist=load", GLASSTACK_NO_SKIP="1")
    assert code == 1, said
    assert said.count("but this was: ") >= 3, said
    assert "no such thing" in said
    assert "1 failed, 15 passed, 1 xfailed" in said and "2 errors" in said, said
    notes = (tmp_path / "notes").read_text().split("\n")[:-1]
    assert len(notes) == 30
    inside = most = 0
    for note in notes:
        inside += 1 if note.startswith("begin") else -1
        most = max(most, inside)
        assert "alone" not in note or inside == note.startswith("begin"), notes
    assert most == 2, "the workers were not at work together"
