#!/usr/bin/env python3
"""glasstack's front door: `./node.py` for the command line, `from node import Node` for programs.

It sees to it that the right Python runs; everything else is in `apps`. It is written so that an old Python can read it
as far as the line that refuses it, and it refuses nothing else.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("glasstack needs Python 3.11 or newer: make node PYTHON=python3.12")

import os
import signal
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
RESTARTED = "GLASSTACK_RESTARTED"


def _enter_venv() -> None:
    """Outside the project's virtual environment, start again inside it, or say how to make it."""
    was_restarted = os.environ.pop(RESTARTED, "")
    python = VENV / "bin" / "python"
    if Path(sys.prefix).resolve() != VENV and not was_restarted and python.exists():
        os.environ[RESTARTED] = "1"
        os.execv(python, [str(python), __file__, *sys.argv[1:]])
    if find_spec("prompt_toolkit") is None or find_spec("rich") is None:
        sys.exit(f"glasstack needs prompt_toolkit and rich; this gets them and starts it: make -C {ROOT} node")


def _mind_interrupts(is_minded: bool) -> None:
    """Let Ctrl-C end the program in silence while it only begins or ends; nothing if somebody has it ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler if is_minded else signal.SIG_DFL)


if __name__ == "__main__":
    _mind_interrupts(False)
    _enter_venv()

from apps.node import Node  # noqa: E402

__all__ = ["Node"]

if __name__ == "__main__":
    from apps.session import main
    from apps.streams import prepare

    prepare()
    _mind_interrupts(True)
    code = main(sys.argv[1:])
    _mind_interrupts(False)
    sys.exit(code)
