"""IPv4 in and out (RFC 791, RFC 1122 3.2.1): is it whole, is it ours, whose is it; which way does it go.

A host, not a router: what is addressed to somebody else is dropped. Fragments are dropped with a reason until
reassembly is built. Options are skipped, except that source routes are refused (RFC 7126 4.3, 4.4).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

from stack.events import Dropped, Event
from stack.frame import Packet
from stack.interface import GSO_NONE, GSO_TCPV4, Interface, Offload
from stack.ip.icmp import Icmp
from stack.ip.transport import Taps, Transport
from stack.neighbor import Neighbors
from stack.net import Net
from stack.port import error
from stack.route import NextHop
from stack.wire import ipv4
from stack.wire.address import (
    BROADCAST4,
    MAC_BROADCAST,
    broadcast,
    is_loopback,
    is_multicast,
    is_unspecified,
)
from stack.wire.checksum import checksum
from stack.wire.drop import Drop, WireError

ETHERNET_HEADER = 14  # bytes; offload offsets count from the frame's first
ALL_SYSTEMS = bytes((224, 0, 0, 1))
SOURCE_ROUTES = (131, 137)  # LSRR, SSRR


class Ipv4:
    """`takes_early(interface, packet, verified, now)` is asked about UDP for whatever address."""

    header_length = 20  # without options, which we never send of ourselves

    def __init__(self, net: Net, neighbors: Neighbors, transports: Mapping[int, Transport], taps: Taps) -> None:
        self.net = net
        self.neighbors = neighbors
        self.icmp = Icmp(net, self, transports, taps)
        self.takes_early: Callable[[Interface, ipv4.Ipv4, bool, float], bool] = lambda *_: False
        self._transports = transports
        self._taps = taps
        self._identification = net.config.rng.getrandbits(16)
        neighbors.on_unreachable = self.on_neighbor_failed

    # --- in

    def input(self, interface: Interface, data: memoryview, verified: bool, is_group: bool, now: float) -> None:
        """One packet from the link; `is_group` if its frame was to a group. Raises WireError for what is dropped."""
        packet = ipv4.parse(data)
        self._check_source(interface, packet)
        # RFC 2131 4.1: a DHCP client takes unicast to the address that it does not have yet.
        if packet.protocol == ipv4.PROTOCOL_UDP and self.takes_early(interface, packet, verified, now):
            return
        if not self.is_ours(interface, packet.dst):
            raise WireError(Drop.IP_NOT_OURS)
        if is_group and not self.net.is_for_many(packet.dst):
            raise WireError(Drop.IP_GROUP_FRAME)  # RFC 1122 3.3.6: or one frame makes the whole link answer
        if packet.options and has_source_route(packet.options):
            raise WireError(Drop.IP_SOURCE_ROUTE)
        if packet.fragment_offset or packet.flags & ipv4.MF:
            raise WireError(Drop.IP_FRAGMENT)
        taken = packet.protocol in self._taps.ports and self._taps.input(interface, packet, data, now)
        transport = self._transports.get(packet.protocol)
        if transport is not None:
            transport.input(interface, packet, data, verified, now)
        elif packet.protocol == ipv4.PROTOCOL_ICMP:
            self.icmp.input(interface, packet, data, verified, taken, now)
        elif not taken:
            # RFC 1122 3.2.2.1: destination unreachable, code 2, for a protocol nobody takes.
            self.icmp.protocol_unreachable(interface, packet, data, now)
            raise WireError(Drop.IP_PROTOCOL_UNKNOWN)

    def _check_source(self, interface: Interface, packet: ipv4.Ipv4) -> None:
        # RFC 1122 3.2.1.3: the source must be a host's address, and 127/8 never appears outside a host.
        src = packet.src
        if self.net.is_for_many(src):
            raise WireError(Drop.IP_SOURCE)
        if not interface.is_loopback and (src[0] == 127 or packet.dst[0] == 127 or src in self.net.own_addresses):
            raise WireError(Drop.IP_SOURCE)

    def is_ours(self, interface: Interface, dst: bytes) -> bool:
        """Whether a packet for `dst` that came in on `interface` ends here."""
        if dst in self.net.own_addresses or dst in (BROADCAST4, ALL_SYSTEMS):
            return True
        if interface.is_loopback:
            return is_loopback(dst)
        return self.is_broadcast(interface, dst)

    def is_broadcast(self, interface: Interface, dst: bytes) -> bool:
        """The limited broadcast, or a subnet's own (RFC 1122 3.2.1.3)."""
        if dst == BROADCAST4:
            return True
        return dst in self.net.broadcasts and any(
            len(a.address) == 4 and a.prefixlen < 31 and dst == broadcast(a.address, a.prefixlen)
            for a in interface.addresses
        )

    # --- out

    def source_for(self, dst: bytes) -> bytes:
        """The address of ours that a packet to `dst` would carry. Raises ENETUNREACH."""
        hop = self.net.route_to(dst)
        if hop is None:
            raise error(errno.ENETUNREACH)
        return hop.source

    def output(
        self,
        protocol: int,
        src: bytes,
        dst: bytes,
        head: bytes,
        payload: bytes | memoryview,
        now: float,
        *,
        ttl: int | None = None,
        tos: int = 0,
        csum_offset: int | None = None,
        gso_size: int = 0,
        why: Event | None = None,
    ) -> None:
        """Send `head` + `payload` to `dst`. `csum_offset` says where in `head` a partial checksum waits for the
        device; `gso_size` is the segment size of a TCP super-segment. Raises EINVAL, ENETUNREACH, EMSGSIZE."""
        hop = self.net.route_to(dst)
        if hop is None:
            raise error(errno.ENETUNREACH)
        interface = hop.interface
        if src[0] == 127 and not interface.is_loopback:
            raise error(errno.EINVAL, "from loopback to another host")  # RFC 1122 3.2.1.3 (g): never on a wire
        length = len(head) + len(payload)
        if length + 20 > interface.mtu and not gso_size:
            raise error(errno.EMSGSIZE)  # fragments come with reassembly
        self._identification = (self._identification + 1) & 0xFFFF
        if ttl is None:
            ttl = self.net.config.ip_default_ttl
        ip = ipv4.emit(src, dst, protocol, length, ttl, tos, self._identification)
        offload = None
        if csum_offset is not None:
            start = ETHERNET_HEADER + len(ip)
            kind = GSO_TCPV4 if gso_size else GSO_NONE
            offload = Offload(True, start, csum_offset, kind, gso_size, start + len(head))
        self._send(hop, Packet(ip + head, payload, offload, why), now)

    def output_quietly(
        self, protocol: int, src: bytes, dst: bytes, head: bytes, payload: bytes, now: float, tos: int = 0
    ) -> None:
        """Send what nobody waits for: what has no route or does not fit is dropped with a reason."""
        try:
            self.output(protocol, src, dst, head, payload, now, tos=tos)
        except OSError as e:
            reason = Drop.TOO_BIG if e.errno == errno.EMSGSIZE else Drop.NO_ROUTE
            self.net.drop(Dropped(reason, None, True), now)

    def output_with_header(self, packet: bytes, now: float) -> None:
        """Send a packet whose header the user wrote (IP_HDRINCL); as raw(7): checksum and total length are filled in,
        and the identification and source where they are zero. Raises EINVAL, ENETUNREACH, EMSGSIZE."""
        try:
            fields = ipv4.fields(packet)
        except WireError as e:
            raise error(errno.EINVAL, str(e)) from None
        hop = self.net.route_to(fields.dst)
        if hop is None:
            raise error(errno.ENETUNREACH)
        if fields.version != 4 or fields.ihl < 5 or fields.ihl * 4 > len(packet):
            raise error(errno.EINVAL, "the packet does not begin with an IPv4 header")
        if len(packet) > hop.interface.mtu:
            raise error(errno.EMSGSIZE)
        self._identification = (self._identification + 1) & 0xFFFF
        src = hop.source if is_unspecified(fields.src) else fields.src
        head = completed(packet, fields.ihl * 4, src, fields.identification or self._identification)
        self._send(hop, Packet(head, b"", None, None), now)

    def _send(self, hop: NextHop, packet: Packet, now: float) -> None:
        """Hand a finished packet to the link, or to the neighbour cache that finds out where to."""
        if hop.mac is None:
            self.neighbors.output(hop.interface, hop.address, packet, now)
        else:
            self.net.transmit_packet(hop.interface, hop.mac, packet, now)

    def group_mac(self, interface: Interface, dst: bytes) -> bytes | None:
        """The hardware address of a broadcast or multicast destination; None if it is one station's."""
        if is_multicast(dst):
            # RFC 1112 6.4: the low 23 bits of the group.
            return bytes((0x01, 0x00, 0x5E, dst[1] & 0x7F, dst[2], dst[3]))
        return MAC_BROADCAST if self.is_broadcast(interface, dst) else None

    def confirm(self, address: bytes, now: float) -> None:
        """An upper layer saw progress from `address`, so its next hop is reachable (RFC 4861 7.3.1)."""
        hop = self.net.route_to(address)
        if hop is not None:
            self.neighbors.confirm(hop.interface, hop.address, now)

    def port_unreachable(self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, now: float) -> None:
        """Tell the sender of `packet` that nobody is at that port."""
        self.icmp.port_unreachable(interface, packet, data, now)

    def on_neighbor_failed(self, interface: Interface, packet: Packet, now: float) -> None:
        """RFC 1122 2.3.2.2, 3.2.2.1: tell the sender, who is on this host, that the next hop cannot be reached."""
        self.icmp.host_unreachable_locally(interface, packet.head + bytes(packet.payload[:64]), now)


def completed(packet: bytes, header_length: int, src: bytes, identification: int) -> bytes:
    """A user's own packet with total length, identification, source and header checksum filled in (raw(7))."""
    head = bytearray(packet[:header_length])
    head[2:4] = len(packet).to_bytes(2, "big")
    head[4:6] = identification.to_bytes(2, "big")
    head[10:12] = bytes(2)
    head[12:16] = src
    head[10:12] = checksum(bytes(head)).to_bytes(2, "big")
    return bytes(head) + packet[header_length:]


def has_source_route(options: bytes | memoryview) -> bool:
    """`options` as parsed, so they are well formed."""
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == 0:
            return False
        if kind in SOURCE_ROUTES:
            return True
        at += 1 if kind == 1 else options[at + 1]
    return False
