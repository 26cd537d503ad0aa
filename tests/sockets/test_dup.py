"""Two sockets on one connection: it lives until both are closed, and what one does the other sees."""

from __future__ import annotations

import errno
import select
import struct

import pytest

from stack.sim import World
from stack.socket import SocketModule
from tests.hosts import Pair
from tests.patience import PATIENCE
from tests.sockets.conftest import Net
from tests.sockets.outcome import errno_of, until
from tests.sockets.test_descriptor import connected


def test_the_connection_ends_with_the_last(net: Net) -> None:
    client, server = net.pair()
    twin = net.keep(client.dup())
    assert twin.getsockname() == client.getsockname() and twin.getpeername() == client.getpeername()
    assert (twin.family, twin.type, twin.proto, twin.gettimeout()) == (
        client.family, client.type, client.proto, client.gettimeout(),
    )  # fmt: skip
    client.setsockopt(net.here.IPPROTO_TCP, net.here.TCP_NODELAY, 1)
    assert twin.getsockopt(net.here.IPPROTO_TCP, net.here.TCP_NODELAY) == 1
    twin.settimeout(0.05)
    assert client.gettimeout() == PATIENCE, "each has a timeout of its own"
    client.sendall(b"one ")
    client.close()
    client.close()
    assert errno_of(client.send, b"x") == errno.EBADF
    with pytest.raises(TimeoutError):
        twin.recv(1)
    twin.sendall(b"two")
    until(net, lambda: server.recv(100, net.there.MSG_PEEK) == b"one two")
    server.sendall(b"three")
    twin.settimeout(PATIENCE)
    assert twin.recv(100) == b"three"
    twin.close()
    assert server.recv(100) == b"one two"
    assert server.recv(100) == b""


def test_a_listener_and_a_datagram_socket(net: Net) -> None:
    listener = net.listener()
    twin = net.keep(listener.dup())
    listener.close()
    net.keep(net.here.create_connection(twin.getsockname(), PATIENCE))
    net.keep(twin.accept()[0])
    client, server = net.datagrams()
    other = net.keep(server.dup())
    server.close()
    client.send(b"x")
    assert other.recv(10) == b"x"


def test_shutdown_is_for_both_and_a_closed_one_has_no_twin(net: Net) -> None:
    client, server = net.pair()
    twin = net.keep(client.dup())
    client.shutdown(net.here.SHUT_WR)
    assert server.recv(1) == b""
    assert errno_of(twin.send, b"x") == errno.EPIPE
    client.close()
    assert errno_of(client.dup) == errno.EBADF


def test_either_ends_an_attempt_to_connect(net: Net) -> None:
    with net.listener() as listener:
        sock = net.keep(net.here.socket())
        sock.setblocking(False)
        twin = net.keep(sock.dup())
        assert twin.gettimeout() == 0.0
        assert sock.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
        listener.accept()[0].close()
        until(net, lambda: twin.connect_ex(listener.getsockname()) in (0, errno.EISCONN))


def test_linger_is_for_the_last(net: Net) -> None:
    client, server = net.pair()
    client.setsockopt(net.here.SOL_SOCKET, net.here.SO_LINGER, struct.pack("ii", 1, 0))
    twin = net.keep(client.dup())
    client.close()
    twin.sendall(b"still there")
    assert server.recv(100) == b"still there"
    twin.close()
    assert errno_of(server.recv, 1) == errno.ECONNRESET


def test_closing_one_of_two_waits_for_nothing() -> None:
    with World() as world:
        here, there = (SocketModule(world.host(f"10.0.0.{n}/24")) for n in (1, 2))
        with there.create_server(("", 1)), here.create_connection(("10.0.0.2", 1)) as client:
            client.setsockopt(here.SOL_SOCKET, here.SO_LINGER, struct.pack("ii", 1, 5))
            client.sendall(b"never read")
            before = world.now()
            client.dup().close()
            assert world.now() == before


def test_descriptors_of_both_tell_the_same() -> None:
    with Pair() as pair:
        client, server = connected(pair)
        twin = server.dup()
        assert server.fileno() != twin.fileno()
        client.sendall(b"x")
        assert select.select([twin], [], [], PATIENCE)[0] and select.select([server], [], [], PATIENCE)[0]
        server.recv(1)
        assert select.select([server, twin], [], [], 0)[0] == []
        again = pair.b.socket(fileno=server.detach())
        with pytest.warns(ResourceWarning, match="unclosed"):
            del twin
        again.sendall(b"y")
        assert client.recv(1) == b"y"
        again.close()
        assert client.recv(1) == b""
        client.close()
