"""`from stack import socket`: which node it means, and what it says when there is none."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from stack import selectors, socket
from stack.sim import World
from stack.socket import SocketModule, current, running


@pytest.fixture
def nodes() -> Iterator[list[Any]]:
    """Two nodes that are not up yet; whatever else is up is out of sight."""
    before, running[:] = list(running), []
    with World() as world:
        yield [SimpleNamespace(socket=SocketModule(world.host(f"10.0.0.{n}/24"))) for n in (1, 2)]
    running[:] = before


def test_none_is_up(nodes: list[Any]) -> None:
    with pytest.raises(RuntimeError, match=r"no node is up: make one with `with Node\('192\.168\.1\.3/24'\)"):
        socket.create_connection  # noqa: B018
    with pytest.raises(RuntimeError):
        selectors.DefaultSelector  # noqa: B018
    assert not hasattr(socket, "__nonsense__"), "the import system's questions are no questions about a node"
    assert {"gaierror", "htons", "current"} <= set(dir(socket)), "completion works all the same"


def test_the_only_one_that_is_up(nodes: list[Any]) -> None:
    running.append(nodes[0])
    assert socket.socket is nodes[0].socket.socket
    assert socket.AF_INET == 2
    assert selectors.DefaultSelector is nodes[0].socket.selectors.DefaultSelector
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(socket.socket))  # a thread without a context
    thread.start()
    thread.join()
    assert found == [nodes[0].socket.socket]
    with pytest.raises(AttributeError):
        socket.no_such_name  # noqa: B018


def test_of_several_the_current_one(nodes: list[Any]) -> None:
    running.extend(nodes)
    with pytest.raises(RuntimeError, match="2 nodes are up and none is current here"):
        socket.socket  # noqa: B018

    def inside() -> None:
        token = current.set(nodes[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            assert isinstance(sock, nodes[1].socket.SocketType)
        current.reset(token)

    contextvars.copy_context().run(inside)
