"""SEGMENT ARRIVES (RFC 9293 3.10.7.3 and 3.10.7.4), in the RFC's own order, with RFC 5961's defences against blind
attack.

Each step either ends the segment's life by raising WireError with the reason, or returns so that the next step runs.
LISTEN is in `listener`, CLOSED in `protocol`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from stack.events import RttSample
from stack.tcp import output
from stack.tcp.state import CAN_RECEIVE, SYNCHRONIZED, State
from stack.wire import tcp
from stack.wire.drop import Drop, WireError
from stack.wire.sequence import diff, gt, le, lt

if TYPE_CHECKING:
    from stack.tcp.connection import Connection

MASK = 0xFFFFFFFF
CONFIRM_INTERVAL = 1.0  # seconds between two words to the neighbour cache that the other end lives


def arrive(tcb: Connection, segment: tcp.Tcp, now: float) -> None:
    """One segment for a connection. Raises WireError if it is dropped; whatever is due is sent before."""
    try:
        if tcb.state is State.ESTABLISHED and predicted(tcb, segment, now):
            pass
        elif tcb.state is State.SYN_SENT:
            syn_sent(tcb, segment, now)
        else:
            synchronized(tcb, segment, now)
    finally:
        output.run(tcb, now)


def predicted(tcb: Connection, segment: tcp.Tcp, now: float) -> bool:
    """Van Jacobson's header prediction: what a bulk transfer brings, the next text or the next ACK and nothing else,
    needs only the steps that do something for it. False, and nothing done, if this is anything else."""
    if segment.flags & ~tcp.PSH != tcp.ACK or segment.seq != tcb.rcv_nxt or tcb.rcv_fin is not None:
        return False
    length = len(segment.payload)
    if length:
        if segment.ack != tcb.snd_una or segment.window << tcb.snd_wscale != tcb.snd_wnd or not tcb.snd_wnd:
            return False
        if length > tcb.rcv_wnd:
            return False
        tcb.snd_wl1 = segment.seq
        tcb.received_at = now
        take_text(tcb, segment, now)
        return True
    if not 0 < diff(segment.ack, tcb.snd_una) <= tcb.flight or tcb.snd_wnd == 0:
        return False
    tcb.received_at = now
    take_window(tcb, segment, segment.window << tcb.snd_wscale, now)
    new_ack(tcb, segment.ack, now)
    return True


# --- 3.10.7.3 SYN-SENT


def syn_sent(tcb: Connection, segment: tcp.Tcp, now: float) -> None:
    flags = segment.flags
    # First, check the ACK bit.
    if flags & tcp.ACK and (le(segment.ack, tcb.iss) or gt(segment.ack, tcb.snd_max)):
        output.reset_stranger(tcb.net, tcb.local, tcb.remote, segment, now)
        raise WireError(Drop.TCP_ACK)
    # Second, check the RST bit: only one that acknowledges our SYN is believed (RFC 5961 3.2 excepts SYN-SENT).
    if flags & tcp.RST:
        if not flags & tcp.ACK:
            raise WireError(Drop.TCP_ACK)
        tcb.done(now, errno.ECONNREFUSED)
        return
    # Fourth, check the SYN bit.
    if not flags & tcp.SYN:
        raise WireError(Drop.TCP_STATE)
    tcb.received_at = now
    take_syn(tcb, segment)
    tcb.snd_wl1 = segment.seq
    if flags & tcp.ACK:
        acknowledge(tcb, segment.ack, now)
        tcb.snd_wnd = tcb.max_snd_wnd = segment.window  # not scaled in a SYN
        tcb.snd_wl2 = segment.ack
        tcb.established(now)
        tcb.is_ack_due = True
    else:
        # Simultaneous open: both SYNs have crossed.
        tcb.enter(State.SYN_RECEIVED, now)
        tcb.snd_wnd = segment.window
        tcb.snd_nxt = tcb.iss  # the SYN goes again, now with an ACK
        tcb.resend_why = "simultaneous open"


def take_syn(tcb: Connection, segment: tcp.Tcp) -> None:
    """What the other end's SYN says: its ISN, and its options (RFC 9293 3.7.1, RFC 7323 2.2)."""
    tcb.irs = segment.seq
    tcb.rcv_nxt = (segment.seq + 1) & MASK
    tcb.rcv_adv = (tcb.rcv_nxt + min(tcb.rcvbuf, output.MAX_WINDOW)) & MASK
    options = tcp.parse_options(segment.options)
    tcb.set_mss(options.mss)
    if options.window_scale is None:
        tcb.wscale_offered = False
        tcb.rcv_wscale = tcb.snd_wscale = 0
    else:
        tcb.snd_wscale = min(options.window_scale, 14)  # RFC 7323 2.3


# --- 3.10.7.4 all other states


def synchronized(tcb: Connection, segment: tcp.Tcp, now: float) -> None:
    window = segment.window if segment.flags & tcp.SYN else segment.window << tcb.snd_wscale  # RFC 7323 2.2, 2.3
    mark = segment.seq + max(segment.urgent, 1) - 1  # as Linux: a pointer of 0 means the first byte
    segment = check_sequence(tcb, segment, now)
    tcb.received_at = now
    check_reset(tcb, segment, now)
    if tcb.is_closed:
        return
    check_syn(tcb, segment, now)
    check_ack(tcb, segment, window, now)
    if tcb.is_closed:
        return
    if segment.flags & tcp.URG and tcb.state in CAN_RECEIVE:
        take_mark(tcb, mark)
    take_text(tcb, segment, now)
    take_fin(tcb, now)


def check_sequence(tcb: Connection, segment: tcp.Tcp, now: float) -> tcp.Tcp:
    """First: is any of it in the window? Returns the segment trimmed to what is new and fits."""
    if (
        tcb.state is State.SYN_RECEIVED
        and segment.seq == tcb.irs
        and segment.flags & tcp.SYN
        and segment.flags & tcp.ACK
    ):
        # RFC 9293 3.5, figure 8: the SYN,ACK of a simultaneous open. Its SYN is known; the rest counts from after it.
        segment = segment._replace(seq=tcb.rcv_nxt, flags=segment.flags & ~tcp.SYN)
    seq, payload, flags = segment.seq, segment.payload, segment.flags
    length = len(payload) + bool(flags & tcp.SYN) + bool(flags & tcp.FIN)
    window = tcb.rcv_wnd
    offset = diff(seq, tcb.rcv_nxt)
    if length == 0:
        acceptable = offset == 0 if window == 0 else 0 <= offset < window
        # RFC 9293 3.10.7.4 names only the window; everybody takes an ACK at its right edge too, where the other end
        # stands when it has filled the window.
        acceptable = acceptable or (offset == window and not flags & tcp.RST)
    else:
        acceptable = window > 0 and offset < window and offset + length > 0
        if window == 0 and offset == 0 and length == 1 and flags & tcp.FIN:
            return segment  # as Linux: a FIN alone takes no room, and who sends it may have nothing else to say
    if not acceptable:
        return unacceptable(tcb, segment, offset, length, now)
    if flags & (tcp.SYN | tcp.RST) or (offset >= 0 and offset + length <= window):
        return segment  # RFC 5961 3.2: a reset counts by the number it came with, never by a trimmed one
    # Trim to the window: what lies before it is old, what lies beyond it comes again.
    if offset < 0:
        payload = payload[-offset:]
        seq = tcb.rcv_nxt
        offset = 0
    room = window - offset
    if len(payload) + bool(flags & tcp.FIN) > room:
        payload = payload[:room]
        flags &= ~(tcp.FIN | tcp.PSH)
    return segment._replace(seq=seq, payload=payload, flags=flags)


def unacceptable(tcb: Connection, segment: tcp.Tcp, offset: int, length: int, now: float) -> tcp.Tcp:
    """Answer what lies outside the window with an ACK; a probe of a closed window still has its ACK read."""
    flags = segment.flags
    if flags & tcp.RST:
        raise WireError(Drop.TCP_SEQUENCE)
    if tcb.state is State.SYN_RECEIVED and flags & tcp.SYN and segment.seq == tcb.irs:
        tcb.snd_nxt = tcb.iss  # our SYN,ACK was lost: it goes again at once
        tcb.resend_why = "their SYN came again"
        raise WireError(Drop.TCP_DUPLICATE)
    if tcb.state is State.TIME_WAIT and flags & tcp.FIN:
        tcb.time_wait(now)  # our last ACK was lost: 2 MSL begin again
    # At a limited rate unless it brought data: two ends out of step would answer each other's ACKs for ever, and a SYN
    # is what a blind attacker sends (RFC 5961 4.2, 7).
    tcb.is_ack_due = (length > 0 and not flags & tcp.SYN) or tcb.protocol.may_challenge(now)
    if offset == 0 and tcb.rcv_wnd == 0 and flags & tcp.ACK and not flags & tcp.SYN:
        # RFC 9293 3.10.7.4: with a closed window, valid ACKs are still to be taken.
        return segment._replace(payload=segment.payload[:0], flags=flags & ~tcp.FIN)
    is_old = offset + length <= 0
    if is_old and flags & tcp.ACK and tcb.state in SYNCHRONIZED and not flags & tcp.SYN:
        # An old segment's ACK may still be news when the other end has resent its data for want of ours.
        ack_old(tcb, segment, now)
    raise WireError(Drop.TCP_DUPLICATE if is_old and length else Drop.TCP_SEQUENCE)


def ack_old(tcb: Connection, segment: tcp.Tcp, now: float) -> None:
    if 0 < diff(segment.ack, tcb.snd_una) <= tcb.flight:
        new_ack(tcb, segment.ack, now)
        after_ack(tcb, now)


def check_reset(tcb: Connection, segment: tcp.Tcp, now: float) -> None:
    """Second: the RST bit (RFC 5961 3.2)."""
    if not segment.flags & tcp.RST:
        return
    if segment.seq != tcb.rcv_nxt:
        challenge(tcb, now)
    state = tcb.state
    if state is State.SYN_RECEIVED:
        tcb.done(now, 0 if tcb.is_passive else errno.ECONNREFUSED)
    elif state in (State.CLOSING, State.LAST_ACK, State.TIME_WAIT):
        tcb.done(now)
    else:
        # Linux tells a reader that had seen the end already that its writes go nowhere.
        tcb.done(now, errno.EPIPE if state is State.CLOSE_WAIT else errno.ECONNRESET)


def check_syn(tcb: Connection, segment: tcp.Tcp, now: float) -> None:
    """Fourth: a SYN in the window."""
    if not segment.flags & tcp.SYN:
        return
    # RFC 5961 4.2: whatever the sequence number.
    challenge(tcb, now)


def challenge(tcb: Connection, now: float) -> None:
    """Answer with an ACK that only the true other end can make use of, at a limited rate (RFC 5961 7)."""
    if tcb.protocol.may_challenge(now):
        tcb.is_ack_due = True
    raise WireError(Drop.TCP_CHALLENGED)


# --- fifth: the ACK field


def check_ack(tcb: Connection, segment: tcp.Tcp, window: int, now: float) -> None:
    if not segment.flags & tcp.ACK:
        raise WireError(Drop.TCP_ACK)
    ack = segment.ack
    if tcb.state is State.SYN_RECEIVED:
        if not (lt(tcb.snd_una, ack) and le(ack, tcb.snd_max)):
            output.reset_stranger(tcb.net, tcb.local, tcb.remote, segment, now)
            raise WireError(Drop.TCP_ACK)
        if tcb.listener is not None and tcb.listener.is_full:
            raise WireError(Drop.BACKLOG_FULL)  # as Linux: the handshake ends when there is room, by our SYN,ACK again
        acknowledge(tcb, ack, now)
        take_window(tcb, segment, window, now)
        tcb.established(now)
        return
    # RFC 5961 5.2: an ACK is good from snd_una - max_snd_wnd to the highest sent.
    if gt(ack, tcb.snd_max) or diff(ack, tcb.snd_una) < -max(tcb.max_snd_wnd, 1):
        challenge(tcb, now)
    old_window = tcb.snd_wnd
    take_window(tcb, segment, window, now)
    if gt(ack, tcb.snd_una):
        new_ack(tcb, ack, now)
    elif ack == tcb.snd_una and is_duplicate(tcb, segment, old_window):
        tcb.recovery.on_dupack(tcb, now)
    elif tcb.snd_wnd == 0:
        tcb.retransmits = 0  # a probe was answered
    after_ack(tcb, now)


def is_duplicate(tcb: Connection, segment: tcp.Tcp, old_window: int) -> bool:
    """RFC 5681 2: outstanding data, no text, no SYN or FIN, the same ACK and the same window."""
    return (
        tcb.flight > 0
        and not len(segment.payload)
        and not segment.flags & (tcp.SYN | tcp.FIN)
        and tcb.snd_wnd == old_window
        and old_window > 0
    )


def take_window(tcb: Connection, segment: tcp.Tcp, window: int, now: float) -> None:
    """SND.WND, `window` bytes, from the newest segment only (RFC 9293 3.10.7.4, fifth step)."""
    is_first = tcb.state is State.SYN_RECEIVED
    newer = lt(tcb.snd_wl1, segment.seq) or (tcb.snd_wl1 == segment.seq and le(tcb.snd_wl2, segment.ack))
    if not (is_first or newer) or lt(segment.ack, tcb.snd_una):
        return
    was_closed = tcb.snd_wnd == 0
    tcb.snd_wnd = window
    tcb.max_snd_wnd = max(tcb.max_snd_wnd, tcb.snd_wnd)
    tcb.snd_wl1 = segment.seq
    tcb.snd_wl2 = segment.ack
    if was_closed and tcb.snd_wnd and not is_first:
        # The window has opened: probing is over, and so is its backoff, which said nothing of the path.
        tcb.rtt.backoff = 0
        tcb.retransmits = 0
        tcb.retransmit_timer.cancel()


def acknowledge(tcb: Connection, ack: int, now: float) -> int:
    """Move snd_una, measure the round trip, forget what was sent before. Returns the bytes of data acknowledged."""
    sent_at = tcb.scoreboard.acknowledge(ack)
    if tcb.snd_una != tcb.iss:
        tcb.send_queue.release(tcb.position(ack))
    moved = diff(ack, tcb.snd_una)
    tcb.snd_una = ack
    if gt(ack, tcb.snd_nxt):
        tcb.snd_nxt = ack  # what a timeout pulled back had arrived after all
    if tcb.snd_up is not None and le(tcb.snd_up, ack):
        tcb.snd_up = None
    if sent_at is not None:
        tcb.rtt.sample(now - sent_at)
        if tcb.net.observers:
            rtt = tcb.rtt
            tcb.net.emit(RttSample(tcb.local, tcb.remote, now - sent_at, rtt.srtt or 0.0, rtt.rto), now)
    return moved


def new_ack(tcb: Connection, ack: int, now: float) -> None:
    """snd_una < ack: progress."""
    was_limited = tcb.flight + tcb.mss > tcb.congestion.cwnd
    acked = acknowledge(tcb, ack, now)
    tcb.retransmits = 0
    # RFC 2861 by way of RFC 9293 3.8.2: a window nobody fills says nothing about the network, so it does not grow.
    if not tcb.recovery.on_ack(tcb, acked, now) and was_limited:
        tcb.congestion.on_ack(acked, now)
    if now - tcb.confirmed_at > CONFIRM_INTERVAL:
        tcb.confirmed_at = now
        tcb.ip.confirm(tcb.remote.address, now)
    # RFC 6298 5.2, 5.3: off when all is acknowledged, else begun again.
    if tcb.flight > 0:
        tcb.retransmit_timer.set(now + tcb.rtt.rto)
    else:
        tcb.retransmit_timer.cancel()
    if tcb.port is not None and tcb.port.has_room(tcb):
        tcb.port.ready_changed()


def after_ack(tcb: Connection, now: float) -> None:
    """What the acknowledgment of our FIN means in each state."""
    if not tcb.is_fin_acked:
        return
    if tcb.state is State.FIN_WAIT_1:
        tcb.enter(State.FIN_WAIT_2, now)
        if tcb.is_orphan:
            tcb.wait_timer.set(now + tcb.config.tcp_fin_timeout)
    elif tcb.state is State.CLOSING:
        tcb.time_wait(now)
    elif tcb.state is State.LAST_ACK:
        tcb.done(now)


# --- sixth: the URG bit; seventh: the segment text; eighth: the FIN


def take_mark(tcb: Connection, seq: int) -> None:
    """The urgent byte is, or will be, the one at `seq`. The user hears of it when it is here."""
    tcb.urgent.announce(tcb.receive_queue.next + diff(seq & MASK, tcb.rcv_nxt))


def take_text(tcb: Connection, segment: tcp.Tcp, now: float) -> None:
    payload = segment.payload
    length = len(payload)
    if segment.flags & tcp.FIN and tcb.state in CAN_RECEIVE:
        tcb.rcv_fin = (segment.seq + length) & MASK
        tcb.is_ack_due = True
    if not length or tcb.state not in CAN_RECEIVE:
        return
    if tcb.is_orphan:
        # RFC 9293 3.10.4 / RFC 1122 4.2.2.13: data that nobody will read is answered with a reset.
        tcb.abort(now)
        raise WireError(Drop.TCP_AFTER_CLOSE)
    queue = tcb.receive_queue
    offset = diff(segment.seq, tcb.rcv_nxt)
    had_hole = queue.has_hole
    before = queue.next
    advanced = queue.insert(queue.next + offset, payload)
    tcb.rcv_mss = max(tcb.rcv_mss, min(length, tcb.own_mss))
    if not advanced:
        tcb.is_ack_due = True  # RFC 5681 4.2: a duplicate ACK at once for what is out of order
        return
    gained = queue.next - before
    tcb.rcv_nxt = (tcb.rcv_nxt + gained) & MASK
    tcb.urgent.settle(tcb.options.oob_inline)
    acknowledge_later(tcb, gained, had_hole, now)
    if tcb.port is not None:
        tcb.port.ready_changed()


def acknowledge_later(tcb: Connection, gained: int, had_hole: bool, now: float) -> None:
    """RFC 9293 3.8.6.3: at least every second full-sized segment at once, else soon."""
    tcb.unacked += gained
    if had_hole:
        tcb.is_ack_due = True  # RFC 5681 4.2: at once when a hole is filled
    elif tcb.unacked >= 2 * tcb.rcv_mss or tcb.quick_acks > 0:
        # At once is the end of this batch of frames: one ACK for what a device handed over in one go.
        tcb.quick_acks = max(0, tcb.quick_acks - 1)
        if not tcb.is_ack_owed:
            tcb.is_ack_owed = True
            tcb.protocol.owing.append(tcb)
    elif tcb.ack_timer.at is None:
        tcb.ack_timer.set(now + tcb.config.tcp_delayed_ack)


def take_fin(tcb: Connection, now: float) -> None:
    """The FIN, once everything before it is here."""
    if tcb.rcv_fin is None or tcb.is_fin_received or gt(tcb.rcv_fin, tcb.rcv_nxt):
        return
    if tcb.rcv_fin != tcb.rcv_nxt:
        tcb.rcv_fin = None  # text came for where it lay: one of the two was a lie, and the text is here
        return
    tcb.is_fin_received = True
    tcb.rcv_nxt = (tcb.rcv_nxt + 1) & MASK
    tcb.is_ack_due = True
    if tcb.state is State.ESTABLISHED:
        tcb.enter(State.CLOSE_WAIT, now)
    elif tcb.state is State.FIN_WAIT_1:
        tcb.enter(State.CLOSING, now)
    elif tcb.state is State.FIN_WAIT_2:
        tcb.wait_timer.cancel()
        tcb.time_wait(now)
    if tcb.port is not None:
        tcb.port.ready_changed()
