"""What IP and the transports above it are to each other: who takes packets, and learns of errors about its own."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from stack.interface import Interface
from stack.wire import icmpv4, ipv4

# RFC 1122 4.1.3.3, 4.2.3.9 and icmp(7): what a socket is told, by code of Destination Unreachable.
UNREACHABLE_ERRNO = {
    0: errno.ENETUNREACH,
    1: errno.EHOSTUNREACH,
    2: errno.ENOPROTOOPT,
    3: errno.ECONNREFUSED,
    4: errno.EMSGSIZE,
    5: errno.EOPNOTSUPP,
    6: errno.ENETUNREACH,
    7: errno.EHOSTDOWN,
    8: errno.ENONET,
    9: errno.ENETUNREACH,
    10: errno.EHOSTUNREACH,
    11: errno.ENETUNREACH,
    12: errno.EHOSTUNREACH,
    13: errno.EHOSTUNREACH,
    14: errno.EHOSTUNREACH,
    15: errno.EHOSTUNREACH,
}


class IcmpError(NamedTuple):
    """An error about a packet we sent. `mtu` is the next hop's, for 'fragmentation needed', else 0."""

    type: int
    code: int
    mtu: int
    reporter: bytes  # who says so
    original: ipv4.Ipv4  # our packet's header; its payload is what was quoted

    @property
    def errno(self) -> int:
        if self.type == icmpv4.DESTINATION_UNREACHABLE:
            return UNREACHABLE_ERRNO.get(self.code, errno.EHOSTUNREACH)
        return errno.EHOSTUNREACH if self.type == icmpv4.TIME_EXCEEDED else errno.EPROTO


class Transport(Protocol):
    """Takes the packets of one protocol, all of them. What it drops it raises as WireError."""

    def input(self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, verified: bool, now: float) -> None:
        """`data` is the whole packet; `verified` says that its checksum needs no look."""

    def on_icmp_error(self, report: IcmpError, now: float) -> bool:
        """Learn of an error about a packet that was sent from here; whether it is about anything alive."""


class Taps(Protocol):
    """Has copies of packets beside their transport: raw sockets."""

    @property
    def ports(self) -> Mapping[int, object]:
        """By protocol."""

    def input(self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, now: float) -> bool:
        """Whether anybody took it."""

    def on_icmp_error(self, report: IcmpError, now: float) -> None: ...
