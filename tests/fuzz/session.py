"""A session of two hosts that says a little of everything, to be recorded, replayed and spoilt: ARP, ping, UDP, a
refused port, and TCP both ways with losses, closed in each order."""

from __future__ import annotations

import random
from functools import cache

from stack.port import Endpoint
from stack.tcp.port import TcpPort
from stack.wire import icmpv4
from tests.fuzz.pipe import ADDRESSES, Pipe

ANY = bytes(4)
DATA = random.Random(5).randbytes(40_000)


def talk(pipe: Pipe) -> None:
    """Play the session on a pipe, whatever becomes of it: calls that fail are no fault here."""
    a, b = pipe.stacks
    raw = a.raw.open(1)
    raw.send(icmpv4.echo_request(1, 1, b"ping"), Endpoint(ADDRESSES[1], 0), pipe.now)
    pipe.run(pipe.now + 0.1)
    server, client = b.udp.open(), a.udp.open()
    server.bind(ANY, 7, pipe.now)
    for port in (7, 8):
        client.send(b"datagram", Endpoint(ADDRESSES[1], port), pipe.now)
    pipe.run(pipe.now + 0.1)
    listener = b.tcp.open()
    listener.bind(ANY, 80, pipe.now)
    listener.listen(8, pipe.now)
    for port in (80, 80, 81):
        client_tcp = a.tcp.open()
        client_tcp.connect(ADDRESSES[1], port, pipe.now)
        pipe.run(pipe.now + 0.1)
        exchange(pipe, client_tcp, listener.accept())
    for stack in (server, client, raw, listener):
        stack.close(pipe.now)
    pipe.run(pipe.now + 200.0)


def exchange(pipe: Pipe, client: TcpPort, server: TcpPort | None) -> None:
    sent = 0
    for _ in range(60):
        if sent < len(DATA):
            sent += attempt(client, "send", DATA[sent : sent + 3000], pipe.now) or 0
        if server is not None:
            attempt(server, "send", b"answer", pipe.now)
            attempt(server, "receive", 100_000, pipe.now)
        attempt(client, "receive", 100_000, pipe.now)
        pipe.run(pipe.now + 0.05)
    attempt(client, "shutdown", False, True, pipe.now)
    pipe.run(pipe.now + 1.0)
    client.close(pipe.now)
    if server is not None:
        attempt(server, "receive", 1 << 20, pipe.now)
        server.close(pipe.now)
    pipe.run(pipe.now + 1.0)


def attempt(port: TcpPort, name: str, *args: object) -> int | None:
    try:
        result = getattr(port, name)(*args)
    except OSError:
        return None
    return result if isinstance(result, int) else None


@cache
def recorded() -> tuple[tuple[int, bytes], ...]:
    """(which host it goes to, the frame) for every frame of a lossy session."""
    frames: list[tuple[int, bytes]] = []

    def note(frame: bytes, to: int) -> bytes:
        frames.append((to, frame))
        return frame

    talk(Pipe(1, loss=0.05, duplicate=0.02, reorder=0.1, spoil=note))
    return tuple(frames)
