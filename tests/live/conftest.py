"""The lab, over every link that this user can have here, or a skip that says why there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from stack.link.kernel import TUN_PATH
from stack.link.lab import Lab, open_lab
from tests import needs
from tests.live.by_hand import OURS, PREFIXLEN

VIAS = ["veth", "tap"] if os.access(TUN_PATH, os.R_OK | os.W_OK) else ["veth"]


def start(via: str | None = None) -> Lab:
    with needs.lab():
        return open_lab(OURS, PREFIXLEN, via=via)


@pytest.fixture(params=VIAS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A host over each kind of link in turn."""
    with start(request.param) as made:
        yield made


@pytest.fixture
def any_lab() -> Iterator[Lab]:
    """A host over whichever link is taken by default."""
    with start() as made:
        yield made
