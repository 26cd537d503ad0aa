"""Listeners: the backlog, floods of SYNs, children nobody accepts, and the listener's end (RFC 9293 3.10, 4987)."""

from __future__ import annotations

import errno

import pytest

from stack.tcp.state import State
from stack.wire.address import parse_ip
from stack.wire.drop import Drop
from tests.drill.drill import Drill
from tests.drill.host import Host


def listening(backlog: int = 8, **settings: object) -> Drill:
    d = Drill(**settings)
    d.listen(backlog)
    return d


def another(d: Drill, port: int) -> Drill:
    """The same host and listener, as another peer port sees it."""
    other = Drill(d.host, peer_port=port)
    other.listener = d.listener
    return other


def shake_hands(d: Drill) -> None:
    d.inject("S 0:0 win 65535 <mss 1460>")
    d.expect("S. 0:0 ack 1")
    d.inject(". 1:1 ack 1")
    d.quiet()
    d.ack = 1


def test_connections_are_accepted_in_the_order_they_were_made() -> None:
    first = listening()
    second = another(first, 40001)
    first.inject("S 0:0")
    first.expect("S. 0:0")
    shake_hands(second)
    first.inject(". 1:1 ack 1")
    assert second.accept().remote == second.remote
    assert first.accept().remote == first.remote


def test_beyond_the_backlog_syns_are_dropped_and_come_again() -> None:
    d = listening(backlog=1)
    for port in (1, 2):  # one more than the backlog, as Linux
        shake_hands(another(d, port))
    late = another(d, 3)
    late.inject("S 0:0")
    late.quiet()
    assert d.host.dropped(Drop.BACKLOG_FULL) == 1
    late.accept()
    late.restart(late.iss)
    shake_hands(late)
    assert late.state is State.ESTABLISHED


def test_a_handshake_does_not_end_while_the_backlog_is_full() -> None:
    """As Linux: or a thousand half-open children could become established at once, with a window each."""
    first = listening(backlog=0)
    second = another(first, 40001)
    for d in (first, second):
        d.inject("S 0:0")
        d.expect("S. 0:0 ack 1")
    for d in (first, second):
        d.inject(". 1:1 ack 1")
        d.quiet()
    assert (first.state, second.state) == (State.ESTABLISHED, State.SYN_RECEIVED)
    first.accept()
    second.expect("S. 0:0 ack 1", at=1.0)
    second.inject("P. 1:11 ack 1")
    second.expect(". 1:1 ack 11")
    second.accept()
    assert second.read_all() == 10


def test_a_client_that_begins_again_gets_through() -> None:
    """RFC 9293 3.5.1: the old half-open child answers with what makes the client reset it."""
    d = listening()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.inject("S 4000000:4000000")
    d.expect(". 1:1 ack 1")
    d.inject("R 1:1")
    assert d.find() is None
    d.restart(d.iss + 4_000_000)
    shake_hands(d)
    assert d.state is State.ESTABLISHED


def test_the_backlog_can_be_changed() -> None:
    d = listening(backlog=0)
    shake_hands(another(d, 1))
    late = another(d, 2)
    late.inject("S 0:0")
    late.quiet()
    assert d.listener is not None
    listener = d.listener
    d.host.do(lambda now: listener.listen(5, now))
    late.inject("S 0:0")
    late.expect("S. 0:0 ack 1")


def test_a_flood_of_syns_is_bounded_and_locks_nobody_out() -> None:
    d = listening(tcp_max_syn_backlog=100)
    flood = [another(d, 1000 + n) for n in range(500)]
    for attacker in flood:
        attacker.inject("S 0:0")
        attacker.expect("S. 0:0 ack 1")
    assert len(d.host.stack.tcp.half_open) == 100
    assert list(d.host.stack.tcp.connections) == [(*a.local, *a.remote) for a in flood[-100:]]  # the oldest made way
    shake_hands(d)
    assert d.accept().remote == d.remote
    d.host.advance_to(200)
    d.host.sent.clear()
    assert not d.host.stack.tcp.half_open
    assert list(d.host.stack.tcp.connections) == [(*d.local, *d.remote)]


def test_the_oldest_makes_way_whosever_it_is() -> None:
    """Or a flood of one port would shut all the others."""
    d = listening(tcp_max_syn_backlog=2)
    for port in (1, 2):
        a = another(d, port)
        a.inject("S 0:0")
        a.expect("S. 0:0 ack 1")
    other = Drill(d.host, local_port=81)
    other.listen()
    shake_hands(other)
    assert [key[3] for key in d.host.stack.tcp.connections] == [2, 40000] and len(d.host.stack.tcp.half_open) == 1


def test_the_listeners_end_resets_its_children() -> None:
    half, done = listening(), None
    done = another(half, 40001)
    accepted = another(half, 40002)
    shake_hands(accepted)
    accepted.accept()
    shake_hands(done)
    half.inject("S 0:0")
    half.expect("S. 0:0 ack 1")
    assert half.listener is not None
    half.host.do(half.listener.close)
    half.expect_reset("R. 1:1 ack 1")
    done.expect_reset("R. 1:1 ack 1")
    assert accepted.state is State.ESTABLISHED
    assert not half.host.stack.tcp.half_open
    half.host.advance_to(100)
    half.inject("S 0:0")
    half.expect("R. ack 1")


def test_shutting_a_listener_down_for_reading_ends_it() -> None:
    d = listening()
    assert d.listener is not None
    listener = d.listener
    d.host.do(lambda now: listener.shutdown(True, False, now))
    assert not listener.is_listening
    d.inject("S 0:0")
    d.expect("R. ack 1")


def test_a_child_has_its_listeners_options() -> None:
    d = Drill()
    d.passive(nodelay=True, keepalive=True, keepalive_time=5.0)
    assert d.a_port.options.nodelay and d.tcb.keepalive_timer.at is not None
    assert d.listener is not None and d.a_port.options is not d.listener.options


def test_a_child_that_was_not_accepted_takes_data_up_to_its_window() -> None:
    d = listening(tcp_rcvbuf=4096)
    shake_hands(d)
    d.pour(*[f". {n * 1000 + 1}:{n * 1000 + 1001}" for n in range(10)])
    d.host.advance_to(0.1)
    assert d.take_all()[-1].win == 0
    d.accept()
    assert d.read_all() == 4096


def test_accept_of_nobody_and_of_no_listener() -> None:
    d = listening()
    assert d.listener is not None and d.listener.accept() is None
    with pytest.raises(OSError) as e:
        d.host.stack.tcp.open().accept()
    assert e.value.errno == errno.EINVAL


def test_a_listener_at_an_address_goes_before_one_at_any() -> None:
    host = Host()
    anywhere, here = Drill(host), Drill(host)
    anywhere.listen()
    port = host.stack.tcp.open()
    port.options.reuse_address = True
    assert anywhere.listener is not None
    anywhere.listener.options.reuse_address = True
    # Linux lets nobody listen beside a listener; a bound one at another port may be used for the question.
    with pytest.raises(OSError):
        host.do(lambda now: port.bind(here.local.address, 80, now))
    specific, general = host.stack.tcp.open(), host.stack.tcp.open()
    host.do(lambda now: specific.bind(here.local.address, 81, now))
    host.do(lambda now: specific.listen(1, now))
    host.do(lambda now: general.bind(parse_ip("127.0.0.1"), 81, now))
    host.do(lambda now: general.listen(1, now))
    here = Drill(host, local_port=81)
    shake_hands(here)
    assert specific.readable() and not general.readable()


def test_connecting_a_listener_and_listening_on_a_connection_are_refused() -> None:
    d = listening()
    assert d.listener is not None
    listener = d.listener
    with pytest.raises(OSError) as e:
        d.host.do(lambda now: listener.connect(*d.remote, now))
    assert e.value.errno == errno.EISCONN
    shake_hands(d)
    port = d.accept()
    with pytest.raises(OSError) as e:
        d.host.do(lambda now: port.listen(1, now))
    assert e.value.errno == errno.EINVAL


def test_what_is_not_unicast_is_not_answered() -> None:
    """RFC 9293 3.9.2.3 (MUST-57), RFC 1122 4.2.3.10."""
    host = Host()
    listener = Drill(host)
    listener.listen()
    for to in ("192.168.1.255", "255.255.255.255", "224.0.0.1"):
        d = Drill(host, address=parse_ip(to))
        d.inject("S 0:0", ". 5:5 ack 5")
        d.quiet()
    assert host.dropped(Drop.TCP_NOT_UNICAST) == 6


@pytest.mark.parametrize(
    "source", ["192.168.1.255", "255.255.255.255", "224.0.0.1", "127.0.0.1", "192.168.1.3", "0.0.0.0"]
)
def test_what_does_not_come_from_a_host_is_not_answered(source: str) -> None:
    d = Drill(peer=parse_ip(source))
    d.listen()
    d.inject("S 0:0")
    d.quiet(5)
    assert not d.host.stack.tcp.connections
