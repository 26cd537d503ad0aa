"""Addresses as packed bytes: text to bytes and back, prefixes, and what kind an address is.

An IP address is 4 or 16 bytes, a MAC address 6. Text follows dotted decimal (four decimal numbers and nothing else, as
inet_pton has it), RFC 4291 2.2 for IPv6 and RFC 5952 for the way it is printed back. A fault in a text is a ValueError
of one clear line. Refuses names, octal and hexadecimal IPv4, and zone identifiers.
"""

from __future__ import annotations

ANY4 = bytes(4)
LOOPBACK4 = bytes((127, 0, 0, 1))
BROADCAST4 = b"\xff" * 4
ANY6 = bytes(16)
LOOPBACK6 = bytes(15) + b"\x01"
MAC_BROADCAST = b"\xff" * 6
MAC_ZERO = bytes(6)

_MAPPED6 = bytes(10) + b"\xff\xff"
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def parse_ip(text: str) -> bytes:
    """'192.168.1.3' -> 4 bytes, '2001:db8::1' -> 16 bytes; ValueError if it is neither."""
    packed = _parse_ip6(text) if ":" in text else _parse_ip4(text)
    if packed is None:
        raise ValueError(f"{text!r} is not an IP address")
    return packed


def _parse_ip4(text: str) -> bytes | None:
    numbers = [_decimal(part, 255) for part in text.split(".")]
    if len(numbers) != 4:
        return None
    known = [number for number in numbers if number is not None]
    return bytes(known) if len(known) == 4 else None


def _decimal(text: str, highest: int) -> int | None:
    """A decimal number without sign, space or leading zero (some read '010' as eight: refuse it), or None."""
    if not (text.isascii() and text.isdigit()) or len(text) > 3 or (text[0] == "0" and len(text) > 1):
        return None
    number = int(text)
    return number if number <= highest else None


def _parse_ip6(text: str) -> bytes | None:
    # RFC 4291 2.2: '::' stands once for one or more groups of zeros.
    left, gap, right = text.partition("::")
    if not gap:
        groups = _groups6(text)
        return groups if groups is not None and len(groups) == 16 else None
    before = _groups6(left, last=False) if left else b""
    after = _groups6(right) if right else b""
    if before is None or after is None or len(before) + len(after) > 14:
        return None
    return before + bytes(16 - len(before) - len(after)) + after


def _groups6(text: str, last: bool = True) -> bytes | None:
    """'1:2:ab' -> 6 bytes; the last group may be dotted decimal if `last`."""
    packed = b""
    parts = text.split(":")
    for i, part in enumerate(parts):
        if "." in part:
            four = _parse_ip4(part) if last and i == len(parts) - 1 else None
            if four is None:
                return None
            packed += four
        elif 1 <= len(part) <= 4 and _HEX_DIGITS.issuperset(part):
            packed += int(part, 16).to_bytes(2, "big")
        else:
            return None
    return packed


def format_ip(address: bytes) -> str:
    """4 or 16 bytes as text; ValueError for any other length."""
    if len(address) == 4:
        a, b, c, d = address
        return f"{a}.{b}.{c}.{d}"
    if len(address) == 16:
        return _format_ip6(address)
    raise ValueError(f"an IP address is 4 or 16 bytes, not {len(address)}")


def _format_ip6(address: bytes) -> str:
    if address[:12] == _MAPPED6:  # RFC 5952 5: the well-known prefixes end in dotted decimal
        return "::ffff:" + format_ip(address[12:])
    groups = [int.from_bytes(address[i : i + 2], "big") for i in range(0, 16, 2)]
    # RFC 5952 4.2: the longest run of two or more zero groups is '::', the first if there are two.
    start, length = 0, 1
    i = 0
    while i < 8:
        run = 0
        while i + run < 8 and groups[i + run] == 0:
            run += 1
        if run > length:
            start, length = i, run
        i += run or 1
    words = [f"{group:x}" for group in groups]
    if length == 1:
        return ":".join(words)
    return ":".join(words[:start]) + "::" + ":".join(words[start + length :])


def parse_prefix(text: str) -> tuple[bytes, int]:
    """'192.168.1.3/24' -> (4 bytes, 24), host bits kept; without '/' all bits count. ValueError otherwise."""
    address_text, slash, length_text = text.partition("/")
    address = parse_ip(address_text)
    bits = 8 * len(address)
    prefixlen = _decimal(length_text, bits) if slash else bits
    if prefixlen is None:
        raise ValueError(f"{text!r}: what follows the slash must be a number from 0 to {bits}")
    return address, prefixlen


def network(address: bytes, prefixlen: int) -> bytes:
    """`address` with its host bits zero."""
    host_bits = 8 * len(address) - prefixlen
    return (int.from_bytes(address, "big") >> host_bits << host_bits).to_bytes(len(address), "big")


def in_prefix(address: bytes, net: bytes, prefixlen: int) -> bool:
    """Whether the first `prefixlen` bits agree; False across families."""
    if len(address) != len(net):
        return False
    difference = int.from_bytes(address, "big") ^ int.from_bytes(net, "big")
    return difference >> (8 * len(net) - prefixlen) == 0


def broadcast(address: bytes, prefixlen: int) -> bytes | None:
    """The subnet's broadcast address; None where there is none: IPv6, /31 and /32."""
    if len(address) != 4 or prefixlen > 30:  # RFC 3021 2.1: a /31 has two hosts and no broadcast
        return None
    return (int.from_bytes(address, "big") | (0xFFFFFFFF >> prefixlen)).to_bytes(4, "big")


def is_multicast(address: bytes) -> bool:
    if len(address) == 4:
        return address[0] >> 4 == 0xE  # RFC 1112 4: 224.0.0.0/4
    return address[0] == 0xFF  # RFC 4291 2.7


def is_loopback(address: bytes) -> bool:
    return address[0] == 127 if len(address) == 4 else address == LOOPBACK6


def is_unspecified(address: bytes) -> bool:
    return not any(address)


def format_endpoint(address: bytes, port: int) -> str:
    """'192.168.1.1:80' or '[2001:db8::1]:80' (RFC 5952 6)."""
    text = format_ip(address)
    return f"{text}:{port}" if len(address) == 4 else f"[{text}]:{port}"


def parse_mac(text: str) -> bytes:
    """'02:00:00:00:00:01', or with dashes, -> 6 bytes; ValueError otherwise."""
    parts = text.replace("-", ":").split(":")
    if len(parts) != 6 or not all(1 <= len(p) <= 2 and _HEX_DIGITS.issuperset(p) for p in parts):
        raise ValueError(f"{text!r} is not a MAC address")
    return bytes(int(part, 16) for part in parts)


def format_mac(mac: bytes) -> str:
    return mac.hex(":")


def is_group_mac(mac: bytes) -> bool:
    """Multicast or broadcast: the first bit on the wire is set (IEEE 802 8.2)."""
    return bool(mac[0] & 1)
