"""The composition: one host made of its layers, as a pure function of frames, user calls, time, configuration and seed.

Nothing here reads a clock, blocks, or opens anything. An engine feeds frames and time in, and takes frames and
readiness out. Whatever the bytes, `receive` drops them with a reason rather than raise.
"""

from __future__ import annotations

from stack.autoconf.acd import AddressConflictDetection
from stack.autoconf.dhcp_host import Dhcp
from stack.config import Config
from stack.events import Dropped, Event
from stack.frame import OutFrame
from stack.interface import Interface, InterfaceAddress, Offload
from stack.ip.ipv4 import Ipv4
from stack.ip.transport import Transport
from stack.neighbor import Neighbors
from stack.net import Net, Watched
from stack.raw import Raw
from stack.tcp.protocol import Tcp
from stack.udp import Udp
from stack.wire import ethernet, ipv4
from stack.wire.address import ANY4, BROADCAST4, format_ip, is_group_mac, is_multicast
from stack.wire.drop import Drop, WireError

LOOPBACK_BATCH = 64  # frames delivered in one `advance`


class Stack(Net):
    """One host. Every method that takes `now` is an entry of the engine's or of a user's call; none blocks."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.acd = AddressConflictDetection(self)
        self.neighbors = Neighbors(self, self.acd.arp_input)
        self.raw = Raw(self)
        self.udp = Udp(self)
        self.tcp = Tcp(self)
        transports: dict[int, Transport] = {ipv4.PROTOCOL_TCP: self.tcp, ipv4.PROTOCOL_UDP: self.udp}
        self.ipv4 = Ipv4(self, self.neighbors, transports, self.raw)
        self.versions[4] = self.ipv4
        self.dhcp = Dhcp(self, self.acd, self.ipv4, self.neighbors)
        self.ipv4.takes_early = self.dhcp.input
        self._latest = 0.0  # the newest `now` of a frame

    # --- set-up

    def add_address(self, interface: Interface, address: bytes, prefixlen: int, now: float) -> None:
        """Claim an address for an interface. It is probed for first (RFC 5227); AddressReady or AddressConflict
        follows."""
        if not 0 <= prefixlen <= len(address) * 8:
            raise ValueError(f"a prefix length is from 0 to {len(address) * 8}, not {prefixlen}")
        if is_multicast(address) or address in (BROADCAST4, ANY4):
            raise ValueError(f"{format_ip(address)} is no host's address")
        wanted = InterfaceAddress(address, prefixlen)
        self.asked_for.add((interface.index, address))
        if wanted in interface.addresses or wanted in interface.tentative:
            return

        def told(mac: bytes | None, now: float) -> None:
            if mac is not None:
                self.asked_for.discard((interface.index, address))

        self.acd.claim(interface, wanted, told, now)

    def remove_address(self, interface: Interface, address: bytes, now: float) -> None:
        """Give an address up; its subnet's route goes with it."""
        self.asked_for.discard((interface.index, address))
        self.acd.give_up(interface, address, now)
        self.uninstall_address(interface, address)

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
        self.tcp.send_more(now)
        for _ in range(min(len(self._looped), LOOPBACK_BATCH)):
            frame = self._looped.popleft()
            self._receive(frame.interface, frame.head + bytes(frame.payload), now, frame.offload, frame.why)

    def next_timeout(self) -> float | None:
        """When `advance` is next due: absolute; minus infinity if at once; None if never."""
        return float("-inf") if self._looped or self.tcp.sending else self.timers.next_at()

    def take_frames(self) -> list[OutFrame]:
        """What is to be written to the devices, in order. The batch of frames received before it ends here."""
        self.tcp.settle(self._latest)
        out, self._out = self._out, []
        return out

    def take_ready(self) -> list[Watched]:
        """The ports whose readiness may have changed since the last call."""
        ready, self.ready = self.ready, []
        for port in ready:
            port.is_ready_queued = False
        return ready
