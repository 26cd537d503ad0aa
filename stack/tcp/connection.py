"""The transmission control block and the user's calls (RFC 9293 3.3.1, 3.10.1 to 3.10.6).

Variables carry the RFC's names. What a segment does to them is in `arrive`, what is sent in `output`, what time does
in `timers`; every entry ends in one `output.run`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from stack.events import CwndChange, StateChange
from stack.port import Endpoint, Options, error
from stack.tcp import output, timers
from stack.tcp.congestion import Congestion
from stack.tcp.congestion.reno import Reno
from stack.tcp.isn import initial_sequence
from stack.tcp.receive_queue import ReceiveQueue
from stack.tcp.recovery import NewReno
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Scoreboard
from stack.tcp.send_queue import SendQueue
from stack.tcp.state import CAN_RECEIVE, CAN_SEND, SYNCHRONIZED, State, allowed
from stack.tcp.urgent import UrgentMark
from stack.wire.sequence import diff, gt

if TYPE_CHECKING:
    from stack.tcp.listener import Listener
    from stack.tcp.port import TcpPort
    from stack.tcp.protocol import Tcp

DEFAULT_MSS = 536  # RFC 9293 3.7.1: what to assume when the other end says nothing
# Super-segments that one turn may send: a millisecond under the lock, whether the device cuts them or we do.
WHOLE_BURST = 16
CUT_BURST = 1
MAX_PACKET = 65_535  # bytes: an IP packet's length field, which loopback's MTU is beyond
MIN_MSS = 88  # Linux's floor: below it a hostile peer makes us send headers only
QUICK_ACKS = 16  # segments acknowledged at once at the start, while the sender's window is small (as Linux)


class Connection:
    """One connection. `port` is the socket's, or None before it is accepted and after the user has closed."""

    def __init__(
        self,
        protocol: Tcp,
        local: Endpoint,
        remote: Endpoint,
        options: Options,
        now: float,
        after: int | None = None,
    ) -> None:
        net = protocol.net
        self.protocol = protocol
        self.net = net
        self.config = net.config
        self.ip = net.ip_for(remote.address)
        self.local = local
        self.remote = remote
        self.options = options
        self.port: TcpPort | None = None
        self.listener: Listener | None = None  # until the child has been accepted
        self.state = State.CLOSED
        self.is_orphan = False  # the user has closed
        self.is_passive = False

        # Send sequence variables (RFC 9293 3.3.1). snd_max is one past the highest ever sent: after a timeout
        # snd_nxt goes back.
        self.iss = initial_sequence(local, remote, self.config.secret, now)
        if after is not None and not gt(self.iss, after):
            # RFC 9293 3.6.1: a connection that follows another out of TIME-WAIT begins beyond what that one had used.
            self.iss = (after + 65_537) & 0xFFFFFFFF
        self.snd_una = self.snd_nxt = self.snd_max = self.iss
        self.snd_wnd = 0
        self.snd_wl1 = self.snd_wl2 = 0
        self.max_snd_wnd = 0
        self.snd_sml = self.iss  # one past the last short segment sent (Minshall)
        self.snd_wscale = 0
        self.snd_up: int | None = None  # one past the last urgent byte, while that is not acknowledged
        self.mss = DEFAULT_MSS
        self.is_fin_wanted = False
        self.send_queue = SendQueue()
        self.scoreboard = Scoreboard()
        self.rtt = RttEstimator(self.config)
        self.congestion: Congestion = Reno(DEFAULT_MSS, self.config.tcp_initial_cwnd)
        self.recovery = NewReno(self.iss)
        self.retransmits = 0  # timeouts since the last progress
        self.stalled_at = now  # when the segment was sent that they are about
        self.resend_why = ""  # what pulled snd_nxt back

        # Receive sequence variables. rcv_adv is the right edge offered: it never moves left.
        self.irs = self.rcv_nxt = self.rcv_adv = 0
        hop = net.route_to(remote.address)
        interface = hop.interface if hop else net.loopback
        self.own_mss = self._own_mss(interface.mtu)
        self.gso_max = min(interface.abilities.gso_max, MAX_PACKET)
        self.burst = WHOLE_BURST if interface.abilities.tso4 else CUT_BURST
        self.receive_limit = interface.receive_limit
        self.rcvbuf = self._rcvbuf()
        self.rcv_wscale = scale_for(self.rcvbuf)
        self.wscale_offered = True
        self.rcv_fin: int | None = None  # the sequence number of their FIN, once seen
        self.is_fin_received = False
        self.is_read_shut = False
        self.receive_queue = ReceiveQueue(self.config.tcp_max_out_of_order)
        self.urgent = UrgentMark(self.receive_queue)
        self.rcv_mss = DEFAULT_MSS  # the largest segment seen: what "every second full-sized segment" means
        self.unacked = 0  # bytes received since an ACK was sent
        self.quick_acks = QUICK_ACKS
        self.is_ack_due = False  # when this entry ends
        self.is_ack_owed = False  # when this batch of frames ends
        self.confirmed_at = now  # when the neighbour cache last heard of it

        self.received_at = now  # when the other end was last heard of
        self.keepalives = 0
        self.retransmit_timer = net.timers.timer(lambda now: timers.on_retransmit(self, now))
        self.ack_timer = net.timers.timer(lambda now: timers.on_delayed_ack(self, now))
        self.wait_timer = net.timers.timer(lambda now: timers.on_wait(self, now))
        self.keepalive_timer = net.timers.timer(lambda now: timers.on_keepalive(self, now))

    def _own_mss(self, mtu: int) -> int:
        mss = min(mtu, MAX_PACKET) - self.ip.header_length - 20
        return min(mss, self.options.maxseg) if self.options.maxseg else mss

    # --- derived

    @property
    def flight(self) -> int:
        """Sequence numbers sent and not acknowledged."""
        return diff(self.snd_max, self.snd_una)

    @property
    def is_closed(self) -> bool:
        return self.state is State.CLOSED

    def _rcvbuf(self) -> int:
        """The largest window to offer: what the user allows, and no more than the device can queue."""
        limit = self.options.rcvbuf
        return limit if self.receive_limit is None else min(limit, max(self.receive_limit, 2 * self.own_mss))

    @property
    def rcv_wnd(self) -> int:
        return max(0, diff(self.rcv_adv, self.rcv_nxt))

    @property
    def unsent(self) -> int:
        """Bytes in the send queue from snd_nxt on; -1 once the FIN has been sent."""
        if self.snd_una == self.iss:
            return len(self.send_queue)
        return len(self.send_queue) - diff(self.snd_nxt, self.snd_una)

    @property
    def is_fin_acked(self) -> bool:
        """Whether our FIN was sent and acknowledged."""
        return self.is_fin_wanted and self.flight == 0 and not len(self.send_queue) and self._fin_sent

    @property
    def _fin_sent(self) -> bool:
        return self.snd_max != self.iss and diff(self.snd_max, self.fin_seq) > 0

    @property
    def fin_seq(self) -> int:
        """The sequence number our FIN has, or will have if nothing more is written."""
        return (self.iss + 1 + self.send_queue.end) & 0xFFFFFFFF

    def position(self, seq: int) -> int:
        """Where in the send queue a sequence number from snd_una on lies."""
        return self.send_queue.start + diff(seq, self.snd_una)

    # --- moving

    def enter(self, state: State, now: float) -> None:
        old = self.state
        if old is state:
            return
        assert allowed(old, state), f"{old.value} -> {state.value}"
        self.state = state
        self.net.emit(StateChange(self.local, self.remote, old.value, state.value), now)
        if self.port is not None:
            self.port.ready_changed()

    def set_mss(self, offered: int | None) -> None:
        """The other end's MSS option arrived, or did not (RFC 9293 3.7.1)."""
        theirs = DEFAULT_MSS if not offered else max(offered, MIN_MSS)
        self.mss = min(theirs, self.own_mss)
        self.congestion = Reno(self.mss, self.config.tcp_initial_cwnd)

    def emit_cwnd(self, why: str, now: float) -> None:
        if self.net.observers:
            cc = self.congestion
            self.net.emit(CwndChange(self.local, self.remote, cc.cwnd, cc.ssthresh, why), now)

    def established(self, now: float) -> None:
        """Both SYNs are acknowledged."""
        self.retransmit_timer.cancel()
        if self.retransmits:
            self.rtt.restart(timers.SYN_RTO)
            self.retransmits = 0
        self.enter(State.ESTABLISHED, now)
        self.start_keepalive(now)
        if self.listener is not None:
            self.listener.on_established(self, now)
        if self.is_fin_wanted:
            # RFC 9293 3.10.4: a CLOSE in SYN-RECEIVED waits until here.
            self.enter(State.FIN_WAIT_1, now)

    def start_keepalive(self, now: float) -> None:
        if self.options.keepalive and self.state in SYNCHRONIZED:
            self.keepalive_timer.set(now + timers.keepalive_time(self))
        else:
            self.keepalive_timer.cancel()

    def on_options(self, now: float) -> None:
        """The user has set an option: a keep-alive begins or ends, TCP_NODELAY lets what waited go, a buffer
        has another size."""
        self.rcvbuf = self._rcvbuf()
        self.urgent.settle(self.options.oob_inline)
        self.start_keepalive(now)
        output.run(self, now)

    def time_wait(self, now: float) -> None:
        """Enter TIME-WAIT, or begin its 2 MSL again (RFC 9293 3.4.1, 3.10.7.4)."""
        self.enter(State.TIME_WAIT, now)
        self.retransmit_timer.cancel()
        self.keepalive_timer.cancel()
        self.scoreboard.clear()
        self.wait_timer.set(now + 2 * self.config.tcp_msl)
        self.protocol.on_time_wait(self, now)

    def done(self, now: float, number: int = 0) -> None:
        """The TCB is deleted; `number` is the errno the user is told."""
        if self.state is State.CLOSED:
            return
        self.enter(State.CLOSED, now)
        for timer in (self.retransmit_timer, self.ack_timer, self.wait_timer, self.keepalive_timer):
            timer.cancel()
        self.send_queue.clear()
        self.scoreboard.clear()
        self.protocol.forget(self)
        if self.listener is not None:
            self.listener.on_gone(self, now)
        if self.port is not None:
            self.port.on_done(number)
        else:
            self.receive_queue.clear()

    # --- user calls

    def open(self, now: float) -> None:
        """Active OPEN (RFC 9293 3.10.1)."""
        self.enter(State.SYN_SENT, now)
        output.run(self, now)

    def send(self, data: bytes | memoryview, now: float, urgent: bool = False) -> int:
        """SEND (RFC 9293 3.10.2): queue what there is room for; as `urgent` the last byte of `data`, if it is among it.

        Returns the bytes taken, 0 if full. Raises EPIPE.
        """
        if self.state in (State.SYN_SENT, State.SYN_RECEIVED):
            return 0
        if self.state not in CAN_SEND or self.is_fin_wanted:
            raise error(errno.EPIPE)
        room = self.options.sndbuf - len(self.send_queue)
        if room <= 0:
            return 0
        if len(data) > room:
            data, urgent = memoryview(data)[:room], False
        self.send_queue.append(data)
        if urgent:
            self.snd_up = self.fin_seq
        before = self.snd_nxt
        output.run(self, now)
        if urgent and self.snd_nxt == before:
            output.send_ack(self, now)  # RFC 9293 3.8.5: the news goes ahead even where the window is closed
        return len(data)

    def receive(self, limit: int, now: float, peek: bool = False) -> bytes | None:
        """RECEIVE (RFC 9293 3.10.3): up to `limit` bytes, b'' at the end, None if there is nothing yet."""
        if not self.receive_queue.available:
            return b"" if self.at_eof else None
        data = self.receive_queue.read(self.urgent.limit(limit), peek)
        if not peek:
            self.urgent.settle(self.options.oob_inline)
            output.window_update(self, now)
        return data

    def receive_into(self, buffer: memoryview, now: float, peek: bool = False) -> int | None:
        if not self.receive_queue.available:
            return 0 if self.at_eof else None
        count = self.receive_queue.read_into(buffer[: self.urgent.limit(len(buffer))], peek)
        if not peek:
            self.urgent.settle(self.options.oob_inline)
            output.window_update(self, now)
        return count

    def receive_urgent(self, peek: bool = False) -> bytes:
        """The urgent byte; b'' at the end. Raises EINVAL if there is none, EAGAIN if it is on its way."""
        try:
            return self.urgent.take(self.options.oob_inline, peek)
        except BlockingIOError:
            if self.at_eof:
                return b""
            raise

    @property
    def at_eof(self) -> bool:
        """Whether nothing will come after what is queued."""
        return self.is_fin_received or self.is_read_shut or self.state in (State.CLOSED, State.TIME_WAIT)

    def shutdown_read(self, now: float) -> None:
        """As Linux: what is here, and what comes, may be read, but nobody waits for more."""
        self.is_read_shut = True

    def shutdown_write(self, now: float) -> None:
        """CLOSE (RFC 9293 3.10.4): a FIN follows what is queued."""
        if self.is_fin_wanted:
            return
        if self.state is State.SYN_SENT:
            self.done(now)
            return
        self.is_fin_wanted = True
        if self.state is State.ESTABLISHED:
            self.enter(State.FIN_WAIT_1, now)
        elif self.state is State.CLOSE_WAIT:
            # Deviation: RFC 9293 3.10.4 (with its erratum) as everybody builds it: LAST-ACK, not CLOSING.
            self.enter(State.LAST_ACK, now)
        output.run(self, now)

    def close(self, now: float) -> None:
        """The user lets go of the connection: no reader is left."""
        if self.is_orphan:
            return
        self.is_orphan = True
        self.port = None
        lost = self.receive_queue.available
        self.receive_queue.clear()
        if self.state in (State.CLOSED, State.TIME_WAIT):
            return
        # RFC 9293 3.10.4 / RFC 1122 4.2.2.13: closing with data unread, or with SO_LINGER of zero, is a reset.
        if (lost and self.state in CAN_RECEIVE | {State.CLOSE_WAIT}) or self.options.linger == 0:
            self.abort(now)
            return
        self.shutdown_write(now)
        if self.state is State.FIN_WAIT_2:
            self.wait_timer.set(now + self.config.tcp_fin_timeout)
        if not self.is_closed:
            self.protocol.on_orphan(self, now)

    def abort(self, now: float, number: int = 0) -> None:
        """ABORT (RFC 9293 3.10.5): reset the other end and forget."""
        if (self.state in SYNCHRONIZED and self.state is not State.TIME_WAIT) or self.state is State.SYN_RECEIVED:
            output.reset(self, now)
        self.done(now, number)


def scale_for(buffer: int) -> int:
    """The window scale (RFC 7323 2.2) with which 16 bits can say `buffer`; at most 14."""
    scale = 0
    while scale < 14 and (65_535 << scale) < buffer:
        scale += 1
    return scale
