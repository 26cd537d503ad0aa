"""How connections end: from either side and from both, half closed, abruptly, and by orphans (RFC 9293 3.6, 3.10.4)."""

from __future__ import annotations

import errno

import pytest

from stack.tcp.state import State
from stack.wire.drop import Drop
from tests.drill.drill import Drill
from tests.drill.host import ALL_ABILITIES


def connection(**settings: object) -> Drill:
    d = Drill(**settings)
    d.passive()
    return d


def test_active_close() -> None:
    d = connection()
    d.close()
    d.expect("F. 1:1 ack 1")
    assert d.state is State.FIN_WAIT_1
    d.inject(". ack 2")
    assert d.state is State.FIN_WAIT_2
    d.inject("F. 1:1 ack 2")
    d.expect(". 2:2 ack 2")
    assert d.state is State.TIME_WAIT
    d.quiet(59.9)
    assert d.state is State.TIME_WAIT
    d.at(60.0)
    assert d.state is State.CLOSED and d.find() is None


def test_passive_close() -> None:
    d = connection()
    d.inject("F. 1:1")
    d.expect(". ack 2")
    assert d.state is State.CLOSE_WAIT
    assert d.a_port.readable() and d.read_all() == -1
    assert d.a_port.writable()
    d.close()
    d.expect("F. 1:1 ack 2")
    assert d.state is State.LAST_ACK
    d.inject(". ack 2")
    d.quiet(100)
    assert d.find() is None


def test_their_fin_carries_the_ack_of_ours() -> None:
    d = connection()
    d.close()
    d.expect("F. 1:1")
    d.inject("F. 1:1 ack 2")
    d.expect(". 2:2 ack 2")
    assert d.state is State.TIME_WAIT


def test_simultaneous_close() -> None:
    d = connection()
    d.close()
    d.expect("F. 1:1 ack 1")
    d.inject("F. 1:1 ack 1")
    d.expect(". 2:2 ack 2")
    assert d.state is State.CLOSING
    d.inject(". 2:2 ack 2")
    assert d.state is State.TIME_WAIT
    d.quiet(60)
    assert d.find() is None


def test_a_fin_with_data_both_ways() -> None:
    d = connection()
    d.write(100)
    d.expect("P. 1:101")
    d.inject("FP. 1:51 ack 101")
    d.expect(". ack 52")
    assert d.read_all() == 50 and d.read_all() == -1
    d.write(100)
    d.expect("P. 101:201")
    d.close()
    d.expect("F. 201:201")
    d.inject(". ack 201")
    assert d.state is State.LAST_ACK
    d.inject(". ack 202")
    assert d.find() is None


# --- half closed


def test_half_close_receives_on() -> None:
    d = connection()
    d.shutdown(write=True)
    d.expect("F. 1:1")
    d.inject(". ack 2")
    assert d.state is State.FIN_WAIT_2
    with pytest.raises(OSError) as e:
        d.write(1)
    assert e.value.errno == errno.EPIPE
    d.inject("P. 1:1001 ack 2")
    d.take_all()
    assert d.read_all() == 1000
    d.quiet(3600)  # for as long as it likes
    d.inject("FP. 1001:1101 ack 2")
    d.expect(". ack 1102")
    assert d.state is State.TIME_WAIT
    assert d.read_all() == 100 and d.read_all() == -1


def test_a_fin_that_lies_below_later_text_is_forgotten() -> None:
    """One of the two is a lie. The text is there; a FIN may still come."""
    d = connection()
    d.inject("F. 11:11")
    d.expect(". ack 1")
    d.inject("P. 1:21")
    d.expect(". ack 21")
    assert d.state is State.ESTABLISHED and d.tcb.rcv_fin is None
    d.inject("FP. 21:31")
    d.expect(". ack 32")
    assert d.state is State.CLOSE_WAIT and d.read_all() == 30


def test_data_and_fin_while_our_fin_is_not_acknowledged() -> None:
    d = connection()
    d.shutdown()
    d.expect("F. 1:1")
    d.inject("P. 1:101 ack 1")
    d.expect(". ack 101")
    assert d.state is State.FIN_WAIT_1 and d.read_all() == 100
    d.inject("FP. 101:201 ack 1")
    d.expect(". ack 202")
    assert d.state is State.CLOSING and d.read_all() == 100


def test_half_close_by_them_sends_on() -> None:
    d = connection()
    d.inject("F. 1:1")
    d.expect(". ack 2")
    for n in range(5):
        d.write(1000)
        d.expect(f"P. {n * 1000 + 1}:{n * 1000 + 1001} ack 2")
        d.inject(f". ack {n * 1000 + 1001}")
    assert d.state is State.CLOSE_WAIT
    d.shutdown()
    d.expect("F. 5001:5001")
    assert d.state is State.LAST_ACK


def test_shutting_down_twice_is_once() -> None:
    d = connection()
    d.shutdown()
    d.expect("F. 1:1")
    d.shutdown()
    d.quiet()
    d.close()
    d.quiet()
    assert d.state is State.FIN_WAIT_1


def test_a_port_that_is_not_connected_cannot_be_shut_down() -> None:
    d = Drill()
    d.open()
    with pytest.raises(OSError) as e:
        d.shutdown()
    assert e.value.errno == errno.ENOTCONN


# --- abruptly


def test_closing_with_data_unread_resets() -> None:
    """RFC 9293 3.10.4, RFC 1122 4.2.2.13: the other end must learn that its data was not read."""
    d = connection()
    d.inject("P. 1:101")
    d.take_all()
    d.close()
    d.expect_reset("R. 1:1 ack 101")


def test_closing_with_data_unread_after_their_fin_resets() -> None:
    d = connection()
    d.inject("FP. 1:101")
    d.take_all()
    d.close()
    d.expect_reset("R. 1:1 ack 102")


def test_closing_after_reading_all_does_not() -> None:
    d = connection()
    d.inject("P. 1:101")
    d.take_all()
    d.read_all()
    d.close()
    d.expect("F. 1:1")


def test_data_after_close_is_reset() -> None:
    d = connection()
    d.close()
    d.expect("F. 1:1")
    d.inject("P. 1:101 ack 1")
    d.expect_reset("R. 2:2 ack 1")
    assert d.host.dropped(Drop.TCP_AFTER_CLOSE) == 1


def test_data_after_close_in_fin_wait_2_is_reset() -> None:
    d = connection()
    d.close()
    d.expect("F. 1:1")
    d.inject(". ack 2")
    d.inject("P. 1:101 ack 2")
    d.expect_reset("R. 2:2 ack 1")


def test_old_data_after_close_is_not() -> None:
    d = connection()
    d.inject("P. 1:101")
    d.expect(". ack 101")
    d.read_all()
    d.close()
    d.expect("F. 1:1 ack 101")
    d.inject("P. 1:101 ack 1")
    d.expect(". ack 101")
    assert d.state is State.FIN_WAIT_1


def test_linger_zero_resets() -> None:
    d = connection()
    d.write(1000)
    d.expect("P. 1:1001")
    d.a_port.options.linger = 0
    d.close()
    d.expect_reset("R. 1001:1001 ack 1")
    d.quiet(100)


def test_abort_resets_and_the_reader_is_told() -> None:
    d = connection()
    d.host.do(d.a_port.abort)
    d.expect_reset("R. 1:1 ack 1")


def test_what_is_queued_is_sent_after_close() -> None:
    d = connection()
    d.inject(". ack 1 win 2")  # 256 bytes
    d.write(600)
    d.quiet()
    d.close()
    d.inject(". ack 1 win 100")
    d.expect("FP. 1:601")
    d.inject(". ack 602", "F. 1:1 ack 602")
    d.expect(". ack 2")
    assert d.state is State.TIME_WAIT


# --- orphans


def test_an_orphan_does_not_wait_for_their_fin_for_ever() -> None:
    d = connection(tcp_fin_timeout=60.0)
    d.close()
    d.expect("F. 1:1")
    d.at(0.1)
    d.inject(". ack 2")
    d.quiet(60.0)
    assert d.state is State.FIN_WAIT_2
    d.at(60.2)
    assert d.find() is None
    d.inject("F. 1:1 ack 2")
    d.expect("R 2:2")


def test_a_half_closed_connection_that_is_closed_becomes_an_orphan() -> None:
    d = connection(tcp_fin_timeout=60.0)
    d.shutdown()
    d.expect("F. 1:1")
    d.inject(". ack 2")
    d.quiet(1000)
    d.close()
    d.quiet(1059)
    assert d.state is State.FIN_WAIT_2
    d.at(1060.0)
    assert d.find() is None


def test_the_orphans_timer_goes_when_their_fin_comes() -> None:
    d = connection(tcp_fin_timeout=60.0)
    d.close()
    d.expect("F. 1:1")
    d.inject(". ack 2")
    d.at(50.0)
    d.inject("F. 1:1 ack 2")
    d.expect(". ack 2")
    d.quiet(109.0)
    assert d.state is State.TIME_WAIT
    d.at(110.0)
    assert d.find() is None


# --- TIME-WAIT (RFC 9293 3.6.1, 3.10.7.4)


def in_time_wait(**settings: object) -> Drill:
    d = connection(**settings)
    d.close()
    d.expect("F. 1:1")
    d.inject("F. 1:1 ack 2")
    d.expect(". 2:2 ack 2")
    assert d.state is State.TIME_WAIT
    return d


def test_time_wait_lasts_twice_the_msl() -> None:
    d = in_time_wait(tcp_msl=7.0)
    d.at(13.9)
    assert d.state is State.TIME_WAIT
    d.at(14.0)
    assert d.find() is None


def test_their_fin_again_restarts_time_wait() -> None:
    d = in_time_wait(tcp_msl=7.0)
    d.at(10.0)
    d.inject("F. 1:1 ack 2")
    d.expect(". 2:2 ack 2")
    d.quiet(23.9)
    assert d.state is State.TIME_WAIT
    d.at(24.0)
    assert d.find() is None


def test_a_plain_ack_in_time_wait_is_silence() -> None:
    d = in_time_wait()
    d.inject(". 2:2 ack 2")
    d.quiet(1)


def test_old_data_in_time_wait_gets_an_ack_and_no_more_time() -> None:
    d = in_time_wait(tcp_msl=7.0)
    d.at(10.0)
    d.inject("P. -9:1 ack 2")
    d.expect(". 2:2 ack 2")
    d.at(14.0)
    assert d.find() is None


def test_time_wait_makes_way_for_a_new_syn() -> None:
    d = in_time_wait()
    old = d.tcb
    d.at(1.0)
    d.restart(d.iss + 5)
    d.inject("S 0:0 win 65535 <mss 1460>")
    d.expect("S. 0:0 ack 1 <mss 1460>")
    assert d.tcb is not old and d.state is State.SYN_RECEIVED
    d.inject(". 1:1 ack 1")
    assert d.state is State.ESTABLISHED


def test_the_new_isn_is_beyond_what_the_old_connection_used() -> None:
    """RFC 9293 3.6.1 (MAY-2) allows the reuse only so: a fast transfer outruns the clock that ISNs are drawn from."""
    d = connection(abilities=ALL_ABILITIES)
    d.write(3_000_000)
    d.converse(0.1, lambda line: f". ack {line.last}")
    d.close()
    d.expect("F. 3000001:3000001")
    d.inject("F. 1:1 ack 3000002")
    d.expect(". ack 2")
    assert d.state is State.TIME_WAIT
    last = d.tcb.snd_nxt
    d.restart(d.iss + 5)
    d.inject("S 0:0 win 65535 <mss 1460>")
    d.expect("S. 0:0 ack 1")
    assert 0 < (d.tcb.iss - last) % (1 << 32) < 1 << 31


def test_an_old_syn_does_not_reopen() -> None:
    d = in_time_wait()
    d.inject("S 0:0 win 65535 <mss 1460>")
    d.expect(". 2:2 ack 2")
    d.inject("S 2:2")
    d.expect(". 2:2 ack 2")  # RFC 5961 4.2
    assert d.state is State.TIME_WAIT


def test_without_a_listener_time_wait_stays() -> None:
    d = in_time_wait()
    assert d.listener is not None
    d.host.do(d.listener.close)
    d.inject("S 500:500")
    d.expect(". 2:2 ack 2")
    assert d.state is State.TIME_WAIT


def test_a_reset_ends_time_wait() -> None:
    d = in_time_wait()
    d.inject("R 2:2")
    assert d.find() is None


def test_the_port_of_time_wait_can_be_rebound_only_with_reuse() -> None:
    d = in_time_wait()
    assert d.listener is not None
    d.host.do(d.listener.close)
    port = d.host.stack.tcp.open()
    with pytest.raises(OSError) as e:
        d.host.do(lambda now: port.bind(bytes(4), 80, now))
    assert e.value.errno == errno.EADDRINUSE
    port.options.reuse_address = True
    d.host.do(lambda now: port.bind(bytes(4), 80, now))
    d.host.do(lambda now: port.listen(1, now))


def test_last_ack_resends_its_fin_until_it_is_acknowledged() -> None:
    d = connection()
    d.inject("F. 1:1")
    d.expect(". ack 2")
    d.close()
    d.expect("F. 1:1 ack 2")
    d.expect("F. 1:1 ack 2", at=0.2)
    d.inject("F. 1:1 ack 2")  # they resend theirs, with the ACK of ours
    assert d.find() is None
    d.take_all()
    d.quiet(100)


def test_closing_resends_its_fin() -> None:
    d = connection()
    d.close()
    d.expect("F. 1:1 ack 1")
    d.inject("F. 1:1 ack 1")
    d.expect(". 2:2 ack 2")
    d.expect("F. 1:1 ack 2", at=0.2)
    d.inject(". 2:2 ack 2")
    assert d.state is State.TIME_WAIT
    d.quiet(60.0)


def test_after_the_end_nothing_is_left() -> None:
    d = in_time_wait()
    d.at(60.0)
    assert d.find() is None
    assert not d.host.stack.tcp.connections
    d.at(130.0)
    timers = d.host.stack.timers
    assert timers.next_at() is None or all(t.at is None or t.at > d.host.clock for _, _, t in timers._heap)


def test_reading_goes_on_after_the_connection_is_gone() -> None:
    d = connection()
    d.shutdown()
    d.expect("F. 1:1")
    d.inject("FP. 1:101 ack 2")
    d.expect(". ack 102")
    d.at(61.0)
    assert d.find() is None
    assert d.a_port.readable() and d.a_port.hung_up()
    assert d.read_all() == 100 and d.read_all() == -1


# --- how many may linger


def several(count: int, **settings: float) -> list[Drill]:
    """Connections of one host that the user has closed."""
    first = connection(**settings)
    return [first, *(connection(host=first.host, local_port=81 + number) for number in range(count - 1))]


def test_of_too_many_in_time_wait_the_oldest_goes() -> None:
    drills = several(3, tcp_max_tw_buckets=2)
    for d in drills:
        d.close()
        d.expect("F. 1:1 ack 1")
        d.inject("F. 1:1 ack 2")
        d.expect(". 2:2 ack 2")
    assert [d.find() and d.state for d in drills] == [None, State.TIME_WAIT, State.TIME_WAIT]
    drills[1].inject("F. 1:1 ack 2")  # its 2 MSL begin anew, and it is still the oldest
    drills[1].expect(". 2:2 ack 2")
    tcp = drills[0].host.stack.tcp
    assert len(tcp.time_waiting) == 2 and not tcp.orphans
    drills[0].at(200.0)
    assert not tcp.time_waiting and not tcp.connections


def test_of_too_many_orphans_the_newest_is_reset() -> None:
    drills = several(3, tcp_max_orphans=2)
    for d in drills[:2]:
        d.close()
        d.expect("F. 1:1 ack 1")
    drills[2].close()
    drills[2].expect("F. 1:1 ack 1")
    drills[2].expect_reset("R. 2:2 ack 1")
    assert len(drills[0].host.stack.tcp.orphans) == 2
    drills[0].inject("R. 1:1 ack 2")
    assert len(drills[0].host.stack.tcp.orphans) == 1


def test_an_ack_that_is_due_while_data_is_sent_again_has_the_highest_number() -> None:
    d = connection()
    d.write(3000)
    d.take_all()
    d.expect(". 1:1461", at=0.2)  # the first is sent again, and snd_nxt is behind what they may have got
    d.inject("P. 1:11 ack 1")
    d.expect(". 3001:3001 ack 11")
