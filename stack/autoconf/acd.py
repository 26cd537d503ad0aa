"""IPv4 Address Conflict Detection (RFC 5227): probe, claim, announce, defend.

The timing is a setting: by default two probes 0.1 s apart and 0.2 s of silence, so that the first ping is answered
within half a second; the standard's own numbers stand beside each tunable. An address that is in use is reported and
not taken.
"""

from __future__ import annotations

from collections.abc import Callable

from stack.events import AddressConflict, AddressReady
from stack.interface import Interface, InterfaceAddress
from stack.net import Net
from stack.wire import arp, ethernet
from stack.wire.address import ANY4, MAC_BROADCAST, MAC_ZERO

# How a claim ended: who has the address (we ourselves, if it was given up), or None if it is ours; and when.
Told = Callable[[bytes | None, float], None]


class Claim:
    """One address on its way to being ours, and afterwards: `is_ours` once it is."""

    def __init__(
        self,
        acd: AddressConflictDetection,
        interface: Interface,
        wanted: InterfaceAddress,
        waiting: list[Told],
        now: float,
    ) -> None:
        config = acd.net.config
        self.interface = interface
        self.wanted = wanted
        self.waiting = waiting  # to be told how it ends
        self.is_ours = False
        self.probes_left = config.acd_probe_num
        self.announcements_left = config.acd_announce_num
        self.defended_at: float | None = None
        self.timer = acd.net.timers.timer(lambda now: acd.on_timer(self, now))
        # RFC 5227 2.1.1: hosts that are switched on together should not probe together.
        self.timer.set(now + config.rng.uniform(0.0, config.acd_probe_wait))


class AddressConflictDetection:
    def __init__(self, net: Net) -> None:
        self.net = net
        self._claims: dict[tuple[int, bytes], Claim] = {}

    def claim(self, interface: Interface, wanted: InterfaceAddress, told: Told, now: float) -> None:
        """Begin probing; `AddressReady` or `AddressConflict` follows, and `told` is called.

        A second claim takes the first one's place; who waits for that one is told how this one ends.
        """
        first = self._claims.get((interface.index, wanted.address))
        self.release(interface, wanted.address)
        claim = Claim(self, interface, wanted, [*(first.waiting if first is not None else ()), told], now)
        self._claims[(interface.index, wanted.address)] = claim
        interface.tentative.append(wanted)
        if claim.probes_left == 0 or self.net.config.acd_probe_wait == 0:
            self.on_timer(claim, now)

    def release(self, interface: Interface, address: bytes) -> None:
        claim = self._claims.pop((interface.index, address), None)
        if claim is not None:
            claim.timer.cancel()
            if claim.wanted in interface.tentative:
                interface.tentative.remove(claim.wanted)

    def give_up(self, interface: Interface, address: bytes, now: float) -> None:
        """As `release`, and who waits for the claim is told that it came to nothing."""
        claim = self._claims.get((interface.index, address))
        self.release(interface, address)
        if claim is not None:
            self._tell(claim, interface.mac, now)

    def _tell(self, claim: Claim, mac: bytes | None, now: float) -> None:
        waiting, claim.waiting = claim.waiting, []
        for told in waiting:
            told(mac, now)

    def on_timer(self, claim: Claim, now: float) -> None:
        config = self.net.config
        if claim.probes_left > 0:
            # RFC 5227 2.1.1: the sender's IP address is all zero, so that nobody's cache is touched.
            self._broadcast(claim, ANY4, now)
            claim.probes_left -= 1
            wait = config.acd_probe_interval if claim.probes_left else config.acd_announce_wait
            claim.timer.set(now + wait)
            return
        if not claim.is_ours:
            claim.is_ours = True
            claim.interface.tentative.remove(claim.wanted)
            self.net.install_address(claim.interface, claim.wanted)
            self.net.emit(AddressReady(claim.interface, claim.wanted.address, claim.wanted.prefixlen), now)
            self._tell(claim, None, now)
        if claim.announcements_left > 0:
            self._broadcast(claim, claim.wanted.address, now)
            claim.announcements_left -= 1
            if claim.announcements_left:
                claim.timer.set(now + config.acd_announce_interval)

    def arp_input(self, interface: Interface, message: arp.Arp, now: float) -> bool:
        """Look for a conflict in a message from another station; True if it is one and must not be used further."""
        claim = self._claims.get((interface.index, message.spa))
        if claim is not None:
            self._conflict(claim, message.sha, now)
            return True
        claim = self._claims.get((interface.index, message.tpa))
        if claim is not None and not claim.is_ours:
            # RFC 5227 2.1.1: somebody else is probing for the same address; nobody gets it.
            if message.op == arp.REQUEST and message.spa == ANY4:
                self._conflict(claim, message.sha, now)
            return True  # not ours yet: nothing is answered
        return False

    def _conflict(self, claim: Claim, mac: bytes, now: float) -> None:
        self.net.emit(AddressConflict(claim.interface, claim.wanted.address, mac, claim.is_ours), now)
        if not claim.is_ours:
            self.release(claim.interface, claim.wanted.address)
            self._tell(claim, mac, now)
            return
        # RFC 5227 2.4 (c): whoever brought the node up with this address wants it kept; it is defended, but not so
        # often that two who do so flood the link.
        if claim.defended_at is None or now - claim.defended_at >= self.net.config.acd_defend_interval:
            claim.defended_at = now
            self._broadcast(claim, claim.wanted.address, now)

    def _broadcast(self, claim: Claim, sender: bytes, now: float) -> None:
        message = arp.emit(arp.REQUEST, claim.interface.mac, sender, MAC_ZERO, claim.wanted.address)
        self.net.transmit_to(claim.interface, MAC_BROADCAST, ethernet.ETHERTYPE_ARP, message, now)
