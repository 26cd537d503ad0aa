"""What a DHCP server has to give, and to whom it gave it (RFC 2131 4.3): decisions only, no sockets, no clock.

A client is its client identifier, else its hardware address (RFC 2131 4.2). It gets the address it has or had, the one
it asks for if that is free, or else the one that nobody has had for longest. Nothing is probed for first; a client
that finds its address taken declines it, and it is left alone for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from stack.wire.address import ANY4, broadcast, format_ip, format_mac, in_prefix, network, parse_ip, parse_prefix
from stack.wire.dhcpv4 import ACK, DECLINE, DISCOVER, INFORM, NAK, OFFER, RELEASE, REQUEST, Dhcp
from stack.wire.dhcpv4_options import INFINITE, KINDS, Options
from stack.wire.name import parse_name

OFFER_TIME = 60.0  # seconds that an offered address is kept for whom it was offered to
MAX_POOL = 4096
# What every answer says that gives an address (RFC 2131 4.3.1, table 3), asked for or not.
ALWAYS = ("server_id", "lease_time", "t1", "t2")
ON_REQUEST = ("subnet_mask", "routers", "dns_servers", "domain", "mtu", "broadcast", "search")
NEVER = float("inf")


class Network(NamedTuple):
    """What the server gives. `first` to `last` is the pool, as numbers; `options` goes with every lease."""

    address: bytes  # the server's own
    prefixlen: int
    first: int
    last: int
    options: Options

    @classmethod
    def parse(cls, text: str) -> Network:
        """'192.168.1.1/24 pool=192.168.1.100-192.168.1.199 lease=3600 router=A dns=A+B domain=lab mtu=1400'.

        All but the address may be left out: the pool is then the upper half of the subnet, router and name server are
        the server itself. 'router=none' and 'dns=none' give none. Words may be joined by commas. Raises ValueError.
        """
        try:
            return cls._parse(text.replace(",", " ").split())
        except ValueError as e:
            raise ValueError(f"dhcp: {e}") from None

    @classmethod
    def _parse(cls, words: list[str]) -> Network:
        if not words:
            raise ValueError("start it with its address and prefix length: dhcp=192.168.1.1/24")
        address, prefixlen = parse_prefix(words[0])
        if len(address) != 4 or not 1 <= prefixlen <= 30:
            raise ValueError(f"{words[0]} is not an IPv4 address with a prefix length from 1 to 30")
        settings = {"lease": "3600", "router": format_ip(address), "dns": format_ip(address), "domain": "", "mtu": ""}
        settings["pool"] = default_pool(address, prefixlen)
        for word in words[1:]:
            name, equals, value = word.partition("=")
            if name not in settings or not equals:
                raise ValueError(f"{word!r} is not one of {', '.join(f'{key}=' for key in sorted(settings))}")
            settings[name] = value
        meanings: dict[str, Callable[[str], Any]] = {
            "lease": lambda text: number(text, 1, INFINITE),
            "router": addresses,
            "dns": addresses,
            "domain": lambda text: (parse_name(text.rstrip(".") + "."),) if text else (),
            "mtu": lambda text: number(text, 68, 65535) if text else None,
            "pool": lambda text: pool(text, address, prefixlen),
        }
        values = {name: _meant(name, text, meanings[name]) for name, text in settings.items()}
        lease = values["lease"]
        options = Options(
            subnet_mask=(0xFFFFFFFF << (32 - prefixlen) & 0xFFFFFFFF).to_bytes(4, "big"),
            broadcast=broadcast(address, prefixlen),
            routers=values["router"],
            dns_servers=values["dns"],
            domain=settings["domain"],
            search=values["domain"],
            mtu=values["mtu"],
            lease_time=lease,
            t1=lease // 2 if lease != INFINITE else None,
            t2=lease * 7 // 8 if lease != INFINITE else None,
            server_id=address,
        )
        first, last = values["pool"]
        return cls(address, prefixlen, first, last, options)


def _meant(name: str, text: str, meaning: Callable[[str], Any]) -> Any:
    try:
        return meaning(text)
    except ValueError as e:
        raise ValueError(f"{name}={text}: {e}") from None


def default_pool(address: bytes, prefixlen: int) -> str:
    """The upper half of the subnet, or as much of it as a pool may have."""
    base = int.from_bytes(network(address, prefixlen), "big")
    size = 1 << (32 - prefixlen)
    last = base + size - 2
    first = max(base + size // 2, last - MAX_POOL + 1)
    return f"{format_ip(first.to_bytes(4, 'big'))}-{format_ip(last.to_bytes(4, 'big'))}"


def pool(text: str, address: bytes, prefixlen: int) -> tuple[int, int]:
    first, _, last = text.partition("-")
    ends = [parse_ip(first), parse_ip(last or first)]
    if any(len(end) != 4 or not in_prefix(end, address, prefixlen) for end in ends):
        raise ValueError(f"not within {format_ip(address)}/{prefixlen}")
    low, high = (int.from_bytes(end, "big") for end in ends)
    if low > high:
        raise ValueError("it ends before it begins")
    if high - low >= MAX_POOL:
        raise ValueError(f"it has {high - low + 1} addresses, and may have {MAX_POOL}")
    return low, high


def number(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 11 and low <= int(text) <= high):
        raise ValueError(f"not a whole number from {low} to {high}")
    return int(text)


def addresses(text: str) -> tuple[bytes, ...]:
    words = text.split("+") if text != "none" else []
    found = tuple(parse_ip(word) for word in words)
    for word, address in zip(words, found, strict=True):
        if len(address) != 4:
            raise ValueError(f"{word} is not IPv4")
    return found


class Lease:
    """An address that a client has, had, or was offered."""

    def __init__(self, address: bytes, client: bytes, mac: bytes) -> None:
        self.address = address
        self.client = client  # its identifier, or its hardware address
        self.mac = mac
        self.hostname = ""
        self.expires_at = 0.0
        self.is_bound = False  # acknowledged, not only offered

    def __repr__(self) -> str:
        name = f" {self.hostname}" if self.hostname else ""
        return f"{format_ip(self.address)} {format_mac(self.mac)}{name}"


class Reply(NamedTuple):
    """What to answer; the rest is the transport's."""

    yiaddr: bytes
    options: Options


class Pool:
    """`leases` by address, those that were given longest ago first."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.leases: dict[bytes, Lease] = {}
        self._fresh = network.first  # no address below it is without a lease, past or present

    def bound(self, now: float) -> list[Lease]:
        """The leases that count now."""
        return [lease for lease in self.leases.values() if lease.is_bound and lease.expires_at > now]

    def reply_to(self, message: Dhcp, options: Options, now: float) -> Reply | None:
        """The answer to a client's message; None where a server is silent."""
        client = options.client_id or message.hardware
        kind = options.message_type
        if kind == DISCOVER:
            return self._offer(message, options, client, now)
        if kind == REQUEST:
            return self._on_request(message, options, client, now)
        if kind == INFORM:
            # RFC 2131 4.3.5: no address and no times.
            given = self._given(ACK, options)
            return Reply(ANY4, given._replace(lease_time=None, t1=None, t2=None))
        lease = self.leases.get(message.ciaddr if kind == RELEASE else options.requested or ANY4)
        if lease is not None and lease.client == client and options.server_id in (None, self.network.address):
            lease.is_bound = False
            if kind == RELEASE:
                lease.expires_at = now
            elif kind == DECLINE:
                # RFC 2131 4.3.3: somebody else has it; nobody gets it for as long as a lease.
                lease.client = b""
                lease.expires_at = now + min(self._seconds, 3600.0)
        return None

    @property
    def _seconds(self) -> float:
        lease = self.network.options.lease_time
        return NEVER if lease is None or lease == INFINITE else float(lease)

    def _offer(self, message: Dhcp, options: Options, client: bytes, now: float) -> Reply | None:
        """RFC 2131 4.3.1."""
        address = self._choose(client, options.requested, now)
        if address is None:
            return None
        lease = self.leases.get(address)
        if lease is None or lease.client != client or not (lease.is_bound and lease.expires_at > now):
            self._write(address, client, message, options, now + OFFER_TIME, False)
        return Reply(address, self._given(OFFER, options))

    def _on_request(self, message: Dhcp, options: Options, client: bytes, now: float) -> Reply | None:
        """RFC 2131 4.3.2: which of its states the client is in shows in what it sends."""
        if options.server_id is not None and options.server_id != self.network.address:
            # It chose another server: what we offered is free again.
            for offered in self.leases.values():
                if offered.client == client and not offered.is_bound:
                    offered.expires_at = now
            return None
        wanted = options.requested or message.ciaddr
        if not in_prefix(wanted, self.network.address, self.network.prefixlen):
            return self._refuse("wrong network")
        lease = self.leases.get(wanted)
        is_known = lease is not None and lease.client == client
        if not is_known and options.server_id is None and message.ciaddr == ANY4:
            # INIT-REBOOT: a server without a record of the client MUST remain silent.
            has_another = any(kept.client == client for kept in self.leases.values())
            return self._refuse("another address is yours") if has_another else None
        if not is_known and not self._is_free(wanted, now):
            return self._refuse("address in use")
        self._write(wanted, client, message, options, now + self._seconds, True)
        return Reply(wanted, self._given(ACK, options))

    def _refuse(self, why: str) -> Reply:
        return Reply(ANY4, Options(message_type=NAK, server_id=self.network.address, message=why))

    def _given(self, kind: int, asked: Options) -> Options:
        """RFC 2131 4.3.1: what has to be said, and of the rest what the client asked for."""
        ours = self.network.options
        asked_fields = {KINDS[code].field for code in asked.parameters if code in KINDS}
        fields = [*ALWAYS, *(name for name in ON_REQUEST if name in asked_fields or not asked.parameters)]
        values = {name: getattr(ours, name) for name in fields}
        # RFC 6842 3: the client identifier is returned, so that a client without an address of its own knows.
        return Options(**values)._replace(message_type=kind, client_id=asked.client_id)

    def _choose(self, client: bytes, requested: bytes | None, now: float) -> bytes | None:
        """RFC 2131 4.3.1: the address it has or had, the one it asks for, a new one, the one longest unused."""
        for lease in self.leases.values():
            if lease.client == client:
                return lease.address
        if requested is not None and self._is_free(requested, now):
            return requested
        while self._fresh <= self.network.last:
            address = self._fresh.to_bytes(4, "big")
            if address not in self.leases and self._is_free(address, now):
                return address
            self._fresh += 1
        return next((address for address in self.leases if self._is_free(address, now)), None)

    def _is_free(self, address: bytes, now: float) -> bool:
        """Whether it is in the pool and nobody's."""
        if not self.network.first <= int.from_bytes(address, "big") <= self.network.last:
            return False
        ours = (self.network.address, network(address, self.network.prefixlen), self.network.options.broadcast)
        lease = self.leases.get(address)
        return address not in ours and (lease is None or lease.expires_at <= now)

    def _write(
        self, address: bytes, client: bytes, message: Dhcp, options: Options, expires_at: float, is_bound: bool
    ) -> None:
        lease = self.leases.pop(address, None)
        if lease is None or lease.client != client:
            lease = Lease(address, client, message.hardware)
        lease.hostname = options.hostname or lease.hostname
        lease.expires_at = expires_at
        lease.is_bound = is_bound
        self.leases[address] = lease
