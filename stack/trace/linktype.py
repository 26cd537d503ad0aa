"""What lies before the network's header in captures that are not Ethernet's (the link types of libpcap).

Loopbacks of the BSDs, packets without a link, and both of Linux's "cooked" headers, which `tcpdump -i any` writes. Any
other link type is refused by name.
"""

from __future__ import annotations

from stack.wire import ethernet

ETHERNET, NULL, RAW, LOOP, LINUX_SLL, IPV4, IPV6, LINUX_SLL2 = 1, 0, 101, 108, 113, 228, 229, 276
RAWS = (RAW, 12, 14, IPV4, IPV6)  # 12 and 14: what some systems call RAW in files
KNOWN = frozenset({ETHERNET, NULL, LOOP, LINUX_SLL, LINUX_SLL2, *RAWS})
TITLES = {NULL: "Null/Loopback", LOOP: "Loopback", LINUX_SLL: "Linux cooked capture v1",
          LINUX_SLL2: "Linux cooked capture v2"}  # fmt: skip
OTHERS = {
    9: "PPP", 51: "PPPoE", 104: "Cisco HDLC", 105: "802.11", 127: "802.11 with radiotap", 119: "802.11 with Prism",
    147: "DLT_USER0", 187: "Bluetooth", 189: "USB", 195: "802.15.4", 201: "Bluetooth", 220: "USB", 227: "CAN",
    239: "NFLOG", 249: "USB", 251: "Bluetooth",
}  # fmt: skip
SENT = 4  # a cooked header's packet type: sent by us
_VERSIONS = {4: ethernet.ETHERTYPE_IPV4, 6: ethernet.ETHERTYPE_IPV6}
_FAMILIES = {2: ethernet.ETHERTYPE_IPV4} | dict.fromkeys((10, 24, 28, 30), ethernet.ETHERTYPE_IPV6)


def network(linktype: int, data: bytes | memoryview) -> tuple[int, int]:
    """(Ethernet type, offset) of what a frame carries; the type is -1 if it is not known or not there."""
    if linktype in RAWS:
        return _VERSIONS.get(data[0] >> 4, -1) if data else -1, 0
    if linktype in (NULL, LOOP):
        if len(data) < 4:
            return -1, len(data)
        # NULL is in the order of the machine that wrote it.
        big, little = (int.from_bytes(data[:4], order) for order in ("big", "little"))
        return _FAMILIES.get(big, _FAMILIES.get(little, -1)), 4
    at, length = {LINUX_SLL: (14, 16), LINUX_SLL2: (0, 20)}.get(linktype, (12, 14))
    if len(data) < length:
        return -1, len(data)
    return int.from_bytes(data[at : at + 2], "big"), length


def outgoing(linktype: int, data: bytes) -> bool | None:
    """Whether the frame was sent, as far as its link's header says."""
    if linktype == LINUX_SLL and len(data) >= 16:
        return data[1] == SENT
    if linktype == LINUX_SLL2 and len(data) >= 20:
        return data[10] == SENT
    return None


def name(linktype: int) -> str:
    return f"{linktype} ({OTHERS[linktype]})" if linktype in OTHERS else str(linktype)
