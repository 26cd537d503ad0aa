"""A frame in the columns tshark has: source, destination, protocol and what it says, in tshark's words.

Where tshark analyses (retransmissions, duplicate acknowledgments) these lines do not guess: the stack itself says why
it sent or dropped a packet.
"""

from __future__ import annotations

from typing import NamedTuple

from stack.trace import names
from stack.trace.dissect import Layers, any_address
from stack.trace.options import tcp_summary
from stack.wire import arp, tcp
from stack.wire.address import format_ip, format_mac
from stack.wire.arp import Arp
from stack.wire.drop import Drop
from stack.wire.icmpv4 import Icmp
from stack.wire.ipv4 import Ipv4


class Columns(NamedTuple):
    source: str
    destination: str
    protocol: str
    info: str


def columns(layers: Layers, arrow: str) -> Columns:
    """The columns of one frame; `arrow` stands between ports."""
    frame, ip = layers.ethernet, layers.ip
    if ip is not None and ip.version == 4:
        return Columns(format_ip(ip.src), format_ip(ip.dst), *_of_ip(layers, ip, arrow))
    if frame is None:
        name = names.linktype(layers.entry.linktype)
        return Columns("", "", name, _of_arp(layers.arp) if layers.arp else f"{len(layers.data)} bytes")
    macs = format_mac(frame.src), format_mac(frame.dst)
    if layers.arp is not None:
        return Columns(*macs, "ARP", _of_arp(layers.arp))
    if ip is not None:
        return Columns(*macs, "IPv4", f"Bogus IPv4 version ({ip.version}, must be 4)")
    name = names.ethertype(frame.ethertype)
    return Columns(*macs, name, f"{name}, {len(frame.payload)} bytes")


def _of_arp(packet: Arp) -> str:
    spa, tpa = any_address(packet.spa), any_address(packet.tpa)
    if packet.op == arp.REQUEST:
        if packet.spa == bytes(packet.plen):  # RFC 5227 1.1: a probe has no sender address, an announcement its own
            return f"Who has {tpa}? (ARP Probe)"
        if packet.spa == packet.tpa:
            return f"ARP Announcement for {spa}"
        return f"Who has {tpa}? Tell {spa}"
    if packet.op == arp.REPLY:
        if packet.spa == packet.tpa:
            return f"Gratuitous ARP for {spa} (Reply)"
        return f"{spa} is at {packet.sha.hex(':')}"
    return f"ARP {names.ARP_OPERATIONS.get(packet.op, f'operation {packet.op}')}"


def _of_ip(layers: Layers, ip: Ipv4, arrow: str) -> tuple[str, str]:
    """Protocol and info."""
    name = names.protocol(ip.protocol)
    bogus = _bogus_length(layers, ip)
    if bogus:
        return "IPv4", bogus
    if layers.is_fragment:
        where = f"off={ip.fragment_offset}, ID={ip.identification:04x}"
        return "IPv4", f"Fragmented IP protocol (proto={name} {ip.protocol}, {where})"
    if layers.application is not None:
        return layers.application[:2]
    if layers.tcp is not None:
        return "TCP", _of_tcp(layers, arrow)
    if layers.udp is not None:
        return "UDP", _of_udp(layers, arrow)
    if layers.icmp is not None:
        return "ICMP", _of_icmp(layers.icmp, ip)
    return name if ip.protocol in names.PROTOCOLS else "IPv4", f"{name}, {len(ip.payload)} bytes"


def _bogus_length(layers: Layers, ip: Ipv4) -> str | None:
    """What a header says that cannot be read on because of its lengths."""
    header = ip.ihl * 4
    if header < 20:
        return f"Bogus IP header length ({header}, must be at least 20)"
    if ip.total_length < header:
        return f"Bogus IP length ({ip.total_length}, less than header length {header})"
    if layers.reason is Drop.IP_HEADER_LENGTH:
        return f"Bogus IP header length ({header}, only {len(layers.data) - 14} bytes there)"
    return None


def _of_icmp(icmp: Icmp, ip: Ipv4) -> str:
    name = names.icmp_type(icmp.type)
    if icmp.type in names.ICMP_NUMBERED:
        # Some systems send the sequence number in their own byte order, so it is shown in both.
        swapped = (icmp.sequence & 0xFF) << 8 | icmp.sequence >> 8
        return f"{name:<20} id=0x{icmp.identifier:04x}, seq={icmp.sequence}/{swapped}, ttl={ip.ttl}"
    code = names.icmp_code(icmp.type, icmp.code)
    return f"{name:<20} ({code})" if code else name


def _of_udp(layers: Layers, arrow: str) -> str:
    assert layers.udp is not None and layers.ip is not None
    datagram = layers.udp
    ports = f"{datagram.src_port} {arrow} {datagram.dst_port}"
    if datagram.length < 8:
        return f"{ports} [BAD UDP LENGTH {datagram.length} < 8]"
    bad = ""
    there = len(layers.ip.payload) + layers.entry.missing
    if datagram.length > there:
        bad = f" [BAD UDP LENGTH {datagram.length} > IP PAYLOAD LENGTH]"
    return f"{ports}{bad} Len={datagram.length - 8}"


def _of_tcp(layers: Layers, arrow: str) -> str:
    assert layers.tcp is not None
    segment, view = layers.tcp, layers.view
    seq, ack, window = (segment.seq, segment.ack, segment.window) if view is None else view[:3]
    words = f"{segment.src_port} {arrow} {segment.dst_port} [{tcp.flag_names(segment.flags) or '<None>'}] Seq={seq}"
    if segment.flags & tcp.ACK:
        words += f" Ack={ack}"
    words += f" Win={window}"
    if layers.reason is Drop.TCP_HEADER_LENGTH:
        length = segment.data_offset * 4
        there = 20 + len(segment.options) + len(segment.payload)
        bound = "must be at least 20" if length < 20 else f"only {there} bytes there"
        return f"{words}, bogus TCP header length ({length}, {bound})"
    if segment.flags & tcp.URG:
        words += f" Urg={segment.urgent}"
    base = 0 if view is None else view.ack_base
    return f"{words} Len={layers.tcp_length}{tcp_summary(segment.options, base)}"
