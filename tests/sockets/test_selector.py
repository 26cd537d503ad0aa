"""The Selector, the same on the kernel's sockets and on ours; and what only ours can."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import Any

import pytest

from stack.sim import World
from stack.socket import SocketModule
from tests.patience import PATIENCE
from tests.sockets.conftest import Net

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@pytest.fixture
def select(net: Net) -> Callable[[], Any]:
    """Makes selectors for `net.there`'s sockets, which are closed at the end."""
    return lambda: net.keep((net.there.selectors if net.is_ours else selectors).DefaultSelector())


def test_ready_and_not(net: Net, select: Any) -> None:
    client, server = net.pair()
    s = select()
    key = s.register(server, READ, "data")
    assert (key.fileobj, key.events, key.data) == (server, READ, "data")
    assert s.select(0) == [] and s.select(0.01) == [] and s.select(-1) == []
    client.sendall(b"xy")
    assert s.select(PATIENCE) == [(key, READ)]
    assert s.select(0) == [(key, READ)], "level-triggered"
    server.recv(1)
    assert s.select(0) == [(key, READ)]
    server.recv(1)
    assert s.select(0) == []
    client.close()
    assert s.select(PATIENCE) == [(key, READ)], "the end of the stream is readable"


def test_writable(net: Net, select: Any) -> None:
    client, server = net.pair()
    s = select()
    key = s.register(server, READ | WRITE)
    assert s.select(PATIENCE) == [(key, WRITE)]
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            server.send(bytes(1 << 20))
    while s.select(0.02):
        with pytest.raises(BlockingIOError):
            while True:
                server.send(bytes(1 << 20))  # the buffer of the kernel grows
    assert client.recv(1 << 20)

    def read() -> None:
        while client.recv(1 << 20):
            pass

    task = net.spawn(read)
    assert s.select(PATIENCE) == [(key, WRITE)]
    server.close()
    task.join()


def test_accept(net: Net, select: Any) -> None:
    listener = net.listener()
    s = select()
    key = s.register(listener, READ)
    assert s.select(0) == []
    client = net.keep(net.here.socket())
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
    assert s.select(PATIENCE) == [(key, READ)]
    listener.accept()[0].close()
    assert s.select(0) == []


def test_connect_done_and_failed(net: Net) -> None:
    s = net.keep((net.here.selectors if net.is_ours else selectors).DefaultSelector())
    good, bad = net.keep(net.here.socket()), net.keep(net.here.socket())
    address = net.listener().getsockname()
    for sock, to in ((good, address), (bad, net.closed_port())):
        sock.setblocking(False)
        sock.connect_ex(to)
        s.register(sock, READ | WRITE)
    seen: dict[Any, int] = {}
    while len(seen) < 2:
        for key, events in s.select(PATIENCE):
            seen[key.fileobj] = events
            s.unregister(key.fileobj)
    assert seen == {good: WRITE, bad: READ | WRITE}


def test_registry(net: Net, select: Any) -> None:
    _, server = net.pair()
    listener = net.listener()
    s = select()
    key = s.register(server, READ)
    with pytest.raises(KeyError):
        s.register(server, READ)
    with pytest.raises(ValueError):
        s.register(listener, 0)
    with pytest.raises((KeyError, ValueError)):
        s.unregister(listener)
    assert s.get_key(server) == key == s.get_map()[server]
    assert len(s.get_map()) == 1 and listener not in s.get_map()
    changed = s.modify(server, WRITE, "new")
    assert s.get_key(server) == changed and s.select(PATIENCE) == [(changed, WRITE)]
    assert s.unregister(server) == changed
    assert not s.get_map() and s.select(0) == []
    with pytest.raises(KeyError):
        s.modify(server, READ)
    with pytest.raises(ValueError):
        s.register(object(), READ)


def test_a_file_object_with_fileno(net: Net, select: Any) -> None:
    """socketserver registers itself."""

    class Server:
        def __init__(self, sock: Any) -> None:
            self.fileno = sock.fileno

    listener = net.listener()
    server = Server(listener)
    s = select()
    key = s.register(server, READ)
    assert key.fileobj is server and s.get_key(server) == key
    net.keep(net.here.create_connection(listener.getsockname(), PATIENCE))
    assert s.select(PATIENCE) == [(key, READ)]
    assert s.unregister(server) == key
    net.keep(net.there.socket()).close()
    with pytest.raises(ValueError):
        s.register(Server(net.keep(closed(net))), READ)


def closed(net: Net) -> Any:
    sock = net.there.socket()
    sock.close()
    return sock


def test_closed_while_registered(net: Net, select: Any) -> None:
    client, server = net.pair()
    s = select()
    s.register(server, READ)
    client.sendall(b"x")
    assert s.select(PATIENCE)
    server.close()
    assert s.select(0) == []
    s.unregister(server)
    assert not s.get_map()


def test_many_get_their_turn(net: Net, select: Any) -> None:
    """An echo server for 60 clients in one thread."""
    listener = net.listener(backlog=100)
    listener.setblocking(False)
    done: list[bool] = []

    def serve() -> None:
        with (net.there.selectors if net.is_ours else selectors).DefaultSelector() as s:
            s.register(listener, READ)
            left = 60
            while left:
                for key, _ in s.select(PATIENCE):
                    if key.fileobj is listener:
                        sock, _ = listener.accept()
                        s.register(sock, READ)
                    elif data := key.fileobj.recv(1000):
                        key.fileobj.sendall(data)
                    else:
                        s.unregister(key.fileobj)
                        key.fileobj.close()
                        left -= 1
        done.append(True)

    task = net.spawn(serve)
    clients = [net.keep(net.here.create_connection(listener.getsockname(), PATIENCE)) for _ in range(60)]
    for n, client in enumerate(clients):
        client.sendall(bytes([n]) * 1000)
    for n, client in enumerate(clients):
        client.settimeout(None)
        assert client.recv(1000, net.here.MSG_WAITALL) == bytes([n]) * 1000
        client.close()
    task.join()
    assert done


@pytest.mark.parametrize("net", ["world", "real"], indirect=True)
def test_wakeup_from_another_thread(net: Net, select: Any) -> None:
    s = select()
    s.register(net.listener(), READ)
    results: list[Any] = []
    task = net.spawn(lambda: results.append(s.select()))
    net.sleep(0.01)
    assert results == []
    s.wakeup()
    task.join()
    assert results == [[]]
    s.wakeup()
    assert s.select() == [], "before is as good as during"
    s.close()
    with pytest.raises(RuntimeError):
        s.register(net.listener(), READ)


@pytest.mark.parametrize("net", ["world"], indirect=True)
def test_what_is_not_this_nodes(net: Net, select: Any) -> None:
    s = select()
    for fileobj in (net.keep(net.here.socket()), 12345, net.keep(__import__("socket").socket())):
        with pytest.raises(ValueError):
            s.register(fileobj, READ)


def test_cost_is_what_is_ready_not_what_is_registered() -> None:
    """Of 500 registered sockets one is busy: the others are not asked again."""
    with World(1) as world:
        a, b = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
        here, there = SocketModule(a), SocketModule(b)
        listener = there.create_server(("", 1), backlog=600)
        selector = there.selectors.DefaultSelector()
        clients = []
        for _ in range(500):
            clients.append(here.create_connection(("10.0.0.2", 1)))
            selector.register(listener.accept()[0], READ)
        assert selector.select(0) == []
        asked: list[int] = []
        for entry in selector.entries.values():
            port = entry.sock.port
            port.readable = (lambda real, n: lambda: asked.append(n) or real())(port.readable, len(asked))
        for _ in range(10):
            clients[123].sendall(b"x")
            ((key, _),) = selector.select(1)
            key.fileobj.recv(1)
        assert 0 < len(asked) < 100
        for sock in (*clients, listener, *(k.fileobj for k in list(selector.get_map().values()))):
            sock.close()
