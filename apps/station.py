"""A host on one device: the stack with its engine, sockets, resolver and services, and how it comes by its addresses.

Addresses are claimed (RFC 5227) or leased (RFC 2131). It refuses an address that somebody else has, and to wait
longer for a DHCP server than its configuration says.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from apps.announcer import Announcer
from services import Services
from stack.autoconf.dhcpv4 import Client
from stack.autoconf.lease import Lease
from stack.config import Config
from stack.engine import Engine
from stack.events import AddressConflict, Event, LeaseBound, LeaseReleased
from stack.interface import Interface
from stack.leases import Leases
from stack.link.device import Device
from stack.resolver import Resolver
from stack.socket import SocketModule
from stack.stack import Stack
from stack.tcp.state import State
from stack.trace.recorder import Recorder
from stack.wire.address import ANY4, format_ip, parse_ip, parse_prefix

GOODBYE = 2.0  # seconds that closing waits for what was sent to be acknowledged
RELEASE_WAIT = 1.5  # seconds that a lease's return may take
UNFINISHED = frozenset({State.SYN_RECEIVED, State.ESTABLISHED, State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK})


class Station:
    """A host on a device that is there already; it has no address before `claim` or `lease`. Closes the device with
    itself.

    engine stack socket selectors interface recorder resolver services    its parts
    """

    def __init__(
        self,
        device: Device,
        config: Config,
        *,
        name_servers: list[str] | None = None,
        search: list[str] | None = None,
        say: Callable[[str], object] | None = None,
    ) -> None:
        """`say` is told in a line each what happens to the addresses. Raises ValueError, OSError."""
        self.stack = Stack(config)
        self.recorder = Recorder()
        self.stack.observers.append(self.recorder)
        self.engine = Engine(self.stack)
        self.announcer = Announcer(say)
        self.stack.observers.append(self.announcer)
        try:
            self.socket = SocketModule(self.engine)
            self.selectors = self.socket.selectors
            self.resolver = Resolver(self.socket, name_servers, search)
            self.services = Services(self.socket, self.selectors, self.engine.spawn)
            self.interface: Interface = self.engine.attach(device)
        except BaseException:
            self.engine.close()
            self.announcer.close()
            raise
        self._leases: Leases | None = None
        self._bound: Lease | None = None  # the last lease, in the announcer's thread

    @property
    def address(self) -> str:
        """'192.168.1.3/24', with commas between several; 'no address' while there is none."""
        owned = [f"{format_ip(a.address)}/{a.prefixlen}" for a in tuple(self.interface.addresses)]
        return ", ".join(owned) or "no address"

    @property
    def dhcp(self) -> Client | None:
        """The DHCP client, if one runs: its `state` and its `lease`."""
        return self.stack.dhcp.on(self.interface)

    def claim(self, addresses: list[str], gateway: str | None = None) -> None:
        """Take addresses with their prefix lengths, and wait until they are ours: they are probed for first (RFC
        5227). OSError if somebody else has one."""
        wanted = [parse_prefix(text) for text in addresses]
        conflicts = _Conflicts()
        with self.engine as engine:
            before = len(self.interface.addresses)
            self.stack.observers.append(conflicts)
            for address, prefixlen in wanted:
                self.stack.add_address(self.interface, address, prefixlen, engine.now())
            engine.wait(lambda: conflicts.found or len(self.interface.addresses) >= before + len(set(wanted)))
            self.stack.observers.remove(conflicts)
            if conflicts.found:
                raise OSError(errno.EADDRINUSE, str(conflicts.found[0]))
            if gateway is not None:
                self.stack.routes.add(ANY4, 0, parse_ip(gateway), self.interface)

    def lease(self, leases: Leases | None = None) -> Lease:
        """Get an address from a DHCP server, and keep it until the end. `leases` remembers it between runs. OSError
        if no server gives us one within `dhcp_timeout` seconds."""
        timeout = self.stack.config.dhcp_timeout
        self._leases = leases
        self.announcer.followers.append(self._remember)
        known = None
        with self.engine as engine:
            if leases is not None:
                known = leases.load(self.interface.mac, engine.now())
            hostname = self.socket.names.hostname
            hostname = hostname if hostname.isascii() and len(hostname) < 256 else ""
            client = self.stack.dhcp.start(self.interface, engine.now(), known=known, hostname=hostname)
            if not engine.wait(lambda: client.lease is not None, timeout):
                where = self.interface.name
                raise OSError(errno.ETIMEDOUT, f"no DHCP server on {where} gave an address in {timeout:g} s")
            lease = client.lease
        assert lease is not None
        self.announcer.flush()
        return lease

    def end(self) -> None:
        """Stop the services, end the connections as far as `GOODBYE` allows, give the lease back, and go down. Again:
        nothing."""
        if self.engine.is_closed:
            return
        try:
            self.services.close()
            self._say_goodbye()
            self._release()
        finally:
            self.engine.close()
            self.announcer.close()

    def _say_goodbye(self) -> None:
        """Close every connection; what was sent and not yet acknowledged has a moment to get there."""
        with self.engine as engine:
            connections = list(self.stack.tcp.connections.values())
            for connection in connections:
                connection.close(engine.now())
            engine.wait(lambda: not any(c.state in UNFINISHED for c in connections), GOODBYE if connections else 0)

    def _release(self) -> None:
        """RFC 2131 4.4.6: give the lease back; the address is asked for again next time."""
        with self.engine as engine:
            client = self.dhcp
            if client is None:
                return
            self.stack.dhcp.release(self.interface, engine.now())
            engine.wait(lambda: self.dhcp is None, RELEASE_WAIT)

    def _remember(self, event: Event) -> None:
        """In the announcer's thread, in the order of what happened."""
        if self._leases is None:
            return
        if isinstance(event, LeaseBound):
            self._bound = event.lease
            self._leases.save(self.interface.mac, event.lease, self.engine.now())
        elif isinstance(event, LeaseReleased) and self._bound is not None:
            self._leases.save(self.interface.mac, self._bound, self.engine.now(), is_released=True)


class _Conflicts:
    """An observer: who else has an address of ours."""

    def __init__(self) -> None:
        self.found: list[AddressConflict] = []

    def on_frame(self, *args: Any) -> None:
        pass

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, AddressConflict) and not event.taken:
            self.found.append(event)
