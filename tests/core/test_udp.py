"""UDP: whose a datagram is, what may be sent, which errors find it, how much it keeps (RFC 768, RFC 1122 4.1)."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from stack.datagram import OVERHEAD
from stack.port import Endpoint
from stack.udp import MAX_PAYLOAD, UdpPort
from stack.wire import icmpv4, ipv4, udp
from stack.wire.address import ANY4, BROADCAST4, LOOPBACK4, parse_ip
from stack.wire.drop import Drop
from tests.drill.host import ADDRESS, PEER, Host

SUBNET = parse_ip("192.168.1.255")
SECOND = parse_ip("192.168.1.4")
STRANGER = parse_ip("192.168.1.66")


def bound(host: Host, address: bytes = ANY4, number: int = 7, reuse: bool = True) -> UdpPort:
    port = host.stack.udp.open()
    port.options.reuse_address = reuse
    host.do(lambda now: port.bind(address, number, now))
    return port


def connected(host: Host, remote: Endpoint, address: bytes = ANY4, number: int = 7) -> UdpPort:
    port = bound(host, address, number)
    host.do(lambda now: port.connect(*remote, now))
    return port


def heard(*ports: UdpPort) -> list[int]:
    """How many datagrams each has."""
    counts = []
    for port in ports:
        count = 0
        while port.receive() is not None:
            count += 1
        counts.append(count)
    return counts


def refused(host: Host, call: Callable[[float], object]) -> int | None:
    with pytest.raises(OSError) as e:
        host.do(call)
    return e.value.errno


# --- whose it is


def test_a_datagram_as_it_arrives() -> None:
    host = Host(start=100.0)
    port = bound(host)
    host.advance_to(1.5)
    host.receive_ip(17, udp.emit(PEER, ADDRESS, 5, 7, b"hello") + b"hello", ttl=9)
    assert port.readable()
    assert port.receive(peek=True) == port.receive(peek=True)
    datagram = port.receive()
    assert datagram is not None
    assert (datagram.data, datagram.source, datagram.destination) == (b"hello", Endpoint(PEER, 5), ADDRESS)
    assert (datagram.ttl, datagram.tos, datagram.at) == (9, 0, 101.5)
    assert port.receive() is None and not port.readable()


def test_the_port_that_names_most_hears_it() -> None:
    host = Host()
    anybody = bound(host)
    here = bound(host, ADDRESS)
    peers = connected(host, Endpoint(PEER, 5))
    host.receive_udp(5, 7, b"")
    assert heard(anybody, here, peers) == [0, 0, 1]
    host.receive_udp(6, 7, b"")
    assert heard(anybody, here, peers) == [0, 1, 0]
    host.receive_udp(5, 7, b"", src=STRANGER)
    assert heard(anybody, here, peers) == [0, 1, 0]
    host.do(here.close)
    host.receive_udp(6, 7, b"")
    assert heard(anybody, peers) == [1, 0]


def test_a_connected_port_hears_nobody_else() -> None:
    host = Host()
    port = connected(host, Endpoint(PEER, 5))
    host.receive_udp(6, 7, b"")
    assert heard(port) == [0]
    assert host.take().icmp.code == icmpv4.PORT_UNREACHABLE
    host.do(lambda now: port.disconnect())
    host.receive_udp(6, 7, b"")
    assert heard(port) == [1]


@pytest.mark.parametrize("to", [SUBNET, BROADCAST4])
def test_everybody_at_any_address_hears_a_broadcast(to: bytes) -> None:
    """As Linux: who is bound to one address hears what is sent to that, and no broadcasts."""
    host = Host()
    one, two, here = bound(host), bound(host), bound(host, ADDRESS)
    friend, foe = connected(host, Endpoint(PEER, 5)), connected(host, Endpoint(STRANGER, 5))
    host.receive_udp(5, 7, b"", dst=to)
    assert heard(one, two, here) == [1, 1, 0]
    assert heard(friend, foe) == [0, 0]  # connecting has fixed their own address
    host.receive_udp(5, 8, b"", dst=to)
    host.quiet()
    assert host.dropped(Drop.UDP_PORT_CLOSED) == 1


def test_to_a_closed_port() -> None:
    host = Host()
    port = bound(host)
    host.do(port.close)
    host.receive_udp(5, 7, b"")
    assert host.take().icmp.code == icmpv4.PORT_UNREACHABLE
    host.do(port.close)


# --- checksums and lengths


def test_a_checksum_of_zero_is_none() -> None:
    host = Host()
    port = bound(host)
    data = bytearray(udp.emit(PEER, ADDRESS, 5, 7, b"hello") + b"hello")
    data[6:8] = bytes(2)
    host.receive_ip(17, bytes(data))
    assert heard(port) == [1]


def test_every_bit_is_under_the_checksum() -> None:
    host = Host()
    port = bound(host)
    good = udp.emit(PEER, ADDRESS, 5, 7, b"hello") + b"hello"
    for bit in range(len(good) * 8):
        data = bytearray(good)
        data[bit // 8] ^= 0x80 >> bit % 8
        host.receive_ip(17, bytes(data))
    host.quiet()
    assert heard(port) == [0]
    assert host.dropped(Drop.UDP_CHECKSUM) + host.dropped(Drop.UDP_LENGTH) == len(good) * 8


@pytest.mark.parametrize("length", [0, 7, 14, 65_535])
def test_lengths_that_lie(length: int) -> None:
    host = Host()
    port = bound(host)
    data = bytearray(udp.emit(PEER, ADDRESS, 5, 7, b"hello") + b"hello")
    data[4:6] = length.to_bytes(2, "big")
    host.receive_ip(17, bytes(data))
    assert heard(port) == [0] and host.dropped(Drop.UDP_LENGTH) == 1


def test_what_lies_behind_its_length_is_cut_off() -> None:
    host = Host()
    port = bound(host)
    host.receive_ip(17, udp.emit(PEER, ADDRESS, 5, 7, b"hello") + b"hello" + b"trailer")
    datagram = port.receive()
    assert datagram is not None and datagram.data == b"hello"


# --- binding


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        (ANY4, ANY4, True),
        (ANY4, ADDRESS, True),
        (ADDRESS, ANY4, True),
        (ADDRESS, ADDRESS, True),
        (ADDRESS, LOOPBACK4, False),
    ],
)
@pytest.mark.parametrize("reuse", [(False, False), (True, False), (False, True), (True, True)])
def test_conflicts(first: bytes, second: bytes, conflict: bool, reuse: tuple[bool, bool]) -> None:
    host = Host()
    bound(host, first, 7, reuse[0])
    if conflict and reuse != (True, True):
        with pytest.raises(OSError) as e:
            bound(host, second, 7, reuse[1])
        assert e.value.errno == errno.EADDRINUSE
    else:
        bound(host, second, 7, reuse[1])


def test_what_cannot_be_bound() -> None:
    host = Host()
    port = host.stack.udp.open()
    assert refused(host, lambda now: port.bind(SECOND, 7, now)) == errno.EADDRNOTAVAIL
    host.do(lambda now: port.bind(ANY4, 0, now))
    assert port.local is not None and 32768 <= port.local.port <= 60999
    assert refused(host, lambda now: port.bind(ANY4, 7, now)) == errno.EINVAL


# --- sending


def test_the_first_send_chooses_a_port_and_connect_an_address() -> None:
    host = Host()
    port = host.stack.udp.open()
    assert host.do(lambda now: port.send(b"hello", Endpoint(PEER, 9), now)) == 5
    sent = host.take()
    assert port.local == Endpoint(ANY4, sent.udp.src_port)
    assert (sent.ip.src, sent.udp.dst_port, bytes(sent.udp.payload)) == (ADDRESS, 9, b"hello")
    host.do(lambda now: port.connect(PEER, 9, now))
    assert port.local == Endpoint(ADDRESS, sent.udp.src_port) and port.remote == Endpoint(PEER, 9)
    host.do(lambda now: port.send(b"", None, now))
    assert host.take().udp.length == 8


def test_what_cannot_be_sent() -> None:
    host = Host()
    port = host.stack.udp.open()
    assert refused(host, lambda now: port.send(b"", None, now)) == errno.EDESTADDRREQ
    assert refused(host, lambda now: port.send(b"", Endpoint(PEER, 0), now)) == errno.EINVAL
    assert refused(host, lambda now: port.send(bytes(MAX_PAYLOAD + 1), Endpoint(LOOPBACK4, 9), now)) == errno.EMSGSIZE
    assert refused(host, lambda now: port.send(b"", Endpoint(parse_ip("10.0.0.1"), 9), now)) == errno.ENETUNREACH
    assert refused(host, lambda now: port.connect(parse_ip("10.0.0.1"), 9, now)) == errno.ENETUNREACH
    host.quiet()


def test_the_largest_datagram_by_loopback() -> None:
    host = Host()
    port = bound(host, LOOPBACK4)
    data = bytes(n & 0xFF for n in range(MAX_PAYLOAD))
    host.do(lambda now: port.send(data, Endpoint(LOOPBACK4, 7), now))
    datagram = port.receive()
    assert datagram is not None and datagram.data == data and datagram.source == Endpoint(LOOPBACK4, 7)


def test_nobody_at_any_address_is_this_host() -> None:
    host = Host()
    server, port = bound(host), host.stack.udp.open()
    host.do(lambda now: port.send(b"x", Endpoint(ANY4, 7), now))
    datagram = server.receive()
    assert datagram is not None and datagram.source.address == LOOPBACK4
    host.do(lambda now: port.connect(ANY4, 7, now))
    assert port.remote == Endpoint(LOOPBACK4, 7)


@pytest.mark.parametrize("to", [SUBNET, BROADCAST4])
def test_a_broadcast_needs_permission(to: bytes) -> None:
    host = Host()
    port = host.stack.udp.open()
    assert refused(host, lambda now: port.send(b"x", Endpoint(to, 9), now)) == errno.EACCES
    assert refused(host, lambda now: port.connect(to, 9, now)) == errno.EACCES
    host.quiet()
    port.options.broadcast = True
    host.do(lambda now: port.send(b"x", Endpoint(to, 9), now))
    assert host.take().ethernet.dst == b"\xff" * 6


def test_shutting_down() -> None:
    host = Host()
    port = connected(host, Endpoint(PEER, 5))
    port.shutdown(False, True)
    assert refused(host, lambda now: port.send(b"x", None, now)) == errno.EPIPE
    assert not port.readable() and not port.hung_up()
    port.shutdown(True, False)
    assert port.readable() and port.is_read_shut and port.hung_up()
    with pytest.raises(OSError) as e:
        host.stack.udp.open().shutdown(True, True)
    assert e.value.errno == errno.ENOTCONN


# --- errors


def report(host: Host, code: int, local: int, remote: Endpoint, cut: int = 8) -> None:
    quoted = (
        ipv4.emit(ADDRESS, remote.address, 17, 100) + udp.emit(ADDRESS, remote.address, local, remote.port, b"")[:cut]
    )
    host.receive_icmp(icmpv4.emit(3, code, bytes(4), quoted))


def test_an_error_reaches_the_connected_port() -> None:
    host = Host()
    port = connected(host, Endpoint(PEER, 5))
    other = connected(host, Endpoint(PEER, 6))
    report(host, icmpv4.PORT_UNREACHABLE, 7, Endpoint(PEER, 5))
    assert port.readable() and port.writable()
    with pytest.raises(ConnectionRefusedError):
        port.receive()
    assert port.receive() is None and other.receive() is None
    report(host, icmpv4.PORT_UNREACHABLE, 7, Endpoint(PEER, 5))
    assert refused(host, lambda now: port.send(b"x", None, now)) == errno.ECONNREFUSED
    host.do(lambda now: port.send(b"x", None, now))
    assert host.take().udp.dst_port == 5


def test_an_unconnected_port_is_told_nothing() -> None:
    host = Host()
    port = bound(host)
    report(host, icmpv4.PORT_UNREACHABLE, 7, Endpoint(PEER, 5))
    assert port.receive() is None and host.dropped(Drop.ICMP_NO_SOCKET) == 0


def test_an_error_about_nobody() -> None:
    host = Host()
    connected(host, Endpoint(PEER, 5))
    report(host, icmpv4.PORT_UNREACHABLE, 8, Endpoint(PEER, 5))
    report(host, icmpv4.PORT_UNREACHABLE, 7, Endpoint(PEER, 6))
    report(host, icmpv4.PORT_UNREACHABLE, 7, Endpoint(PEER, 5), cut=7)
    assert host.dropped(Drop.ICMP_NO_SOCKET) == 3


def test_a_closed_port_of_ours_refuses_by_loopback() -> None:
    host = Host()
    port = host.stack.udp.open()
    host.do(lambda now: port.connect(LOOPBACK4, 9, now))
    host.do(lambda now: port.send(b"x", None, now))
    assert port.take_error() == errno.ECONNREFUSED


# --- how much it keeps


def test_the_receive_buffer_is_bounded() -> None:
    host = Host(udp_rcvbuf=10_000)
    port = bound(host)
    for n in range(100):
        host.receive_udp(5, 7, bytes([n]) * 1000)
    kept = 10_000 // (1000 + OVERHEAD)
    assert host.dropped(Drop.RECEIVE_BUFFER_FULL) == 100 - kept
    assert [d.data[0] for d in iter(port.receive, None)] == list(range(kept))
    host.receive_udp(5, 7, b"again")
    assert heard(port) == [1]


def test_empty_datagrams_fill_a_buffer_too() -> None:
    host = Host(udp_rcvbuf=10_000)
    port = bound(host)
    for _ in range(100):
        host.receive_udp(5, 7, b"")
    assert heard(port) == [10_000 // OVERHEAD]


def test_one_datagram_always_fits() -> None:
    host = Host(udp_rcvbuf=256)
    port = bound(host)
    for _ in range(3):
        host.receive_udp(5, 7, bytes(1400))
    assert heard(port) == [1]


def test_one_full_reader_does_not_keep_others_from_a_broadcast() -> None:
    host = Host()
    full, empty = bound(host), bound(host)
    full.options.rcvbuf = 256
    for _ in range(5):
        host.receive_udp(5, 7, b"x", dst=SUBNET)
    assert heard(full, empty) == [1, 5] and host.dropped(Drop.RECEIVE_BUFFER_FULL) == 0
