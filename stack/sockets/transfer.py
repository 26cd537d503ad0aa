"""What a socket does between being opened and closed: wait, receive, send.

Every call is an attempt under the engine's lock and, where it may block, a wait for readiness between attempts.
Timeouts, flags and errors are those of Linux and of Python's own class. A flag that nothing here could honour is
refused with EOPNOTSUPP.
"""

from __future__ import annotations

import errno
import socket as standard
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING, Any, ClassVar, TypeVar

from stack.hold import AnyEngine
from stack.port import Endpoint, Port
from stack.sockets.addresses import from_endpoint, to_endpoint
from stack.sockets.descriptor import Descriptor
from stack.sockets.errors import error
from stack.sockets.options import Subject
from stack.sockets.transport import Received, Transport
from stack.tcp.port import TcpPort

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from stack.socket import SocketModule

T = TypeVar("T")
Address = tuple[Any, ...]

CHUNK, CHUNK_OFFLOADED = 1 << 15, 1 << 18  # bytes


def _flag(name: str) -> int:
    return int(getattr(standard, name, 0))


MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL, MSG_TRUNC = map(_flag, ("MSG_PEEK", "MSG_DONTWAIT", "MSG_WAITALL", "MSG_TRUNC"))
MSG_OOB = _flag("MSG_OOB")
# Some have nothing to do here: there is no SIGPIPE, no descriptor to pass, and MSG_MORE is only a hint to a stream.
_QUIET = _flag("MSG_NOSIGNAL") | _flag("MSG_CMSG_CLOEXEC")
RECEIVE_FLAGS = MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | _QUIET
SEND_FLAGS = MSG_DONTWAIT | _QUIET | _flag("MSG_EOR") | _flag("MSG_CONFIRM")
STREAM_FLAGS = MSG_OOB | _flag("MSG_MORE")


class Transfer:
    """The part of a socket that moves data. `Socket` opens, names and closes it."""

    _module: ClassVar[SocketModule]
    _engine: AnyEngine
    _port: Port
    _transport: Transport
    _subject: Subject
    _descriptor: Descriptor | None
    _timeout: float | None
    _is_closed = True  # until there is a port

    # --- waiting

    def readable(self) -> bool:
        """As poll(2) has it, and once closed: whoever waits must learn of it."""
        return self._is_closed or self._port.readable()

    def writable(self) -> bool:
        return self._is_closed or self._port.writable()

    def exceptional(self) -> bool:
        """poll(2)'s POLLPRI: an urgent byte waits to be received with MSG_OOB."""
        return isinstance(self._port, TcpPort) and self._port.exceptional()

    def at_mark(self) -> bool:
        """sockatmark(3), which Python has no name for: whether the reader stands where the urgent byte was or is."""
        return isinstance(self._port, TcpPort) and self._port.at_mark()

    def _check(self) -> None:
        if self._is_closed:
            raise error(errno.EBADF)
        if self._engine.is_closed or self._transport.is_abandoned():
            raise error(errno.ENETDOWN)

    def _do(
        self, attempt: Callable[[float], T | None], ready: Callable[[], bool], flags: int, patience: float | None = None
    ) -> T:
        """The result of `attempt(now)`, waiting for `ready` while it is None; `patience` is SO_RCVTIMEO or its like."""
        engine = self._engine
        with engine:
            self._check()
            try:
                result = attempt(engine.now())
                if result is None:
                    result = self._retry(attempt, ready, self._deadline(flags, patience))
                return result
            finally:
                self._subject.update()

    def _deadline(self, flags: int, patience: float | None) -> float | None:
        """Until when a call that begins now may wait, None for ever. Raises BlockingIOError if it may not."""
        # As Python over the kernel: a timeout waits, whatever MSG_DONTWAIT says.
        timeout = 0.0 if flags & MSG_DONTWAIT and self._timeout is None else self._timeout
        if timeout == 0.0:
            raise error(errno.EAGAIN)
        seconds = patience if timeout is None else timeout
        return None if seconds is None else self._engine.now() + seconds

    def _retry(
        self, attempt: Callable[[float], T | None], ready: Callable[[], bool], deadline: float | None
    ) -> T:
        engine = self._engine
        while True:
            if not engine.wait(ready, None if deadline is None else deadline - engine.now()):
                # As in Python and in the kernel: a timeout of ours has a class of its own, SO_RCVTIMEO says EAGAIN.
                raise TimeoutError("timed out") if self._timeout is not None else error(errno.EAGAIN)
            self._check()
            result = attempt(engine.now())
            if result is not None:
                return result

    def _endpoint(self, address: object, caller: str) -> Endpoint:
        return to_endpoint(address, caller, self._module.names)

    # --- receiving

    def _flags(self, flags: int, known: int) -> None:
        if flags & ~known:
            raise error(errno.EOPNOTSUPP)

    def _receive(self, limit: int, flags: int) -> Received:
        """One receive of up to `limit` bytes; with MSG_WAITALL a stream's whole `limit` unless the stream ends."""
        peek = bool(flags & MSG_PEEK)
        self._flags(flags, RECEIVE_FLAGS | (MSG_OOB if isinstance(self._port, TcpPort) else MSG_TRUNC))
        transport = self._transport
        if flags & MSG_OOB:
            return self._do(lambda now: transport.receive_urgent(peek), self.readable, flags)

        def attempt(now: float) -> Received | None:
            return transport.receive(limit, now, peek)

        got = self._do(attempt, self.readable, flags, self._subject.receive_timeout)
        # As Python over the kernel: where there is a timeout, MSG_WAITALL means nothing.
        is_whole = not flags & MSG_WAITALL or peek or self._timeout is not None or not 0 < len(got.data) < limit
        if is_whole or not isinstance(self._port, TcpPort):
            return got
        return self._receive_rest(got, limit, flags & ~MSG_WAITALL)

    def _receive_rest(self, first: Received, limit: int, flags: int) -> Received:
        parts, missing = [first.data], limit - len(first.data)
        try:
            while missing:
                data = self._receive(missing, flags).data
                if not data:
                    break
                parts.append(data)
                missing -= len(data)
        except OSError:
            pass  # what came before it is returned; the next call meets it again
        whole = b"".join(parts)
        return Received(whole, None, len(whole))

    def _receive_into(
        self, buffer: WriteableBuffer, count: int, flags: int, caller: str
    ) -> tuple[int, Endpoint | None]:
        view = memoryview(buffer).cast("B")
        if view.readonly:
            raise TypeError(f"{caller}() argument 1 must be read-write bytes-like object, not {type(buffer).__name__}")
        if count < 0:
            raise ValueError(f"negative buffersize in {caller}")
        if count > len(view):
            raise ValueError(f"nbytes is greater than the length of the buffer in {caller}")
        if count:
            view = view[:count]
        if flags:
            got = self._receive(len(view), flags)
            view[: len(got.data)] = got.data
            return (got.size if flags & MSG_TRUNC else len(got.data)), got.source
        transport = self._transport

        def attempt(now: float) -> tuple[int, Endpoint | None] | None:
            return transport.receive_into(view, now, False)

        return self._do(attempt, self.readable, 0, self._subject.receive_timeout)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Up to `bufsize` bytes; b'' at the end of a stream."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        # As the standard library: nothing asked for is nothing done, not even the taking of a datagram.
        return self._receive(bufsize, flags).data if bufsize else b""

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Address | None]:
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        got = self._receive(bufsize, flags)
        return got.data, None if got.source is None else from_endpoint(got.source)

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into `buffer`, all of it or its first `nbytes` bytes; the number received."""
        return self._receive_into(buffer, nbytes, flags, "recv_into")[0] if memoryview(buffer).nbytes else 0

    def recvfrom_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> tuple[int, Address | None]:
        count, source = self._receive_into(buffer, nbytes, flags, "recvfrom_into")
        return count, None if source is None else from_endpoint(source)

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[Any], int, Address | None]:
        """(data, ancillary data, flags, address); there is no ancillary data yet."""
        if bufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        got = self._receive(bufsize, flags)
        cut = MSG_TRUNC if got.size > len(got.data) else 0
        return got.data, [], cut, None if got.source is None else from_endpoint(got.source)

    def recvmsg_into(
        self, buffers: Iterable[WriteableBuffer], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[Any], int, Address | None]:
        views = [memoryview(b).cast("B") for b in buffers]
        data, ancillary, cut, source = self.recvmsg(sum(map(len, views)), ancbufsize, flags)
        rest = memoryview(data)
        for view in views:
            part = rest[: len(view)]
            view[: len(part)] = part
            rest = rest[len(part) :]
        return len(data), ancillary, cut, source

    # --- sending

    def _send(self, data: ReadableBuffer, flags: int, to: Endpoint | None) -> int:
        whole = data if isinstance(data, bytes) else memoryview(data).cast("B")
        if isinstance(self._port, TcpPort):
            self._flags(flags, SEND_FLAGS | STREAM_FLAGS)
            if self._timeout is None and not flags & MSG_DONTWAIT:
                return self._send_whole(whole, flags)
            # One attempt, but not so much that nobody else has the lock meanwhile: a short count is allowed.
            whole = whole if len(whole) <= CHUNK_OFFLOADED else memoryview(whole)[:CHUNK_OFFLOADED]
        else:
            self._flags(flags, SEND_FLAGS)
        transport = self._transport

        def attempt(now: float) -> int | None:
            return transport.send(whole, to, now, bool(flags & MSG_OOB))

        return self._do(attempt, self.writable, flags, self._subject.send_timeout)

    def _send_whole(self, whole: bytes | memoryview, flags: int, is_all: bool = False) -> int:
        """Hand everything to TCP, a chunk a time; a short count if it fails halfway, unless `is_all`."""
        engine, transport = self._engine, self._transport
        view = memoryview(whole)
        sent = 0
        deadline: float | None = None
        has_waited = False

        def attempt(now: float) -> int | None:
            part = whole if len(view) <= chunk and not sent else view[sent : sent + chunk]
            # The urgent byte is the last of all, not of each part.
            return transport.send(part, None, now, bool(flags & MSG_OOB) and sent + len(part) == len(view))

        with engine:
            self._check()
            chunk = self._chunk()
            try:
                while True:
                    count = attempt(engine.now())
                    if count is None:
                        if not has_waited:
                            has_waited, deadline = True, self._deadline(flags, self._subject.send_timeout)
                        count = self._retry(attempt, self.writable, deadline)
                    sent += count
                    if sent >= len(view):
                        return sent
                    engine.pause()
                    self._check()
            except OSError:
                if is_all or not sent:
                    raise
                return sent
            finally:
                self._subject.update()

    def _chunk(self) -> int:
        """How much to hand to TCP before others may have the lock: cutting and summing are dear if the device does not
        do them."""
        remote = self._port.remote
        hop = self._port.net.route_to(remote.address) if remote is not None else None
        return CHUNK if hop is None or not hop.interface.abilities.tso4 else CHUNK_OFFLOADED

    def send(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        """The number of bytes sent: all of them on a blocking stream, else what there was room for."""
        return self._send(data, flags, None)

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """Send everything; the timeout counts for the whole. After an error nobody knows how much was sent."""
        if not isinstance(self._port, TcpPort):
            self._send(data, flags, None)
            return
        self._flags(flags, SEND_FLAGS | STREAM_FLAGS)
        whole = data if isinstance(data, bytes) else memoryview(data).cast("B")
        if len(whole):
            self._send_whole(whole, flags, is_all=True)

    def sendto(self, data: ReadableBuffer, *rest: Any) -> int:
        """sendto(data, address) or sendto(data, flags, address)."""
        if not 1 <= len(rest) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(rest)} given)")
        flags, address = rest if len(rest) == 2 else (0, rest[0])
        to = None if address is None else self._endpoint(address, "sendto")
        return self._send(data, flags, to)

    def sendmsg(
        self,
        buffers: Iterable[ReadableBuffer],
        ancdata: Iterable[Any] = (),
        flags: int = 0,
        address: Address | None = None,
        /,
    ) -> int:
        """Send the buffers as one. Ancillary data is refused with EINVAL: nothing here takes any yet."""
        if list(ancdata):
            raise error(errno.EINVAL)
        to = None if address is None else self._endpoint(address, "sendmsg")
        return self._send(b"".join(buffers), flags, to)

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Send a file from `offset` to its end, or `count` bytes; the number sent. Raises ValueError."""
        if self._subject.type != standard.SOCK_STREAM:
            raise ValueError("only SOCK_STREAM type sockets are supported")
        if self._timeout == 0.0:
            raise ValueError("non-blocking sockets are not supported")
        if count is not None and (not isinstance(count, int) or count <= 0):
            raise ValueError(f"count must be a positive integer (got {count!r})")
        file.seek(offset)
        sent = 0
        while count is None or sent < count:
            block = file.read(CHUNK_OFFLOADED if count is None else min(CHUNK_OFFLOADED, count - sent))
            if not block:
                break
            self.sendall(block)
            sent += len(block)
        file.seek(offset + sent)
        return sent
