"""The primitives of pcap-filter(7): what each of its words asks of a frame."""

from __future__ import annotations

import operator
from collections.abc import Callable

from stack.trace.frame import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Frame, Test
from stack.wire.address import in_prefix

TCP, UDP, ICMP, ICMP6, IGMP = 6, 17, 1, 58, 2
ETHERTYPES = {"ip": ETHERTYPE_IPV4, "ip6": ETHERTYPE_IPV6, "arp": ETHERTYPE_ARP}
TRANSPORTS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMP6, "igmp": IGMP}
PROTOCOLS: dict[str, int] = {"ether": 0, **ETHERTYPES, **TRANSPORTS}
PORTED = (TCP, UDP)

# Names for offsets and values inside [ ], and for what they are compared with.
CONSTANTS = {
    "tcpflags": 13,
    "tcp-fin": 0x01,
    "tcp-syn": 0x02,
    "tcp-rst": 0x04,
    "tcp-push": 0x08,
    "tcp-ack": 0x10,
    "tcp-urg": 0x20,
    "tcp-ece": 0x40,
    "tcp-cwr": 0x80,
    "icmptype": 0,
    "icmpcode": 1,
    "icmp-echoreply": 0,
    "icmp-unreach": 3,
    "icmp-sourcequench": 4,
    "icmp-redirect": 5,
    "icmp-echo": 8,
    "icmp-routeradvert": 9,
    "icmp-routersolicit": 10,
    "icmp-timxceed": 11,
    "icmp-paramprob": 12,
    "icmp-tstamp": 13,
    "icmp-tstampreply": 14,
    "icmp6type": 0,
    "icmp6code": 1,
}

RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}


class NoSuchField(Exception):
    """The packet is of another protocol: the comparison that asked is false, and only it."""


def compare(left: Callable[[Frame], int], sign: str, right: Callable[[Frame], int]) -> Test:
    relation = RELATIONS[sign]

    def test(frame: Frame) -> bool:
        try:
            return relation(left(frame), right(frame))
        except NoSuchField:
            return False

    return test


def field(protocol: str, offset: Callable[[Frame], int], size: int) -> Callable[[Frame], int]:
    """`protocol[offset:size]` as a number."""

    def read(frame: Frame) -> int:
        if protocol == "ether":
            return frame.number(offset(frame), size)
        if protocol in ETHERTYPES:
            if frame.ethertype != ETHERTYPES[protocol]:
                raise NoSuchField
            return frame.number(frame.network + offset(frame), size)
        # As libpcap: these look into IPv4 only, icmp6 into IPv6 only.
        version = ETHERTYPE_IPV6 if protocol == "icmp6" else ETHERTYPE_IPV4
        if frame.ethertype != version or frame.ip_protocol != TRANSPORTS[protocol] or frame.transport is None:
            raise NoSuchField
        return frame.number(frame.transport + offset(frame), size)

    return read


def protocol_test(protocol: str, number: int | None = None) -> Test:
    """`tcp`, `arp`; or with a number `ip proto 89`, `ether proto 0x88cc`."""
    if number is None:
        if protocol in ETHERTYPES:
            ethertype = ETHERTYPES[protocol]
            return lambda frame: frame.ethertype == ethertype
        if protocol == "ether":
            return lambda frame: True
        transport = TRANSPORTS[protocol]
        return lambda frame: frame.ip_protocol == transport
    if protocol == "ether":
        return lambda frame: frame.ethertype == number
    if protocol in ("ip", "ip6"):
        ethertype = ETHERTYPES[protocol]
        return lambda frame: frame.ethertype == ethertype and frame.ip_protocol == number
    return lambda frame: frame.ip_protocol == number


def word_test(word: str) -> Test | None:
    """The words that stand for themselves, or None."""
    return {
        "inbound": lambda frame: not frame.outgoing,
        "outbound": lambda frame: frame.outgoing,
        "broadcast": _is_broadcast,
        "ether broadcast": _is_broadcast,
        "multicast": _is_multicast,
        "ether multicast": _is_multicast,
        "ip broadcast": lambda frame: (
            frame.ethertype == ETHERTYPE_IPV4 and _destination(frame) in (bytes(4), b"\xff" * 4)
        ),
        "ip multicast": lambda frame: frame.ethertype == ETHERTYPE_IPV4 and frame.number(frame.network + 16, 1) >= 224,
        "ip6 multicast": lambda frame: frame.ethertype == ETHERTYPE_IPV6 and frame.number(frame.network + 24, 1) == 255,
    }.get(word)


def _is_broadcast(frame: Frame) -> bool:
    return frame.number(0, 4) == 0xFFFFFFFF and frame.number(4, 2) == 0xFFFF


def _is_multicast(frame: Frame) -> bool:
    return bool(frame.number(0, 1) & 1)


def _destination(frame: Frame) -> bytes:
    addresses = frame.addresses()
    return addresses[1] if addresses else b""


def _either(direction: str, source: bool, destination: bool) -> bool:
    """What `src`, `dst`, `src or dst`, `src and dst` or nothing make of the two ends."""
    if direction == "src":
        return source
    if direction == "dst":
        return destination
    return source and destination if direction == "src and dst" else source or destination


def _address_test(protocol: str, direction: str, matches: Callable[[bytes], bool]) -> Test:
    def test(frame: Frame) -> bool:
        if protocol and frame.ethertype != ETHERTYPES[protocol]:
            return False
        addresses = frame.addresses()
        return addresses is not None and _either(direction, matches(addresses[0]), matches(addresses[1]))

    return test


def host_test(protocol: str, direction: str, address: bytes) -> Test:
    return _address_test(protocol, direction, lambda a: a == address)


def net_test(protocol: str, direction: str, network: bytes, prefixlen: int) -> Test:
    return _address_test(protocol, direction, lambda a: in_prefix(a, network, prefixlen))


def mac_test(direction: str, mac: bytes) -> Test:
    return lambda frame: _either(direction, bytes(frame.data[6:12]) == mac, bytes(frame.data[:6]) == mac)


def port_test(protocol: str, direction: str, low: int, high: int) -> Test:
    wanted = (TRANSPORTS[protocol],) if protocol else PORTED

    def test(frame: Frame) -> bool:
        if frame.ip_protocol not in wanted or frame.transport is None:
            return False
        source = low <= frame.number(frame.transport, 2) <= high
        return _either(direction, source, low <= frame.number(frame.transport + 2, 2) <= high)

    return test
