"""A frame as a filter looks at it: its bytes, and where the network and transport headers begin, found once."""

from __future__ import annotations

from collections.abc import Callable

ETHERNET = 14  # bytes
ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_VLAN, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x8100, 0x86DD


class Frame:
    """`data` from the Ethernet header on; `length` is the whole frame's, should `data` be its beginning only.
    `ip_protocol` is -1 where there is none, `transport` None where no transport header begins (later fragments)."""

    __slots__ = ("data", "ethertype", "ip_protocol", "length", "network", "outgoing", "transport")

    def __init__(self, data: bytes | memoryview, length: int | None = None, outgoing: bool = False) -> None:
        self.data = data
        self.length = len(data) if length is None else length
        self.outgoing = outgoing
        self.network = ETHERNET
        self.ethertype = int.from_bytes(data[12:14], "big") if len(data) >= ETHERNET else -1
        if self.ethertype == ETHERTYPE_VLAN and len(data) >= ETHERNET + 4:
            self.network = ETHERNET + 4
            self.ethertype = int.from_bytes(data[16:18], "big")
        self.ip_protocol = -1
        self.transport: int | None = None
        if self.ethertype == ETHERTYPE_IPV4 and len(data) >= self.network + 20:
            self.ip_protocol = data[self.network + 9]
            if not int.from_bytes(data[self.network + 6 : self.network + 8], "big") & 0x1FFF:
                self.transport = self.network + (data[self.network] & 15) * 4
        elif self.ethertype == ETHERTYPE_IPV6 and len(data) >= self.network + 40:
            self.ip_protocol = data[self.network + 6]
            self.transport = self.network + 40

    def number(self, offset: int, size: int) -> int:
        """`size` bytes at `offset` as an unsigned number. Raises IndexError beyond the end."""
        if offset < 0 or offset + size > len(self.data):
            raise IndexError
        return int.from_bytes(self.data[offset : offset + size], "big")

    def addresses(self) -> tuple[bytes, bytes] | None:
        """Source and destination of IPv4, IPv6 or ARP, or None."""
        n, data = self.network, self.data
        if self.ethertype == ETHERTYPE_IPV4:
            return bytes(data[n + 12 : n + 16]), bytes(data[n + 16 : n + 20])
        if self.ethertype == ETHERTYPE_IPV6:
            return bytes(data[n + 8 : n + 24]), bytes(data[n + 24 : n + 40])
        if self.ethertype == ETHERTYPE_ARP:
            return bytes(data[n + 14 : n + 18]), bytes(data[n + 24 : n + 28])
        return None


Test = Callable[[Frame], bool]
