"""A recorded frame taken apart into layers, each with its fields in words, for the tree and the one-line summary.

It reads with the same `fields` and `parse` of `stack.wire` as the stack does, so a malformed layer carries the very
reason the stack drops it for. What an ICMP error quotes is shown as far as it goes and never judged. Anything without a
module in `stack.wire` is shown by its name and its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from stack.trace import linktype, names
from stack.trace.dissectors import BUILT_IN, Dissectors
from stack.trace.flow import View
from stack.trace.layer import Application, Field, Layer, data_layer
from stack.trace.options import ip_options, tcp_options
from stack.trace.recorder import Entry
from stack.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from stack.wire.address import MAC_BROADCAST, format_ip, format_mac, is_group_mac
from stack.wire.arp import Arp
from stack.wire.checksum import ones_sum, pseudo_header_sum
from stack.wire.drop import Drop, WireError
from stack.wire.ethernet import Ethernet
from stack.wire.icmpv4 import Icmp
from stack.wire.ipv4 import Ipv4
from stack.wire.tcp import Tcp
from stack.wire.udp import Udp

PARTIAL = "partial (left to the device)"
MAX_QUOTES = 4  # an ICMP error quoted in an ICMP error quoted in ...


@dataclass(slots=True)
class Layers:
    """A whole frame: its layers from the outside in, and the headers that could be read."""

    entry: Entry
    data: bytes
    layers: list[Layer] = field(default_factory=list)
    ethernet: Ethernet | None = None
    arp: Arp | None = None
    ip: Ipv4 | None = None
    icmp: Icmp | None = None
    udp: Udp | None = None
    tcp: Tcp | None = None
    is_fragment: bool = False
    view: View | None = None  # of the TCP segment, if its conversation was followed
    application: Application | None = None  # what its payload says, if somebody can read it

    @property
    def reason(self) -> Drop | None:
        """Why the first layer that the stack refuses is refused, or None."""
        return next((layer.reason for layer in self.layers if layer.reason is not None), None)

    @property
    def faults(self) -> list[str]:
        """What is wrong above the stack."""
        return [layer.fault for layer in self.layers if layer.fault]

    @property
    def tcp_length(self) -> int:
        """Bytes of a segment's text, those that a capture has cut off included."""
        assert self.tcp is not None and self.ip is not None
        if not self.entry.missing:
            return len(self.tcp.payload)
        return max(0, self.ip.total_length - 20 - len(self.ip.options) - self.tcp.data_offset * 4)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)


class _Context(NamedTuple):
    """How to read: `found` collects the headers; behind a header that is wrong, and in a quote, nothing is judged."""

    found: Layers
    verified: bool
    partial: bool
    is_judged: bool
    dissectors: Dissectors
    quotes: int = 0


def dissect(entry: Entry, dissectors: Dissectors = BUILT_IN) -> Layers:
    """The layers of a frame. Never raises, whatever the bytes."""
    data = entry.data
    found = Layers(entry, data)
    offload = entry.offload
    partial = offload is not None and offload.needs_checksum
    verified = offload is not None and (offload.needs_checksum or offload.verified)
    # What a capture has cut off is not the packet's fault.
    context = _Context(found, verified, partial, not entry.missing, dissectors)
    found.layers = (_ethernet if entry.linktype == linktype.ETHERNET else _other_link)(data, context)
    return found


def _cut(name: str, title: str, data: memoryview | bytes, start: int, is_judged: bool) -> list[Layer]:
    """The layer of a header that is not whole."""
    layer = Layer(name, f"{title}, cut after {len(data)} bytes", start, start + len(data))
    layer.reason = Drop.TRUNCATED if is_judged else None
    return [layer]


def _reason(parse: Callable[[], object], is_judged: bool) -> Drop | None:
    """The reason the stack's own reading gives for refusing, None if it accepts or nobody asks."""
    if not is_judged:
        return None
    try:
        parse()
    except WireError as error:
        return error.reason
    return None


# --- the link


def _ethernet(data: bytes, context: _Context) -> list[Layer]:
    try:
        frame = ethernet.fields(data)
    except WireError:
        return _cut("ethernet", "Ethernet II", data, 0, context.is_judged)
    context.found.ethernet = frame
    dst, src = format_mac(frame.dst), format_mac(frame.src)
    layer = Layer("ethernet", f"Ethernet II, Src: {src}, Dst: {dst}", 0, 14)
    layer.fields = [
        Field("Destination", dst + _kind_of_mac(frame.dst)),
        Field("Source", src + _kind_of_mac(frame.src)),
        Field("Type", f"{names.ethertype(frame.ethertype)} (0x{frame.ethertype:04x})"),
    ]
    return [layer, *_network(frame.ethertype, frame.payload, 14, context)]


def _network(ethertype: int, data: memoryview, start: int, context: _Context) -> list[Layer]:
    if ethertype == ethernet.ETHERTYPE_IPV4:
        return _ipv4(data, start, context)
    if ethertype == ethernet.ETHERTYPE_ARP:
        return _arp(data, start, context)
    if ethertype == ethernet.ETHERTYPE_VLAN and len(data) >= 4:
        return _vlan(data, start, context)
    return data_layer(names.ethertype(ethertype) if ethertype >= 0 else "Data", data, start)


def _vlan(data: memoryview, start: int, context: _Context) -> list[Layer]:
    """IEEE 802.1Q 9.6. The stack takes no tagged frames, so what is inside is not judged."""
    tag, ethertype = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    layer = Layer("vlan", f"802.1Q Virtual LAN, ID: {tag & 0xFFF}", start, start + 4)
    layer.fields = [
        Field("Priority", str(tag >> 13)),
        Field("Drop eligible", str(tag >> 12 & 1)),
        Field("ID", str(tag & 0xFFF)),
        Field("Type", f"{names.ethertype(ethertype)} (0x{ethertype:04x})"),
    ]
    return [layer, *_network(ethertype, data[4:], start + 4, context._replace(is_judged=False))]


def _other_link(data: bytes, context: _Context) -> list[Layer]:
    """What other tools capture on links that are not Ethernet."""
    kind = context.found.entry.linktype
    ethertype, start = linktype.network(kind, data)
    layers = [Layer("link", linktype.TITLES[kind], 0, start)] if kind in linktype.TITLES else []
    return [*layers, *_network(ethertype, memoryview(data)[start:], start, context)]


def _kind_of_mac(mac: bytes) -> str:
    if mac == MAC_BROADCAST:
        return " (broadcast)"
    return " (group)" if is_group_mac(mac) else ""


def _arp(data: memoryview, start: int, context: _Context) -> list[Layer]:
    try:
        packet = arp.fields(data)
    except WireError:
        return _cut("arp", "Address Resolution Protocol", data, start, context.is_judged)
    context.found.arp = packet
    operation = names.ARP_OPERATIONS.get(packet.op, f"operation {packet.op}")
    length = min(8 + 2 * packet.hlen + 2 * packet.plen, len(data))
    layer = Layer("arp", f"Address Resolution Protocol ({operation})", start, start + length)
    hardware = "Ethernet" if packet.htype == arp.HARDWARE_ETHERNET else "unknown"
    layer.fields = [
        Field("Hardware type", f"{hardware} ({packet.htype})"),
        Field("Protocol type", f"{names.ethertype(packet.ptype)} (0x{packet.ptype:04x})"),
        Field("Hardware address length", str(packet.hlen)),
        Field("Protocol address length", str(packet.plen)),
        Field("Operation", f"{operation} ({packet.op})"),
        Field("Sender hardware address", packet.sha.hex(":")),
        Field("Sender protocol address", any_address(packet.spa)),
        Field("Target hardware address", packet.tha.hex(":")),
        Field("Target protocol address", any_address(packet.tpa)),
    ]
    layer.reason = _reason(lambda: arp.parse(data), context.is_judged)
    return [layer, *data_layer("Padding", data[length:], start + length)]


def any_address(address: bytes) -> str:
    """As an IP address if it has the length of one, else its bytes."""
    return format_ip(address) if len(address) in (4, 16) else address.hex(":")


# --- the network


def _ipv4(data: memoryview, start: int, context: _Context) -> list[Layer]:
    quoted = context.quotes > 0
    title = "Internet Protocol Version 4"
    try:
        ip = ipv4.fields(data)
    except WireError:
        return _cut("ip", title, data, start, context.is_judged)
    if not quoted:
        context.found.ip = ip
    header = 20 + len(ip.options)
    layer = Layer("ip", f"{title}, Src: {format_ip(ip.src)}, Dst: {format_ip(ip.dst)}", start, start + header)
    layer.fields = _ipv4_fields(ip, bytes(data[:header]))
    # A device vouches for the transport's checksum only, so the stack checks this one always.
    layer.reason = _reason(lambda: ipv4.parse(data), context.is_judged)
    end = start + header + len(ip.payload)
    padding = data_layer("Padding", data[header + len(ip.payload) :], end)
    if ip.version != 4 or ip.ihl < 5 or ip.total_length < header or layer.reason is Drop.IP_HEADER_LENGTH:
        return [layer, *data_layer("Data", ip.payload, start + header), *padding]  # where the rest begins nobody knows
    if layer.reason is not None:
        context = context._replace(is_judged=False)
    if ip.fragment_offset or ip.flags & ipv4.MF:
        if not quoted:
            context.found.is_fragment = True
        if ip.fragment_offset or not quoted:
            name = f"Fragment of {names.protocol(ip.protocol)}"
            return [layer, *data_layer(name, ip.payload, start + header), *padding]
    return [layer, *_transport(ip, start + header, context), *padding]


def _ipv4_fields(ip: Ipv4, header: bytes) -> list[Field]:
    bits = [(4, "Reserved"), (ipv4.DF, "Don't fragment"), (ipv4.MF, "More fragments")]
    flags = ", ".join(name for bit, name in bits if ip.flags & bit) or "none"
    dscp, ecn = ip.tos >> 2, ip.tos & 3
    shown = [
        Field("Version", str(ip.version)),
        Field("Header length", f"{ip.ihl * 4} bytes ({ip.ihl})"),
        Field("Differentiated services", f"0x{ip.tos:02x} (DSCP {dscp}, {names.ECN[ecn]})"),
        Field("Total length", str(ip.total_length)),
        Field("Identification", f"0x{ip.identification:04x} ({ip.identification})"),
        Field("Flags", f"0x{ip.flags:x} ({flags})"),
        Field("Fragment offset", str(ip.fragment_offset)),
        Field("Time to live", str(ip.ttl)),
        Field("Protocol", f"{names.protocol(ip.protocol)} ({ip.protocol})"),
        Field("Header checksum", _verdict(ip.checksum, ones_sum(header))),
        Field("Source address", format_ip(ip.src)),
        Field("Destination address", format_ip(ip.dst)),
    ]
    if ip.options:
        inner = tuple(Field(name, value) for name, value in ip_options(ip.options))
        shown.append(Field("Options", f"{len(ip.options)} bytes", inner))
    return shown


def _verdict(stored: int, total: int) -> str:
    """A checksum in words. `total` is the sum over everything it covers and itself: 0xffff if it is right."""
    if total == 0xFFFF:
        return f"0x{stored:04x} (correct)"
    right = ones_sum(b"", total + (stored ^ 0xFFFF)) ^ 0xFFFF
    return f"0x{stored:04x} (wrong, should be 0x{right:04x})"


def _transport(ip: Ipv4, start: int, context: _Context) -> list[Layer]:
    if ip.protocol == ipv4.PROTOCOL_TCP:
        return _tcp(ip, start, context)
    if ip.protocol == ipv4.PROTOCOL_UDP:
        return _udp(ip, start, context)
    if ip.protocol == ipv4.PROTOCOL_ICMP:
        return _icmp(ip, start, context)
    return data_layer(names.protocol(ip.protocol), ip.payload, start)


# --- on top of it


def _icmp(ip: Ipv4, start: int, context: _Context) -> list[Layer]:
    data, quoted = ip.payload, context.quotes > 0
    title = "Internet Control Message Protocol"
    try:
        icmp = icmpv4.fields(data)
    except WireError:
        return _cut("icmp", title, data, start, context.is_judged)
    if not quoted:
        context.found.icmp = icmp
    layer = Layer("icmp", title, start, start + 8)
    code = names.icmp_code(icmp.type, icmp.code)
    layer.fields = [
        Field("Type", f"{icmp.type} ({names.icmp_type(icmp.type)})"),
        Field("Code", f"{icmp.code}" + (f" ({code})" if code else "")),
        _transport_checksum(icmp.checksum, data, 0, len(data), context, False),
        *_icmp_rest(icmp),
    ]
    layer.reason = _reason(lambda: icmpv4.parse(data, context.verified), context.is_judged)
    if icmp.is_error and layer.reason is None and context.quotes < MAX_QUOTES:
        layer.end = start + len(data)
        layer.inner = _ipv4(icmp.payload, start + 8, context._replace(is_judged=False, quotes=context.quotes + 1))
        return [layer]
    return [layer, *data_layer("Data", icmp.payload, start + 8)]


def _icmp_rest(icmp: Icmp) -> list[Field]:
    """What the second word means for this type."""
    if icmp.type in names.ICMP_NUMBERED:
        return [
            Field("Identifier", f"0x{icmp.identifier:04x} ({icmp.identifier})"),
            Field("Sequence number", str(icmp.sequence)),
        ]
    if icmp.type == icmpv4.DESTINATION_UNREACHABLE and icmp.code == icmpv4.FRAGMENTATION_NEEDED:
        return [Field("MTU of next hop", str(icmp.mtu))]
    if icmp.type == icmpv4.REDIRECT:
        return [Field("Gateway address", format_ip(icmp.gateway))]
    if icmp.type == icmpv4.PARAMETER_PROBLEM:
        return [Field("Pointer", str(icmp.pointer))]
    return [Field("Unused", icmp.rest.hex())]


def _udp(ip: Ipv4, start: int, context: _Context) -> list[Layer]:
    data, quoted = ip.payload, context.quotes > 0
    try:
        datagram = udp.fields(data)
    except WireError:
        return _cut("udp", "User Datagram Protocol", data, start, context.is_judged)
    if not quoted:
        context.found.udp = datagram
    title = f"User Datagram Protocol, Src Port: {datagram.src_port}, Dst Port: {datagram.dst_port}"
    layer = Layer("udp", title, start, start + 8)
    pseudo = pseudo_header_sum(ip.src, ip.dst, udp.PROTOCOL, datagram.length)
    context = _of_a_file(context, datagram.checksum, pseudo)
    layer.fields = [
        Field("Source port", str(datagram.src_port)),
        Field("Destination port", str(datagram.dst_port)),
        Field("Length", str(datagram.length)),
        Field("Checksum", "0x0000 (not computed)")
        if datagram.checksum == 0
        else _transport_checksum(datagram.checksum, data, pseudo, datagram.length, context, True),
    ]
    layer.reason = _reason(lambda: udp.parse(data, ip.src, ip.dst, context.verified), context.is_judged)
    end = 8 + len(datagram.payload)
    return [layer, *_payload("udp", datagram, start + 8, context), *data_layer("Trailer", data[end:], start + end)]


def _tcp(ip: Ipv4, start: int, context: _Context) -> list[Layer]:
    data, quoted = ip.payload, context.quotes > 0
    try:
        segment = tcp.fields(data)
    except WireError:
        if quoted and len(data) >= 8:
            return _quoted_tcp(data, start)
        return _cut("tcp", "Transmission Control Protocol", data, start, context.is_judged)
    flow = None if quoted else context.found.entry.flow
    view = None if flow is None else flow.view(ip.src, segment)
    if not quoted:
        context.found.tcp, context.found.view = segment, view
    seq = segment.seq if view is None else view.seq
    ports = f"Src Port: {segment.src_port}, Dst Port: {segment.dst_port}"
    size = len(segment.payload) if quoted else context.found.tcp_length
    title = f"Transmission Control Protocol, {ports}, Seq: {seq}, Len: {size}"
    layer = Layer("tcp", title, start, start + 20 + len(segment.options))
    length = ip.total_length - 20 - len(ip.options)
    pseudo = pseudo_header_sum(ip.src, ip.dst, tcp.PROTOCOL, length)
    context = _of_a_file(context, segment.checksum, pseudo)
    window = str(segment.window)
    if view is not None and view.shift is not None:
        window += f" (scaled by {1 << view.shift}: {view.window})"
    layer.fields = [
        Field("Source port", str(segment.src_port)),
        Field("Destination port", str(segment.dst_port)),
        Field("Sequence number", str(segment.seq) if view is None else f"{view.seq} (relative), {segment.seq} (raw)"),
        Field("Acknowledgment number", _acknowledgment(segment, None if view is None else view.ack)),
        Field("Header length", f"{segment.data_offset * 4} bytes ({segment.data_offset})"),
        Field("Flags", f"0x{segment.flags:02x} ({tcp.flag_names(segment.flags) or 'none'})"),
        Field("Window", window),
        _transport_checksum(segment.checksum, data, pseudo, length, context, True),
        Field("Urgent pointer", str(segment.urgent)),
    ]
    if segment.options:
        inner = tuple(Field(name, value) for name, value in tcp_options(segment.options))
        layer.fields.append(Field("Options", f"{len(segment.options)} bytes", inner))
    layer.reason = _reason(lambda: tcp.parse(data, ip.src, ip.dst, context.verified), context.is_judged)
    if layer.reason is Drop.TCP_HEADER_LENGTH:
        return [layer, *data_layer("Data", segment.payload, start + 20 + len(segment.options))]
    return [layer, *_payload("tcp", segment, start + 20 + len(segment.options), context)]


def _of_a_file(context: _Context, checksum: int, pseudo: int) -> _Context:
    """A capture does not say that a checksum was left to the device; that it is the pseudo header's sum does."""
    if context.found.entry.is_foreign and checksum == ones_sum(b"", pseudo):
        return context._replace(partial=True, verified=True)
    return context


def _payload(protocol: str, header: Udp | Tcp, start: int, context: _Context) -> list[Layer]:
    """What a datagram or segment carries, by whoever can read it. What an error quotes is never whole."""
    payload = header.payload
    if len(payload) and not context.quotes:
        ports = header.src_port, header.dst_port
        read = context.dissectors.read(protocol, *ports, bytes(payload), start, context.is_judged)
        if read is not None:
            context.found.application = read
            return read.layers
    return data_layer("Data", payload, start)


def _quoted_tcp(data: memoryview, start: int) -> list[Layer]:
    """RFC 792 asks an error to quote 8 bytes of the transport only: enough for the ports and the sequence number."""
    src_port, dst_port, seq = (int.from_bytes(data[i:j], "big") for i, j in ((0, 2), (2, 4), (4, 8)))
    ports = f"Src Port: {src_port}, Dst Port: {dst_port}"
    layer = Layer("tcp", f"Transmission Control Protocol, {ports}, Seq: {seq}", start, start + len(data))
    layer.fields = [
        Field("Source port", str(src_port)),
        Field("Destination port", str(dst_port)),
        Field("Sequence number", f"{seq} (raw)"),
    ]
    return [layer]


def _acknowledgment(segment: Tcp, relative: int | None) -> str:
    if not segment.flags & tcp.ACK:
        return f"{segment.ack} (means nothing without ACK)"
    return str(segment.ack) if relative is None else f"{relative} (relative), {segment.ack} (raw)"


def _transport_checksum(
    stored: int, data: memoryview, pseudo: int, length: int, context: _Context, can_be_partial: bool
) -> Field:
    """The checksum field of a message of `length` bytes, of which `data` may be the beginning only."""
    if len(data) < length:
        return Field("Checksum", f"0x{stored:04x} (cannot be checked: only {len(data)} of {length} bytes are there)")
    if can_be_partial and context.partial and not context.quotes:
        return Field("Checksum", f"0x{stored:04x} ({PARTIAL})")
    return Field("Checksum", _verdict(stored, ones_sum(data[:length], pseudo)))
