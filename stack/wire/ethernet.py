"""Ethernet II framing (RFC 894, IEEE 802.3 3.2): two addresses, a type, data.

Nothing is padded on the way out (the device does that) and padding is not cut off on the way in (only the layer above
knows its length). Refuses nothing but a cut header: an 802.3 length or a VLAN tag comes out as it is, in `ethertype`.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from stack.wire.drop import Drop, WireError

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_VLAN = 0x8100
ETHERTYPE_IPV6 = 0x86DD
HEADER_LENGTH = 14

_HEADER = Struct("!6s6sH")
_new = tuple.__new__


class Ethernet(NamedTuple):
    dst: bytes
    src: bytes
    ethertype: int
    payload: memoryview


def fields(data: bytes | memoryview) -> Ethernet:
    """The frame as it lies there; WireError(TRUNCATED) below 14 bytes."""
    if len(data) < 14:
        raise WireError(Drop.TRUNCATED)
    dst, src, ethertype = _HEADER.unpack_from(data)
    return _new(Ethernet, (dst, src, ethertype, memoryview(data)[14:]))


parse = fields


def emit(dst: bytes, src: bytes, ethertype: int) -> bytes:
    """The 14 bytes in front of the payload."""
    return _HEADER.pack(dst, src, ethertype)
