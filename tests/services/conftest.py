"""A service's tests run twice: on the kernel's sockets over loopback, and on two of our hosts in virtual time."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services import Services
from stack.sim import World
from stack.socket import SocketModule
from tests.patience import PATIENCE, eventually


class Place:
    """A host with `services`, and the socket module of somebody who can reach it at `address`."""

    def __init__(self, services: Services, socket: Any, address: str, pause: Callable[[float], object]) -> None:
        self.services = services
        self._pause = pause
        self.socket = socket
        self.address = address
        self.opened: list[Any] = []

    def connect(self, service: Any) -> Any:
        sock = self.socket.create_connection((self.address, service.bound), PATIENCE)
        self.opened.append(sock)
        return sock

    def datagrams(self, port: int = 0) -> Any:
        """A UDP socket of the visitor's."""
        sock = self.socket.socket(self.socket.AF_INET, self.socket.SOCK_DGRAM)
        sock.bind(("", port))
        sock.settimeout(PATIENCE)
        self.opened.append(sock)
        return sock

    def eventually(self, condition: Callable[[], bool]) -> bool:
        """Whether it comes true: a service counts a moment after its client has the answer."""
        return eventually(condition, sleep=self._pause)

    def close(self) -> None:
        for sock in self.opened:
            sock.close()
        self.services.close()


def spawn(function: Any, name: str = "") -> threading.Thread:
    thread = threading.Thread(target=function, name=name, daemon=True)
    thread.start()
    return thread


@pytest.fixture(params=["kernel", "world"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "kernel":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        there = Place(Services(socket, selectors, spawn), socket, "127.0.0.1", time.sleep)
        yield there
        there.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    else:
        with World(seed=1) as world:
            world.cable(delay=0.0005)
            server, client = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
            module = SocketModule(server)
            services = Services(module, module.selectors, server.spawn)
            there = Place(services, SocketModule(client), "10.0.0.1", client.sleep)
            yield there
            there.close()
