"""The DHCP clients of a host, one per interface at most: it carries out what their state machines order.

Before an address exists nothing can be sent or received the usual way, so messages leave as whole frames from 0.0.0.0
to everybody, and UDP for port 68 is taken here, whatever address it is for, on interfaces where a client runs (RFC 2131
4.1). Everywhere else port 68 is a port like any other.
"""

from __future__ import annotations

from collections.abc import Iterator

from stack.autoconf.acd import AddressConflictDetection
from stack.autoconf.dhcpv4 import Claim, Client, Configure, Send, State, Withdraw
from stack.autoconf.lease import Known, Lease
from stack.interface import Interface, InterfaceAddress
from stack.neighbor import Neighbors
from stack.neighbor import State as NeighborState
from stack.net import Ip, Net
from stack.route import Route
from stack.wire import dhcpv4, ethernet, ipv4, udp
from stack.wire.address import ANY4, BROADCAST4, MAC_BROADCAST
from stack.wire.dhcpv4 import CLIENT_PORT, SERVER_PORT

PORT_68 = CLIENT_PORT.to_bytes(2, "big")
RELEASE_STEP = 0.02  # seconds between two looks whether the RELEASE has left
RELEASE_STEPS = 50


class Running:
    """One client with its timer and what it has installed."""

    def __init__(self, client: Client, dhcp: Dhcp) -> None:
        self.client = client
        self.link_mtu = client.interface.mtu
        self.routes: list[Route] = []
        self.leaving: Lease | None = None  # given back, but its RELEASE waits for ARP
        self.steps_left = 0
        self.is_busy = False
        self.timer = dhcp.net.timers.timer(lambda now: dhcp.on_timer(self, now))
        self.parting = dhcp.net.timers.timer(lambda now: dhcp.on_parting(self, now))


class Dhcp:
    """Iterates over the clients there are."""

    def __init__(self, net: Net, acd: AddressConflictDetection, ip: Ip, neighbors: Neighbors) -> None:
        self.net = net
        self.acd = acd
        self.ip = ip
        self.neighbors = neighbors
        self._running: dict[Interface, Running] = {}

    def __iter__(self) -> Iterator[Client]:
        return (running.client for running in self._running.values())

    def on(self, interface: Interface) -> Client | None:
        """The interface's client, also while a RELEASE is on its way out."""
        running = self._running.get(interface)
        return running.client if running is not None else None

    def start(
        self,
        interface: Interface,
        now: float,
        *,
        known: Known | None = None,
        hostname: str = "",
        client_id: bytes = b"",
    ) -> Client:
        """Get the interface an address; the client's `state` and `lease` say how far it is, `Lease...` events too.

        A client that runs there already is stopped first. ValueError for loopback, and for a host name that is not
        ASCII or longer than an option.
        """
        if interface.is_loopback:
            raise ValueError(f"{interface.name} has no DHCP server")
        if not hostname.isascii() or len(hostname) > 255:
            raise ValueError(f"a host name has at most 255 ASCII characters, not {hostname!r}")
        self.stop(interface, now)
        running = Running(Client(interface, self.net.config, hostname, client_id), self)
        self._running[interface] = running
        running.client.start(known, now)
        self._carry_out(running, now)
        return running.client

    def renew(self, interface: Interface, now: float) -> None:
        """Ask for more time now; nothing without a lease."""
        running = self._running.get(interface)
        if running is not None:
            running.client.renew(now)
            self._carry_out(running, now)

    def release(self, interface: Interface, now: float) -> None:
        """Give the lease back. The address stays until the RELEASE has left, which may take an ARP exchange: the client
        is gone (`on` says None) when it has, after a second at the latest."""
        running = self._running.get(interface)
        if running is None or running.client.state is State.STOPPED:
            return
        running.steps_left = RELEASE_STEPS if running.client.lease is not None else 0
        running.client.release(now)
        self._carry_out(running, now)
        self.on_parting(running, now)

    def stop(self, interface: Interface, now: float) -> None:
        """Take the address away and tell nobody; the lease may be asked for again."""
        running = self._running.get(interface)
        if running is not None:
            running.client.stop(now)
            running.steps_left = 0
            self._carry_out(running, now)
            self.on_parting(running, now)

    # --- in

    def input(self, interface: Interface, packet: ipv4.Ipv4, verified: bool, now: float) -> bool:
        """Take a UDP packet that is for a client here; False if it is not. Raises WireError for a malformed one."""
        running = self._running.get(interface)
        if running is None or packet.payload[2:4] != PORT_68 or packet.fragment_offset or packet.flags & ipv4.MF:
            return False
        datagram = udp.parse(packet.payload, packet.src, packet.dst, verified)
        dropped = running.client.input(dhcpv4.parse(datagram.payload), now)
        if dropped is not None:
            self.net.drop(dropped, now)
        self._carry_out(running, now)
        return True

    def on_timer(self, running: Running, now: float) -> None:
        running.client.on_timer(now)
        self._carry_out(running, now)

    # --- out

    def _carry_out(self, running: Running, now: float) -> None:
        """Do what the client has ordered, in order; what that makes it order is done in the same go."""
        if running.is_busy:
            return
        running.is_busy = True
        client = running.client
        while client.out:
            order = client.out.popleft()
            if isinstance(order, Send):
                self._send(client.interface, order, now)
            elif isinstance(order, Claim):
                self._claim(running, order.lease, now)
            elif isinstance(order, Configure):
                self._configure(running, order.lease)
            elif isinstance(order, Withdraw):
                self._withdraw(running, order.lease)
            else:
                self.net.emit(order, now)
        running.is_busy = False
        if client.wake_at is None:
            running.timer.cancel()
        else:
            running.timer.set(client.wake_at)

    def _send(self, interface: Interface, order: Send, now: float) -> None:
        head = udp.emit(order.src, order.dst, CLIENT_PORT, SERVER_PORT, order.payload)
        if order.dst != BROADCAST4:
            self.ip.output_quietly(ipv4.PROTOCOL_UDP, order.src, order.dst, head, order.payload, now)
            return
        # RFC 2131 4.1: to everybody on this link, whether or not there is a route, or an address to send from.
        packet = ipv4.emit(order.src, order.dst, ipv4.PROTOCOL_UDP, len(head) + len(order.payload)) + head
        self.net.transmit_to(interface, MAC_BROADCAST, ethernet.ETHERTYPE_IPV4, packet + order.payload, now)

    def _claim(self, running: Running, lease: Lease, now: float) -> None:
        client = running.client
        interface = client.interface
        if any(a.address == lease.address for a in interface.addresses):
            client.on_claimed(now)
            return
        # One that the user has asked for is being probed for already, with the user's mask.
        ours = InterfaceAddress(lease.address, lease.prefixlen)
        wanted = next((a for a in interface.tentative if a.address == lease.address), ours)

        def told(mac: bytes | None, now: float) -> None:
            if mac is None:
                client.on_claimed(now)
            else:
                client.on_conflict(mac, now)
            self._carry_out(running, now)

        self.acd.claim(interface, wanted, told, now)

    def _configure(self, running: Running, lease: Lease) -> None:
        interface = running.client.interface
        self._remove_routes(running)
        wanted = InterfaceAddress(lease.address, lease.prefixlen)
        if wanted not in interface.addresses and not self._is_user_s(interface, lease):
            # A renewal with another mask; whose the address is has been seen to.
            self.net.uninstall_address(interface, lease.address)
            self.net.install_address(interface, wanted)
        for route in lease.routes:
            gateway = None if route.router == ANY4 else route.router
            running.routes.append(
                self.net.routes.add(route.network, route.prefixlen, gateway, interface, source=lease.address)
            )
        # A device that was opened for less does not carry more.
        interface.mtu = min(lease.mtu or running.link_mtu, running.link_mtu)

    def _withdraw(self, running: Running, lease: Lease) -> None:
        if running.steps_left:
            running.leaving = lease
            return
        interface = running.client.interface
        self._remove_routes(running)
        interface.mtu = running.link_mtu
        if not self._is_user_s(interface, lease):
            self.acd.release(interface, lease.address)
            self.net.uninstall_address(interface, lease.address)

    def _is_user_s(self, interface: Interface, lease: Lease) -> bool:
        """Whether the user has asked for the address as well: then it stays as the user has it."""
        return (interface.index, lease.address) in self.net.asked_for

    def on_parting(self, running: Running, now: float) -> None:
        """Go, unless the RELEASE still waits for the server's hardware address."""
        lease = running.leaving
        if lease is not None:
            hop = self.net.route_to(lease.server)
            neighbor = self.neighbors.lookup(hop.interface, hop.address) if hop is not None else None
            if running.steps_left > 0 and neighbor is not None and neighbor.state is NeighborState.INCOMPLETE:
                running.steps_left -= 1
                running.parting.set(now + RELEASE_STEP)
                return
            running.leaving, running.steps_left = None, 0
            self._withdraw(running, lease)
        if self._running.get(running.client.interface) is running:
            del self._running[running.client.interface]

    def _remove_routes(self, running: Running) -> None:
        for route in running.routes:
            if route in self.net.routes:
                self.net.routes.remove(route)
        running.routes.clear()
