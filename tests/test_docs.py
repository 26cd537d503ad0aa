"""The pages under docs/ that are made from the code are what the code makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_rfcs_page_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, ROOT / "docs" / "rfcs.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
