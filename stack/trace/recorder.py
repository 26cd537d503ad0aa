"""The flight recorder: always on, it keeps the last frames and events of a stack in a ring bounded in bytes.

It is an Observer (`stack.events`), called inside the core: it appends and returns, about a microsecond a frame. Frames
are kept as the parts they came in, never copied, because all parts are immutable. Nothing is formatted here. Reading is
safe from any other thread: an item once appended changes only by gaining notes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from stack.events import Dropped
from stack.trace import linktype
from stack.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from stack.wire.arp import Arp
from stack.wire.drop import WireError
from stack.wire.ethernet import Ethernet
from stack.wire.icmpv4 import Icmp
from stack.wire.ipv4 import Ipv4
from stack.wire.tcp import Tcp
from stack.wire.udp import Udp

if TYPE_CHECKING:
    from stack.events import Event
    from stack.interface import Interface, Offload
    from stack.trace.flow import Flow

RING_BYTES = 8 << 20
SETTLE = 0.02  # s: what the stack has to say of a frame it says well within
OVERHEAD = 320  # bytes of memory an item takes beside its frame's

Header = TypeVar("Header")
Data = TypeVar("Data", bytes, memoryview)


class Comment(str):
    """What a file says of a packet."""

    @property
    def is_bad(self) -> bool:
        return "dropped: " in self


class Entry:
    """One frame as the device saw it. `head` and `payload` are its two parts; `why` is what the stack said when it sent
    it, `notes` what it said of it afterwards; `flow` is filled in when somebody looks (`stack.trace.flow`).

    The headers, for functions that choose frames (`entry.tcp and entry.tcp.dst_port == 80`), are read when they are
    asked for: whatever their bytes say, None where there is none.
    """

    linktype = linktype.ETHERNET
    is_foreign = False  # whether it comes from a file, which does not say all that a device does
    missing = 0  # bytes that a capture has left out

    __slots__ = (
        "flow",
        "head",
        "interface",
        "notes",
        "number",
        "offload",
        "outgoing",
        "payload",
        "serial",
        "time",
        "why",
    )

    def __init__(
        self,
        serial: int,
        number: int,
        time: float,
        interface: str,
        outgoing: bool | None,
        head: bytes | memoryview,
        payload: bytes | memoryview,
        offload: Offload | None,
        why: Event | None,
    ) -> None:
        self.serial = serial  # of all items, events included
        self.number = number  # of all frames, from 1
        self.time = time  # seconds on the stack's clock
        self.interface = interface
        self.outgoing = outgoing  # None: a file that does not say
        self.head = head
        self.payload = payload
        self.offload = offload
        self.why = why
        self.notes: tuple[Event | Comment, ...] = ()
        self.flow: Flow | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole frame."""
        return len(self.head) + len(self.payload)

    @property
    def data(self) -> bytes:
        """The whole frame in one piece."""
        return bytes(self.head) + bytes(self.payload) if self.payload else bytes(self.head)

    @property
    def framed(self) -> bytes | memoryview:
        """The first part as it would lie in an Ethernet frame: what filters and flows look at."""
        return self.head

    @property
    def ethernet(self) -> Ethernet | None:
        return _read(ethernet.fields, self.data) if self.linktype == linktype.ETHERNET else None

    def _network(self, ethertype: int) -> memoryview | None:
        data = self.data
        found, start = linktype.network(self.linktype, data)
        return memoryview(data)[start:] if found == ethertype else None

    @property
    def arp(self) -> Arp | None:
        packet = self._network(ethernet.ETHERTYPE_ARP)
        return None if packet is None else _read(arp.fields, packet)

    @property
    def ip(self) -> Ipv4 | None:
        packet = self._network(ethernet.ETHERTYPE_IPV4)
        return None if packet is None else _read(ipv4.fields, packet)

    @property
    def icmp(self) -> Icmp | None:
        return self._transport(icmpv4.fields, ipv4.PROTOCOL_ICMP)

    @property
    def udp(self) -> Udp | None:
        return self._transport(udp.fields, ipv4.PROTOCOL_UDP)

    @property
    def tcp(self) -> Tcp | None:
        return self._transport(tcp.fields, ipv4.PROTOCOL_TCP)

    def _transport(self, fields: Callable[[memoryview], Header], protocol: int) -> Header | None:
        ip = self.ip
        if ip is None or ip.protocol != protocol or ip.fragment_offset:
            return None
        return _read(fields, ip.payload)

    def __repr__(self) -> str:
        return f"<frame {self.number}: {self.size} bytes {'out' if self.outgoing else 'in'} on {self.interface}>"


def _read(fields: Callable[[Data], Header], data: Data) -> Header | None:
    try:
        return fields(data)
    except WireError:
        return None


class Note:
    """An event that speaks of no single frame, and the number of the frame that came last before it."""

    __slots__ = ("after", "event", "serial", "time")

    def __init__(self, serial: int, after: int, time: float, event: Event) -> None:
        self.serial = serial
        self.after = after
        self.time = time
        self.event = event

    def __repr__(self) -> str:
        return f"<note after frame {self.after}: {self.event}>"


class Recorder:
    """`limit` bounds the memory of the ring, in bytes. `number` frames were seen so far, `evicted` of them are gone."""

    def __init__(self, limit: int = RING_BYTES) -> None:
        self.limit = limit
        self.bytes = 0
        self.number = 0
        self.serial = 0
        self.evicted = 0
        self.started: float | None = None  # when the first frame passed
        self.wake: Callable[[], None] | None = None  # called once, on the next item, by whoever records it
        self.takers: tuple[Callable[[Entry | Note], None], ...] = ()  # called with each item, inside the core
        self._items: deque[Entry | Note] = deque()
        self._received: Entry | None = None

    def on_frame(
        self,
        interface: Interface,
        outgoing: bool,
        head: bytes | memoryview,
        payload: bytes | memoryview,
        offload: Offload | None,
        why: Event | None,
        now: float,
    ) -> None:
        self.serial = serial = self.serial + 1
        self.number = number = self.number + 1
        entry = Entry(serial, number, now, interface.name, outgoing, head, payload, offload, why)
        self._items.append(entry)
        if not outgoing:
            self._received = entry
        self.bytes = kept = self.bytes + len(head) + len(payload) + OVERHEAD
        if kept > self.limit:
            self._evict()
        if number == 1:
            self.started = now
        for take in self.takers:
            take(entry)
        if self.wake is not None:
            self._wake()

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, Dropped) and not event.outgoing and self._is_of_received(event, now):
            assert self._received is not None
            self._received.notes += (event,)
            return
        self.serial += 1
        note = Note(self.serial, self.number, now, event)
        self._items.append(note)
        self.bytes += OVERHEAD
        if self.bytes > self.limit:
            self._evict()
        for take in self.takers:
            take(note)
        if self.wake is not None:
            self._wake()

    def _is_of_received(self, dropped: Dropped, now: float) -> bool:
        """Whether the frame being received right now is what was dropped: the same instant, the same interface."""
        entry = self._received
        if entry is None or entry.time != now or entry.number <= self.evicted:
            return False
        return dropped.interface is None or dropped.interface.name == entry.interface

    def _evict(self) -> None:
        items = self._items
        while self.bytes > self.limit:
            item = items.popleft()
            self.bytes -= OVERHEAD
            if isinstance(item, Entry):
                self.bytes -= item.size
                self.evicted = item.number

    def _wake(self) -> None:
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()

    def since(self, serial: int) -> list[Entry | Note]:
        """What is still kept of the items after `serial`, oldest first."""
        while True:
            count = max(self.serial - serial, 0) + 16  # a few more, should some be recorded meanwhile
            try:
                newest = list(islice(reversed(self._items), count))
            except RuntimeError:  # the ring changed under the iterator
                continue
            if len(newest) < count or newest[-1].serial <= serial + 1:
                break
        newest.reverse()
        return [item for item in newest if item.serial > serial]

    def items(self) -> list[Entry | Note]:
        """Everything kept, oldest first."""
        return self.since(0)

    def frames(self) -> list[Entry]:
        return [item for item in self.items() if isinstance(item, Entry)]

    def clear(self) -> None:
        """Forget what is kept; numbers go on."""
        self._items.clear()
        self.bytes = 0
        self.evicted = self.number
        self._received = None

    def __repr__(self) -> str:
        kept = self.number - self.evicted
        return f"<recorder: {kept} of {self.number} frames kept, {self.bytes / (1 << 20):.1f} MiB>"
