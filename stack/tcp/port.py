"""What a TCP socket holds: unbound, bound, listening, or the user's side of one connection.

The connection may outlive it (TIME-WAIT, data still to be sent), and it may outlive the connection (data still to be
read, an error to be told).
"""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING

from stack.port import Endpoint, Options, Port, error
from stack.tcp.connection import Connection
from stack.tcp.listener import Listener
from stack.tcp.state import CAN_SEND, State
from stack.wire.address import is_unspecified

if TYPE_CHECKING:
    from stack.tcp.protocol import Tcp

OPENING = (State.SYN_SENT, State.SYN_RECEIVED)


class TcpPort(Port):
    def __init__(self, protocol: Tcp) -> None:
        config = protocol.net.config
        super().__init__(protocol.net, Options(rcvbuf=config.tcp_rcvbuf, sndbuf=config.tcp_sndbuf))
        self._protocol = protocol
        self.connection: Connection | None = None
        self.listener: Listener | None = None
        self._was_connected = False
        self._is_bound = False  # by the user: without, each connection has a local endpoint of its own
        self._has_room = False  # what writable() last said: a change of it is what the engine is told

    # --- what it is

    @property
    def state(self) -> State:
        if self.listener is not None:
            return State.LISTEN
        return self.connection.state if self.connection is not None else State.CLOSED

    @property
    def is_listening(self) -> bool:
        return self.listener is not None

    @property
    def is_connected(self) -> bool:
        """Whether there is another end: getpeername(2) succeeds."""
        return self._was_connected and self.state not in (State.CLOSED, State.TIME_WAIT)

    # --- user calls

    def bind(self, address: bytes, port: int, now: float) -> None:
        """Take a local endpoint; port 0 chooses one. Raises EINVAL, EADDRINUSE, EADDRNOTAVAIL."""
        if self.local is not None:
            raise error(errno.EINVAL, "already bound")
        if not is_unspecified(address) and not self.net.may_bind(address):
            raise error(errno.EADDRNOTAVAIL)
        self._protocol.bind(self, address, port)
        self._is_bound = True

    def connect(self, address: bytes, port: int, now: float) -> None:
        """Begin to connect; the port is writable when it is done, and `take_error` says how. Raises EISCONN,
        EALREADY, EINVAL, ENETUNREACH, EADDRNOTAVAIL."""
        if self.listener is not None:
            raise error(errno.EISCONN)
        if self.connection is not None and self.connection.state is not State.CLOSED:
            raise error(errno.EALREADY if self.connection.state in OPENING else errno.EISCONN)
        if is_unspecified(address):
            address = self.net.loopback_address  # as Linux: "this host"
        if port == 0:
            raise error(errno.ECONNREFUSED, "port 0")
        # RFC 9293 3.9.2.3 (MUST-46): an OPEN to what is no single host is an error.
        if self.net.is_for_many(address):
            raise error(errno.ENETUNREACH)
        remote = Endpoint(address, port)
        if not self._is_bound:
            self.local = None
        local = self._protocol.local_for(self, remote)
        self._error = 0
        self._was_connected = False
        self.local, self.remote = local, remote
        self.connection = Connection(self._protocol, local, remote, self.options, now)
        self.connection.port = self
        self._protocol.add(self.connection)
        self.connection.open(now)

    def listen(self, backlog: int, now: float) -> None:
        """Become a listener, or change the backlog. Raises EINVAL once connected, EADDRINUSE."""
        if self.listener is not None:
            self.listener.backlog = max(0, backlog)
            return
        if self.connection is not None:
            if self.connection.state is not State.CLOSED or self._was_connected:
                raise error(errno.EINVAL)
            self.connection = self.remote = None  # one that never came about
        if self.local is None:
            self._protocol.bind(self, bytes(4), 0)
            self._is_bound = True
        assert self.local is not None
        self._protocol.check_listen(self)
        self.listener = Listener(self._protocol, self, max(0, backlog))

    def accept(self) -> TcpPort | None:
        """The next established connection as a port of its own, or None. Raises EINVAL unless listening."""
        if self.listener is None:
            raise error(errno.EINVAL)
        child = self.listener.accept()
        if child is None:
            return None
        port = TcpPort(self._protocol)
        port.options = child.options
        port.local, port.remote = child.local, child.remote
        port.connection = child
        port._was_connected = True
        if child.state is State.CLOSED:
            port._error = errno.ECONNRESET  # it came and went before anybody looked
        else:
            child.port = port
        return port

    def send(self, data: bytes | memoryview, now: float, urgent: bool = False) -> int:
        """Queue what there is room for, 0 if there is none; the last byte of `data` as `urgent`, once it is among it.
        Raises the pending error, EPIPE, ENOTCONN."""
        self.raise_error()
        if self.connection is None:
            raise error(errno.EPIPE)  # Linux, send(2) on a socket never connected
        taken = self.connection.send(data, now, urgent)
        if taken < len(data):
            self._has_room = False
        return taken

    def receive(self, limit: int, now: float, peek: bool = False) -> bytes | None:
        """Up to `limit` bytes, b'' at the end, None if there is nothing yet. Raises the pending error, ENOTCONN."""
        connection = self._readable_connection()
        return b"" if limit == 0 else connection.receive(limit, now, peek)

    def receive_into(self, buffer: memoryview, now: float, peek: bool = False) -> int | None:
        """As `receive`, into `buffer`: the count, 0 at the end, None if there is nothing yet."""
        connection = self._readable_connection()
        return connection.receive_into(buffer, now, peek) if len(buffer) else 0

    def receive_urgent(self, peek: bool = False) -> bytes:
        """The urgent byte, b'' at the end. Raises EINVAL if there is none, EAGAIN if it is on its way, ENOTCONN."""
        connection = self.connection
        if connection is None or connection.state in OPENING:
            raise error(errno.ENOTCONN)
        return connection.receive_urgent(peek)

    def exceptional(self) -> bool:
        """poll(2)'s POLLPRI: an urgent byte is here."""
        return self.connection is not None and self.connection.urgent.is_ready

    def at_mark(self) -> bool:
        """sockatmark(3): what is read next comes behind the urgent byte, or is it where that is inline."""
        return self.connection is not None and self.connection.urgent.is_reached

    def _readable_connection(self) -> Connection:
        connection = self.connection
        if connection is None or connection.state in OPENING:
            self.raise_error()
            raise error(errno.ENOTCONN)
        if not connection.receive_queue.available and not connection.is_fin_received:
            self.raise_error()  # what had arrived before the error is read first, the end too, as in Linux
        return connection

    def shutdown(self, read: bool, write: bool, now: float) -> None:
        """shutdown(2). Raises ENOTCONN."""
        if self.listener is not None:
            if read:
                self._stop_listening(now)
            return
        if self.connection is None or self.connection.state is State.CLOSED:
            raise error(errno.ENOTCONN)
        if self.connection.state is State.SYN_SENT:
            # As Linux: either half of nothing is all of it, and whoever waits for the connection is told.
            self.connection.shutdown_write(now)
            self.set_error(errno.ECONNRESET)
            return
        if read:
            self.connection.shutdown_read(now)
        if write:
            self.connection.shutdown_write(now)
        self.ready_changed()

    def close(self, now: float) -> None:
        """Let go: what is queued is still sent, unless data was left unread or SO_LINGER says zero seconds."""
        if self.is_closed:
            return
        self.is_closed = True
        self._stop_listening(now)
        connection, self.connection = self.connection, None
        if connection is not None:
            if connection.state is State.SYN_SENT:
                connection.port = None
                connection.done(now)
            else:
                connection.close(now)
        self._protocol.bindings.release(self)
        self.ready_changed()

    def abort(self, now: float) -> None:
        """Reset the connection and close."""
        if self.connection is not None:
            self.connection.abort(now, errno.ECONNABORTED)
        self.close(now)

    def options_changed(self, now: float) -> None:
        """An option was set on a live connection: keep-alive or TCP_NODELAY may have something to do."""
        if self.connection is not None and self.connection.state is not State.CLOSED:
            self.connection.on_options(now)

    def _stop_listening(self, now: float) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.close(now)
            self.ready_changed()

    def options_for_child(self) -> Options:
        """A child begins with its listener's options (as Linux)."""
        return replace(self.options)

    # --- readiness (poll(2))

    def readable(self) -> bool:
        if self._error:
            return True
        if self.listener is not None:
            return bool(self.listener.accept_queue)
        if self.connection is None:
            return not self.is_closed  # Linux: an unconnected stream socket polls as hung up
        if self.connection.state in OPENING:
            return False
        return self.connection.receive_queue.available > 0 or self.connection.at_eof

    def writable(self) -> bool:
        if self._error:
            return True
        connection = self.connection
        if connection is None:
            return self.listener is None and not self.is_closed
        if connection.state in OPENING:
            return False
        if connection.state not in CAN_SEND or connection.is_fin_wanted:
            return True  # a write would fail at once
        self._has_room = self.room(connection)
        return self._has_room

    def hung_up(self) -> bool:
        if self.listener is not None:
            return False
        return self.connection is None or self.connection.state is State.CLOSED

    def room(self, connection: Connection) -> bool:
        """Linux's rule: writable again once a third of the buffer is free, so that writers do not trickle."""
        return len(connection.send_queue) * 3 <= self.options.sndbuf * 2

    def has_room(self, connection: Connection) -> bool:
        """Whether writability has just come back."""
        had, self._has_room = self._has_room, self.room(connection)
        return self._has_room and not had

    # --- the connection's side

    def ready_changed(self) -> None:
        if self.connection is not None and self.connection.state not in (*OPENING, State.CLOSED):
            self._was_connected = True
        super().ready_changed()

    def on_done(self, number: int) -> None:
        """The connection has ended, with an errno or in peace."""
        if number:
            self._error = number
        if not self._was_connected and not self._is_bound:
            self.local = None  # as Linux: it may be bound, or connect from elsewhere
        self.ready_changed()
