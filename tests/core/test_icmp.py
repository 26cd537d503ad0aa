"""ICMP: echoes answered from their own bytes, errors sent about what deserves one and at a limited rate (RFC 792,
RFC 1122 3.2.2)."""

from __future__ import annotations

import pytest

from stack.ip.icmp import RateLimit
from stack.port import Endpoint
from stack.wire import icmpv4, ipv4, udp
from stack.wire.address import BROADCAST4, parse_ip
from stack.wire.drop import Drop
from tests.drill.host import ADDRESS, PEER, Host

ALL_SYSTEMS = parse_ip("224.0.0.1")
SUBNET = parse_ip("192.168.1.255")


# --- echo


@pytest.mark.parametrize("length", [0, 1, 2, 7, 56, 57, 1471, 1472])
def test_an_echo_comes_back_as_it_was(length: int) -> None:
    host = Host()
    payload = bytes(n & 0xFF for n in range(length))
    host.receive_icmp(icmpv4.echo_request(0x1234, 0x5678, payload))
    sent = host.take()
    reply = sent.icmp
    assert (sent.ip.src, sent.ip.dst) == (ADDRESS, PEER)
    assert (reply.type, reply.code, reply.identifier, reply.sequence) == (icmpv4.ECHO_REPLY, 0, 0x1234, 0x5678)
    assert reply.payload == payload
    host.quiet()


@pytest.mark.parametrize("to", [BROADCAST4, SUBNET, ALL_SYSTEMS])
def test_a_broadcast_echo_is_not_answered(to: bytes) -> None:
    host = Host()
    host.receive_icmp(icmpv4.echo_request(1, 1, b""), dst=to)
    host.quiet()
    assert host.dropped(Drop.ICMP_BROADCAST) == 1


@pytest.mark.parametrize("src", [bytes(4), BROADCAST4, SUBNET, ALL_SYSTEMS, ADDRESS])
def test_an_echo_from_nowhere_is_not_answered(src: bytes) -> None:
    """A forged source would make us the attacker's amplifier."""
    host = Host(gateway=PEER)
    host.receive_icmp(icmpv4.echo_request(1, 1, b""), src=src)
    host.quiet(5)


def test_echoes_can_be_ignored() -> None:
    host = Host(icmp_echo_ignore_all=True)
    host.receive_icmp(icmpv4.echo_request(1, 1, b""))
    host.quiet()


def test_a_damaged_echo_is_dropped() -> None:
    host = Host()
    message = bytearray(icmpv4.echo_request(1, 1, b"hello"))
    for n in range(len(message)):
        message[n] ^= 4
        host.receive_icmp(bytes(message))
        message[n] ^= 4
    host.quiet()
    assert host.dropped(Drop.ICMP_CHECKSUM) == len(message)


def test_the_type_of_service_is_kept() -> None:
    host = Host()
    request = icmpv4.echo_request(1, 1, b"")
    head = ipv4.emit(PEER, ADDRESS, ipv4.PROTOCOL_ICMP, len(request), tos=0x10)
    host.receive(b"\x02\x00\x00\x00\x00\x03" + b"\x02\x00\x00\x00\x00\x01" + b"\x08\x00" + head + request)
    assert host.take().ip.tos == 0x10


def test_one_pings_oneself() -> None:
    host = Host()
    for address in (ADDRESS, parse_ip("127.0.0.1"), parse_ip("127.4.5.6")):
        raw = host.stack.raw.open(ipv4.PROTOCOL_ICMP)
        host.do(lambda now, raw=raw, to=address: raw.send(icmpv4.echo_request(7, 1, b"me"), Endpoint(to, 0), now))
        host.settle()
        kinds = []
        while (got := raw.receive()) is not None:
            kinds.append(icmpv4.parse(got.data[20:]).type)
        assert kinds == [icmpv4.ECHO, icmpv4.ECHO_REPLY]
        host.do(raw.close)
    host.quiet()


@pytest.mark.parametrize("type", [icmpv4.TIMESTAMP, icmpv4.ADDRESS_MASK_REQUEST, icmpv4.ROUTER_ADVERTISEMENT, 99])
def test_what_nobody_asked_for_is_dropped(type: int) -> None:
    host = Host()
    host.receive_icmp(icmpv4.emit(type, 0, bytes(4), bytes(30)))
    host.quiet()
    assert host.dropped(Drop.ICMP_TYPE_UNKNOWN) == 1


def test_redirects_and_source_quench_change_nothing() -> None:
    """RFC 6633; and a host with one gateway has no use for a redirect."""
    host = Host(gateway=PEER)
    quoted = ipv4.emit(ADDRESS, parse_ip("10.0.0.1"), 17, 8) + bytes(8)
    host.receive_icmp(icmpv4.emit(icmpv4.REDIRECT, 1, parse_ip("192.168.1.66"), quoted))
    host.receive_icmp(icmpv4.emit(icmpv4.SOURCE_QUENCH, 0, bytes(4), quoted))
    host.quiet()
    hop = host.stack.route_to(parse_ip("10.0.0.1"))
    assert hop is not None and hop.address == PEER


# --- errors we send


def test_port_unreachable_quotes_the_datagram() -> None:
    host = Host()
    host.receive_udp(5, 7, b"hello")
    sent = host.take()
    message = sent.icmp
    assert (sent.ip.src, sent.ip.dst, sent.ip.tos) == (ADDRESS, PEER, 0xC0)
    assert (message.type, message.code, message.rest) == (3, 3, bytes(4))
    quoted = ipv4.parse(message.payload)
    assert (quoted.src, quoted.dst) == (PEER, ADDRESS)
    assert udp.parse(quoted.payload, PEER, ADDRESS).payload == b"hello"
    assert host.dropped(Drop.UDP_PORT_CLOSED) == 1


def test_no_more_is_quoted_than_fits_into_576_bytes() -> None:
    """RFC 1812 4.3.2.3."""
    host = Host()
    host.receive_udp(5, 7, bytes(1000))
    assert host.take().ip.total_length == 576


def test_padding_is_not_quoted() -> None:
    host = Host()
    data = udp.emit(PEER, ADDRESS, 5, 7, b"") + b""
    ip = ipv4.emit(PEER, ADDRESS, 17, len(data)) + data
    host.receive(bytes.fromhex("020000000003020000000001") + b"\x08\x00" + ip + bytes(18))
    assert len(host.take().icmp.payload) == 28


def test_protocol_unreachable() -> None:
    host = Host()
    host.receive_ip(132, b"sctp?")
    message = host.take().icmp
    assert (message.type, message.code) == (3, 2)
    assert bytes(ipv4.fields(message.payload).payload) == b"sctp?"
    assert host.dropped(Drop.IP_PROTOCOL_UNKNOWN) == 1


@pytest.mark.parametrize("to", [BROADCAST4, SUBNET, ALL_SYSTEMS])
def test_no_error_about_a_broadcast(to: bytes) -> None:
    """RFC 1122 3.2.2."""
    host = Host()
    host.receive_udp(5, 7, b"hello", dst=to)
    host.receive_ip(132, b"x", dst=to)
    host.quiet()


def test_no_error_to_nobody() -> None:
    host = Host(gateway=PEER)
    host.receive_udp(5, 7, b"hello", src=bytes(4))
    host.quiet()


@pytest.mark.parametrize("type", sorted(icmpv4.ERRORS))
def test_no_error_about_an_error(type: int) -> None:
    host = Host()
    quoted = ipv4.emit(ADDRESS, PEER, 132, 8) + bytes(8)
    host.receive_icmp(icmpv4.emit(type, 0, bytes(4), quoted))
    host.receive_icmp(icmpv4.emit(type, 0, bytes(4), quoted[:10]))
    host.receive_icmp(icmpv4.emit(type, 0, bytes(4), b""))
    host.quiet()


def test_errors_are_limited() -> None:
    host = Host(icmp_rate=10, icmp_burst=5)
    for _ in range(50):
        host.receive_udp(5, 7, b"hello")
    assert len(host.take_all()) == 5
    assert host.dropped(Drop.RATE_LIMITED) == 45
    host.advance_to(0.3)
    for _ in range(50):
        host.receive_udp(5, 7, b"hello")
    assert len(host.take_all()) == 3
    host.receive_icmp(icmpv4.echo_request(1, 1, b""))
    assert host.take().icmp.type == icmpv4.ECHO_REPLY  # echoes are not errors


def test_the_token_bucket() -> None:
    limit = RateLimit()
    assert [limit.take(2.0, 3.0, 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [limit.take(2.0, 3.0, 0.5) for _ in range(2)] == [True, False]
    assert [limit.take(2.0, 3.0, 1000.0) for _ in range(4)] == [True, True, True, False]
    assert [limit.take(4.0, 1.0, 1001.0) for _ in range(2)] == [True, False]  # the settings may change


# --- errors that find whom they are about


def test_a_raw_socket_sees_the_message_itself() -> None:
    host = Host()
    raw = host.stack.raw.open(ipv4.PROTOCOL_ICMP)
    quoted = ipv4.emit(ADDRESS, PEER, 1, 8) + bytes(8)
    host.receive_icmp(icmpv4.emit(icmpv4.TIME_EXCEEDED, 0, bytes(4), quoted))
    got = raw.receive()
    assert got is not None and icmpv4.parse(got.data[20:]).type == icmpv4.TIME_EXCEEDED


@pytest.mark.parametrize("cut", [0, 19, 20, 27])
def test_quotes_that_are_cut(cut: int) -> None:
    host = Host()
    quoted = ipv4.emit(ADDRESS, PEER, 17, 8) + bytes(8)
    host.receive_icmp(icmpv4.emit(3, 3, bytes(4), quoted[:cut]))
    host.quiet()
    assert sum(host.stack.drops.values()) == 1


@pytest.mark.parametrize("first", [0x00, 0x4F, 0x44, 0x65, 0xFF])
def test_quotes_that_are_no_ipv4(first: int) -> None:
    host = Host()
    quoted = bytearray(ipv4.emit(ADDRESS, PEER, 17, 8) + bytes(8))
    quoted[0] = first
    host.receive_icmp(icmpv4.emit(3, 3, bytes(4), bytes(quoted)))
    host.quiet()
    assert host.dropped(Drop.ICMP_NO_SOCKET) == 1


def test_an_answer_that_does_not_fit_is_dropped_as_too_big() -> None:
    host = Host()
    host.receive_icmp(icmpv4.emit(icmpv4.ECHO, 0, bytes(4), bytes(3000)))
    assert host.dropped(Drop.TOO_BIG) == 1 and host.dropped(Drop.NO_ROUTE) == 0
    host.quiet()
