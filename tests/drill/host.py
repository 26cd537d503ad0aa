"""One Stack in virtual time on a link whose other end is the test: frames in, frames out, a clock, and a log of it all.

Times a test sees count from the host's start. Whatever enters, the invariants of every connection are checked after it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from stack.config import Config
from stack.events import Event
from stack.interface import Abilities, Interface, Offload
from stack.stack import Stack
from stack.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from stack.wire.address import ANY4, MAC_BROADCAST, MAC_ZERO, format_ip, parse_ip
from stack.wire.drop import Drop
from tests.drill.invariants import Invariants
from tests.drill.segment import Line, relative

T = TypeVar("T")

MAC = bytes.fromhex("020000000003")
PEER_MAC = bytes.fromhex("020000000001")
ADDRESS = parse_ip("192.168.1.3")
PEER = parse_ip("192.168.1.1")
NO_ABILITIES = Abilities()
ALL_ABILITIES = Abilities(checksum=True, tso4=True, tso6=True)
Flow = tuple[bytes, int, bytes, int]  # source and destination of a segment
INSTANT = 1e-7  # seconds: sums of floats that are as good as equal
REMEMBERED = 2_000  # frames and events
LONG = 10_000  # rounds without an end to them are a hang


class Sent(NamedTuple):
    """A frame the stack sent, and when."""

    at: float
    frame: bytes
    is_partial: bool = False  # its checksum is the device's to finish

    @property
    def ethernet(self) -> ethernet.Ethernet:
        return ethernet.fields(self.frame)

    @property
    def arp(self) -> arp.Arp:
        return arp.parse(self.ethernet.payload)

    @property
    def ip(self) -> ipv4.Ipv4:
        return ipv4.parse(self.ethernet.payload)

    @property
    def icmp(self) -> icmpv4.Icmp:
        return icmpv4.parse(self.ip.payload)

    @property
    def udp(self) -> udp.Udp:
        return udp.parse(self.ip.payload, self.ip.src, self.ip.dst)

    def __str__(self) -> str:
        return describe(self.frame)


class Host:
    """`sent` holds what the stack has sent and no test has looked at; with `answers_arp` ARP is not among it, and the
    stations in `stations` answer it."""

    def __init__(
        self,
        *,
        start: float = 0.0,
        mtu: int = 1500,
        abilities: Abilities = NO_ABILITIES,
        answers_arp: bool = True,
        seed: int = 1,
        secret: bytes = bytes(16),
        gateway: bytes | None = None,
        receive_limit: int | None = None,
        **settings: Any,
    ) -> None:
        self.start = self._clock = start
        self.stations = {PEER: PEER_MAC}
        self.answers_arp = answers_arp
        self.sent: deque[Sent] = deque()
        self.events: list[tuple[float, Event]] = []
        self.whys: list[Event] = []  # what the stack had to say about frames it sent
        self._log: deque[tuple[float, str, bytes, Event | None]] = deque(maxlen=REMEMBERED)
        self.origins: dict[Flow, int] = {}
        self.invariants = Invariants()
        config = Config(random.Random(seed), secret, **{"acd_probe_num": 0, "acd_announce_num": 0, **settings})
        self.stack = Stack(config)
        self.stack.observers.append(self)
        self.interface = Interface("tap0", MAC, mtu, abilities, receive_limit)
        self.stack.attach(self.interface, start)
        self.stack.add_address(self.interface, ADDRESS, 24, start)
        self.settle()
        if gateway is not None:
            self.stack.routes.add(ANY4, 0, gateway, self.interface)
        if answers_arp:
            for address, mac in self.stations.items():
                self.receive_arp(arp.REQUEST, mac, address, MAC_ZERO, ADDRESS)

    # --- time

    @property
    def now(self) -> float:
        return self._clock - self.start

    @property
    def clock(self) -> float:
        """What the stack is told."""
        return self._clock

    def advance_to(self, at: float) -> None:
        """Let virtual time pass until `at`, every timer at its own moment."""
        at += self.start
        assert at >= self._clock - INSTANT, f"{at - self.start} has passed already"
        for _ in range(100 * LONG):
            due = self.stack.next_timeout()
            if due is None or due > at + INSTANT:
                break
            self._clock = max(self._clock, due)
            self.stack.advance(self._clock)
            self._collect()
        else:
            raise AssertionError(f"time stands still at {self.now}\n{self.trace()}")
        self._clock = max(self._clock, at)
        self.settle()

    def settle(self) -> None:
        """What is due now, happens now."""
        self._collect()
        for _ in range(LONG):
            due = self.stack.next_timeout()
            if due is None or due > self._clock:
                break
            self.stack.advance(self._clock)
            self._collect()
        else:
            raise AssertionError(f"the stack does not come to rest\n{self.trace()}")
        try:
            self.invariants.check_stack(self.stack)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.trace()}") from e

    def do(self, call: Callable[[float], T]) -> T:
        """A user's call, which is told the time."""
        try:
            return call(self._clock)
        finally:
            self.settle()

    # --- frames

    def receive(self, *frames: bytes, offload: Offload | None = None) -> None:
        """Frames from the link, in one batch."""
        for frame in frames:
            self.stack.receive(self.interface, frame, self._clock, offload)
        self.settle()

    def receive_ip(
        self,
        protocol: int,
        payload: bytes,
        src: bytes = PEER,
        dst: bytes = ADDRESS,
        options: bytes = b"",
        ttl: int = 64,
    ) -> None:
        head = ipv4.emit(src, dst, protocol, len(payload), ttl, options=options)
        self.receive(ethernet.emit(MAC, PEER_MAC, ethernet.ETHERTYPE_IPV4) + head + payload)

    def receive_udp(
        self, src_port: int, dst_port: int, payload: bytes, src: bytes = PEER, dst: bytes = ADDRESS
    ) -> None:
        self.receive_ip(ipv4.PROTOCOL_UDP, udp.emit(src, dst, src_port, dst_port, payload) + payload, src, dst)

    def receive_icmp(self, message: bytes, src: bytes = PEER, dst: bytes = ADDRESS) -> None:
        self.receive_ip(ipv4.PROTOCOL_ICMP, message, src, dst)

    def receive_arp(self, op: int, sha: bytes, spa: bytes, tha: bytes, tpa: bytes, dst: bytes = MAC_BROADCAST) -> None:
        self.receive(ethernet.emit(dst, sha, ethernet.ETHERTYPE_ARP) + arp.emit(op, sha, spa, tha, tpa))

    def take(self) -> Sent:
        """The oldest frame nobody has looked at."""
        assert self.sent, f"the stack has sent nothing\n{self.trace()}"
        return self.sent.popleft()

    def take_all(self) -> list[Sent]:
        taken = list(self.sent)
        self.sent.clear()
        return taken

    def quiet(self, until: float | None = None) -> None:
        """Nothing was sent, nor will be `until` then."""
        if until is not None and not self.sent:
            self.advance_to(until)
        assert not self.sent, f"nothing was to be sent, but {self.sent[0]} was\n{self.trace()}"

    def dropped(self, reason: Drop) -> int:
        return self.stack.drops.get(reason, 0)

    def trace(self) -> str:
        return "\n".join(["the exchange so far:", *self.log[-60:]])

    def _collect(self) -> None:
        while frames := self.stack.take_frames():
            for frame in frames:
                assert frame.interface is self.interface
                whole = frame.head + bytes(frame.payload)
                if self.answers_arp and whole[12:14] == b"\x08\x06":
                    self._answer_arp(whole)
                else:
                    self.sent.append(Sent(self.now, whole, frame.offload is not None))

    def _answer_arp(self, frame: bytes) -> None:
        question = arp.parse(frame[14:])
        mac = self.stations.get(question.tpa)
        if question.op == arp.REQUEST and mac is not None:
            answer = arp.emit(arp.REPLY, mac, question.tpa, question.sha, question.spa)
            frame = ethernet.emit(question.sha, mac, ethernet.ETHERTYPE_ARP) + answer
            self.stack.receive(self.interface, frame, self._clock)

    # --- Observer

    def on_frame(
        self,
        interface: Interface,
        outgoing: bool,
        head: bytes | memoryview,
        payload: bytes | memoryview,
        offload: Offload | None,
        why: Event | None,
        now: float,
    ) -> None:
        frame = bytes(head) + bytes(payload)
        if why is not None:
            self.whys.append(why)
        if frame[12:14] == b"\x08\x00" and frame[23:24] == b"\x06" and _has_syn(frame):
            describe(frame, self.origins)  # its origin is needed from now on
        self._log.append((now - self.start, "<" if outgoing else ">", frame, why))

    def on_event(self, event: Event, now: float) -> None:
        self.events.append((now - self.start, event))
        self._log.append((now - self.start, "*", b"", event))

    @property
    def log(self) -> list[str]:
        """What has happened, a line each."""
        return [self._render(*entry) for entry in self._log]

    def _render(self, at: float, mark: str, frame: bytes, what: Event | None) -> str:
        if mark == "*":
            return f"{at:12.6f} * {what}"
        note = "" if what is None else f"  ({what})"
        return f"{at:12.6f} {mark} {describe(frame, self.origins)}{note}"


def describe(frame: bytes, origins: dict[Flow, int] | None = None) -> str:
    """One frame in one line, whatever it is; `origins` are the ISNs that sequence numbers are counted from."""
    try:
        link = ethernet.fields(frame)
        if link.ethertype == ethernet.ETHERTYPE_ARP:
            a = arp.fields(link.payload)
            kind = {1: "who has", 2: "is at"}.get(a.op, f"op {a.op}")
            return f"arp {kind} {format_ip(a.tpa)} tell {format_ip(a.spa)} ({a.sha.hex(':')})"
        ip = ipv4.fields(link.payload)
        if ip.protocol == ipv4.PROTOCOL_TCP:
            segment = tcp.fields(ip.payload)
            return f"{segment.src_port} > {segment.dst_port} {as_line(ip, segment, {} if origins is None else origins)}"
        ends = f"{format_ip(ip.src)} > {format_ip(ip.dst)}"
        if ip.protocol == ipv4.PROTOCOL_ICMP:
            message = icmpv4.fields(ip.payload)
            return f"{ends} icmp {icmpv4.describe(message.type, message.code)}"
        return f"{ends} protocol {ip.protocol}, {len(ip.payload)} bytes"
    except ValueError:
        return f"{len(frame)} bytes {frame[:40].hex()}"


def _has_syn(frame: bytes) -> bool:
    at = 14 + (frame[14] & 15) * 4 + 13
    return len(frame) > at and bool(frame[at] & tcp.SYN)


def as_line(ip: ipv4.Ipv4, segment: tcp.Tcp, origins: dict[Flow, int]) -> Line:
    """A segment in a drill's words. A SYN makes the origin that its flow is counted from."""
    flow = (ip.src, segment.src_port, ip.dst, segment.dst_port)
    if segment.flags & tcp.SYN:
        origins.setdefault(flow, segment.seq)
    first = relative(segment.seq, origins.get(flow, 0))
    ack = relative(segment.ack, origins.get((*flow[2:], *flow[:2]), 0)) if segment.flags & tcp.ACK else None
    last = first + len(segment.payload)
    return Line(segment.flags, first, last, True, ack, segment.window, segment.urgent, segment.options)
