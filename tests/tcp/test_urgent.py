"""Urgent data (RFC 9293 3.8.5, RFC 6093): where the mark is, who hears of it when, and what a reader gets."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drill.drill import Drill, stream
from tests.drill.host import ALL_ABILITIES


def connection(**settings: Any) -> Drill:
    d = Drill(**settings)
    d.passive("S 0:0 win 65535 <mss 1000>")
    return d


def inline(d: Drill) -> None:
    d.a_port.options.oob_inline = True
    d.host.do(d.a_port.options_changed)


def number(d: Drill) -> int | None:
    """The errno with which the urgent byte is refused."""
    with pytest.raises(OSError) as caught:
        d.a_port.receive_urgent()
    return caught.value.errno


# --- sending


def test_the_pointer_names_the_byte_behind_the_urgent_one() -> None:
    d = connection()
    d.write(10, urgent=True)
    d.expect("PU. 1:11 urg 10")
    d.inject(". ack 11")
    d.write(5)
    d.expect("P. 11:16")


def test_what_is_urgent_waits_for_no_acknowledgment() -> None:
    d = connection()
    d.write(10)
    d.expect("P. 1:11")
    d.write(10)
    d.quiet()  # Nagle
    d.write(1, urgent=True)
    d.expect("PU. 11:22 urg 11")


def test_every_segment_before_the_mark_tells_of_it() -> None:
    d = connection()
    d.write(2500, urgent=True)
    d.expect("U. 1:1001 urg 2500", "U. 1001:2001 urg 1500", "PU. 2001:2501 urg 500")
    d.write(1500)
    d.expect(". 2501:3501")
    d.inject(". ack 2501")
    d.expect("P. 3501:4001")
    assert d.tcb.snd_up is None


def test_a_segment_sent_again_tells_of_it_again_and_an_ack_does_not_once_it_is_sent() -> None:
    d = connection()
    d.write(10, urgent=True)
    d.expect("PU. 1:11 urg 10")
    d.inject("P. 1:11")
    d.expect(". ack 11")
    d.expect("PU. 1:11 urg 10", at=0.2)


def test_what_is_queued_behind_the_mark_goes_with_it_and_a_later_mark_replaces_it() -> None:
    d = connection()
    d.inject(". ack 1 win 0")
    d.write(10, urgent=True)
    d.expect("U. ack 1 urg 10")
    d.write(10)
    d.quiet()
    d.write(10, urgent=True)
    d.expect("U. ack 1 urg 30")
    d.inject(". ack 1 win 65535")
    d.expect("PU. 1:31 urg 30")


def test_a_closed_window_does_not_keep_the_news_and_a_probe_tells_it_too() -> None:
    d = connection()
    d.inject(". ack 1 win 0")
    d.write(2000, urgent=True)
    d.expect("U. ack 1 urg 2000")
    d.expect("PU. 1:2 urg 2000", at=0.2)


def test_a_mark_further_away_than_a_pointer_reaches_is_told_of_later() -> None:
    d = connection(tcp_initial_cwnd=200)
    d.inject(". ack 1 win 0")
    d.write(70_001, urgent=True)
    d.expect(". ack 1")
    d.inject(". ack 1 win 65535")
    d.expect_data(1, 4001, 1000)
    first = [line.urg for line in d.take_all()]
    assert first == [max(0, 70_001 - 1000 * n) if 70_001 - 1000 * n < 65_536 else 0 for n in range(4, 65)]
    assert first[:2] == [0, 65_001]


def test_no_super_segment_is_made_of_what_is_urgent() -> None:
    d = Drill(abilities=ALL_ABILITIES)
    d.passive("S 0:0 win 65535 <mss 1000>")
    d.write(3000)
    d.expect("P. 1:3001")
    d.inject(". ack 3001")
    d.write(2000, urgent=True)
    d.expect("U. 3001:4001 urg 2000", "PU. 4001:5001 urg 1000")
    d.inject(". ack 5001")
    d.write(3000)
    d.expect("P. 5001:8001")


def test_neither_a_syn_nor_a_reset_is_urgent() -> None:
    d = connection()
    d.inject(". ack 1 win 0")
    d.write(10, urgent=True)
    d.expect("U. ack 1 urg 10")
    d.a_port.options.linger = 0
    d.close()
    d.expect("R. 1:1")


# --- receiving


def test_the_byte_is_kept_apart_and_reads_end_at_the_mark() -> None:
    d = connection()
    assert number(d) == errno.EINVAL and not d.a_port.exceptional()
    d.pour("PU. 1:11 urg 4")
    assert d.a_port.exceptional() and not d.a_port.at_mark()
    assert d.a_port.receive_urgent(peek=True) == stream(4, 5)
    assert d.read_all() == 3
    assert d.a_port.at_mark() and d.a_port.readable()
    assert d.a_port.receive_urgent() == stream(4, 5)
    assert not d.a_port.exceptional() and number(d) == errno.EINVAL  # only once
    d.read += 1
    assert d.read_all() == 6
    assert not d.a_port.at_mark()
    d.expect(". ack 11")


def test_inline_it_stays_in_the_stream_and_the_mark_is_before_it() -> None:
    d = connection()
    inline(d)
    d.pour("PU. 1:11 urg 4")
    assert d.a_port.exceptional() and number(d) == errno.EINVAL
    assert d.read_all() == 3
    assert d.a_port.at_mark() and d.a_port.exceptional()
    assert d.read_all(1) == 1
    assert not d.a_port.at_mark() and not d.a_port.exceptional()
    assert d.read_all() == 6


def test_a_byte_that_is_alone_makes_nothing_readable() -> None:
    d = connection()
    d.pour("PU. 1:2 urg 1")
    assert not d.a_port.readable() and d.read_all() == 0
    assert d.a_port.exceptional() and d.a_port.at_mark()
    d.pour("F. 2:2")
    d.take_all()
    assert d.a_port.readable()
    d.read += 1
    assert d.read_all() == -1
    assert d.a_port.receive_urgent() == stream(1, 2)


def test_the_news_comes_before_the_byte() -> None:
    d = connection()
    d.pour("U. 1:1 urg 15")  # no text yet: their window of ours may be closed
    assert number(d) == errno.EAGAIN and not d.a_port.exceptional()
    d.pour("P. 1:11")
    assert d.read_all() == 10 and number(d) == errno.EAGAIN
    d.pour("P. 11:21")
    assert d.a_port.receive_urgent() == stream(15, 16)
    assert d.read_all() == 4
    d.read += 1
    assert d.read_all() == 5


def test_news_of_a_byte_that_never_comes_end_with_the_stream() -> None:
    d = connection()
    d.pour("U. 1:1 urg 15", "F. 1:1")
    d.take_all()
    assert d.a_port.receive_urgent() == b"" and d.read_all() == -1


def test_out_of_order_the_byte_waits_for_what_is_before_it() -> None:
    d = connection()
    d.pour("PU. 11:21 urg 5")
    d.expect(". ack 1")
    assert number(d) == errno.EAGAIN
    d.pour("P. 1:11")
    d.expect(". ack 21")
    assert d.a_port.receive_urgent() == stream(15, 16)
    assert d.read_all() == 14


def test_the_last_of_several_marks_counts_and_the_others_are_plain_bytes() -> None:
    d = connection()
    d.pour("PU. 1:11 urg 4", "PU. 11:21 urg 3")
    assert d.a_port.receive_urgent() == stream(13, 14)
    assert d.read_all() == 12  # the fourth byte too
    d.read += 1
    assert d.read_all() == 7


def test_one_mark_passed_and_another_comes() -> None:
    d = connection()
    d.pour("PU. 1:11 urg 10")
    assert d.read_all() == 9
    d.pour("PU. 11:12 urg 1")
    assert d.a_port.receive_urgent() == stream(11, 12)
    d.read += 2
    assert d.read_all() == 0
    d.pour("P. 12:15")
    assert d.read_all() == 3 and not d.a_port.at_mark()


def test_a_segment_that_comes_again_says_nothing_new() -> None:
    d = connection()
    d.pour("PU. 1:11 urg 4")
    d.pour("PU. 1:11 urg 4")
    d.take_all()
    assert d.a_port.receive_urgent() == stream(4, 5)
    d.pour("PU. 1:11 urg 4", "U. 1:11 urg 8")
    d.take_all()
    assert number(d) == errno.EINVAL
    assert d.read_all() == 3
    d.read += 1
    assert d.read_all() == 6


def test_a_segment_of_which_half_is_known_has_its_mark_where_it_was() -> None:
    d = connection()
    d.pour("P. 1:11")
    d.pour("PU. 6:16 urg 8")
    d.take_all()
    assert d.a_port.receive_urgent() == stream(13, 14)


def test_a_mark_in_what_has_come_already_is_late() -> None:
    d = connection()
    d.pour("P. 1:11", "PU. 6:16 urg 3")
    assert number(d) == errno.EINVAL
    assert d.read_all() == 15


def test_a_pointer_of_zero_is_the_first_byte() -> None:
    d = connection()
    d.pour("PU. 1:11")
    assert d.a_port.receive_urgent() == stream(1, 2)
    d.read += 1
    assert d.read_all() == 9


def test_a_mark_where_reading_is_shut_down() -> None:
    """As Linux: what comes may still be read."""
    d = connection()
    d.shutdown(read=True, write=False)
    d.pour("PU. 1:11 urg 4")
    d.host.advance_to(0.1)
    d.take_all()
    assert d.a_port.exceptional() and d.a_port.receive_urgent() == stream(4, 5)


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 12), st.booleans()), max_size=12), st.booleans())
def test_no_byte_is_lost_whatever_the_marks(parts: list[tuple[int, int, bool]], is_inline: bool) -> None:
    """Read as they come, all bytes are there once and in order but for the urgent ones; inline, all of them."""
    d = connection()
    if is_inline:
        inline(d)
    first, got = 1, b""
    for length, urg, is_marked in parts:
        d.pour(f"P{'U' if is_marked else ''}. {first}:{first + length}" + (f" urg {urg}" if is_marked else ""))
        first += length
        while data := d.host.do(lambda now: d.a_port.receive(100, now)):
            got += data
    d.take_all()
    whole = stream(1, first)
    missing = len(whole) - len(got)
    assert 0 <= missing <= (0 if is_inline else sum(marked for _, _, marked in parts))
    rest = iter(whole)
    assert all(byte in rest for byte in got)
