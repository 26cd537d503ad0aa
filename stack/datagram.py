"""What UDP and raw ports share: a bounded queue of datagrams received, and sending that never waits.

A datagram that does not fit into the receive buffer is dropped with a reason; sending hands the packet to IP at once,
so a port is always writable.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import NamedTuple

from stack.net import Net
from stack.port import Endpoint, Options, Port, error
from stack.wire.address import BROADCAST4, is_unspecified

OVERHEAD = 512  # bytes a queued datagram counts beside its own, so that empty ones fill a buffer too
NO_ADDRESS = bytes(4)


class Datagram(NamedTuple):
    """What arrived and from where; `destination` is the address of ours it was sent to."""

    data: bytes
    source: Endpoint
    destination: bytes
    ttl: int
    tos: int
    at: float  # when it arrived, on the stack's clock


class DatagramPort(Port):
    def __init__(self, net: Net) -> None:
        super().__init__(net, Options(rcvbuf=net.config.udp_rcvbuf, sndbuf=net.config.udp_rcvbuf))
        self._queue: deque[Datagram] = deque()
        self._queued = 0  # bytes, OVERHEAD included
        self._read_shut = False
        self._write_shut = False

    def readable(self) -> bool:
        return bool(self._queue) or bool(self._error) or self._read_shut

    def writable(self) -> bool:
        return True

    def hung_up(self) -> bool:
        return self._read_shut and self._write_shut

    def receive(self, peek: bool = False) -> Datagram | None:
        """The oldest datagram, or None. Raises the pending error."""
        self.raise_error()
        if not self._queue:
            return None
        if peek:
            return self._queue[0]
        datagram = self._queue.popleft()
        self._queued -= len(datagram.data) + OVERHEAD
        return datagram

    @property
    def is_read_shut(self) -> bool:
        return self._read_shut

    def shutdown(self, read: bool, write: bool) -> None:
        """shutdown(2) of one or both directions. Raises ENOTCONN where Linux does."""
        if self.remote is None:
            raise error(errno.ENOTCONN)
        self._read_shut |= read
        self._write_shut |= write
        self.ready_changed()

    def deliver(self, datagram: Datagram) -> bool:
        """Queue what arrived; False if there is no room."""
        size = len(datagram.data) + OVERHEAD
        if self._queued + size > self.options.rcvbuf and self._queue:
            return False
        self._queue.append(datagram)
        self._queued += size
        self.ready_changed()
        return True

    def clear(self) -> None:
        self._queue.clear()
        self._queued = 0

    def _check_send(self, destination: bytes) -> None:
        """Raise what forbids sending to `destination` (EPIPE, EACCES, a pending error)."""
        self.raise_error()
        if self._write_shut:
            raise error(errno.EPIPE)
        if not self.options.broadcast and self._is_broadcast(destination):
            raise error(errno.EACCES, "broadcast needs SO_BROADCAST")

    def _is_broadcast(self, destination: bytes) -> bool:
        return destination == BROADCAST4 or destination in self.net.broadcasts

    def _check_local(self, address: bytes) -> None:
        """Raise EADDRNOTAVAIL unless a port may be bound at `address`."""
        if not is_unspecified(address) and not self.net.may_bind(address):
            raise error(errno.EADDRNOTAVAIL)


def source_of(port: Port, destination: bytes) -> bytes:
    """The address a datagram to `destination` is sent from: the one bound, else the route's. Raises ENETUNREACH."""
    if port.local is not None and not is_unspecified(port.local.address):
        return port.local.address
    return port.net.ip_for(destination).source_for(destination)
