"""The face of an engine, and what both engines do at the end of a hold of the lock.

A hold is what one thread does between entering and leaving the core: frames, time or a user's call. At its end the
finalizers that waited are run and the watchers of the ports whose readiness may have changed are called. It refuses
to block.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from stack.events import Fault
from stack.stack import Stack
from stack.wire.drop import Drop


class Task(Protocol):
    """A thread of an application or a service."""

    def join(self, timeout: float | None = None) -> None: ...
    def is_alive(self) -> bool: ...


class AnyEngine(Protocol):
    """What sockets, services and apps may use of an engine."""

    stack: Stack
    is_closed: bool
    at_close: dict[Callable[[], object], None]  # called under the lock once `is_closed` is true

    @property
    def is_virtual(self) -> bool: ...

    def now(self) -> float:
        """Seconds, monotonic; where they count from means nothing."""

    def wall(self) -> float:
        """Seconds since 1970, for people: it may jump. In virtual time the World began with 1970."""

    def __enter__(self) -> AnyEngine: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def wait(self, predicate: Callable[[], object], timeout: float | None = None) -> bool:
        """Inside `with`: block until `predicate()` is true; False if `timeout` seconds passed first.

        The lock is let go meanwhile, all depths of it; `predicate` is called under it, by any thread. Raises OSError
        ENETDOWN when the engine is closed, KeyboardInterrupt in the main thread.
        """

    def pause(self) -> None:
        """Inside `with`, during something long: write what is due, and let whoever waits for the lock have it."""

    def is_held(self) -> bool:
        """Whether this thread is inside already, or is a finalizer that may not go in."""

    def sleep(self, seconds: float) -> None:
        """Outside `with`."""

    def spawn(self, function: Callable[..., object], *args: Any, name: str = "") -> Task:
        """Run `function(*args)` in a thread of its own, with a copy of the caller's context."""

    def defer(self, function: Callable[[], object]) -> None:
        """For finalizers: have the next entry call `function` under the lock. Takes no lock and never blocks."""

    def close(self) -> None:
        """The node goes down: every waiter is woken with ENETDOWN."""


class Hold:
    """What the engines share: the stack, the finalizers that wait, the watchers."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.is_closed = False
        self.at_close: dict[Callable[[], object], None] = {}
        self._deferred: deque[Callable[[], object]] = deque()
        self._is_finishing = False

    def now(self) -> float:
        raise NotImplementedError

    def _go_down(self) -> None:
        self.is_closed = True
        functions, self.at_close = tuple(self.at_close), {}
        for function in functions:
            self._guard(function)

    def _tell_watchers(self) -> None:
        """Run the finalizers and call the watchers until neither makes more of the other."""
        while True:
            if self._deferred:
                self._drain()
            ready = self.stack.take_ready()
            for port in ready:
                for watcher in tuple(port.watchers):
                    self._guard(watcher)
            if not ready and not self._deferred:
                return

    def _drain(self) -> None:
        for _ in range(len(self._deferred)):
            self._guard(self._deferred.popleft())

    def _guard(self, function: Callable[[], object]) -> None:
        """Call it; an exception is a fault of ours that the node survives."""
        try:
            function()
        except Exception:
            self._on_fault()

    def _on_fault(self) -> None:
        """Report the exception being handled."""
        drops = self.stack.drops
        drops[Drop.INTERNAL] = drops.get(Drop.INTERNAL, 0) + 1
        try:
            self.stack.emit(Fault(traceback.format_exc()), self.now())
        except Exception:
            pass  # an observer is what failed; the count says that something did
