"""What the protocols of one host have in common: settings, time-outs, interfaces, addresses, routes, and the way out.

Every layer is given the `Net` and, by name, the layers that it speaks to; none knows the `Stack` that puts them
together. What a transport wants of either version of IP is `Ip`. Like all of the core it reads no clock and blocks
nowhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from stack.config import Config
from stack.events import Dropped, Event, InterfaceDown, Observer
from stack.frame import OutFrame, Packet
from stack.interface import Abilities, Interface, InterfaceAddress
from stack.link import offload as segmentation
from stack.route import NextHop, Routes
from stack.timers import Timers
from stack.wire import ethernet, ipv4
from stack.wire.address import BROADCAST4, LOOPBACK4, MAC_ZERO, broadcast, is_loopback, is_multicast
from stack.wire.drop import Drop

LOOPBACK_MTU = 65_536


class Ip(Protocol):
    """One version of IP, as transports and routes see it."""

    header_length: int  # bytes, without options

    def source_for(self, dst: bytes) -> bytes:
        """The address of ours that a packet to `dst` would carry. Raises ENETUNREACH."""

    def group_mac(self, interface: Interface, dst: bytes) -> bytes | None:
        """The hardware address of a broadcast or multicast destination; None if it is one station's."""

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
        """Send `head` + `payload` to `dst`. Raises EINVAL, ENETUNREACH, EMSGSIZE."""

    def output_quietly(
        self, protocol: int, src: bytes, dst: bytes, head: bytes, payload: bytes, now: float, tos: int = 0
    ) -> None:
        """Send what nobody waits for: what cannot be sent is dropped with a reason."""

    def output_with_header(self, packet: bytes, now: float) -> None:
        """Send a packet whose header the user wrote. Raises EINVAL, ENETUNREACH, EMSGSIZE."""

    def port_unreachable(self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, now: float) -> None:
        """Tell the sender of `packet` that nobody is at that port."""

    def confirm(self, address: bytes, now: float) -> None:
        """An upper layer saw progress from `address`, so its next hop is reachable (RFC 4861 7.3.1)."""


class Watched(Protocol):
    """What an engine may have to tell somebody of: a port whose readiness may have changed."""

    watchers: list[Callable[[], None]]
    is_ready_queued: bool


class Net:
    """`versions` has the IP that speaks to addresses of a length; the rest of what is on hand is plain to see."""

    loopback_address = LOOPBACK4

    def __init__(self, config: Config) -> None:
        self.config = config
        self.timers = Timers()
        self.observers: list[Observer] = []
        self.drops: dict[Drop, int] = {}
        self.ready: list[Watched] = []
        self.interfaces: list[Interface] = []
        self.own_addresses: dict[bytes, Interface] = {}
        self.asked_for: set[tuple[int, bytes]] = set()  # by the user: interface's index, address
        self.broadcasts: frozenset[bytes] = frozenset()  # of all our subnets
        self.routes = Routes()
        self.versions: dict[int, Ip] = {}
        self._out: list[OutFrame] = []
        self._looped: deque[OutFrame] = deque()
        self.loopback = self._attach_loopback()

    def ip_for(self, address: bytes) -> Ip:
        """The IP version that speaks to `address`: transports know endpoints, not versions."""
        return self.versions[len(address)]

    # --- interfaces and addresses

    def attach(self, interface: Interface, now: float) -> Interface:
        """A link is there; it has no address yet."""
        interface.index = len(self.interfaces) + 1
        self.interfaces.append(interface)
        return interface

    def _attach_loopback(self) -> Interface:
        lo = Interface("lo", MAC_ZERO, LOOPBACK_MTU, Abilities(checksum=True, tso4=True, tso6=True), is_loopback=True)
        self.attach(lo, 0.0)
        self.install_address(lo, InterfaceAddress(LOOPBACK4, 8))
        return lo

    def install_address(self, interface: Interface, wanted: InterfaceAddress) -> None:
        """The address is ours: packets for it are accepted and its subnet is on the link."""
        interface.addresses.append(wanted)
        self.own_addresses[wanted.address] = interface
        self._find_broadcasts()
        self.routes.add(wanted.address, wanted.prefixlen, None, interface, source=wanted.address)

    def uninstall_address(self, interface: Interface, address: bytes) -> None:
        """Give an address up; its subnet's route goes with it."""
        interface.addresses = [a for a in interface.addresses if a.address != address]
        self.own_addresses.pop(address, None)
        self._find_broadcasts()
        for route in [r for r in self.routes if r.interface is interface and r.source == address]:
            self.routes.remove(route)
        self.routes.changed()

    def take_down(self, interface: Interface, why: str, now: float) -> None:
        """Its device is gone: nothing is sent there any more, and no route leads there."""
        interface.is_up = False
        self.routes.changed()
        self.emit(InterfaceDown(interface, why), now)

    def _find_broadcasts(self) -> None:
        known = [broadcast(a.address, a.prefixlen) for i in self.interfaces for a in i.addresses]
        self.broadcasts = frozenset(address for address in known if address is not None)

    def is_for_many(self, address: bytes) -> bool:
        """Whether it is a multicast or broadcast address, and so no single host's (RFC 1122 3.2.1.3)."""
        # What most addresses are not is looked at first: this is on the path of every packet.
        is_high = address[0] >= 224 and (is_multicast(address) or address == BROADCAST4)
        return is_high or address in self.broadcasts

    # --- the way

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
            is_link = interface.is_up and not interface.is_loopback
            source = interface.address_for(destination) if is_link else None
            if source is not None:
                return NextHop(interface, destination, source)
        return None

    # --- who watches

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

    # --- out

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
