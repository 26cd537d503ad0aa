"""A Node: one TCP/IP host on one link, with what came with the link (a lab's kernel, a second node on a simulated
cable).

Everything is gone when it is closed. It refuses IPv6, which is not built yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from contextvars import Token
from functools import partial
from random import Random
from types import TracebackType
from typing import Any

from apps import APPS
from apps.station import Station
from stack import interrupt
from stack.config import Config
from stack.leases import Leases
from stack.link.cable import Cable
from stack.link.choose import KINDS, Extras, open_link
from stack.link.device import Device
from stack.socket import current, running
from stack.trace.trace import Trace
from stack.wire.address import (
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
LONGEST_PREFIX = 30  # that a DHCP server has something to give from


class Node(Station):
    """One host on a link. `with Node('192.168.1.3/24', link='lab') as node: node.ping('192.168.1.1')`

    `addresses` have prefix lengths (24 if not); without one, and without `dhcp`, it is 192.168.1.3/24. `link` is
    'tap:NAME', 'packet:INTERFACE', 'lab', 'sim', a Device, or None for the best there is. `dns` and `search` are name
    servers and search domains, if not those of the lease or of the link's other host. `seed` makes its random numbers
    repeatable; `settings` are those of `stack.config`. `watch` is called with the node before its first frame, and
    `say` with a line for each thing that happens to its addresses. Raises TypeError and ValueError for what makes no
    sense and OSError for what is not to be had, each with one clear line.

    engine stack socket selectors interface trace resolver services    its parts
    address description    '192.168.1.3/24', and the link in one line
    dhcp     the DHCP client: dhcp.state, dhcp.lease; None if there is none
    peer     the other host's address if the link brought one, None otherwise
    lab      the lab it is on, None on other links
    cable, other    the simulated cable and the Station at its other end, None on other links
    ping(...) and every other app    as at the prompt
    """

    def __init__(
        self,
        *addresses: str,
        link: str | Device | None = None,
        dhcp: bool = False,
        gateway: str | None = None,
        dns: Sequence[str] = (),
        search: Sequence[str] = (),
        seed: int | None = None,
        watch: Callable[[Node], object] | None = None,
        say: Callable[[str], object] | None = None,
        **settings: int | float | bool,
    ) -> None:
        _check_types(addresses, link, gateway, seed)
        _check_texts(dns=dns, search=search)
        _check_functions(watch=watch, say=say)
        wanted = [_with_prefix(text) for text in addresses or (() if dhcp else (DEFAULT_ADDRESS,))]
        _check_gateway(gateway, wanted, dhcp)
        config = _config(seed, "node", settings)
        self._token: Token[Any] | None = None
        self.other: Station | None = None
        self._closing = ExitStack()
        if interrupt.install():
            self._closing.callback(interrupt.uninstall)
        try:
            device, extras = self._open(link, wanted[0] if wanted else DEFAULT_ADDRESS, seed)
            self.link = device
            self.lab = extras.lab
            self.cable: Cable | None = extras.cable
            self.peer = None if extras.peer is None else format_ip(extras.peer)
            name_servers = list(dns) or ([self.peer] if self.peer is not None and not dhcp else [])
            super().__init__(device, config, name_servers=name_servers, search=list(search), say=say)
            self.trace = Trace(self.recorder, self.engine.now)
            self._closing.callback(lambda: self.trace.off())  # the goodbyes are to be seen too
            self._closing.callback(self.end)
            if watch is not None:
                watch(self)
            self.claim(wanted, gateway)
            if dhcp:
                # What a lab or a simulated host has given out, nobody knows of when it is gone.
                self.lease(Leases(warn=say or (lambda text: None)) if self.peer is None else None)
            running.append(self)
            self._closing.callback(running.remove, self)
        except BaseException:
            self._closing.close()
            raise

    def _open(self, link: str | Device | None, address: str, seed: int | None) -> tuple[Device, Extras]:
        """The device, and what came with it: to be closed after us."""
        if not (link is None or isinstance(link, str)):
            self.description = link.description
            return link, Extras()
        packed, prefixlen = parse_prefix(address)
        device, self.description, extras = open_link(
            link, packed, prefixlen, rng=_random(seed, "cable"), services=_services_of
        )
        if extras.lab is not None:
            self._closing.callback(extras.lab.close)
        if extras.cable is not None and extras.peer is not None:
            try:
                self.other = Station(extras.ends[1], _config(seed, "peer", {"acd_probe_num": 0}))
            except BaseException:
                device.close()
                raise
            self._closing.callback(self.other.end)
            self.other.claim([f"{format_ip(extras.peer)}/{prefixlen}"])
            for name, _, setting in (text.partition("=") for text in _services_of(extras.peer, prefixlen)):
                self.other.services.start(name, setting=setting)
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
        if self.engine.is_closed:
            raise RuntimeError(f"{self!r} is closed: make a new one")
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


def _check_types(addresses: tuple[Any, ...], link: Any, gateway: Any, seed: Any) -> None:
    """TypeError for an argument that is of no use; what it says, if it is, is looked at later."""
    for address in addresses:
        if not isinstance(address, str):
            raise TypeError(f"an address is text like {DEFAULT_ADDRESS!r}, not {address!r}")
    if not (link is None or isinstance(link, str) or callable(getattr(link, "read", None))):
        raise TypeError(f"a link is {KINDS}, or a Device, not {link!r}")
    if not (seed is None or isinstance(seed, int)):
        raise TypeError(f"seed is a whole number, not {seed!r}")
    if not isinstance(gateway, str | None):
        raise TypeError(f"gateway is text like '192.168.1.1', not {gateway!r}")


def _check_texts(**settings: Any) -> None:
    for name, texts in settings.items():
        if isinstance(texts, str) or not isinstance(texts, Sequence) or not all(isinstance(t, str) for t in texts):
            raise TypeError(f"{name} is a list of text, not {texts!r}")


def _check_functions(**settings: Any) -> None:
    for name, function in settings.items():
        if not (function is None or callable(function)):
            raise TypeError(f"{name} is a function, not {function!r}")


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


def _services_of(address: bytes, prefixlen: int) -> list[str]:
    """What the other host runs that comes with a link, as `services.parse_name` has it."""
    dhcp = [f"dhcp={format_ip(address)}/{prefixlen},domain=lab"] if prefixlen <= LONGEST_PREFIX else []
    return ["echo", "http", "dns", *dhcp]


def _check_gateway(gateway: str | None, addresses: list[str], has_dhcp: bool) -> None:
    if gateway is None:
        return
    packed = parse_ip(gateway)
    if has_dhcp and not addresses:
        raise ValueError(f"the gateway {gateway}: DHCP says what the gateway is")
    prefixes = [parse_prefix(text) for text in addresses]
    if any(packed == address for address, _ in prefixes):
        raise ValueError(f"the gateway {gateway} is the node itself")
    if not any(in_prefix(packed, *prefix) for prefix in prefixes):
        raise ValueError(f"the gateway {gateway} is not on the network of {' or '.join(addresses)}")


def _random(seed: int | None, name: str) -> Random:
    return Random() if seed is None else Random(f"{seed} {name}")


def _config(seed: int | None, name: str, settings: dict[str, int | float | bool]) -> Config:
    rng = _random(seed, name)
    return Config(rng, rng.randbytes(16) if seed is not None else os.urandom(16), **settings)
