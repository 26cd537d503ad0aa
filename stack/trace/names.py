"""Names for numbers, as Wireshark prints them: Ethernet types, IP protocols, ICMP types and codes, ARP operations.

Names only; what a number means to the stack is in `stack.wire`.
"""

from __future__ import annotations

from stack.trace import linktype as linktypes
from stack.wire import arp, ethernet, icmpv4, ipv4

# One word each: they stand in the column of protocols
ETHERTYPES = {
    ethernet.ETHERTYPE_IPV4: "IPv4",
    ethernet.ETHERTYPE_ARP: "ARP",
    ethernet.ETHERTYPE_IPV6: "IPv6",
    ethernet.ETHERTYPE_VLAN: "VLAN",
    0x8035: "RARP",
    0x8847: "MPLS",
    0x8863: "PPPoED",
    0x8864: "PPPoES",
    0x888E: "EAPOL",
    0x88A8: "VLAN",
    0x88CC: "LLDP",
    0x88F7: "PTP",
    0x9000: "LOOP",
}

PROTOCOLS = {
    0: "HOPOPT",
    ipv4.PROTOCOL_ICMP: "ICMP",
    ipv4.PROTOCOL_IGMP: "IGMP",
    4: "IPIP",
    ipv4.PROTOCOL_TCP: "TCP",
    ipv4.PROTOCOL_UDP: "UDP",
    ipv4.PROTOCOL_IPV6: "IPv6",
    47: "GRE",
    50: "ESP",
    51: "AH",
    ipv4.PROTOCOL_ICMPV6: "ICMPv6",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    132: "SCTP",
    136: "UDP-Lite",
}

IP_OPTIONS = {
    0: "End of options list",
    1: "No-operation",
    ipv4.OPTION_RECORD_ROUTE: "Record route",
    ipv4.OPTION_TIMESTAMP: "Timestamp",
    ipv4.OPTION_LOOSE_SOURCE_ROUTE: "Loose source route",
    ipv4.OPTION_STRICT_SOURCE_ROUTE: "Strict source route",
    ipv4.OPTION_ROUTER_ALERT: "Router alert",
    130: "Security",
    136: "Stream identifier",
}

ICMP_TYPES = {
    icmpv4.ECHO_REPLY: "Echo (ping) reply",
    icmpv4.DESTINATION_UNREACHABLE: "Destination unreachable",
    icmpv4.SOURCE_QUENCH: "Source quench (flow control)",
    icmpv4.REDIRECT: "Redirect",
    icmpv4.ECHO: "Echo (ping) request",
    icmpv4.ROUTER_ADVERTISEMENT: "Router advertisement",
    icmpv4.ROUTER_SOLICITATION: "Router solicitation",
    icmpv4.TIME_EXCEEDED: "Time-to-live exceeded",
    icmpv4.PARAMETER_PROBLEM: "Parameter problem",
    icmpv4.TIMESTAMP: "Timestamp request",
    icmpv4.TIMESTAMP_REPLY: "Timestamp reply",
    icmpv4.INFORMATION_REQUEST: "Information request",
    icmpv4.INFORMATION_REPLY: "Information reply",
    icmpv4.ADDRESS_MASK_REQUEST: "Address mask request",
    icmpv4.ADDRESS_MASK_REPLY: "Address mask reply",
}

# The types whose second word is an identifier and a sequence number
ICMP_NUMBERED = frozenset(
    {
        icmpv4.ECHO_REPLY,
        icmpv4.ECHO,
        icmpv4.TIMESTAMP,
        icmpv4.TIMESTAMP_REPLY,
        icmpv4.INFORMATION_REQUEST,
        icmpv4.INFORMATION_REPLY,
        icmpv4.ADDRESS_MASK_REQUEST,
        icmpv4.ADDRESS_MASK_REPLY,
    }
)

ICMP_CODES = {
    icmpv4.DESTINATION_UNREACHABLE: (
        "Network unreachable",
        "Host unreachable",
        "Protocol unreachable",
        "Port unreachable",
        "Fragmentation needed",
        "Source route failed",
        "Destination network unknown",
        "Destination host unknown",
        "Source host isolated",
        "Network administratively prohibited",
        "Host administratively prohibited",
        "Network unreachable for TOS",
        "Host unreachable for TOS",
        "Communication administratively filtered",
        "Host precedence violation",
        "Precedence cutoff in effect",
    ),
    icmpv4.REDIRECT: (
        "Redirect for network",
        "Redirect for host",
        "Redirect for TOS and network",
        "Redirect for TOS and host",
    ),
    icmpv4.TIME_EXCEEDED: ("Time to live exceeded in transit", "Fragment reassembly time exceeded"),
    icmpv4.PARAMETER_PROBLEM: ("Pointer indicates the error", "Required option missing", "Bad length"),
}

ARP_OPERATIONS = {
    arp.REQUEST: "request",
    arp.REPLY: "reply",
    3: "reverse request",
    4: "reverse reply",
    8: "inverse request",
    9: "inverse reply",
}

ECN = ("not ECN-capable", "ECT(1)", "ECT(0)", "congestion experienced")  # RFC 3168 5


def ethertype(number: int) -> str:
    """'IPv4', '0x1234'; below 0x600 it is a length (IEEE 802.3 3.2.6), and what follows is logical link control."""
    if number < 0x600:
        return "LLC"
    return ETHERTYPES.get(number, f"0x{number:04x}")


def linktype(number: int) -> str:
    """One word for what a frame is that carries nothing known."""
    return "Ethernet" if number == linktypes.ETHERNET else "Raw" if number in linktypes.RAWS else "Link"


def protocol(number: int) -> str:
    """'TCP', 'protocol 200'."""
    return PROTOCOLS.get(number, f"protocol {number}")


def icmp_type(number: int) -> str:
    return ICMP_TYPES.get(number, f"Type {number}")


def icmp_code(type: int, code: int) -> str | None:
    """What the code of that type says, None if the type has no codes."""
    codes = ICMP_CODES.get(type)
    if codes is None:
        return None
    return codes[code] if code < len(codes) else f"Unknown code: {code}"
