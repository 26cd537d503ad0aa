"""Keep-alives: when they begin, what they are, what ends them (RFC 9293 3.8.4)."""

from __future__ import annotations

import errno

from stack.tcp.state import State
from tests.drill.drill import Drill


def connection(**options: object) -> Drill:
    d = Drill()
    d.passive(
        "S 0:0 win 65535 <mss 1460>",
        **{"keepalive": True, "keepalive_time": 10.0, "keepalive_interval": 2.0, "keepalive_probes": 3, **options},
    )
    return d


def test_an_idle_connection_is_probed_and_an_answer_is_enough() -> None:
    d = connection()
    for at in (10.0, 20.0, 30.0):
        d.expect(". 0:0 ack 1", at=at)  # one before what they expect
        d.inject(". ack 1")
    assert d.state is State.ESTABLISHED


def test_without_an_answer_it_ends() -> None:
    d = connection()
    for at in (10.0, 12.0, 14.0):
        d.expect(". 0:0 ack 1", at=at)
    d.at(16.0)
    d.expect_reset("R. 1:1 ack 1")
    assert d.a_port.take_error() == errno.ETIMEDOUT


def test_an_answer_to_the_second_probe_begins_anew() -> None:
    d = connection()
    d.expect(". 0:0", at=10.0)
    d.expect(". 0:0", at=12.0)
    d.at(13.0)
    d.inject(". ack 1")
    for at in (23.0, 25.0, 27.0):
        d.expect(". 0:0", at=at)
    d.at(29.0)
    d.expect_reset("R. 1:1")


def test_data_puts_it_off() -> None:
    d = connection()
    d.at(9.0)
    d.inject("P. 1:11")
    d.expect(". ack 11")
    d.quiet(18.9)
    d.expect(". 0:0 ack 11", at=19.0)


def test_nothing_is_probed_while_something_is_in_flight() -> None:
    d = connection()
    d.at(9.9)
    d.write(10)
    d.expect("P. 1:11")
    sent = d.converse(60.0, lambda line: None)
    assert all(line.length for line in sent)
    assert d.state is State.ESTABLISHED


def test_it_is_off_unless_asked_for() -> None:
    d = Drill()
    d.passive()
    d.quiet(100_000)


def test_the_defaults_are_those_of_the_rfc() -> None:
    d = Drill()
    d.passive(keepalive=True)
    d.expect(". 0:0", at=7200.0)
    d.expect(". 0:0", at=7275.0)


def test_it_can_be_turned_on_and_off() -> None:
    d = connection(keepalive=False)
    d.at(5.0)
    d.a_port.options.keepalive = True
    d.host.do(d.a_port.options_changed)
    d.expect(". 0:0", at=15.0)
    d.inject(". ack 1")
    d.a_port.options.keepalive = False
    d.host.do(d.a_port.options_changed)
    d.quiet(1000)


def test_a_probe_of_theirs_is_answered() -> None:
    d = connection(keepalive=False)
    for line in (". 0:0 ack 1", "P. 0:1 ack 1"):  # with and without a byte of old text
        d.inject(line)
        d.expect(". 1:1 ack 1")


def test_it_works_half_closed() -> None:
    d = connection()
    d.inject("F. 1:1")
    d.expect(". ack 2")
    d.expect(". 0:0 ack 2", at=10.0)


def test_it_does_not_outlive_the_connection() -> None:
    d = connection()
    d.close()
    d.expect("F. 1:1")
    d.inject("F. 1:1 ack 2")
    d.expect(". ack 2")
    d.quiet(1000)
    assert d.find() is None


def test_closed_connections_leave_no_timers_behind() -> None:
    """Each would else be remembered, with its whole TCB, until its keep-alive would have come up: two hours."""
    d = Drill()
    d.listen(keepalive=True)
    for n in range(400):
        other = Drill(d.host, peer_port=1000 + n)
        other.listener = d.listener
        other.inject("S 0:0")
        other.expect("S. 0:0 ack 1")
        other.inject(". 1:1 ack 1")
        other.accept()
        other.inject("R 1:1")
    assert not d.host.stack.tcp.connections
    assert len(d.host.stack.timers._heap) < 200
