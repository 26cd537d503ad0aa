"""Raw sockets: copies of whole packets beside the protocol's own module, and packets written by hand (raw(7))."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from stack.port import Endpoint
from stack.raw import PROTOCOL_RAW, RawPort
from stack.wire import icmpv4, ipv4, udp
from stack.wire.address import BROADCAST4, LOOPBACK4, parse_ip
from stack.wire.drop import Drop
from tests.drill.drill import Drill
from tests.drill.host import ADDRESS, PEER, Host

STRANGER = parse_ip("192.168.1.66")
NOWHERE = parse_ip("10.0.0.1")


def refused(host: Host, call: Callable[[float], object]) -> int | None:
    with pytest.raises(OSError) as e:
        host.do(call)
    return e.value.errno


def count(port: RawPort) -> int:
    return sum(1 for _ in iter(port.receive, None))


def test_everybody_gets_a_copy_with_its_header() -> None:
    host = Host()
    ports = [host.stack.raw.open(ipv4.PROTOCOL_ICMP) for _ in range(3)]
    host.receive_icmp(icmpv4.echo_request(1, 2, b"hello"))
    assert host.take().icmp.type == icmpv4.ECHO_REPLY  # the host answers all the same
    for port in ports:
        got = port.receive()
        assert got is not None and got.source == Endpoint(PEER, 0)
        packet = ipv4.parse(got.data)
        assert (packet.src, packet.dst, packet.protocol) == (PEER, ADDRESS, ipv4.PROTOCOL_ICMP)
        assert icmpv4.parse(packet.payload).payload == b"hello"
        assert port.receive() is None


def test_padding_is_not_part_of_it() -> None:
    host = Host()
    port = host.stack.raw.open(200)
    ip = ipv4.emit(PEER, ADDRESS, 200, 3) + b"abc"
    host.receive(bytes.fromhex("020000000003020000000001") + b"\x08\x00" + ip + bytes(23))
    got = port.receive()
    assert got is not None and got.data == ip


def test_an_unknown_protocol_that_somebody_reads_is_not_unreachable() -> None:
    host = Host()
    port = host.stack.raw.open(200)
    host.receive_ip(200, b"abc")
    host.quiet()
    host.do(port.close)
    host.receive_ip(200, b"abc")
    assert host.take().icmp.code == icmpv4.PROTOCOL_UNREACHABLE
    host.do(port.close)


def test_copies_of_tcp_and_udp() -> None:
    d = Drill()
    segments, datagrams = d.host.stack.raw.open(6), d.host.stack.raw.open(17)
    d.passive()
    d.host.receive_udp(5, 7, b"x")
    assert (count(segments), count(datagrams)) == (2, 1)


def test_bound_and_connected_ports_hear_less() -> None:
    host = Host()
    anywhere, here, elsewhere, peers, strangers = (host.stack.raw.open(1) for _ in range(5))
    host.do(lambda now: here.bind(ADDRESS, 0, now))
    host.do(lambda now: elsewhere.bind(LOOPBACK4, 0, now))
    host.do(lambda now: peers.connect(PEER, 0, now))
    host.do(lambda now: strangers.connect(STRANGER, 0, now))
    host.receive_icmp(icmpv4.echo_reply(1, 2, b""))
    assert [count(p) for p in (anywhere, here, elsewhere, peers, strangers)] == [1, 1, 0, 1, 0]


def test_only_what_is_for_this_host() -> None:
    host = Host()
    port = host.stack.raw.open(1)
    host.receive_icmp(icmpv4.echo_reply(1, 2, b""), dst=STRANGER)
    assert count(port) == 0


def test_protocols_that_there_are() -> None:
    host = Host()
    for protocol in (0, -1, 256):
        with pytest.raises(OSError) as e:
            host.stack.raw.open(protocol)
        assert e.value.errno == errno.EPROTONOSUPPORT


def test_sending_leaves_the_header_to_the_stack() -> None:
    host = Host()
    port = host.stack.raw.open(200)
    port.options.ttl, port.options.tos = 3, 0x10
    assert host.do(lambda now: port.send(b"abc", Endpoint(PEER, 0), now)) == 3
    packet = host.take().ip
    assert (packet.src, packet.dst, packet.protocol, packet.ttl, packet.tos) == (ADDRESS, PEER, 200, 3, 0x10)
    assert bytes(packet.payload) == b"abc"


def test_what_cannot_be_sent() -> None:
    host = Host()
    port = host.stack.raw.open(200)
    assert refused(host, lambda now: port.send(b"", None, now)) == errno.EDESTADDRREQ
    assert refused(host, lambda now: port.send(b"", Endpoint(NOWHERE, 0), now)) == errno.ENETUNREACH
    assert refused(host, lambda now: port.send(bytes(1481), Endpoint(PEER, 0), now)) == errno.EMSGSIZE
    assert refused(host, lambda now: port.send(bytes(70_000), Endpoint(PEER, 0), now)) == errno.EMSGSIZE
    assert refused(host, lambda now: port.send(b"", Endpoint(BROADCAST4, 0), now)) == errno.EACCES
    assert refused(host, lambda now: port.bind(STRANGER, 0, now)) == errno.EADDRNOTAVAIL
    assert refused(host, lambda now: port.connect(NOWHERE, 0, now)) == errno.ENETUNREACH
    host.quiet()


# --- with the header written by hand


def by_hand(host: Host, packet: bytes) -> None:
    port = host.stack.raw.open(PROTOCOL_RAW)
    assert port.options.header_included
    to = Endpoint(ipv4.fields(packet).dst, 0) if len(packet) >= 20 else Endpoint(PEER, 0)
    try:
        host.do(lambda now: port.send(packet, to, now))
    finally:
        host.do(port.close)


def test_checksum_length_and_what_is_zero_are_filled_in() -> None:
    host = Host()
    packet = bytearray(ipv4.emit(bytes(4), PEER, 99, 3, ttl=1, dont_fragment=False) + b"abc")
    packet[2:4] = packet[10:12] = b"\xde\xad"
    by_hand(host, bytes(packet))
    sent = host.take().ip
    assert (sent.src, sent.ttl, sent.protocol, sent.flags, sent.total_length) == (ADDRESS, 1, 99, 0, 23)
    assert sent.identification != 0


def test_what_is_given_stays() -> None:
    host = Host()
    by_hand(host, ipv4.emit(STRANGER, PEER, 99, 3, identification=77, options=b"\x94\x04\x00\x00") + b"abc")
    sent = host.take().ip
    assert (sent.src, sent.identification, sent.options) == (STRANGER, 77, b"\x94\x04\x00\x00")


@pytest.mark.parametrize(
    "packet", [b"", bytes(19), bytes(20), b"\x65" + bytes(39), b"\x44" + bytes(39), b"\x4f" + bytes(39)]
)
def test_what_does_not_begin_with_a_header(packet: bytes) -> None:
    host = Host(gateway=PEER)
    whole = packet[:16] + PEER + packet[20:] if len(packet) >= 20 else packet
    with pytest.raises(OSError) as e:
        by_hand(host, whole)
    assert e.value.errno == errno.EINVAL
    host.quiet()


def test_what_is_too_big_or_has_no_way() -> None:
    host = Host()
    for packet, number in (
        (ipv4.emit(bytes(4), PEER, 99, 1481) + bytes(1481), errno.EMSGSIZE),
        (ipv4.emit(bytes(4), NOWHERE, 99, 0), errno.ENETUNREACH),
    ):
        with pytest.raises(OSError) as e:
            by_hand(host, packet)
        assert e.value.errno == number
    host.quiet()


def test_the_raw_protocol_receives_nothing() -> None:
    host = Host()
    port = host.stack.raw.open(PROTOCOL_RAW)
    host.receive_ip(PROTOCOL_RAW, b"abc")
    assert count(port) == 0


# --- bounds and errors


def test_the_receive_buffer_is_bounded_and_the_stack_goes_on() -> None:
    host = Host(udp_rcvbuf=4096)
    port = host.stack.raw.open(1)
    for n in range(50):
        host.receive_icmp(icmpv4.echo_request(1, n, bytes(500)))
    assert len(host.take_all()) == 50
    assert count(port) < 5 and host.dropped(Drop.RECEIVE_BUFFER_FULL) > 45


def test_errors_reach_the_connected_port() -> None:
    host = Host()
    near, far = host.stack.raw.open(200), host.stack.raw.open(200)
    host.do(lambda now: near.connect(PEER, 0, now))
    host.do(lambda now: far.connect(STRANGER, 0, now))
    quoted = ipv4.emit(ADDRESS, PEER, 200, 8) + bytes(8)
    host.receive_icmp(icmpv4.emit(3, icmpv4.PROTOCOL_UNREACHABLE, bytes(4), quoted))
    assert near.take_error() == errno.ENOPROTOOPT and far.take_error() == 0


def test_a_datagram_port_beside_a_raw_one() -> None:
    host = Host()
    raw, port = host.stack.raw.open(17), host.stack.udp.open()
    host.do(lambda now: port.bind(bytes(4), 7, now))
    host.receive_ip(17, udp.emit(PEER, ADDRESS, 5, 7, b"x") + b"x")
    assert count(raw) == 1 and port.receive() is not None
