"""Who is at which hardware address: one cache, with the states of RFC 4861 7.3 applied to ARP (RFC 826).

A neighbour that does not answer fails after a few requests; the packets that waited for it are handed back, so that
their senders learn of it. It speaks ARP only so far; Neighbor Discovery will share the states and bring its own
messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum

from stack.events import Dropped, NeighborChange
from stack.frame import OutFrame, Packet
from stack.interface import Interface
from stack.net import Net
from stack.wire import arp, ethernet
from stack.wire.address import MAC_BROADCAST, MAC_ZERO, is_group_mac, is_loopback
from stack.wire.drop import Drop, WireError


class State(Enum):
    """RFC 4861 7.3.2, and `ip neigh`'s FAILED."""

    INCOMPLETE = 1
    REACHABLE = 2
    STALE = 3
    DELAY = 4
    PROBE = 5
    FAILED = 6


class Neighbor:
    """One entry. `queue` holds packets only while the entry is INCOMPLETE."""

    __slots__ = (
        "address",
        "ethernet_head",
        "interface",
        "mac",
        "queue",
        "queued",
        "requests",
        "state",
        "timer",
        "updated_at",
    )

    def __init__(self, interface: Interface, address: bytes, cache: Neighbors, now: float) -> None:
        self.interface = interface
        self.address = address
        self.mac: bytes | None = None
        self.ethernet_head = b""
        self.state = State.FAILED
        self.queue: deque[Packet] = deque()
        self.queued = 0  # bytes
        self.requests = 0
        self.updated_at = now
        self.timer = cache.net.timers.timer(lambda now: cache.on_timer(self, now))


class Neighbors:
    """The cache. `is_claim(interface, message, now)` sees every ARP message first, and says whether it is of no use
    here; `on_unreachable(interface, packet, now)` is told of packets whose neighbour failed."""

    def __init__(self, net: Net, is_claim: Callable[[Interface, arp.Arp, float], bool]) -> None:
        self.net = net
        self._is_claim = is_claim
        self.on_unreachable: Callable[[Interface, Packet, float], None] = lambda interface, packet, now: None
        self._entries: dict[tuple[int, bytes], Neighbor] = {}

    def __iter__(self) -> Iterator[Neighbor]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def lookup(self, interface: Interface, address: bytes) -> Neighbor | None:
        return self._entries.get((interface.index, address))

    # --- on the way out

    def output(self, interface: Interface, address: bytes, packet: Packet, now: float) -> None:
        """Send `packet` to the neighbour, at once if it is known, else when it has answered."""
        entry = self._entries.get((interface.index, address)) or self._create(interface, address, now)
        if entry.state is State.REACHABLE or entry.state is State.DELAY or entry.state is State.PROBE:
            self._transmit(entry, packet, now)
        elif entry.state is State.STALE:
            # RFC 4861 7.3.3: a stale entry is used, and checked soon after unless something confirms it.
            self._enter(entry, State.DELAY, now)
            entry.timer.set(now + self.net.config.arp_delay_first_probe)
            self._transmit(entry, packet, now)
        else:
            if entry.state is State.FAILED:
                self._enter(entry, State.INCOMPLETE, now)
                entry.requests = 0
            self._enqueue(entry, packet, now)
            if entry.requests == 0:
                self._solicit(entry, now)

    def confirm(self, interface: Interface, address: bytes, now: float) -> None:
        """RFC 4861 7.3.1: an upper layer saw progress, so the neighbour is reachable."""
        entry = self._entries.get((interface.index, address))
        if entry is not None and entry.state in (State.STALE, State.DELAY, State.PROBE):
            self._reachable(entry, now)

    def _enqueue(self, entry: Neighbor, packet: Packet, now: float) -> None:
        # RFC 1122 2.3.2.2: keep at least the latest packet while its neighbour is being asked for; the oldest goes
        # first.
        entry.queue.append(packet)
        entry.queued += len(packet.head) + len(packet.payload)
        while entry.queued > self.net.config.arp_queue_bytes and len(entry.queue) > 1:
            oldest = entry.queue.popleft()
            entry.queued -= len(oldest.head) + len(oldest.payload)
            self.net.drop(Dropped(Drop.NEIGHBOR_QUEUE_FULL, entry.interface, True), now)

    def _transmit(self, entry: Neighbor, packet: Packet, now: float) -> None:
        head = entry.ethernet_head + packet.head
        self.net.transmit(OutFrame(entry.interface, head, packet.payload, packet.offload, packet.why), now)

    def _solicit(self, entry: Neighbor, now: float) -> None:
        interface = entry.interface
        source = interface.address_for(entry.address)
        if source is not None:
            # RFC 4861 7.3.3: a known neighbour is probed at its own address, an unknown one by broadcast.
            to = entry.mac if entry.state is State.PROBE and entry.mac else MAC_BROADCAST
            message = arp.emit(arp.REQUEST, interface.mac, source, MAC_ZERO, entry.address)
            self.net.transmit_to(interface, to, ethernet.ETHERTYPE_ARP, message, now)
        entry.requests += 1
        entry.timer.set(now + self.net.config.arp_retrans_timer)

    def on_timer(self, entry: Neighbor, now: float) -> None:
        """What the entry's deadline means depends on its state (RFC 4861 7.3.3)."""
        if entry.state is State.REACHABLE:
            self._enter(entry, State.STALE, now)
        elif entry.state is State.DELAY:
            self._enter(entry, State.PROBE, now)
            entry.requests = 0
            self._solicit(entry, now)
        elif entry.state is State.INCOMPLETE or entry.state is State.PROBE:
            if entry.requests < self.net.config.arp_max_requests:
                self._solicit(entry, now)
            else:
                self._fail(entry, now)

    def _fail(self, entry: Neighbor, now: float) -> None:
        self._enter(entry, State.FAILED, now)
        entry.mac = None
        waiting, entry.queue, entry.queued = entry.queue, deque(), 0
        for packet in waiting:
            self.net.drop(Dropped(Drop.NEIGHBOR_FAILED, entry.interface, True), now)
            self.on_unreachable(entry.interface, packet, now)

    # --- on the way in

    def arp_input(self, interface: Interface, data: memoryview, now: float) -> None:
        """RFC 826, "Packet Reception", with RFC 5227's watch for other claimants of our addresses."""
        message = arp.parse(data)
        if message.op not in (arp.REQUEST, arp.REPLY) or is_group_mac(message.sha) or message.sha == MAC_ZERO:
            raise WireError(Drop.ARP_MALFORMED)
        if is_loopback(message.spa) or self.net.is_for_many(message.spa):
            raise WireError(Drop.ARP_MALFORMED)  # as an IP source would be: RFC 1122 3.2.1.3
        if message.sha == interface.mac:
            return  # our own, come back
        if self._is_claim(interface, message, now):
            return
        known = self._entries.get((interface.index, message.spa))
        is_for_us = any(a.address == message.tpa for a in interface.addresses)
        if known is not None:
            self._heard(known, message, is_for_us, now)
        if not is_for_us:
            return
        if message.op == arp.REQUEST:
            if known is None and interface.is_on_link(message.spa):
                # RFC 4861 7.2.3: who asks for us will hear from us soon, so remember it, though unconfirmed.
                self._learn(self._create(interface, message.spa, now), message.sha, State.STALE, now)
            reply = arp.emit(arp.REPLY, interface.mac, message.tpa, message.sha, message.spa)
            self.net.transmit_to(interface, message.sha, ethernet.ETHERTYPE_ARP, reply, now)

    def _heard(self, entry: Neighbor, message: arp.Arp, is_for_us: bool, now: float) -> None:
        # RFC 4861 7.2.5: only an answer to a question confirms; whoever speaks unasked may be anybody.
        is_asked = entry.state is State.INCOMPLETE or entry.state is State.PROBE
        is_answer = message.op == arp.REPLY and is_for_us and is_asked
        if is_answer or (entry.state is State.INCOMPLETE and is_for_us):
            self._learn(entry, message.sha, State.REACHABLE if is_answer else State.STALE, now)
        elif entry.mac != message.sha:
            # A neighbour that announces a new hardware address is believed, but not yet trusted.
            self._learn(entry, message.sha, State.STALE, now)

    def _learn(self, entry: Neighbor, mac: bytes, state: State, now: float) -> None:
        entry.mac = mac
        entry.ethernet_head = ethernet.emit(mac, entry.interface.mac, ethernet.ETHERTYPE_IPV4)
        entry.updated_at = now
        if state is State.REACHABLE:
            self._reachable(entry, now)
        else:
            entry.timer.cancel()
            self._enter(entry, state, now)
        waiting, entry.queue, entry.queued = entry.queue, deque(), 0
        for packet in waiting:
            self._transmit(entry, packet, now)

    def _reachable(self, entry: Neighbor, now: float) -> None:
        self._enter(entry, State.REACHABLE, now)
        # RFC 4861 6.3.2: spread, so that neighbours do not expire together.
        spread = self.net.config.rng.uniform(0.5, 1.5)
        entry.timer.set(now + self.net.config.arp_reachable_time * spread)

    # --- the cache

    def _create(self, interface: Interface, address: bytes, now: float) -> Neighbor:
        if len(self._entries) >= self.net.config.arp_cache_size:
            self._evict(now)
        entry = Neighbor(interface, address, self, now)
        self._entries[(interface.index, address)] = entry
        return entry

    def _evict(self, now: float) -> None:
        """Make room: the oldest entry that nobody waits for goes, else the oldest."""
        idle = (State.STALE, State.FAILED)
        key = next((k for k, e in self._entries.items() if e.state in idle), None) or next(iter(self._entries))
        entry = self._entries.pop(key)
        entry.timer.cancel()
        for _ in entry.queue:
            self.net.drop(Dropped(Drop.NEIGHBOR_QUEUE_FULL, entry.interface, True), now)

    def _enter(self, entry: Neighbor, state: State, now: float) -> None:
        if entry.state is not state:
            entry.state = state
            self.net.emit(NeighborChange(entry.interface, entry.address, entry.mac, state.name), now)

    def flush(self, interface: Interface) -> None:
        """Forget everybody on this interface."""
        for key in [k for k in self._entries if k[0] == interface.index]:
            self._entries.pop(key).timer.cancel()


def describe(entry: Neighbor) -> str:
    """As `ip neigh` writes it: 10.9.0.2 dev tap0 lladdr 62:bb:00:00:00:01 REACHABLE."""
    return str(NeighborChange(entry.interface, entry.address, entry.mac, entry.state.name))
