"""A lease: what a DHCP server gave, checked, with the times it ends (RFC 2131 4.4.5, RFC 2132, RFC 3442, RFC 3397).

It refuses an answer that cannot be lived on: no lease time, no server identifier, an address that is no host's. What
else makes no sense in it (a mask with holes, a router that is none, an MTU below 576) is left out.
"""

from __future__ import annotations

from typing import NamedTuple

from stack.config import Random
from stack.wire.address import ANY4, broadcast, format_ip, network
from stack.wire.dhcpv4 import Dhcp
from stack.wire.dhcpv4_options import INFINITE, ClasslessRoute, Options
from stack.wire.name import Name, parse_name

NEVER = float("inf")
LEAST_MTU = 576  # what every host must take (RFC 791 3.1)
FUZZ = 0.02  # of the lease's time


class Known(NamedTuple):
    """What a client remembers from before it was switched off."""

    address: bytes
    expires_at: float  # on the stack's clock; may have passed


class Lease(NamedTuple):
    """Times are absolute, on the stack's clock; `NEVER` for a lease without end."""

    address: bytes
    prefixlen: int
    server: bytes  # its identifier, which is an address of its
    routes: tuple[ClasslessRoute, ...]  # to be installed; a router of 0.0.0.0 means on the link
    dns_servers: tuple[bytes, ...]
    domain: str  # '' if none
    search: tuple[Name, ...]
    mtu: int | None
    hostname: str
    bound_at: float  # when it was asked for, which is when it began
    t1_at: float
    t2_at: float
    expires_at: float

    @property
    def seconds(self) -> float:
        """The whole of its time."""
        return self.expires_at - self.bound_at

    def __str__(self) -> str:
        return f"{format_ip(self.address)}/{self.prefixlen} from {format_ip(self.server)}"


class Unusable(ValueError):
    """The server's answer cannot be lived on; the text says why."""


def lease_from(message: Dhcp, options: Options, bound_at: float, rng: Random) -> Lease:
    """The lease that an OFFER or ACK describes. Raises Unusable."""
    if options.server_id is None or not is_host(options.server_id):
        raise Unusable("no server identifier")  # RFC 2131 4.3.1, table 3: MUST
    if not options.lease_time:
        raise Unusable("no lease time")
    address = message.yiaddr
    prefixlen = prefix_length(address, options.subnet_mask)
    ends = (network(address, prefixlen), broadcast(address, prefixlen)) if prefixlen < 31 else ()
    if not is_host(address) or address in ends:
        raise Unusable(f"{format_ip(address)}/{prefixlen} is not a host's address")
    words = domains(options.domain)
    t1_at, t2_at, expires_at = times(options, bound_at, rng)
    return Lease(
        address,
        prefixlen,
        options.server_id,
        routes_from(address, options),
        tuple(server for server in options.dns_servers if is_host(server) or server[0] == 127),
        str(words[0])[:-1] if words else "",
        options.search or words,
        options.mtu if options.mtu is not None and options.mtu >= LEAST_MTU else None,
        options.hostname,
        bound_at,
        t1_at,
        t2_at,
        expires_at,
    )


def is_host(address: bytes) -> bool:
    """Whether an IPv4 address can be some host's on a link: neither zero, loopback, multicast nor reserved."""
    return 0 < address[0] < 224 and address[0] != 127


def prefix_length(address: bytes, mask: bytes | None) -> int:
    """The mask's length; without a mask, or with holes in it, the address's class decides (RFC 791 3.2)."""
    if mask is not None:
        bits = f"{int.from_bytes(mask, 'big'):032b}"
        if "01" not in bits and mask != ANY4:
            return bits.count("1")
    return 8 if address[0] < 128 else 16 if address[0] < 192 else 24


def routes_from(address: bytes, options: Options) -> tuple[ClasslessRoute, ...]:
    # RFC 3442: a client that gets classless routes MUST ignore the router option, and the static routes too.
    if options.routes:
        return tuple(
            route
            for route in options.routes
            if (route.router == ANY4 or (is_host(route.router) and route.router != address))
            and (route.prefixlen == 0 or is_host(route.network))
        )
    routers = [router for router in options.routers if is_host(router) and router != address]
    # RFC 2132 3.5: in order of preference.
    default = [ClasslessRoute(ANY4, 0, routers[0])] if routers else []
    # RFC 2132 5.8: classful, and 0.0.0.0 is not a legal destination.
    static = [
        ClasslessRoute(network(destination, prefix_length(destination, None)), prefix_length(destination, None), router)
        for destination, router in options.static_routes
        if is_host(destination) and is_host(router) and router != address
    ]
    return (*static, *default)


def domains(text: str) -> tuple[Name, ...]:
    """Option 15 is one name; some servers put several there, with spaces. Words that are no names are left out."""
    names = []
    for word in text.split():
        try:
            names.append(parse_name(word.rstrip(".") + "."))
        except ValueError:
            continue
    return tuple(name for name in names if name.labels)


def times(options: Options, bound_at: float, rng: Random) -> tuple[float, float, float]:
    """T1, T2 and the end (RFC 2131 4.4.5): the server's where they make sense, else 0.5 and 0.875 of the lease."""
    lease = options.lease_time
    assert lease is not None
    if lease == INFINITE:
        return NEVER, NEVER, NEVER
    # RFC 2131 4.4.5: with some random "fuzz", so that clients do not all come at once.
    fuzz = lease * rng.uniform(0.0, FUZZ)
    t1, t2 = lease * 0.5 - fuzz, lease * 0.875 - fuzz
    if options.t2 is not None and 0 < options.t2 < lease:
        t1, t2 = min(t1, options.t2 * 0.5 / 0.875), options.t2
    if options.t1 is not None and 0 < options.t1 < t2:
        t1 = options.t1
    return bound_at + t1, bound_at + t2, bound_at + lease
