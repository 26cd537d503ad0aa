"""Datagrams, the same on the kernel's sockets and on ours; and raw sockets, which on the kernel need a privilege."""

from __future__ import annotations

import errno
import struct

import pytest

from tests.patience import PATIENCE
from tests.sockets.conftest import Net
from tests.sockets.outcome import errno_of, until


def test_datagrams_keep_their_borders(net: Net) -> None:
    client, server = net.datagrams()
    for data in (b"one", b"", b"three"):
        assert client.send(data) == len(data)
    assert server.recvfrom(100) == (b"one", client.getsockname())
    assert server.recvfrom(100) == (b"", client.getsockname())
    assert server.recv(100) == b"three"


def test_answers(net: Net) -> None:
    client, server = net.datagrams()
    client.sendall(b"ping")
    data, address = server.recvfrom(100)
    assert server.sendto(data.upper(), address) == 4
    assert server.sendto(b"flags", 0, address) == 5
    assert client.recv(100) == b"PING"
    assert client.recv(100) == b"flags"
    with pytest.raises(TypeError):
        server.sendto(b"x")


def test_what_does_not_fit_is_cut(net: Net) -> None:
    client, server = net.datagrams()
    for _ in range(4):
        client.send(b"0123456789")
    assert server.recv(4) == b"0123"
    data, _, flags, address = server.recvmsg(4)
    assert (data, flags & net.there.MSG_TRUNC, address) == (b"0123", net.there.MSG_TRUNC, client.getsockname())
    buffer = bytearray(6)
    assert server.recv_into(buffer, 0, net.there.MSG_TRUNC) == 10
    assert bytes(buffer) == b"012345"
    assert server.recv(0) == b"", "asks for nothing, takes nothing"
    assert server.recvfrom(0)[0] == b"", "takes one, and nothing of it is left"
    server.settimeout(0.01)
    with pytest.raises(TimeoutError):
        server.recv(1)


def test_peek(net: Net) -> None:
    client, server = net.datagrams()
    client.send(b"first")
    client.send(b"second")
    assert server.recvfrom(100, net.there.MSG_PEEK) == (b"first", client.getsockname())
    assert server.recv(100) == b"first"
    assert server.recv(100) == b"second"


def test_recvfrom_into(net: Net) -> None:
    client, server = net.datagrams()
    client.sendmsg([b"ab", b"cd"])
    buffer = bytearray(10)
    assert server.recvfrom_into(buffer) == (4, client.getsockname())
    assert bytes(buffer[:4]) == b"abcd"


def test_closed_port_is_told_to_a_connected_socket(net: Net) -> None:
    client, server = net.datagrams()
    server.close()
    client.send(b"anybody?")
    with pytest.raises(ConnectionRefusedError) as e:
        client.recv(100)
    assert e.value.errno == errno.ECONNREFUSED
    client.settimeout(0.01)
    with pytest.raises(TimeoutError):
        client.recv(100)  # once


def test_closed_port_is_not_told_to_another(net: Net) -> None:
    _, server = net.datagrams()
    address = server.getsockname()
    server.close()
    loose = net.keep(net.here.socket(net.here.AF_INET, net.here.SOCK_DGRAM))
    loose.sendto(b"anybody?", address)
    loose.settimeout(0.02)
    with pytest.raises(TimeoutError):
        loose.recv(100)


def test_error_is_met_by_the_next_call(net: Net) -> None:
    client, server = net.datagrams()
    server.close()
    client.send(b"anybody?")
    found: list[int] = []
    until(net, lambda: found.append(client.getsockopt(net.here.SOL_SOCKET, net.here.SO_ERROR)) or found[-1])
    assert found[-1] == errno.ECONNREFUSED


def test_a_connected_socket_hears_its_peer_only(net: Net) -> None:
    client, server = net.datagrams()
    stranger = net.keep(net.there.socket(net.there.AF_INET, net.there.SOCK_DGRAM))
    here = client.getsockname()
    stranger.bind((net.address, 0))
    stranger.sendto(b"not for you", here)
    server.sendto(b"for you", here)
    assert client.recv(100) == b"for you"
    assert client.getpeername() == server.getsockname()


def test_sizes(net: Net) -> None:
    client, _ = net.datagrams()
    assert errno_of(client.send, bytes(65_508)) == errno.EMSGSIZE
    assert errno_of(client.sendto, b"x", ("127.0.0.1", 0)) == errno.EINVAL
    loose = net.keep(net.here.socket(net.here.AF_INET, net.here.SOCK_DGRAM))
    assert errno_of(loose.send, b"x") == errno.EDESTADDRREQ
    assert errno_of(loose.getpeername) == errno.ENOTCONN


def test_broadcast_needs_the_option(net: Net) -> None:
    sock = net.keep(net.here.socket(net.here.AF_INET, net.here.SOCK_DGRAM))
    for address in ("<broadcast>", "127.255.255.255"):
        assert errno_of(sock.sendto, b"x", (address, 9)) == errno.EACCES
    sock.setsockopt(net.here.SOL_SOCKET, net.here.SO_BROADCAST, 1)
    if net.name in ("world", "real"):  # where there is a link
        server = net.keep(net.there.socket(net.there.AF_INET, net.there.SOCK_DGRAM))
        server.bind(("", 999))
        server.settimeout(PATIENCE)
        sock.sendto(b"to all", ("<broadcast>", 999))
        sock.sendto(b"to the subnet", ("10.0.0.255", 999))
        assert [server.recv(100), server.recv(100)] == [b"to all", b"to the subnet"]


def test_what_streams_only_can(net: Net) -> None:
    client, _ = net.datagrams()
    client.settimeout(None)
    assert errno_of(client.listen) == errno.EOPNOTSUPP
    assert errno_of(client.accept) == errno.EOPNOTSUPP


def test_bind_in_use(net: Net) -> None:
    _, server = net.datagrams()
    other = net.keep(net.there.socket(net.there.AF_INET, net.there.SOCK_DGRAM))
    assert errno_of(other.bind, server.getsockname()) == errno.EADDRINUSE
    server.setsockopt(net.there.SOL_SOCKET, net.there.SO_REUSEADDR, 1)
    other.setsockopt(net.there.SOL_SOCKET, net.there.SO_REUSEADDR, 1)
    other.bind(server.getsockname())


def test_shutdown(net: Net) -> None:
    client, server = net.datagrams()
    assert errno_of(server.shutdown, net.there.SHUT_RD) == errno.ENOTCONN
    client.settimeout(None)
    client.shutdown(net.here.SHUT_RD)
    assert client.recv(100) == b""
    client.send(b"still")
    assert server.recv(100) == b"still"
    client.shutdown(net.here.SHUT_WR)
    assert errno_of(client.send, b"x") == errno.EPIPE


def test_a_full_buffer_drops(net: Net) -> None:
    client, server = net.datagrams()
    server.setsockopt(net.there.SOL_SOCKET, net.there.SO_RCVBUF, 8192)
    for number in range(100):
        client.send(struct.pack("I", number) + bytes(1000))
    received = [struct.unpack_from("I", server.recv(2000))[0]]
    server.settimeout(0.05)
    with pytest.raises(TimeoutError):
        while True:
            received.append(struct.unpack_from("I", server.recv(2000))[0])
    assert 0 < len(received) < 100
    assert received == sorted(received) and received[0] == 0, "the oldest are kept"


@pytest.mark.parametrize("net", ["world", "real"], indirect=True)
def test_raw(net: Net) -> None:
    """An echo request by hand; what comes back begins at the IP header."""
    sock = net.keep(net.here.socket(net.here.AF_INET, net.here.SOCK_RAW, net.here.IPPROTO_ICMP))
    sock.settimeout(PATIENCE)
    request = b"\x08\x00" + struct.pack("!HHH", 0xFFFF - 0x0800 - 7 - 1, 7, 1)
    sock.sendto(request, (net.address, 0))
    packet, address = sock.recvfrom(1000)
    assert address == (net.address, 0)
    assert packet[0] == 0x45 and packet[9] == 1 and packet[20] == 0, "IPv4, ICMP, echo reply"
    assert packet[24:28] == request[4:8]


@pytest.mark.parametrize("net", ["world", "real"], indirect=True)
def test_raw_with_a_header_of_its_own(net: Net) -> None:
    sock = net.keep(net.here.socket(net.here.AF_INET, net.here.SOCK_RAW, net.here.IPPROTO_RAW))
    server = net.keep(net.there.socket(net.there.AF_INET, net.there.SOCK_RAW, 253))
    server.settimeout(PATIENCE)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 24, 7, 0, 33, 253, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    sock.sendto(header + b"data", (net.address, 0))
    packet = server.recv(100)
    assert packet[8] == 33 and packet[20:] == b"data"
