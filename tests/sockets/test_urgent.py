"""MSG_OOB and SO_OOBINLINE, the same on the kernel's sockets and on ours."""

from __future__ import annotations

import errno
import fcntl
import select
import struct
from typing import Any

import pytest

from stack.sim import World
from stack.socket import SocketModule
from tests.patience import PATIENCE
from tests.sockets.conftest import Net
from tests.sockets.outcome import errno_of, until

SIOCATMARK = 0x8905


def is_exceptional(net: Net, sock: Any) -> bool:
    """poll(2)'s POLLPRI."""
    return bool(sock.exceptional()) if net.is_ours else bool(select.select([], [], [sock], 0)[2])


def is_at_mark(net: Net, sock: Any) -> bool:
    """sockatmark(3)."""
    if net.is_ours:
        return bool(sock.at_mark())
    return bool(struct.unpack("i", fcntl.ioctl(sock, SIOCATMARK, bytes(4)))[0])


def is_readable(net: Net, sock: Any) -> bool:
    return bool(sock.readable()) if net.is_ours else bool(select.select([sock], [], [], 0)[0])


def pair(net: Net) -> tuple[Any, Any]:
    """A connected stream. Over the kernel Python would wait for other data than urgent if there were a timeout."""
    client, server = net.pair()
    if not net.is_ours:
        server.settimeout(None)
    return client, server


def test_the_urgent_byte_overtakes_and_reads_end_at_the_mark(net: Net) -> None:
    client, server = pair(net)
    assert errno_of(server.recv, 1, net.there.MSG_OOB) == errno.EINVAL
    assert client.send(b"before!", net.here.MSG_OOB) == 7
    client.sendall(b"after")
    until(net, lambda: is_exceptional(net, server))
    until(net, lambda: len(server.recv(100, net.there.MSG_PEEK)) == 6)
    assert server.recv(5, net.there.MSG_OOB | net.there.MSG_PEEK) == b"!"
    assert server.recv(5, net.there.MSG_OOB) == b"!"
    assert errno_of(server.recv, 1, net.there.MSG_OOB) == errno.EINVAL
    assert not is_exceptional(net, server)
    assert not is_at_mark(net, server)
    assert server.recv(100) == b"before"
    assert is_at_mark(net, server)
    assert server.recv(100) == b"after"
    assert not is_at_mark(net, server)


def test_inline(net: Net) -> None:
    client, server = pair(net)
    assert server.getsockopt(net.there.SOL_SOCKET, net.there.SO_OOBINLINE) == 0
    server.setsockopt(net.there.SOL_SOCKET, net.there.SO_OOBINLINE, 1)
    assert server.getsockopt(net.there.SOL_SOCKET, net.there.SO_OOBINLINE) == 1
    client.sendall(b"before!", net.here.MSG_OOB)
    client.sendall(b"after")
    until(net, lambda: is_exceptional(net, server))
    assert errno_of(server.recv, 1, net.there.MSG_OOB) == errno.EINVAL
    assert server.recv(100) == b"before"
    assert is_at_mark(net, server) and is_exceptional(net, server)
    buffer = bytearray(100)
    got = server.recv_into(buffer)
    while got < 6:
        got += server.recv_into(memoryview(buffer)[got:])
    assert bytes(buffer[:6]) == b"!after"
    assert not is_at_mark(net, server) and not is_exceptional(net, server)


def test_a_byte_that_is_passed_is_gone(net: Net) -> None:
    client, server = pair(net)
    client.send(b"ab!", net.here.MSG_OOB)
    client.sendall(b"cd")
    until(net, lambda: is_exceptional(net, server))
    assert server.recv(100) == b"ab"
    assert server.recv(100) == b"cd"
    assert not is_exceptional(net, server)
    assert errno_of(server.recv, 1, net.there.MSG_OOB) == errno.EINVAL


def test_alone_it_wakes_no_reader_and_the_end_of_the_stream_does(net: Net) -> None:
    client, server = pair(net)
    client.send(b"!", net.here.MSG_OOB)
    until(net, lambda: is_exceptional(net, server))
    assert not is_readable(net, server) and is_at_mark(net, server)
    client.shutdown(net.here.SHUT_WR)
    until(net, lambda: is_readable(net, server))
    assert server.recv(1, net.there.MSG_OOB) == b"!"
    assert server.recv(100) == b""


def test_the_last_mark_counts(net: Net) -> None:
    client, server = pair(net)
    client.send(b"a1", net.here.MSG_OOB)
    client.send(b"b2", net.here.MSG_OOB)
    until(net, lambda: len(server.recv(100, net.there.MSG_PEEK)) == 3)
    assert server.recv(1, net.there.MSG_OOB) == b"2"
    assert server.recv(100) == b"a1b"


def test_urgent_data_of_many_bytes_is_one_byte_and_the_rest_is_plain(net: Net) -> None:
    client, server = pair(net)
    data = bytes(range(256)) * 400
    task = net.spawn(lambda: client.sendall(data, net.here.MSG_OOB))
    got = b""
    while len(got) < len(data) - 1:
        part = server.recv(65536)
        assert part
        got += part
    task.join()
    assert got == data[:-1]
    until(net, lambda: is_exceptional(net, server))
    assert server.recv(1, net.there.MSG_OOB) == data[-1:]


@pytest.mark.parametrize("room", [4096, 1 << 20])
def test_the_last_byte_of_all_is_urgent_and_not_of_each_part(room: int) -> None:
    """What is sent goes in parts, where there is little room and where there is much; who reads between them does not
    lose a byte at each one's end. (The kernel marks each part that has to wait.)"""
    data = bytes(range(256)) * 400
    with World(seed=1) as world:
        world.cable(delay=0.001)
        here, there = (SocketModule(world.host(f"10.0.0.{n}/24", tcp_sndbuf=room)) for n in (1, 2))
        with there.create_server(("", 7)) as listener, here.create_connection(("10.0.0.2", 7)) as client:
            server = listener.accept()[0]
            server.settimeout(PATIENCE)
            task = world.spawn(client.sendall, data, here.MSG_OOB)
            got = b""
            while len(got) < len(data) - 1:
                got += server.recv(65536)
            task.join()
            assert got == data[:-1] and server.recv(1, there.MSG_OOB) == data[-1:]
            server.close()


def test_datagrams_have_nothing_urgent(net: Net) -> None:
    _, client = reversed(net.datagrams())
    if net.is_ours:
        assert errno_of(client.recv, 1, net.here.MSG_OOB) == errno.EOPNOTSUPP
        assert not client.exceptional() and not client.at_mark()
    assert errno_of(client.send, b"x", net.here.MSG_OOB) == errno.EOPNOTSUPP


def test_not_connected(net: Net) -> None:
    sock = net.keep(net.here.socket())
    assert errno_of(sock.recv, 1, net.here.MSG_OOB) in (errno.ENOTCONN, errno.EINVAL)
    with pytest.raises(OSError):
        sock.send(b"x", net.here.MSG_OOB)
