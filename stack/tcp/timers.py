"""What happens when nothing arrives: retransmission (RFC 6298 5), zero-window probes (RFC 9293 3.8.6.1), the delayed
ACK, TIME-WAIT, keep-alives (RFC 9293 3.8.4).

Retransmission and probing share one timer, because either something is in flight or nothing is.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from stack.tcp import output
from stack.tcp.state import SYNCHRONIZED, State

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

SYN_RTO = 3.0  # seconds: RFC 6298 5.7, where data starts after a SYN had to be resent


def on_retransmit(tcb: Connection, now: float) -> None:
    """RFC 6298 5.4 to 5.7, or the persist timer if there is no window to send into."""
    if tcb.state is State.SYN_SENT or tcb.state is State.SYN_RECEIVED:
        _resend_syn(tcb, now)
    elif tcb.snd_wnd == 0 and (len(tcb.send_queue) or tcb.is_fin_wanted):
        _probe(tcb, now)
    elif tcb.flight > 0:
        _resend(tcb, now)
    else:
        output.override(tcb, now)
        output.run(tcb, now)


def _resend_syn(tcb: Connection, now: float) -> None:
    config = tcb.config
    limit = config.tcp_syn_retries if tcb.state is State.SYN_SENT else config.tcp_synack_retries
    if tcb.retransmits >= limit or _has_waited_long_enough(tcb, now):
        tcb.done(now, errno.ETIMEDOUT)
        return
    tcb.retransmits += 1
    tcb.rtt.back_off()
    tcb.snd_nxt = tcb.iss
    tcb.resend_why = "timeout"
    output.run(tcb, now)


def _resend(tcb: Connection, now: float) -> None:
    """The oldest segment is taken for lost, and all behind it: go back to snd_una with one segment."""
    if not _try_again(tcb, now):
        return
    if tcb.retransmits == 1:
        # RFC 5681 3.1: ssthresh is set once, not again for the same segment.
        tcb.congestion.on_timeout(tcb.flight, now)
    else:
        tcb.congestion.cwnd = tcb.mss
    tcb.emit_cwnd("timeout", now)
    tcb.recovery.on_timeout(tcb)
    tcb.snd_nxt = tcb.snd_una
    tcb.resend_why = "timeout"
    output.run(tcb, now)
    if tcb.snd_nxt == tcb.snd_una:
        output.override(tcb, now)  # the window has shrunk below a segment: what it takes must go all the same


def _probe(tcb: Connection, now: float) -> None:
    # RFC 9293 3.8.6.1: probe for ever as long as the other end answers; each answer clears the count.
    if not _try_again(tcb, now):
        return
    output.probe(tcb, now)
    tcb.retransmit_timer.set(now + tcb.rtt.rto)


def _try_again(tcb: Connection, now: float) -> bool:
    """Count a timeout and back off; False if the connection has been given up."""
    limit = tcb.config.tcp_orphan_retries if tcb.is_orphan else tcb.config.tcp_retries
    if tcb.retransmits >= limit or _has_waited_long_enough(tcb, now):
        tcb.abort(now, errno.ETIMEDOUT)
        return False
    tcb.retransmits += 1
    tcb.rtt.back_off()
    return True


def _has_waited_long_enough(tcb: Connection, now: float) -> bool:
    """The user timeout (RFC 9293 3.10.8, RFC 5482 3): for so long nothing was acknowledged of what these timeouts are
    about. None or zero for no limit but R2."""
    if tcb.retransmits == 0:
        first = next(iter(tcb.scoreboard), None)
        tcb.stalled_at = now if first is None else first.sent_at
    limit = tcb.options.user_timeout or 0.0
    return 0 < limit <= now - tcb.stalled_at


def on_delayed_ack(tcb: Connection, now: float) -> None:
    tcb.is_ack_due = True
    output.run(tcb, now)


def on_wait(tcb: Connection, now: float) -> None:
    """2 MSL are over, or an orphan has waited long enough for the other end's FIN."""
    tcb.done(now)


def keepalive_time(tcb: Connection) -> float:
    return tcb.options.keepalive_time or tcb.config.tcp_keepalive_time


def on_keepalive(tcb: Connection, now: float) -> None:
    """RFC 9293 3.8.4: only while nothing is in flight, because then retransmission tells the same."""
    if tcb.state not in SYNCHRONIZED or not tcb.options.keepalive:
        return
    idle_until = tcb.received_at + keepalive_time(tcb)
    if now < idle_until:
        tcb.keepalives = 0
        tcb.keepalive_timer.set(idle_until)
        return
    limit = tcb.options.keepalive_probes or tcb.config.tcp_keepalive_probes
    if tcb.keepalives >= limit:
        tcb.abort(now, errno.ETIMEDOUT)
        return
    if tcb.flight == 0:
        tcb.keepalives += 1
        output.keepalive(tcb, now)
    tcb.keepalive_timer.set(now + (tcb.options.keepalive_interval or tcb.config.tcp_keepalive_interval))
