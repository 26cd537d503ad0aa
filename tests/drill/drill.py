"""A scripted peer: `inject` gives the stack a segment, `expect` says which one it must have sent, and when.

    d = Drill()
    d.listen()
    d.inject("S 0:0 win 65535 <mss 1460>")
    d.expect("S. 0:0 ack 1 <mss 1460>")
    d.expect("S. 0:0 ack 1 <mss 1460>", at=1.0)    # resent then, and nothing before
    d.inject(". ack 1")
    d.quiet()

A segment that the stack sends and the script does not expect is a failure at the next step. Every payload is taken
from one endless pattern by its sequence number, both ways, so that bytes in the wrong place are seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NoReturn

from stack.port import Endpoint
from stack.tcp.connection import Connection
from stack.tcp.port import TcpPort
from stack.tcp.state import State
from stack.wire import ethernet, ipv4, tcp
from stack.wire.address import format_ip
from tests.drill.host import ADDRESS, MAC, PEER, PEER_MAC, Host, Sent, as_line, describe
from tests.drill.segment import Line, parse

PERIOD = 65_521  # a prime, so that the pattern never lines up with segments
_PATTERN = random.Random(7).randbytes(PERIOD)
TOLERANCE = 1e-6  # seconds


def stream(first: int, last: int) -> bytes:
    """The pattern's bytes number `first` up to `last`, not included, counting from 1 as sequence numbers do."""
    offset = (first - 1) % PERIOD
    length = last - first
    return (_PATTERN * ((offset + length) // PERIOD + 1))[offset : offset + length]


class Drill:
    """One conversation of `host` with a peer. `local_port` is the stack's, `peer_port` the script's."""

    def __init__(
        self,
        host: Host | None = None,
        *,
        local_port: int = 80,
        peer_port: int = 40000,
        peer: bytes = PEER,
        iss: int = 1_000_000,
        address: bytes = ADDRESS,
        **settings: Any,
    ) -> None:
        self.host = Host(**settings) if host is None else host
        self.local = Endpoint(address, local_port)
        self.remote = Endpoint(peer, peer_port)
        self.iss = iss  # the peer's
        self.win = 65_535  # what injected segments say unless a line says otherwise
        self.seq = 0  # what injected segments begin with unless a line says otherwise: the next they have not sent
        self.ack = 0  # what injected segments acknowledge unless a line says otherwise
        self.port: TcpPort | None = None
        self.listener: TcpPort | None = None
        self.written = 0  # bytes the user has given the stack
        self.read = 0  # bytes the user has got
        self._known: Connection | None = None

    # --- the peer

    def inject(self, text: str, *more: str, batch: tuple[str, ...] = (), data: bytes | None = None) -> None:
        """A segment to the stack, or several one by one; those of `batch` arrive with the first in one go."""
        self._nothing_unexpected()
        self.host.receive(self.frame(text, data), *(self.frame(t) for t in batch))
        for line in more:
            self.inject(line)

    def pour(self, *lines: str) -> None:
        """Segments one by one, whatever the stack sends between them; it is to be expected afterwards."""
        for text in lines:
            self.host.receive(self.frame(text))

    def frame(self, text: str, data: bytes | None = None) -> bytes:
        """The frame that a line describes."""
        line = parse(text)
        origins = self.host.origins
        local, remote = self.local, self.remote
        own = origins.setdefault((*remote, *local), self.iss)
        theirs = origins.get((*local, *remote), 0)
        ack = 0
        if line.flags & tcp.ACK:
            ack = (theirs + (self.ack if line.ack is None else line.ack)) % (1 << 32)
        first = line.first if line.has_range else self.seq
        payload = stream(line.first, line.last) if data is None else data
        seq = (own + first) % (1 << 32)
        end = first + len(payload) + bool(line.flags & tcp.SYN) + bool(line.flags & tcp.FIN)
        if first <= self.seq:
            self.seq = max(self.seq, end)
        win = self.win if line.win is None else line.win
        head = tcp.emit(
            remote.address, local.address, remote.port, local.port, seq, ack, line.flags, win,
            line.options or b"", payload, line.urg,
        )  # fmt: skip
        ip = ipv4.emit(remote.address, local.address, ipv4.PROTOCOL_TCP, len(head) + len(payload))
        return ethernet.emit(MAC, PEER_MAC, ethernet.ETHERTYPE_IPV4) + ip + head + payload

    def restart(self, iss: int) -> None:
        """The peer begins anew with another ISN: what follows counts from it, and from the stack's next SYN."""
        self.iss = iss
        self.seq = 0
        self.host.origins.pop((*self.remote, *self.local), None)
        self.host.origins.pop((*self.local, *self.remote), None)

    # --- what the stack must send

    def expect(self, text: str, *more: str, at: float | None = None) -> None:
        """The next segment the stack sends, now or `at` that time; then those of `more`."""
        wanted = parse(text)
        host = self.host
        if at is not None:
            if host.sent:
                self.fail(f"nothing was to be sent before {at}, but it sent {self._line(host.sent[0])}")
            host.advance_to(at)
        if not host.sent:
            self.fail(f"expected {text}, but nothing was sent")
        sent = host.sent.popleft()
        got = self._line(sent)
        if abs(sent.at - host.now) > TOLERANCE:
            self.fail(f"expected {text} at {host.now}, but at {sent.at} it sent {got}")
        problem = self._differs(wanted, got, sent.frame)
        if problem:
            self.fail(f"expected {text}\n     got {got}\n{problem}")
        for line in more:
            self.expect(line)

    def expect_reset(self, text: str, at: float | None = None) -> None:
        """As `expect`, and the connection is gone."""
        self.expect(text, at=at)
        assert self.find() is None, f"the connection is still there\n{self.host.trace()}"

    def expect_data(self, first: int, last: int, size: int, at: float | None = None) -> None:
        """Bytes `first` to `last` in segments of `size`, the last one perhaps shorter, pushed or not."""
        for start in range(first, last, size):
            end = min(start + size, last)
            if at is not None:
                self.host.advance_to(at)
                at = None
            push = "P" if self.host.sent and self._line(self.host.sent[0]).flags & tcp.PSH else ""
            self.expect(f"{push}. {start}:{end}")

    def quiet(self, until: float | None = None) -> None:
        """The stack sends nothing, now or until then."""
        if until is not None and not self.host.sent:
            self.host.advance_to(until)
        self._nothing_unexpected()

    def at(self, when: float) -> None:
        """Go to an absolute time; what is sent at that very time is to be expected, what is sent before is a fault."""
        self._nothing_unexpected()
        self.host.advance_to(when)

    def converse(self, until: float, answer: Callable[[Line], str | None]) -> list[Line]:
        """Let time pass, answering each segment at once. Returns all that the stack has sent."""
        said: list[Line] = []
        while self.now < until or self.host.sent:
            if not self.host.sent:
                due = self.host.stack.next_timeout()
                self.host.advance_to(until if due is None else min(until, max(due - self.host.start, self.now)))
            for line in self.take_all():
                said.append(line)
                reply = answer(line)
                if reply is not None:
                    self.pour(reply)
        return said

    def take(self) -> Line:
        """The next segment sent, whatever it is and whenever it was."""
        if not self.host.sent:
            self.fail("expected anything at all, but nothing was sent")
        return self._line(self.host.sent.popleft())

    def take_all(self) -> list[Line]:
        return [self._line(s) for s in self.host.take_all()]

    def _differs(self, wanted: Line, got: Line, frame: bytes) -> str:
        if wanted.flags != got.flags:
            return "the flags differ"
        if wanted.has_range and (wanted.first, wanted.last) != (got.first, got.last):
            return "the sequence numbers differ"
        if wanted.urg != got.urg:
            return "the urgent pointer differs"
        if not wanted.has_range and got.length:
            return "it carries data"
        for name in ("ack", "win", "options"):
            value = getattr(wanted, name)
            if value is not None and value != getattr(got, name):
                return f"{name} differs"
        payload = tcp.fields(ipv4.fields(frame[14:]).payload).payload
        if payload != stream(got.first, got.last):
            return "these are not the bytes that were written there"
        return ""

    def _line(self, sent: Sent) -> Line:
        """A frame as a line; raises unless it is a sound segment of this conversation."""
        ip = sent.ip
        if ip.protocol != ipv4.PROTOCOL_TCP:
            self.fail(f"expected TCP, but protocol {ip.protocol} was sent to {format_ip(ip.dst)}")
        segment = tcp.parse(ip.payload, ip.src, ip.dst, sent.is_partial)
        ends = Endpoint(ip.src, segment.src_port), Endpoint(ip.dst, segment.dst_port)
        if ends != (self.local, self.remote):
            self.fail(f"expected {self.local} > {self.remote}, but {ends[0]} > {ends[1]} was sent")
        return as_line(ip, segment, self.host.origins)

    def _nothing_unexpected(self) -> None:
        if self.host.sent:
            sent = self.host.sent[0]
            self.fail(f"nothing was to be sent, but at {sent.at} it sent {describe(sent.frame, self.host.origins)}")

    def fail(self, text: str) -> NoReturn:
        raise AssertionError(f"{text}\n{self.host.trace()}")

    # --- the user

    @property
    def now(self) -> float:
        return self.host.now

    def open(self) -> TcpPort:
        """A port without a connection yet."""
        self.port = self.host.stack.tcp.open()
        return self.port

    def connect(self) -> None:
        """Active OPEN, from `local_port`."""
        port = self.port or self.open()
        if port.local is None:
            self.host.do(lambda now: port.bind(*self.local, now))
        self.host.do(lambda now: port.connect(*self.remote, now))
        self._known = port.connection

    def listen(self, backlog: int = 8, **options: Any) -> None:
        """Passive OPEN."""
        port = self.listener = self.host.stack.tcp.open()
        for name, value in options.items():
            setattr(port.options, name, value)
        self.host.do(lambda now: port.bind(bytes(4), self.local.port, now))
        self.host.do(lambda now: port.listen(backlog, now))

    def accept(self) -> TcpPort:
        assert self.listener is not None
        port = self.listener.accept()
        assert port is not None, f"nobody to accept\n{self.host.trace()}"
        self.port, self._known = port, port.connection
        return port

    def active(self, syn_ack: str = "S. 0:0 ack 1 win 65535 <mss 1460,wscale 7>") -> None:
        """A connection that the stack has opened."""
        self.connect()
        self.expect("S 0:0")
        self.inject(syn_ack)
        self.expect(". 1:1 ack 1")
        self.ack = 1
        assert self.state is State.ESTABLISHED

    def passive(
        self, syn: str = "S 0:0 win 65535 <mss 1460,wscale 7>", ack: str = ". 1:1 ack 1", **options: Any
    ) -> None:
        """A connection that the peer has opened, accepted by the user."""
        if self.listener is None:
            self.listen(**options)
        self.inject(syn)
        self.expect("S. 0:0 ack 1")
        self.inject(ack)
        self.quiet()
        self.ack = 1
        self.accept()
        assert self.state is State.ESTABLISHED

    def write(self, count: int, urgent: bool = False) -> int:
        """The next `count` bytes of the pattern, from the user; the last of them urgent, if it is to be."""
        port = self.a_port
        data = stream(self.written + 1, self.written + count + 1)
        taken = self.host.do(lambda now: port.send(data, now, urgent))
        self.written += taken
        return taken

    def read_all(self, limit: int = 1 << 24) -> int:
        """What there is to read, up to `limit` bytes, and it is the pattern; -1 at the end, 0 if there is nothing."""
        port = self.a_port
        data = self.host.do(lambda now: port.receive(limit, now))
        if data is None:
            return 0
        assert data == stream(self.read + 1, self.read + len(data) + 1), f"other bytes\n{self.host.trace()}"
        self.read += len(data)
        return len(data) or -1

    def shutdown(self, read: bool = False, write: bool = True) -> None:
        port = self.a_port
        self.host.do(lambda now: port.shutdown(read, write, now))

    def close(self) -> None:
        port = self.a_port
        self.host.do(port.close)

    @property
    def a_port(self) -> TcpPort:
        assert self.port is not None
        return self.port

    def find(self) -> Connection | None:
        """The stack's connection with this peer."""
        found = self.host.stack.tcp.connections.get((*self.local, *self.remote))
        if found is not None:
            self._known = found
        return found

    @property
    def tcb(self) -> Connection:
        """The connection, even if it is over."""
        self.find()
        assert self._known is not None
        return self._known

    @property
    def state(self) -> State:
        found = self.find()
        return State.CLOSED if found is None else found.state
