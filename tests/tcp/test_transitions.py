"""Figure 5 of RFC 9293: every arrow of the table is taken by some script here, and no arrow beside them by any."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stack.events import StateChange
from stack.tcp.state import IN_TWO_STEPS, TRANSITIONS, State, allowed
from tests.drill.drill import Drill

Script = Callable[[Drill], None]
Arrow = tuple[State, State]
S = State


def open_actively(d: Drill) -> None:
    d.connect()
    d.pour("S. 0:0 ack 1 win 65535")


def open_passively(d: Drill) -> None:
    d.listen()
    d.pour("S 0:0 win 65535", ". ack 1")
    d.accept()


def open_at_once(d: Drill) -> None:
    d.connect()
    d.pour("S 0:0", "S. 0:0 ack 1")


def close_during_simultaneous_open(d: Drill) -> None:
    d.connect()
    d.pour("S 0:0")
    d.shutdown()
    d.pour(". 1:1 ack 1")


def fin_with_the_handshake(d: Drill) -> None:
    d.listen()
    d.pour("S 0:0", "F. 1:1 ack 1")


def close_first(d: Drill) -> None:
    open_passively(d)
    d.close()
    d.pour(". ack 2", "F. 1:1 ack 2")
    d.host.advance_to(100)


def close_second(d: Drill) -> None:
    open_passively(d)
    d.pour("F. 1:1 ack 1")
    d.close()
    d.pour(". ack 2")


def close_together(d: Drill) -> None:
    open_passively(d)
    d.close()
    d.pour("F. 1:1 ack 1", ". ack 2")


def close_together_in_one(d: Drill) -> None:
    open_passively(d)
    d.close()
    d.pour("F. 1:1 ack 2")


def reset_in(*before: str) -> Script:
    def script(d: Drill) -> None:
        open_passively(d)
        for step in before:
            if step == "close":
                d.shutdown()
            else:
                d.pour(step)
        d.pour("R")

    return script


def give_up_opening(d: Drill) -> None:
    d.connect()
    d.pour("R. 0:0 ack 1")


def reset_half_open(d: Drill) -> None:
    d.listen()
    d.pour("S 0:0", "R")


SCRIPTS: list[Script] = [
    open_actively, open_passively, open_at_once, close_during_simultaneous_open, fin_with_the_handshake, close_first,
    close_second, close_together, close_together_in_one, give_up_opening, reset_half_open,
    reset_in(), reset_in("close"), reset_in("close", ". ack 2"), reset_in("F. 1:1 ack 1"),
    reset_in("close", "F. 1:1 ack 1"), reset_in("F. 1:1 ack 1", "close"), reset_in("close", "F. 1:1 ack 2"),
]  # fmt: skip


def arrows(script: Script) -> set[Arrow]:
    d = Drill()
    script(d)
    changes = [event for _, event in d.host.events if isinstance(event, StateChange)]
    d.host.take_all()
    return {(State(change.old), State(change.new)) for change in changes}


def test_every_arrow_is_taken_and_no_other() -> None:
    taken = set().union(*(arrows(script) for script in SCRIPTS))
    falls = {(old, S.CLOSED) for old in State} - {(S.CLOSED, S.CLOSED), (S.LISTEN, S.CLOSED)}
    # A listener is a port, not a connection: its arrows are in the next test.
    assert taken == (set(TRANSITIONS) - {(S.CLOSED, S.LISTEN)}) | falls
    assert not taken & IN_TWO_STEPS


def test_the_listeners_arrows() -> None:
    d = Drill()
    port = d.open()
    assert port.state is S.CLOSED
    d.listen()
    assert d.listener is not None
    states = [d.listener.state]
    d.host.do(d.listener.close)
    states.append(d.listener.state)
    assert states == [S.LISTEN, S.CLOSED]


@pytest.mark.parametrize("old", State, ids=lambda s: s.value)
def test_the_table_says_what_is_allowed(old: State) -> None:
    for new in State:
        assert allowed(old, new) == (new is S.CLOSED or (old, new) in TRANSITIONS)


def test_what_takes_two_steps_has_both() -> None:
    for old, new in IN_TWO_STEPS:
        assert not allowed(old, new)
        assert any((old, between) in TRANSITIONS and (between, new) in TRANSITIONS for between in State)


def test_the_invariants_of_the_table() -> None:
    for old, new in TRANSITIONS:
        assert new not in (S.CLOSED, old)
        assert old is not S.TIME_WAIT, "only time leads out of TIME-WAIT"
        assert (new is S.LISTEN) <= (old is S.CLOSED)
