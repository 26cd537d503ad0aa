"""The primitives of pcap-filter(7): what each of its words asks of a frame."""

from __future__ import annotations

from collections.abc import Callable

from stack.trace.frame import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_RARP,
    ETHERTYPES_VLAN,
    Frame,
    Test,
)
from stack.wire.address import in_prefix

TCP, UDP, ICMP, ICMP6, FRAGMENT = 6, 17, 1, 58, 44
ETHERTYPES = {"ip": ETHERTYPE_IPV4, "ip6": ETHERTYPE_IPV6, "arp": ETHERTYPE_ARP, "rarp": ETHERTYPE_RARP}
TRANSPORTS = {"tcp": TCP, "udp": UDP, "sctp": 132, "icmp": ICMP, "igmp": 2, "icmp6": ICMP6, "ah": 51, "esp": 50,
              "pim": 103, "vrrp": 112}  # fmt: skip
OF_ONE_VERSION = {"icmp": "ip", "igmp": "ip", "vrrp": "ip", "icmp6": "ip6"}
PROTOCOLS = ("ether", *ETHERTYPES, *TRANSPORTS)
IP_PROTOCOLS = {"ip": 0, "ipv6-icmp": ICMP6, **TRANSPORTS}  # what `ip proto` knows
PORTED = ("tcp", "udp", "sctp")
FIELDS = tuple(name for name in PROTOCOLS if name not in ("ah", "esp"))  # what may stand before [ ]
MAX_LENGTH = 1500  # IEEE 802.3 3.2.6: up to here an Ethernet type is a length
BOTH_SAPS = (0x06, 0xF0, 0xFE)  # IEEE 802.2: protocols that are both the destination's and the source's
ALWAYS: Test = lambda frame: True  # noqa: E731


# --- fields


def field_start(protocol: str) -> Callable[[Frame], int]:
    """Where `protocol`'s header begins."""
    if protocol == "ether":
        return lambda frame: 0
    if protocol in ETHERTYPES:
        return lambda frame: frame.network
    if protocol == "icmp6":
        return lambda frame: frame.network + 40
    return lambda frame: frame.transport


def field_asks(protocol: str) -> tuple[Test, ...]:
    """What a packet must be to have one; those that are not make the comparison false, and only it."""
    if protocol == "ether":
        return ()
    if protocol in ETHERTYPES:
        return (protocol_test(protocol),)
    number = TRANSPORTS[protocol]
    # As libpcap: these look into IPv4 only, icmp6 into IPv6 only.
    if protocol == "icmp6":
        return (lambda frame: frame.ethertype == ETHERTYPE_IPV6 and frame.number(frame.network + 6, 1) == number,)
    return (ip_test("ip", number), lambda frame: not frame.is_later_fragment)


# --- protocols


def protocol_test(protocol: str) -> Test:
    """`tcp`, `arp`"""
    if protocol in ETHERTYPES:
        return ethertype_test(ETHERTYPES[protocol])
    return ip_test(OF_ONE_VERSION.get(protocol, ""), TRANSPORTS[protocol])


def ethertype_test(number: int) -> Test:
    """`ether proto 0x88cc`; a small one is the destination in the 802.2 header that follows a length."""
    if number > MAX_LENGTH:
        return lambda frame: frame.ethertype == number
    size, wanted = (2, number << 8 | number) if number in BOTH_SAPS else (1, number)
    return lambda frame: frame.ethertype <= MAX_LENGTH and frame.number(frame.network, size) == wanted


def ip_test(version: str, number: int) -> Test:
    """`ip proto 89`, `ip6 proto 58`; either without a version."""

    def test(frame: Frame) -> bool:
        ethertype, network = frame.ethertype, frame.network
        if ethertype == ETHERTYPE_IPV4:
            return version != "ip6" and frame.number(network + 9, 1) == number
        if ethertype != ETHERTYPE_IPV6 or version == "ip":
            return False
        following = frame.number(network + 6, 1)
        # As libpcap: a fragment's header is looked through, no other extension header is.
        return following == number or (following == FRAGMENT and frame.number(network + 40, 1) == number)

    return test


def vlan_test(number: int | None) -> Test:
    """`vlan 7`, any VLAN without a number."""

    def test(frame: Frame) -> bool:
        if frame.ethertype not in ETHERTYPES_VLAN:
            return False
        return number is None or frame.number(frame.network, 2) & 0xFFF == number

    return test


# --- words that stand for themselves


def _is_broadcast(frame: Frame) -> bool:
    return frame.number(0, 6) == 0xFFFFFFFFFFFF


def _is_multicast(frame: Frame) -> bool:
    return bool(frame.number(0, 1) & 1)


def _is_ip_broadcast(frame: Frame) -> bool:
    return frame.ethertype == ETHERTYPE_IPV4 and frame.number(frame.network + 16, 4) in (0, 0xFFFFFFFF)


ALONE: dict[str, Test] = {
    "inbound": lambda frame: not frame.outgoing,
    "outbound": lambda frame: frame.outgoing,
    "broadcast": _is_broadcast,
    "ether broadcast": _is_broadcast,
    "multicast": _is_multicast,
    "ether multicast": _is_multicast,
    "ip broadcast": _is_ip_broadcast,
    "ip multicast": lambda frame: frame.ethertype == ETHERTYPE_IPV4 and frame.number(frame.network + 16, 1) >= 224,
    "ip6 multicast": lambda frame: frame.ethertype == ETHERTYPE_IPV6 and frame.number(frame.network + 24, 1) == 255,
}


# --- addresses and ports


def _either(direction: str, matches: Callable[[Frame, bool], bool]) -> Test:
    """What `src`, `dst`, `src or dst`, `src and dst` or nothing make of the source (False) and destination (True)."""
    if direction == "src":
        return lambda frame: matches(frame, False)
    if direction == "dst":
        return lambda frame: matches(frame, True)
    if direction == "src and dst":
        return lambda frame: matches(frame, False) and matches(frame, True)
    return lambda frame: matches(frame, False) or matches(frame, True)


_ADDRESSES = {  # where source and destination are in the network's header, and their size
    ETHERTYPE_IPV4: (12, 16, 4),
    ETHERTYPE_ARP: (14, 24, 4),
    ETHERTYPE_RARP: (14, 24, 4),
    ETHERTYPE_IPV6: (8, 24, 16),
}


def _address_test(protocol: str, direction: str, size: int, matches: Callable[[bytes], bool]) -> Test:
    def test(frame: Frame, is_destination: bool) -> bool:
        ethertype = frame.ethertype
        places = _ADDRESSES.get(ethertype)
        if places is None or places[2] != size or (protocol and ethertype != ETHERTYPES[protocol]):
            return False
        return matches(frame.piece(frame.network + places[is_destination], size))

    return _either(direction, test)


def host_test(protocol: str, direction: str, address: bytes) -> Test:
    return _address_test(protocol, direction, len(address), lambda a: a == address)


def net_test(protocol: str, direction: str, network: bytes, prefixlen: int) -> Test:
    return _address_test(protocol, direction, len(network), lambda a: in_prefix(a, network, prefixlen))


def mac_test(direction: str, mac: bytes) -> Test:
    return _either(direction, lambda frame, is_destination: frame.piece(0 if is_destination else 6, 6) == mac)


def port_test(protocols: tuple[str, ...], direction: str, low: int, high: int) -> Test:
    """Of IPv4 and IPv6; no later fragment has ports, and behind an IPv6 extension header they are not looked for."""
    wanted = frozenset(TRANSPORTS[protocol] for protocol in protocols or PORTED)

    def start(frame: Frame) -> int | None:
        ethertype, network = frame.ethertype, frame.network
        if ethertype == ETHERTYPE_IPV4 and frame.number(network + 9, 1) in wanted and not frame.is_later_fragment:
            return frame.transport
        if ethertype == ETHERTYPE_IPV6 and frame.number(network + 6, 1) in wanted:
            return network + 40
        return None

    def test(frame: Frame, is_destination: bool) -> bool:
        at = start(frame)
        return at is not None and low <= frame.number(at + 2 * is_destination, 2) <= high

    return _either(direction, test)
