"""What a TCP socket holds: binding, ephemeral ports, ISNs, readiness, errors, and connections to oneself."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

import pytest

from stack.port import Endpoint, Port
from stack.tcp.isn import initial_sequence
from stack.tcp.port import TcpPort
from stack.tcp.state import State
from stack.wire.address import ANY4, LOOPBACK4, parse_ip
from tests.drill.drill import Drill, stream
from tests.drill.host import ADDRESS, PEER, Host


def refused(host: Host, call: Callable[[float], object]) -> int | None:
    """The errno of a call that must fail."""
    with pytest.raises(OSError) as e:
        host.do(call)
    return e.value.errno


def bound(host: Host, address: bytes, number: int, reuse: bool = False, listen: bool = False) -> TcpPort:
    port = host.stack.tcp.open()
    port.options.reuse_address = reuse
    host.do(lambda now: port.bind(address, number, now))
    if listen:
        host.do(lambda now: port.listen(1, now))
    return port


# --- binding


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        (ANY4, ANY4, True), (ANY4, ADDRESS, True), (ADDRESS, ANY4, True), (ADDRESS, ADDRESS, True),
        (ADDRESS, LOOPBACK4, False), (LOOPBACK4, LOOPBACK4, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reuse", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("listen", [False, True])
def test_conflicts(first: bytes, second: bytes, conflict: bool, reuse: tuple[bool, bool], listen: bool) -> None:
    """SO_REUSEADDR on both shares a port as long as neither listens, as Linux."""
    host = Host()
    bound(host, first, 80, reuse[0], listen)
    if conflict and (listen or reuse != (True, True)):
        with pytest.raises(OSError) as e:
            bound(host, second, 80, reuse[1])
        assert e.value.errno == errno.EADDRINUSE
    else:
        assert bound(host, second, 80, reuse[1]).local == Endpoint(second, 80)
    bound(host, second, 81)


def test_two_that_share_a_port_cannot_both_listen() -> None:
    host = Host()
    one, two = bound(host, ANY4, 80, True), bound(host, ANY4, 80, True)
    host.do(lambda now: one.listen(1, now))
    assert refused(host, lambda now: two.listen(1, now)) == errno.EADDRINUSE
    host.do(one.close)
    host.do(lambda now: two.listen(1, now))


def test_a_closed_port_is_free_again() -> None:
    host = Host()
    host.do(bound(host, ANY4, 80).close)
    bound(host, ANY4, 80)


def test_what_cannot_be_bound() -> None:
    host = Host()
    port = host.stack.tcp.open()
    assert refused(host, lambda now: port.bind(parse_ip("10.0.0.1"), 80, now)) == errno.EADDRNOTAVAIL
    host.do(lambda now: port.bind(ANY4, 80, now))
    assert refused(host, lambda now: port.bind(ANY4, 81, now)) == errno.EINVAL


def test_a_live_connection_keeps_its_port() -> None:
    d = Drill()
    d.passive()
    assert d.listener is not None
    d.host.do(d.listener.close)
    assert refused(d.host, lambda now: d.host.stack.tcp.open().bind(ANY4, 80, now)) == errno.EADDRINUSE
    bound(d.host, LOOPBACK4, 80)
    bound(d.host, ADDRESS, 80, reuse=True)


# --- ephemeral ports (RFC 6056)


def test_port_zero_chooses_one_in_the_range() -> None:
    host = Host(port_low=50000, port_high=50009)
    chosen = [bound(host, ANY4, 0).local for _ in range(10)]
    numbers = [local.port for local in chosen if local is not None]
    assert sorted(numbers) == list(range(50000, 50010)) != numbers
    assert refused(host, lambda now: host.stack.tcp.open().bind(ANY4, 0, now)) == errno.EADDRINUSE


def test_connecting_chooses_one_for_each_remote() -> None:
    host = Host(port_low=50000, port_high=50001)
    remotes = [Endpoint(PEER, 80), Endpoint(PEER, 80), Endpoint(PEER, 81), Endpoint(PEER, 81)]
    locals_ = []
    for remote in remotes:
        port = host.stack.tcp.open()
        host.do(lambda now, port=port, remote=remote: port.connect(*remote, now))
        assert port.local is not None and port.local.address == ADDRESS
        locals_.append(port.local.port)
    assert sorted(locals_[:2]) == sorted(locals_[2:]) == [50000, 50001]
    assert refused(host, lambda now: host.stack.tcp.open().connect(PEER, 80, now)) == errno.EADDRNOTAVAIL
    port = host.stack.tcp.open()
    host.do(lambda now: port.connect(PEER, 82, now))


def test_a_range_upside_down_is_refused_in_words() -> None:
    host = Host(port_low=50001, port_high=50000)
    with pytest.raises(OSError, match="port_low"):
        bound(host, ANY4, 0)


def test_the_choice_depends_on_the_seed_only() -> None:
    def choose(seed: int) -> list[int]:
        host = Host(seed=seed)
        return [port.local.port for port in (bound(host, ANY4, 0) for _ in range(5)) if port.local is not None]

    assert choose(1) == choose(1) != choose(2)


def test_port_zero_does_not_choose_what_a_connection_has() -> None:
    for seed in range(8):
        host = Host(port_low=50000, port_high=50001, seed=seed)
        client = host.stack.tcp.open()
        host.do(lambda now, client=client: client.connect(PEER, 80, now))
        assert client.local is not None
        other = bound(host, ANY4, 0)
        assert other.local is not None and other.local.port != client.local.port


# --- initial sequence numbers (RFC 6528)

A, B = Endpoint(ADDRESS, 1000), Endpoint(PEER, 80)


def test_isns_tick_every_four_microseconds() -> None:
    first = initial_sequence(A, B, bytes(16), 100.0)
    assert (initial_sequence(A, B, bytes(16), 101.0) - first) % (1 << 32) == 250_000
    assert (initial_sequence(A, B, bytes(16), 100.000004) - first) % (1 << 32) == 1


def test_isns_of_other_connections_and_secrets_are_elsewhere() -> None:
    base = initial_sequence(A, B, bytes(16), 0.0)
    others = {
        initial_sequence(A._replace(port=1001), B, bytes(16), 0.0),
        initial_sequence(A, B._replace(port=81), bytes(16), 0.0),
        initial_sequence(A, B._replace(address=LOOPBACK4), bytes(16), 0.0),
        initial_sequence(A._replace(address=LOOPBACK4), B, bytes(16), 0.0),
        initial_sequence(B, A, bytes(16), 0.0),
        initial_sequence(A, B, b"secret" + bytes(10), 0.0),
    }
    assert len(others) == 6
    assert all(min((o - base) % (1 << 32), (base - o) % (1 << 32)) > 250_000 for o in others)


def test_isns_are_spread() -> None:
    numbers = [initial_sequence(A._replace(port=p), B, bytes(16), 0.0) >> 29 for p in range(1024, 3024)]
    assert all(180 < numbers.count(eighth) < 320 for eighth in range(8))


# --- readiness


def told(d: Drill) -> list[Port]:
    """Whom the engine would wake."""
    return d.host.stack.take_ready()


def test_readable_when_data_arrives_and_not_when_it_is_read() -> None:
    d = Drill()
    d.passive()
    told(d)
    assert not d.a_port.readable()
    d.inject("P. 1:11")
    assert told(d) == [d.a_port] and d.a_port.readable()
    d.read_all()
    assert not d.a_port.readable() and not d.a_port.hung_up()


def test_peeking_leaves_it_there() -> None:
    d = Drill()
    d.passive()
    d.inject("P. 1:11")
    assert d.host.do(lambda now: d.a_port.receive(4, now, True)) == stream(1, 5)
    buffer = bytearray(20)
    assert d.host.do(lambda now: d.a_port.receive_into(memoryview(buffer), now, True)) == 10
    assert d.read_all(4) == 4
    assert d.host.do(lambda now: d.a_port.receive_into(memoryview(buffer), now)) == 6
    assert bytes(buffer[:6]) == stream(5, 11)
    assert d.host.do(lambda now: d.a_port.receive_into(memoryview(buffer), now)) is None


def test_reading_nothing() -> None:
    d = Drill()
    d.passive()
    assert d.host.do(lambda now: d.a_port.receive(0, now)) == b""
    assert d.host.do(lambda now: d.a_port.receive(1, now)) is None


def test_writable_until_two_thirds_are_full() -> None:
    d = Drill(tcp_sndbuf=30_000)
    d.passive("S 0:0 win 0 <mss 1000>", ack=". 1:1 ack 1 win 0")
    assert d.write(20_000) == 20_000 and d.a_port.writable()
    assert d.write(1) == 1 and not d.a_port.writable()
    assert d.write(20_000) == 9_999
    assert d.write(1) == 0


def test_an_ack_that_makes_room_wakes_the_writer() -> None:
    """Also when the one ACK takes the queue from too full to empty, and the last write was taken whole."""
    d = Drill(tcp_sndbuf=30_000, tcp_initial_cwnd=100)
    d.passive("S 0:0 win 65535 <mss 1000>")
    for _ in range(3):
        d.write(29_000)
        last = d.take_all()[-1].last
        assert not d.a_port.writable()
        told(d)
        d.inject(f". ack {last}")
        assert d.a_port in told(d) and d.a_port.writable()


def test_acks_that_change_nothing_wake_nobody() -> None:
    d = Drill()
    d.passive("S 0:0 win 65535 <mss 1000>")
    assert d.a_port.writable()
    d.write(10_000)
    d.take_all()
    told(d)
    for n in range(1, 10):
        d.pour(f". ack {n * 1000 + 1}")
    assert told(d) == []


def test_a_larger_send_buffer_makes_room_at_once() -> None:
    d = Drill(tcp_sndbuf=3000)
    d.passive("S 0:0 win 0", ack=". 1:1 ack 1 win 0")
    assert d.write(5000) == 3000
    d.a_port.options.sndbuf = 6000
    assert d.write(5000) == 3000


def test_what_the_states_of_a_port_look_like() -> None:
    d = Drill()
    port = d.open()
    assert port.readable() and port.writable() and port.hung_up()  # as Linux: an unconnected stream hangs up
    assert port.state is State.CLOSED and not port.is_connected
    d.connect()
    assert (port.readable(), port.writable(), port.hung_up()) == (False, False, False)
    d.expect("S 0:0")
    d.inject("S. 0:0 ack 1 win 65535")
    d.expect(". 1:1")
    assert (port.readable(), port.writable(), port.hung_up()) == (False, True, False)
    d.inject("F. 1:1 ack 1")
    d.expect(". ack 2")
    assert (port.readable(), port.writable(), port.hung_up()) == (True, True, False)
    d.inject("R 2:2")
    assert (port.readable(), port.writable(), port.hung_up()) == (True, True, True)


def test_errors_of_calls_at_the_wrong_time() -> None:
    d = Drill()
    port = d.open()
    assert refused(d.host, lambda now: port.receive(1, now)) == errno.ENOTCONN
    assert refused(d.host, lambda now: port.send(b"x", now)) == errno.EPIPE
    d.connect()
    d.expect("S 0:0")
    assert refused(d.host, lambda now: port.connect(*d.remote, now)) == errno.EALREADY
    assert refused(d.host, lambda now: port.receive(1, now)) == errno.ENOTCONN
    assert d.host.do(lambda now: port.send(b"x", now)) == 0
    d.inject("S. 0:0 ack 1 win 65535")
    d.expect(". 1:1")
    assert refused(d.host, lambda now: port.connect(*d.remote, now)) == errno.EISCONN
    d.host.do(port.close)
    d.host.do(port.close)
    d.expect("F. 1:1")


def test_after_a_refusal_it_may_connect_again() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.inject("R. 0:0 ack 1")
    assert d.a_port.take_error() == errno.ECONNREFUSED and d.a_port.take_error() == 0
    d.at(1.0)
    d.restart(d.iss)
    d.connect()
    d.expect("S 0:0")
    d.inject("S. 0:0 ack 1 win 65535")
    d.expect(". 1:1")
    assert d.state is State.ESTABLISHED


@pytest.mark.parametrize(
    ("address", "number", "expected"),
    [
        ("192.168.1.1", 0, errno.ECONNREFUSED), ("224.0.0.1", 80, errno.ENETUNREACH),
        ("255.255.255.255", 80, errno.ENETUNREACH), ("192.168.1.255", 80, errno.ENETUNREACH),
        ("10.0.0.1", 80, errno.ENETUNREACH),
    ],
)  # fmt: skip
def test_where_nobody_can_connect_to(address: str, number: int, expected: int) -> None:
    """RFC 9293 3.9.2.3 (MUST-46): an OPEN to a broadcast or multicast address is an error."""
    host = Host()
    port = host.stack.tcp.open()
    assert refused(host, lambda now: port.connect(parse_ip(address), number, now)) == expected
    host.quiet()
    assert not host.stack.tcp.connections


def test_from_loopback_to_another_host_is_refused() -> None:
    """RFC 1122 3.2.1.3 (g): such an address never leaves the host."""
    host = Host()
    port = bound(host, LOOPBACK4, 1000)
    assert refused(host, lambda now: port.connect(PEER, 80, now)) == errno.EINVAL
    host.quiet(10)


def test_the_same_four_numbers_twice() -> None:
    host = Host()
    one, two = bound(host, ADDRESS, 1000, True), bound(host, ADDRESS, 1000, True)
    host.do(lambda now: one.connect(PEER, 80, now))
    assert refused(host, lambda now: two.connect(PEER, 80, now)) == errno.EADDRNOTAVAIL
    host.do(lambda now: two.connect(PEER, 81, now))


# --- to oneself


def pair(host: Host, address: bytes) -> tuple[TcpPort, TcpPort]:
    listener = bound(host, ANY4, 80, listen=True)
    client = host.stack.tcp.open()
    host.do(lambda now: client.connect(address, 80, now))
    server = listener.accept()
    assert server is not None and client.is_connected and server.is_connected
    return client, server


@pytest.mark.parametrize("address", [LOOPBACK4, ADDRESS, parse_ip("127.9.9.9"), ANY4])
def test_a_transfer_by_loopback(address: bytes) -> None:
    host = Host()
    client, server = pair(host, address)
    assert client.remote is not None and server.local == client.remote and server.remote == client.local
    data = random.Random(3).randbytes(3_000_000)
    received = bytearray()
    sent = 0
    for _ in range(10_000):
        if sent < len(data):
            chunk = data[sent : sent + 700_000]
            sent += host.do(lambda now, chunk=chunk: client.send(chunk, now))
            if sent == len(data):
                host.do(client.close)
        piece = host.do(lambda now: server.receive(500_000, now))
        if piece == b"":
            break
        received += piece or b""
        host.advance_to(host.now + 0.001)
    assert bytes(received) == data
    host.quiet()  # nothing of it was seen on the link
    host.do(server.close)
    host.advance_to(host.now + 61)
    assert not host.stack.tcp.connections


def test_a_connection_to_a_closed_port_of_ours_is_refused() -> None:
    host = Host()
    port = host.stack.tcp.open()
    host.do(lambda now: port.connect(LOOPBACK4, 81, now))
    assert port.take_error() == errno.ECONNREFUSED


def test_a_connection_to_itself() -> None:
    """A simultaneous open with oneself, as other stacks have it."""
    host = Host()
    port = bound(host, LOOPBACK4, 1000)
    host.do(lambda now: port.connect(LOOPBACK4, 1000, now))
    assert port.is_connected and port.local == port.remote
    host.do(lambda now: port.send(b"to myself", now))
    host.advance_to(1.0)
    assert host.do(lambda now: port.receive(100, now)) == b"to myself"
    host.do(lambda now: port.shutdown(False, True, now))
    host.advance_to(2.0)
    assert host.do(lambda now: port.receive(100, now)) == b""
    host.do(port.close)
    host.advance_to(100.0)
    assert not host.stack.tcp.connections
