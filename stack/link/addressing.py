"""Which addresses a link's stations get when nobody says: the other host's IP address, and a node's MAC address.

Pure. A MAC address is made from names, so that the same node on the same link has the same one each time it starts
and the neighbours' caches stay right; its first byte, 02, says that it is unicast and locally administered (IEEE
802-2014 8.2.2).
"""

from __future__ import annotations

from hashlib import sha256

from stack.wire.address import format_ip, network


def other_address(address: bytes, prefixlen: int) -> bytes:
    """The first host address of `address`'s subnet that is not `address`; ValueError if there is none."""
    bits = len(address) * 8
    first = int.from_bytes(network(address, prefixlen), "big")
    hosts = 1 << (bits - prefixlen)
    # RFC 3021: a /31 has two hosts and nothing else. Elsewhere the subnet's own number is not a host's (RFC 4291 2.6.1
    # for IPv6); the last of at least four, IPv4's broadcast address, is never reached.
    if hosts > 2:
        first += 1
    for candidate in (first, first + 1)[:hosts]:
        packed = candidate.to_bytes(len(address), "big")
        if packed != address:
            return packed
    raise ValueError(f"{format_ip(address)}/{prefixlen} has no room for another host")


def station_mac(*names: str) -> bytes:
    """Six bytes, 02:..., the same for the same names (a host's and an interface's, say)."""
    return b"\x02" + sha256("\0".join(names).encode()).digest()[:5]
