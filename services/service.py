"""A service: the ports it listens on, its clients, and what it counts.

A subclass says what one TCP client is told (a `Conversation`) and what one datagram is answered with (`answer`).
Backpressure is in here: a client that does not read is not read from, so that nobody costs more than one buffer. A
service refuses to answer datagrams from ports where another small service answers, for two of them would never stop.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from services.loop import Loop

RECEIVE = 65536  # bytes asked for at once, and so the most an echo keeps for a client
BACKLOG = 1024
DATAGRAMS = 64  # answered in one turn, after which the others have theirs
ACCEPTS = 128
MAX_CLIENTS = 10_000
# Ports whose services answer whatever they are sent: echo, daytime, qotd, chargen, time. RFC 862, 864 and 865 do not
# say so, but two such services joined by one forged datagram talk until somebody pulls the plug.
CHATTERBOXES = frozenset({0, 7, 13, 17, 19, 37})

Address = tuple[str, int]


class Conversation:
    """One TCP client. `pending` is sent before `source` is asked for more; nothing is read while there is either."""

    def __init__(self, service: Service, sock: Any, peer: Address) -> None:
        self.service = service
        self.sock = sock
        self.peer = peer
        self.received = 0  # bytes, as is the next
        self.sent = 0
        self.pending = memoryview(b"")
        self.source: Iterator[bytes] | None = None
        self.is_at_eof = False
        self.is_closed = False
        self._events = service.loop.READ
        sock.setblocking(False)
        service.loop.watch(sock, self._events, self.on_ready)

    # What a subclass says

    def on_data(self, data: bytes) -> None:
        """The client sent this."""

    def on_eof(self) -> None:
        """The client will send no more. What is still to be sent to it is sent."""

    def on_sent(self) -> None:
        """Everything there was to send has been handed to the socket."""

    def wants_data(self) -> bool:
        return not self.is_at_eof and not self.pending and self.source is None

    def is_sending(self) -> bool:
        return bool(self.pending) or self.source is not None

    def has_ended(self) -> bool:
        """Whether to close, asked when nothing is left to send."""
        return self.is_at_eof

    # What they have in common

    def on_ready(self, mask: int) -> None:
        loop = self.service.loop
        try:
            if mask & loop.READ and self.wants_data():
                self._read()
            if not self.is_closed and self.is_sending():
                self._write()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close()  # reset, timed out, unreachable: it is gone, and that is all there is to it
        except Exception:
            self.close()
            raise
        if not self.is_closed:
            self._settle()

    def send(self, data: bytes) -> None:
        """Queue `data`, after what is pending."""
        self.pending = memoryview(bytes(self.pending) + data if self.pending else data)

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.service.loop.forget(self.sock)
            self.sock.close()
            self.service.on_left(self)

    def _read(self) -> None:
        data = self.sock.recv(RECEIVE)
        self.received += len(data)
        self.service.bytes_in += len(data)
        if data:
            self.on_data(data)
        else:
            self.is_at_eof = True
            self.on_eof()

    def _write(self) -> None:
        """One send a turn, so that a client that takes everything at once does not keep the others waiting."""
        if not self.pending and self.source is not None:
            self.pending = memoryview(next(self.source, b""))
            if not self.pending:
                self.source = None
        if self.pending:
            sent = self.sock.send(self.pending)
            self.sent += sent
            self.service.bytes_out += sent
            self.pending = self.pending[sent:]
        if not self.pending and self.source is None:
            self.on_sent()

    def _settle(self) -> None:
        """Watch for what can be done next, or close."""
        is_sending = self.is_sending()
        if not is_sending and self.has_ended():
            self.close()
            return
        loop = self.service.loop
        events = (loop.READ if self.wants_data() else 0) | (loop.WRITE if is_sending else 0)
        if events and events != self._events:
            self._events = events
            loop.change(self.sock, events, self.on_ready)


class Service:
    """One running service. Raises OSError, with the port in its text, if it cannot have its port."""

    name: ClassVar[str]
    port: ClassVar[int]  # where the RFC or custom has it
    text: ClassVar[str]  # what it does, in one line
    exposes: str  # what a stranger gets from it, and who may be one, in one line
    is_greeting: bool = False  # whether that is no more than a greeting, or what he brought himself
    takes: ClassVar[str] = ""  # what may be set when it is started, as in dns=FILE; "" for nothing
    conversation: ClassVar[type[Conversation]] = Conversation
    has_udp: ClassVar[bool] = True

    def __init__(self, loop: Loop, address: str = "", port: int | None = None) -> None:
        self.loop = loop
        self.address = address
        self.clients: dict[Conversation, None] = {}
        self.served = 0  # TCP clients so far
        self.datagrams = 0  # answered
        self.refused = 0  # datagrams from a port that must not be answered
        self.bytes_in = 0
        self.bytes_out = 0
        self.on_line: Callable[[str], object] | None = None  # called with each line it has to say while it runs
        self._listener: Any = None
        self._datagrams: Any = None
        self._is_accepting = False
        wanted = type(self).port if port is None else port
        try:
            self._open(wanted)
        except OSError as e:
            self.close()
            raise _explained(e, self.name, wanted, address) from None

    def answer(self, data: bytes, source: Address) -> bytes | None:
        """What to send back for one datagram; None for nothing."""
        return None

    def _open(self, port: int) -> None:
        socket, loop = self.loop.socket, self.loop
        listener = self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        self.bound: int = listener.getsockname()[1]  # the port it has
        if self.has_udp:
            datagrams = self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            datagrams.bind((self.address, self.bound))
            datagrams.setblocking(False)
            loop.watch(datagrams, loop.READ, self._on_datagrams)
        self._set_accepting(True)

    def close(self) -> None:
        """Give up the ports and the clients."""
        self._set_accepting(False)
        for sock in (self._listener, self._datagrams):
            if sock is not None:
                self.loop.forget(sock)
                sock.close()
        self._listener = self._datagrams = None
        for client in list(self.clients):
            client.close()

    @property
    def ports(self) -> str:
        """'7/tcp 7/udp'"""
        return f"{self.bound}/tcp" + (f" {self.bound}/udp" if self.has_udp else "")

    def __repr__(self) -> str:
        where = f" of {self.address}" if self.address else ""
        return f"{self.name} on {self.ports}{where}: {self.counts()}"

    def counts(self) -> str:
        """'2 clients (192.168.1.1:40312 ...), 12 served, 1,024 bytes in, 1,024 out'"""
        peers = [client.peer for client in list(self.clients)]
        who = ", ".join(f"{host}:{port}" for host, port in peers[:3]) + (", ..." if len(peers) > 3 else "")
        now = f"{len(peers)} client{'' if len(peers) == 1 else 's'}" + (f" ({who})" if who else "")
        parts = [now, f"{self.served} served"]
        if self.datagrams:
            parts.append(f"{self.datagrams} datagrams answered")
        if self.refused:
            parts.append(f"{self.refused} refused")
        return ", ".join(parts) + f", {self.bytes_in:,} bytes in, {self.bytes_out:,} out"

    # TCP

    def _set_accepting(self, is_on: bool) -> None:
        """Out of descriptors, or full, the queue of the listener holds the others until somebody leaves."""
        if is_on == self._is_accepting or self._listener is None:
            return
        self._is_accepting = is_on
        if is_on:
            self.loop.watch(self._listener, self.loop.READ, self._on_connections)
        else:
            self.loop.forget(self._listener)

    def _on_connections(self, mask: int) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as e:
                if e.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and self.clients:
                    self._set_accepting(False)
                return
            self.served += 1
            client = self.conversation(self, sock, peer[:2])
            self.clients[client] = None
            client.on_ready(0)  # who speaks first, does so now
            if len(self.clients) >= MAX_CLIENTS:
                self._set_accepting(False)
                return

    def on_left(self, client: Conversation) -> None:
        self.clients.pop(client, None)
        self._set_accepting(True)

    # UDP

    def _on_datagrams(self, mask: int) -> None:
        for _ in range(DATAGRAMS):
            try:
                data, source = self._datagrams.recvfrom(RECEIVE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an error about something sent before
            self.bytes_in += len(data)
            if source[1] in CHATTERBOXES or source[1] == self.bound:
                self.refused += 1
                continue
            reply = self.answer(data, source)
            if reply is None:
                continue
            try:
                self.bytes_out += self._datagrams.sendto(reply, source)
                self.datagrams += 1
            except OSError:
                pass  # datagrams get lost


def _explained(error: OSError, name: str, port: int, address: str) -> OSError:
    """The same error, in words for who started the service."""
    where = f"port {port}" + (f" of {address}" if address else "")
    words = {
        errno.EADDRINUSE: f"{where} is in use",
        errno.EACCES: f"{where} is not allowed to this user",
        errno.EADDRNOTAVAIL: f"{address or 'that'} is not an address of this host",
    }
    number = error.errno or errno.EIO
    return OSError(number, f"{name}: {words.get(number, f'{where}: {error.strerror or error}')}")
