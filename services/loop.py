"""One selector, one thread, all the clients of a service.

A loop waits for readiness and calls whoever registered for it; it is told to end from any thread. It is written on a
socket module and a selectors module that it is given, so that it runs on the node's sockets and on the kernel's. It
refuses to let one client's failure end another's conversation, and starts no threads.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

Callback = Callable[[int], None]


class Loop:
    """`socket` and `selectors` are module-like, with the standard library's names."""

    def __init__(self, socket: Any, selectors: Any) -> None:
        self.socket = socket
        self.READ: int = selectors.EVENT_READ
        self.WRITE: int = selectors.EVENT_WRITE
        self.last_fault = ""  # the traceback of the last exception a callback let through: a bug of ours
        self._selector = selectors.DefaultSelector()
        self._is_stopping = False
        # A datagram to ourselves ends the wait in both worlds: the node has no descriptors that could be a pipe.
        self._bell = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._bell.bind(("127.0.0.1", 0))
        self._bell.connect(self._bell.getsockname())
        self._bell.setblocking(False)
        self._selector.register(self._bell, self.READ, self._on_bell)

    def watch(self, fileobj: Any, events: int, callback: Callback) -> None:
        self._selector.register(fileobj, events, callback)

    def change(self, fileobj: Any, events: int, callback: Callback) -> None:
        self._selector.modify(fileobj, events, callback)

    def forget(self, fileobj: Any) -> None:
        try:
            self._selector.unregister(fileobj)
        except (KeyError, ValueError):
            pass  # was not being watched

    def run(self) -> None:
        """Serve until `stop`."""
        while not self._is_stopping:
            for key, mask in self._selector.select():
                try:
                    key.data(mask)
                except Exception:
                    self.last_fault = traceback.format_exc()
                    self.forget(key.fileobj)
                    key.fileobj.close()

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._is_stopping = True
        try:
            self._bell.send(b"!")
        except OSError:
            pass  # closed already, or rung so often that its buffer is full

    def close(self) -> None:
        """After `run` has returned."""
        self._bell.close()
        self._selector.close()

    def _on_bell(self, mask: int) -> None:
        try:
            self._bell.recv(1)
        except OSError:
            pass
