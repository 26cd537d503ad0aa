"""DHCP messages (RFC 2131 2; long options RFC 3396, the BOOTP message's least size RFC 1542 2.1).

`fields` says what lies there; `parse` refuses a message without the magic cookie, with a hardware address longer than
its field, or with options that reach past their area. `parse_options` gives the known options as values
(`dhcpv4_options` has the table) and leaves out one whose data is not what its code says. What a message means to a
client or a server is not for this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from struct import error as struct_error
from typing import NamedTuple

from stack.wire.address import ANY4
from stack.wire.dhcpv4_options import END, KINDS, OVERLOAD, PAD, Options
from stack.wire.drop import Drop, WireError

SERVER_PORT = 67
CLIENT_PORT = 68
BOOTREQUEST = 1
BOOTREPLY = 2
HARDWARE_ETHERNET = 1
BROADCAST = 0x8000  # in `flags`: the client cannot receive unicast yet
COOKIE = bytes((99, 130, 83, 99))
HEADER_LENGTH = 236
MIN_LENGTH = 300  # RFC 1542 2.1: older relays and servers refuse less
SNAME = range(44, 108)
FILE = range(108, 236)
OPTIONS = HEADER_LENGTH + len(COOKIE)

DISCOVER = 1
OFFER = 2
REQUEST = 3
DECLINE = 4
ACK = 5
NAK = 6
RELEASE = 7
INFORM = 8

_HEADER = Struct("!BBBBIHH4s4s4s4s16s64s128s")
_new = tuple.__new__


class Dhcp(NamedTuple):
    op: int
    htype: int
    hlen: int
    hops: int
    xid: int
    secs: int  # since the client began
    flags: int
    ciaddr: bytes  # the client's address, if it has one
    yiaddr: bytes  # "your" address: what the server gives
    siaddr: bytes  # where to boot from next
    giaddr: bytes  # the relay's
    chaddr: bytes  # 16 bytes, of which `hlen` count
    sname: bytes  # 64 bytes
    file: bytes  # 128 bytes
    cookie: bytes  # 4 bytes, fewer if the message is cut
    options: bytes

    @property
    def hardware(self) -> bytes:
        return self.chaddr[: self.hlen]


class Option(NamedTuple):
    code: int
    data: bytes  # without code and length
    offset: int  # of the code, in the message


def fields(data: bytes | memoryview) -> Dhcp:
    """The message as it lies there; WireError(TRUNCATED) below 236 bytes."""
    if len(data) < HEADER_LENGTH:
        raise WireError(Drop.TRUNCATED)
    rest = bytes(data[HEADER_LENGTH:])
    return _new(Dhcp, (*_HEADER.unpack_from(data), rest[: len(COOKIE)], rest[len(COOKIE) :]))


def parse(data: bytes | memoryview) -> Dhcp:
    """A DHCP message. WireError: TRUNCATED, DHCP_MALFORMED, DHCP_OPTIONS."""
    message = fields(data)
    if message.cookie != COOKIE or message.op not in (BOOTREQUEST, BOOTREPLY) or message.hlen > 16:
        raise WireError(Drop.DHCP_MALFORMED)
    for _ in each_option(message):
        pass
    return message


def each_option(message: Dhcp) -> Iterator[Option]:
    """Every option, pads and ends left out; those of `file` and `sname` too if the message is overloaded.

    WireError(DHCP_OPTIONS) where one reaches past its area. An area may end without an end option.
    """
    overload = 0
    for option in _walk(message.options, OPTIONS):
        if option.code == OVERLOAD and len(option.data) == 1:
            overload = option.data[0]
        yield option
    # RFC 3396 5: the parts of a long option are joined in this order, which is not that of the message.
    if overload & 1:
        yield from _walk(message.file, FILE.start)
    if overload & 2:
        yield from _walk(message.sname, SNAME.start)


def _walk(area: bytes, start: int) -> Iterator[Option]:
    at = 0
    while at < len(area):
        code = area[at]
        if code == END:
            return
        if code == PAD:
            at += 1
            continue
        if at + 1 >= len(area) or at + 2 + area[at + 1] > len(area):
            raise WireError(Drop.DHCP_OPTIONS)
        end = at + 2 + area[at + 1]
        yield Option(code, area[at + 2 : end], start + at)
        at = end


def joined_options(message: Dhcp) -> dict[int, bytes]:
    """Code -> data, up to the first malformed option; never raises."""
    joined: dict[int, bytes] = {}
    try:
        for option in each_option(message):
            # RFC 3396 7: what comes more than once is one long option.
            joined[option.code] = joined.get(option.code, b"") + option.data
    except WireError:
        pass
    return joined


def parse_options(message: Dhcp) -> Options:
    """What is understood, up to the first malformed option; never raises."""
    values: dict[str, object] = {}
    others = []
    for code, data in joined_options(message).items():
        kind = KINDS.get(code)
        if kind is None or not kind.field:
            if code != OVERLOAD:
                others.append((code, data))
            continue
        try:
            values[kind.field] = kind.format.decode(data)
        except WireError:
            pass  # RFC 2132 2: the lengths are fixed; data of another length says nothing
    return Options(**values, others=tuple(others))  # type: ignore[arg-type]


def emit_options(options: Options) -> bytes:
    """The options' bytes, the message type first, without an end. ValueError for a value that does not fit."""
    items = list(options.others)
    for code, kind in KINDS.items():
        value = getattr(options, kind.field) if kind.field else None
        if value not in (None, "", b"", ()):
            try:
                items.append((code, kind.format.encode(value)))
            except (struct_error, OverflowError, UnicodeEncodeError):
                raise ValueError(f"DHCP option {code} ({kind.name}) cannot hold {value!r}") from None
    items.sort(key=lambda item: (item[0] != 53, item[0]))
    out = bytearray()
    for code, data in items:
        # RFC 3396 6: what is longer than an option can be is cut into several.
        for start in range(0, len(data) or 1, 255):
            part = data[start : start + 255]
            out += bytes((code, len(part))) + part
    return bytes(out)


def emit(
    op: int,
    xid: int,
    hardware: bytes,
    options: Options,
    *,
    secs: int = 0,
    flags: int = 0,
    ciaddr: bytes = ANY4,
    yiaddr: bytes = ANY4,
    siaddr: bytes = ANY4,
    giaddr: bytes = ANY4,
    sname: bytes = b"",
    file: bytes = b"",
) -> bytes:
    """A whole message for Ethernet, padded to 300 bytes. ValueError for what does not fit its field."""
    if len(hardware) > 16 or len(sname) > 64 or len(file) > 128:
        raise ValueError("a DHCP message holds 16 bytes of hardware address, 64 of server name and 128 of file name")
    secs = min(secs, 0xFFFF)
    head = _HEADER.pack(
        op, HARDWARE_ETHERNET, len(hardware), 0, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, hardware, sname, file
    )
    message = head + COOKIE + emit_options(options) + bytes((END,))
    return message + bytes(max(0, MIN_LENGTH - len(message)))
