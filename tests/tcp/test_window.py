"""Flow control both ways: zero windows and probes, silly windows avoided at both ends, windows that never shrink, and
those above 64 KB (RFC 9293 3.8.6, RFC 7323 2)."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from stack.interface import Abilities, Offload
from stack.tcp.connection import CUT_BURST, WHOLE_BURST
from stack.tcp.state import State
from tests.drill.drill import Drill
from tests.drill.host import ALL_ABILITIES, NO_ABILITIES

PLAIN = "S 0:0 win 65535 <mss 1000>"


def plain(**settings: Any) -> Drill:
    """No scaling, segments of 1000 bytes."""
    d = Drill(**settings)
    d.passive(PLAIN)
    return d


# --- their window closed: probing (RFC 9293 3.8.6.1)


def test_a_closed_window_is_probed_with_backoff() -> None:
    d = plain()
    d.inject(". ack 1 win 0")
    d.write(5000)
    d.quiet()
    at = 0.0
    for n in range(8):
        at += 0.2 * 2**n
        d.expect(f"{'P' if n < 9 else ''}. 1:2", at=at)
        d.inject(". ack 1 win 0")
        d.quiet()
    assert d.state is State.ESTABLISHED


def test_probing_goes_on_for_ever_while_it_is_answered() -> None:
    d = plain(tcp_retries=3, tcp_max_rto=4.0)
    d.inject(". ack 1 win 0")
    d.write(10)
    probes = d.converse(1000, lambda probe: ". ack 1 win 0")
    assert d.state is State.ESTABLISHED
    assert len(probes) == 5 + (1000 - 6) // 4 and {(p.first, p.last) for p in probes} == {(1, 2)}
    d.inject(". ack 1 win 5000")
    d.expect("P. 1:11")


def test_probing_unanswered_ends_with_r2() -> None:
    d = plain(tcp_retries=3)
    d.inject(". ack 1 win 0")
    d.write(10)
    for at in (0.2, 0.6, 1.4):
        d.expect("P. 1:2", at=at)
    d.at(3.0)
    assert d.find() is None and d.a_port.take_error() == errno.ETIMEDOUT


def test_the_window_opens_and_all_that_waited_goes() -> None:
    d = plain()
    d.inject(". ack 1 win 0")
    d.write(2500)
    d.expect("P. 1:2", at=0.2)
    d.inject(". ack 1 win 0")
    d.at(0.3)
    d.inject(". ack 1 win 65535")
    d.expect_data(1, 2501, 1000)
    d.inject(". ack 2501")
    d.quiet(100)


def test_the_window_opens_with_the_probe_taken() -> None:
    d = plain()
    d.inject(". ack 1 win 0")
    d.write(2500)
    d.expect("P. 1:2", at=0.2)
    d.inject(". ack 2 win 65535")
    d.expect_data(2, 2501, 1000)
    d.inject(". ack 2501")
    d.quiet(100)


def test_a_probe_taken_while_the_window_stays_closed() -> None:
    d = plain()
    d.inject(". ack 1 win 0")
    d.write(10)
    d.expect("P. 1:2", at=0.2)
    d.inject(". ack 2 win 0")
    d.expect("P. 2:3", at=0.4)  # a probe sent once is a sample: the backoff begins anew
    d.inject(". ack 2 win 0")
    d.expect("P. 2:3", at=0.8)


def test_the_window_closes_with_data_in_flight() -> None:
    d = plain()
    d.write(5000)
    d.expect_data(1, 5001, 1000)
    d.inject(". ack 3001 win 0")
    d.quiet(0.1)
    d.host.advance_to(0.2)
    assert str(d.take()).startswith("P. 3001:3002")  # a probe, not the two segments
    d.inject(". ack 3001 win 65535")
    d.host.advance_to(2.0)
    sent = d.take_all()
    assert {(line.first, line.last) for line in sent} >= {(3001, 4001)}
    d.inject(". ack 5001")
    d.quiet(100)


def test_a_window_update_that_was_lost_is_found_by_the_probe() -> None:
    d = plain()
    d.write(1000)
    d.expect("P. 1:1001")
    d.inject(". ack 1001 win 0")
    d.write(1000)
    d.quiet(0.1)
    d.expect("P. 1001:1002", at=0.2)
    d.inject(". ack 1002 win 4000")
    d.expect("P. 1002:2001")


def test_a_fin_probes_a_closed_window() -> None:
    d = plain(tcp_retries=4)
    d.inject(". ack 1 win 0")
    d.shutdown()
    d.expect("F. 1:1", at=0.2)
    d.inject(". ack 1 win 0")
    fins = d.converse(1000, lambda fin: ". ack 1 win 0")
    assert len(fins) > 10 and {str(fin) for fin in fins} == {"F. 1:1 ack 1 win 65535"}
    assert d.state is State.FIN_WAIT_1
    d.inject(". ack 2 win 0")
    assert d.state is State.FIN_WAIT_2


def test_a_fin_does_not_go_beyond_the_window() -> None:
    """Or everything sent afterwards would have a number that a strict receiver ignores, and its ACK with it."""
    d = plain()
    d.inject(". ack 1 win 1000")
    d.write(1000)
    d.shutdown()
    d.expect("P. 1:1001")
    d.quiet()
    d.inject(". ack 1001 win 0", "P. 1:1001 ack 1001 win 0")
    d.expect(". 1001:1001 ack 1001")
    d.inject(". 1001:1001 ack 1001 win 1")
    d.expect("F. 1001:1001")


def test_a_bare_fin_is_taken_by_a_closed_window() -> None:
    d = plain(tcp_rcvbuf=4000)
    d.pour(*(f". {n}:{n + 1000}" for n in range(1, 4001, 1000)))
    assert d.take_all()[-1].win == 0
    d.inject("F. 4001:4001")
    d.expect(". ack 4002 win 0")
    assert d.state is State.CLOSE_WAIT and d.read_all() == 4000 and d.read_all() == -1


def test_a_fin_behind_data_waits_for_the_window() -> None:
    d = plain()
    d.inject(". ack 1 win 0")
    d.write(10)
    d.shutdown()
    d.quiet()
    d.expect("P. 1:2", at=0.2)
    d.inject(". ack 1 win 100")
    d.expect("FP. 1:11")


def test_a_probe_is_a_transmission_like_any_other() -> None:
    """Karn: the byte may have been taken from any of the probes, so its ACK measures nothing."""
    d = plain()
    d.inject(". ack 1 win 0")
    d.write(10)
    d.expect("P. 1:2", at=0.2)
    d.expect("P. 1:2", at=0.6)
    d.at(0.9)
    d.inject(". ack 2 win 0")
    assert d.tcb.rtt.srtt == 0.0


def test_acks_with_a_closed_window_of_ours_are_still_taken() -> None:
    """RFC 9293 3.10.7.4: a zero window takes no text but valid ACKs."""
    d = plain(tcp_rcvbuf=2048)
    d.pour(". 1:1001 ack 1", ". 1001:2001 ack 1", ". 2001:2049 ack 1")
    assert d.take_all()[-1].win == 0
    d.write(100)
    d.expect("P. 1:101 win 0")
    d.inject(". 2049:3049 ack 101")  # a probe with more than a byte
    d.expect(". ack 2049 win 0")
    assert d.tcb.flight == 0
    assert d.read_all() == 2048
    d.expect(". ack 2049 win 2048")


# --- their window small: silly windows avoided by the sender (RFC 9293 3.8.6.2.1)


def test_a_window_below_a_segment_is_not_filled_at_once() -> None:
    d = plain()
    d.inject(". ack 1 win 700")
    d.write(5000)
    d.quiet()


def test_what_the_window_allows_goes_in_the_end() -> None:
    d = plain()
    d.inject(". ack 1 win 700")
    d.write(5000)
    d.expect(". 1:701", at=0.2)
    d.inject(". ack 701 win 700")
    d.quiet(0.3)


def test_half_of_the_largest_window_is_worth_a_segment() -> None:
    d = Drill()
    d.passive("S 0:0 win 1200 <mss 1000>", ack=". 1:1 ack 1 win 1200")
    d.inject(". ack 1 win 600")
    d.write(5000)
    d.expect(". 1:601")


def test_the_tail_goes_if_all_of_it_fits() -> None:
    d = plain()
    d.inject(". ack 1 win 700")
    d.write(650)
    d.expect("P. 1:651")


def test_the_right_edge_is_never_passed() -> None:
    d = plain()
    d.inject(". ack 1 win 2500")
    d.write(5000)
    d.expect_data(1, 2001, 1000)
    d.quiet()
    d.inject(". ack 1001 win 2500")
    d.expect(". 2001:3001")
    d.inject(". ack 2001 win 1500")  # the same edge
    d.quiet()


def test_only_the_newest_segment_sets_the_window() -> None:
    """RFC 9293 3.10.7.4: SND.WL1 and SND.WL2 keep an old window from counting."""
    d = plain()
    d.pour("P. 1:11 ack 1 win 5000", "P. 11:21 ack 1 win 6000")
    d.take_all()
    d.pour(". 20:20 ack 1 win 100", ". 11:21 ack 1 win 100")
    d.take_all()
    assert d.tcb.snd_wnd == 6000
    d.inject(". 21:21 ack 1 win 300")
    assert d.tcb.snd_wnd == 300
    d.write(100)
    d.expect("P. 1:101")
    d.inject(". 21:21 ack 101 win 7000", ". 21:21 ack 50 win 9")
    assert d.tcb.snd_wnd == 7000


def test_what_fills_a_hole_is_older_than_what_came_before_it() -> None:
    d = plain()
    d.pour("P. 101:201 ack 1 win 5000", "P. 1:101 ack 1 win 100")
    d.take_all()
    assert d.tcb.snd_wnd == 5000


def test_the_backoff_of_probes_is_not_that_of_data() -> None:
    d = plain()
    d.inject(". ack 1 win 0")
    d.write(10)
    for at in (0.2, 0.6, 1.4):
        d.expect("P. 1:2", at=at)
        d.inject(". ack 1 win 0")
    d.at(2.0)
    d.inject(". ack 1 win 5000")
    d.expect("P. 1:11")
    d.expect("P. 1:11", at=2.2)


# --- our window: silly windows avoided by the receiver (RFC 9293 3.8.6.2.2)


def test_the_window_shrinks_as_data_waits_to_be_read() -> None:
    d = plain(tcp_rcvbuf=8000)
    d.inject(". 1:1001")
    d.expect(". ack 1001 win 7000")
    d.inject(". 1001:2001")
    d.expect(". ack 2001 win 6000")


def test_a_reader_of_single_bytes_does_not_open_it_by_bytes() -> None:
    d = plain(tcp_rcvbuf=4000)
    for n in range(4):
        d.inject(f". {n * 1000 + 1}:{n * 1000 + 1001}")
        d.take_all()
    assert d.tcb.rcv_wnd == 0
    for _ in range(1459):
        d.read_all(1)
        d.quiet()
    d.read_all(1)
    d.expect(". ack 4001 win 1460")
    d.read_all(1000)
    d.quiet()
    d.read_all(1000)
    d.expect(". ack 4001 win 3460")


def test_a_small_buffer_opens_by_its_half() -> None:
    d = plain(tcp_rcvbuf=2048)
    d.inject(
        ". 1:1001",
    )
    d.take_all()
    d.inject(". 1001:2001")
    d.take_all()
    d.inject(". 2001:2049")
    d.take_all()
    d.read_all(1023)
    d.quiet()
    d.read_all(1)
    d.expect(". ack 2049 win 1024")


def test_reading_while_the_window_is_wide_sends_nothing() -> None:
    d = plain(tcp_rcvbuf=60_000)
    d.inject(". 1:1001", batch=(". 1001:2001", ". 2001:3001"))
    d.expect(". ack 3001")
    assert d.read_all() == 3000
    d.quiet()


def test_what_lies_beyond_the_window_is_cut_off() -> None:
    d = plain(tcp_rcvbuf=2500)
    d.inject(
        ". 1:1001",
    )
    d.take_all()
    d.inject(". 1001:2001")
    d.take_all()
    d.inject("FP. 2001:3001")
    d.expect(". ack 2501 win 0")
    assert d.state is State.ESTABLISHED  # the FIN lay beyond
    assert d.read_all() == 2500
    d.expect(". ack 2501 win 2500")
    d.inject("FP. 2501:3001")
    d.expect(". ack 3002")
    assert d.read_all() == 500 and d.read_all() == -1


def test_a_probe_of_our_closed_window_is_answered() -> None:
    d = plain(tcp_rcvbuf=2048)
    d.pour(". 1:1001", ". 1001:2001", ". 2001:2049")
    d.take_all()
    for _ in range(5):
        d.inject("P. 2049:2050")
        d.expect(". ack 2049 win 0")
    d.read_all()
    d.expect(". ack 2049 win 2048")
    d.inject("P. 2049:2050")
    d.take_all()
    assert d.tcb.rcv_nxt == d.tcb.irs + 2050


def test_an_ack_at_the_right_edge_is_taken() -> None:
    """Where the other end stands when it has filled the window, its segment of length zero lies at the edge."""
    d = plain(tcp_rcvbuf=2048)
    d.pour(". 1:1001", ". 1001:2001")
    d.take_all()
    d.write(10)
    d.expect("P. 1:11")
    d.inject(". 2049:2049 ack 11")
    d.quiet()
    assert d.tcb.flight == 0


@pytest.mark.parametrize("size", [1, 100, 127, 129, 1000])
def test_a_buffer_nobody_reads_fills_and_closes(size: int) -> None:
    """However small the segments, the edge stays where it was promised, whatever the scale's unit (RFC 7323 2.4)."""
    d = Drill(tcp_rcvbuf=5_000 if size < 100 else 150_000)
    d.passive("S 0:0 win 65535 <mss 1460,wscale 7>")
    scale = d.tcb.rcv_wscale
    assert size == 1 or scale > 0
    first = 1
    for _ in range(400_000 // size):
        d.pour(f". {first}:{first + size}")
        first += size
        if d.tcb.rcv_wnd == 0:
            break
    d.host.advance_to(0.1)
    waiting = d.tcb.receive_queue.available
    assert d.tcb.rcvbuf - (1 << scale) <= waiting <= d.tcb.rcvbuf
    windows = [line.win or 0 for line in d.take_all()]
    assert windows == sorted(windows, reverse=True) and windows[-1] == 0
    assert d.read_all() == waiting


def test_a_coarse_scale_never_moves_the_edge_left() -> None:
    """Scale 14 has a unit of 16 KiB: an opening smaller than that cannot be told, and is not told wrongly."""
    d = Drill(tcp_rcvbuf=1 << 30)
    d.passive("S 0:0 win 65535 <mss 1460,wscale 14>")
    d.tcb.options.rcvbuf = 100_000
    d.tcb.on_options(d.host.clock)
    first = 1
    for n in range(300):
        d.pour(f". {first}:{first + 1300}")
        first = d.tcb.rcv_nxt - d.tcb.irs
        d.take_all()
        if n % 3:
            d.read_all(1700)
            d.take_all()
    assert d.tcb.rcv_nxt != d.tcb.irs + 1


def test_a_receive_buffer_made_smaller_takes_nothing_back() -> None:
    d = plain(tcp_rcvbuf=60_000)
    d.a_port.options.rcvbuf = 4000
    d.host.do(d.a_port.options_changed)
    edge = d.tcb.rcv_adv
    for n in range(60):
        d.pour(f". {n * 1000 + 1}:{n * 1000 + 1001}")
    assert d.take_all()[-1].win == 0
    assert d.tcb.rcv_nxt == edge
    assert d.read_all() == 60_000
    d.expect(". ack 60001 win 4000")


def test_a_receive_buffer_made_smaller_between_two_syn_acks() -> None:
    d = Drill(tcp_rcvbuf=8192)
    d.connect()
    d.expect("S 0:0 win 8192")
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1 win 8192")
    d.a_port.options.rcvbuf = 3000
    d.host.do(d.a_port.options_changed)
    d.expect("S. 0:0 ack 1 win 8192", at=1.0)


# --- windows above 64 KB


def test_a_send_window_of_a_megabyte_is_filled() -> None:
    d = Drill(abilities=ALL_ABILITIES, tcp_initial_cwnd=1000)
    d.passive("S 0:0 win 65535 <mss 1460,wscale 5>", ack=". 1:1 ack 1 win 32768")
    assert d.tcb.snd_wnd == 1 << 20
    d.write(3 << 20)
    flight = sum(s.ip.total_length - 40 for s in d.host.take_all())
    assert (1 << 20) - 1460 < flight <= 1 << 20


def test_a_receive_window_of_a_megabyte_is_offered_and_kept() -> None:
    d = Drill(tcp_rcvbuf=1 << 20, abilities=ALL_ABILITIES)
    d.passive("S 0:0 win 65535 <mss 1460,wscale 5>")
    assert d.tcb.rcv_wscale == 5
    first = 1
    verified = Offload(verified=True)
    while d.tcb.rcv_wnd >= 60_000:
        d.host.receive(d.frame(f". {first}:{first + 60_000}"), offload=verified)
        first += 60_000
    assert first - 1 == (1 << 20) // 60_000 * 60_000
    assert d.take_all()[-1].win == ((1 << 20) - (first - 1)) >> 5
    assert d.read_all() == first - 1
    assert d.take().win == (1 << 20) >> 5


def test_the_largest_window_there_is() -> None:
    d = Drill(tcp_rcvbuf=1 << 30)
    d.passive("S 0:0 win 65535 <mss 1460,wscale 14>", ack=". 1:1 ack 1 win 65535")
    assert d.tcb.snd_wnd == 65_535 << 14
    d.inject("P. 1:11")
    assert d.take().win == 65_535
    assert d.tcb.rcv_wnd == 65_535 << 14


@pytest.mark.parametrize("abilities, burst", [(NO_ABILITIES, CUT_BURST), (ALL_ABILITIES, WHOLE_BURST)])
def test_one_turn_sends_so_much_and_the_next_is_due_at_once(abilities: Abilities, burst: int) -> None:
    d = Drill(abilities=abilities, tcp_initial_cwnd=1000, tcp_sndbuf=8 << 20)
    d.passive("S 0:0 win 65535 <mss 1460,wscale 7>", ack=". 1:1 ack 1 win 65535")
    stack, now = d.host.stack, d.host.start + d.now
    d.tcb.congestion.cwnd = 3 << 20
    turn = burst * ((65_535 - 40) // 1460 * 1460)
    left = 5 * turn // 2
    assert d.a_port.send(bytes(left), now) == left
    for expected in (turn, turn, left - 2 * turn):
        frames = stack.take_frames()
        assert sum(len(frame.head) + len(frame.payload) - 54 for frame in frames) == expected
        left -= expected
        assert (stack.next_timeout() == float("-inf")) is (left > 0)
        stack.advance(now)
    assert not stack.take_frames()
