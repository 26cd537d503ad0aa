"""When the stack acknowledges: delayed, every second segment, at once for what is out of order (RFC 9293 3.8.6.3,
RFC 5681 4.2)."""

from __future__ import annotations

import pytest

from stack.tcp import connection as tcb_module
from stack.tcp.state import State
from stack.wire.drop import Drop
from tests.drill.drill import Drill


def receiver(quick: int = 0, **settings: object) -> Drill:
    """A connection that has left the phase of quick acknowledgments, unless so many are to be left."""
    d = Drill(**settings)
    d.passive("S 0:0 win 65535 <mss 1460>")
    d.tcb.quick_acks = quick
    return d


def test_the_first_segments_are_acknowledged_at_once() -> None:
    d = receiver(quick=tcb_module.QUICK_ACKS)
    for n in range(tcb_module.QUICK_ACKS):
        d.inject(f"P. {10 * n + 1}:{10 * n + 11}")
        d.expect(f". ack {10 * n + 11}")
    d.inject("P. 161:171")
    d.quiet()


def test_a_lone_segment_is_acknowledged_late() -> None:
    d = receiver()
    d.inject("P. 1:11")
    d.quiet(0.039)
    d.expect(". ack 11", at=0.04)
    d.quiet(10)


def test_the_delay_counts_from_the_first_segment() -> None:
    d = receiver(tcp_delayed_ack=0.2)
    d.inject("P. 1:11")
    d.at(0.15)
    d.inject("P. 11:21")
    d.quiet()
    d.expect(". ack 21", at=0.2)


def test_every_second_full_segment_at_once() -> None:
    d = receiver()
    for n in range(0, 10, 2):
        d.inject(f". {n * 1460 + 1}:{(n + 1) * 1460 + 1}")
        d.quiet()
        d.inject(f". {(n + 1) * 1460 + 1}:{(n + 2) * 1460 + 1}")
        d.expect(f". ack {(n + 2) * 1460 + 1}")


def test_a_batch_of_segments_gets_one_ack() -> None:
    d = receiver()
    d.inject(". 1:1461", batch=(". 1461:2921", ". 2921:4381", ". 4381:5841"))
    d.expect(". ack 5841")
    d.quiet(1)


def test_a_batch_with_a_hole_gets_its_duplicates_at_once() -> None:
    d = receiver()
    d.inject(". 1:1461", batch=(". 2921:4381", ". 4381:5841"))
    d.expect(". ack 1461", ". ack 1461")
    d.quiet(1)


def test_an_answer_carries_the_ack() -> None:
    d = receiver()
    d.inject("P. 1:11")
    d.quiet()
    d.write(5)
    d.expect("P. 1:6 ack 11")
    d.inject(". ack 6")
    d.quiet(1)


def test_delay_can_be_turned_off() -> None:
    d = receiver(tcp_delayed_ack=0.0)
    d.inject("P. 1:11")
    d.expect(". ack 11")


# --- out of order (RFC 5681 4.2)


def test_a_segment_beyond_a_hole_gets_a_duplicate_ack_at_once() -> None:
    d = receiver()
    for n in (2, 3, 4):
        d.inject(f". {n * 100 + 1}:{n * 100 + 101}")
        d.expect(". ack 1")
    d.inject(". 1:101")
    d.expect(". ack 101")  # part of the hole is filled: at once
    d.inject(". 101:201")
    d.expect(". ack 501")
    assert d.read_all() == 500


def test_what_has_arrived_already_gets_an_ack() -> None:
    d = receiver()
    d.inject(". 1:101")
    d.expect(". ack 101", at=0.04)
    d.inject(". 1:101")
    d.expect(". ack 101")
    assert d.host.dropped(Drop.TCP_DUPLICATE) == 1
    assert d.read_all() == 100


def test_overlaps_from_both_sides() -> None:
    d = receiver()
    d.pour(". 201:301", ". 401:501", ". 251:451", ". 151:221", ". 491:601", ". 101:102")
    assert {line.ack for line in d.take_all()} == {1}
    assert d.tcb.receive_queue.ranges() == [(100, 101), (150, 600)]
    d.inject(". 51:161")  # beyond a hole itself
    d.expect(". ack 1")
    d.inject(". 1:61")
    d.expect(". ack 601")
    assert d.read_all() == 600


def test_old_and_new_in_one_segment() -> None:
    d = receiver()
    d.pour(". 1:101")
    d.inject(". 51:201")
    d.host.advance_to(0.1)
    assert d.take_all()[-1].ack == 201
    assert d.read_all() == 200


def test_a_segment_that_covers_what_is_held() -> None:
    d = receiver()
    d.pour(". 101:201", ". 301:401")
    d.take_all()
    d.inject(". 1:501")
    d.expect(". ack 501")
    assert d.read_all() == 500


def test_fin_out_of_order_waits_for_what_is_before_it() -> None:
    d = receiver()
    d.inject("FP. 101:201")
    d.expect(". ack 1")
    assert d.state is State.ESTABLISHED
    d.inject(". 1:101")
    d.expect(". ack 202")
    assert d.state is State.CLOSE_WAIT
    assert d.read_all() == 200 and d.read_all() == -1


def test_a_bare_fin_out_of_order() -> None:
    d = receiver()
    d.inject("F. 101:101")
    d.expect(". ack 1")
    d.inject(". 1:101")
    d.expect(". ack 102")
    assert d.state is State.CLOSE_WAIT


def test_a_fin_is_acknowledged_at_once_and_again_when_it_comes_again() -> None:
    d = receiver()
    for _ in range(3):
        d.inject("F. 1:1")
        d.expect(". ack 2")
    assert d.state is State.CLOSE_WAIT


def test_out_of_order_is_bounded_in_segments() -> None:
    d = receiver(tcp_max_out_of_order=10)
    d.pour(*[f". {n}:{n + 1}" for n in range(3, 103, 2)])
    assert len(d.take_all()) == 50
    assert len(d.tcb.receive_queue._held) == 10
    d.inject(". 1:101")  # what was not kept comes again
    d.host.advance_to(0.1)
    assert d.take_all()[-1].ack == 101
    assert d.read_all() == 100


def test_out_of_order_beyond_the_window_is_not_kept() -> None:
    d = receiver(tcp_rcvbuf=2048)
    d.inject(". 3001:4001")
    d.expect(". ack 1")
    assert d.host.dropped(Drop.TCP_SEQUENCE) == 1
    d.inject(". 2001:3001")  # a part of it
    d.expect(". ack 1")
    assert d.tcb.receive_queue.held == 48


@pytest.mark.parametrize("shut", [False, True])
def test_reading_shut_down_is_nothing_to_the_sender(shut: bool) -> None:
    d = receiver(tcp_rcvbuf=4096)
    if shut:
        d.shutdown(read=True, write=False)
    for n in range(10):
        d.pour(f". {n * 1000 + 1}:{n * 1000 + 1001}")
    d.host.advance_to(0.1)
    last = d.take_all()[-1]
    assert (last.ack, last.win) == (4097, 0)
    assert d.read_all(4096) == 4096 and d.read_all() == (-1 if shut else 0)


def test_a_segment_without_an_ack_is_dropped() -> None:
    d = receiver()
    d.inject("P 1:11", "F 1:1")
    d.quiet(1)
    assert d.host.dropped(Drop.TCP_ACK) == 2 and d.tcb.rcv_nxt == d.tcb.irs + 1
