"""Why a packet was dropped: one enum for the whole stack.

The same member is a counter's key, the note the trace prints beside the packet, and what a test asserts. A wire module
raises `WireError(Drop.X)`; every other layer passes the member to `Stack.drop`.
"""

from __future__ import annotations

from enum import Enum


class Drop(Enum):
    """A reason; the value is what the trace prints."""

    # The bytes themselves
    TRUNCATED = "too short for its header"
    ETHERTYPE_UNKNOWN = "unknown ethertype"
    NOT_OUR_MAC = "addressed to another station"
    ARP_MALFORMED = "malformed ARP"
    IP_VERSION = "not IP version 4"
    IP_HEADER_LENGTH = "IP header length is wrong"
    IP_TOTAL_LENGTH = "IP total length is wrong"
    IP_CHECKSUM = "IP header checksum is wrong"
    IP_OPTIONS = "malformed IP options"
    IP_SOURCE = "source address is not a host's"
    IP_FRAGMENT = "fragment (reassembly is not built yet)"
    IP_NOT_OURS = "not addressed to this host"
    IP_GROUP_FRAME = "one host's packet in a broadcast frame"
    IP_PROTOCOL_UNKNOWN = "unknown IP protocol"
    IP_SOURCE_ROUTE = "source route refused"
    ICMP_CHECKSUM = "ICMP checksum is wrong"
    ICMP_MALFORMED = "malformed ICMP message"
    ICMP_TYPE_UNKNOWN = "unknown ICMP type"
    ICMP_NO_SOCKET = "ICMP error for no socket of ours"
    ICMP_BROADCAST = "ICMP echo to a broadcast address"
    UDP_LENGTH = "UDP length is wrong"
    UDP_CHECKSUM = "UDP checksum is wrong"
    UDP_PORT_CLOSED = "no socket on this UDP port"
    TCP_HEADER_LENGTH = "TCP header length is wrong"
    TCP_CHECKSUM = "TCP checksum is wrong"
    TCP_OPTIONS = "malformed TCP options"
    DHCP_MALFORMED = "malformed DHCP message"
    DHCP_OPTIONS = "malformed DHCP options"
    DNS_NAME = "malformed DNS name"
    DNS_RECORD = "malformed DNS record"
    DNS_TRAILING = "data behind the end of a DNS message"
    # What the state of things forbids
    TCP_NOT_UNICAST = "TCP segment not unicast"
    TCP_NO_SOCKET = "no socket for this TCP segment"
    TCP_SEQUENCE = "TCP segment outside the window"
    TCP_ACK = "TCP acknowledgment not acceptable"
    TCP_STATE = "TCP segment not acceptable in this state"
    TCP_CHALLENGED = "TCP segment answered by a challenge ACK"
    TCP_DUPLICATE = "TCP data already received"
    TCP_AFTER_CLOSE = "TCP data after the reader closed"
    DHCP_NOT_OURS = "DHCP message for another client"
    DHCP_UNEXPECTED = "DHCP message that was not asked for"
    DHCP_UNUSABLE = "DHCP answer that cannot be lived on"
    BACKLOG_FULL = "listener's backlog is full"
    RECEIVE_BUFFER_FULL = "receive buffer is full"
    # On the way out
    NO_ROUTE = "no route to host"
    NEIGHBOR_FAILED = "neighbour did not answer"
    NEIGHBOR_QUEUE_FULL = "queue for an unresolved neighbour is full"
    ADDRESS_TENTATIVE = "address is still being probed"
    TTL_ZERO = "time to live is zero"
    TOO_BIG = "larger than the link's MTU"
    INTERFACE_DOWN = "interface is down"
    DEVICE_FULL = "device's queue is full"
    RATE_LIMITED = "rate limited"
    INTERNAL = "fault in the stack (please report it)"


class WireError(ValueError):
    """The bytes are not what they claim to be; `reason` says how."""

    def __init__(self, reason: Drop) -> None:
        super().__init__(reason.value)
        self.reason = reason
