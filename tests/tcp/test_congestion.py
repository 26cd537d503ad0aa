"""Slow start, congestion avoidance, fast retransmit, NewReno and limited transmit (RFC 5681, 6582, 3042, 6928)."""

from __future__ import annotations

from typing import Any

import pytest

from stack.tcp.congestion.reno import Reno
from tests.drill.drill import Drill

SIZE = 1000


def sender(write: int = 200_000, **settings: Any) -> Drill:
    """An established connection that has a lot to send in segments of 1000 bytes."""
    d = Drill(**settings)
    d.passive("S 0:0 win 65535 <mss 1000,wscale 7>")
    d.tcb.options.nodelay = True
    if write:
        d.write(write)
    return d


def segments(d: Drill, first: int, last: int) -> None:
    """Segments number `first` to `last`, counting from one, and nothing else."""
    d.expect_data((first - 1) * SIZE + 1, last * SIZE + 1, SIZE)
    d.quiet()


def ack(d: Drill, number: int, times: int = 1) -> None:
    """Segments up to `number` have arrived; so many times over."""
    d.quiet()
    d.pour(*[f". ack {number * SIZE + 1}"] * times)


# --- slow start and congestion avoidance


def test_the_initial_window_is_ten_segments() -> None:
    d = sender()
    segments(d, 1, 10)


def test_slow_start_doubles_in_a_round_trip() -> None:
    d = sender(tcp_initial_cwnd=2)
    segments(d, 1, 2)
    ack(d, 1)
    segments(d, 3, 4)
    ack(d, 2)
    segments(d, 5, 6)
    ack(d, 6)
    segments(d, 7, 14)
    assert d.tcb.congestion.cwnd == 8 * SIZE


def test_the_receivers_window_bounds_as_well() -> None:
    d = sender(write=0)
    d.inject(". ack 1 win 24")  # 3072 bytes
    d.write(10_000)
    segments(d, 1, 3)


def test_a_window_that_is_not_filled_does_not_grow() -> None:
    d = sender(write=0)
    for n in range(1, 20):
        d.write(SIZE)
        segments(d, n, n)
        ack(d, n)
    assert d.tcb.congestion.cwnd == 10 * SIZE


def test_congestion_avoidance_adds_one_segment_a_round_trip() -> None:
    d = sender(tcp_initial_cwnd=4)
    d.tcb.congestion.ssthresh = 4 * SIZE
    segments(d, 1, 4)
    for n in (1, 2, 3):
        ack(d, n)
        segments(d, n + 4, n + 4)
    ack(d, 4)
    segments(d, 8, 9)  # a whole window is acknowledged: one more
    assert d.tcb.congestion.cwnd == 5 * SIZE
    ack(d, 9)
    segments(d, 10, 15)
    assert d.tcb.congestion.cwnd == 6 * SIZE


def test_reno_slow_start_stops_at_ssthresh() -> None:
    reno = Reno(1000, 4)
    reno.ssthresh = 6000
    reno.on_ack(50_000, 0.0)
    assert reno.cwnd == 6000
    reno.on_ack(5_999, 0.0)
    assert reno.cwnd == 6000
    reno.on_ack(1, 0.0)
    assert reno.cwnd == 7000


def test_reno_never_falls_below_two_segments_of_ssthresh() -> None:
    reno = Reno(1000, 4)
    reno.on_loss(3000, 0.0)
    assert reno.ssthresh == 2000
    reno.on_timeout(30_000, 0.0)
    assert (reno.ssthresh, reno.cwnd) == (15_000, 1000)


# --- fast retransmit


def test_the_third_duplicate_ack_means_a_loss() -> None:
    d = sender()
    segments(d, 1, 10)
    ack(d, 3)
    segments(d, 11, 16)  # cwnd 13
    ack(d, 3, 2)
    segments(d, 17, 18)  # RFC 3042: one new segment for each of the first two
    ack(d, 3)
    segments(d, 4, 4)
    flight = 13 * SIZE  # RFC 5681 3.2 (2): without what limited transmit has sent
    assert d.tcb.congestion.ssthresh == flight // 2
    assert d.tcb.congestion.cwnd == flight // 2 + 3 * SIZE


def test_the_very_first_segment_lost() -> None:
    """RFC 6582 3.2: `recover` begins as the ISS, which the SYN's acknowledgment is beyond."""
    d = sender()
    segments(d, 1, 10)
    ack(d, 0, 2)
    segments(d, 11, 12)
    ack(d, 0)
    segments(d, 1, 1)
    assert d.host.now == 0.0


def test_forged_duplicates_inflate_no_further_than_what_is_in_flight() -> None:
    """RFC 5681 3.2 (4), the note: no more segments can have left the network than there were."""
    d = sender(write=10 * SIZE)
    d.pour(*[". ack 1"] * 3000)
    assert d.tcb.congestion.cwnd <= d.tcb.congestion.ssthresh + d.tcb.flight


def test_more_duplicates_inflate_the_window_and_the_end_deflates_it() -> None:
    d = sender()
    segments(d, 1, 10)
    ack(d, 0, 3)
    segments_after = [str(line.first) for line in d.take_all()]
    assert segments_after == ["10001", "11001", "1"]
    assert d.tcb.congestion.cwnd == 5 * SIZE + 3 * SIZE
    ack(d, 0, 4)  # seven now: 5 + 7 = 12 segments, which are out already
    d.quiet()
    ack(d, 0, 2)
    segments(d, 13, 14)
    ack(d, 12)  # up to where recovery began: it is over
    assert not d.tcb.recovery.is_active
    assert d.tcb.congestion.cwnd == min(5 * SIZE, 2 * SIZE + SIZE)
    segments(d, 15, 15)


def test_partial_acks_repair_one_hole_a_round_trip() -> None:
    """Segments 1, 4 and 7 of ten were lost (RFC 6582 3.2, step 3)."""
    d = sender(write=10 * SIZE)
    segments(d, 1, 10)
    ack(d, 0, 3)
    segments(d, 1, 1)
    ack(d, 3)
    segments(d, 4, 4)
    assert d.tcb.recovery.is_active
    ack(d, 6)
    segments(d, 7, 7)
    ack(d, 10)
    assert not d.tcb.recovery.is_active
    d.quiet(100)
    whys = [getattr(why, "why", "") for why in d.host.whys]
    assert whys == ["fast retransmit", "partial ack", "partial ack"]


def test_a_partial_ack_lets_new_data_follow() -> None:
    d = sender()
    segments(d, 1, 10)
    ack(d, 0, 3)
    d.take_all()  # 11, 12 and 1 again; cwnd 5 + 3
    ack(d, 0, 5)  # cwnd 13: one more than is out
    segments(d, 13, 13)
    cwnd = d.tcb.congestion.cwnd
    ack(d, 4)
    assert d.tcb.congestion.cwnd == cwnd - 4 * SIZE + SIZE
    d.expect(". 4001:5001")
    segments(d, 14, 14)


def test_a_partial_ack_repairs_the_fin_with_the_tail() -> None:
    d = sender(write=9500)
    d.shutdown()
    d.expect_data(1, 9001, SIZE)
    d.expect("P. 9001:9501", "F. 9501:9501")
    ack(d, 0, 3)
    segments(d, 1, 1)
    ack(d, 9)
    d.expect("F. 9001:9501")
    d.inject(". ack 9502")
    d.quiet(10)


def test_two_duplicates_are_not_enough() -> None:
    d = sender(write=10 * SIZE)
    segments(d, 1, 10)
    ack(d, 0, 2)
    d.quiet(0.15)
    ack(d, 5)
    assert d.tcb.recovery.dupacks == 0
    ack(d, 5, 2)
    d.quiet()


@pytest.mark.parametrize(
    "lines",
    [
        [f"P. {n}:{n + 10} ack 1" for n in (1, 11, 21, 31)],
        [f"P. {n}:{n + 10} ack 1" for n in (101, 121, 141, 161)],
        ["F. 1:1 ack 1"] * 4,
        [f". 1:1 ack 1 win {n}" for n in (30000, 30001, 30002, 30003)],
        [". 1:1 ack 1 win 0"] * 4,
        [". 1:1 ack 0"] * 4,
    ],
    ids=["text", "text out of order", "fin", "window", "closed", "old"],
)
def test_what_is_not_a_duplicate(lines: list[str]) -> None:
    """RFC 5681 2: text, a FIN, a new window or another ACK make it another thing."""
    d = sender(write=10 * SIZE)
    segments(d, 1, 10)
    d.pour(*lines)
    assert not d.tcb.recovery.is_active
    assert not [line for line in d.take_all() if line.length]


def test_duplicates_with_nothing_in_flight_are_nothing() -> None:
    d = sender(write=0)
    ack(d, 0, 10)
    d.quiet()
    assert d.tcb.recovery.dupacks == 0


def test_the_threshold_is_a_setting() -> None:
    d = sender(write=10 * SIZE, tcp_dupacks=5)
    segments(d, 1, 10)
    ack(d, 0, 4)
    d.quiet()
    ack(d, 0)
    segments(d, 1, 1)


# --- timeouts


def test_a_timeout_begins_again_with_one_segment() -> None:
    d = sender()
    segments(d, 1, 10)
    d.at(0.2)
    segments(d, 1, 1)
    assert d.tcb.congestion.ssthresh == 5 * SIZE
    assert d.tcb.congestion.cwnd == SIZE
    d.at(0.6)
    segments(d, 1, 1)
    assert d.tcb.congestion.ssthresh == 5 * SIZE  # RFC 5681 3.1: held for a segment resent before


def test_after_a_timeout_duplicates_of_the_past_do_not_cut_the_window_again() -> None:
    """RFC 6582 4: what was resent needlessly comes back as duplicate ACKs below `recover`."""
    d = sender(write=10 * SIZE)
    segments(d, 1, 10)
    d.at(0.2)
    segments(d, 1, 1)
    ssthresh = d.tcb.congestion.ssthresh
    ack(d, 2)
    d.take_all()
    ack(d, 2, 3)
    d.take_all()
    assert not d.tcb.recovery.is_active and d.tcb.congestion.ssthresh == ssthresh
    ack(d, 10)
    ack(d, 10, 3)
    assert not d.tcb.recovery.is_active


def test_after_a_timeout_duplicates_send_no_old_data() -> None:
    """RFC 3042 2 is about new data; RFC 5681 3.1 wants one segment after a timeout."""
    d = sender(write=10 * SIZE)
    segments(d, 1, 10)
    d.at(0.2)
    segments(d, 1, 1)
    ack(d, 0, 2)
    d.quiet()


def test_a_loss_after_recovery_is_another_loss() -> None:
    d = sender(write=40 * SIZE)
    segments(d, 1, 10)
    ack(d, 0, 3)
    d.take_all()
    ack(d, 12)
    out = d.take_all()
    assert out and not d.tcb.recovery.is_active
    while d.tcb.flight < 5 * SIZE:  # the window grows to where three duplicates fit
        ack(d, (d.tcb.snd_max - d.tcb.iss - 1) // SIZE)
        d.take_all()
    una = (d.tcb.snd_una - d.tcb.iss - 1) // SIZE
    ack(d, una, 3)
    assert [line.first for line in d.take_all()][-1] == una * SIZE + 1
    assert d.tcb.recovery.is_active


def test_after_two_gigabytes_without_a_loss_the_next_is_still_seen() -> None:
    """`recover` lies behind by more than half of the sequence space: it must not look as if it lay ahead."""
    d = sender(write=0)
    d.tcb.recovery.recover = (d.tcb.snd_una - (1 << 31) - 5000) & 0xFFFFFFFF
    d.write(10 * SIZE)
    segments(d, 1, 10)
    ack(d, 0, 3)
    segments(d, 1, 1)


def test_slow_start_after_a_timeout_up_to_half_the_flight() -> None:
    d = sender()
    segments(d, 1, 10)
    d.at(0.2)
    segments(d, 1, 1)
    ack(d, 1)
    segments(d, 2, 3)
    ack(d, 3)
    segments(d, 4, 7)
    ack(d, 7)
    assert d.tcb.congestion.cwnd == 5 * SIZE  # ssthresh: from here on one a round trip
    segments(d, 8, 12)
