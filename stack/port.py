"""What a socket holds: the Port, its options, and the table of who is bound where.

The core knows nothing of descriptors or blocking. A port says whether it is readable or writable; after a batch in
which that may have changed the engine calls its watchers. Errors are OSErrors with the errno Linux gives.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from stack.config import Config
from stack.net import Net
from stack.wire.address import format_endpoint, is_unspecified


class Endpoint(NamedTuple):
    """Where one end of a conversation is: a packed address and a port number."""

    address: bytes
    port: int

    def __str__(self) -> str:
        return format_endpoint(self.address, self.port)


# strerror(3)'s words for what the core raises; the core itself asks no operating system.
WORDS = {
    errno.EACCES: "Permission denied",
    errno.EADDRINUSE: "Address already in use",
    errno.EADDRNOTAVAIL: "Cannot assign requested address",
    errno.EAGAIN: "Resource temporarily unavailable",
    errno.EALREADY: "Operation already in progress",
    errno.ECONNABORTED: "Software caused connection abort",
    errno.ECONNREFUSED: "Connection refused",
    errno.ECONNRESET: "Connection reset by peer",
    errno.EDESTADDRREQ: "Destination address required",
    errno.EHOSTUNREACH: "No route to host",
    errno.EINVAL: "Invalid argument",
    errno.EISCONN: "Transport endpoint is already connected",
    errno.EMSGSIZE: "Message too long",
    errno.ENETUNREACH: "Network is unreachable",
    errno.ENOPROTOOPT: "Protocol not available",
    errno.ENOTCONN: "Transport endpoint is not connected",
    errno.EPIPE: "Broken pipe",
    errno.EPROTONOSUPPORT: "Protocol not supported",
    errno.ETIMEDOUT: "Connection timed out",
}


def error(number: int, text: str = "") -> OSError:
    """The OSError subclass for an errno, with the system's words and what else there is to say."""
    words = WORDS.get(number) or errno.errorcode.get(number, str(number))
    return OSError(number, f"{words}: {text}" if text else words)


@dataclass(slots=True)
class Options:
    """The SO_, IP_ and TCP_ settings of one port; buffers in bytes, times in seconds, None for the stack's default."""

    rcvbuf: int
    sndbuf: int
    reuse_address: bool = False
    broadcast: bool = False
    keepalive: bool = False
    linger: int | None = None
    ttl: int | None = None
    tos: int = 0
    nodelay: bool = False
    keepalive_time: float | None = None
    keepalive_interval: float | None = None
    keepalive_probes: int | None = None
    user_timeout: float | None = None
    maxseg: int | None = None
    header_included: bool = False
    oob_inline: bool = False


class Port:
    """The part every kind of port has. Subclasses say what readable and writable mean."""

    def __init__(self, net: Net, options: Options) -> None:
        self.net = net
        self.options = options
        self.watchers: list[Callable[[], None]] = []
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        self.is_closed = False
        self._error = 0
        self.is_ready_queued = False

    def readable(self) -> bool:
        raise NotImplementedError

    def writable(self) -> bool:
        raise NotImplementedError

    def hung_up(self) -> bool:
        return False

    def close(self, now: float) -> None:
        raise NotImplementedError

    def take_error(self) -> int:
        """The pending errno, which is cleared by asking (SO_ERROR)."""
        number, self._error = self._error, 0
        return number

    def set_error(self, number: int) -> None:
        self._error = number
        self.ready_changed()

    def raise_error(self) -> None:
        """Raise the pending error, if there is one, and clear it."""
        if self._error:
            raise error(self.take_error())

    def ready_changed(self) -> None:
        """Tell the engine, once a batch, that readiness may have changed."""
        if not self.is_ready_queued:
            self.is_ready_queued = True
            self.net.ready.append(self)


P = TypeVar("P", bound=Port)


class Bindings:
    """Which port of which transport is bound at which address and port number."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._bound: dict[int, list[Port]] = {}

    def at(self, port: int) -> list[Port]:
        return self._bound.get(port, [])

    def __iter__(self) -> Iterator[Port]:
        return (p for ports in self._bound.values() for p in ports)

    def bind(self, owner: Port, address: bytes, port: int, may_share: Callable[[Port, Port], bool]) -> None:
        """Give `owner` the local endpoint; port 0 chooses an ephemeral one. Raises EADDRINUSE."""
        if port == 0:
            port = self.ephemeral(lambda number: not self._conflicts(owner, address, number, lambda a, b: False))
        elif self._conflicts(owner, address, port, may_share):
            raise error(errno.EADDRINUSE)
        owner.local = Endpoint(address, port)
        self._bound.setdefault(port, []).append(owner)

    def release(self, owner: Port) -> None:
        if owner.local is None:
            return
        ports = self._bound.get(owner.local.port, [])
        if owner in ports:
            ports.remove(owner)
            if not ports:
                del self._bound[owner.local.port]

    def ephemeral(self, is_free: Callable[[int], bool], none_left: int = errno.EADDRINUSE) -> int:
        """A free port chosen as RFC 6056 3.3.1 says (simple randomization). Raises `none_left` when there is none."""
        low, high = self._config.port_low, self._config.port_high
        if high < low:
            raise error(none_left, f"port_low {low} is above port_high {high}")
        count = high - low + 1
        start = self._config.rng.randrange(0, count)
        for step in range(count):
            number = low + (start + step) % count
            if is_free(number):
                return number
        raise error(none_left, "every ephemeral port is taken")

    def _conflicts(self, owner: Port, address: bytes, port: int, may_share: Callable[[Port, Port], bool]) -> bool:
        for other in self._bound.get(port, []):
            assert other.local is not None
            overlaps = is_unspecified(address) or is_unspecified(other.local.address) or address == other.local.address
            if other is not owner and overlaps and not may_share(owner, other):
                return True
        return False
