"""What the core tells those who watch: one small class an event, and the Observer they are handed to.

An observer appends and returns; formatting happens elsewhere, later, in another thread. A `Dropped` emitted while a
frame is being received speaks of that frame; a frame sent for a reason carries its event in `OutFrame.why`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from stack.wire.address import format_endpoint, format_ip, format_mac
from stack.wire.drop import Drop

if TYPE_CHECKING:
    from stack.autoconf.lease import Lease
    from stack.interface import Interface, Offload


class Dropped(NamedTuple):
    """A packet ended here. `detail` adds what the reason alone cannot say; `outgoing` if it was on its way out."""

    reason: Drop
    interface: Interface | None
    outgoing: bool = False
    detail: str = ""

    def __str__(self) -> str:
        return f"dropped: {self.reason.value}" + (f" ({self.detail})" if self.detail else "")


class Retransmit(NamedTuple):
    """A TCP segment is sent again; `why` is 'timeout', 'fast retransmit', 'partial ack', 'zero-window probe', ..."""

    local: tuple[bytes, int]
    remote: tuple[bytes, int]
    seq: int
    length: int
    why: str
    times: int  # how often it has now been resent
    waited: float | None  # seconds since it was last sent

    def __str__(self) -> str:
        after = "" if self.waited is None else f", {self.waited:.3f} s after it was last sent"
        return f"resent: {self.why}, time {self.times}{after}"


class StateChange(NamedTuple):
    """A connection moved through RFC 9293's figure 5. `old` and `new` are the RFC's names."""

    local: tuple[bytes, int]
    remote: tuple[bytes, int]
    old: str
    new: str

    def __str__(self) -> str:
        return f"{format_endpoint(*self.local)} > {format_endpoint(*self.remote)} {self.old} -> {self.new}"


class RttSample(NamedTuple):
    local: tuple[bytes, int]
    remote: tuple[bytes, int]
    rtt: float
    srtt: float
    rto: float

    def __str__(self) -> str:
        return f"rtt {self.rtt * 1e3:.3f} ms, srtt {self.srtt * 1e3:.3f} ms, rto {self.rto * 1e3:.0f} ms"


class CwndChange(NamedTuple):
    """`why` is 'slow start', 'congestion avoidance', 'fast recovery', 'timeout', 'recovered'."""

    local: tuple[bytes, int]
    remote: tuple[bytes, int]
    cwnd: int
    ssthresh: int
    why: str

    def __str__(self) -> str:
        return f"cwnd {self.cwnd}, ssthresh {self.ssthresh}: {self.why}"


class NeighborChange(NamedTuple):
    """`state` is `ip neigh`'s word: INCOMPLETE REACHABLE STALE DELAY PROBE FAILED."""

    interface: Interface
    address: bytes
    mac: bytes | None
    state: str

    def __str__(self) -> str:
        lladdr = f" lladdr {format_mac(self.mac)}" if self.mac else ""
        return f"{format_ip(self.address)} dev {self.interface.name}{lladdr} {self.state}"


class AddressConflict(NamedTuple):
    """Somebody else has our address (RFC 5227). If it was still being probed it is not taken."""

    interface: Interface
    address: bytes
    mac: bytes
    taken: bool  # True if the address was ours already when the conflict was seen

    def __str__(self) -> str:
        return f"{format_ip(self.address)} is in use by {format_mac(self.mac)}"


class AddressReady(NamedTuple):
    """A probed address is ours from now on."""

    interface: Interface
    address: bytes
    prefixlen: int

    def __str__(self) -> str:
        return f"{format_ip(self.address)}/{self.prefixlen} is ours on {self.interface.name}"


class LeaseState(NamedTuple):
    """A DHCP client moved through RFC 2131's figure 5. `old` and `new` are the RFC's names, and CHECKING, STOPPED."""

    interface: Interface
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.interface.name}: DHCP {self.old} -> {self.new}"


class LeaseAsked(NamedTuple):
    """A DHCP message went out; `message` is 'DISCOVER', 'REQUEST', ..., `times` how often it has now been sent."""

    interface: Interface
    message: str
    address: bytes | None  # what is asked for, or given up
    server: bytes | None  # None: whoever answers
    times: int

    def __str__(self) -> str:
        what = f" for {format_ip(self.address)}" if self.address else ""
        to = f" to {format_ip(self.server)}" if self.server else ""
        again = f", try {self.times}" if self.times > 1 else ""
        return f"{self.interface.name}: DHCP {self.message}{what}{to}{again}"


class LeaseOffered(NamedTuple):
    interface: Interface
    address: bytes
    server: bytes

    def __str__(self) -> str:
        return f"{self.interface.name}: {format_ip(self.server)} offers {format_ip(self.address)}"


class LeaseBound(NamedTuple):
    """The lease is ours, or ours for longer."""

    interface: Interface
    lease: Lease
    renewed: bool

    def __str__(self) -> str:
        lease = self.lease
        how_long = "for ever" if lease.seconds == float("inf") else f"for {lease.seconds:.0f} s"
        return f"{self.interface.name}: {lease} {'renewed' if self.renewed else 'leased'} {how_long}"


class LeaseRefused(NamedTuple):
    """The server said NAK."""

    interface: Interface
    server: bytes | None
    message: str

    def __str__(self) -> str:
        who = format_ip(self.server) if self.server else "a server"
        return f"{self.interface.name}: {who} refused the lease" + (f": {self.message}" if self.message else "")


class LeaseUnusable(NamedTuple):
    """A server answered with something that cannot be lived on. Told once for each question."""

    interface: Interface
    server: bytes | None
    why: str

    def __str__(self) -> str:
        who = format_ip(self.server) if self.server else "a server"
        return f"{self.interface.name}: {who} offered what cannot be lived on: {self.why}"


class LeaseDeclined(NamedTuple):
    """The address we were given is somebody else's; the server has been told."""

    interface: Interface
    address: bytes
    mac: bytes

    def __str__(self) -> str:
        return f"{self.interface.name}: {format_ip(self.address)} declined, {format_mac(self.mac)} has it"


class LeaseExpired(NamedTuple):
    interface: Interface
    address: bytes

    def __str__(self) -> str:
        return f"{self.interface.name}: the lease of {format_ip(self.address)} has expired"


class LeaseReleased(NamedTuple):
    interface: Interface
    address: bytes
    server: bytes

    def __str__(self) -> str:
        return f"{self.interface.name}: {format_ip(self.address)} given back to {format_ip(self.server)}"


class InterfaceDown(NamedTuple):
    """Its device is gone: deleted, unplugged. It does not come back."""

    interface: Interface
    why: str

    def __str__(self) -> str:
        return f"{self.interface.name} is gone: {self.why}"


class Fault(NamedTuple):
    """An exception inside the core that the engine survived: a bug of ours, with its traceback."""

    traceback: str

    def __str__(self) -> str:
        return "fault in the stack: " + (self.traceback.strip().splitlines() or ["?"])[-1]


Event = (
    Dropped
    | Retransmit
    | StateChange
    | RttSample
    | CwndChange
    | NeighborChange
    | AddressConflict
    | AddressReady
    | LeaseState
    | LeaseAsked
    | LeaseOffered
    | LeaseBound
    | LeaseRefused
    | LeaseUnusable
    | LeaseDeclined
    | LeaseExpired
    | LeaseReleased
    | InterfaceDown
    | Fault
)


class Observer(Protocol):
    """Called inside the core: append and return."""

    def on_frame(
        self,
        interface: Interface,
        outgoing: bool,
        head: bytes | memoryview,
        payload: bytes | memoryview,
        offload: Offload | None,
        why: Event | None,
        now: float,
    ) -> None: ...

    def on_event(self, event: Event, now: float) -> None: ...
