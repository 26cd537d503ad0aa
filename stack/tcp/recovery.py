"""Fast retransmit and fast recovery without selective acknowledgments: NewReno (RFC 6582), with limited transmit (RFC
3042)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.wire.sequence import diff, gt

if TYPE_CHECKING:
    from stack.tcp.connection import Connection


class NewReno:
    """`recover` is one past the highest sequence number sent when recovery began (RFC 6582 3.1)."""

    __slots__ = ("dupacks", "is_active", "recover", "retransmit")

    def __init__(self, iss: int) -> None:
        self.dupacks = 0
        self.is_active = False
        self.recover = iss
        self.retransmit = ""  # why output is to send the first unacknowledged segment again; empty if it is not

    def on_dupack(self, tcb: Connection, now: float) -> None:
        """An ACK that says nothing new while data is outstanding (RFC 5681 2)."""
        self.dupacks += 1
        cc = tcb.congestion
        if self.is_active:
            # RFC 6582 3.2 step 3: a segment has left the network; RFC 5681 3.2: no more than there were.
            cc.cwnd = max(cc.cwnd, min(cc.cwnd + tcb.mss, cc.ssthresh + tcb.flight))
        elif self.dupacks == tcb.config.tcp_dupacks and self._may_begin(tcb):
            # RFC 5681 3.2 (2): FlightSize, without what limited transmit has sent beyond the window.
            cc.on_loss(min(tcb.flight, cc.cwnd), now)
            self.recover = tcb.snd_max
            self.is_active = True
            self.retransmit = "fast retransmit"
            cc.cwnd = cc.ssthresh + self.dupacks * tcb.mss
            tcb.emit_cwnd("fast recovery", now)

    def _may_begin(self, tcb: Connection) -> bool:
        """RFC 6582 3.2 step 2: after a timeout or a recovery, nothing up to `recover` begins another."""
        # What lies beyond snd_max was left behind by half of the sequence space, two gigabytes ago.
        return gt(tcb.snd_una, self.recover) or gt(self.recover, tcb.snd_max)

    def on_ack(self, tcb: Connection, acked: int, now: float) -> bool:
        """New data was acknowledged; True if recovery dealt with it, so that the window is not to grow."""
        self.dupacks = 0
        if not self.is_active:
            return False
        cc = tcb.congestion
        if diff(tcb.snd_una, self.recover) >= 0:
            # RFC 6582 3.2 step 3, full acknowledgment (option 1: no burst).
            cc.cwnd = min(cc.ssthresh, max(tcb.flight, tcb.mss) + tcb.mss)
            self.is_active = False
            tcb.emit_cwnd("recovered", now)
        else:
            # Partial: the next hole is lost too. Deflate by what left, and add one for the segment resent.
            self.retransmit = "partial ack"
            cc.cwnd = max(cc.cwnd - acked + (tcb.mss if acked >= tcb.mss else 0), tcb.mss)
        return True

    def on_timeout(self, tcb: Connection) -> None:
        """RFC 6582 4: a timeout ends recovery; what was sent before it may not begin another."""
        self.recover = tcb.snd_max
        self.is_active = False
        self.dupacks = 0
        self.retransmit = ""

    def allowance(self, tcb: Connection) -> int:
        """Bytes beyond cwnd that may be sent: RFC 3042, new data for the first two duplicate ACKs."""
        is_new = tcb.snd_nxt == tcb.snd_max
        return min(self.dupacks, 2) * tcb.mss if is_new and not self.is_active else 0
