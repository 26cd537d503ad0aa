"""A real descriptor that polls as a port does: what `fileno()` gives, for select, poll, epoll and asyncio.

It is one end of a socketpair. It is readable while a byte lies in it and not writable while it is full; an eventfd
cannot say "neither". It hangs up when the node goes down. It carries no data: reading or writing it breaks only its own
readiness.
"""

from __future__ import annotations

import socket as standard

from stack.hold import AnyEngine
from stack.port import Port

FILL = bytes(4096)


class Descriptor:
    """Every method is called under the engine's lock."""

    def __init__(self, engine: AnyEngine, port: Port) -> None:
        self._engine = engine
        self._port = port
        self._ours, self._theirs = standard.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)
            end.setsockopt(standard.SOL_SOCKET, standard.SO_SNDBUF, 1)  # as small as it goes, to be filled soon
        self._is_readable = False
        self._is_writable = True
        port.watchers.append(self.update)
        engine.at_close[self.update] = None
        self.update()

    def fileno(self) -> int:
        return self._theirs.fileno()

    def update(self) -> None:
        """Bring the descriptor in step with the port; for ever readable, writable and hung up once the node is down."""
        if self._engine.is_closed:
            self._ours.close()
            return
        readable, writable = self._port.readable(), self._port.writable()
        if readable != self._is_readable:
            self._is_readable = readable
            if readable:
                self._ours.send(b"\0")
            else:
                self._empty(self._theirs)
        if writable != self._is_writable:
            self._is_writable = writable
            if writable:
                self._empty(self._ours)
            else:
                self._fill()

    def _fill(self) -> None:
        try:
            while True:
                self._theirs.send(FILL)
        except BlockingIOError:
            pass

    @staticmethod
    def _empty(end: standard.socket) -> None:
        try:
            while end.recv(1 << 16):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        if self.update in self._port.watchers:
            self._port.watchers.remove(self.update)
        self._engine.at_close.pop(self.update, None)
        self._ours.close()
        self._theirs.close()
