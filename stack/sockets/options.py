"""Socket options: setsockopt(2) and getsockopt(2) by level and name, as socket(7), ip(7) and tcp(7) have them.

Each option is one row that says how it is read and written. An option that is not here is refused with ENOPROTOOPT
rather than taken and ignored.
"""

from __future__ import annotations

import errno
import socket as standard
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import index
from struct import Struct

from stack.port import Options, Port
from stack.raw import RawPort
from stack.sockets.descriptor import Descriptor
from stack.sockets.errors import error
from stack.tcp.port import TcpPort

INT = Struct("i")
LINGER = Struct("ii")
TIMEVAL = Struct("ll")
# Linux's floors, once doubled: socket(7).
MIN_RCVBUF = 2304
MIN_SNDBUF = 4608
MAX_BUFFER = 1 << 30
MAX_TIMEOUT = 2**63 / 1e9  # seconds: Python counts them in nanoseconds of 64 bits
PROTOCOLS: dict[int, int] = {standard.SOCK_STREAM: standard.IPPROTO_TCP, standard.SOCK_DGRAM: standard.IPPROTO_UDP}

Key = tuple[int, int]


@dataclass(slots=True)
class Subject:
    """What the options are of, and what `dup` shares: a socket's port, and what only sockets know."""

    port: Port
    type: int
    proto: int
    receive_timeout: float | None = None  # SO_RCVTIMEO, seconds
    send_timeout: float | None = None  # SO_SNDTIMEO
    is_connecting: bool = False
    holders: int = 1  # sockets on the port: the last to be closed closes it
    descriptors: list[Descriptor] = field(default_factory=list)

    @property
    def protocol(self) -> int:
        """SO_PROTOCOL: what a `proto` of 0 has become."""
        return self.proto or PROTOCOLS.get(self.type, 0)

    @property
    def options(self) -> Options:
        return self.port.options

    def update(self) -> None:
        """A call may have changed what the port is ready for."""
        for descriptor in self.descriptors:
            descriptor.update()


@dataclass(frozen=True)
class Option:
    """A whole number, or with `set_raw` the bytes of a C structure; None refuses. Only ports of `kind` have it."""

    get: Callable[[Subject], int | bytes] | None = None
    set: Callable[[Subject, int], None] | None = None
    set_raw: Callable[[Subject, bytes], None] | None = None
    kind: type[Port] = Port


def timeout_of(value: float | None) -> float | None:
    """What settimeout takes, in seconds: raises the TypeError, ValueError or OverflowError that Python's own does."""
    if value is None:
        return None
    seconds = value if isinstance(value, float) else index(value)
    if seconds != seconds:
        raise ValueError("Invalid value NaN (not a number)")
    if abs(seconds) >= MAX_TIMEOUT:
        raise OverflowError("timeout out of range")
    if seconds < 0:
        raise ValueError("Timeout value out of range")
    return float(seconds)


def _flag(name: str, kind: type[Port] = Port) -> Option:
    return Option(lambda s: int(getattr(s.options, name)), lambda s, v: setattr(s.options, name, bool(v)), kind=kind)


def _buffer(name: str, floor: int) -> Option:
    """Linux keeps twice what was asked for, and says so when asked."""

    def store(subject: Subject, value: int) -> None:
        setattr(subject.options, name, max(floor, 2 * min(max(0, value), MAX_BUFFER // 2)))

    return Option(lambda s: getattr(s.options, name), store)


def _count(name: str, low: int, high: int, default: Callable[[Subject], float], unit: float = 1) -> Option:
    """A TCP setting in whole `unit`s of what the core keeps, None meaning the stack's default."""

    def fetch(subject: Subject) -> int:
        value = getattr(subject.options, name)
        return round((default(subject) if value is None else value) / unit)

    def store(subject: Subject, value: int) -> None:
        if not low <= value <= high:
            raise error(errno.EINVAL)
        setattr(subject.options, name, value * unit if unit != 1 else value)

    return Option(fetch, store, kind=TcpPort)


def _get_linger(subject: Subject) -> bytes:
    seconds = subject.options.linger
    return LINGER.pack(seconds is not None, seconds or 0)


def _set_linger(subject: Subject, value: bytes) -> None:
    if len(value) < LINGER.size:
        raise error(errno.EINVAL)
    is_on, seconds = LINGER.unpack_from(value)
    subject.options.linger = max(0, seconds) if is_on else None


def _timeout(name: str) -> Option:
    """A struct timeval; zero is none."""

    def fetch(subject: Subject) -> bytes:
        seconds = getattr(subject, name) or 0.0
        return TIMEVAL.pack(int(seconds), round(seconds % 1 * 1e6))

    def store(subject: Subject, value: bytes) -> None:
        if len(value) < TIMEVAL.size:
            raise error(errno.EINVAL)
        seconds, micros = TIMEVAL.unpack_from(value)
        if not 0 <= micros < 1_000_000:
            raise error(errno.EDOM)
        setattr(subject, name, max(0.0, seconds + micros / 1e6) or None)

    return Option(fetch, set_raw=store)


def _set_ttl(subject: Subject, value: int) -> None:
    if value != -1 and not 1 <= value <= 255:
        raise error(errno.EINVAL)
    subject.options.ttl = None if value == -1 else value


def _get_ttl(subject: Subject) -> int:
    ttl = subject.options.ttl
    return subject.port.net.config.ip_default_ttl if ttl is None else ttl


def _set_tos(subject: Subject, value: int) -> None:
    # As Linux: the low byte counts, and of a TCP socket's the two ECN bits are the protocol's own (RFC 3168 5).
    value &= 0xFF
    subject.options.tos = value & ~3 if isinstance(subject.port, TcpPort) else value


SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP = standard.SOL_SOCKET, standard.IPPROTO_IP, standard.IPPROTO_TCP


def _table() -> dict[Key, Option]:
    s = standard
    rows: dict[tuple[int, str], Option] = {
        (SOL_SOCKET, "SO_REUSEADDR"): _flag("reuse_address"),
        (SOL_SOCKET, "SO_BROADCAST"): _flag("broadcast"),
        (SOL_SOCKET, "SO_KEEPALIVE"): _flag("keepalive"),
        (SOL_SOCKET, "SO_OOBINLINE"): _flag("oob_inline"),
        (SOL_SOCKET, "SO_LINGER"): Option(_get_linger, set_raw=_set_linger),
        (SOL_SOCKET, "SO_RCVBUF"): _buffer("rcvbuf", MIN_RCVBUF),
        (SOL_SOCKET, "SO_SNDBUF"): _buffer("sndbuf", MIN_SNDBUF),
        (SOL_SOCKET, "SO_RCVTIMEO"): _timeout("receive_timeout"),
        (SOL_SOCKET, "SO_SNDTIMEO"): _timeout("send_timeout"),
        (SOL_SOCKET, "SO_ERROR"): Option(lambda x: x.port.take_error()),
        (SOL_SOCKET, "SO_TYPE"): Option(lambda x: x.type),
        (SOL_SOCKET, "SO_PROTOCOL"): Option(lambda x: x.protocol),
        (SOL_SOCKET, "SO_DOMAIN"): Option(lambda x: int(s.AF_INET)),
        (SOL_SOCKET, "SO_ACCEPTCONN"): Option(lambda x: int(isinstance(x.port, TcpPort) and x.port.is_listening)),
        (IPPROTO_IP, "IP_TTL"): Option(_get_ttl, _set_ttl),
        (IPPROTO_IP, "IP_TOS"): Option(lambda x: x.options.tos, _set_tos),
        (IPPROTO_IP, "IP_HDRINCL"): _flag("header_included", RawPort),
        (IPPROTO_TCP, "TCP_NODELAY"): _flag("nodelay", TcpPort),
        (IPPROTO_TCP, "TCP_MAXSEG"): _count("maxseg", 88, 32767, lambda x: 536),
        (IPPROTO_TCP, "TCP_KEEPIDLE"): _count(
            "keepalive_time", 1, 32767, lambda x: x.port.net.config.tcp_keepalive_time
        ),
        (IPPROTO_TCP, "TCP_KEEPINTVL"): _count(
            "keepalive_interval", 1, 32767, lambda x: x.port.net.config.tcp_keepalive_interval
        ),
        (IPPROTO_TCP, "TCP_KEEPCNT"): _count(
            "keepalive_probes", 1, 127, lambda x: x.port.net.config.tcp_keepalive_probes
        ),
        (IPPROTO_TCP, "TCP_USER_TIMEOUT"): _count("user_timeout", 0, (1 << 31) - 1, lambda x: 0, 0.001),
    }
    # The numbers are this platform's; a name it does not have is one nobody here can say.
    return {(level, getattr(s, name)): row for (level, name), row in rows.items() if hasattr(s, name)}


OPTIONS = _table()


def _row(subject: Subject, level: int, name: int) -> Option:
    row = OPTIONS.get((level, name))
    if row is None or not isinstance(subject.port, row.kind):
        raise error(errno.ENOPROTOOPT)
    return row


def _number(level: int, value: bytes) -> int:
    """An int as C lays it out; ip(7)'s options may also be one byte."""
    if len(value) >= INT.size:
        number: int = INT.unpack_from(value)[0]
        return number
    if level == IPPROTO_IP and value:
        return value[0]
    raise error(errno.EINVAL)


def set_option(subject: Subject, level: int, name: int, value: int | bytes | None, now: float) -> None:
    """Raises ENOPROTOOPT for an option that is not there or only read, EINVAL for a value that cannot be."""
    row = _row(subject, level, name)
    if row.set_raw is not None:
        if not isinstance(value, bytes):
            raise error(errno.EINVAL)
        row.set_raw(subject, value)
    elif row.set is not None:
        if isinstance(value, bytes):
            value = _number(level, value)
        row.set(subject, value or 0)
    else:
        raise error(errno.ENOPROTOOPT)
    if isinstance(subject.port, TcpPort):
        subject.port.options_changed(now)


def get_option(subject: Subject, level: int, name: int, length: int) -> int | bytes:
    """A whole number, or with `length` that many bytes at most. Raises ENOPROTOOPT."""
    row = _row(subject, level, name)
    if row.get is None:
        raise error(errno.ENOPROTOOPT)
    value = row.get(subject)
    if length:
        return (INT.pack(value) if isinstance(value, int) else value)[:length]
    return value if isinstance(value, int) else INT.unpack_from(value)[0]
