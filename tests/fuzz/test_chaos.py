"""Two stacks, a bad line and users who do as they please: every byte arrives intact or not at all, both ends reach
CLOSED, and 2 MSL later nothing is left."""

from __future__ import annotations

import random
from typing import Any

import pytest

from stack.interface import Abilities
from stack.tcp.port import TcpPort
from stack.tcp.state import State
from tests.fuzz.pipe import ADDRESSES, Pipe

ANY = bytes(4)
STEP = 0.02


class End:
    """One user of one end: writes its data in pieces, reads in pieces, and shuts down when it has written all."""

    def __init__(self, port: TcpPort, data: bytes, rng: random.Random, is_rude: bool) -> None:
        self.port = port
        self.data = data
        self.rng = rng
        self.is_rude = is_rude
        self.sent = 0
        self.received = bytearray()
        self.at_end = False
        self.is_shut = False
        self.is_closed = False
        self.error: OSError | None = None

    def act(self, now: float) -> None:
        """Do something, or nothing."""
        if self.is_closed:
            return
        try:
            rng = self.rng
            if rng.random() < 0.7 and not self.is_shut:
                self._write(now)
            if rng.random() < 0.7 and not self.at_end:
                self._read(now)
            if rng.random() < 0.1:
                self.port.options.nodelay = not self.port.options.nodelay
                self.port.options_changed(now)
            if self.is_rude and rng.random() < 0.01:
                self.finish(now, rng.choice(("close", "abort", "linger")))
            elif self.at_end and self.is_shut and rng.random() < 0.5:
                self.finish(now, "close")
        except OSError as e:
            self.error = e
            self.finish(now, "close")

    def _write(self, now: float) -> None:
        if self.port.state in (State.SYN_SENT, State.SYN_RECEIVED):
            return
        if self.sent == len(self.data):
            self.port.shutdown(False, True, now)
            self.is_shut = True
        else:
            size = self.rng.choice((1, 10, 536, 1460, 5000, 40_000))
            self.sent += self.port.send(self.data[self.sent : self.sent + size], now)

    def _read(self, now: float) -> None:
        if self.port.state in (State.SYN_SENT, State.SYN_RECEIVED):
            return
        piece = self.port.receive(self.rng.choice((1, 100, 2000, 1 << 20)), now)
        if piece == b"":
            self.at_end = True
        self.received += piece or b""

    def finish(self, now: float, how: str) -> None:
        self.is_closed = True
        if how == "linger":
            self.port.options.linger = 0
        if how == "abort":
            self.port.abort(now)
        self.port.close(now)


def chaos(seed: int, is_rude: bool, **conditions: Any) -> tuple[Pipe, list[tuple[End, End]]]:
    """Some connections at once, until everybody has closed."""
    rng = random.Random(f"chaos {seed}")
    pipe = Pipe(
        seed, tcp_msl=2.0, tcp_rcvbuf=rng.choice((2048, 9000, 65_535, 300_000)), tcp_sndbuf=rng.choice((2048, 60_000)),
        tcp_initial_cwnd=rng.choice((1, 10)), tcp_max_out_of_order=rng.choice((4, 1024)), **conditions,
    )  # fmt: skip
    listener = pipe.stacks[1].tcp.open()
    listener.bind(ANY, 80, 0.0)
    listener.listen(8, 0.0)
    clients: dict[int, End] = {}
    pairs: list[tuple[End, End]] = []
    for _ in range(rng.choice((1, 2, 3))):
        port = pipe.stacks[0].tcp.open()
        port.connect(ADDRESSES[1], 80, pipe.now)
        assert port.local is not None
        clients[port.local.port] = End(port, rng.randbytes(rng.choice((0, 1, 3000, 60_000))), rng, is_rude)
    for _ in range(100_000):
        pipe.settle()
        accepted = listener.accept()
        if accepted is not None:
            assert accepted.remote is not None
            server = End(accepted, rng.randbytes(rng.choice((0, 1, 3000, 60_000))), rng, is_rude)
            pairs.append((clients[accepted.remote.port], server))
        ends = [*clients.values(), *(server for _, server in pairs)]
        for end in ends:
            end.act(pipe.now)
        pipe.settle()
        pipe.run(pipe.now + STEP * rng.random())
        if len(pairs) == len(clients) and all(end.is_closed for end in ends):
            break
        if is_rude and all(end.is_closed for end in ends) and pipe.now > 10:
            break
    else:
        raise AssertionError(f"at {pipe.now} it goes on and on")
    listener.close(pipe.now)
    return pipe, pairs


def nothing_is_left(pipe: Pipe) -> None:
    """Once the last retransmission is given up, and 2 MSL later."""
    pipe.run(pipe.now + 1500.0)
    for stack in pipe.stacks:
        assert not stack.tcp.connections and not stack.tcp.half_open
        assert not list(stack.tcp.bindings)
        timers = [timer for _, _, timer in stack.timers._heap if timer.at is not None]
        assert len(timers) <= sum(n.timer.at is not None for n in stack.neighbors)
        assert stack.next_timeout() is None or timers


LINES = [
    {}, {"loss": 0.05}, {"loss": 0.2}, {"reorder": 0.3}, {"duplicate": 0.2}, {"damage": 0.1},
    {"loss": 0.1, "reorder": 0.2, "duplicate": 0.1, "damage": 0.05},
    {"loss": 0.03, "reorder": 0.1, "abilities": Abilities(checksum=True, tso4=True, tso6=True)},
]  # fmt: skip


@pytest.mark.parametrize("seed", range(32))
def test_every_byte_arrives(seed: int) -> None:
    line = LINES[seed % len(LINES)]
    pipe, pairs = chaos(seed, False, **line)
    assert pairs
    for client, server in pairs:
        for one, other in ((client, server), (server, client)):
            assert one.error is None, f"{one.error} on {line}"
            assert bytes(one.received) == other.data, f"{len(one.received)} of {len(other.data)} on {line}"
            assert one.port.take_error() == 0
    nothing_is_left(pipe)


@pytest.mark.parametrize("seed", range(32))
def test_users_who_leave_when_they_like(seed: int) -> None:
    """What arrives is a beginning of what was sent, whoever aborts, closes early or lingers for no time at all."""
    pipe, pairs = chaos(seed, True, **LINES[seed % len(LINES)])
    for client, server in pairs:
        for one, other in ((client, server), (server, client)):
            assert other.data.startswith(bytes(one.received))
    nothing_is_left(pipe)


@pytest.mark.parametrize("seed", range(4))
def test_the_line_is_cut_for_good(seed: int) -> None:
    """Everybody learns of it by a timeout, and nothing is left."""
    rng = random.Random(seed)
    pipe = Pipe(seed, tcp_msl=2.0)
    listener = pipe.stacks[1].tcp.open()
    listener.bind(ANY, 80, 0.0)
    listener.listen(8, 0.0)
    client = pipe.stacks[0].tcp.open()
    client.connect(ADDRESSES[1], 80, 0.0)
    pipe.run(0.1)
    server = listener.accept()
    assert server is not None
    for port in (client, server):
        port.send(rng.randbytes(100_000), pipe.now)
    pipe.run(pipe.now + rng.random() * 0.05)
    pipe.loss = 1.0
    pipe.run(pipe.now + 2000.0)
    assert client.state is State.CLOSED and server.state is State.CLOSED
    assert client.take_error() and server.take_error()
    client.close(pipe.now)
    server.close(pipe.now)
    listener.close(pipe.now)
    nothing_is_left(pipe)


def test_the_same_seed_is_the_same_chaos() -> None:
    runs = [chaos(6, False, **LINES[6]) for _ in range(2)]
    assert len({(pipe.now, pipe.carried) for pipe, _ in runs}) == 1
