"""One conformance suite for the socket API: the kernel's sockets, ours in virtual and real time, and on our loopback.

`net.here` and `net.there` are the socket modules of two hosts (of one, over loopback), `net.address` is where there is.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stack.sim import World
from stack.socket import SocketModule
from tests.hosts import Pair, engine
from tests.patience import PATIENCE


class Failing(threading.Thread):
    """A thread whose exception is raised again by `join`."""

    def __init__(self, function: Callable[..., object], *args: Any) -> None:
        super().__init__(daemon=True)
        self.function = function
        self.args = args
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self.function(*self.args)
        except BaseException as e:
            self.failure = e

    def join(self, timeout: float | None = PATIENCE) -> None:
        super().join(timeout)
        assert not self.is_alive(), "the thread is stuck"
        if self.failure is not None:
            raise self.failure


class Net:
    def __init__(self, name: str, here: Any, there: Any, address: str, spawn: Any, sleep: Any) -> None:
        self.name = name
        self.here = here
        self.there = there
        self.address = address
        self.spawn = spawn
        self.sleep = sleep
        self.is_ours = name != "kernel"
        self._opened: list[Any] = []

    def keep(self, sock: Any) -> Any:
        """Close it when the test is over; and let nothing block for ever."""
        self._opened.append(sock)
        return sock

    def listener(self, **options: Any) -> Any:
        sock = self.keep(self.there.create_server((self.address, 0), **options))
        sock.settimeout(PATIENCE)
        return sock

    def pair(self) -> tuple[Any, Any]:
        """A connected stream: the client's socket and the server's."""
        with self.there.create_server((self.address, 0)) as listener:
            client = self.keep(self.here.create_connection(listener.getsockname(), PATIENCE))
            server, address = listener.accept()
            server.settimeout(PATIENCE)
            assert address == client.getsockname()
            return client, self.keep(server)

    def datagrams(self) -> tuple[Any, Any]:
        """A bound socket there, and one here that is connected to it."""
        server = self.keep(self.there.socket(self.there.AF_INET, self.there.SOCK_DGRAM))
        server.bind((self.address, 0))
        client = self.keep(self.here.socket(self.here.AF_INET, self.here.SOCK_DGRAM))
        client.connect(server.getsockname())
        for sock in (client, server):
            sock.settimeout(PATIENCE)
        return client, server

    def closed_port(self) -> tuple[str, int]:
        with self.there.create_server((self.address, 0)) as sock:
            address: tuple[str, int] = sock.getsockname()
            return address

    def close(self) -> None:
        for sock in self._opened:
            sock.close()


def start(function: Callable[..., object], *args: Any) -> Failing:
    thread = Failing(function, *args)
    thread.start()
    return thread


@pytest.fixture(params=["kernel", "world", "real", "loopback"])
def net(request: pytest.FixtureRequest) -> Iterator[Net]:
    if request.param == "kernel":
        there = Net("kernel", socket, socket, "127.0.0.1", start, time.sleep)
        yield there
        there.close()
    elif request.param == "real":
        with Pair() as pair:
            there = Net("real", pair.a, pair.b, "10.0.0.2", start, time.sleep)
            yield there
            there.close()
    elif request.param == "loopback":
        node = engine()
        module = SocketModule(node)
        there = Net("loopback", module, module, "127.0.0.1", start, time.sleep)
        yield there
        there.close()
        node.close()
    else:
        with World(seed=7) as world:
            world.cable(delay=0.0005)
            a, b = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
            there = Net("world", SocketModule(a), SocketModule(b), "10.0.0.2", world.spawn, world.sleep)
            yield there
            there.close()
