"""The UDP header (RFC 768; RFC 1122 4.1; over IPv6 RFC 8200 8.1).

A zero checksum means "not computed": accepted over IPv4, refused over IPv6. Data behind the length field is cut off.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from stack.wire.checksum import ones_sum, pseudo_header_sum
from stack.wire.drop import Drop, WireError

PROTOCOL = 17
HEADER_LENGTH = 8
MAX_PAYLOAD = 0xFFFF - HEADER_LENGTH

_HEADER = Struct("!HHHH")
_new = tuple.__new__


class Udp(NamedTuple):
    src_port: int
    dst_port: int
    length: int  # header and payload, bytes
    checksum: int
    payload: memoryview


def fields(data: bytes | memoryview) -> Udp:
    """The datagram as it lies there; WireError(TRUNCATED) below 8 bytes. A length below 8 does not cut the payload."""
    if len(data) < 8:
        raise WireError(Drop.TRUNCATED)
    src_port, dst_port, length, checksum = _HEADER.unpack_from(data)
    view = data if type(data) is memoryview else memoryview(data)
    return _new(Udp, (src_port, dst_port, length, checksum, view[8:length] if length >= 8 else view[8:]))


def parse(data: bytes | memoryview, src: bytes, dst: bytes, verified: bool = False) -> Udp:
    """A datagram between two addresses; `verified` skips the checksum.

    WireError: TRUNCATED, UDP_LENGTH, UDP_CHECKSUM.
    """
    udp = fields(data)
    if udp.length < 8 or udp.length > len(data):
        raise WireError(Drop.UDP_LENGTH)
    if udp.checksum == 0:
        if len(src) == 16:  # RFC 8200 8.1: not optional there
            raise WireError(Drop.UDP_CHECKSUM)
    elif not verified and ones_sum(data[: udp.length], pseudo_header_sum(src, dst, PROTOCOL, udp.length)) != 0xFFFF:
        raise WireError(Drop.UDP_CHECKSUM)
    return udp


def emit(
    src: bytes, dst: bytes, src_port: int, dst_port: int, payload: bytes | memoryview, partial: bool = False
) -> bytes:
    """The 8-byte header. `partial` leaves the pseudo header's sum in the checksum for a device to finish.

    ValueError if the payload exceeds 65527 bytes.
    """
    length = 8 + len(payload)
    if length > 0xFFFF:
        raise ValueError(f"a UDP datagram carries at most {MAX_PAYLOAD} bytes, not {len(payload)}")
    pseudo = pseudo_header_sum(src, dst, PROTOCOL, length)
    if partial:
        return _HEADER.pack(src_port, dst_port, length, pseudo)
    # RFC 768: a checksum that comes out as zero is sent as all ones.
    checksum = ones_sum(payload, pseudo + src_port + dst_port + length) ^ 0xFFFF or 0xFFFF
    return _HEADER.pack(src_port, dst_port, length, checksum)
