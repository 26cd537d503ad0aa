"""What is to be remembered of a conversation to print its segments as people read them: sequence numbers that begin at
0 with the SYN (at 1 where it was not seen), and windows multiplied by the factor the SYNs agreed on (RFC 7323 2.2).

Segments are followed in the order they passed; their views can be made at any time later. The number of conversations
is bounded: the one unused for longest is forgotten first.
"""

from __future__ import annotations

from typing import NamedTuple

from stack.wire import ethernet, ipv4, tcp
from stack.wire.drop import WireError
from stack.wire.tcp import Tcp

MAX_FLOWS = 4096
MASK = 0xFFFFFFFF


class View(NamedTuple):
    """One segment's numbers as they are printed."""

    seq: int  # relative
    ack: int  # relative; 0 without ACK
    window: int  # bytes, scaled
    shift: int | None  # by how many bits; None if it is not known
    ack_base: int  # the other side's first sequence number, which SACK blocks count from


class Flow:
    """One conversation, from its SYN until its ports are used again. Side 0 is the one that was seen first."""

    __slots__ = ("base", "first", "keys", "shift", "side")

    def __init__(self, source: bytes, key: bytes, mirrored: bytes) -> None:
        self.side = source  # address and port, packed, of side 0
        self.keys = (key, mirrored)
        self.first: tuple[int, int] | None = None  # of a conversation that was met later: its first seq and ack
        self.base: list[int | None] = [None, None]  # first sequence numbers
        self.shift: list[int | None] = [None, None]  # of windows; -1 if the SYN had none

    def learn(self, way: int, segment: Tcp) -> None:
        """Take what a segment from side `way` says."""
        is_syn = segment.flags & tcp.SYN
        if self.base[way] is None:
            self.base[way] = segment.seq if is_syn else (segment.seq - 1) & MASK
        if self.base[1 - way] is None and segment.flags & tcp.ACK:
            self.base[1 - way] = (segment.ack - 1) & MASK
        if is_syn:
            shift = tcp.parse_options(segment.options).window_scale
            self.shift[way] = -1 if shift is None else shift

    def way(self, src: bytes, segment: Tcp) -> int:
        return int(src + segment.src_port.to_bytes(2, "big") != self.side)

    def view(self, src: bytes, segment: Tcp) -> View:
        """The numbers of a segment of this conversation that came from `src`."""
        way = self.way(src, segment)
        base, ack_base = self.base[way] or 0, self.base[1 - way] or 0
        ack = (segment.ack - ack_base) & MASK if segment.flags & tcp.ACK else 0
        shift = None if segment.flags & tcp.SYN else self.shift[way]  # RFC 7323 2.2: a SYN's own is never scaled
        if shift is not None and -1 in self.shift:
            shift = 0  # RFC 7323 2.2: both SYNs carry the option, or neither side scales
        return View((segment.seq - base) & MASK, ack, segment.window << (shift or 0), shift, ack_base)


class Flows:
    def __init__(self, limit: int = MAX_FLOWS) -> None:
        self.limit = limit
        self._flows: dict[bytes, Flow] = {}  # by addresses and ports as they lie in the packet: twice, once a direction

    def __len__(self) -> int:
        return len(self._flows) // 2

    def follow(self, data: bytes | memoryview) -> Flow | None:
        """The conversation a frame belongs to, None if it is no TCP segment in a whole IPv4 datagram."""
        if len(data) >= 54 and data[12] == 8 and data[13] == 0 and data[14] == 0x45 and not data[47] & tcp.SYN:
            # A segment of a known conversation teaches nothing: keep the cost low in a flood.
            key = bytes(data[26:38])
            flow = self._flows.get(key)
            if flow is not None and data[23] == 6 and not data[20] & 0x3F and not data[21] and None not in flow.base:
                self._flows[key] = self._flows.pop(key)
                return flow
        found = segment_of(data)
        return None if found is None else self._follow(*found)

    def _follow(self, src: bytes, dst: bytes, segment: Tcp) -> Flow:
        src_port, dst_port = segment.src_port.to_bytes(2, "big"), segment.dst_port.to_bytes(2, "big")
        key = src + dst + src_port + dst_port
        flow = self._flows.get(key)
        is_syn = segment.flags & tcp.SYN
        if flow is None or (is_syn and flow.base[flow.way(src, segment)] not in (None, segment.seq)):
            # Never seen, or its ports are used again.
            flow = Flow(src + src_port, key, dst + src + dst_port + src_port)
            self._flows[flow.keys[1]] = flow
            if not is_syn:
                flow.first = segment.seq, segment.ack
        flow.learn(flow.way(src, segment), segment)
        self._flows.pop(key, None)  # the last used is the last to go
        self._flows[key] = flow
        while len(self._flows) > 2 * self.limit:
            for old in next(iter(self._flows.values())).keys:
                self._flows.pop(old, None)
        return flow


def segment_of(data: bytes | memoryview) -> tuple[bytes, bytes, Tcp] | None:
    """(source, destination, segment) of a frame that is a TCP segment in an unfragmented IPv4 datagram, else None."""
    try:
        frame = ethernet.fields(data)
        if frame.ethertype != ethernet.ETHERTYPE_IPV4:
            return None
        ip = ipv4.fields(frame.payload)
        if ip.version != 4 or ip.protocol != ipv4.PROTOCOL_TCP or ip.fragment_offset or ip.flags & ipv4.MF:
            return None
        return ip.src, ip.dst, tcp.fields(ip.payload)
    except WireError:
        return None
