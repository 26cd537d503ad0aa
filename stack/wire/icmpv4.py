"""ICMP messages (RFC 792; RFC 1122 3.2.2; codes of RFC 1812 5.2.7.1; next-hop MTU of RFC 1191).

`parse` checks the checksum, and that an error quotes at least an IP header. What a type means to the host, and whether
it may be answered, is for the layer above. RFC 4884 extensions are left in the payload.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from stack.wire.checksum import checksum as _checksum
from stack.wire.drop import Drop, WireError

ECHO_REPLY = 0
DESTINATION_UNREACHABLE = 3
SOURCE_QUENCH = 4
REDIRECT = 5
ECHO = 8
ROUTER_ADVERTISEMENT = 9
ROUTER_SOLICITATION = 10
TIME_EXCEEDED = 11
PARAMETER_PROBLEM = 12
TIMESTAMP = 13
TIMESTAMP_REPLY = 14
INFORMATION_REQUEST = 15
INFORMATION_REPLY = 16
ADDRESS_MASK_REQUEST = 17
ADDRESS_MASK_REPLY = 18

# Codes of DESTINATION_UNREACHABLE
NET_UNREACHABLE = 0
HOST_UNREACHABLE = 1
PROTOCOL_UNREACHABLE = 2
PORT_UNREACHABLE = 3
FRAGMENTATION_NEEDED = 4
SOURCE_ROUTE_FAILED = 5
NET_UNKNOWN = 6
HOST_UNKNOWN = 7
HOST_ISOLATED = 8
NET_PROHIBITED = 9
HOST_PROHIBITED = 10
NET_UNREACHABLE_FOR_TOS = 11
HOST_UNREACHABLE_FOR_TOS = 12
COMMUNICATION_PROHIBITED = 13
HOST_PRECEDENCE_VIOLATION = 14
PRECEDENCE_CUTOFF = 15

# Codes of TIME_EXCEEDED
TTL_EXCEEDED = 0
REASSEMBLY_TIME_EXCEEDED = 1

ERRORS = frozenset({DESTINATION_UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM})
HEADER_LENGTH = 8

_HEADER = Struct("!BBH4s")
_new = tuple.__new__

_TYPES = {
    ECHO_REPLY: "Echo reply",
    DESTINATION_UNREACHABLE: "Destination unreachable",
    SOURCE_QUENCH: "Source quench",
    REDIRECT: "Redirect",
    ECHO: "Echo request",
    ROUTER_ADVERTISEMENT: "Router advertisement",
    ROUTER_SOLICITATION: "Router solicitation",
    TIME_EXCEEDED: "Time exceeded",
    PARAMETER_PROBLEM: "Parameter problem",
    TIMESTAMP: "Timestamp request",
    TIMESTAMP_REPLY: "Timestamp reply",
    INFORMATION_REQUEST: "Information request",
    INFORMATION_REPLY: "Information reply",
    ADDRESS_MASK_REQUEST: "Address mask request",
    ADDRESS_MASK_REPLY: "Address mask reply",
}

_CODES = {
    (DESTINATION_UNREACHABLE, NET_UNREACHABLE): "Destination network unreachable",
    (DESTINATION_UNREACHABLE, HOST_UNREACHABLE): "Destination host unreachable",
    (DESTINATION_UNREACHABLE, PROTOCOL_UNREACHABLE): "Destination protocol unreachable",
    (DESTINATION_UNREACHABLE, PORT_UNREACHABLE): "Destination port unreachable",
    (DESTINATION_UNREACHABLE, FRAGMENTATION_NEEDED): "Fragmentation needed and don't fragment set",
    (DESTINATION_UNREACHABLE, SOURCE_ROUTE_FAILED): "Source route failed",
    (DESTINATION_UNREACHABLE, NET_UNKNOWN): "Destination network unknown",
    (DESTINATION_UNREACHABLE, HOST_UNKNOWN): "Destination host unknown",
    (DESTINATION_UNREACHABLE, HOST_ISOLATED): "Source host isolated",
    (DESTINATION_UNREACHABLE, NET_PROHIBITED): "Destination network prohibited",
    (DESTINATION_UNREACHABLE, HOST_PROHIBITED): "Destination host prohibited",
    (DESTINATION_UNREACHABLE, NET_UNREACHABLE_FOR_TOS): "Destination network unreachable for this type of service",
    (DESTINATION_UNREACHABLE, HOST_UNREACHABLE_FOR_TOS): "Destination host unreachable for this type of service",
    (DESTINATION_UNREACHABLE, COMMUNICATION_PROHIBITED): "Communication prohibited by filtering",
    (DESTINATION_UNREACHABLE, HOST_PRECEDENCE_VIOLATION): "Host precedence violation",
    (DESTINATION_UNREACHABLE, PRECEDENCE_CUTOFF): "Precedence cutoff in effect",
    (REDIRECT, 0): "Redirect for network",
    (REDIRECT, 1): "Redirect for host",
    (REDIRECT, 2): "Redirect for type of service and network",
    (REDIRECT, 3): "Redirect for type of service and host",
    (TIME_EXCEEDED, TTL_EXCEEDED): "Time to live exceeded",
    (TIME_EXCEEDED, REASSEMBLY_TIME_EXCEEDED): "Fragment reassembly time exceeded",
    (PARAMETER_PROBLEM, 1): "Required option missing",
    (PARAMETER_PROBLEM, 2): "Bad length",
}


class Icmp(NamedTuple):
    """`rest` is the header's second word; the properties are its readings, each meaningful for its own types only."""

    type: int
    code: int
    checksum: int
    rest: bytes  # 4 bytes
    payload: memoryview

    @property
    def identifier(self) -> int:
        return int.from_bytes(self.rest[:2], "big")

    @property
    def sequence(self) -> int:
        return int.from_bytes(self.rest[2:], "big")

    @property
    def mtu(self) -> int:
        """The next hop's, of a 'fragmentation needed' (RFC 1191 4); 0 from a router older than that."""
        return int.from_bytes(self.rest[2:], "big")

    @property
    def pointer(self) -> int:
        """The byte of the quoted header a 'parameter problem' is about."""
        return self.rest[0]

    @property
    def gateway(self) -> bytes:
        """The better router, of a redirect: 4 bytes."""
        return self.rest

    @property
    def is_error(self) -> bool:
        """Whether the payload quotes the datagram that caused the message (RFC 1122 3.2.2)."""
        return self.type in ERRORS


def fields(data: bytes | memoryview) -> Icmp:
    """The message as it lies there; WireError(TRUNCATED) below 8 bytes."""
    if len(data) < 8:
        raise WireError(Drop.TRUNCATED)
    type, code, checksum, rest = _HEADER.unpack_from(data)
    return _new(Icmp, (type, code, checksum, rest, memoryview(data)[8:]))


def parse(data: bytes | memoryview, verified: bool = False) -> Icmp:
    """A message; `verified` skips the checksum. WireError: TRUNCATED, ICMP_CHECKSUM, ICMP_MALFORMED."""
    icmp = fields(data)
    if not verified and _checksum(data):
        raise WireError(Drop.ICMP_CHECKSUM)
    # RFC 1122 3.2.2: every error quotes the header and at least 8 bytes more, unless the datagram itself was shorter.
    if icmp.type in ERRORS and len(icmp.payload) < 20:
        raise WireError(Drop.ICMP_MALFORMED)
    return icmp


def emit(type: int, code: int, rest: bytes, payload: bytes | memoryview) -> bytes:
    """The whole message, checksum included; `rest` is 4 bytes."""
    body = bytes(payload)
    checksum = _checksum(body, (type << 8 | code) + int.from_bytes(rest, "big"))
    return _HEADER.pack(type, code, checksum, rest) + body


def echo_request(identifier: int, sequence: int, payload: bytes | memoryview) -> bytes:
    return emit(ECHO, 0, (identifier << 16 | sequence).to_bytes(4, "big"), payload)


def echo_reply(identifier: int, sequence: int, payload: bytes | memoryview) -> bytes:
    return emit(ECHO_REPLY, 0, (identifier << 16 | sequence).to_bytes(4, "big"), payload)


def describe(type: int, code: int) -> str:
    """In words: 'Destination host unreachable', 'Echo request', 'ICMP type 99, code 1'."""
    words = _CODES.get((type, code))
    if words is None:
        words = _TYPES.get(type, f"ICMP type {type}")
        if code:
            words += f", code {code}"
    return words
