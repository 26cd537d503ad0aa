"""A stream and a datagram socket's calls in one shape, so that the socket above has one way to wait for all of them.

Each call is one attempt: it gives None if it would have to wait. It refuses what the kind of socket cannot do with
the errno that Linux gives.
"""

from __future__ import annotations

import errno
from typing import NamedTuple, Protocol

from stack.port import Endpoint, Port
from stack.raw import RawPort
from stack.sockets.errors import error
from stack.tcp.port import TcpPort
from stack.udp import UdpPort


class Received(NamedTuple):
    """What a receive brought: `size` is what there was, which is more than `data` if a datagram was cut."""

    data: bytes
    source: Endpoint | None
    size: int


class Transport(Protocol):
    @property
    def port(self) -> Port: ...

    def bind(self, at: Endpoint, now: float) -> None: ...
    def connect(self, to: Endpoint, now: float) -> None: ...
    def listen(self, backlog: int, now: float) -> None: ...
    def accept(self) -> TcpPort | None: ...
    def send(self, data: bytes | memoryview, to: Endpoint | None, now: float, urgent: bool = False) -> int | None: ...
    def receive_urgent(self, peek: bool) -> Received: ...
    def receive(self, limit: int, now: float, peek: bool) -> Received | None: ...
    def receive_into(self, view: memoryview, now: float, peek: bool) -> tuple[int, Endpoint | None] | None: ...
    def shutdown(self, read: bool, write: bool, now: float) -> None: ...
    def peer(self) -> Endpoint | None: ...
    def is_abandoned(self) -> bool:
        """Whether the node, which is going down, has closed the connection under the socket."""


class Stream:
    """TCP."""

    def __init__(self, port: TcpPort) -> None:
        self.port: TcpPort = port

    def bind(self, at: Endpoint, now: float) -> None:
        self.port.bind(at.address, at.port, now)

    def connect(self, to: Endpoint, now: float) -> None:
        self.port.connect(to.address, to.port, now)

    def listen(self, backlog: int, now: float) -> None:
        self.port.listen(backlog, now)

    def accept(self) -> TcpPort | None:
        return self.port.accept()

    def send(self, data: bytes | memoryview, to: Endpoint | None, now: float, urgent: bool = False) -> int | None:
        return self.port.send(data, now, urgent) or (None if len(data) else 0)

    def receive_urgent(self, peek: bool) -> Received:
        data = self.port.receive_urgent(peek)
        return Received(data, None, len(data))

    def receive(self, limit: int, now: float, peek: bool) -> Received | None:
        data = self.port.receive(limit, now, peek)
        return None if data is None else Received(data, None, len(data))

    def receive_into(self, view: memoryview, now: float, peek: bool) -> tuple[int, Endpoint | None] | None:
        count = self.port.receive_into(view, now, peek)
        return None if count is None else (count, None)

    def shutdown(self, read: bool, write: bool, now: float) -> None:
        self.port.shutdown(read, write, now)

    def peer(self) -> Endpoint | None:
        return self.port.remote if self.port.is_connected else None

    def is_abandoned(self) -> bool:
        return self.port.connection is not None and self.port.connection.is_orphan


class Datagrams:
    """UDP and raw IP."""

    def __init__(self, port: UdpPort | RawPort) -> None:
        self.port: UdpPort | RawPort = port

    def bind(self, at: Endpoint, now: float) -> None:
        self.port.bind(at.address, at.port, now)

    def connect(self, to: Endpoint, now: float) -> None:
        self.port.connect(to.address, to.port, now)

    def listen(self, backlog: int, now: float) -> None:
        raise error(errno.EOPNOTSUPP)

    def accept(self) -> TcpPort | None:
        raise error(errno.EOPNOTSUPP)

    def send(self, data: bytes | memoryview, to: Endpoint | None, now: float, urgent: bool = False) -> int | None:
        return self.port.send(data, to, now)

    def receive_urgent(self, peek: bool) -> Received:
        raise error(errno.EOPNOTSUPP)

    def receive(self, limit: int, now: float, peek: bool) -> Received | None:
        datagram = self.port.receive(peek)
        if datagram is None:
            return Received(b"", None, 0) if self.port.is_read_shut else None
        return Received(datagram.data[:limit], datagram.source, len(datagram.data))

    def receive_into(self, view: memoryview, now: float, peek: bool) -> tuple[int, Endpoint | None] | None:
        got = self.receive(len(view), now, peek)
        if got is None:
            return None
        view[: len(got.data)] = got.data
        return len(got.data), got.source

    def shutdown(self, read: bool, write: bool, now: float) -> None:
        self.port.shutdown(read, write)

    def peer(self) -> Endpoint | None:
        return self.port.remote

    def is_abandoned(self) -> bool:
        return False
