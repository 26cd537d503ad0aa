"""The echo exchange of ping: send ICMP echo requests (RFC 792) over a raw socket, and say what comes of each.

`Pinger.run` yields what happens (a reply, an error, a silence) and keeps the statistics; what is printed about it is in
`apps.ping.report`. Time is the node's, so that it runs in virtual time too. When it stops is iputils' ping(8)'s way. It
refuses IPv6 and ping's rarer options.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, NamedTuple

from apps.host import Host
from apps.usage import AppError, in_words
from stack.wire import icmpv4, ipv4
from stack.wire.address import format_ip
from stack.wire.drop import WireError

TIMEVAL = Struct("<qq")  # what Linux's ping puts first into its data, and Wireshark shows
MAX_SIZE = 65507
MIN_INTERVAL = 0.01  # seconds, for an interval of 0 while no reply comes
NEVER = float("inf")


class Reply(NamedTuple):
    """An echo reply. `time` is the round trip in seconds, None if there was no room for a time in the data."""

    sequence: int
    size: int  # bytes of ICMP
    ttl: int
    time: float | None
    address: str
    is_duplicate: bool
    is_truncated: bool
    at: float


class Failure(NamedTuple):
    """An ICMP error about a probe, or an errno of ours: then `reporter` is ''."""

    sequence: int
    reporter: str
    text: str
    at: float


class Silence(NamedTuple):
    """The next probe goes and this one has not been answered yet."""

    sequence: int
    at: float


Happening = Reply | Failure | Silence


@dataclass
class Options:
    """ping(8)'s, by their long names: times in seconds, None for no limit."""

    count: int | None = None  # -c
    interval: float = 1.0  # -i
    timeout: float = 10.0  # -W: how long the last probe is waited for, as long as there was no reply at all; 0 for ever
    deadline: float | None = None  # -w: 0 for none
    size: int = 56  # -s
    ttl: int | None = None  # -t
    quiet: bool = False  # -q
    numeric: bool = False  # -n
    timestamps: bool = False  # -D
    outstanding: bool = False  # -O
    broadcast: bool = False  # -b

    def check(self) -> None:
        """Raise ValueError, with one clear line, for a number that makes no sense."""
        limits: list[tuple[str, float | None, float, float]] = [
            ("count", self.count, 1, 2**63 - 1),
            ("interval", self.interval, 0, 86400),
            ("timeout", self.timeout, 0, 86400),
            ("deadline", self.deadline, 0, 86400 * 365),
            ("size", self.size, 0, MAX_SIZE),
            ("ttl", self.ttl, 1, 255),
        ]
        for name, value, low, high in limits:
            if value is not None and not low <= value <= high:  # a NaN is in no range
                raise ValueError(f"{name} is from {low} to {high}, not {value}")


@dataclass
class PingResult:
    """What a ping came to. Times in seconds; true if a reply came."""

    host: str
    address: str
    transmitted: int = 0
    received: int = 0
    duplicates: int = 0
    errors: int = 0
    duration: float = 0.0  # from the first probe to the last
    pipe: int = 1  # the most probes on their way at once
    is_interrupted: bool = False
    times: list[float] = field(default_factory=list)  # of the replies, the last 65,536
    rtt_min: float | None = None
    rtt_max: float | None = None
    ewma: float = 0.0  # of the round trips, as ping's
    _count: int = 0
    _sum: float = 0.0
    _squares: float = 0.0
    is_streamed = True  # it has been printed as it happened: the prompt need not show it again

    @property
    def loss(self) -> float:
        """The share of probes without a reply, from 0 to 1."""
        return (self.transmitted - self.received) / self.transmitted if self.transmitted else 0.0

    @property
    def rtt_avg(self) -> float | None:
        return self._sum / self._count if self._count else None

    @property
    def rtt_mdev(self) -> float | None:
        if not self._count:
            return None
        mean = self._sum / self._count
        return math.sqrt(max(0.0, self._squares / self._count - mean * mean))

    def add_time(self, seconds: float) -> None:
        self.times.append(seconds)
        if len(self.times) > 65536:
            del self.times[: len(self.times) // 2]
        self._count += 1
        self._sum += seconds
        self._squares += seconds * seconds
        self.rtt_min = seconds if self.rtt_min is None else min(self.rtt_min, seconds)
        self.rtt_max = seconds if self.rtt_max is None else max(self.rtt_max, seconds)
        self.ewma = seconds if self._count == 1 else self.ewma + (seconds - self.ewma) / 8

    def __bool__(self) -> bool:
        return self.received > 0

    def __repr__(self) -> str:
        average = f", {self.rtt_avg * 1e3:.3f} ms on average" if self.rtt_avg is not None else ""
        return f"<ping {self.host}: {self.received} of {self.transmitted} answered{average}>"


class PingError(AppError):
    """Nothing could be sent. The text is ping's own, without its name."""


class Pinger:
    """One ping of one host. Raises PingError if the host has no address or no route, ValueError for the options."""

    def __init__(self, host: str, options: Options, node: Host) -> None:
        options.check()
        self.options = options
        self.node = node
        host, self.address = self._resolve(host)
        self._names: dict[str, str] = {}
        # iputils asks no names if it was given a number.
        self._is_numeric = options.numeric or host == self.address
        self._check_route()
        self.result = PingResult(host, self.address)
        self.socket = self._open()
        with node.engine:
            self._identifier = node.engine.stack.config.rng.getrandbits(16)
        self._wall = node.engine.wall() - node.engine.now()
        self._sent_at: dict[int, float] = {}  # by sequence number on the wire
        self._answered: set[int] = set()
        self._pattern = bytes(i & 0xFF for i in range(options.size))
        self._first_at = 0.0

    def close(self) -> None:
        self.socket.close()

    # --- before the first probe

    def _resolve(self, host: str) -> tuple[str, str]:
        """The host's own name, as iputils shows it, and its address."""
        if not isinstance(host, str):
            raise TypeError(f"the host is its name or its address, not {host!r}")
        socket = self.node.socket
        try:
            found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM, 0, socket.AI_CANONNAME)
        except (OSError, UnicodeError) as e:
            raise PingError(getattr(e, "errno", None), f"{host}: {in_words(e)}") from None
        _, _, _, name, (address, _) = found[0]
        return name or host, address

    def _check_route(self) -> None:
        """As ping does it: a UDP socket that is connected says whether there is a way, and sends nothing."""
        socket = self.node.socket
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if self.options.broadcast:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            probe.connect((self.address, 1025))
            self.address = probe.getpeername()[0]  # 0.0.0.0 is this host
        except PermissionError as e:
            # The words are ping's.
            text = "Do you want to ping broadcast? Then -b. If not, check your local firewall rules"
            raise PingError(e.errno, text) from None
        except OSError as e:
            raise PingError(e.errno, f"connect: {e.strerror}") from None
        finally:
            probe.close()

    def _open(self) -> Any:
        socket = self.node.socket
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        if self.options.broadcast:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if self.options.ttl is not None:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, self.options.ttl)
        return sock

    # --- the exchange

    def run(self) -> Iterator[Happening]:
        """Yield what happens until ping(8) would stop."""
        engine, options = self.node.engine, self.options
        self._first_at = next_at = engine.now()
        end_at = self._first_at + (options.deadline or NEVER)
        while not self._is_done() and engine.now() < end_at:
            now = engine.now()
            if now >= next_at:
                if not self._may_send():
                    return
                yield from self._send(now)
                next_at = now + (options.interval or MIN_INTERVAL)
                if not self._may_send():
                    next_at = now + self._linger()
            for happening in self._receive(min(next_at, end_at) - engine.now()):
                yield happening
                if options.interval == 0 and self._may_send():
                    next_at = now

    def _may_send(self) -> bool:
        # With a deadline ping goes on beyond the count until that many have been answered.
        options = self.options
        return options.count is None or bool(options.deadline) or self.result.transmitted < options.count

    def _is_done(self) -> bool:
        options, result = self.options, self.result
        if options.count is not None and result.received + result.errors >= options.count:
            return True
        return bool(options.deadline) and result.errors > 0

    def _linger(self) -> float:
        """How long to wait for the last reply: two round trips, or `timeout` if there was none to go by."""
        if self.result.rtt_max is None:
            return self.options.timeout or NEVER
        return max(2 * self.result.rtt_max, self.options.interval)

    def _send(self, now: float) -> Iterator[Happening]:
        result = self.result
        previous = result.transmitted & 0xFFFF
        if self.options.outstanding and result.transmitted and previous not in self._answered:
            yield Silence(previous, self._clock(now))
        result.transmitted += 1
        sequence = result.transmitted & 0xFFFF
        self._sent_at[sequence] = now
        self._answered.discard(sequence)
        result.duration = now - self._first_at
        request = icmpv4.echo_request(self._identifier, sequence, self._data(now))
        try:
            self.socket.sendto(request, (self.address, 0))
        except OSError as e:
            result.errors += 1
            yield Failure(sequence, "", self._send_error(e), self._clock(now))

    def _data(self, now: float) -> bytes:
        if len(self._pattern) < TIMEVAL.size:
            return self._pattern
        seconds, fraction = divmod(self._clock(now), 1)
        return TIMEVAL.pack(int(seconds), int(fraction * 1e6)) + self._pattern[TIMEVAL.size :]

    def _send_error(self, error: OSError) -> str:
        if error.errno == errno.EMSGSIZE:
            mtu = max((i.mtu for i in self.node.engine.stack.interfaces if not i.is_loopback), default=0)
            return f"local error: message too long, mtu={mtu}"
        return f"sendmsg: {error.strerror}"

    def _clock(self, now: float) -> float:
        """Seconds since 1970; in virtual time since the World began."""
        return self._wall + now

    def _receive(self, timeout: float) -> Iterator[Happening]:
        """What the next packet within `timeout` seconds means to us: one happening or none."""
        self.socket.settimeout(None if timeout == NEVER else max(0.0, timeout))
        try:
            data, _ = self.socket.recvfrom(65535)
        except (TimeoutError, BlockingIOError):
            return
        now = self.node.engine.now()
        try:
            packet = ipv4.fields(data)
            message = icmpv4.parse(memoryview(data)[packet.ihl * 4 :])
        except WireError:
            return
        if message.type == icmpv4.ECHO_REPLY:
            if message.identifier == self._identifier and message.sequence in self._sent_at:
                yield self._reply(packet, message, now)
        elif message.type in icmpv4.ERRORS:
            sequence = self._probe_of(message)
            if sequence is not None:
                yield self._failure(packet, message, sequence, now)

    def _reply(self, packet: ipv4.Ipv4, message: icmpv4.Icmp, now: float) -> Reply:
        result, sequence = self.result, message.sequence
        size = icmpv4.HEADER_LENGTH + len(message.payload)
        is_duplicate = sequence in self._answered
        if is_duplicate:
            result.duplicates += 1
        else:
            result.received += 1
        self._acknowledge(sequence)
        self._answered.add(sequence)
        took = None
        if self.options.size >= TIMEVAL.size:
            took = now - self._sent_at[sequence]
            result.add_time(took)
        is_truncated = len(message.payload) < self.options.size
        return Reply(
            sequence, size, packet.ttl, took, format_ip(packet.src), is_duplicate, is_truncated, self._clock(now)
        )

    def _acknowledge(self, sequence: int) -> None:
        on_their_way = (self.result.transmitted - sequence & 0xFFFF) + 1
        if on_their_way <= 0x8000:
            self.result.pipe = max(self.result.pipe, on_their_way)

    def _probe_of(self, message: icmpv4.Icmp) -> int | None:
        """The sequence number of the probe of ours that an error is about."""
        try:
            original = ipv4.fields(message.payload)
            probe = icmpv4.fields(original.payload)
        except WireError:
            return None
        is_ours = (
            original.protocol == ipv4.PROTOCOL_ICMP
            and probe.type == icmpv4.ECHO
            and probe.identifier == self._identifier
        )
        return probe.sequence if is_ours and probe.sequence in self._sent_at else None

    def _failure(self, packet: ipv4.Ipv4, message: icmpv4.Icmp, sequence: int, now: float) -> Failure:
        # A redirect or a source quench is news, but the probe may still be answered.
        if message.type not in (icmpv4.REDIRECT, icmpv4.SOURCE_QUENCH):
            self.result.errors += 1
            self._acknowledge(sequence)
        return Failure(sequence, format_ip(packet.src), error_text(message), self._clock(now))

    def name_of(self, address: str) -> str:
        """'localhost (127.0.0.1)', or the address alone if it has no name or names were not wanted."""
        if self._is_numeric:
            return address
        if address not in self._names:
            try:
                self._names[address] = f"{self.node.socket.gethostbyaddr(address)[0]} ({address})"
            except OSError:
                self._names[address] = address
        return self._names[address]


UNREACHABLE_TEXT = {
    icmpv4.NET_UNREACHABLE: "Destination Net Unreachable",
    icmpv4.HOST_UNREACHABLE: "Destination Host Unreachable",
    icmpv4.PROTOCOL_UNREACHABLE: "Destination Protocol Unreachable",
    icmpv4.PORT_UNREACHABLE: "Destination Port Unreachable",
    icmpv4.SOURCE_ROUTE_FAILED: "Source Route Failed",
    icmpv4.NET_UNKNOWN: "Destination Net Unknown",
    icmpv4.HOST_UNKNOWN: "Destination Host Unknown",
    icmpv4.HOST_ISOLATED: "Source Host Isolated",
    icmpv4.NET_PROHIBITED: "Destination Net Prohibited",
    icmpv4.HOST_PROHIBITED: "Destination Host Prohibited",
    icmpv4.NET_UNREACHABLE_FOR_TOS: "Destination Net Unreachable for Type of Service",
    icmpv4.HOST_UNREACHABLE_FOR_TOS: "Destination Host Unreachable for Type of Service",
    icmpv4.COMMUNICATION_PROHIBITED: "Packet filtered",
    icmpv4.HOST_PRECEDENCE_VIOLATION: "Precedence Violation",
    icmpv4.PRECEDENCE_CUTOFF: "Precedence Cutoff",
}


def error_text(message: icmpv4.Icmp) -> str:
    """An ICMP error in ping's words."""
    if message.type == icmpv4.DESTINATION_UNREACHABLE:
        if message.code == icmpv4.FRAGMENTATION_NEEDED:
            return f"Frag needed and DF set (mtu = {message.mtu})"
        return UNREACHABLE_TEXT.get(message.code, f"Dest Unreachable, Bad Code: {message.code}")
    if message.type == icmpv4.TIME_EXCEEDED:
        if message.code == icmpv4.TTL_EXCEEDED:
            return "Time to live exceeded"
        return "Frag reassembly time exceeded"
    if message.type == icmpv4.REDIRECT:
        return f"Redirect Host(New nexthop: {format_ip(message.rest)})"
    if message.type == icmpv4.SOURCE_QUENCH:
        return "Source Quench"
    return f"Parameter problem: pointer = {message.rest[0]}"
