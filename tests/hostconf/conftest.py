from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.hostconf.sandbox")

from tests.hostconf.sandbox import Sandbox  # noqa: E402


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path)
    yield sandbox
    sandbox.close()
