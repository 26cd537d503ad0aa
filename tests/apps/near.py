"""Two hosts half a millisecond apart in virtual time, the nearer as an app sees a node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from stack.resolver import Resolver
from stack.sim import SimEngine, World
from stack.socket import SocketModule

HERE, THERE = "10.0.0.1", "10.0.0.2"


class Near(NamedTuple):
    """HERE; `far` is the socket module of THERE. Both have small buffers, which can be filled."""

    engine: SimEngine
    socket: SocketModule
    resolver: Resolver
    world: World
    far: SocketModule


@contextmanager
def two_hosts() -> Iterator[Near]:
    with World(seed=5) as world:
        world.cable(delay=0.0005)
        small: dict[str, Any] = {"tcp_sndbuf": 65536, "tcp_rcvbuf": 65536}
        engine, far = world.host(f"{HERE}/24", **small), world.host(f"{THERE}/24", **small)
        module = SocketModule(engine)
        yield Near(engine, module, Resolver(module), world, SocketModule(far))
