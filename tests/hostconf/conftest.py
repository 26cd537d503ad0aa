from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostconf.sandbox import Sandbox


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path)
    yield sandbox
    sandbox.close()
