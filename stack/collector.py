"""Whether the garbage collector is running finalizers in this thread.

The collector starts between any two instructions, so a finalizer it runs may find its own thread halfway through
taking a node's lock, or deep inside the core. What it asks for then must wait (`engine.defer`); and in virtual time,
where the moment of a collection depends on how much memory everything else used, it must wait for a moment that does
not.
"""

from __future__ import annotations

import gc
from threading import get_ident
from typing import Any

thread = 0  # the thread that is collecting, or 0


def is_running_here() -> bool:
    """Whether the caller is a finalizer that the collector called."""
    return thread != 0 and thread == get_ident()


def _on_phase(phase: str, info: dict[str, Any]) -> None:
    global thread
    thread = get_ident() if phase == "start" else 0


gc.callbacks.append(_on_phase)
