"""Where GLASSTACK_NO_SKIP is set a skipped test is a failed one, whether it was skipped alone or with its module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")
TESTS = {
    "call": "import pytest\ndef test_call():\n    pytest.skip('no such thing')\n",
    "mark": "import pytest\n@pytest.mark.skipif(True, reason='no such thing')\ndef test_mark(): pass\n",
    "module": "import pytest\npytest.skip('no such thing', allow_module_level=True)\n",
    "expected": "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_expected(): assert False\n",
}


def run(directory: Path, value: str) -> tuple[int, str]:
    (directory / "conftest.py").write_text(CONFTEST.read_text())
    for name, text in TESTS.items():
        (directory / f"test_{name}.py").write_text(text)
    environment = {**os.environ, "GLASSTACK_NO_SKIP": value}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
        str(directory),
    ]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_a_skip_fails_where_nothing_may_be_skipped(tmp_path: Path) -> None:
    code, said = run(tmp_path, "1")
    assert code != 0, said
    assert "1 failed, 1 xfailed, 2 errors" in said, said
    assert said.count("but this was: ") >= 3, said
    assert "no such thing" in said


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    code, said = run(tmp_path, "0")
    assert code == 0, said
    assert "3 skipped, 1 xfailed" in said, said
