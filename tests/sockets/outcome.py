"""What a call came to: its errno, or something that holds after a while."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.patience import eventually
from tests.sockets.conftest import Net


def errno_of(call: Any, *args: Any) -> int:
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno is not None and e.value.strerror is not None
    # The core may say more after a colon.
    assert e.value.strerror.split(":")[0] == os.strerror(e.value.errno)
    return e.value.errno


def until(net: Net, condition: Any) -> None:
    """Let time pass until it holds: packets take some."""
    assert eventually(condition, sleep=net.sleep), "it never came true"
