"""How connections begin: the handshake from either end and from both, its options, what is resent (RFC 9293 3.5)."""

from __future__ import annotations

import errno

import pytest

from stack.tcp.state import State
from stack.wire.drop import Drop
from tests.drill.drill import Drill


def test_active_open() -> None:
    d = Drill()
    d.connect()
    assert d.state is State.SYN_SENT
    assert not d.a_port.writable()
    d.expect("S 0:0 win 65535 <mss 1460,wscale 7>")
    d.inject("S. 0:0 ack 1 win 65535 <mss 1460,wscale 7>")
    d.expect(". 1:1 ack 1")
    d.quiet()
    assert d.state is State.ESTABLISHED
    assert d.a_port.writable() and d.a_port.is_connected and d.a_port.take_error() == 0


def test_passive_open() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0 win 65535 <mss 1460,wscale 7>")
    d.expect("S. 0:0 ack 1 win 65535 <mss 1460,wscale 7>")
    d.quiet()
    assert d.state is State.SYN_RECEIVED
    assert d.listener is not None and not d.listener.readable()
    d.inject(". 1:1 ack 1")
    assert d.listener.readable()
    port = d.accept()
    assert port.local == d.local and port.remote == d.remote and port.is_connected
    assert d.state is State.ESTABLISHED
    assert d.listener.accept() is None


def test_data_with_the_third_segment() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.inject("P. 1:101 ack 1")
    d.expect(". ack 101")
    d.accept()
    assert d.read_all() == 100


def test_fin_with_the_third_segment() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.inject("FP. 1:11 ack 1")
    d.expect(". ack 12")
    assert d.state is State.CLOSE_WAIT
    d.accept()
    assert d.read_all() == 10
    assert d.read_all() == -1


# --- options (RFC 9293 3.7.1, RFC 7323 2)


def test_a_syn_without_options_is_answered_without_scale_and_means_mss_536() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0 win 5000 <>")
    d.expect("S. 0:0 ack 1 win 65535 <mss 1460>")
    d.inject(". 1:1 ack 1 win 5000")
    d.ack = 1
    d.accept()
    d.write(1500)
    d.expect(". 1:537 win 65535", ". 537:1073", "P. 1073:1501")


def test_a_syn_ack_without_options() -> None:
    d = Drill()
    d.active("S. 0:0 ack 1 win 1000 <>")
    assert d.tcb.mss == 536
    d.write(2000)
    d.expect(". 1:537")
    d.quiet()  # 464 bytes are no full segment, nor half of the largest window
    assert d.tcb.snd_wnd == 1000


def test_the_smaller_mss_counts() -> None:
    for theirs, used in ((1460, 960), (800, 800), (1, 88)):
        d = Drill(mtu=1000)
        d.listen()
        d.inject(f"S 0:0 win 65535 <mss {theirs}>")
        d.expect("S. 0:0 ack 1 <mss 960>")
        d.inject(". 1:1 ack 1")
        d.accept()
        d.write(used)
        d.expect(f"P. 1:{used + 1}")


def test_an_mss_of_zero_is_none() -> None:
    d = Drill()
    d.active("S. 0:0 ack 1 win 65535 <mss 0>")
    assert d.tcb.mss == 536


def test_unknown_and_malformed_options_are_survived() -> None:
    for raw in ("fe02", "fe", "0200", "0204", "020305", "03030e", "0303ff", "00020405b4", "01010101"):
        d = Drill()
        d.listen()
        d.inject(f"S 0:0 win 65535 <raw {raw}>")
        assert d.take().ack == 1
        d.inject(". 1:1 ack 1")
        d.accept()
        assert d.state is State.ESTABLISHED


def test_a_shift_above_14_counts_as_14() -> None:
    d = Drill()
    d.passive("S 0:0 win 65535 <mss 1460,raw 0303ff>")
    assert d.tcb.snd_wscale == 14


def test_windows_are_scaled_from_the_second_segment_on() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0 win 300 <mss 100,wscale 5>")
    d.expect("S. 0:0 ack 1 win 65535")
    assert d.tcb.snd_wnd == 300  # RFC 7323 2.2: not scaled in a SYN
    d.inject(". 1:1 ack 1 win 300")
    assert d.tcb.snd_wnd == 300 << 5
    d.accept()
    d.inject("P. 1:11 ack 1 win 301")
    d.expect(". ack 11 win 32767")  # 4 MiB less ten, by 128 bytes
    assert d.tcb.snd_wnd == 301 << 5


def test_the_window_of_a_syn_ack_is_not_scaled() -> None:
    d = Drill()
    d.active("S. 0:0 ack 1 win 400 <mss 100,wscale 7>")
    assert d.tcb.snd_wnd == 400
    d.write(5000)
    d.expect(". 1:101", ". 101:201", ". 201:301", ". 301:401")
    d.quiet()


def test_scale_is_offered_as_the_buffer_needs_it() -> None:
    for rcvbuf, scale in ((4096, 0), (65_535, 0), (65_536, 1), (1 << 20, 5), (1 << 30, 14)):
        d = Drill(tcp_rcvbuf=rcvbuf)
        d.connect()
        d.expect(f"S 0:0 win {min(rcvbuf, 65_535)} <mss 1460,wscale {scale}>")


def test_the_window_is_bounded_by_what_the_device_queues() -> None:
    d = Drill(receive_limit=20_000)
    d.connect()
    d.expect("S 0:0 win 20000 <mss 1460,wscale 0>")


# --- SYN retransmission (RFC 6298 2.1, 5.5; RFC 9293 3.8.3)


def test_a_syn_is_resent_with_backoff_and_given_up() -> None:
    d = Drill(tcp_syn_retries=6)
    d.connect()
    d.expect("S 0:0")
    for at in (1, 3, 7, 15, 31, 63):
        d.expect("S 0:0 <mss 1460,wscale 7>", at=at)
    assert d.state is State.SYN_SENT
    d.quiet(127)
    assert d.state is State.CLOSED
    assert d.a_port.writable() and d.a_port.take_error() == errno.ETIMEDOUT


def test_a_syn_ack_is_resent_with_backoff_and_given_up() -> None:
    d = Drill(tcp_synack_retries=3)
    d.listen()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    for at in (1, 3, 7):
        d.expect("S. 0:0 ack 1", at=at)
    d.quiet(15)
    assert d.find() is None and not d.host.stack.tcp.half_open


def test_their_syn_again_is_answered_again() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.at(0.5)
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.expect("S. 0:0 ack 1", at=1.0)  # the timer runs on
    d.inject(". 1:1 ack 1")
    assert d.state is State.ESTABLISHED


def test_after_a_lost_syn_data_starts_with_three_seconds() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.expect("S 0:0", at=1.0)
    d.inject("S. 0:0 ack 1 win 65535 <mss 1460>")
    d.expect(". 1:1 ack 1")
    d.write(10)
    d.expect("P. 1:11")
    d.expect("P. 1:11", at=4.0)  # RFC 6298 5.7


def test_after_a_lost_syn_ack_data_starts_with_three_seconds() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.expect("S. 0:0 ack 1", at=1.0)
    d.inject(". 1:1 ack 1")
    d.accept()
    d.write(10)
    d.expect("P. 1:11")
    d.expect("P. 1:11", at=4.0)  # RFC 6298 5.7 speaks of "the ACK of a SYN segment", whoever sent it


# --- simultaneous open (RFC 9293 3.5, figure 8)


def test_simultaneous_open() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.inject("S 0:0 win 65535 <mss 1460,wscale 7>")
    d.expect("S. 0:0 ack 1 win 65535 <mss 1460,wscale 7>")
    assert d.state is State.SYN_RECEIVED
    d.inject("S. 0:0 ack 1 win 500 <mss 1460,wscale 7>")
    assert d.state is State.ESTABLISHED
    d.quiet()
    assert d.tcb.snd_wnd == 500, "RFC 7323 2.2: the window of a segment with SYN is not scaled"
    d.inject("P. 1:11 ack 1")
    d.expect(". ack 11")
    assert d.a_port.take_error() == 0 and d.read_all() == 10


def test_simultaneous_open_whose_other_end_sends_a_plain_ack() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.inject("S 0:0 win 65535 <mss 1460,wscale 7>")
    d.expect("S. 0:0 ack 1")
    d.inject(". 1:1 ack 1 win 500")
    assert d.state is State.ESTABLISHED and d.tcb.snd_wnd == 500 << 7


def test_simultaneous_open_with_the_answers_lost() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.expect("S. 0:0 ack 1", at=1.0)
    d.inject("S 0:0")  # they have heard neither
    d.expect("S. 0:0 ack 1")
    d.inject("S. 0:0 ack 1")
    assert d.state is State.ESTABLISHED
    d.inject("S. 0:0 ack 1")  # ours was lost again
    d.expect(". 1:1 ack 1")


def test_closing_while_the_handshake_is_not_over() -> None:
    """RFC 9293 3.10.4: a CLOSE in SYN-RECEIVED waits for ESTABLISHED."""
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.shutdown()
    d.quiet()
    d.inject(". 1:1 ack 1")
    d.expect("F. 1:1 ack 1")
    assert d.state is State.FIN_WAIT_1


def test_closing_in_syn_sent_forgets_the_connection() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.close()
    assert d.find() is None
    d.inject("S. 0:0 ack 1")
    d.expect("R 1:1")


# --- what does not belong to a handshake


@pytest.mark.parametrize("ack", [0, 2, -5])
def test_syn_sent_answers_a_wrong_ack_with_a_reset(ack: int) -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.inject(f"S. 0:0 ack {ack}")
    d.expect(f"R {ack}:{ack}")
    assert d.state is State.SYN_SENT
    d.inject("S. 0:0 ack 1")
    d.expect(". 1:1 ack 1")


def test_syn_sent_does_not_answer_a_wrong_ack_that_is_a_reset() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.inject("R. 0:0 ack 7", "R 0:0", ". 0:0 ack 1", "P 0:10", "F 0:0")
    d.quiet()
    assert d.state is State.SYN_SENT


def test_syn_sent_is_refused_by_a_reset_of_its_syn() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.inject("R. 0:0 ack 1")
    d.quiet(100)
    assert d.state is State.CLOSED and d.a_port.take_error() == errno.ECONNREFUSED


def test_listen_answers_what_is_not_a_syn() -> None:
    d = Drill()
    d.listen()
    d.inject(". 0:0 ack 5")
    d.expect("R 5:5")
    d.inject("S. 0:0 ack 5")
    d.expect("R 5:5")
    d.inject("R 0:0", "P 0:10", "F 0:0")
    d.quiet()
    assert d.host.dropped(Drop.TCP_STATE) == 3
    assert d.find() is None


def test_syn_received_answers_a_wrong_ack_with_a_reset() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    for ack in (0, 2):
        d.inject(f". 1:1 ack {ack}")
        d.expect(f"R {ack}:{ack}")
        assert d.state is State.SYN_RECEIVED
    d.inject("P 1:11")  # and one without an ACK not at all
    d.quiet()
    d.inject(". 1:1 ack 1")
    assert d.state is State.ESTABLISHED


def test_what_is_for_nobody_is_reset() -> None:
    """RFC 9293 3.10.7.1: with the ACK's number if there is one, else acknowledging all of it."""
    d = Drill()
    d.inject("S 0:0")
    assert str(d.take()) == "R. 0:0 ack 1 win 0"
    d.inject("P 5:15")
    assert str(d.take()) == "R. 0:0 ack 15 win 0"
    d.inject("F. 5:5 ack 77")
    assert str(d.take()) == "R 77:77 win 0"
    d.inject("R. 5:5 ack 77", "R 5:5")
    d.quiet()
    assert d.host.dropped(Drop.TCP_NO_SOCKET) == 5


def test_half_open_connections_are_found_out() -> None:
    """RFC 9293 3.5.1, figure 9: one end has crashed and opens anew; the other's challenge makes it reset the old."""
    d = Drill()
    d.passive()
    d.inject("S 4000000:4000000")
    d.expect(". 1:1 ack 1")
    assert d.state is State.ESTABLISHED
    d.inject("R 1:1")
    assert d.find() is None
    assert d.a_port.take_error() == errno.ECONNRESET


def test_the_user_timeout_ends_an_attempt() -> None:
    """RFC 9293 3.10.8: "for any state"."""
    d = Drill()
    d.open().options.user_timeout = 5.0
    d.connect()
    d.expect("S 0:0")
    d.expect("S 0:0", at=1.0)
    d.expect("S 0:0", at=3.0)
    d.quiet(7.0)  # looked at when the SYN would be resent
    assert d.find() is None and d.a_port.take_error() == errno.ETIMEDOUT
