"""When a short segment may go: Nagle's rule with Minshall's refinement, and TCP_NODELAY (RFC 9293 3.7.4)."""

from __future__ import annotations

from tests.drill.drill import Drill


def connection(**settings: object) -> Drill:
    d = Drill(**settings)
    d.passive("S 0:0 win 65535 <mss 1000>")
    return d


def test_the_first_short_segment_goes_at_once_and_the_next_waits() -> None:
    d = connection()
    d.write(10)
    d.expect("P. 1:11")
    d.write(10)
    d.write(10)
    d.quiet(0.1)
    d.inject(". ack 11")
    d.expect("P. 11:31")


def test_a_full_segment_does_not_wait() -> None:
    d = connection()
    d.write(10)
    d.expect("P. 1:11")
    d.write(990)
    d.quiet()
    d.write(10)
    d.expect("P. 11:1011")


def test_the_tail_of_a_large_write_does_not_wait_for_full_segments() -> None:
    """Minshall: only an unacknowledged short segment holds the next one up."""
    d = connection()
    d.write(2500)
    d.expect(". 1:1001", ". 1001:2001", "P. 2001:2501")
    d.write(500)
    d.quiet()
    d.inject(". ack 2001")
    d.quiet()
    d.inject(". ack 2501")
    d.expect("P. 2501:3001")


def test_whole_segments_pass_while_the_tail_waits() -> None:
    d = connection()
    d.write(10)
    d.expect("P. 1:11")
    d.write(2500)
    d.expect(". 11:1011", ". 1011:2011")
    d.quiet()
    d.inject(". ack 11")
    d.expect("P. 2011:2511")


def test_nodelay_sends_each_write() -> None:
    d = connection()
    d.a_port.options.nodelay = True
    for first in (1, 11, 21):
        d.write(10)
        d.expect(f"P. {first}:{first + 10}")


def test_turning_nodelay_on_sends_what_waits() -> None:
    d = connection()
    d.write(10)
    d.expect("P. 1:11")
    d.write(10)
    d.quiet()
    d.a_port.options.nodelay = True
    d.host.do(d.a_port.options_changed)
    d.expect("P. 11:21")


def test_the_last_words_do_not_wait() -> None:
    d = connection()
    d.write(10)
    d.expect("P. 1:11")
    d.write(10)
    d.quiet()
    d.shutdown()
    d.expect("FP. 11:21")


def test_push_is_set_where_the_queue_ends() -> None:
    d = connection()
    d.a_port.options.nodelay = True
    d.inject(". ack 1 win 2000")
    d.write(2500)
    d.expect(". 1:1001", ". 1001:2001")
    d.inject(". ack 2001 win 2000")
    d.expect("P. 2001:2501")


def test_after_two_gigabytes_of_full_segments_a_short_one_does_not_wait() -> None:
    """The end of the last short segment lies behind by more than half of the sequence space."""
    d = connection()
    d.tcb.snd_sml = (d.tcb.snd_una - (1 << 31) - 5000) & 0xFFFFFFFF
    d.write(1000)
    d.expect("P. 1:1001")
    d.write(10)
    d.expect("P. 1001:1011")
