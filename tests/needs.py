"""What a test needs of the machine it runs on. Where that is missing, it is skipped with a line that says what."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest

from stack.link.lab import SYSTEM_PATHS, LabUnavailable

PATHS = os.pathsep.join([os.environ["PATH"], *SYSTEM_PATHS])


def programs(*names: str) -> None:
    for name in names:
        if shutil.which(name, path=PATHS) is None:
            pytest.skip(f"{name} is not installed")


@contextlib.contextmanager
def lab() -> Iterator[None]:
    """Around what makes a lab."""
    try:
        yield
    except LabUnavailable as e:
        pytest.skip(str(e.strerror))


def lab_in(said: str) -> None:
    """Given what a program said that makes one."""
    if "no lab:" in said:
        pytest.skip(said)
