"""One attached link as the core sees it: its addresses, MTU, counters and offload abilities.

The device itself (a TAP, an AF_PACKET socket, a simulated cable) lives in `stack.link` and is known to the engine
only; the core sees an `Interface` and hands back `OutFrame`s that name it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from stack.wire import address as addresses

GSO_NONE = 0
GSO_TCPV4 = 1
GSO_UDP = 3
GSO_TCPV6 = 4
GSO_ECN = 0x80


class Offload(NamedTuple):
    """What the virtio header says of a frame (virtio 1.2, 5.1.6); offsets count from the frame's first byte.

    `needs_checksum`: the field at csum_start + csum_offset holds only the pseudo header's sum. On input such a frame,
    and one marked `verified`, never crossed a wire that could damage it, and counts as verified.
    """

    needs_checksum: bool = False
    csum_start: int = 0
    csum_offset: int = 0
    gso_type: int = GSO_NONE
    gso_size: int = 0
    hdr_len: int = 0
    verified: bool = False


class Abilities(NamedTuple):
    """What a device does for us on output. On input every frame may use all of it."""

    checksum: bool = False  # fills in a partial checksum
    tso4: bool = False  # cuts a TCP/IPv4 super-segment
    tso6: bool = False
    gso_max: int = 65535  # largest IP packet it takes, bytes


class InterfaceAddress(NamedTuple):
    address: bytes  # 4 or 16 bytes
    prefixlen: int

    def __str__(self) -> str:
        return f"{addresses.format_ip(self.address)}/{self.prefixlen}"


@dataclass(slots=True)
class Counters:
    """As `ip -s link` has them."""

    rx_packets: int = 0
    rx_bytes: int = 0
    rx_dropped: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    tx_dropped: int = 0


@dataclass(slots=True, eq=False)
class Interface:
    """`mac` is six bytes; `receive_limit` is how many bytes the device can queue for us, or None if it is not known:
    it bounds the receive windows TCP offers, because what the device drops is resent one timeout later."""

    name: str
    mac: bytes
    mtu: int = 1500
    abilities: Abilities = field(default_factory=Abilities)
    receive_limit: int | None = None
    is_loopback: bool = False
    is_up: bool = True
    index: int = 0
    addresses: list[InterfaceAddress] = field(default_factory=list)
    tentative: list[InterfaceAddress] = field(default_factory=list)  # being probed for (RFC 5227)
    counters: Counters = field(default_factory=Counters)

    def is_on_link(self, address: bytes) -> bool:
        """Whether it can be a host's on one of our subnets here."""
        return any(
            len(a.address) == len(address)
            and addresses.in_prefix(address, a.address, a.prefixlen)
            and (a.prefixlen >= len(address) * 8 - 1 or address != addresses.network(address, a.prefixlen))
            for a in self.addresses
        )

    def address_for(self, destination: bytes) -> bytes | None:
        """The address of ours to speak from: of the destination's family, on its subnet if there is one."""
        family = [a for a in self.addresses if len(a.address) == len(destination)]
        for a in family:
            if addresses.in_prefix(destination, a.address, a.prefixlen):
                return a.address
        return family[0].address if family else None
