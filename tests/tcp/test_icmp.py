"""What ICMP errors do to connections: hard before they are open, soft afterwards, never on a guess (RFC 5927, 1191)."""

from __future__ import annotations

import errno

import pytest

from stack.tcp.state import State
from stack.wire import icmpv4, ipv4
from stack.wire.drop import Drop
from tests.drill.drill import Drill

UNREACHABLE = icmpv4.DESTINATION_UNREACHABLE


def quote(d: Drill, seq: int, length: int = 8) -> bytes:
    """The beginning of a segment of ours: an IP header and some bytes, the relative `seq` among them."""
    number = (d.host.origins[(*d.local, *d.remote)] + seq) % (1 << 32)
    head = d.local.port.to_bytes(2, "big") + d.remote.port.to_bytes(2, "big") + number.to_bytes(4, "big")
    whole = head + bytes(12)
    return ipv4.emit(d.local.address, d.remote.address, ipv4.PROTOCOL_TCP, 1000) + whole[:length]


def report(d: Drill, type: int, code: int, seq: int, mtu: int = 0, length: int = 8) -> None:
    d.host.receive_icmp(icmpv4.emit(type, code, mtu.to_bytes(4, "big"), quote(d, seq, length)))


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (icmpv4.NET_UNREACHABLE, errno.ENETUNREACH),
        (icmpv4.HOST_UNREACHABLE, errno.EHOSTUNREACH),
        (icmpv4.PROTOCOL_UNREACHABLE, errno.ENOPROTOOPT),
        (icmpv4.PORT_UNREACHABLE, errno.ECONNREFUSED),
        (icmpv4.HOST_PROHIBITED, errno.EHOSTUNREACH),
    ],
)
def test_unreachable_ends_an_attempt(code: int, number: int) -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    report(d, UNREACHABLE, code, 0)
    assert d.find() is None and d.a_port.take_error() == number
    d.quiet(200)


def test_unreachable_ends_a_half_open_child() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    report(d, UNREACHABLE, icmpv4.HOST_UNREACHABLE, 0)
    assert d.find() is None and not d.host.stack.tcp.half_open


def test_time_exceeded_does_not_end_an_attempt() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    report(d, icmpv4.TIME_EXCEEDED, 0, 0)
    assert d.state is State.SYN_SENT


@pytest.mark.parametrize("code", [0, 1, 2, 3, 5, 13])
def test_errors_are_soft_once_established(code: int) -> None:
    """RFC 1122 4.2.3.9 and RFC 5927 6.1: one forged message must not end it."""
    d = Drill()
    d.passive()
    d.write(10)
    d.expect("P. 1:11")
    report(d, UNREACHABLE, code, 1)
    assert d.state is State.ESTABLISHED and d.a_port.take_error() == 0
    d.expect("P. 1:11", at=0.2)


@pytest.mark.parametrize("seq", [-1, 1, 1 << 30])
def test_a_quote_of_what_is_not_in_flight_is_ignored(seq: int) -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    report(d, UNREACHABLE, 1, seq)
    assert d.state is State.SYN_SENT and d.host.dropped(Drop.ICMP_NO_SOCKET) == 1


def test_a_quote_too_short_to_tell_is_ignored() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    for length in (0, 4, 7):
        report(d, UNREACHABLE, 1, 0, length=length)
    assert d.state is State.SYN_SENT and d.host.dropped(Drop.ICMP_NO_SOCKET) == 3


def test_a_quote_of_somebody_elses_packet_is_ignored() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    packet = bytearray(quote(d, 0))
    packet[12:16] = bytes((10, 0, 0, 1))
    d.host.receive_icmp(icmpv4.emit(UNREACHABLE, 1, bytes(4), bytes(packet)))
    assert d.state is State.SYN_SENT


# --- path MTU (RFC 1191)


def too_big(d: Drill, mtu: int, seq: int) -> None:
    report(d, UNREACHABLE, icmpv4.FRAGMENTATION_NEEDED, seq, mtu)


def bulk() -> Drill:
    d = Drill()
    d.passive("S 0:0 win 65535 <mss 1460>")
    d.write(5000)
    d.expect_data(1, 5001, 1460)
    return d


def test_fragmentation_needed_makes_segments_smaller_and_resends() -> None:
    d = bulk()
    too_big(d, 1000, 1)
    d.expect_data(1, 5001, 960)
    too_big(d, 1000, 1461)  # the others report the same
    d.quiet(0.1)
    d.inject(". ack 5001")
    d.write(2000)
    d.expect_data(5001, 7001, 960)


def test_the_rest_is_not_taken_for_a_loss_by_congestion() -> None:
    d = bulk()
    cwnd = d.tcb.congestion.cwnd
    too_big(d, 1000, 1)
    d.take_all()
    assert d.tcb.congestion.cwnd == cwnd and d.tcb.retransmits == 0


@pytest.mark.parametrize("mtu", [0, 68, 100, 551])
def test_a_forged_mtu_has_a_floor(mtu: int) -> None:
    """RFC 5927 7: 552, as Linux, and for routers older than RFC 1191 which say nothing."""
    d = bulk()
    too_big(d, mtu, 1)
    assert d.tcb.mss == 512
    d.expect_data(1, 5001, 512)


@pytest.mark.parametrize("mtu", [1500, 1501, 65_535])
def test_a_greater_mtu_changes_nothing(mtu: int) -> None:
    d = bulk()
    too_big(d, mtu, 1)
    assert d.tcb.mss == 1460
    d.quiet(0.1)


@pytest.mark.parametrize("seq", [0, 5001, 5002, -1])
def test_a_guess_changes_nothing(seq: int) -> None:
    """RFC 5927 4.1: SND.UNA =< SEG.SEQ < SND.NXT."""
    d = bulk()
    too_big(d, 1000, seq)
    assert d.tcb.mss == 1460


def test_with_nothing_in_flight_every_quote_is_a_guess() -> None:
    d = bulk()
    d.inject(". ack 5001")
    for seq in (5001, 5001 + (1 << 31)):
        too_big(d, 1000, seq)
        assert d.tcb.mss == 1460


# --- the next hop does not answer


def test_no_answer_to_arp_ends_an_attempt() -> None:
    d = Drill()
    d.remote = d.remote._replace(address=bytes((192, 168, 1, 77)))
    d.connect()
    d.quiet(2.9)
    assert d.state is State.SYN_SENT
    d.at(3.0)
    assert d.find() is None and d.a_port.take_error() == errno.EHOSTUNREACH


def test_no_route_is_said_at_once() -> None:
    d = Drill()
    d.remote = d.remote._replace(address=bytes((10, 0, 0, 1)))
    with pytest.raises(OSError) as e:
        d.connect()
    assert e.value.errno == errno.ENETUNREACH
    assert not d.host.stack.tcp.connections
