"""Which resets, SYNs and ACKs are believed: exact ones, while guesses get a challenge (RFC 9293 3.10.7.4, RFC 5961)."""

from __future__ import annotations

import errno

import pytest

from stack.tcp.state import State
from stack.wire.drop import Drop
from tests.drill.drill import Drill


def connection(**settings: object) -> Drill:
    d = Drill(**settings)
    d.passive("S 0:0 win 65535 <mss 1460>")
    return d


# --- RST (RFC 5961 3.2)


def test_an_exact_reset_ends_the_connection() -> None:
    d = connection()
    d.inject("R 1:1")
    d.quiet(100)
    assert d.find() is None
    with pytest.raises(ConnectionResetError):
        d.read_all()
    assert d.read_all() == -1


def test_a_reset_with_an_ack_and_data_ends_it_too() -> None:
    d = connection()
    d.inject("R. 1:11 ack 1")
    assert d.find() is None


def test_a_reset_in_the_window_but_not_exact_is_challenged() -> None:
    d = connection()
    for seq in (2, 1000, 65_535):
        d.inject(f"R {seq}:{seq}")
        d.expect(". 1:1 ack 1")
    assert d.state is State.ESTABLISHED and d.host.dropped(Drop.TCP_CHALLENGED) == 3


def test_a_reset_outside_the_window_is_silence() -> None:
    d = connection()
    for seq in (0, -1, 65_536, 65_537, 1 << 30):
        d.inject(f"R {seq}:{seq}")
    d.quiet(1)
    assert d.state is State.ESTABLISHED and d.host.dropped(Drop.TCP_SEQUENCE) == 5


def test_a_reset_is_not_exact_because_its_text_reaches_into_the_window() -> None:
    """Trimming old text off a guess must not make it exact: each guess would count 1460 times."""
    d = connection()
    d.inject("P. 1:101")
    d.take_all()
    d.inject("R. 51:151 ack 1")
    assert d.state is State.ESTABLISHED
    d.take_all()


def test_an_exact_reset_is_believed_while_the_window_is_closed() -> None:
    d = connection(tcp_rcvbuf=2048)
    d.pour(". 1:1001", ". 1001:2049")
    d.take_all()
    assert d.tcb.rcv_wnd == 0
    d.inject("R 2050:2050")
    assert d.state is State.ESTABLISHED
    d.inject("R 2049:2049")
    assert d.find() is None


def test_what_had_arrived_is_read_before_the_reset() -> None:
    d = connection()
    d.inject("P. 1:101")
    d.take_all()
    d.inject("R 101:101")
    assert d.read_all() == 100
    with pytest.raises(ConnectionResetError):
        d.read_all()


@pytest.mark.parametrize(
    ("steps", "number"),
    [
        ([], errno.ECONNRESET),
        (["shutdown"], errno.ECONNRESET),
        (["shutdown", ". 1:1 ack 2"], errno.ECONNRESET),
        (["F. 1:1 ack 1"], errno.EPIPE),
        (["shutdown", "F. 1:1 ack 1"], 0),
        (["F. 1:1 ack 1", "shutdown"], 0),
        (["shutdown", "F. 1:1 ack 2"], 0),
    ],
    ids=["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT"],
)
def test_a_reset_in_every_synchronized_state(steps: list[str], number: int, request: pytest.FixtureRequest) -> None:
    d = connection()
    for step in steps:
        if step == "shutdown":
            d.shutdown()
        else:
            d.inject(step)
        d.take_all()
    assert d.state.value in request.node.name
    seq = d.seq
    d.inject(f"R {seq + 1}:{seq + 1}")
    d.expect(f". ack {seq}")
    d.inject(f"R {seq}:{seq}")
    assert d.find() is None
    assert d.a_port.take_error() == number
    d.quiet(100)


def test_a_reset_of_a_half_open_child_forgets_it() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.inject("R 2:2")
    d.expect(". 1:1 ack 1")
    assert d.state is State.SYN_RECEIVED
    d.inject("R 1:1")
    assert d.find() is None and not d.host.stack.tcp.half_open
    assert d.listener is not None and not d.listener.readable()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")


def test_a_reset_in_a_simultaneous_open_is_a_refusal() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.inject("R 1:1")
    assert d.find() is None and d.a_port.take_error() == errno.ECONNREFUSED


def test_a_child_reset_before_it_was_accepted() -> None:
    d = Drill()
    d.listen()
    d.inject("S 0:0")
    d.expect("S. 0:0 ack 1")
    d.inject(". 1:1 ack 1")
    d.inject("R 1:1")
    assert d.find() is None
    port = d.accept()
    with pytest.raises(ConnectionResetError):
        d.read_all()
    assert port.state is State.CLOSED
    d.close()
    d.quiet(1)


# --- SYN (RFC 5961 4.2)


@pytest.mark.parametrize("seq", [-5, 0, 1, 500, 100_000])
def test_a_syn_is_challenged_wherever_it_lies(seq: int) -> None:
    d = connection()
    for line in (f"S {seq}:{seq}", f"S. {seq}:{seq} ack 1"):
        d.inject(line)
        d.expect(". 1:1 ack 1")
    assert d.state is State.ESTABLISHED


def test_challenges_are_limited() -> None:
    """RFC 5961 7: so that nobody makes us send more than a trickle; how much is a secret (CVE-2016-5696)."""
    d = connection(tcp_challenge_ack_limit=10)
    counts = []
    for second, guess in enumerate(["S 1:1", "R 2:2", "S 9:9", ". ack 5000", "S 1:1", "R 2:2"]):
        d.at(second * 1.0)
        d.pour(*[guess] * 50)
        counts.append(len(d.take_all()))
    assert all(5 <= count < 15 for count in counts) and len(set(counts)) > 2
    assert d.host.dropped(Drop.TCP_CHALLENGED) == 300


@pytest.mark.parametrize("guess", ["S 100000:100000", "S. 100000:100000 ack 1", ". 100000:100000 ack 1"])
def test_what_lies_outside_the_window_is_answered_at_a_limited_rate(guess: str) -> None:
    d = connection(tcp_challenge_ack_limit=10)
    d.pour(*[guess] * 50)
    assert 5 <= len(d.take_all()) < 15


# --- ACK (RFC 5961 5.2)


def test_an_ack_of_what_was_never_sent_is_challenged_and_its_text_dropped() -> None:
    d = connection()
    d.write(10)
    d.expect("P. 1:11")
    d.inject("P. 1:11 ack 12")
    d.expect(". 11:11 ack 1")
    assert d.tcb.flight == 10 and d.tcb.receive_queue.available == 0


def test_an_ancient_ack_is_challenged_and_its_text_dropped() -> None:
    d = connection()
    d.inject(f"P. 1:11 ack {-65_535}")
    d.expect(". 1:1 ack 1")
    assert d.tcb.receive_queue.available == 0
    d.inject(f"P. 1:11 ack {1 - 65_535}")
    d.host.advance_to(0.1)
    assert d.tcb.receive_queue.available == 10


def test_an_old_ack_within_a_window_is_taken_with_its_text() -> None:
    d = connection()
    d.write(1000)
    d.expect("P. 1:1001")
    d.inject(". ack 1001")
    d.inject("P. 1:11 ack 1")
    d.expect(". ack 11")
    assert d.tcb.snd_una == d.tcb.snd_max


# --- what lies outside the window (RFC 9293 3.10.7.4, first)


@pytest.mark.parametrize("line", ["P. -9:1", ". 65537:65537", "P. 65536:65546", "P. -9:0", "F. 0:0", ". 0:0"])
def test_the_unacceptable_is_answered_with_an_ack(line: str) -> None:
    d = connection()
    d.inject(line)
    d.expect(". 1:1 ack 1")
    assert d.state is State.ESTABLISHED and not d.tcb.receive_queue.available


def test_the_ack_of_an_old_segment_still_counts() -> None:
    """They have resent what we have, because our ACK was lost: theirs may be news."""
    d = connection()
    d.inject("P. 1:11")
    d.take_all()
    d.write(100)
    d.expect("P. 1:101 ack 11")
    d.inject("P. 1:11 ack 101")
    d.expect(". 101:101 ack 11")
    assert d.tcb.flight == 0
    d.quiet(10)


def test_an_ack_half_of_the_space_away_is_neither_old_nor_new() -> None:
    """2**31 apart each number is less than the other: such an ACK in an old segment must not be taken."""
    d = connection()
    d.inject("P. 1:11")
    d.take_all()
    d.inject(f"P. 1:11 ack {1 + (1 << 31)}")
    d.expect(". 1:1 ack 11")
    assert d.tcb.snd_una == d.tcb.snd_max


def test_two_ends_out_of_step_do_not_answer_each_other_for_ever() -> None:
    """Both think the other's ACK unacceptable: only what is not itself an answer may be answered without limit."""
    d = connection()
    rounds = 0
    d.pour(". 70000:70000 ack 1")
    while d.host.sent and rounds < 1000:
        d.take_all()
        d.pour(". 70000:70000 ack 1")  # their answer to our answer, just as unacceptable
        rounds += 1
    assert rounds < 1000
