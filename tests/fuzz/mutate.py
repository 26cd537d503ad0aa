"""Ways to spoil a frame: blindly, and with knowledge, so that lengths lie and yet every checksum is right."""

from __future__ import annotations

import random

from stack.wire import ipv4
from stack.wire.checksum import checksum, ones_sum, pseudo_header_sum

IP = 14  # where the IP header begins
INTERESTING = (0, 1, 2, 4, 5, 7, 8, 19, 20, 0x7F, 0x80, 0xFE, 0xFF)
BAD_OPTIONS = (
    b"\x02\x00\x00\x00", b"\x03\x00\x00\x00", b"\x05\x00\x00\x00", b"\x08\x00\x00\x00", b"\xfe\x00\x00\x00",
    b"\x02\x01\x00\x00", b"\x02\x04\x00", b"\x01\x01\x01\x02", b"\x01\x01\x01\xfe", b"\x02\xff\x00\x00",
    b"\x02\x04\x00\x00", b"\x02\x04\x00\x01", b"\x02\x04\xff\xff", b"\x03\x03\xff\x00", b"\x03\x03\x0e\x00",
    b"\x05\x0a" + b"\xff" * 8, b"\x05\x0b" + b"\xff" * 9, b"\x08\x0a" + b"\x00" * 8, b"\x00" * 4, b"\x01" * 40,
)  # fmt: skip


def mend(frame: bytes, lengths: bool = True) -> bytes:
    """The frame with its checksums right, and with `lengths` the IP total length too, as far as it has such things."""
    whole = bytearray(frame)
    if len(whole) < IP + 20 or whole[12:14] != b"\x08\x00":
        return frame
    header = max(20, (whole[IP] & 15) * 4)
    if len(whole) < IP + header:
        return frame
    if lengths:
        whole[IP + 2 : IP + 4] = min(len(whole) - IP, 65_535).to_bytes(2, "big")
    whole[IP + 10 : IP + 12] = bytes(2)
    whole[IP + 10 : IP + 12] = checksum(bytes(whole[IP : IP + header])).to_bytes(2, "big")
    total = int.from_bytes(whole[IP + 2 : IP + 4], "big")
    end = min(len(whole), IP + max(total, header))
    body = whole[IP + header : end]
    at = {ipv4.PROTOCOL_TCP: 16, ipv4.PROTOCOL_UDP: 6, ipv4.PROTOCOL_ICMP: 2}.get(whole[IP + 9])
    if at is None or len(body) < at + 2:
        return bytes(whole)
    body[at : at + 2] = bytes(2)
    initial = 0
    if whole[IP + 9] != ipv4.PROTOCOL_ICMP:
        initial = pseudo_header_sum(
            bytes(whole[IP + 12 : IP + 16]), bytes(whole[IP + 16 : IP + 20]), whole[IP + 9], len(body)
        )
    value = ones_sum(bytes(body), initial) ^ 0xFFFF
    whole[IP + header + at : IP + header + at + 2] = (value or 0xFFFF).to_bytes(2, "big")
    return bytes(whole)


def flip(frame: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)


def set_byte(frame: bytearray, rng: random.Random) -> None:
    frame[rng.randrange(min(len(frame), 80))] = rng.choice(INTERESTING)


def truncate(frame: bytearray, rng: random.Random) -> None:
    del frame[rng.randrange(len(frame)) :]


def extend(frame: bytearray, rng: random.Random) -> None:
    frame += rng.randbytes(rng.choice((1, 4, 40, 1400)))


def word(frame: bytearray, rng: random.Random, at: int, size: int = 2) -> None:
    if len(frame) >= at + size:
        value = rng.choice((0, 1, 7, 8, 19, 20, 21, 28, 0x7FFF, 0xFFFF, rng.getrandbits(16), 1 << 31, (1 << 32) - 1))
        frame[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "big")


def lie_about_lengths(frame: bytearray, rng: random.Random) -> None:
    if rng.random() < 0.5:
        word(frame, rng, IP + 2)
    elif len(frame) > IP + 33:
        at = rng.choice((IP, IP + 32))  # header length of IP, data offset of TCP
        frame[at] = frame[at] & 0xF0 | rng.randrange(16) if at == IP else rng.randrange(16) << 4 | frame[at] & 15
    word(frame, rng, IP + 24)  # UDP's length


def fragment(frame: bytearray, rng: random.Random) -> None:
    word(frame, rng, IP + 6)


def shorten_tcp(frame: bytearray, rng: random.Random) -> None:
    """A TCP header of eight bytes, and its like."""
    del frame[IP + 20 + rng.choice((0, 1, 7, 8, 12, 19)) :]


def change_flags(frame: bytearray, rng: random.Random) -> None:
    if len(frame) > IP + 33:
        frame[IP + 33] = rng.getrandbits(8)


def change_numbers(frame: bytearray, rng: random.Random) -> None:
    """Sequence and acknowledgment numbers a little beside, or far off; windows."""
    for at in (IP + 24, IP + 28):
        if len(frame) >= at + 4 and rng.random() < 0.6:
            value = int.from_bytes(frame[at : at + 4], "big")
            value += rng.choice((-70_000, -1461, -1, 1, 2, 536, 1460, 65_535, 1 << 31, rng.getrandbits(32)))
            frame[at : at + 4] = (value % (1 << 32)).to_bytes(4, "big")
    if rng.random() < 0.4:
        word(frame, rng, IP + 34)


def change_options(frame: bytearray, rng: random.Random) -> None:
    """Other TCP options, malformed more often than not, with a data offset that covers them."""
    if len(frame) < IP + 40:
        return
    options = rng.choice(BAD_OPTIONS) if rng.random() < 0.7 else rng.randbytes(rng.randrange(1, 41))
    options += bytes(-len(options) % 4)
    start = IP + 20 + (frame[IP + 32] >> 4) * 4
    frame[IP + 40 : max(start, IP + 40)] = options
    frame[IP + 32] = (5 + len(options) // 4) << 4 | frame[IP + 32] & 15


def ip_options(frame: bytearray, rng: random.Random) -> None:
    if len(frame) >= IP + 20 and frame[12:14] == b"\x08\x00":
        options = rng.choice(
            (
                b"\x07\x00\x00\x00",
                b"\x07\x04\x00\x00",
                b"\x83\x07\x04\x0a\x00\x00\x01\x00",
                b"\x01\x01\x01\x07",
                b"\x00" * 40,
            )
        )
        frame[IP + 20 : IP + 20] = options
        frame[IP] = 0x45 + len(options) // 4


WAYS = (
    flip, flip, set_byte, truncate, extend, lie_about_lengths, fragment, shorten_tcp, change_flags, change_numbers,
    change_numbers, change_options, change_options, ip_options,
)  # fmt: skip


def mutate(frame: bytes, rng: random.Random) -> bytes:
    """The frame spoilt in one way or a few; most often its checksums are right all the same."""
    spoilt = bytearray(frame)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if spoilt:
            rng.choice(WAYS)(spoilt, rng)
    fate = rng.random()
    if fate < 0.15:
        return bytes(spoilt)
    return mend(bytes(spoilt), lengths=fate > 0.4)
