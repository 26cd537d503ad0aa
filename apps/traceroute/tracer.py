"""The probing of traceroute: packets whose time to live ends at one router after the other (RFC 792, RFC 1393 1).

Probes are UDP datagrams to ports where nobody listens, or ICMP echo requests; a raw ICMP socket hears what becomes of
them. `Tracer.run` yields each probe in its turn, as soon as it is answered or given up, while others are on their way;
what is printed about it is in `apps.traceroute.report`. When a probe is given up is Linux's traceroute(8)'s way. Time
is the node's. It refuses IPv6 and probes of TCP.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apps.address_names import Names
from apps.host import Host
from apps.usage import AppError, in_few_words, in_words
from stack.wire import icmpv4, ipv4, udp
from stack.wire.address import format_ip
from stack.wire.drop import WireError

FIRST_PORT = 33434  # the first probe's; each further one's is one more
MAX_HOPS, MAX_QUERIES, MAX_SIZE = 255, 10, 65000
HEADERS = ipv4.HEADER_LENGTH + 8  # bytes: UDP's header is as long as ICMP's
# Added to a round trip before it is multiplied: or where one takes microseconds, a busy machine would be too late for
# the next. Linux's traceroute adds 1 ms.
ALLOWANCE = 0.01  # seconds
CLOCK = 1e-6  # seconds by which a wait may end too early: what is added and subtracted is rounded

MARKS = {
    icmpv4.NET_UNREACHABLE: "!N",
    icmpv4.NET_UNKNOWN: "!N",
    icmpv4.HOST_ISOLATED: "!N",
    icmpv4.NET_UNREACHABLE_FOR_TOS: "!N",
    icmpv4.HOST_UNREACHABLE: "!H",
    icmpv4.HOST_UNKNOWN: "!H",
    icmpv4.HOST_UNREACHABLE_FOR_TOS: "!H",
    icmpv4.PROTOCOL_UNREACHABLE: "!P",
    icmpv4.PORT_UNREACHABLE: "",
    icmpv4.SOURCE_ROUTE_FAILED: "!S",
    icmpv4.NET_PROHIBITED: "!X",
    icmpv4.HOST_PROHIBITED: "!X",
    icmpv4.COMMUNICATION_PROHIBITED: "!X",
    icmpv4.HOST_PRECEDENCE_VIOLATION: "!V",
    icmpv4.PRECEDENCE_CUTOFF: "!C",
}


@dataclass
class Options:
    """traceroute(8)'s, by their long names: times in seconds, `size` in bytes with the IP header."""

    max_hops: int = 30  # -m
    queries: int = 3  # -q: probes a hop
    wait: float = 5.0  # -w: the most that a probe is waited for,
    here: float = 3.0  # or this many round trips of another probe to the same hop, 0 for no such limit,
    near: float = 10.0  # or of one to a later hop
    first: int = 1  # -f
    numeric: bool = False  # -n
    icmp: bool = False  # -I
    sim: int = 16  # -N: probes on their way at once
    port: int | None = None  # -p: the first UDP port or ICMP sequence number; None for 33434 and 1
    size: int = 60
    pause: float = 0.0  # -z: the least time between two probes

    def check(self) -> None:
        """Raise ValueError, with one clear line in traceroute's words where it has any."""
        if not self.max_hops <= MAX_HOPS:
            raise ValueError("max hops cannot be more than 255")
        if not 1 <= self.first <= self.max_hops:
            raise ValueError("first hop out of range")
        if not 1 <= self.queries <= MAX_QUERIES:
            raise ValueError("no more than 10 probes per hop")
        waits = (self.wait, self.here, self.near)
        if not all(0 <= value <= 86400 for value in waits):  # a NaN is in no range
            raise ValueError("bad wait specifications `{:g},{:g},{:g}' used".format(*waits))
        if not 0 <= self.pause <= 86400:
            raise ValueError(f"bad sendtime `{self.pause:g}' specified")
        if not 0 <= self.size <= MAX_SIZE:
            raise ValueError(f"too big packetlen {self.size} specified")
        if self.port is not None and not 0 <= self.port <= 65535:
            raise ValueError(f"a port is from 0 to 65535, not {self.port}")


class Answer(NamedTuple):
    """What came back for a probe. `mark` is '' or one of '!H', '!N', ...; after a final one no hop follows."""

    address: str
    time: float  # the round trip in seconds
    mark: str
    is_final: bool


@dataclass
class Probe:
    number: int  # from 0, through all hops
    hop: int  # the time to live it leaves with
    sent_at: float | None = None
    answer: Answer | None = None


@dataclass
class Hop:
    """The probes of one hop in their order; None where no answer came."""

    number: int
    answers: list[Answer | None] = field(default_factory=list)

    @property
    def addresses(self) -> list[str]:
        """Who answered, each once."""
        return list(dict.fromkeys(a.address for a in self.answers if a is not None))

    @property
    def times(self) -> list[float | None]:
        """The round trips in seconds."""
        return [None if a is None else a.time for a in self.answers]

    def __repr__(self) -> str:
        return f"<hop {self.number}: {' '.join(self.addresses) or '*'}>"


@dataclass
class TraceResult:
    """The way to a host as far as it is known. True if the host itself answered."""

    host: str
    address: str
    hops: list[Hop] = field(default_factory=list)
    is_interrupted: bool = False
    is_streamed = True  # it has been printed as it happened: the prompt need not show it again

    @property
    def is_reached(self) -> bool:
        return any(a is not None and a.is_final and a.address == self.address for h in self.hops for a in h.answers)

    def __bool__(self) -> bool:
        return self.is_reached

    def __repr__(self) -> str:
        end = f"reached in {self.hops[-1].number} hops" if self else f"not reached in {len(self.hops)} hops"
        return f"<traceroute {self.host}: {end}>"


class TraceError(AppError):
    """Nothing could be sent. The text is traceroute's own."""


class Tracer:
    """One trace of the way to one host. Raises TraceError if it has no address, ValueError for the options."""

    def __init__(self, host: str, options: Options, node: Host) -> None:
        options.check()
        self.options = options
        self.node = node
        self.address = self._resolve(host)
        self.result = TraceResult(host, self.address)
        self.names = Names(node, is_numeric=options.numeric)
        self.size = max(options.size, HEADERS)
        count = (options.max_hops - options.first + 1) * options.queries
        self._probes = [Probe(n, options.first + n // options.queries) for n in range(count)]
        self._next = 0  # the probe to be yielded next
        self._sent = 0  # how many have been sent
        self._end = count  # how many there will be, as far as is known
        self._waiting = 0  # sent, not answered, not given up
        self._send_at = node.engine.now()  # when the next may be sent
        self._answers: Any = None  # a raw ICMP socket
        self._datagrams: Any = None

    def _resolve(self, host: str) -> str:
        try:
            address: str = self.node.socket.gethostbyname(host)
        except (OSError, UnicodeError) as e:
            raise TraceError(getattr(e, "errno", None), f"{host}: {in_words(e)}") from None
        return address

    def open(self) -> None:
        """Take what it needs of the node. Raises TraceError if there is no way to the host."""
        socket = self.node.socket
        self._answers = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._answers.setblocking(False)
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(("", 0))
        self._datagrams.setblocking(False)
        with self.node.engine as engine:
            self._identifier = engine.stack.config.rng.getrandbits(16)
        try:
            # A UDP socket that is connected says whether there is a way, and sends nothing.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((self.address, FIRST_PORT))
        except OSError as e:
            raise TraceError(e.errno, f"connect: {in_few_words(e)}") from None

    def close(self) -> None:
        for sock in (self._answers, self._datagrams):
            if sock is not None:
                sock.close()

    # --- the exchange

    def run(self) -> Iterator[Probe]:
        """Yield each probe in order, once it is known what became of it. Raises TraceError if one cannot be sent."""
        while self._next < self._end:
            self._send()
            self._receive()
            head = self._probes[self._next]
            if self._is_over(head):
                self._next += 1
                if head.answer is None:
                    self._waiting -= 1
                self._note(head)
                yield head
            else:
                self._wait(head)

    def _is_over(self, probe: Probe) -> bool:
        """Whether it is known what became of a probe, and the name of who said so."""
        if probe.answer is not None and self.names.is_known(probe.answer.address):
            return True
        if probe.sent_at is None or not self._is_past(self._gives_up_at(probe)):
            return False
        if probe.answer is not None:
            self.names.give_up()
        return True

    def _is_past(self, at: float) -> bool:
        return self.node.engine.now() >= at - CLOCK

    def _gives_up_at(self, probe: Probe) -> float:
        """When a probe that is the next to be yielded counts as lost: sooner, if others tell how long answers take. If
        it is answered, when its responder's name is no longer waited for."""
        assert probe.sent_at is not None
        if probe.answer is not None:
            return self.names.patient_until(probe.answer.address)
        options = self.options
        first = probe.number - probe.number % options.queries
        here = self._probes[first : first + options.queries]
        near = self._probes[probe.number + 1 : self._sent]
        for factor, others in ((options.here, here), (options.near, near)):
            answered = next((p.answer for p in others if p.answer is not None), None)
            if factor and answered is not None:
                return probe.sent_at + min(options.wait, (answered.time + ALLOWANCE) * factor)
        return probe.sent_at + options.wait

    def _wait(self, head: Probe) -> None:
        """Until something comes, or may be sent, or need not be waited for any longer."""
        wake_at = [] if head.sent_at is None else [self._gives_up_at(head)]
        if self._may_send():
            wake_at.append(self._send_at)
        responder = head.answer.address if head.answer is not None else None

        def is_news() -> bool:
            is_named = responder is not None and self.names.is_known(responder)
            return is_named or self._answers.readable() or self._datagrams.readable()

        with self.node.engine as engine:
            engine.wait(is_news, max(0.0, min(wake_at) - engine.now()))

    def _note(self, probe: Probe) -> None:
        hops = self.result.hops
        if not hops or hops[-1].number != probe.hop:
            hops.append(Hop(probe.hop))
        hops[-1].answers.append(probe.answer)

    # --- out

    def _may_send(self) -> bool:
        return self._sent < self._end and self._waiting < max(1, self.options.sim)

    def _send(self) -> None:
        """Send what may be sent now; between two, listen, so that an answer's time is its own."""
        while self._may_send() and self._is_past(self._send_at):
            probe = self._probes[self._sent]
            sock, message, port = self._message(probe)
            sock.setsockopt(self.node.socket.IPPROTO_IP, self.node.socket.IP_TTL, probe.hop)
            probe.sent_at = self.node.engine.now()
            self._send_at = probe.sent_at + self.options.pause
            self._sent += 1
            self._waiting += 1
            try:
                sock.sendto(message, (self.address, port))
            except OSError as e:
                raise TraceError(e.errno, self._send_error(e)) from None
            self._receive()

    def _message(self, probe: Probe) -> tuple[Any, bytes, int]:
        """The socket, the message and the port of a probe."""
        data = bytes(0x40 | i & 0x3F for i in range(self.size - HEADERS))
        if self.options.icmp:
            sequence = self._first() + probe.number & 0xFFFF
            return self._answers, icmpv4.echo_request(self._identifier, sequence, data), 0
        return self._datagrams, data, self._port(probe.number)

    def _first(self) -> int:
        return self.options.port or (1 if self.options.icmp else FIRST_PORT)

    def _port(self, number: int) -> int:
        """One more for each probe, and after the last port the first: there is no port 0."""
        return (self._first() - 1 + number) % 65535 + 1

    def _send_error(self, error: OSError) -> str:
        if error.errno == errno.EMSGSIZE:
            mtu = max((i.mtu for i in self.node.engine.stack.interfaces if not i.is_loopback), default=0)
            return f"send: {error.strerror}: {self.size} bytes, and the link takes {mtu}"
        return f"send: {error.strerror}"

    # --- in

    def _receive(self) -> None:
        """Everything that has arrived by now."""
        for sock, understand in ((self._answers, self._on_icmp), (self._datagrams, self._on_datagram)):
            while True:
                try:
                    data, source = sock.recvfrom(65535)
                except BlockingIOError:
                    break
                understand(data, source)

    def _on_datagram(self, data: bytes, source: tuple[str, int]) -> None:
        """Somebody does listen there."""
        self._on_answer((source[1] - self._first()) % 65535, source[0], "", True)

    def _on_icmp(self, data: bytes, source: tuple[str, int]) -> None:
        try:
            packet = ipv4.fields(data)
            message = icmpv4.parse(memoryview(data)[packet.ihl * 4 :])
            if message.type == icmpv4.ECHO_REPLY:
                if self.options.icmp and message.identifier == self._identifier:
                    number = (message.sequence - self._first()) & 0xFFFF
                    self._on_answer(number, format_ip(packet.src), "", True)
            elif message.type in (icmpv4.TIME_EXCEEDED, icmpv4.DESTINATION_UNREACHABLE, icmpv4.PARAMETER_PROBLEM):
                probed = self._probe_of(ipv4.fields(message.payload))
                if probed is not None:
                    is_final = message.type != icmpv4.TIME_EXCEEDED
                    self._on_answer(probed, format_ip(packet.src), mark(message), is_final)
        except WireError:
            return

    def _probe_of(self, original: ipv4.Ipv4) -> int | None:
        """The number of the probe of ours that an error quotes. Raises WireError."""
        if self.options.icmp and original.protocol == ipv4.PROTOCOL_ICMP:
            echo = icmpv4.fields(original.payload)
            if echo.type == icmpv4.ECHO and echo.identifier == self._identifier:
                return (echo.sequence - self._first()) & 0xFFFF
        elif not self.options.icmp and original.protocol == ipv4.PROTOCOL_UDP:
            datagram = udp.fields(original.payload)
            if datagram.src_port == self._datagrams.getsockname()[1]:
                return (datagram.dst_port - self._first()) % 65535
        return None

    def _on_answer(self, number: int, address: str, mark: str, is_final: bool) -> None:
        """The first answer to a probe that has not been given up counts."""
        if not self._next <= number < self._sent:
            return
        probe = self._probes[number]
        if probe.answer is not None or probe.sent_at is None:
            return
        probe.answer = Answer(address, self.node.engine.now() - probe.sent_at, mark, is_final)
        self._waiting -= 1
        self.names.ask(address)
        if is_final:
            # Nothing beyond the hop that ends the way is of interest.
            self._end = min(self._end, (number // self.options.queries + 1) * self.options.queries)


def mark(message: icmpv4.Icmp) -> str:
    """An ICMP error as traceroute marks it behind the time."""
    if message.type == icmpv4.DESTINATION_UNREACHABLE:
        if message.code == icmpv4.FRAGMENTATION_NEEDED:
            return f"!F-{message.mtu}"
        return MARKS.get(message.code, f"!<{message.code}>")
    if message.type == icmpv4.TIME_EXCEEDED:
        return ""
    return f"!<{message.type}-{message.code}>"
