"""Sequence numbers run past 2**32 and begin again, in both directions, with losses across the edge (RFC 9293 3.4)."""

from __future__ import annotations

import pytest

from stack.port import Endpoint
from stack.tcp.isn import TICKS, initial_sequence
from stack.tcp.state import State
from tests.drill.drill import Drill
from tests.drill.host import ADDRESS, PEER

MODULUS = 1 << 32


def start_for(iss: int) -> float:
    """When a connection from port 80 to 40000 is to begin so that its ISN is `iss`: within five hours."""
    base = initial_sequence(Endpoint(ADDRESS, 80), Endpoint(PEER, 40000), bytes(16), 0.0)
    return ((iss - base) % MODULUS + 0.5) / TICKS


def wrapping(before: int, peer_before: int) -> Drill:
    """A connection with so many sequence numbers left on each side before zero."""
    d = Drill(start=start_for(-before % MODULUS), iss=-peer_before % MODULUS)
    d.passive("S 0:0 win 65535 <mss 1000,wscale 7>")
    assert d.tcb.iss == -before % MODULUS
    return d


@pytest.mark.parametrize("before", [0, 1, 2, 500, 1000, 1001, 3500])
def test_sending_across_the_edge(before: int) -> None:
    d = wrapping(before, 10)
    d.write(5000)
    d.expect_data(1, 5001, 1000)
    d.pour(". ack 2001")
    assert d.tcb.flight == 3000
    d.expect(". 2001:3001", at=d.tcb.rtt.rto)
    d.inject(". ack 5001")
    d.quiet(10)
    assert d.tcb.flight == 0 and not len(d.tcb.send_queue)


@pytest.mark.parametrize("before", [0, 1, 2, 500, 1000, 1001, 3500])
def test_receiving_across_the_edge(before: int) -> None:
    d = wrapping(10, before)
    d.pour(". 1001:2001", ". 3001:4001")
    d.take_all()
    d.inject(". 1:1001")
    d.expect(". ack 2001")
    d.inject(". 2001:3001")
    d.expect(". ack 4001")
    d.inject(". 1:2001")
    d.expect(". ack 4001")
    assert d.read_all() == 4000


def test_fast_retransmit_across_the_edge() -> None:
    d = wrapping(1500, 10)
    d.write(10_000)
    d.expect_data(1, 10_001, 1000)
    d.pour(". ack 1001", ". ack 1001", ". ack 1001", ". ack 1001")
    d.expect(". 1001:2001")
    d.inject(". ack 10001")
    assert not d.tcb.recovery.is_active
    d.quiet(10)


@pytest.mark.parametrize("before", [1, 2, 3])
def test_closing_on_the_edge(before: int) -> None:
    d = wrapping(before, before)
    d.write(1)
    d.expect("P. 1:2")
    d.inject("P. 1:2 ack 2")
    d.expect(". ack 2")
    assert d.read_all() == 1
    d.close()
    d.expect("F. 2:2 ack 2")
    d.inject("F. 2:2 ack 3")
    d.expect(". 3:3 ack 3")
    assert d.state is State.TIME_WAIT


def test_windows_across_the_edge() -> None:
    d = wrapping(1000, 1000)
    d.inject(". 1:1 ack 1 win 0")
    d.write(3000)
    d.quiet(0.1)
    d.inject(". 1:1 ack 1 win 24")
    d.expect_data(1, 3001, 1000)
    d.inject("R 1200:1200")  # in the window, across the edge, not exact
    d.expect(". ack 1")
    d.inject("R 1:1")
    assert d.find() is None


def test_a_transfer_both_ways() -> None:
    d = wrapping(40_000, 30_000)
    for n in range(100):
        first = n * 1000 + 1
        d.write(1000)
        d.expect(f"P. {first}:{first + 1000}")
        d.pour(f"P. {first}:{first + 1000} ack {first + 1000}")
        assert d.read_all() == 1000
        d.host.advance_to(d.now + 0.05)
        d.take_all()
    assert d.tcb.snd_nxt == (100_001 - 40_000) % MODULUS
    assert d.tcb.rcv_nxt == (100_001 - 30_000) % MODULUS
