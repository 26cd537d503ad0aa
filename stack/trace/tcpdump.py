"""A frame in one line as tcpdump prints it (`tcpdump -n`): time of day, addresses with ports, flags in letters.

TCP, UDP, ICMP, ARP, DNS, DHCP and HTTP are tcpdump's to the letter on whole packets; what tcpdump knows and
`stack.wire` does not is its protocol's name and length. What the stack says of a packet comes behind, in brackets.
"""

from __future__ import annotations

import time

from stack.trace import names
from stack.trace.capture import BILLION
from stack.trace.dissect import Layers, any_address
from stack.trace.dns import TITLE as DNS_TITLE
from stack.trace.flow import Flow
from stack.wire import arp, dhcpv4, dns, dns_text, icmpv4, ipv4, tcp
from stack.wire.address import format_ip, format_mac
from stack.wire.arp import Arp
from stack.wire.dns import Mx, Record, Srv, Txt
from stack.wire.drop import Drop, WireError
from stack.wire.icmpv4 import Icmp
from stack.wire.ipv4 import Ipv4
from stack.wire.name import Name
from stack.wire.tcp import Tcp

LETTERS = ((tcp.FIN, "F"), (tcp.SYN, "S"), (tcp.RST, "R"), (tcp.PSH, "P"), (tcp.ACK, "."), (tcp.URG, "U"),
           (tcp.ECE, "E"), (tcp.CWR, "W"))  # fmt: skip
HTTP_PORTS = frozenset((80, 8080, 3128))
RCODES = {
    1: " FormErr", 2: " ServFail", 3: " NXDomain", 4: " NotImp", 5: " Refused", 6: " YXDomain", 7: " YXRRSet",
    8: " NXRRSet", 9: " NotAuth", 10: " NotZone",
}  # fmt: skip
OPERATIONS = {1: " inv_q", 2: " stat", 4: " notify", 5: " update"}
UNREACHABLE = {  # by code; {d} is where the packet was going
    0: "net {d} unreachable", 1: "host {d} unreachable", 4: "{d} unreachable - need to frag",
    5: "{d} unreachable - source route failed", 6: "net {d} unreachable - unknown",
    7: "host {d} unreachable - unknown", 8: "{d} unreachable - source host isolated",
    9: "net {d} unreachable - admin prohibited", 10: "host {d} unreachable - admin prohibited",
    11: "net {d} unreachable - tos prohibited", 12: "host {d} unreachable - tos prohibited",
    13: "host {d} unreachable - admin prohibited filter", 14: "host {d} unreachable - host precedence violation",
    15: "host {d} unreachable - precedence cutoff",
}  # fmt: skip
REDIRECTS = ("redirect {d} to net {g}", "redirect {d} to host {g}", "redirect-tos {d} to net {g}",
             "redirect-tos {d} to host {g}")  # fmt: skip
OTHER_ICMP = {
    icmpv4.SOURCE_QUENCH: "source quench", icmpv4.ROUTER_SOLICITATION: "router solicitation",
    icmpv4.INFORMATION_REQUEST: "information request", icmpv4.INFORMATION_REPLY: "information reply",
    icmpv4.ADDRESS_MASK_REQUEST: "address mask request",
}  # fmt: skip


def stamp(nanoseconds: int) -> str:
    """Local time of day with microseconds, of a time since 1970."""
    seconds, rest = divmod(nanoseconds, BILLION)
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{rest // 1000:06d}"


def words(layers: Layers) -> str:
    """Everything behind the time."""
    frame, ip = layers.ethernet, layers.ip
    if layers.arp is not None:
        return _arp(layers.arp, len(layers.data) - layers.layers[0].end)
    if ip is not None and ip.version == 4:
        return _ip(layers, ip)
    if frame is None:
        return f"{names.linktype(layers.entry.linktype)}, length {layers.entry.size}"
    ends = f"{format_mac(frame.src)} > {format_mac(frame.dst)}"
    return f"{ends}, ethertype {names.ethertype(frame.ethertype)} (0x{frame.ethertype:04x}), length {layers.entry.size}"


def _arp(packet: Arp, length: int) -> str:
    spa, tpa = any_address(packet.spa), any_address(packet.tpa)
    if packet.op == arp.REQUEST:
        known = f" ({packet.tha.hex(':')})" if any(packet.tha) else ""
        return f"ARP, Request who-has {tpa}{known} tell {spa}, length {length}"
    if packet.op == arp.REPLY:
        return f"ARP, Reply {spa} is-at {packet.sha.hex(':')}, length {length}"
    return f"ARP, {names.ARP_OPERATIONS.get(packet.op, f'operation {packet.op}')}, length {length}"


def _ip(layers: Layers, ip: Ipv4) -> str:
    src, dst = format_ip(ip.src), format_ip(ip.dst)
    length = max(0, ip.total_length - ip.ihl * 4)
    if ip.fragment_offset:
        return f"IP {src} > {dst}: ip-proto-{ip.protocol}"
    header = layers.tcp or layers.udp
    if header is not None:
        ends = f"IP {src}.{header.src_port} > {dst}.{header.dst_port}: "
        return ends + (_tcp(layers, ip) if layers.tcp is not None else _udp(layers))
    if layers.icmp is not None:
        return f"IP {src} > {dst}: ICMP {_icmp(layers.icmp)}, length {length}"
    return f"IP {src} > {dst}:  ip-proto-{ip.protocol} {length}"


# --- TCP


def _tcp(layers: Layers, ip: Ipv4) -> str:
    segment, view = layers.tcp, layers.view
    assert segment is not None
    if layers.reason is Drop.TCP_HEADER_LENGTH:
        there = ip.total_length - ip.ihl * 4
        bound = "too short, < 20" if segment.data_offset < 5 else f"too long, > {there}"
        return f" tcp {there - segment.data_offset * 4} [bad hdr length {segment.data_offset * 4} - {bound}]"
    letters = "".join(letter for bit, letter in LETTERS if segment.flags & bit) or "none"
    seq, ack, base = segment.seq, segment.ack, 0
    # tcpdump counts in segments with ACK only, from the SYN,ACK's numbers. Where it missed that, it counts from the
    # first number of whoever it saw first; that one segment it shows as it is, and so a SYN's refusal.
    flow = layers.entry.flow
    if view is not None and flow is not None and _is_counted(flow, ip, segment):
        is_late, is_answer = flow.first is not None, flow.way(ip.src, segment) == 1
        base = view.ack_base + (is_late and is_answer)
        if flow.first != (seq, ack):
            seq = (view.seq - (is_late and not is_answer)) & 0xFFFFFFFF
            ack = (view.ack - (is_late and is_answer)) & 0xFFFFFFFF
    length = layers.tcp_length
    said = [f"Flags [{letters}]"]
    if length:
        said.append(f"seq {seq}:{(seq + length) & 0xFFFFFFFF}")
    elif segment.flags & (tcp.SYN | tcp.FIN | tcp.RST):
        said.append(f"seq {seq}")
    if segment.flags & tcp.ACK:
        said.append(f"ack {ack}")
    said.append(f"win {segment.window}")
    if segment.flags & tcp.URG:
        said.append(f"urg {segment.urgent}")
    if segment.options:
        said.append(f"options [{','.join(_options(segment.options, base))}]")
    return ", ".join(said) + f", length {length}" + _text(layers)


def _is_counted(flow: Flow, ip: Ipv4, segment: Tcp) -> bool:
    if segment.flags & tcp.SYN or not segment.flags & tcp.ACK:
        return False
    has_answer = flow.first is not None or flow.shift[flow.way(ip.src, segment)] is not None
    return has_answer or not segment.flags & tcp.RST


def _text(layers: Layers) -> str:
    """What a segment's text says, where tcpdump would look."""
    assert layers.tcp is not None
    ports = {layers.tcp.src_port, layers.tcp.dst_port}
    read = layers.application
    if read is None:
        return ": HTTP" if HTTP_PORTS & ports and len(layers.tcp.payload) else ""
    if read.protocol == "HTTP":
        first = read.info.partition("  (")[0]
        return f": HTTP: {first}" if HTTP_PORTS & ports else ""
    if read.layers[0].title.startswith(DNS_TITLE):
        return " " + _dns(bytes(layers.tcp.payload[2:]))
    return f": {read.protocol}: {read.info}" if not read.layers[0].fault else ""


def _options(options: bytes, base: int) -> list[str]:
    said: list[str] = []
    try:
        said.extend(_option(option.kind, option.data, base) for option in tcp.each_option(options))
    except WireError:
        said.append("bad opt")
    return said


def _option(kind: int, data: bytes, base: int) -> str:
    numbers = [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data) - 3, 4)]
    if kind <= 1:
        return ("eol", "nop")[kind]
    if kind == tcp.OPTION_MSS and len(data) == 2:
        return f"mss {int.from_bytes(data, 'big')}"
    if kind == tcp.OPTION_WINDOW_SCALE and len(data) == 1:
        return f"wscale {data[0]}"
    if kind == tcp.OPTION_SACK_PERMITTED and not data:
        return "sackOK"
    if kind == tcp.OPTION_TIMESTAMPS and len(data) == 8:
        return f"TS val {numbers[0]} ecr {numbers[1]}"
    if kind == tcp.OPTION_SACK and data and len(data) % 8 == 0:
        edges = [(number - base) & 0xFFFFFFFF for number in numbers]
        return f"sack {len(data) // 8} " + "".join(f"{{{a}:{b}}}" for a, b in zip(edges[::2], edges[1::2]))
    return f"unknown-{kind} 0x{data.hex()}" if data else f"unknown-{kind}"


# --- UDP


def _udp(layers: Layers) -> str:
    assert layers.udp is not None and layers.ip is not None
    datagram = layers.udp
    there = layers.ip.total_length - layers.ip.ihl * 4 - 8
    if datagram.length < 8:
        return f"truncated-udplength {datagram.length}"
    length = datagram.length - 8
    read = layers.application
    if read is not None and read.layers[0].name == "dns":
        return _dns(bytes(datagram.payload))
    if read is not None and read.layers[0].name == "dhcp":
        return _dhcp(bytes(datagram.payload), length)
    if length > there:
        return f"UDP, bad length {length} > {there}"
    if read is not None and not read.layers[0].fault:
        return f"{read.protocol}: {read.info}, length {length}"
    return f"UDP, length {length}"


def _dhcp(payload: bytes, length: int) -> str:
    try:
        message = dhcpv4.fields(payload)
    except WireError:
        op, hlen = payload[:1], payload[2:3]
        who = f" from {payload[28:34].hex(':')}" if op == b"\1" and hlen == b"\6" and len(payload) >= 34 else ""
        return f"BOOTP/DHCP, {'Reply' if op == bytes((2,)) else 'Request'}{who}, length {length}"
    if message.op == dhcpv4.BOOTREQUEST:
        who = f" from {format_mac(message.hardware)}" if message.hlen == 6 else ""
        return f"BOOTP/DHCP, Request{who}, length {length}"
    word = "Reply" if message.op == dhcpv4.BOOTREPLY else f"unknown (0x{message.op:02x})"
    return f"BOOTP/DHCP, {word}, length {length}"


def _dns(payload: bytes) -> str:
    try:
        message = dns.fields(payload)
    except WireError:
        return f"domain [length {len(payload)} < 12] (invalid)"
    counts = [int.from_bytes(payload[at : at + 2], "big") for at in (4, 6, 8, 10)]
    text = str(message.id) + OPERATIONS.get(message.opcode, f" op{message.opcode}" if message.opcode else "")
    try:
        dns.parse(payload)
        is_cut = False
    except WireError as error:
        is_cut = error.reason is not Drop.DNS_TRAILING
    if message.is_response:
        text += RCODES.get(message.flags & 15, f" Resp{message.flags & 15}" if message.flags & 15 else "")
        text += ("*" if message.flags & dns.AA else "") + ("" if message.flags & dns.RA else "-")
        text += ("|" if message.flags & dns.TC else "") + ("$" if message.flags & dns.AD else "")
        text += (f" [{counts[0]}q]" if counts[0] != 1 else "") + " " + "/".join(map(str, counts[1:]))
        text += " " + ", ".join(map(_record, message.answers)) if message.answers else ""
    else:
        text += ("+" if message.flags & dns.RD else "") + ("%" if message.flags & dns.CD else "")
        text += f" [{counts[0]}q]" if counts[0] != 1 or message.opcode == 1 else ""
        text += f" [{counts[1]}a]" if counts[1] or message.opcode == 1 else ""
        text += (f" [{counts[2]}n]" if counts[2] else "") + (f" [{counts[3]}au]" if counts[3] else "")
        text += "".join(f" {_type(q.type)}{_class(q.cls)}? {q.name}" for q in message.questions)
    return f"{text} [|domain]" if is_cut else f"{text} ({len(payload)})"


def _type(number: int) -> str:
    return dns_text.TYPES.get(number, f"Type{number}")


def _class(number: int) -> str:
    return {1: "", 3: " CHAOS", 4: " HS", 255: " ANY"}.get(number, f" Class{number}")


def _record(record: Record) -> str:
    kind, data = _type(record.type), record.data
    if isinstance(data, bytes):
        return f"{kind} {dns_text.format_data(data, record.type)}" if record.type in (dns.A, dns.AAAA) else kind
    if isinstance(data, Mx):
        return f"{kind} {data.exchange} {data.preference}"
    if isinstance(data, Srv):
        return f"{kind} {data.target}:{data.port} {data.priority} {data.weight}"
    return f"{kind} {dns_text.format_data(data, record.type)}" if isinstance(data, (Name, Txt)) else kind


# --- ICMP


def _icmp(icmp: Icmp) -> str:
    if icmp.type in (icmpv4.ECHO, icmpv4.ECHO_REPLY):
        kind = "request" if icmp.type == icmpv4.ECHO else "reply"
        return f"echo {kind}, id {icmp.identifier}, seq {icmp.sequence}"
    if icmp.type == icmpv4.TIMESTAMP:
        return f"time stamp query id {icmp.identifier} seq {icmp.sequence}"
    if icmp.type == icmpv4.TIMESTAMP_REPLY:
        return f"time stamp reply id {icmp.identifier} seq {icmp.sequence}"
    if icmp.type == icmpv4.ADDRESS_MASK_REPLY:
        return f"address mask is 0x{bytes(icmp.payload[:4]).hex()}"
    if icmp.type == icmpv4.TIME_EXCEEDED:
        kinds = {0: "time exceeded in-transit", 1: "ip reassembly time exceeded"}
        return kinds.get(icmp.code, f"time exceeded-#{icmp.code}")
    if icmp.type == icmpv4.PARAMETER_PROBLEM:
        return f"parameter problem - {f'code {icmp.code}' if icmp.code else f'octet {icmp.pointer}'}"
    if icmp.type == icmpv4.DESTINATION_UNREACHABLE:
        return _unreachable(icmp)
    if icmp.type == icmpv4.REDIRECT:
        pattern = REDIRECTS[icmp.code] if icmp.code < len(REDIRECTS) else f"redirect-#{icmp.code} {{d}} to {{g}}"
        return pattern.format(d=_quoted(icmp)[0], g=format_ip(icmp.gateway))
    return OTHER_ICMP.get(icmp.type, f"type-#{icmp.type}")


def _unreachable(icmp: Icmp) -> str:
    destination, protocol, port = _quoted(icmp)
    if icmp.code == 2:
        return f"{destination} protocol {protocol} unreachable"
    if icmp.code == 3:
        kind = {ipv4.PROTOCOL_TCP: "tcp", ipv4.PROTOCOL_UDP: "udp"}.get(protocol)
        if kind is None:
            return f"{destination} protocol {protocol} port {port} unreachable"
        return f"{destination} {kind} port {port} unreachable"
    mtu = f" (mtu {icmp.mtu})" if icmp.code == icmpv4.FRAGMENTATION_NEEDED and icmp.mtu else ""
    return UNREACHABLE.get(icmp.code, f"{{d}} unreachable - #{icmp.code}").format(d=destination) + mtu


def _quoted(icmp: Icmp) -> tuple[str, int, int]:
    """(destination, protocol, destination port) of the packet an error is about."""
    try:
        ip = ipv4.fields(icmp.payload)
    except WireError:
        return "?", 0, 0
    return format_ip(ip.dst), ip.protocol, int.from_bytes(ip.payload[2:4], "big")
