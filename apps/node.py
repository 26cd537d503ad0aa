"""A Node: one TCP/IP host on one link.

The stack, its engine, its sockets, trace and services, and what came with the link (a lab's kernel, a second node on a
simulated cable). Everything is gone when it is closed. It refuses IPv6, which is not built yet.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from contextvars import Token
from functools import partial
from random import Random
from types import TracebackType
from typing import Any

from apps import APPS
from services import Services
from stack import interrupt
from stack.config import Config
from stack.engine import Engine
from stack.events import AddressConflict, Event
from stack.interface import Interface
from stack.link.cable import Cable
from stack.link.choose import Extras, open_link
from stack.link.device import Device
from stack.socket import SocketModule, current, running
from stack.stack import Stack
from stack.tcp.state import State
from stack.trace.recorder import Recorder
from stack.trace.trace import Trace
from stack.wire.address import (
    ANY4,
    broadcast,
    format_ip,
    in_prefix,
    is_loopback,
    is_multicast,
    network,
    parse_ip,
    parse_prefix,
)

DEFAULT_ADDRESS = "192.168.1.3/24"
PEER_SERVICES = ("echo", "http")
GOODBYE = 2.0  # seconds that closing waits for what was sent to be acknowledged
UNFINISHED = frozenset({State.SYN_RECEIVED, State.ESTABLISHED, State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK})


class Station:
    """A host on a device that is there already. Closes the device with itself; raises OSError if an address is in use.

    engine stack socket selectors interface recorder services    its parts
    """

    def __init__(
        self, addresses: list[str], device: Device, config: Config, gateway: str | None = None
    ) -> None:
        self.stack = Stack(config)
        self.recorder = Recorder()
        self.stack.observers.append(self.recorder)
        self.engine = Engine(self.stack)
        self.socket = SocketModule(self.engine)
        self.selectors = self.socket.selectors
        self.services = Services(self.socket, self.selectors, self.engine.spawn)
        try:
            self.interface: Interface = self.engine.attach(device)
            self._configure([parse_prefix(text) for text in addresses], gateway)
        except BaseException:
            self.engine.close()
            raise

    def _configure(self, addresses: list[tuple[bytes, int]], gateway: str | None) -> None:
        """Claim the addresses and wait until they are ours: they are probed for first (RFC 5227)."""
        conflicts = _Conflicts()
        with self.engine as engine:
            self.stack.observers.append(conflicts)
            for address, prefixlen in addresses:
                self.stack.add_address(self.interface, address, prefixlen, engine.now())
            engine.wait(lambda: conflicts.found or len(self.interface.addresses) >= len(set(addresses)))
            self.stack.observers.remove(conflicts)
            if conflicts.found:
                raise OSError(errno.EADDRINUSE, str(conflicts.found[0]))
            if gateway is not None:
                self.stack.routes.add(ANY4, 0, parse_ip(gateway), self.interface)

    def end(self) -> None:
        """Stop the services, end the connections as far as `GOODBYE` allows, and go down. Again: nothing."""
        if self.engine.is_closed:
            return
        try:
            self.services.close()
            self._say_goodbye()
        finally:
            self.engine.close()

    def _say_goodbye(self) -> None:
        """Close every connection; what was sent and not yet acknowledged has a moment to get there."""
        with self.engine as engine:
            connections = list(self.stack.tcp.connections.values())
            for connection in connections:
                connection.close(engine.now())
            engine.wait(lambda: not any(c.state in UNFINISHED for c in connections), GOODBYE if connections else 0)


class _Conflicts:
    """An observer: who else has an address of ours."""

    def __init__(self) -> None:
        self.found: list[AddressConflict] = []

    def on_frame(self, *args: Any) -> None:
        pass

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, AddressConflict) and not event.taken:
            self.found.append(event)


class Node(Station):
    """One host on a link. `with Node('192.168.1.3/24', link='lab') as node: node.ping('192.168.1.1')`

    `addresses` have prefix lengths (24 if not); without one it is 192.168.1.3/24. `link` is 'tap:NAME',
    'packet:INTERFACE', 'lab', 'sim', a Device, or None for the best there is. `seed` makes its random numbers
    repeatable; `settings` are those of `stack.config`. Raises ValueError for what makes no sense and OSError for what
    is not to be had, each with one clear line.

    engine stack socket selectors interface trace services    its parts
    address description    '192.168.1.3/24', and the link in one line
    peer     the other host's address if the link brought one, None otherwise
    lab      the lab it is on, None on other links
    cable, other    the simulated cable and the Station at its other end, None on other links
    ping(...) and every other app    as at the prompt
    """

    def __init__(
        self,
        *addresses: str,
        link: str | Device | None = None,
        gateway: str | None = None,
        seed: int | None = None,
        **settings: int | float | bool,
    ) -> None:
        wanted = [_with_prefix(text) for text in addresses or (DEFAULT_ADDRESS,)]
        _check_gateway(gateway, wanted)
        config = _config(seed, "node", settings)
        self._token: Token[Any] | None = None
        self.other: Station | None = None
        self._closing = ExitStack()
        if interrupt.install():
            self._closing.callback(interrupt.uninstall)
        try:
            device, extras = self._open(link, wanted[0], seed)
            super().__init__(wanted, device, config, gateway)
            self._closing.callback(self.end)
            self.trace = Trace(self.recorder, self.engine.now)
            self._closing.callback(lambda: self.trace.off())
            running.append(self)
            self._closing.callback(running.remove, self)
        except BaseException:
            self._closing.close()
            raise
        self.link = device
        self.lab = extras.lab
        self.cable: Cable | None = extras.cable
        self.peer = None if extras.peer is None else format_ip(extras.peer)
        self.address = ", ".join(wanted)

    def _open(self, link: str | Device | None, address: str, seed: int | None) -> tuple[Device, Extras]:
        """The device, and what came with it: to be closed after us."""
        if not (link is None or isinstance(link, str)):
            self.description = link.description
            return link, Extras()
        packed, prefixlen = parse_prefix(address)
        device, self.description, extras = open_link(link, packed, prefixlen, rng=_random(seed, "cable"))
        if extras.lab is not None:
            self._closing.callback(extras.lab.close)
        if extras.cable is not None and extras.peer is not None:
            try:
                other = f"{format_ip(extras.peer)}/{prefixlen}"
                self.other = Station([other], extras.ends[1], _config(seed, "peer", {"acd_probe_num": 0}))
            except BaseException:
                device.close()
                raise
            self._closing.callback(self.other.end)
            for name in PEER_SERVICES:
                self.other.services.start(name)
        return device, extras

    def run(self, command: str = "") -> int:
        """Run a shell command, or a shell, on the lab's kernel host, at this terminal; its exit code. RuntimeError
        without a lab."""
        if self.lab is None:
            raise RuntimeError("there is no other host to run commands on: only --link lab has one")
        return self.lab.run(command)

    def close(self) -> None:
        """Take it down, and what came with its link. Again: nothing."""
        self._closing.close()

    def __enter__(self) -> Node:
        self._token = current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            current.reset(self._token)
            self._token = None
        self.close()

    def __getattr__(self, name: str) -> Any:
        app = APPS.get(name)
        if app is None or app.call is None:
            raise AttributeError(f"a node has no {name!r}")
        return partial(app.call, node=self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for name, app in APPS.items() if app.call is not None)})

    def __repr__(self) -> str:
        return f"<Node {self.address} on {self.description}>"


def _with_prefix(text: str) -> str:
    """'192.168.1.3/24', checked to be a host's; the prefix length is 24 if it is not given. ValueError."""
    text = text if "/" in text else f"{text}/24"
    address, prefixlen = parse_prefix(text)
    if len(address) != 4:
        raise ValueError(f"{text}: IPv6 is not built yet")
    kind = ""
    if is_multicast(address):
        kind = "a multicast address"
    elif is_loopback(address):
        kind = "a loopback address"
    elif address[0] == 0 or address[0] >= 240:
        kind = "no host's address"
    elif prefixlen == 0:
        kind = "on no network: a prefix length is from 1 to 32"
    elif prefixlen < 31 and address == broadcast(address, prefixlen):
        kind = "the broadcast address of its network"
    elif prefixlen < 31 and address == network(address, prefixlen):
        kind = "the address of the network itself"
    if kind:
        raise ValueError(f"{text} is {kind}")
    return text


def _check_gateway(gateway: str | None, addresses: list[str]) -> None:
    if gateway is None:
        return
    packed = parse_ip(gateway)
    if not any(in_prefix(packed, *parse_prefix(text)) for text in addresses):
        raise ValueError(f"the gateway {gateway} is not on the network of {' or '.join(addresses)}")


def _random(seed: int | None, name: str) -> Random:
    return Random() if seed is None else Random(f"{seed} {name}")


def _config(seed: int | None, name: str, settings: dict[str, int | float | bool]) -> Config:
    rng = _random(seed, name)
    return Config(rng, rng.randbytes(16) if seed is not None else os.urandom(16), **settings)

