"""The retransmission timer: RFC 6298's arithmetic, Karn's rule, backoff, R2, and what a timeout sends again."""

from __future__ import annotations

import errno
import random

import pytest

from stack.config import Config
from stack.events import Retransmit
from stack.tcp.rtt import RttEstimator
from stack.tcp.state import State
from tests.drill.drill import Drill

MSS_1000 = "S 0:0 win 65535 <mss 1000>"


def small(**settings: object) -> Drill:
    """An established connection with segments of 1000 bytes and no round trip time to speak of."""
    d = Drill(**settings)
    d.passive(MSS_1000)
    return d


# --- the estimator


def estimator(**settings: float) -> RttEstimator:
    return RttEstimator(Config(random.Random(1), b"", **settings))


def test_before_a_sample_it_is_one_second() -> None:
    assert estimator().rto == 1.0  # RFC 6298 2.1


def test_the_first_sample() -> None:
    rtt = estimator(tcp_min_rto=0.001)
    rtt.sample(0.4)
    assert (rtt.srtt, rtt.rttvar) == (0.4, 0.2)  # RFC 6298 2.2
    assert rtt.rto == pytest.approx(0.4 + 4 * 0.2)


def test_the_next_samples() -> None:
    rtt = estimator(tcp_min_rto=0.001)
    rtt.sample(0.4)
    rtt.sample(0.8)
    assert rtt.rttvar == pytest.approx(0.75 * 0.2 + 0.25 * 0.4)  # RFC 6298 2.3: with the old SRTT
    assert rtt.srtt == pytest.approx(0.875 * 0.4 + 0.125 * 0.8)
    assert rtt.rto == pytest.approx(0.45 + 4 * 0.25)


def test_the_least_margin_and_the_greatest_timeout() -> None:
    rtt = estimator(tcp_min_rto=0.2, tcp_max_rto=5.0)
    for _ in range(100):
        rtt.sample(0.05)
    assert rtt.rto == pytest.approx(0.25)
    for _ in range(200):
        rtt.back_off()
    assert rtt.rto == 5.0
    rtt.sample(0.05)
    assert rtt.rto == pytest.approx(0.25), "RFC 6298 5: a new measurement ends the backoff"


# --- the timer


def test_data_is_resent_with_backoff_until_r2() -> None:
    d = small(tcp_retries=5)
    d.write(10)
    d.expect("P. 1:11")
    for at in (0.2, 0.6, 1.4, 3.0, 6.2):  # 0.2 doubled each time
        d.expect("P. 1:11", at=at)
    d.at(12.6)
    assert d.find() is None
    assert d.a_port.take_error() == errno.ETIMEDOUT
    d.take_all()
    d.quiet(200)


def test_the_greatest_timeout_bounds_the_backoff() -> None:
    d = small(tcp_max_rto=1.0)
    d.write(10)
    d.expect("P. 1:11")
    for at in (0.2, 0.6, 1.4, 2.4, 3.4, 4.4):
        d.expect("P. 1:11", at=at)


def test_the_measured_round_trip_sets_the_timeout() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.at(0.1)
    d.inject("S. 0:0 ack 1 win 65535 <mss 1000>")
    d.expect(". 1:1")
    assert d.tcb.rtt.srtt == pytest.approx(0.1)
    d.write(10)
    d.expect("P. 1:11")
    d.expect("P. 1:11", at=0.1 + 0.1 + 4 * 0.05)


def test_karn_no_sample_from_what_was_resent() -> None:
    d = small()
    d.write(10)
    d.expect("P. 1:11")
    d.expect("P. 1:11", at=0.2)
    d.at(0.5)
    d.inject(". ack 11")
    assert d.tcb.rtt.srtt == 0.0


def test_karn_no_sample_from_an_ack_that_covers_anything_resent() -> None:
    d = small()
    d.write(2000)
    d.expect_data(1, 2001, 1000)
    d.expect(". 1:1001", at=0.2)
    d.at(0.5)
    d.inject(". ack 2001")
    assert d.tcb.rtt.srtt == 0.0


def test_karn_the_backed_off_timeout_stays_until_a_sample() -> None:
    """The other half of Karn's algorithm (RFC 1122 4.2.3.1 MUST): on a path slower than the timeout every segment would
    else be resent for ever, and never measured."""
    d = small()
    d.write(10)
    d.expect("P. 1:11")
    d.expect("P. 1:11", at=0.2)
    d.at(0.3)
    d.inject(". ack 11")
    d.write(10)
    d.expect("P. 11:21")
    d.expect("P. 11:21", at=0.7)  # 0.4 later
    d.at(0.8)
    d.inject(". ack 21")
    d.write(10)
    d.expect("P. 21:31")
    d.at(0.9)
    d.inject(". ack 31")  # at last a segment sent once: 0.1 s
    d.write(10)
    d.expect("P. 31:41")
    d.quiet(1.1)
    d.host.advance_to(1.2)
    assert d.host.sent, "the sample has ended the backoff"
    d.take_all()


def test_a_path_slower_than_the_timeout_is_learned() -> None:
    """The round trip takes 1 s, and the handshake measured none: the second segment is not resent any more."""
    d = small()
    resent = []
    for n in range(6):
        sent_at = d.now
        first = 1 + 10 * n
        d.write(10)
        d.expect(f"P. {first}:{first + 10}")
        d.host.advance_to(sent_at + 1.0)
        resent.append(len(d.take_all()))
        d.inject(f". ack {first + 10}")
    assert resent[0] == 2 and resent[-1] == 0


def test_an_ack_of_part_starts_the_timer_again() -> None:
    d = small()
    d.write(2000)
    d.expect_data(1, 2001, 1000)
    d.at(0.15)
    d.inject(". ack 1001")
    rto = d.tcb.rtt.rto
    d.quiet(0.3)
    d.expect("P. 1001:2001", at=0.15 + rto)  # RFC 6298 5.3


def test_all_acknowledged_turns_the_timer_off() -> None:
    d = small()
    d.write(10)
    d.expect("P. 1:11")
    d.inject(". ack 11")
    assert d.tcb.retransmit_timer.at is None  # RFC 6298 5.2
    d.quiet(1000)


def test_sending_more_does_not_start_the_timer_again() -> None:
    d = small()
    d.write(1000)
    d.expect("P. 1:1001")
    d.at(0.15)
    d.write(1000)
    d.expect("P. 1001:2001")
    d.expect(". 1:1001", at=0.2)  # RFC 6298 5.1


# --- what is sent again


def test_a_timeout_goes_back_and_sends_one_segment() -> None:
    d = small()
    d.write(4500)
    d.expect_data(1, 4501, 1000)
    d.expect(". 1:1001", at=0.2)
    d.quiet(0.3)
    d.inject(". ack 1001")  # the loss window was one segment; slow start makes it two
    d.expect(". 1001:2001", ". 2001:3001")
    d.inject(". ack 3001")
    d.expect(". 3001:4001", "P. 4001:4501")
    d.inject(". ack 4501")
    d.quiet(10)


def test_after_a_timeout_an_ack_may_jump() -> None:
    """Only the first segment was lost: what had arrived is not sent again."""
    d = small()
    d.write(4500)
    d.expect_data(1, 4501, 1000)
    d.expect(". 1:1001", at=0.2)
    d.inject(". ack 4501")
    d.quiet(10)
    assert d.tcb.snd_nxt == d.tcb.snd_max
    d.write(1000)
    d.expect("P. 4501:5501")


def test_after_a_timeout_an_ack_may_jump_into_the_middle() -> None:
    d = small()
    d.write(4500)
    d.expect_data(1, 4501, 1000)
    d.expect(". 1:1001", at=0.2)
    d.inject(". ack 2501")
    d.expect(". 2501:3501")
    d.expect("P. 3501:4501")
    d.inject(". ack 4501")
    d.quiet(10)


def test_data_written_while_a_timeout_is_repaired_follows_it() -> None:
    d = small()
    d.write(2000)
    d.expect_data(1, 2001, 1000)
    d.expect(". 1:1001", at=0.2)
    d.write(1000)
    d.quiet()
    d.inject(". ack 2001")
    d.expect("P. 2001:3001")


def test_a_fin_is_resent_alone_and_with_data() -> None:
    d = small()
    d.shutdown()
    d.expect("F. 1:1")
    d.expect("F. 1:1", at=0.2)
    d.inject(". ack 2")
    assert d.state is State.FIN_WAIT_2
    d = small()
    d.write(10)
    d.expect("P. 1:11")
    d.shutdown()
    d.expect("F. 11:11")
    d.expect("FP. 1:11", at=0.2)  # together now
    d.inject(". ack 12")
    assert d.state is State.FIN_WAIT_2
    d.quiet(10)


def test_a_fin_is_resent_after_an_ack_of_the_data_only() -> None:
    d = small()
    d.write(10)
    d.expect("P. 1:11")
    d.shutdown()
    d.expect("F. 11:11")
    d.inject(". ack 11")
    assert d.state is State.FIN_WAIT_1
    d.expect("F. 11:11", at=0.2)


def test_a_segment_that_is_resent_says_why() -> None:
    d = small()
    d.write(10)
    d.expect("P. 1:11")
    d.expect("P. 1:11", at=0.2)
    d.expect("P. 1:11", at=0.6)
    d.write(10)
    d.quiet()
    d.inject(". ack 11")
    d.expect("P. 11:21")
    assert "resent: timeout, time 1, 0.200 s" in "\n".join(d.host.log)
    assert "resent: timeout, time 2, 0.400 s" in "\n".join(d.host.log)
    assert "resent" not in d.host.log[-1]


def test_a_shrunken_window_does_not_stop_retransmission() -> None:
    """RFC 9293 3.8.6: a window smaller than a segment takes a smaller segment, or SWS avoidance would starve it."""
    d = small()
    d.write(5000)
    d.expect_data(1, 5001, 1000)
    d.inject(". ack 1 win 300")
    d.expect(". 1:301", at=0.2)
    d.inject(". ack 301 win 300")
    d.host.advance_to(20)
    assert d.state is State.ESTABLISHED
    assert any(line.length for line in d.take_all())


def test_an_orphan_gives_up_earlier() -> None:
    d = small(tcp_orphan_retries=2)
    d.write(10)
    d.expect("P. 1:11")
    d.close()
    d.expect("F. 11:11")
    d.expect("FP. 1:11", at=0.2)
    d.expect("FP. 1:11", at=0.6)
    d.at(1.4)
    assert d.find() is None


def test_user_timeout() -> None:
    d = small()
    d.a_port.options.user_timeout = 2.0
    d.write(10)
    d.expect("P. 1:11")
    for at in (0.2, 0.6, 1.4):
        d.expect("P. 1:11", at=at)
    d.host.advance_to(3.0)
    assert d.find() is None and d.a_port.take_error() == errno.ETIMEDOUT


def test_the_user_timeout_counts_from_what_is_not_acknowledged() -> None:
    """RFC 5482 3: not from when the other end was last heard of, or an idle connection dies of its first loss."""
    d = small()
    d.a_port.options.user_timeout = 2.0
    d.at(3600.0)
    d.write(10)
    d.expect("P. 1:11")
    for at in (0.2, 0.6, 1.4):
        d.expect("P. 1:11", at=3600 + at)
    d.inject(". ack 11")
    d.quiet(3700)
    assert d.state is State.ESTABLISHED


def test_progress_begins_the_user_timeout_anew() -> None:
    d = small(tcp_max_rto=1.0)
    d.a_port.options.user_timeout = 2.0
    d.write(5000)
    d.take_all()
    for n in range(1, 5):
        d.host.advance_to(1.5 * n)
        d.take_all()
        d.pour(f". ack {1000 * n + 1}")
    assert d.state is State.ESTABLISHED


def test_a_user_timeout_of_zero_is_none() -> None:
    d = small(tcp_retries=3)
    d.a_port.options.user_timeout = 0.0
    d.write(10)
    d.expect("P. 1:11")
    for at in (0.2, 0.6, 1.4):
        d.expect("P. 1:11", at=at)


def test_the_route_going_away_is_a_loss_like_any_other() -> None:
    d = small()
    d.host.interface.is_up = False
    d.host.stack.routes.changed()
    d.write(10)
    d.quiet(0.5)
    d.host.interface.is_up = True
    d.host.stack.routes.changed()
    d.expect("P. 1:11", at=0.6)


def test_times_resent_are_counted_by_the_scoreboard() -> None:
    d = small()
    d.write(3000)
    d.expect_data(1, 3001, 1000)
    d.expect(". 1:1001", at=0.2)
    d.inject(". ack 1001")
    d.expect(". 1001:2001", "P. 2001:3001")
    times = [(why.times, why.length) for why in d.host.whys if isinstance(why, Retransmit)]
    assert times == [(1, 1000), (1, 2000), (1, 2000)]  # a super-segment is one transmission
    assert [(sent.times, sent.end - sent.start) for sent in d.tcb.scoreboard] == [(2, 2000)]
