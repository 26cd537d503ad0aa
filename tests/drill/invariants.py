"""What holds for every connection between any two entries, whatever came in: `check(tcb)`, and more with a memory."""

from __future__ import annotations

from collections import Counter
from weakref import WeakKeyDictionary

from stack.stack import Stack
from stack.tcp.connection import Connection
from stack.tcp.output import DATA_STATES, SYN_STATES
from stack.tcp.state import SYNCHRONIZED, State
from stack.wire.sequence import add, diff, le

MAX_FRAME = 65_535
FEW = 200  # chunks that are looked at each time


def check(tcb: Connection) -> None:
    """Raise AssertionError if the TCB contradicts itself."""
    if tcb.state is State.CLOSED:
        _check_closed(tcb)
        return
    _check_send(tcb)
    _check_scoreboard(tcb)
    _check_receive(tcb)
    _check_timers(tcb)


def _check_closed(tcb: Connection) -> None:
    timers = (tcb.retransmit_timer, tcb.ack_timer, tcb.wait_timer, tcb.keepalive_timer)
    assert all(t.at is None for t in timers), "a closed connection has no timers"
    assert len(tcb.send_queue) == 0 and len(tcb.scoreboard) == 0, "a closed connection has nothing to send"


def _check_send(tcb: Connection) -> None:
    assert le(tcb.snd_una, tcb.snd_nxt) and le(tcb.snd_nxt, tcb.snd_max), "snd_una <= snd_nxt <= snd_max"
    assert tcb.snd_wnd <= tcb.max_snd_wnd or tcb.state in SYN_STATES, "max_snd_wnd is the greatest"
    assert tcb.congestion.cwnd >= tcb.mss > 0, "one segment may always go"
    assert tcb.congestion.ssthresh >= 2 * tcb.congestion.mss or tcb.congestion.mss > tcb.mss, "RFC 5681 3.1 (4)"
    assert not tcb.is_ack_due and not tcb.is_ack_owed, "what is due is sent before the entry ends"
    queue = tcb.send_queue
    start = add(tcb.iss, queue.start + 1)
    if tcb.snd_una == tcb.iss:
        assert queue.start == 0 and tcb.state in SYN_STATES, "an unacknowledged SYN is the first thing"
    elif tcb.is_fin_acked:
        assert tcb.snd_una == add(start, 1) == tcb.snd_max, "their ACK covers our FIN"
    else:
        assert tcb.snd_una == start, "the send queue begins at snd_una"
        assert diff(tcb.snd_max, start) <= len(queue) + tcb.is_fin_wanted, "nothing was sent that was not written"
    if queue._first < FEW:
        assert all(chunk == b"" for chunk in queue._chunks[: queue._first]), "what is acknowledged is let go"


def _check_scoreboard(tcb: Connection) -> None:
    if tcb.state is State.TIME_WAIT:
        assert len(tcb.scoreboard) == 0
        return
    at = tcb.snd_una
    for sent in tcb.scoreboard:
        assert sent.start == at, f"the scoreboard has a hole or an overlap at {diff(at, tcb.iss)}"
        assert diff(sent.end, sent.start) > 0 and sent.times > 0
        at = sent.end
    assert at == tcb.snd_max, "the scoreboard covers what is in flight, and only that"


def _check_receive(tcb: Connection) -> None:
    if tcb.state is State.SYN_SENT:
        return
    queue = tcb.receive_queue
    assert le(tcb.rcv_nxt, tcb.rcv_adv) or diff(tcb.rcv_nxt, tcb.rcv_adv) == 1, "no more is taken than was offered"
    assert tcb.rcv_nxt == add(tcb.irs, 1 + queue.next + tcb.is_fin_received), "the queue stands at rcv_nxt"
    if len(queue._chunks) < FEW:
        assert sum(map(len, queue._chunks)) == queue.available
    assert len(queue._held) <= tcb.config.tcp_max_out_of_order, "out of order is bounded in segments"
    at = queue.next
    for position, data in queue._held:
        assert position > at or (position == at and at > queue.next), (
            "held pieces are sorted, disjoint, and behind a hole"
        )
        at = position + len(data)
    assert sum(len(data) for _, data in queue._held) == queue.held
    assert at - queue.next <= tcb.rcv_wnd, "out of order is bounded by the window"


def _check_timers(tcb: Connection) -> None:
    if tcb.state is State.TIME_WAIT:
        assert tcb.wait_timer.at is not None and tcb.retransmit_timer.at is None
        return
    if tcb.flight > 0:
        assert tcb.retransmit_timer.at is not None, "something is in flight, so the retransmission timer runs"
    if tcb.state in DATA_STATES and len(tcb.send_queue):
        assert tcb.retransmit_timer.at is not None, "data waits, so a timer runs"
    if tcb.state in (State.FIN_WAIT_2, State.CLOSED) or (tcb.state is State.ESTABLISHED and not tcb.flight):
        assert len(tcb.send_queue) or tcb.retransmit_timer.at is None, "nothing to resend, so no timer"
    if tcb.state is State.FIN_WAIT_2 and tcb.is_orphan:
        assert tcb.wait_timer.at is not None, "an orphan does not wait for ever"
    if tcb.unacked:
        assert tcb.ack_timer.at is not None, "an acknowledgment is owed, so its timer runs"
    if tcb.options.keepalive and tcb.state in SYNCHRONIZED and tcb.port is not None:
        assert tcb.keepalive_timer.at is not None, "a keep-alive that was asked for"


class Invariants:
    """`check` with a memory: what was offered is never taken back, the receive buffer keeps to its size."""

    def __init__(self) -> None:
        self._adv: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self._una: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self._rcvbuf: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()

    def check_stack(self, stack: Stack) -> None:
        for key, tcb in stack.tcp.connections.items():
            assert key == (*tcb.local, *tcb.remote) and tcb.state is not State.CLOSED
            self.check_connection(tcb)
        children: Counter[bool] = Counter(
            t.state is State.SYN_RECEIVED for t in stack.tcp.connections.values() if t.listener is not None
        )
        assert len(stack.tcp.half_open) == children[True], "every half-open child is counted, and no other"
        assert len(stack.tcp.half_open) <= stack.config.tcp_max_syn_backlog
        assert len(stack.neighbors) <= stack.config.arp_cache_size
        for entry in stack.neighbors:
            assert entry.queued == sum(len(p.head) + len(p.payload) for p in entry.queue)
            assert entry.queued <= stack.config.arp_queue_bytes + MAX_FRAME
        live = sum(1 for _, _, timer in stack.timers._heap if timer.at is not None)
        assert len(stack.timers._heap) <= 4 * live + 128, "the heap of timers does not fill up with dead ones"

    def check_connection(self, tcb: Connection) -> None:
        check(tcb)
        if tcb.state is State.CLOSED or tcb.state is State.SYN_SENT:
            return
        adv = self._adv.get(tcb)
        assert adv is None or le(adv, tcb.rcv_adv), "the right edge of the offered window never moves left"
        self._adv[tcb] = tcb.rcv_adv
        una = self._una.get(tcb)
        assert una is None or le(una, tcb.snd_una), "snd_una never moves back"
        self._una[tcb] = tcb.snd_una
        bound = self._rcvbuf[tcb] = max(self._rcvbuf.get(tcb, 0), tcb.rcvbuf)
        assert tcb.receive_queue.available + tcb.rcv_wnd <= bound, "no more is offered than there is room for"
