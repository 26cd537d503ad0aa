"""The standard library's socket module, on this stack.

`SocketModule(engine)` is one node's: an object with the library's names, fit to stand in `sys.modules`. This module
itself speaks for the current node: `from stack import socket`, then `socket.create_connection(...)` as ever. Which
node that is, `current` says. Sockets of the kernel stay the kernel's: `socketpair`, and whatever takes a descriptor
that is not ours.
"""

from __future__ import annotations

import errno
import os
import socket as standard
from contextvars import ContextVar
from threading import get_ident
from types import ModuleType
from typing import Any, Protocol
from weakref import WeakValueDictionary

from stack.hold import AnyEngine
from stack.sockets.addresses import Names
from stack.sockets.descriptor import Descriptor
from stack.sockets.errors import error
from stack.sockets.options import Subject, timeout_of
from stack.sockets.selector import SelectorsModule
from stack.sockets.sock import Socket, let_go
from stack.sockets.transfer import Address

# What needs no node: conversions, constants and exceptions are the library's own, so that `except socket.timeout` and
# an AF_INET from either module mean the same. `socketpair` too: its ends talk to each other within the process, no
# packet leaves, and programs make one to wake a select over real descriptors.
SHARED = (
    "AddressFamily AddressInfo CMSG_LEN CMSG_SPACE EAGAIN EBADF EWOULDBLOCK MsgFlag SocketIO SocketKind "
    "_GLOBAL_DEFAULT_TIMEOUT error gaierror getprotobyname getservbyname getservbyport herror htonl htons inet_aton "
    "inet_ntoa inet_ntop inet_pton ntohl ntohs socketpair timeout"
)
# A name of the library's that is a constant looks like this.
CONSTANT_PREFIXES = "AF_ SOCK_ SO_ SOL_ IPPROTO_ IP_ IPV6_ TCP_ UDP_ MSG_ SHUT_ AI_ EAI_ NI_ INADDR_ IPPORT_ SOMAXCONN"


class HasSocket(Protocol):
    """A node, as far as this module needs one."""

    socket: SocketModule


current: ContextVar[HasSocket | None] = ContextVar("glasstack_node", default=None)
running: list[HasSocket] = []  # the nodes that are up: what a thread without a context falls back on


def current_node() -> Any:
    """The node of this context, else the only one that is up. Raises RuntimeError with what to do about it."""
    node = current.get()
    if node is not None:
        return node
    if len(running) == 1:
        return running[0]
    if running:
        raise RuntimeError(f"{len(running)} nodes are up and none is current here: use node.socket, or `with node:`")
    raise RuntimeError("no node is up: make one with `with Node('192.168.1.3/24'):`, or run ./node.py")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)  # the import system asks for such names when there is no node yet
    return getattr(current_node().socket, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *SHARED.split()})


class SocketModule(ModuleType):
    """One node's socket module. A resolver plugs in at `names.resolver`; `selectors` is the module's companion."""

    def __init__(self, engine: AnyEngine) -> None:
        super().__init__("socket", type(self).__doc__)
        self.engine = engine
        self.names = Names()
        self.selectors = SelectorsModule(self)
        self.has_ipv6 = False
        self.SocketType: type[Socket] = type(
            "socket", (Socket,), {"_module": self, "__module__": "stack.socket", "__doc__": Socket.__doc__}
        )
        self.socket = self.SocketType
        self._default_timeout: float | None = None
        self._asked_by = 0  # the thread whose selector is asking file objects for their sockets
        self._answers: list[Socket] = []
        self._by_descriptor: WeakValueDictionary[int, Socket] = WeakValueDictionary()
        self._detached: dict[int, tuple[Subject, Descriptor]] = {}
        for name in ("getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
            setattr(self, name, getattr(self.names, name))
        self.gethostname = self.names.gethostname
        self.getfqdn = self.names.getfqdn
        self._share()
        self.__all__ = [n for n in (*vars(self), *vars(SocketModule)) if not n.startswith("_") and n not in OURS]

    def _share(self) -> None:
        prefixes, shared = tuple(CONSTANT_PREFIXES.split()), SHARED.split()
        for name, value in vars(standard).items():
            if name in shared or (name.startswith(prefixes) and isinstance(value, int)):
                setattr(self, name, value)

    def __repr__(self) -> str:
        return f"<module 'socket' of {self.engine!r}>"

    # --- the library's functions

    def getdefaulttimeout(self) -> float | None:
        return self._default_timeout

    def setdefaulttimeout(self, timeout: float | None) -> None:
        """Seconds for every socket made from now on; None waits for ever."""
        self._default_timeout = timeout_of(timeout)

    def create_connection(
        self,
        address: tuple[str | None, int],
        timeout: Any = standard._GLOBAL_DEFAULT_TIMEOUT,  # type: ignore[attr-defined]
        source_address: tuple[str, int] | None = None,
        *,
        all_errors: bool = False,
    ) -> Socket:
        """A stream connected to (host, port): each of the host's addresses is tried. Raises the last error, or all."""
        host, port = address
        failures: list[Exception] = []
        for family, type_, proto, _, sockaddr in self.names.getaddrinfo(host, port, 0, standard.SOCK_STREAM):
            sock: Socket | None = None
            try:
                sock = self.socket(family, type_, proto)
                if timeout is not standard._GLOBAL_DEFAULT_TIMEOUT:  # type: ignore[attr-defined]
                    sock.settimeout(timeout)
                if source_address:
                    sock.bind(source_address)
                sock.connect(sockaddr)
                return sock
            except OSError as e:
                failures.append(e)
                if sock is not None:
                    sock.close()
            except BaseException:
                if sock is not None:
                    sock.close()
                raise
        try:
            if not failures:
                raise OSError("getaddrinfo returns an empty list")
            raise ExceptionGroup("create_connection failed", failures) if all_errors else failures[-1]
        finally:
            failures.clear()  # a traceback holds its frame: without this the sockets would live until a collection

    def create_server(
        self,
        address: Address,
        *,
        family: int = standard.AF_INET,
        backlog: int | None = None,
        reuse_port: bool = False,
        dualstack_ipv6: bool = False,
    ) -> Socket:
        """A stream that listens at `address`. Raises ValueError for what is not to be had."""
        if reuse_port:
            raise ValueError("SO_REUSEPORT not supported on this platform")
        if dualstack_ipv6:
            raise ValueError("dualstack_ipv6 not supported on this platform")
        sock = self.socket(family, standard.SOCK_STREAM)
        try:
            sock.setsockopt(standard.SOL_SOCKET, standard.SO_REUSEADDR, 1)
            try:
                sock.bind(address)
            except OSError as e:
                raise OSError(e.errno, f"{e.strerror} (while attempting to bind on address {address!r})") from None
            sock.listen() if backlog is None else sock.listen(backlog)
            return sock
        except BaseException:
            sock.close()
            raise

    def has_dualstack_ipv6(self) -> bool:
        return False

    def if_nameindex(self) -> list[tuple[int, str]]:
        with self.engine as engine:
            return [(i.index, i.name) for i in engine.stack.interfaces]

    def if_nametoindex(self, name: str) -> int:
        for index, known in self.if_nameindex():
            if known == name:
                return index
        raise OSError(errno.ENODEV, "no interface with this name")

    def if_indextoname(self, index: int) -> str:
        for known, name in self.if_nameindex():
            if known == index:
                return name
        raise error(errno.ENXIO)

    def close(self, fd: int) -> None:
        """Close what `detach` left, or a descriptor that is not ours."""
        detached = self._detached.pop(fd, None)
        if detached is None:
            os.close(fd)
            return
        with self.engine as engine:
            let_go(engine, *detached)

    def fromfd(self, fd: int, family: int, type: int, proto: int = 0) -> Socket:
        """Refused with EOPNOTSUPP: a descriptor of ours cannot be duplicated."""
        raise error(errno.EOPNOTSUPP)

    # --- descriptors and selectors

    def detach(self, fd: int, subject: Subject, descriptor: Descriptor) -> None:
        """Keep what a socket let go of under its descriptor's number."""
        self._by_descriptor.pop(fd, None)
        self._detached[fd] = (subject, descriptor)

    def take_detached(self, fd: int) -> tuple[Subject, Descriptor]:
        """What `detach` kept. Raises EBADF."""
        detached = self._detached.pop(fd, None)
        if detached is None:
            raise error(errno.EBADF)
        return detached

    def remember(self, fd: int, sock: Socket) -> None:
        """`sock` has a descriptor now."""
        self._by_descriptor[fd] = sock

    def socket_of(self, fileobj: Any) -> Socket:
        """The socket behind a file object, under the lock. ValueError if there is none of this node."""
        if isinstance(fileobj, Socket):
            if fileobj._module is not self:
                raise ValueError(f"{fileobj!r} is another node's")
            return fileobj
        if isinstance(fileobj, int):
            sock = self._by_descriptor.get(fileobj)
        else:
            sock = self._ask(fileobj)
        if sock is None:
            raise ValueError(f"{fileobj!r} is not a socket of this node")
        return sock

    def _ask(self, fileobj: Any) -> Socket | None:
        """Let the file object call its socket's `fileno()`, which then says who it is rather than make a descriptor."""
        fileno = getattr(fileobj, "fileno", None)
        if fileno is None:
            return None
        self._asked_by = get_ident()
        try:
            fileno()
        except OSError:
            return None
        finally:
            self._asked_by = 0
            answers, self._answers = self._answers, []
        return answers[0] if answers else None

    def was_asked(self, sock: Socket) -> bool:
        """Called by `fileno`: whether it is a selector that wants to know, which is told here."""
        if self._asked_by != get_ident():
            return False
        self._answers.append(sock)
        return True


# Attributes of the object that the library's module does not have.
OURS = frozenset(["engine", "names", "selectors", "detach", "take_detached", "remember", "socket_of", "was_asked"])
