"""The names that stand for numbers in a filter: ports everybody knows, offsets, types of ICMP and flags of TCP.

The numbers are IANA's, the names pcap-filter(7)'s. Names of hosts and of other ports are not looked up.
"""

from __future__ import annotations

_TCP, _UDP, _BOTH = ("tcp",), ("udp",), ("tcp", "udp")

# As in libpcap, a name stands for the port and the protocol that it is registered with.
PORTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "echo": (7, _BOTH), "discard": (9, _BOTH), "daytime": (13, _BOTH), "qotd": (17, _TCP), "chargen": (19, _BOTH),
    "ftp": (21, _TCP), "ssh": (22, _TCP), "telnet": (23, _TCP), "smtp": (25, _TCP), "time": (37, _BOTH),
    "domain": (53, _BOTH), "bootps": (67, _UDP), "bootpc": (68, _UDP), "tftp": (69, _UDP), "http": (80, _TCP),
    "ntp": (123, _UDP), "snmp": (161, _BOTH), "https": (443, _BOTH), "login": (513, _TCP),
}  # fmt: skip

TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "push": 8, "ack": 16, "urg": 32, "ece": 64, "cwr": 128}
ICMP_TYPES = {
    "echoreply": 0, "unreach": 3, "sourcequench": 4, "redirect": 5, "echo": 8, "routeradvert": 9, "routersolicit": 10,
    "timxceed": 11, "paramprob": 12, "tstamp": 13, "tstampreply": 14, "ireq": 15, "ireqreply": 16, "maskreq": 17,
    "maskreply": 18,
}  # fmt: skip
ICMP6_TYPES = {
    "destinationunreach": 1, "packettoobig": 2, "timeexceeded": 3, "parameterproblem": 4, "echo": 128,
    "echoreply": 129, "multicastlistenerquery": 130, "multicastlistenerreportv1": 131, "multicastlistenerdone": 132,
    "routersolicit": 133, "routeradvert": 134, "neighborsolicit": 135, "neighboradvert": 136, "redirect": 137,
    "routerrenum": 138, "nodeinformationquery": 139, "nodeinformationresponse": 140,
    "ineighbordiscoverysolicit": 141, "ineighbordiscoveryadvert": 142, "multicastlistenerreportv2": 143,
    "homeagentdiscoveryrequest": 144, "homeagentdiscoveryreply": 145, "mobileprefixsolicit": 146,
    "mobileprefixadvert": 147, "certpathsolicit": 148, "certpathadvert": 149, "multicastrouteradvert": 151,
    "multicastroutersolicit": 152, "multicastrouterterm": 153,
}  # fmt: skip

CONSTANTS = {
    "tcpflags": 13, "icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1,
    **{f"tcp-{name}": value for name, value in TCP_FLAGS.items()},
    **{f"icmp-{name}": value for name, value in ICMP_TYPES.items()},
    **{f"icmp6-{name}": value for name, value in ICMP6_TYPES.items()},
}  # fmt: skip
