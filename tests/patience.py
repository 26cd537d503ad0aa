"""How long tests wait for what happens in real time. Far longer than it takes: a busy machine is not a fault."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 30.0  # seconds


def eventually(
    condition: Callable[[], object], seconds: float = PATIENCE, sleep: Callable[[float], object] = time.sleep
) -> bool:
    """Whether it comes true in time. `sleep` lets time pass meanwhile, in a World virtual time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        sleep(0.005)
    return True
