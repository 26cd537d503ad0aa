"""The program's edges: standard output and error that are closed or full, Ctrl-C while it begins. Nobody sees a
traceback, and nothing is lost but what is printed there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE = f"{sys.executable} {ROOT / 'node.py'} --no-config --link sim --set acd_probe_num=0"
FULL = "node.py: cannot print: No space left on device\n"


def sh(line: str) -> tuple[int, str, str]:
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["ping -c 1 192.168.1.1", "-V", "--print-config"])
def test_a_full_output_is_said_once_and_fails(command: str) -> None:
    assert sh(f"{NODE} -q {command} >/dev/full") == (1, "", FULL)


@pytest.mark.parametrize("command", ["ping -c 1 192.168.1.1", "-V"])
def test_a_closed_output_is_nobody_s_fault(command: str) -> None:
    assert sh(f"{NODE} -q {command} >&-") == (0, "", "")


@pytest.mark.parametrize("to", ["2>&-", "2>/dev/full", "2>&- <&-"])
def test_what_cannot_be_said_on_standard_error_is_lost_and_nothing_else(to: str) -> None:
    code, out, _ = sh(f"{NODE} --trace dns www.lab +short {to}")
    assert code == 0 and out.endswith("192.168.1.1\n")


def test_a_device_never_has_the_number_of_a_closed_stream() -> None:
    """Or what is printed would be sent."""
    code = "import os; print([os.readlink(f\"/proc/self/fd/{n}\") for n in (0, 1, 2)], file=open(9, \"w\"))"
    assert sh(f"{NODE} -q -c '{code}' 9>&1 <&- >&- 2>&-")[:2] == (0, str(["/dev/null"] * 3) + "\n")


def test_programs_that_it_starts_have_the_streams_as_well() -> None:
    code = "import subprocess as s; print(s.run([\"sh\", \"-c\", \"echo hi; cat\"]).returncode, file=open(9, \"w\"))"
    assert sh(f"{NODE} -q -c '{code}' 9>&1 <&- >&-") == (0, "0\n", "")


MEDDLER = """
import os, signal, sys

class Meddler:
    def find_spec(self, name, *_):
        if name == "apps.session":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Meddler())
"""


def test_ctrl_c_while_it_begins_is_silent(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(MEDDLER)
    _, out, err = sh(f"PYTHONPATH={tmp_path} {NODE} ping 192.168.1.1; echo $?")
    assert (out, err) == ("130\n", "")


def test_a_script_that_is_no_text_is_a_syntax_error() -> None:
    code, out, err = sh(f"printf '\\377\\376' | {NODE} -q")
    assert (code, out) == (1, "") and err.splitlines()[-1].startswith("SyntaxError: (unicode error) 'utf-8' codec")
    assert "apps/" not in err
