"""Address resolution for IPv4 on Ethernet (RFC 826, RFC 5227).

`fields` reads any hardware and protocol; `parse` refuses all but Ethernet and IPv4. Whether an operation other than
request and reply means anything, and what the addresses in it may be, is not for this module.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from stack.wire.drop import Drop, WireError
from stack.wire.ethernet import ETHERTYPE_IPV4

REQUEST = 1
REPLY = 2
HARDWARE_ETHERNET = 1
LENGTH = 28

_FIXED = Struct("!HHBBH")
_PACKET = Struct("!HHBBH6s4s6s4s")


class Arp(NamedTuple):
    htype: int
    ptype: int
    hlen: int
    plen: int
    op: int
    sha: bytes  # sender's hardware address, `hlen` bytes
    spa: bytes  # sender's protocol address, `plen` bytes
    tha: bytes
    tpa: bytes


def fields(data: bytes | memoryview) -> Arp:
    """What is there, addresses cut where the data ends; WireError(TRUNCATED) below 8 bytes."""
    if len(data) < 8:
        raise WireError(Drop.TRUNCATED)
    htype, ptype, hlen, plen, op = _FIXED.unpack_from(data)
    addresses = []
    start = 8
    for length in (hlen, plen, hlen, plen):
        addresses.append(bytes(data[start : start + length]))
        start += length
    return Arp(htype, ptype, hlen, plen, op, *addresses)


def parse(data: bytes | memoryview) -> Arp:
    """An ARP packet for IPv4 on Ethernet; WireError TRUNCATED or ARP_MALFORMED. Trailing padding is allowed."""
    arp = fields(data)
    if (arp.htype, arp.ptype, arp.hlen, arp.plen) != (HARDWARE_ETHERNET, ETHERTYPE_IPV4, 6, 4):
        raise WireError(Drop.ARP_MALFORMED)
    if len(data) < LENGTH:
        raise WireError(Drop.TRUNCATED)
    return arp


def emit(op: int, sha: bytes, spa: bytes, tha: bytes, tpa: bytes) -> bytes:
    """28 bytes, for IPv4 on Ethernet."""
    return _PACKET.pack(HARDWARE_ETHERNET, ETHERTYPE_IPV4, 6, 4, op, sha, spa, tha, tpa)
