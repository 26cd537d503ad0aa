"""The TCP header and its options (RFC 9293 3.1, 3.2; window scale and timestamps RFC 7323; SACK RFC 2018).

`parse` checks the header length and the checksum. Options are another matter: a list that stops making sense is read up
to there and the segment stands, because its sequence numbers were sound (RFC 9293 3.2 asks only that nobody crashes).
Reserved bits are not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from stack.wire import option
from stack.wire.checksum import ones_sum, pseudo_header_sum
from stack.wire.drop import Drop, WireError
from stack.wire.option import Option

PROTOCOL = 6
HEADER_LENGTH = 20
MAX_OPTIONS = 40

FIN = 0x01
SYN = 0x02
RST = 0x04
PSH = 0x08
ACK = 0x10
URG = 0x20
ECE = 0x40
CWR = 0x80

OPTION_END = 0
OPTION_NOP = 1
OPTION_MSS = 2
OPTION_WINDOW_SCALE = 3
OPTION_SACK_PERMITTED = 4
OPTION_SACK = 5
OPTION_TIMESTAMPS = 8
MAX_WINDOW_SCALE = 14

OPTION_NAMES = {
    OPTION_END: "End of option list",
    OPTION_NOP: "No-operation",
    OPTION_MSS: "Maximum segment size",
    OPTION_WINDOW_SCALE: "Window scale",
    OPTION_SACK_PERMITTED: "SACK permitted",
    OPTION_SACK: "SACK",
    OPTION_TIMESTAMPS: "Timestamps",
    19: "MD5 signature",
    28: "User timeout",
    29: "Authentication",
    30: "Multipath TCP",
    34: "Fast open cookie",
    253: "Experiment",
    254: "Experiment",
}

_HEADER = Struct("!HHIIHHHH")
_TIMESTAMPS_ONLY = Struct("!III")
_TWO = Struct("!II")
_new = tuple.__new__

_FLAG_NAMES = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")  # from the lowest bit up


class Tcp(NamedTuple):
    src_port: int
    dst_port: int
    seq: int
    ack: int
    data_offset: int  # 32-bit words
    flags: int
    window: int  # as sent, not scaled
    checksum: int
    urgent: int
    options: bytes
    payload: memoryview


class Options(NamedTuple):
    """What a segment's options say; None or empty where the option is absent."""

    mss: int | None = None  # bytes
    window_scale: int | None = None  # shift, 0 to 14
    sack_permitted: bool = False
    sack: tuple[tuple[int, int], ...] = ()  # (first byte, one past the last) each
    timestamps: tuple[int, int] | None = None  # (TSval, TSecr)


NO_OPTIONS = Options()


def fields(data: bytes | memoryview) -> Tcp:
    """The segment as it lies there; WireError(TRUNCATED) below 20 bytes. A header length below 5 words is read as 5."""
    if len(data) < 20:
        raise WireError(Drop.TRUNCATED)
    src_port, dst_port, seq, ack, word, window, checksum, urgent = _HEADER.unpack_from(data)
    view = data if type(data) is memoryview else memoryview(data)
    start = word >> 12 << 2
    if start > 20:
        options = bytes(view[20:start])
    else:
        start = 20
        options = b""
    return _new(
        Tcp, (src_port, dst_port, seq, ack, word >> 12, word & 0xFF, window, checksum, urgent, options, view[start:])
    )


def parse(data: bytes | memoryview, src: bytes, dst: bytes, verified: bool = False) -> Tcp:
    """A segment between two addresses; `verified` skips the checksum.

    WireError: TRUNCATED, TCP_HEADER_LENGTH, TCP_CHECKSUM.
    """
    tcp = fields(data)
    length = len(data)
    if tcp.data_offset < 5 or tcp.data_offset << 2 > length:
        raise WireError(Drop.TCP_HEADER_LENGTH)
    # RFC 9293 3.1: the checksum covers the pseudo header, the header and the data.
    if not verified and ones_sum(data, pseudo_header_sum(src, dst, PROTOCOL, length)) != 0xFFFF:
        raise WireError(Drop.TCP_CHECKSUM)
    return tcp


def emit(
    src: bytes,
    dst: bytes,
    src_port: int,
    dst_port: int,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    options: bytes = b"",
    payload: bytes | memoryview = b"",
    urgent: int = 0,
    partial: bool = False,
) -> bytes:
    """The header, `options` (a multiple of 4 bytes, at most 40, else ValueError) included, `payload` only summed over.

    `partial` leaves the pseudo header's sum, for header and payload together, in the checksum for a device to finish.
    """
    if len(options) & 3 or len(options) > MAX_OPTIONS:
        raise ValueError(f"TCP options take a multiple of 4 bytes up to {MAX_OPTIONS}, not {len(options)}")
    header_length = 20 + len(options)
    word = header_length << 10 | flags
    checksum = pseudo_header_sum(src, dst, PROTOCOL, header_length + len(payload))
    if not partial:
        # Modulo 65535 a 32-bit number adds up like its two halves, so the header needs no laying out first.
        total = checksum + src_port + dst_port + seq + ack + word + window + urgent
        if options:
            total += int.from_bytes(options, "big")
        checksum = ones_sum(payload, total) ^ 0xFFFF
    return _HEADER.pack(src_port, dst_port, seq, ack, word, window, checksum, urgent) + options


def flag_names(flags: int) -> str:
    """'SYN, ACK'; '' for none."""
    return ", ".join(name for bit, name in enumerate(_FLAG_NAMES) if flags >> bit & 1)


def each_option(options: bytes) -> Iterator[Option]:
    """The options one by one, NOP and end of list included; WireError(TCP_OPTIONS) where they stop making sense."""
    return option.walk(options, Drop.TCP_OPTIONS)


def parse_options(options: bytes) -> Options:
    """What is understood, up to the first malformed option; never raises.

    A known option of the wrong length is ignored, as is an MSS of 0; of two of a kind the last counts.
    """
    if not options:
        return NO_OPTIONS
    if len(options) == 12 and options.startswith(b"\x01\x01\x08\x0a"):  # what nearly every segment with options carries
        _, value, echo = _TIMESTAMPS_ONLY.unpack(options)
        return Options(timestamps=(value, echo))
    mss: int | None = None
    window_scale: int | None = None
    sack_permitted = False
    sack: tuple[tuple[int, int], ...] = ()
    timestamps: tuple[int, int] | None = None
    try:
        for kind, data, _ in option.walk(options, Drop.TCP_OPTIONS):
            if kind == OPTION_MSS and len(data) == 2:
                mss = int.from_bytes(data, "big") or None
            elif kind == OPTION_WINDOW_SCALE and len(data) == 1:
                window_scale = min(data[0], MAX_WINDOW_SCALE)  # RFC 7323 2.3: a greater shift counts as 14
            elif kind == OPTION_SACK_PERMITTED and not data:
                sack_permitted = True
            elif kind == OPTION_SACK and data and len(data) % 8 == 0:
                sack = tuple(_TWO.iter_unpack(data))
            elif kind == OPTION_TIMESTAMPS and len(data) == 8:
                value, echo = _TWO.unpack(data)
                timestamps = (value, echo)
    except WireError:
        pass  # RFC 9293 3.2 (MUST-7): an illegal option length is survived
    return Options(mss, window_scale, sack_permitted, sack, timestamps)


def emit_options(options: Options) -> bytes:
    """Padded with NOPs so that each starts where a 32-bit number in it is aligned; ValueError above 40 bytes."""
    parts = []
    if options.mss is not None:
        parts.append(b"\x02\x04" + options.mss.to_bytes(2, "big"))
    if options.sack_permitted:
        parts.append(b"\x04\x02" if options.timestamps is not None else b"\x01\x01\x04\x02")
    if options.timestamps is not None:
        parts.append(b"\x08\x0a" if options.sack_permitted else b"\x01\x01\x08\x0a")  # RFC 7323 appendix A
        parts.append(_TWO.pack(*options.timestamps))
    if options.window_scale is not None:
        parts.append(b"\x01\x03\x03" + bytes((options.window_scale,)))
    if options.sack:
        parts.append(b"\x01\x01\x05" + bytes((2 + 8 * len(options.sack),)))
        parts.extend(_TWO.pack(start, end) for start, end in options.sack)
    packed = b"".join(parts)
    if len(packed) > MAX_OPTIONS:
        raise ValueError(f"TCP options take at most {MAX_OPTIONS} bytes, not {len(packed)}")
    return packed
