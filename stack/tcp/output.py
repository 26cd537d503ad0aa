"""What to send now (RFC 9293 3.8): data as windows, Nagle and SWS avoidance allow, SYN, FIN, ACK, window updates,
resets.

`run` ends every entry into a connection. Data leaves in super-segments of up to 64 KiB whatever the device; cutting
them and their checksums are `link.offload`'s business, or the kernel's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.events import Dropped, Retransmit
from stack.net import Net
from stack.port import Endpoint
from stack.tcp.state import State
from stack.tcp.urgent import pointer
from stack.wire import ipv4, tcp
from stack.wire.drop import Drop
from stack.wire.sequence import diff, gt, le

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

CSUM_OFFSET = 16
MAX_WINDOW = 65_535
MASK = 0xFFFFFFFF

SYN_STATES = (State.SYN_SENT, State.SYN_RECEIVED)
DATA_STATES = (
    State.ESTABLISHED, State.CLOSE_WAIT, State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK,
)  # fmt: skip


def run(tcb: Connection, now: float) -> None:
    """Send everything that may be sent at this moment."""
    if tcb.state in DATA_STATES:
        if tcb.recovery.retransmit:
            retransmit_first(tcb, tcb.recovery.retransmit, now)
            tcb.recovery.retransmit = ""
        if tcb.send_queue or tcb.is_fin_wanted:
            send_data(tcb, now)
    elif tcb.state in SYN_STATES and tcb.snd_nxt == tcb.iss:
        send_syn(tcb, now)
    if tcb.is_ack_due:
        send_ack(tcb, now)


# --- SYN


def send_syn(tcb: Connection, now: float) -> None:
    """SYN or SYN,ACK, with our options (RFC 9293 3.7.1; RFC 7323 2.2: scale only if the other end's SYN had it too)."""
    is_answer = tcb.state is State.SYN_RECEIVED
    scale = tcb.rcv_wscale if tcb.wscale_offered else None
    options = tcp.emit_options(tcp.Options(mss=tcb.own_mss, window_scale=scale))
    resent, waited = tcb.scoreboard.record(tcb.iss, (tcb.iss + 1) & MASK, now)
    why = None
    if resent:
        why = Retransmit(tcb.local, tcb.remote, tcb.iss, 0, tcb.resend_why, resent, waited)
    tcb.snd_nxt = tcb.snd_max = (tcb.iss + 1) & MASK
    # RFC 7323 2.2: the window of a SYN is never scaled. What one SYN,ACK has offered, the next still does.
    window = tcb.rcv_wnd if is_answer else min(tcb.rcvbuf, MAX_WINDOW)
    flags = tcp.SYN | tcp.ACK if is_answer else tcp.SYN
    emit(tcb, tcb.iss, flags, b"", now, window=window, options=options, why=why)
    if tcb.retransmit_timer.at is None:
        tcb.retransmit_timer.set(now + tcb.rtt.rto)


# --- data and FIN


def send_data(tcb: Connection, now: float) -> None:
    """As much as the windows allow, in super-segments, then the FIN if it is its turn.

    What would keep the lock for long goes in several turns: the stack comes back to us at once.
    """
    left = tcb.burst
    while True:
        unsent = tcb.unsent
        in_flight = diff(tcb.snd_nxt, tcb.snd_una)
        window = min(tcb.congestion.cwnd + tcb.recovery.allowance(tcb), tcb.snd_wnd)
        length = sendable(tcb, unsent, window - in_flight)
        is_last = tcb.is_fin_wanted and unsent >= 0 and length == unsent and (length > 0 or tcb.snd_nxt == tcb.fin_seq)
        # A FIN has a number, as data has: beyond the window it would be ignored there, with the ACK that it brings.
        is_fin = is_last and in_flight + length < tcb.snd_wnd
        if length == 0 and not is_fin:
            break
        if left == 0:
            tcb.protocol.send_later(tcb)
            break
        send_segment(tcb, length, is_fin, now)
        if is_fin:
            break
        left -= 1
    if tcb.retransmit_timer.at is None:
        arm(tcb, now)


def arm(tcb: Connection, now: float) -> None:
    """Start the timer if something is in flight, or if data waits for a window."""
    if tcb.flight > 0 or len(tcb.send_queue) > 0 or (tcb.is_fin_wanted and tcb.snd_nxt == tcb.fin_seq):
        tcb.retransmit_timer.set(now + tcb.rtt.rto)


def sendable(tcb: Connection, unsent: int, usable: int) -> int:
    """How many bytes the next segment carries; 0 to wait (RFC 9293 3.7.4, 3.8.6.2.1)."""
    if unsent <= 0 or usable <= 0:
        return 0
    mss = tcb.mss
    # As Linux: a super-segment with the URG bit is more than a device is good for.
    biggest = mss if tcb.snd_up is not None else max(mss, (tcb.gso_max - tcb.ip.header_length - 20) // mss * mss)
    length = min(unsent, usable, biggest)
    if length >= mss:
        # Whole segments, unless this is the tail and may go.
        whole = length // mss * mss
        if length == whole or length < unsent or not may_send_small(tcb):
            return whole
        return length
    if length == unsent and may_send_small(tcb):
        return length
    # Sender's SWS avoidance: half of the largest window ever seen is worth sending too.
    if length < unsent and length >= tcb.max_snd_wnd // 2 > 0:
        return length
    return 0


def may_send_small(tcb: Connection) -> bool:
    """Whether the last, short piece of what is queued may go now (Nagle, RFC 9293 3.7.4)."""
    # Deviation: Minshall's refinement, as Linux: wait only while another short segment is unacknowledged, so that
    # the end of a large write does not wait for a delayed ACK.
    is_waiting = gt(tcb.snd_sml, tcb.snd_una) and le(tcb.snd_sml, tcb.snd_max)
    if tcb.snd_up is not None and gt(tcb.snd_up, tcb.snd_nxt):
        return True  # what is urgent waits for nobody
    return tcb.options.nodelay or not is_waiting or tcb.is_fin_wanted or gt(tcb.snd_max, tcb.snd_nxt)


def override(tcb: Connection, now: float) -> None:
    """RFC 9293 3.8.6.2.1: SWS avoidance must not wait for ever; what the window allows goes now."""
    length = min(tcb.unsent, tcb.snd_wnd - diff(tcb.snd_nxt, tcb.snd_una), tcb.mss)
    if length > 0:
        send_segment(tcb, length, False, now)


def send_segment(tcb: Connection, length: int, is_fin: bool, now: float) -> None:
    """One (super-)segment from snd_nxt, which moves on."""
    seq = tcb.snd_nxt
    flags = tcp.ACK
    payload: bytes | memoryview = b""
    if length:
        payload = tcb.send_queue.view(tcb.position(seq), length)
        if length == tcb.unsent:
            flags |= tcp.PSH
    if is_fin:
        flags |= tcp.FIN
    end = (seq + length + is_fin) & MASK
    is_again = gt(tcb.snd_max, seq)
    resent, waited = tcb.scoreboard.record(seq, end, now)
    why = None
    if is_again:
        why = Retransmit(tcb.local, tcb.remote, seq, length, tcb.resend_why, resent, waited)
    tcb.snd_nxt = end
    if gt(end, tcb.snd_max):
        tcb.snd_max = end
    if length % tcb.mss:
        tcb.snd_sml = end
    emit(tcb, seq, flags, payload, now, why=why)
    if tcb.retransmit_timer.at is None:
        tcb.retransmit_timer.set(now + tcb.rtt.rto)


def retransmit_first(tcb: Connection, why: str, now: float) -> None:
    """Send the first unacknowledged segment again, without moving snd_nxt."""
    length = min(tcb.mss, len(tcb.send_queue), diff(tcb.snd_max, tcb.snd_una))
    is_fin = tcb.is_fin_wanted and length == len(tcb.send_queue) and gt(tcb.snd_max, tcb.fin_seq)
    if not length and not is_fin:
        return
    seq = tcb.snd_una
    payload = tcb.send_queue.view(tcb.position(seq), length) if length else b""
    resent, waited = tcb.scoreboard.record(seq, (seq + length + is_fin) & MASK, now)
    event = Retransmit(tcb.local, tcb.remote, seq, length, why, resent, waited)
    flags = tcp.ACK | (tcp.FIN if is_fin else 0)
    emit(tcb, seq, flags, payload, now, why=event)
    tcb.retransmit_timer.set(now + tcb.rtt.rto)  # RFC 6298 5.1, RFC 6582 4


def probe(tcb: Connection, now: float) -> None:
    """A zero-window probe: one byte beyond the window (RFC 9293 3.8.6.1), or the FIN if that is all there is."""
    seq = tcb.snd_una
    has_data = len(tcb.send_queue) > 0
    payload = tcb.send_queue.view(tcb.position(seq), 1) if has_data else b""
    end = (seq + 1) & MASK
    _, waited = tcb.scoreboard.record(seq, end, now)
    event = Retransmit(tcb.local, tcb.remote, seq, len(payload), "zero-window probe", tcb.retransmits, waited)
    if gt(end, tcb.snd_max):
        tcb.snd_max = end
    tcb.resend_why = "zero-window probe"
    emit(tcb, seq, tcp.ACK | (tcp.PSH if has_data else tcp.FIN), payload, now, why=event)


def keepalive(tcb: Connection, now: float) -> None:
    """RFC 9293 3.8.4: a segment the other end must answer, one before what it expects."""
    event = Retransmit(tcb.local, tcb.remote, (tcb.snd_una - 1) & MASK, 0, "keep-alive", tcb.keepalives, None)
    emit(tcb, (tcb.snd_una - 1) & MASK, tcp.ACK, b"", now, why=event)


# --- ACK and window


def settle(tcb: Connection, now: float) -> None:
    """The batch of frames is over: send the ACK that it owes, unless something else has carried it."""
    if tcb.is_ack_owed:
        tcb.is_ack_owed = False
        if tcb.state is not State.CLOSED:
            send_ack(tcb, now)


def send_ack(tcb: Connection, now: float) -> None:
    """RFC 9293 3.10.7.4: <SEQ=SND.NXT><ACK=RCV.NXT>."""
    # Where a timeout has pulled snd_nxt back, the other end may be past it and would ignore the ACK with the number.
    seq = tcb.snd_max if diff(tcb.snd_max, tcb.snd_una) <= tcb.snd_wnd else tcb.snd_nxt
    emit(tcb, seq, tcp.ACK, b"", now)


def offer_window(tcb: Connection) -> int:
    """The window to put into a segment, unscaled bytes: receiver's SWS avoidance (RFC 9293 3.8.6.2.2), never
    shrinking."""
    free = tcb.rcvbuf - tcb.receive_queue.available
    current = tcb.rcv_wnd
    scale = tcb.rcv_wscale
    grown = min(free, MAX_WINDOW << scale) >> scale << scale
    if grown - current >= tcb.own_mss or grown - current >= tcb.rcvbuf // 2:
        return grown
    # What was promised stands. In the scale's units it is rounded up, but not beyond the buffer, or every small segment
    # would move the edge; rounded down, as RFC 7323 2.4 has it, rcv_adv still remembers the promise.
    rounded = (current + (1 << scale) - 1) >> scale << scale
    return rounded if rounded <= min(free, MAX_WINDOW << scale) else current >> scale << scale


def window_update(tcb: Connection, now: float) -> None:
    """The user has read: tell the other end if the window has opened enough to matter."""
    if tcb.state not in (State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2):
        return
    free = tcb.rcvbuf - tcb.receive_queue.available
    current = tcb.rcv_wnd
    # Worth a segment only if less than half of what could be offered is left, and a full segment is gained.
    if current * 2 <= free and free - current >= min(tcb.rcvbuf // 2, tcb.own_mss):
        send_ack(tcb, now)


# --- segments


def emit(
    tcb: Connection,
    seq: int,
    flags: int,
    payload: bytes | memoryview,
    now: float,
    *,
    window: int | None = None,
    options: bytes = b"",
    why: Retransmit | None = None,
) -> None:
    """One segment. Whatever carries an ACK settles what was owed."""
    ack = 0
    if flags & tcp.ACK:
        ack = tcb.rcv_nxt
        if window is None:
            offered = offer_window(tcb)
            if offered > tcb.rcv_wnd:
                tcb.rcv_adv = (tcb.rcv_nxt + offered) & MASK
            window = offered >> tcb.rcv_wscale
        tcb.is_ack_due = tcb.is_ack_owed = False
        tcb.unacked = 0
        tcb.ack_timer.cancel()
    urgent = 0
    if tcb.snd_up is not None and not flags & (tcp.SYN | tcp.RST):
        urgent = pointer(tcb, seq)
        flags |= tcp.URG if urgent else 0
    local, remote = tcb.local, tcb.remote
    head = tcp.emit(
        local.address, remote.address, local.port, remote.port, seq, ack, flags, window or 0,
        options, payload, urgent, partial=True,
    )  # fmt: skip
    try:
        tcb.ip.output(
            ipv4.PROTOCOL_TCP, local.address, remote.address, head, payload, now,
            ttl=tcb.options.ttl, tos=tcb.options.tos, csum_offset=CSUM_OFFSET,
            gso_size=tcb.mss if len(payload) > tcb.mss else 0, why=why,
        )  # fmt: skip
    except OSError:
        # The route has gone: the retransmission timer will try again, and in the end give up.
        tcb.net.drop(Dropped(Drop.NO_ROUTE, None, True), now)


def reset(tcb: Connection, now: float) -> None:
    """<SEQ=SND.NXT><CTL=RST,ACK>: the end of this connection for the other side."""
    emit(tcb, tcb.snd_max, tcp.RST | tcp.ACK, b"", now, window=0)


def reset_stranger(net: Net, local: Endpoint, remote: Endpoint, segment: tcp.Tcp, now: float) -> None:
    """Answer a segment that belongs to no connection (RFC 9293 3.10.7.1); never a reset."""
    if segment.flags & tcp.RST:
        return
    if segment.flags & tcp.ACK:
        seq, ack, flags = segment.ack, 0, tcp.RST
    else:
        length = len(segment.payload) + bool(segment.flags & tcp.SYN) + bool(segment.flags & tcp.FIN)
        seq, ack, flags = 0, (segment.seq + length) & MASK, tcp.RST | tcp.ACK
    head = tcp.emit(local.address, remote.address, local.port, remote.port, seq, ack, flags, 0, partial=True)
    try:
        net.ip_for(remote.address).output(
            ipv4.PROTOCOL_TCP, local.address, remote.address, head, b"", now, csum_offset=CSUM_OFFSET
        )
    except OSError:
        net.drop(Dropped(Drop.NO_ROUTE, None, True), now)
