"""Where a packet goes next: longest prefix match over a short table, and the address to send from.

Answers are remembered by destination until the table changes, because a flow asks for each of its packets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stack.interface import Interface
from stack.wire.address import format_ip, in_prefix, network

REMEMBERED = 4096  # destinations


class Route(NamedTuple):
    """`gateway` is None for a subnet that is on the link; `source` the address to speak from, if one is preferred."""

    destination: bytes
    prefixlen: int
    gateway: bytes | None
    interface: Interface
    source: bytes | None = None
    metric: int = 0

    def __str__(self) -> str:
        where = "default" if self.prefixlen == 0 else f"{format_ip(self.destination)}/{self.prefixlen}"
        via = f" via {format_ip(self.gateway)}" if self.gateway else ""
        source = f" src {format_ip(self.source)}" if self.source else ""
        return f"{where}{via} dev {self.interface.name}{source}"


class NextHop(NamedTuple):
    """The interface to send on, the neighbour to send to, and the source address of ours. `mac` is the hardware address
    where no neighbour has to be asked for it: loopback, broadcast, multicast."""

    interface: Interface
    address: bytes
    source: bytes
    mac: bytes | None = None


class Routes:
    """Iterates in `ip route`'s order: as added."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self.remembered: dict[bytes, NextHop | None] = {}  # by destination

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def add(
        self,
        destination: bytes,
        prefixlen: int,
        gateway: bytes | None,
        interface: Interface,
        source: bytes | None = None,
    ) -> Route:
        route = Route(network(destination, prefixlen), prefixlen, gateway, interface, source)
        self._routes.append(route)
        self.changed()
        return route

    def remove(self, route: Route) -> None:
        self._routes.remove(route)
        self.changed()

    def changed(self) -> None:
        """To be called when a route or an interface's addresses have changed."""
        self.remembered.clear()

    def remember(self, destination: bytes, hop: NextHop | None) -> NextHop | None:
        """Keep the answer to a lookup until something changes."""
        if len(self.remembered) >= REMEMBERED:
            self.remembered.clear()
        self.remembered[destination] = hop
        return hop

    def lookup(self, destination: bytes) -> NextHop | None:
        """The way to `destination`, or None if there is no route or no address to speak from."""
        best: Route | None = None
        for route in self._routes:
            if (
                len(route.destination) == len(destination)
                and route.interface.is_up
                and in_prefix(destination, route.destination, route.prefixlen)
                and (best is None or (route.prefixlen, -route.metric) > (best.prefixlen, -best.metric))
            ):
                best = route
        if best is None:
            return None
        hop = best.gateway or destination
        source = best.source or best.interface.address_for(hop)
        return None if source is None else NextHop(best.interface, hop, source)
