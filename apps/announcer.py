"""Says in one line each what happens to a node's addresses: the DHCP client's steps, conflicts, and faults of ours.

Events come while the lock is held, so they are queued, and a thread of its own says them and tells who else wants to
know. It refuses nothing and drops nothing: these events are few.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from stack.events import (
    AddressConflict,
    Event,
    Fault,
    InterfaceDown,
    LeaseAsked,
    LeaseBound,
    LeaseDeclined,
    LeaseExpired,
    LeaseOffered,
    LeaseRefused,
    LeaseReleased,
    LeaseUnusable,
)

ANNOUNCED = (
    AddressConflict,
    Fault,
    InterfaceDown,
    LeaseAsked,
    LeaseBound,
    LeaseDeclined,
    LeaseExpired,
    LeaseOffered,
    LeaseRefused,
    LeaseReleased,
    LeaseUnusable,
)


class Announcer:
    """An observer of a stack. `say` takes a line; each of `followers` takes the event itself, in the same thread."""

    def __init__(self, say: Callable[[str], object] | None) -> None:
        self.say = say
        self.followers: list[Callable[[Event], object]] = []
        # Its put() may be called from anywhere, at any moment.
        self._queue: SimpleQueue[Event | threading.Event | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
        self._thread.start()

    def on_frame(self, *args: Any) -> None:
        pass

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, ANNOUNCED):
            self._queue.put(event)

    def flush(self) -> None:
        """Return when everything until now has been said; after a second in any case."""
        is_said = threading.Event()
        self._queue.put(is_said)
        is_said.wait(1.0)

    def close(self) -> None:
        """Say what is still to be said, and no more."""
        self._queue.put(None)
        self._thread.join(1.0)

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            if isinstance(event, threading.Event):
                event.set()
                continue
            for follower in self.followers:
                follower(event)
            if self.say is not None:
                try:
                    self.say(str(event))
                except (OSError, ValueError):
                    self.say = None  # nobody reads any more
