"""The IPv4 header (RFC 791 3.1, RFC 1122 3.2.1).

`parse` checks what can be checked without knowing the host: version, header length, total length against the data, the
header checksum, and that the options are well formed. What addresses, options and fragments mean is for the layer
above. `emit` makes whole datagrams only, never fragments.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from stack.wire import option
from stack.wire.drop import Drop, WireError
from stack.wire.option import Option

PROTOCOL_ICMP = 1
PROTOCOL_IGMP = 2
PROTOCOL_TCP = 6
PROTOCOL_UDP = 17
PROTOCOL_IPV6 = 41
PROTOCOL_ICMPV6 = 58

DF = 2  # in `flags`: don't fragment
MF = 1  # more fragments follow
HEADER_LENGTH = 20
MAX_OPTIONS = 40

OPTION_RECORD_ROUTE = 7
OPTION_TIMESTAMP = 68
OPTION_LOOSE_SOURCE_ROUTE = 131
OPTION_STRICT_SOURCE_ROUTE = 137
OPTION_ROUTER_ALERT = 148  # RFC 2113

_HEADER = Struct("!BBHHHBBH4s4s")
_AS_NUMBERS = Struct("!QQI")  # the same 20 bytes, to be added up
_new = tuple.__new__


class Ipv4(NamedTuple):
    version: int
    ihl: int  # 32-bit words
    tos: int
    total_length: int
    identification: int
    flags: int  # 3 bits: reserved, DF, MF
    fragment_offset: int  # bytes
    ttl: int
    protocol: int
    checksum: int
    src: bytes
    dst: bytes
    options: bytes
    payload: memoryview


def fields(data: bytes | memoryview) -> Ipv4:
    """The header as it lies there and the data its lengths leave; WireError(TRUNCATED) below 20 bytes.

    A header length below 5 words is read as 5; a total length shorter than the header does not cut the payload.
    """
    if len(data) < 20:
        raise WireError(Drop.TRUNCATED)
    first, tos, total_length, identification, fragment, ttl, protocol, checksum, src, dst = _HEADER.unpack_from(data)
    view = data if type(data) is memoryview else memoryview(data)
    if first & 15 > 5:
        start = (first & 15) * 4
        options = bytes(view[20:start])
    else:
        start = 20
        options = b""
    return _new(
        Ipv4,
        (
            first >> 4,
            first & 15,
            tos,
            total_length,
            identification,
            fragment >> 13,
            (fragment & 0x1FFF) << 3,
            ttl,
            protocol,
            checksum,
            src,
            dst,
            options,
            view[start:total_length] if total_length >= start else view[start:],
        ),
    )


def parse(data: bytes | memoryview, verified: bool = False) -> Ipv4:
    """A datagram, what lies behind its total length (Ethernet's padding) cut off.

    `verified` skips the header checksum. WireError: TRUNCATED, IP_VERSION, IP_HEADER_LENGTH, IP_TOTAL_LENGTH,
    IP_CHECKSUM, IP_OPTIONS.
    """
    ip = fields(data)
    if ip.version != 4:
        raise WireError(Drop.IP_VERSION)
    length = ip.ihl << 2
    if length < 20 or length > len(data):
        raise WireError(Drop.IP_HEADER_LENGTH)
    if ip.total_length < length or ip.total_length > len(data):
        raise WireError(Drop.IP_TOTAL_LENGTH)
    if not verified:
        # RFC 1122 3.2.1.2: verify. A header cannot be all zeros here, so a right one is 0xffff, that is 0 modulo 65535.
        first, second, third = _AS_NUMBERS.unpack_from(data)
        if (first + second + third + int.from_bytes(ip.options, "big")) % 0xFFFF:
            raise WireError(Drop.IP_CHECKSUM)
    if ip.options:
        for _ in each_option(ip.options):
            pass
    return ip


def each_option(options: bytes) -> Iterator[Option]:
    """The options one by one, NOP and end of list included; WireError(IP_OPTIONS) where they stop making sense."""
    return option.walk(options, Drop.IP_OPTIONS)


def emit(
    src: bytes,
    dst: bytes,
    protocol: int,
    payload_length: int,
    ttl: int = 64,
    tos: int = 0,
    identification: int = 0,
    dont_fragment: bool = True,
    options: bytes = b"",
) -> bytes:
    """The header, checksum included, of a whole datagram; `options` are padded to a multiple of 4.

    ValueError if the options exceed 40 bytes or the datagram 65535.
    """
    if options:
        options += bytes(-len(options) & 3)
        if len(options) > MAX_OPTIONS:
            raise ValueError(f"IP options take at most {MAX_OPTIONS} bytes, not {len(options)}")
    total_length = 20 + len(options) + payload_length
    if total_length > 0xFFFF:
        raise ValueError(f"an IP datagram has at most 65535 bytes, not {total_length}")
    first = 0x45 + (len(options) >> 2)
    fragment = 0x4000 if dont_fragment else 0
    # The words' sum modulo 65535 without laying them out first: 2**16 is 1 there, so an address adds as one number.
    total = (first << 8 | tos) + total_length + identification + fragment + (ttl << 8 | protocol)
    total += int.from_bytes(src, "big") + int.from_bytes(dst, "big") + int.from_bytes(options, "big")
    checksum = 0xFFFF - (total % 0xFFFF or 0xFFFF)
    return _HEADER.pack(first, tos, total_length, identification, fragment, ttl, protocol, checksum, src, dst) + options
