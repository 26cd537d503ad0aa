"""The states of a connection and the ways between them (RFC 9293 3.3.2, figure 5), as data."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """The value is the RFC's name."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"


_S = State

# Figure 5's arrows. Every state may also fall to CLOSED (reset, abort, timeout), which `allowed` adds.
TRANSITIONS: frozenset[tuple[State, State]] = frozenset(
    {
        (_S.CLOSED, _S.LISTEN),  # passive OPEN
        (_S.CLOSED, _S.SYN_SENT),  # active OPEN
        (_S.CLOSED, _S.SYN_RECEIVED),  # a listener's child begins here
        (_S.SYN_SENT, _S.SYN_RECEIVED),  # simultaneous open
        (_S.SYN_SENT, _S.ESTABLISHED),
        (_S.SYN_RECEIVED, _S.ESTABLISHED),
        (_S.ESTABLISHED, _S.FIN_WAIT_1),
        (_S.ESTABLISHED, _S.CLOSE_WAIT),
        (_S.FIN_WAIT_1, _S.FIN_WAIT_2),
        (_S.FIN_WAIT_1, _S.CLOSING),  # simultaneous close
        (_S.FIN_WAIT_2, _S.TIME_WAIT),
        (_S.CLOSE_WAIT, _S.LAST_ACK),
        (_S.CLOSING, _S.TIME_WAIT),
    }
)

# Arrows of figure 5 and of note 2 below it that are taken in two steps: the ACK's, then the FIN's or the CLOSE's.
IN_TWO_STEPS: frozenset[tuple[State, State]] = frozenset(
    {
        (_S.SYN_RECEIVED, _S.FIN_WAIT_1),  # a CLOSE waits for ESTABLISHED (RFC 9293 3.10.4)
        (_S.SYN_RECEIVED, _S.CLOSE_WAIT),  # by ESTABLISHED: ACK and FIN in one segment
        (_S.FIN_WAIT_1, _S.TIME_WAIT),  # by FIN-WAIT-2: their FIN carries the ACK of ours
    }
)

# Both ends have agreed on sequence numbers (RFC 9293 3.3.2).
SYNCHRONIZED = frozenset(
    {
        _S.ESTABLISHED, _S.FIN_WAIT_1, _S.FIN_WAIT_2, _S.CLOSE_WAIT, _S.CLOSING, _S.LAST_ACK, _S.TIME_WAIT,
    }
)  # fmt: skip

# The user may still send.
CAN_SEND = frozenset({_S.ESTABLISHED, _S.CLOSE_WAIT})

# Text of the other end is still taken (RFC 9293 3.10.7.4, seventh step).
CAN_RECEIVE = frozenset({_S.ESTABLISHED, _S.FIN_WAIT_1, _S.FIN_WAIT_2})

# Our FIN has its place in the sequence space, sent or waiting behind data.
HAS_FIN = frozenset({_S.FIN_WAIT_1, _S.FIN_WAIT_2, _S.CLOSING, _S.LAST_ACK, _S.TIME_WAIT})


def allowed(old: State, new: State) -> bool:
    """Whether figure 5 has an arrow from `old` to `new`."""
    return new is State.CLOSED or (old, new) in TRANSITIONS
