"""Which connection a segment is for (RFC 9293 3.10.7.1), who is bound where, and errors that come back by ICMP (RFC
5927)."""

from __future__ import annotations

import errno
from struct import Struct

from stack.interface import Interface
from stack.ip.transport import IcmpError
from stack.net import Net
from stack.port import Bindings, Endpoint, Port, error
from stack.tcp import output
from stack.tcp.arrive import arrive
from stack.tcp.connection import Connection
from stack.tcp.listener import Listener
from stack.tcp.port import TcpPort
from stack.tcp.state import SYNCHRONIZED, State
from stack.wire import icmpv4, ipv4, tcp
from stack.wire.address import is_loopback, is_unspecified
from stack.wire.drop import Drop, WireError
from stack.wire.sequence import diff, gt

Key = tuple[bytes, int, bytes, int]  # local address and port, remote address and port
MIN_PATH_MTU = 552  # bytes: Linux's min_pmtu; a forged error shall not make us send headers only
QUOTE = Struct("!HHI")  # what an ICMP error must quote of a segment: ports and sequence number


class Tcp:
    def __init__(self, net: Net) -> None:
        self.net = net
        self.bindings = Bindings(net.config)
        self.connections: dict[Key, Connection] = {}
        self.half_open: dict[Connection, None] = {}  # children of every listener, in the order of their SYNs
        self.time_waiting: dict[Connection, None] = {}  # the oldest first
        self.orphans: dict[Connection, None] = {}
        self.owing: list[Connection] = []  # connections that owe an ACK at the end of this batch
        self.sending: dict[Connection, None] = {}  # those that could send more at once than one turn allows
        self._challenges_left = 0
        self._challenges_until = 0.0

    def open(self) -> TcpPort:
        return TcpPort(self)

    # --- in

    def input(self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, verified: bool, now: float) -> None:
        """One segment. Raises WireError if it is dropped."""
        src, dst = packet.src, packet.dst
        segment = tcp.parse(packet.payload, src, dst, verified)
        connection = self.connections.get((dst, segment.dst_port, src, segment.src_port))
        if connection is not None and not self._makes_way(connection, segment, now):
            arrive(connection, segment, now)
            return
        # RFC 9293 3.10.7: nothing but unicast; RFC 1122 4.2.3.10.
        if self.net.is_for_many(dst) or is_unspecified(src):
            raise WireError(Drop.TCP_NOT_UNICAST)
        local, remote = Endpoint(dst, segment.dst_port), Endpoint(src, segment.src_port)
        listener = self._listener(local)
        if listener is not None:
            after = None if connection is None else connection.snd_max
            listener.arrive(local, remote, segment, after, now)
            return
        output.reset_stranger(self.net, local, remote, segment, now)
        raise WireError(Drop.TCP_NO_SOCKET)

    def _makes_way(self, connection: Connection, segment: tcp.Tcp, now: float) -> bool:
        """RFC 9293 3.10.7.4: a SYN with a higher sequence number may open a connection anew from TIME-WAIT."""
        if connection.state is not State.TIME_WAIT or segment.flags & (tcp.SYN | tcp.ACK | tcp.RST) != tcp.SYN:
            return False
        if not gt(segment.seq, connection.rcv_nxt) or self._listener(connection.local) is None:
            return False
        connection.done(now)
        return True

    def _listener(self, local: Endpoint) -> Listener | None:
        """The listener bound to the very address, else the one bound to any."""
        found: Listener | None = None
        for port in self.bindings.at(local.port):
            assert isinstance(port, TcpPort) and port.local is not None
            if port.listener is None:
                continue
            if port.local.address == local.address:
                return port.listener
            if is_unspecified(port.local.address):
                found = port.listener
        return found

    def on_icmp_error(self, report: IcmpError, now: float) -> bool:
        """An ICMP error about a segment of ours; whether it is one of a live connection's."""
        original = report.original
        if len(original.payload) < QUOTE.size:
            return False
        src_port, dst_port, seq = QUOTE.unpack_from(original.payload)
        connection = self.connections.get((original.src, src_port, original.dst, dst_port))
        # RFC 5927 4.1: only if it quotes something that is in flight.
        if connection is None or not 0 <= diff(seq, connection.snd_una) < connection.flight:
            return False
        if report.type == icmpv4.DESTINATION_UNREACHABLE and report.code == icmpv4.FRAGMENTATION_NEEDED:
            self._smaller(connection, report.mtu, now)
        elif connection.state in (State.SYN_SENT, State.SYN_RECEIVED) and report.type == icmpv4.DESTINATION_UNREACHABLE:
            # As Linux: a connection not yet open takes the network at its word; RFC 5461 3 weighs the two.
            connection.done(now, report.errno)
        # RFC 1122 4.2.3.9, RFC 5927 6.1: else errors are soft; retransmission decides.
        return True

    def _smaller(self, connection: Connection, mtu: int, now: float) -> None:
        """RFC 1191 6.4: the path takes no more than `mtu`; smaller segments from now on, beginning with what was too
        big."""
        mss = max(mtu, MIN_PATH_MTU) - connection.ip.header_length - 20
        if mss < connection.mss and connection.state in SYNCHRONIZED:
            connection.mss = connection.congestion.mss = mss
            connection.snd_nxt = connection.snd_una
            connection.resend_why = "path MTU"
            output.run(connection, now)

    # --- in turns

    def send_later(self, connection: Connection) -> None:
        """A connection has had its turn and is not done: its next is in `send_more`, which is due at once."""
        self.sending[connection] = None

    def send_more(self, now: float) -> None:
        """Give the one that waits longest a turn."""
        connection = next(iter(self.sending), None)
        if connection is not None:
            del self.sending[connection]
            output.run(connection, now)

    def settle(self, now: float) -> None:
        """The end of a batch of frames: send the ACKs that are still owed for it."""
        if self.owing:
            owing, self.owing = self.owing, []
            for connection in owing:
                output.settle(connection, now)

    # --- who is where

    def add(self, connection: Connection) -> None:
        local, remote = connection.local, connection.remote
        self.connections[(local.address, local.port, remote.address, remote.port)] = connection

    def on_time_wait(self, connection: Connection, now: float) -> None:
        """Keep no more of them than the setting says: whoever waited longest has done so for long enough."""
        self.orphans.pop(connection, None)
        self.time_waiting[connection] = None
        if len(self.time_waiting) > self.net.config.tcp_max_tw_buckets:
            next(iter(self.time_waiting)).done(now)

    def on_orphan(self, connection: Connection, now: float) -> None:
        """Nobody owns it any more. Those beyond the setting are reset rather than kept, as Linux does."""
        self.orphans[connection] = None
        if len(self.orphans) > self.net.config.tcp_max_orphans:
            connection.abort(now)

    def may_challenge(self, now: float) -> bool:
        """RFC 5961 7: whether there is still room for one more challenge ACK, which is taken then."""
        if now >= self._challenges_until:
            # Not the same number each second, as Linux: who counts them would learn of other people's connections
            # (CVE-2016-5696).
            rate = self.net.config.tcp_challenge_ack_limit
            self._challenges_left = (rate + 1) // 2 + (self.net.config.rng.randrange(0, rate) if rate else 0)
            self._challenges_until = now + 1.0
        self._challenges_left -= 1
        return self._challenges_left >= 0

    def forget(self, connection: Connection) -> None:
        self.time_waiting.pop(connection, None)
        self.orphans.pop(connection, None)
        self.sending.pop(connection, None)
        local, remote = connection.local, connection.remote
        key = (local.address, local.port, remote.address, remote.port)
        if self.connections.get(key) is connection:
            del self.connections[key]

    def bind(self, port: TcpPort, address: bytes, number: int) -> None:
        """Give the port a local endpoint. Raises EADDRINUSE."""
        if number == 0:
            number = self.bindings.ephemeral(lambda n: not self.bindings.at(n) and not self._in_use(address, n))
        elif not port.options.reuse_address and self._in_use(address, number):
            raise error(errno.EADDRINUSE)
        self.bindings.bind(port, address, number, may_share)

    def _in_use(self, address: bytes, number: int) -> bool:
        """Whether a connection, TIME-WAIT included, still holds the endpoint: what SO_REUSEADDR overrides."""
        return any(
            c.local.port == number and (is_unspecified(address) or c.local.address == address)
            for c in self.connections.values()
        )

    def check_listen(self, port: TcpPort) -> None:
        """Raise EADDRINUSE if another port listens at the same endpoint."""
        assert port.local is not None
        for other in self.bindings.at(port.local.port):
            assert isinstance(other, TcpPort) and other.local is not None
            if other is not port and other.listener is not None and overlap(port.local.address, other.local.address):
                raise error(errno.EADDRINUSE)

    def local_for(self, port: TcpPort, remote: Endpoint) -> Endpoint:
        """The local endpoint of a new connection: what is bound, filled in. Raises ENETUNREACH, EINVAL,
        EADDRNOTAVAIL."""
        bound = port.local
        address = self.net.ip_for(remote.address).source_for(remote.address)
        if bound is not None and not is_unspecified(bound.address):
            if (
                is_loopback(bound.address)
                and not is_loopback(address)
                and remote.address not in self.net.own_addresses
            ):
                raise error(errno.EINVAL, "from loopback to another host")
            address = bound.address

        def is_free(number: int) -> bool:
            return (address, number, remote.address, remote.port) not in self.connections

        if bound is not None:
            if not is_free(bound.port):
                raise error(errno.EADDRNOTAVAIL)  # Linux: the same four numbers are still alive
            return Endpoint(address, bound.port)
        # Linux: connect(2) has another word for it than bind(2).
        number = self.bindings.ephemeral(lambda n: is_free(n) and not self.bindings.at(n), errno.EADDRNOTAVAIL)
        return Endpoint(address, number)


def overlap(a: bytes, b: bytes) -> bool:
    return a == b or is_unspecified(a) or is_unspecified(b)


def may_share(a: Port, b: Port) -> bool:
    """Linux: SO_REUSEADDR on both shares a TCP port as long as neither listens."""
    assert isinstance(a, TcpPort) and isinstance(b, TcpPort)
    both = a.options.reuse_address and b.options.reuse_address
    return both and a.listener is None and b.listener is None
