"""A frame as a filter looks at it: its bytes, and where its headers begin. What is not there raises IndexError."""

from __future__ import annotations

from collections.abc import Callable

ETHERNET, TAG = 14, 4  # bytes
ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_RARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD
ETHERTYPES_VLAN = (0x8100, 0x88A8, 0x9100)
FRAGMENT_OFFSET = 0x1FFF


class Frame:
    """`data` from the Ethernet header on; `length` is the whole frame's, should `data` be its beginning only. The
    network's header is looked for behind as many VLAN tags as `tags` says."""

    __slots__ = ("data", "length", "network", "outgoing")

    def __init__(
        self, data: bytes | memoryview, length: int | None = None, outgoing: bool = False, tags: int = 0
    ) -> None:
        self.data = data
        self.length = len(data) if length is None else length
        self.outgoing = outgoing
        self.network = ETHERNET + tags * TAG

    def inside(self, tags: int) -> Frame:
        """The same behind that many tags."""
        return Frame(self.data, self.length, self.outgoing, tags)

    def number(self, offset: int, size: int) -> int:
        """`size` bytes at `offset` as an unsigned number. Raises IndexError beyond the end."""
        if offset < 0 or offset + size > len(self.data):
            raise IndexError
        return int.from_bytes(self.data[offset : offset + size], "big")

    def piece(self, offset: int, size: int) -> bytes:
        """`size` bytes at `offset`. Raises IndexError beyond the end."""
        return self.number(offset, size).to_bytes(size, "big")

    @property
    def ethertype(self) -> int:
        return self.number(self.network - 2, 2)

    @property
    def is_later_fragment(self) -> bool:
        """Of an IPv4 packet: whether no transport header begins in it."""
        return self.number(self.network + 6, 2) & FRAGMENT_OFFSET != 0

    @property
    def transport(self) -> int:
        """Where the transport's header of an IPv4 packet begins."""
        return self.network + (self.number(self.network, 1) & 15) * 4


Test = Callable[[Frame], bool]
