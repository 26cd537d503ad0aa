"""The socket: the standard library's class of that name, on a port of this stack.

AF_INET is here; another family is refused with EAFNOSUPPORT. A socket has a descriptor only if somebody asks for it
(`fileno`), and none in virtual time. Closing is never done by a finalizer itself: it asks the engine to.
"""

from __future__ import annotations

import errno
import io
import socket as standard
import sys
import warnings
from functools import partial
from typing import Any

from stack.hold import AnyEngine
from stack.port import Port
from stack.sockets.addresses import from_endpoint
from stack.sockets.descriptor import Descriptor
from stack.sockets.errors import error
from stack.sockets.options import Subject, get_option, set_option, timeout_of
from stack.sockets.transfer import Address, Transfer
from stack.sockets.transport import Datagrams, Stream
from stack.stack import Stack
from stack.tcp.port import TcpPort
from stack.tcp.state import State

AF_INET = standard.AF_INET
SOCK_STREAM, SOCK_DGRAM, SOCK_RAW = standard.SOCK_STREAM, standard.SOCK_DGRAM, standard.SOCK_RAW
SOCK_NONBLOCK: int = getattr(standard, "SOCK_NONBLOCK", 0)
SOCK_CLOEXEC: int = getattr(standard, "SOCK_CLOEXEC", 0)
LINGERED = (State.FIN_WAIT_2, State.TIME_WAIT, State.CLOSED)  # everything sent has been acknowledged, or never will be


def open_port(stack: Stack, type: int, proto: int) -> Port:
    """A port for socket(AF_INET, type, proto). Raises EPROTONOSUPPORT, ESOCKTNOSUPPORT."""
    if type == SOCK_STREAM and proto in (0, standard.IPPROTO_TCP):
        return stack.tcp.open()
    if type == SOCK_DGRAM and proto in (0, standard.IPPROTO_UDP):
        return stack.udp.open()
    if type == SOCK_RAW:
        return stack.raw.open(proto)
    raise error(errno.EPROTONOSUPPORT if type in (SOCK_STREAM, SOCK_DGRAM) else errno.ESOCKTNOSUPPORT)


def let_go(engine: AnyEngine, subject: Subject, descriptor: Descriptor | None) -> None:
    """Close what a socket held: under the lock, now or when a finalizer's turn comes."""
    if descriptor is not None:
        descriptor.close()
        subject.descriptors.remove(descriptor)
    subject.holders -= 1
    if subject.holders == 0:
        subject.port.watchers.clear()
        subject.port.close(engine.now())


class Socket(Transfer):
    """A socket of one node. `SocketModule.socket` is this class with the node filled in."""

    _closed = True  # close() was called; a makefile may still be using the port

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        if fileno is not None:
            self._adopt(*self._module.take_detached(fileno))
            self._module.remember(fileno, self)
            return
        type = SOCK_STREAM if type == -1 else int(type)
        if family not in (-1, AF_INET):
            raise error(errno.EAFNOSUPPORT)
        kind, proto = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), max(proto, 0)
        engine = self._module.engine
        with engine:
            self._adopt(Subject(open_port(engine.stack, kind, proto), kind, proto))
        if SOCK_NONBLOCK and type & SOCK_NONBLOCK:
            self._timeout = 0.0

    def _adopt(self, subject: Subject, descriptor: Descriptor | None = None) -> None:
        self._engine = self._module.engine
        self._port = port = subject.port
        self._transport = Stream(port) if isinstance(port, TcpPort) else Datagrams(port)  # type: ignore[arg-type]
        self._subject = subject
        self._descriptor = descriptor
        self._timeout = self._module.getdefaulttimeout()
        self._io_refs = 0
        self._is_closed = self._closed = False

    @classmethod
    def wrap(cls, port: Port, type: int, proto: int) -> Socket:
        """A socket on a port that is there already."""
        sock = cls.__new__(cls)
        sock._adopt(Subject(port, type, proto))
        return sock

    def dup(self) -> Any:
        """A second socket on the same port, which closes when both are closed."""
        with self._engine:
            self._check()
            twin = type(self).__new__(type(self))
            twin._adopt(self._subject)
            twin._timeout = self._timeout
            self._subject.holders += 1
        return twin

    # --- what it is

    @property
    def family(self) -> standard.AddressFamily:
        return AF_INET

    @property
    def type(self) -> standard.SocketKind:
        return standard.SocketKind(self._subject.type)

    @property
    def proto(self) -> int:
        return self._subject.proto

    @property
    def is_closed(self) -> bool:
        """Whether the port is gone; `close` alone does not do it while a file made of the socket is open."""
        return self._is_closed

    @property
    def port(self) -> Port:
        """The core's side of it: for `ss`, the trace and tests."""
        return self._port

    def __repr__(self) -> str:
        name = f"{type(self).__module__}.{type(self).__qualname__}{' [closed]' if self._closed else ''}"
        if not hasattr(self, "_subject"):
            return f"<{name}>"
        words = [f"family={AF_INET:d}", f"type={self.type:d}", f"proto={self.proto}"]
        if self._is_closed or self._descriptor is not None:
            words.insert(0, f"fd={-1 if self._is_closed or self._descriptor is None else self._descriptor.fileno()}")
        if not self._is_closed:
            words.append(f"laddr={from_endpoint(self._port.local)}")
            peer = self._transport.peer()
            if peer is not None:
                words.append(f"raddr={from_endpoint(peer)}")
        return f"<{name} {', '.join(words)}>"

    def __getstate__(self) -> None:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    # --- addresses and connections

    def bind(self, address: Address, /) -> None:
        at = self._endpoint(address, "bind")
        with self._engine as engine:
            self._check()
            self._transport.bind(at, engine.now())

    def connect(self, address: Address, /) -> None:
        """Raises BlockingIOError EINPROGRESS if non-blocking, TimeoutError, ConnectionRefusedError, OSError."""
        to = self._endpoint(address, "connect")
        with self._engine as engine:
            self._check()
            if self._subject.is_connecting and self._is_connected():
                return
            self._transport.connect(to, engine.now())
            if not isinstance(self._port, TcpPort):
                return
            self._subject.is_connecting = True
            self._subject.update()
            if self._timeout == 0.0:
                raise error(errno.EINPROGRESS)
            if not engine.wait(self.writable, self._timeout):
                raise TimeoutError("timed out")
            self._check()
            self._is_connected()

    def _is_connected(self) -> bool:
        """Whether an attempt to connect has ended well; raises how it ended if not."""
        port = self._port
        number = port.take_error()
        if not number and not port.writable():
            return False
        self._subject.is_connecting = False
        if not number and isinstance(port, TcpPort) and port.state is State.CLOSED:
            number = errno.ECONNABORTED  # as Linux, where somebody else has taken the error
        if number:
            raise error(number)
        return True

    def connect_ex(self, address: Address, /) -> int:
        """As connect, but gives the errno: 0 for success, EAGAIN after a timeout. Names that fail still raise."""
        try:
            self.connect(address)
        except TimeoutError as e:
            return e.errno or errno.EAGAIN
        except standard.gaierror:
            raise
        except OSError as e:
            return e.errno or errno.EIO
        return 0

    def listen(self, backlog: int = 128, /) -> None:
        with self._engine as engine:
            self._check()
            self._transport.listen(backlog, engine.now())

    def accept(self) -> tuple[Socket, Address]:
        """(socket, address) of the next connection."""
        child = self._do(self._accept, self.readable, 0, self._subject.receive_timeout)
        return child, from_endpoint(child._port.remote)

    def _accept(self, now: float) -> Socket | None:
        port = self._transport.accept()
        return None if port is None else self._module.socket.wrap(port, self._subject.type, self._subject.proto)

    def getsockname(self) -> Address:
        with self._engine:
            self._check()
            return from_endpoint(self._port.local)

    def getpeername(self) -> Address:
        with self._engine:
            self._check()
            peer = self._transport.peer()
            if peer is None:
                raise error(errno.ENOTCONN)
            return from_endpoint(peer)

    # --- settings

    def setsockopt(self, level: int, optname: int, value: Any, optlen: int | None = None, /) -> None:
        """`value` is a whole number or the bytes of the C structure."""
        if not isinstance(value, int) and value is not None:
            value = bytes(value)
        with self._engine as engine:
            self._check()
            set_option(self._subject, level, optname, value, engine.now())

    def getsockopt(self, level: int, optname: int, buflen: int = 0, /) -> int | bytes:
        with self._engine:
            self._check()
            try:
                return get_option(self._subject, level, optname, buflen)
            finally:
                self._subject.update()  # SO_ERROR was taken

    def settimeout(self, value: float | None, /) -> None:
        """Seconds; None blocks for ever, 0 never."""
        self._timeout = timeout_of(value)

    def gettimeout(self) -> float | None:
        return self._timeout

    timeout = property(gettimeout)

    def setblocking(self, flag: bool, /) -> None:
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0.0

    def get_inheritable(self) -> bool:
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        """Raises EOPNOTSUPP for True: a connection of ours cannot outlive the process in another."""
        if inheritable:
            raise error(errno.EOPNOTSUPP)

    # --- readiness for others

    def fileno(self) -> int:
        """A descriptor that polls as the socket does, made when first asked for; -1 once closed.

        It carries no data. Raises io.UnsupportedOperation in virtual time, where a real descriptor would tell no truth,
        and for an SSLSocket.
        """
        if self._is_closed:
            return -1
        if sys._getframe(1).f_globals.get("__name__") == "ssl":
            # It would take the descriptor for the connection, and wait for an answer for ever.
            raise io.UnsupportedOperation("TLS on a socket of this node is done in memory: ssl.MemoryBIO and wrap_bio")
        with self._engine:
            if self._module.was_asked(self):
                return 0
            if self._descriptor is None:
                if self._engine.is_virtual:
                    raise io.UnsupportedOperation("fileno: there are no descriptors in virtual time")
                self._descriptor = Descriptor(self._engine, self._port)
                self._subject.descriptors.append(self._descriptor)
                self._module.remember(self._descriptor.fileno(), self)
            return self._descriptor.fileno()

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """A file over the socket, as `open` makes them. It keeps the connection open until both are closed."""
        if not set(mode) <= set("rwb"):
            raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
        writing = "w" in mode
        reading = "r" in mode or not writing
        raw = standard.SocketIO(self, ("r" if reading else "") + ("w" if writing else ""))  # type: ignore[arg-type]
        self._io_refs += 1
        if buffering is None or buffering < 0:
            buffering = io.DEFAULT_BUFFER_SIZE
        if buffering == 0:
            if "b" not in mode:
                raise ValueError("unbuffered streams must be binary")
            return raw
        file: Any
        if reading and writing:
            file = io.BufferedRWPair(raw, raw, buffering)
        else:
            file = io.BufferedReader(raw, buffering) if reading else io.BufferedWriter(raw, buffering)
        if "b" in mode:
            return file
        text = io.TextIOWrapper(file, encoding, errors, newline)
        text.mode = mode  # type: ignore[misc]
        return text

    # --- the end

    def shutdown(self, how: int, /) -> None:
        if how not in (standard.SHUT_RD, standard.SHUT_WR, standard.SHUT_RDWR):
            raise error(errno.EINVAL)
        with self._engine as engine:
            self._check()
            self._transport.shutdown(how != standard.SHUT_WR, how != standard.SHUT_RD, engine.now())
            self._subject.update()

    def close(self) -> None:
        """Let go; a file made of the socket keeps the connection until it is closed too. Again: nothing."""
        self._closed = True
        if not self._is_closed and self._io_refs <= 0:
            self._real_close()

    def _decref_socketios(self) -> None:
        """A file made of this socket was closed."""
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed:
            self.close()

    def _real_close(self) -> None:
        self._is_closed = True
        engine, port, subject, descriptor = self._engine, self._port, self._subject, self._descriptor
        if engine.is_held():
            # Inside the core, or in a finalizer that the collector runs anywhere at all: when this hold is over.
            engine.defer(partial(let_go, engine, subject, descriptor))
            return
        with engine:
            connection = port.connection if isinstance(port, TcpPort) else None
            let_go(engine, subject, descriptor)
            seconds = port.options.linger
            if connection is not None and seconds and port.is_closed and not engine.is_closed:
                engine.wait(lambda: connection.state in LINGERED, seconds)

    def detach(self) -> int:
        """Close the object but not the connection; the descriptor, which `socket(fileno=...)` takes up again.

        Raises io.UnsupportedOperation in virtual time.
        """
        number = self.fileno()
        if number >= 0:
            assert self._descriptor is not None
            self._module.detach(number, self._subject, self._descriptor)
            self._is_closed = self._closed = True
        return number

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if not self._closed:
            self.close()

    def __del__(self) -> None:
        if self._is_closed:
            return
        text = f"unclosed {self!r}"
        self._is_closed = True
        if not self._engine.is_closed:
            self._engine.defer(partial(let_go, self._engine, self._subject, self._descriptor))
        elif self._descriptor is not None:
            self._descriptor.close()  # nobody will enter the node any more to do it
        warnings.warn(text, ResourceWarning, source=self, stacklevel=2)
