"""One selector, one thread, all the clients of a service.

A loop waits for readiness and calls whoever registered for it; it is told to end from any thread. It is written on a
socket module and a selectors module that it is given, so that it runs on the node's sockets and on the kernel's. It
refuses to let one client's failure end another's conversation. It starts no threads, but for files on a node's sockets.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

from services.files import Files

Callback = Callable[[int], None]


class Loop:
    """`socket` and `selectors` are module-like, with the standard library's names.

    Without `has_bell` only a callback may stop it, and no network need be up yet, not even the loopback.
    """

    def __init__(self, socket: Any, selectors: Any, has_bell: bool = True) -> None:
        self.socket = socket
        self.READ: int = selectors.EVENT_READ
        self.WRITE: int = selectors.EVENT_WRITE
        self._engine = engine = getattr(socket, "engine", None)  # None on the kernel's sockets
        self.is_virtual: bool = engine is not None and engine.is_virtual
        # Seconds, monotonic: the node's clock on the node's sockets, which may be virtual.
        self.now: Callable[[], float] = time.monotonic if engine is None else engine.now
        # Seconds since 1970, for people.
        self.wall: Callable[[], float] = time.time if engine is None else engine.wall
        self.last_fault = ""  # the traceback of the last exception a callback let through: a bug of ours
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._serial = count()
        self._is_stopping = False
        self._files: Files | None = None
        self._bell: Any = self._hang_bell() if has_bell else None

    def _hang_bell(self) -> Any:
        """A datagram to ourselves ends the wait in both worlds: the node has no descriptors that could be a pipe."""
        socket = self.socket
        bell = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bell.bind(("127.0.0.1", 0))
        bell.connect(bell.getsockname())
        bell.setblocking(False)
        self._selector.register(bell, self.READ, self._on_bell)
        return bell

    def watch(self, fileobj: Any, events: int, callback: Callback) -> None:
        self._selector.register(fileobj, events, callback)

    def change(self, fileobj: Any, events: int, callback: Callback) -> None:
        self._selector.modify(fileobj, events, callback)

    def forget(self, fileobj: Any) -> None:
        try:
            self._selector.unregister(fileobj)
        except (KeyError, ValueError):
            pass  # was not being watched

    def watch_file(self, fd: int, events: int, callback: Callable[[], object]) -> None:
        """Call it once, when a descriptor of the operating system is ready or has come to its end. What was asked for
        it before is replaced. Raises ValueError in virtual time, where there are none."""
        if self._engine is None:
            self.forget(fd)
            self._selector.register(fd, events, lambda mask: self._on_file(fd, callback))
            return
        if self._files is None:
            if self.is_virtual:
                raise ValueError("there are no files in virtual time")
            self._files = Files(self._ring)
        self._files.watch(fd, bool(events & self.READ), bool(events & self.WRITE), callback)

    def forget_file(self, fd: int) -> None:
        """Before it is closed."""
        if self._files is not None:
            self._files.forget(fd)
        elif self._engine is None:
            self.forget(fd)

    def call_at(self, at: float, callback: Callable[[], object]) -> None:
        """Call it once, at that time of `now` or soon after; from the loop's own thread. There is no taking it back:
        whoever wants that looks, when called, whether it still matters."""
        heappush(self._timers, (at, next(self._serial), callback))

    def run(self) -> None:
        """Serve until `stop`."""
        while not self._is_stopping:
            self._call_due()
            timeout = max(0.0, self._timers[0][0] - self.now()) if self._timers else None
            for key, mask in self._selector.select(timeout):
                try:
                    key.data(mask)
                except Exception:
                    self.last_fault = traceback.format_exc()
                    self.forget(key.fileobj)
                    key.fileobj.close()

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._is_stopping = True
        self._ring()

    def close(self) -> None:
        """After `run` has returned."""
        if self._files is not None:
            self._files.close()
        if self._bell is not None:
            self._bell.close()
        self._selector.close()

    def _call_due(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            self._guard(heappop(self._timers)[2])

    def _guard(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception:
            self.last_fault = traceback.format_exc()

    def _ring(self) -> None:
        if self._bell is not None:
            try:
                self._bell.send(b"!")
            except OSError:
                pass  # closed already, or rung so often that its buffer is full

    def _on_bell(self, mask: int) -> None:
        try:
            self._bell.recv(1)
        except OSError:
            pass
        if self._files is not None:
            for callback in iter(self._files.take_ready, None):
                self._guard(callback)

    def _on_file(self, fd: int, callback: Callable[[], object]) -> None:
        self.forget(fd)
        self._guard(callback)
