"""The composition: one host made of its layers, as a pure function of frames, user calls, time, configuration and seed.

Nothing here reads a clock, blocks, or opens anything. An engine feeds frames and time in, and takes frames and
readiness out. Whatever the bytes, `receive` drops them with a reason rather than raise.
"""

from __future__ import annotations

import errno
from collections import deque

from stack.autoconf.acd import AddressConflictDetection, Told
from stack.autoconf.dhcp_host import Dhcp
from stack.config import Config
from stack.events import Dropped, Event, Observer
from stack.interface import Abilities, Interface, InterfaceAddress, Offload, OutFrame
from stack.ip.icmp import Icmp
from stack.ip.ipv4 import Ipv4
from stack.link import offload as segmentation
from stack.neighbor import Neighbors, Packet
from stack.port import Port
from stack.raw import Raw
from stack.route import NextHop, Routes
from stack.tcp import output
from stack.tcp.connection import Connection
from stack.tcp.protocol import Tcp
from stack.timers import Timers
from stack.udp import Udp
from stack.wire import ethernet
from stack.wire.address import (
    ANY4,
    BROADCAST4,
    LOOPBACK4,
    MAC_ZERO,
    broadcast,
    format_ip,
    is_group_mac,
    is_loopback,
    is_multicast,
)
from stack.wire.drop import Drop, WireError

LOOPBACK_MTU = 65_536
LOOPBACK_BATCH = 64  # frames delivered in one `advance`


class Stack:
    """One host. Every method that takes `now` is an entry of the engine's or of a user's call; none blocks."""

    loopback_address = LOOPBACK4

    def __init__(self, config: Config) -> None:
        self.config = config
        self.timers = Timers()
        self.observers: list[Observer] = []
        self.drops: dict[Drop, int] = {}
        self.ready: list[Port] = []
        self.interfaces: list[Interface] = []
        self.own_addresses: dict[bytes, Interface] = {}
        self.broadcasts: frozenset[bytes] = frozenset()  # of all our subnets
        self.routes = Routes()
        self.ipv4 = Ipv4(self)
        self.neighbors = Neighbors(self, self.ipv4.on_neighbor_failed)
        self.acd = AddressConflictDetection(self)
        self.dhcp = Dhcp(self)
        self.icmp = Icmp(self)
        self.udp = Udp(self)
        self.raw = Raw(self)
        self.tcp = Tcp(self)
        self.owing: list[Connection] = []  # connections that owe an ACK at the end of this batch
        self._sending: deque[Connection] = deque()  # those that could send more at once than one turn allows
        self._out: list[OutFrame] = []
        self._latest = 0.0  # the newest `now` of a frame
        self._looped: deque[OutFrame] = deque()
        self.loopback = self._attach_loopback()

    # --- set-up

    def attach(self, interface: Interface, now: float) -> Interface:
        """A link is there; it has no address yet."""
        interface.index = len(self.interfaces) + 1
        self.interfaces.append(interface)
        return interface

    def _attach_loopback(self) -> Interface:
        lo = Interface("lo", MAC_ZERO, LOOPBACK_MTU, Abilities(checksum=True, tso4=True, tso6=True), is_loopback=True)
        self.attach(lo, 0.0)
        self.install_address(lo, InterfaceAddress(LOOPBACK4, 8), 0.0)
        return lo

    def add_address(
        self, interface: Interface, address: bytes, prefixlen: int, now: float, told: Told | None = None
    ) -> None:
        """Claim an address for an interface. It is probed for first (RFC 5227); AddressReady or AddressConflict
        follows, and `told` is called with (None or the owner's hardware address, now)."""
        if not 0 <= prefixlen <= len(address) * 8:
            raise ValueError(f"a prefix length is from 0 to {len(address) * 8}, not {prefixlen}")
        if is_multicast(address) or address in (BROADCAST4, ANY4):
            raise ValueError(f"{format_ip(address)} is no host's address")
        wanted = InterfaceAddress(address, prefixlen)
        if wanted in interface.addresses or wanted in interface.tentative:
            return
        self.acd.claim(interface, wanted, now, told)

    def install_address(self, interface: Interface, wanted: InterfaceAddress, now: float) -> None:
        """The address is ours: packets for it are accepted and its subnet is on the link."""
        interface.addresses.append(wanted)
        self.own_addresses[wanted.address] = interface
        self._find_broadcasts()
        self.routes.add(wanted.address, wanted.prefixlen, None, interface, source=wanted.address)
        self.routes.changed()

    def remove_address(self, interface: Interface, address: bytes, now: float) -> None:
        """Give an address up; its subnet's route goes with it."""
        self.acd.release(interface, address)
        interface.addresses = [a for a in interface.addresses if a.address != address]
        self.own_addresses.pop(address, None)
        self._find_broadcasts()
        for route in [r for r in self.routes if r.interface is interface and r.source == address]:
            self.routes.remove(route)
        self.routes.changed()

    def _find_broadcasts(self) -> None:
        known = [broadcast(a.address, a.prefixlen) for i in self.interfaces for a in i.addresses]
        self.broadcasts = frozenset(address for address in known if address is not None)

    def may_bind(self, address: bytes) -> bool:
        """Whether a socket may have `address` as its own."""
        return address in self.own_addresses or is_loopback(address) or is_multicast(address)

    def route_to(self, destination: bytes) -> NextHop | None:
        """The way to `destination`; our own addresses and 127/8 lead back by loopback."""
        try:
            return self.routes.remembered[destination]
        except KeyError:
            return self.routes.remember(destination, self._find_way(destination))

    def _find_way(self, destination: bytes) -> NextHop | None:
        if destination in self.own_addresses:
            return NextHop(self.loopback, destination, destination, MAC_ZERO)
        if is_loopback(destination):
            return NextHop(self.loopback, destination, LOOPBACK4, MAC_ZERO)
        hop = self.routes.lookup(destination)
        if hop is None and (destination == BROADCAST4 or is_multicast(destination)):
            hop = self._any_link(destination)
        if hop is None:
            return None
        return hop._replace(mac=self.ip_for(destination).group_mac(hop.interface, destination))

    def _any_link(self, destination: bytes) -> NextHop | None:
        """The first real link: where a broadcast or multicast goes when no route says."""
        for interface in self.interfaces:
            source = None if interface.is_loopback else interface.address_for(destination)
            if source is not None:
                return NextHop(interface, destination, source)
        return None

    # --- the engine's side

    def receive(self, interface: Interface, frame: bytes, now: float, offload: Offload | None = None) -> None:
        """One frame from a device. Never raises, whatever the bytes."""
        self._receive(interface, frame, now, offload, None)

    def _receive(
        self, interface: Interface, frame: bytes, now: float, offload: Offload | None, why: Event | None
    ) -> None:
        self._latest = now
        counters = interface.counters
        counters.rx_packets += 1
        counters.rx_bytes += len(frame)
        for observer in self.observers:
            observer.on_frame(interface, False, frame, b"", offload, why, now)
        try:
            self._frame_input(interface, frame, now, offload)
        except WireError as e:
            self.drop(Dropped(e.reason, interface), now)

    def _frame_input(self, interface: Interface, frame: bytes, now: float, offload: Offload | None) -> None:
        header = ethernet.parse(frame)
        is_group = header.dst != interface.mac
        if is_group and not is_group_mac(header.dst):
            raise WireError(Drop.NOT_OUR_MAC)
        if header.ethertype == ethernet.ETHERTYPE_IPV4:
            verified = offload is not None and (offload.needs_checksum or offload.verified)
            self.ipv4.input(interface, header.payload, verified, is_group, now)
        elif header.ethertype == ethernet.ETHERTYPE_ARP and not interface.is_loopback:
            self.neighbors.arp_input(interface, header.payload, now)
        else:
            raise WireError(Drop.ETHERTYPE_UNKNOWN)

    def advance(self, now: float) -> None:
        """Run every timer due at or before `now`, and deliver what was sent to ourselves."""
        self.timers.run(now)
        if self._sending:
            output.run(self._sending.popleft(), now)
        for _ in range(min(len(self._looped), LOOPBACK_BATCH)):
            frame = self._looped.popleft()
            self._receive(frame.interface, frame.head + bytes(frame.payload), now, frame.offload, frame.why)

    def next_timeout(self) -> float | None:
        """When `advance` is next due: absolute; minus infinity if at once; None if never."""
        return float("-inf") if self._looped or self._sending else self.timers.next_at()

    def take_frames(self) -> list[OutFrame]:
        """What is to be written to the devices, in order. The batch of frames received before it ends here."""
        if self.owing:
            owing, self.owing = self.owing, []
            for tcb in owing:
                output.settle(tcb, self._latest)
        out, self._out = self._out, []
        return out

    def take_ready(self) -> list[Port]:
        """The ports whose readiness may have changed since the last call."""
        ready, self.ready = self.ready, []
        for port in ready:
            port._is_ready_queued = False
        return ready

    # --- the layers' side

    def ip_for(self, address: bytes) -> Ipv4:
        """The IP version that speaks to `address`: transports know endpoints, not versions."""
        return self.ipv4

    def send_more(self, tcb: Connection) -> None:
        """A connection has had its turn and is not done: it has another in the next `advance`, which is due at once."""
        if tcb not in self._sending:
            self._sending.append(tcb)

    def confirm(self, address: bytes, now: float) -> None:
        """An upper layer saw progress from `address`, so its next hop is reachable (RFC 4861 7.3.1)."""
        hop = self.route_to(address)
        if hop is not None:
            self.neighbors.confirm(hop.interface, hop.address, now)

    def emit(self, event: Event, now: float) -> None:
        for observer in self.observers:
            observer.on_event(event, now)

    def drop(self, dropped: Dropped, now: float) -> None:
        """Count a packet that ends here, and say why."""
        self.drops[dropped.reason] = self.drops.get(dropped.reason, 0) + 1
        if dropped.interface is not None:
            if dropped.outgoing:
                dropped.interface.counters.tx_dropped += 1
            else:
                dropped.interface.counters.rx_dropped += 1
        self.emit(dropped, now)

    def output_quietly(
        self, protocol: int, src: bytes, dst: bytes, head: bytes, payload: bytes, now: float, tos: int = 0
    ) -> None:
        """Send what nobody waits for: what has no route or does not fit is dropped with a reason."""
        try:
            self.ipv4.output(protocol, src, dst, head, payload, now, tos=tos)
        except OSError as e:
            reason = Drop.TOO_BIG if e.errno == errno.EMSGSIZE else Drop.NO_ROUTE
            self.drop(Dropped(reason, None, True), now)

    def transmit_to(self, interface: Interface, mac: bytes, ethertype: int, message: bytes, now: float) -> None:
        """Send one small message to a hardware address."""
        self.transmit(OutFrame(interface, ethernet.emit(mac, interface.mac, ethertype) + message, b"", None, None), now)

    def transmit_packet(self, interface: Interface, mac: bytes, packet: Packet, now: float) -> None:
        head = ethernet.emit(mac, interface.mac, ethernet.ETHERTYPE_IPV4) + packet.head
        self.transmit(OutFrame(interface, head, packet.payload, packet.offload, packet.why), now)

    def transmit(self, frame: OutFrame, now: float) -> None:
        """Queue a frame for its device, cut and checksummed as far as the device cannot do it."""
        interface = frame.interface
        if not interface.is_up:
            self.drop(Dropped(Drop.INTERFACE_DOWN, interface, True), now)
            return
        abilities = interface.abilities
        if frame.offload is None or (abilities.checksum and abilities.tso4):
            self._put(frame, now)
        else:
            for piece in segmentation.prepare(frame, abilities):
                self._put(piece, now)

    def _put(self, frame: OutFrame, now: float) -> None:
        interface = frame.interface
        interface.counters.tx_packets += 1
        interface.counters.tx_bytes += frame.size
        if interface.is_loopback:
            self._looped.append(frame)  # observed when it arrives: once, as tcpdump on lo shows it
            return
        for observer in self.observers:
            observer.on_frame(interface, True, frame.head, frame.payload, frame.offload, frame.why, now)
        self._out.append(frame)
