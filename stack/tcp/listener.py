"""LISTEN (RFC 9293 3.10.7.2): a SYN becomes a child connection; established children wait to be accepted.

Half-open children are bounded over all listeners, and the oldest makes way for the newest; established ones are bounded
by the backlog, beyond which SYNs are dropped and come again (RFC 4987 3).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from stack.port import Endpoint
from stack.tcp import output
from stack.tcp.arrive import take_syn
from stack.tcp.connection import Connection
from stack.tcp.state import State
from stack.wire import tcp
from stack.wire.drop import Drop, WireError

if TYPE_CHECKING:
    from stack.tcp.port import TcpPort
    from stack.tcp.protocol import Tcp


class Listener:
    def __init__(self, protocol: Tcp, port: TcpPort, backlog: int) -> None:
        self.protocol = protocol
        self.port = port
        self.backlog = backlog
        self.accept_queue: deque[Connection] = deque()

    @property
    def is_full(self) -> bool:
        """As Linux: one more than the backlog may wait."""
        return len(self.accept_queue) > self.backlog

    def arrive(self, local: Endpoint, remote: Endpoint, segment: tcp.Tcp, after: int | None, now: float) -> None:
        """A segment for a port in LISTEN that belongs to no connection, or to one in TIME-WAIT that has made way, which
        had sent up to `after`. Raises WireError if it is dropped."""
        flags = segment.flags
        # First, RST: nothing can have been sent that it could answer.
        if flags & tcp.RST:
            raise WireError(Drop.TCP_STATE)
        # Second, ACK: bad in LISTEN.
        if flags & tcp.ACK:
            output.reset_stranger(self.protocol.net, local, remote, segment, now)
            raise WireError(Drop.TCP_ACK)
        # Third, SYN.
        if not flags & tcp.SYN:
            raise WireError(Drop.TCP_STATE)
        if self.is_full:
            raise WireError(Drop.BACKLOG_FULL)
        if len(self.protocol.half_open) >= self.protocol.net.config.tcp_max_syn_backlog:
            # RFC 4987 3.4: the oldest makes room, whosever it is, so that a flood of SYNs shuts nobody out.
            next(iter(self.protocol.half_open)).done(now)
        child = Connection(self.protocol, local, remote, self.port.options_for_child(), now, after)
        child.listener = self
        child.is_passive = True
        self.protocol.half_open[child] = None
        self.protocol.add(child)
        take_syn(child, segment)
        child.snd_wnd = child.max_snd_wnd = segment.window
        child.snd_wl1 = segment.seq
        child.enter(State.SYN_RECEIVED, now)
        output.run(child, now)

    def on_established(self, child: Connection, now: float) -> None:
        self.protocol.half_open.pop(child, None)
        self.accept_queue.append(child)
        self.port.ready_changed()

    def on_gone(self, child: Connection, now: float) -> None:
        """A child ended before it was accepted. An established one stays to be accepted, as its data may still be
        read."""
        self.protocol.half_open.pop(child, None)

    def accept(self) -> Connection | None:
        """The child that has waited longest, or None."""
        if not self.accept_queue:
            return None
        child = self.accept_queue.popleft()
        child.listener = None
        return child

    def close(self, now: float) -> None:
        """RFC 9293 3.10.4: children that nobody has accepted are reset."""
        waiting = [*(c for c in self.protocol.half_open if c.listener is self), *self.accept_queue]
        self.accept_queue.clear()
        for child in waiting:
            child.abort(now)
