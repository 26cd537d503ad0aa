"""Capture files: pcapng written and read (draft-ietf-opsawg-pcapng), pcap too (draft-ietf-opsawg-pcap).

A packet keeps its nanoseconds, its interface's name, its direction, and a comment where the stack has something to
say about it. Reading takes either byte order, micro- or nanoseconds, and blocks it does not know; what a file cut
short still holds is read, and then CaptureError says so.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

LINKTYPE_ETHERNET = 1
SNAPLEN = 262_144

SECTION, INTERFACE, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 3, 6
BYTE_ORDER = 0x1A2B3C4D
PCAP_MICRO, PCAP_NANO = 0xA1B2C3D4, 0xA1B23C4D
OPT_END, OPT_COMMENT, IF_NAME, IF_TSRESOL, IF_TSOFFSET, EPB_FLAGS, SHB_USERAPPL = 0, 1, 2, 9, 14, 2, 4
INBOUND, OUTBOUND = 1, 2  # the two low bits of epb_flags
MAX_BLOCK = 1 << 26  # bytes: no block is larger, so a length that lies does not fill the memory
BILLION = 1_000_000_000


class CaptureError(ValueError):
    """The file is no capture, or ends in the middle of one; one clear line."""


class Captured(NamedTuple):
    """`at` is nanoseconds since 1970; `length` the packet's on the wire, of which `data` may be the beginning;
    `outgoing` None if the file does not say."""

    at: int
    data: bytes
    length: int
    interface: str = ""
    outgoing: bool | None = None
    comment: str = ""
    linktype: int = LINKTYPE_ETHERNET


# --- writing


class PcapngWriter:
    """Writes to a binary file as packets come; an interface is described when its first packet does."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._interfaces: dict[tuple[str, int], int] = {}
        head = struct.pack("<IHHq", BYTE_ORDER, 1, 0, -1)
        file.write(_block(SECTION, head + _options([(SHB_USERAPPL, b"glasstack")])))

    def write(self, packet: Captured) -> None:
        key = (packet.interface, packet.linktype)
        number = self._interfaces.get(key)
        if number is None:
            number = self._interfaces[key] = len(self._interfaces)
            options = [(IF_NAME, packet.interface.encode()), (IF_TSRESOL, b"\x09")]
            self._file.write(_block(INTERFACE, struct.pack("<HHI", packet.linktype, 0, SNAPLEN) + _options(options)))
        options = []
        if packet.comment:
            options.append((OPT_COMMENT, packet.comment.encode()))
        if packet.outgoing is not None:
            options.append((EPB_FLAGS, struct.pack("<I", OUTBOUND if packet.outgoing else INBOUND)))
        size = len(packet.data)
        tail = _padding(size) + _options(options)
        length = 32 + size + len(tail)
        at = packet.at >> 32, packet.at & 0xFFFFFFFF
        # In parts, for the data may be 64 KiB.
        self._file.write(struct.pack("<IIIIIII", ENHANCED, length, number, *at, size, packet.length))
        self._file.write(packet.data)
        self._file.write(tail + struct.pack("<I", length))

    def flush(self) -> None:
        self._file.flush()


class PcapWriter:
    """The older format, with nanoseconds: one link type, no names, directions or comments."""

    def __init__(self, file: IO[bytes], linktype: int = LINKTYPE_ETHERNET) -> None:
        self._file = file
        self._linktype = linktype
        file.write(struct.pack("<IHHiIII", PCAP_NANO, 2, 4, 0, 0, SNAPLEN, linktype))

    def write(self, packet: Captured) -> None:
        """ValueError for a packet of another link type than the file's."""
        if packet.linktype != self._linktype:
            raise ValueError("a .pcap file holds packets of one kind of link: write a .pcapng file")
        seconds, nanoseconds = divmod(packet.at, BILLION)
        self._file.write(struct.pack("<IIII", seconds & 0xFFFFFFFF, nanoseconds, len(packet.data), packet.length))
        self._file.write(packet.data)

    def flush(self) -> None:
        self._file.flush()


Writer = PcapngWriter | PcapWriter


def writer_for(name: str, file: IO[bytes], linktype: int = LINKTYPE_ETHERNET) -> Writer:
    """pcap when the name ends so, else pcapng."""
    return PcapWriter(file, linktype) if name.endswith(".pcap") else PcapngWriter(file)


def _padding(length: int) -> bytes:
    return bytes(-length & 3)


def _options(options: list[tuple[int, bytes]]) -> bytes:
    if not options:
        return b""
    parts = [
        struct.pack("<HH", code, len(value[:65_535])) + value[:65_535] + _padding(len(value)) for code, value in options
    ]
    return b"".join(parts) + bytes(4)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


# --- reading


def read(file: IO[bytes]) -> Iterator[Captured]:
    """The packets of a pcap or pcapng file, in order. Raises CaptureError."""
    magic = file.read(4)
    if len(magic) < 4:
        raise CaptureError("the file is empty" if not magic else "the file is too short for a capture")
    if int.from_bytes(magic, "little") == SECTION:
        return _read_pcapng(file, magic)
    for order, name in (("<", "little"), (">", "big")):
        number = int.from_bytes(magic, "little" if name == "little" else "big")
        if number in (PCAP_MICRO, PCAP_NANO):
            return _read_pcap(file, order, 1 if number == PCAP_NANO else 1000)
    raise CaptureError("neither pcap nor pcapng: it begins with " + magic.hex(" "))


def _exactly(file: IO[bytes], count: int, what: str) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise CaptureError(f"the file ends in the middle of {what}")
    return data


def _read_pcap(file: IO[bytes], order: str, scale: int) -> Iterator[Captured]:
    head = _exactly(file, 20, "its header")
    linktype = struct.unpack(order + "HHiIII", head)[5] & 0xFFFF
    while True:
        record = file.read(16)
        if not record:
            return
        if len(record) < 16:
            raise CaptureError("the file ends in the middle of a packet")
        seconds, fraction, captured, length = struct.unpack(order + "IIII", record)
        if captured > MAX_BLOCK:
            raise CaptureError(f"a packet claims {captured} bytes: the file is damaged")
        data = _exactly(file, captured, "a packet")
        yield Captured(seconds * BILLION + fraction * scale, data, length, linktype=linktype)


class _Interface(NamedTuple):
    name: str
    linktype: int
    ticks: int  # a second
    offset: int  # seconds
    snaplen: int


def _read_pcapng(file: IO[bytes], magic: bytes) -> Iterator[Captured]:
    order = "<"
    interfaces: list[_Interface] = []
    kind_bytes = magic
    while kind_bytes:
        if len(kind_bytes) < 4:
            raise CaptureError("the file ends in the middle of a block")
        length_bytes = _exactly(file, 4, "a block")
        kind = struct.unpack(order + "I", kind_bytes)[0]
        start = b""
        if int.from_bytes(kind_bytes, "little") == SECTION:
            kind, interfaces = SECTION, []
            start = _exactly(file, 4, "a section's header")
            order = "<" if int.from_bytes(start, "little") == BYTE_ORDER else ">"
            if struct.unpack(order + "I", start)[0] != BYTE_ORDER:
                raise CaptureError("a section's byte order mark is damaged")
        length = struct.unpack(order + "I", length_bytes)[0]
        if not 12 + len(start) <= length <= MAX_BLOCK or length % 4:
            raise CaptureError(f"a block claims {length} bytes: the file is damaged")
        body = _exactly(file, length - 8 - len(start), "a block")[:-4]
        if kind == INTERFACE:
            interfaces.append(_interface(body, order))
        elif kind == ENHANCED:
            yield _enhanced(body, order, interfaces)
        elif kind == SIMPLE:
            yield _simple(body, order, interfaces)
        kind_bytes = file.read(4)


def _walk(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == OPT_END:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length + (-length & 3)


def _interface(body: bytes, order: str) -> _Interface:
    if len(body) < 8:
        raise CaptureError("an interface's block is too short")
    linktype, _, snaplen = struct.unpack_from(order + "HHI", body)
    name, ticks, offset = "", 1_000_000, 0
    for code, value in _walk(body[8:], order):
        if code == IF_NAME:
            name = value.decode(errors="replace").rstrip("\0")
        elif code == IF_TSRESOL and value:
            power = value[0] & 0x7F
            ticks = 2**power if value[0] & 0x80 else 10 ** min(power, 24)
        elif code == IF_TSOFFSET and len(value) == 8:
            offset = struct.unpack(order + "q", value)[0]
    return _Interface(name, linktype, ticks, offset, snaplen)


def _enhanced(body: bytes, order: str, interfaces: list[_Interface]) -> Captured:
    if len(body) < 20:
        raise CaptureError("a packet's block is too short")
    number, high, low, captured, length = struct.unpack_from(order + "IIIII", body)
    if number >= len(interfaces):
        raise CaptureError(f"a packet names interface {number}, which the file does not describe")
    if captured > len(body) - 20:
        raise CaptureError("a packet is longer than its block")
    interface = interfaces[number]
    outgoing: bool | None = None
    comments: list[str] = []
    for code, value in _walk(body[20 + captured + (-captured & 3) :], order):
        if code == OPT_COMMENT:
            comments.append(value.decode(errors="replace"))
        elif code == EPB_FLAGS and len(value) == 4:
            outgoing = {INBOUND: False, OUTBOUND: True}.get(struct.unpack(order + "I", value)[0] & 3)
    at = ((high << 32) | low) * BILLION // interface.ticks + interface.offset * BILLION
    data = body[20 : 20 + captured]
    return Captured(at, data, length, interface.name, outgoing, "; ".join(comments), interface.linktype)


def _simple(body: bytes, order: str, interfaces: list[_Interface]) -> Captured:
    if len(body) < 4 or not interfaces:
        raise CaptureError("a simple packet stands before its interface")
    length = struct.unpack_from(order + "I", body)[0]
    captured = min(length, interfaces[0].snaplen or length, len(body) - 4)
    return Captured(0, body[4 : 4 + captured], length, interfaces[0].name, linktype=interfaces[0].linktype)
