"""The DHCP client as a state machine (RFC 2131 3, 4.4): messages, answers to a claim and time go in, orders come out.

It does nothing itself: what it wants sent, claimed, configured or given up, and what is to be told, it appends to
`out`; when it wants to be called it says in `wake_at`. `stack.autoconf.dhcp_host` does the rest. It takes the first
offer that can be lived on, and believes nobody but the server that it asked.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import NamedTuple

from stack.autoconf.lease import Known, Lease, Unusable, lease_from
from stack.config import Config
from stack.events import (
    Dropped,
    Event,
    LeaseAsked,
    LeaseBound,
    LeaseDeclined,
    LeaseExpired,
    LeaseOffered,
    LeaseRefused,
    LeaseReleased,
    LeaseState,
    LeaseUnusable,
)
from stack.interface import Interface
from stack.wire import dhcpv4
from stack.wire.address import ANY4, BROADCAST4
from stack.wire.dhcpv4 import ACK, BOOTREPLY, BOOTREQUEST, DECLINE, DISCOVER, NAK, OFFER, RELEASE, REQUEST, Dhcp
from stack.wire.dhcpv4_options import MESSAGE_TYPES, Options
from stack.wire.drop import Drop

# What we ask for. RFC 3442: classless routes before the router.
PARAMETERS = (1, 121, 3, 6, 12, 15, 26, 28, 33, 51, 54, 58, 59, 119)


class State(Enum):
    """RFC 2131 figure 5; CHECKING is its "ARP for the address", STOPPED before the beginning and after a release."""

    STOPPED = "STOPPED"
    INIT = "INIT"
    SELECTING = "SELECTING"
    REQUESTING = "REQUESTING"
    REBOOTING = "REBOOTING"
    CHECKING = "CHECKING"
    BOUND = "BOUND"
    RENEWING = "RENEWING"
    REBINDING = "REBINDING"


HOLDING = (State.BOUND, State.RENEWING, State.REBINDING)


class Send(NamedTuple):
    """To the server port of `dst`; BROADCAST4 means this link's, whatever the routes say."""

    payload: bytes
    src: bytes
    dst: bytes


class Claim(NamedTuple):
    """Find out whether the address is free, then say `on_claimed` or `on_conflict`."""

    lease: Lease


class Configure(NamedTuple):
    """The address is ours: install what else the lease says, in place of what `Configure` said before."""

    lease: Lease


class Withdraw(NamedTuple):
    """The address is ours no longer, nor is anything that came with it."""

    lease: Lease


Order = Send | Claim | Configure | Withdraw | Event


class Client:
    """The client of one interface. `lease` is what we live on, None outside BOUND, RENEWING and REBINDING."""

    def __init__(self, interface: Interface, config: Config, hostname: str = "", client_id: bytes = b"") -> None:
        self.interface = interface
        self.out: deque[Order] = deque()
        self.wake_at: float | None = None
        self.state = State.STOPPED
        self.lease: Lease | None = None
        self._config = config
        self._hostname = hostname
        # RFC 2131 4.2, RFC 2132 9.14: the hardware type and address unless somebody chose otherwise.
        self._client_id = client_id or b"\x01" + interface.mac
        self._wanted: Lease | None = None  # offered, or acknowledged and being checked
        self._address: bytes | None = None  # what we would like to have, for we had it before
        self._xid = 0
        self._began_at = 0.0
        self._secs = 0
        self._tries = 0
        self._sent_at = 0.0
        self._refusals = 0  # in a row
        self._has_complained = False  # of an answer to what was sent last

    # --- what the user wants

    def start(self, known: Known | None, now: float) -> None:
        """Get a lease; the one that is `known` from before, if it can be had."""
        self._refusals = 0
        if known is not None:
            self._address = known.address
        if known is not None and known.expires_at > now:
            self._begin(State.REBOOTING, now)
            self._request(now)
        else:
            self._enter(State.INIT)
            self.wake_at = now + self._config.rng.uniform(0.0, self._config.dhcp_start_wait)

    def renew(self, now: float) -> None:
        """Ask for more time now rather than at T1; nothing without a lease."""
        if self.state in HOLDING:
            self._begin(State.RENEWING, now)
            self._request(now)

    def release(self, now: float) -> None:
        """Give the lease back, if there is one, and stop."""
        lease = self.lease
        if lease is not None:
            # RFC 2131 4.4.6, table 5: unicast, with ciaddr and without a list of parameters.
            self._xid = self._config.rng.getrandbits(32)
            options = Options(message_type=RELEASE, server_id=lease.server, client_id=self._client_id)
            self._send(options, lease.address, lease.address, lease.server)
            self.out.append(LeaseReleased(self.interface, lease.address, lease.server))
        self.stop(now)

    def stop(self, now: float) -> None:
        """Give the address up without telling the server."""
        self._give_up()
        self._enter(State.STOPPED)
        self.wake_at = None

    # --- what time brings

    def on_timer(self, now: float) -> None:
        """`wake_at` has come."""
        self.wake_at = None
        if self.state is State.INIT:
            self._begin(State.SELECTING, now)
            self._discover(now)
        elif self.state is State.SELECTING:
            self._discover(now)
        elif self.state is State.REQUESTING:
            # RFC 2131 3.1 (5): after the last try the client restarts.
            self._request_again(self._config.dhcp_request_tries, now)
        elif self.state is State.REBOOTING:
            # Deviation: RFC 2131 3.2 (4) lets a client that hears nothing keep the old address until it expires; in
            # another network that would be somebody else's, so a new one is looked for.
            self._request_again(self._config.dhcp_reboot_tries, now)
        elif self.lease is not None:
            self._on_lease_timer(self.lease, now)

    def _on_lease_timer(self, lease: Lease, now: float) -> None:
        # RFC 2131 4.4.5. The times are looked at from the last, for the host may have slept through all of them.
        if now >= lease.expires_at:
            self._give_up()
            self.out.append(LeaseExpired(self.interface, lease.address))
            self._restart(0.0, now)
            return
        wanted = State.REBINDING if now >= lease.t2_at else State.RENEWING
        if self.state is not wanted:
            self._begin(wanted, now)
        self._request(now)

    def _request_again(self, tries: int, now: float) -> None:
        if self._tries < tries:
            self._request(now)
        else:
            self._restart(0.0, now)

    # --- what others say

    def on_claimed(self, now: float) -> None:
        """Nobody else has the address: it is ours."""
        if self.state is State.CHECKING and self._wanted is not None:
            self._bind(self._wanted, False, now)

    def on_conflict(self, mac: bytes, now: float) -> None:
        """Somebody else has the address that was being claimed."""
        wanted = self._wanted
        if self.state is not State.CHECKING or wanted is None:
            return
        # RFC 2131 3.1 (5), 4.4.4: tell the server, wait, start over; and do not ask for this one again.
        self._address = None
        options = Options(
            message_type=DECLINE, requested=wanted.address, server_id=wanted.server, client_id=self._client_id
        )
        self._send(options, ANY4, ANY4, BROADCAST4)
        self.out.append(LeaseDeclined(self.interface, wanted.address, mac))
        self._restart(self._config.dhcp_decline_wait, now)

    def input(self, message: Dhcp, now: float) -> Dropped | None:
        """One message that came to the client port; what it was dropped for, if it was."""
        if message.op != BOOTREPLY or message.hardware != self.interface.mac:
            return Dropped(Drop.DHCP_NOT_OURS, self.interface)
        # RFC 2131 4.4.1: a reply whose xid is not that of the request is silently discarded.
        if message.xid != self._xid:
            return Dropped(Drop.DHCP_NOT_OURS, self.interface, detail="another transaction")
        options = dhcpv4.parse_options(message)
        kind = options.message_type
        is_asking = self.state in (State.REQUESTING, State.REBOOTING, State.RENEWING, State.REBINDING)
        try:
            if kind == OFFER and self.state is State.SELECTING:
                self._on_offer(message, options, now)
            elif kind == ACK and is_asking:
                self._on_ack(message, options, now)
            elif kind == NAK and is_asking:
                self._on_nak(options, now)
            else:
                name = MESSAGE_TYPES.get(kind or 0, "no message type")
                return Dropped(Drop.DHCP_UNEXPECTED, self.interface, detail=f"{name} in {self.state.value}")
        except Unusable as e:
            if not self._has_complained:
                self._has_complained = True
                self.out.append(LeaseUnusable(self.interface, options.server_id, str(e)))
            return Dropped(Drop.DHCP_UNUSABLE, self.interface, detail=str(e))
        return None

    def _on_offer(self, message: Dhcp, options: Options, now: float) -> None:
        offer = lease_from(message, options, now, self._config.rng)
        self._wanted = offer
        self.out.append(LeaseOffered(self.interface, offer.address, offer.server))
        # RFC 2131 4.4.1: the REQUEST goes on with the xid and the secs of the DISCOVER.
        self._enter(State.REQUESTING)
        self._tries = 0
        self._request(now)

    def _on_ack(self, message: Dhcp, options: Options, now: float) -> None:
        acknowledged = lease_from(message, options, self._sent_at, self._config.rng)
        asked = self._wanted if self.state is State.REQUESTING else self.lease
        if self.state is State.REQUESTING and asked is not None and acknowledged.server != asked.server:
            raise Unusable("not from the server that was asked")
        address = asked.address if asked is not None else self._address
        if acknowledged.address != address:
            raise Unusable("not the address that was asked for")
        if self.lease is not None:
            self._bind(acknowledged, True, now)
            return
        # RFC 2131 4.4.1: the client SHOULD check that nobody else uses the address.
        self._wanted = acknowledged
        self._enter(State.CHECKING)
        self.wake_at = None
        self.out.append(Claim(acknowledged))

    def _on_nak(self, options: Options, now: float) -> None:
        if self.state is State.REQUESTING and self._wanted is not None and options.server_id != self._wanted.server:
            raise Unusable("not from the server that was asked")
        # RFC 2131 3.1 (4), 3.2 (3), 4.4.5: the address is not ours, or no longer: stop using it and start over.
        self._address = None
        self._give_up()
        self.out.append(LeaseRefused(self.interface, options.server_id, options.message))
        # A server that offers and refuses in turn is not asked at the speed of the link.
        wait = self._wait(self._refusals - 1) if self._refusals else 0.0
        self._refusals += 1
        self._restart(wait, now)

    # --- steps

    def _bind(self, lease: Lease, is_renewed: bool, now: float) -> None:
        self._wanted = None
        self._refusals = 0
        self.lease = lease
        self._address = lease.address
        self._enter(State.BOUND)
        self.wake_at = lease.t1_at if lease.t1_at != float("inf") else None
        self.out.append(Configure(lease))
        self.out.append(LeaseBound(self.interface, lease, is_renewed))

    def _give_up(self) -> None:
        """Whatever we have or were about to have, we have it no longer."""
        lease = self.lease or (self._wanted if self.state is State.CHECKING else None)
        if lease is not None:
            self.out.append(Withdraw(lease))
        self.lease = self._wanted = None

    def _restart(self, wait: float, now: float) -> None:
        """RFC 2131 figure 5: back to INIT, and on from there after `wait` seconds."""
        self._wanted = None
        self._enter(State.INIT)
        self.wake_at = now + wait

    def _begin(self, state: State, now: float) -> None:
        """A new exchange: its own transaction, its own count of tries."""
        # RFC 2131 4.1: chosen so as to be unlike any other client's.
        self._xid = self._config.rng.getrandbits(32)
        self._began_at = now
        self._tries = 0
        self._wanted = None
        self._enter(state)

    def _enter(self, state: State) -> None:
        if self.state is not state:
            self.out.append(LeaseState(self.interface, self.state.value, state.value))
            self.state = state

    def _discover(self, now: float) -> None:
        self._secs = int(now - self._began_at)
        options = self._asking(DISCOVER)._replace(requested=self._address)
        self._ask(options, ANY4, ANY4, BROADCAST4, now)

    def _request(self, now: float) -> None:
        """RFC 2131 4.3.2, 4.4.5, table 5: what a REQUEST carries says in which state its sender is."""
        options = self._asking(REQUEST)
        lease = self.lease
        if self.state is State.REQUESTING and self._wanted is not None:
            options = options._replace(requested=self._wanted.address, server_id=self._wanted.server)
            self._ask(options, ANY4, ANY4, BROADCAST4, now)
        elif self.state is State.REBOOTING:
            self._secs = int(now - self._began_at)
            self._ask(options._replace(requested=self._address), ANY4, ANY4, BROADCAST4, now)
        elif lease is not None:
            self._secs = int(now - self._began_at)
            to = lease.server if self.state is State.RENEWING else BROADCAST4
            self._ask(options, lease.address, lease.address, to, now)
            # RFC 2131 4.4.5: half of what is left until T2, or the end, but not less than a minute.
            end = lease.t2_at if self.state is State.RENEWING and now < lease.t2_at else lease.expires_at
            self.wake_at = min(end, now + max(self._config.dhcp_renew_wait, (end - now) / 2))

    def _asking(self, kind: int) -> Options:
        return Options(
            message_type=kind,
            hostname=self._hostname,
            parameters=PARAMETERS,
            max_size=max(576, self.interface.mtu),  # RFC 2132 9.10: at least
            client_id=self._client_id,
        )

    def _ask(self, options: Options, src: bytes, ciaddr: bytes, dst: bytes, now: float) -> None:
        """Send, and be woken to send again."""
        self._tries += 1
        self._sent_at = now
        self._send(options, src, ciaddr, dst)
        address = options.requested or (ciaddr if ciaddr != ANY4 else None)
        server = options.server_id or (dst if dst != BROADCAST4 else None)
        kind = MESSAGE_TYPES[options.message_type or 0]
        self.out.append(LeaseAsked(self.interface, kind, address, server, self._tries))
        self.wake_at = now + self._wait(self._tries - 1)

    def _wait(self, tries: int) -> float:
        """RFC 2131 4.1: 4 s, then twice as long each time up to 64, each plus or minus a random second."""
        base = min(self._config.dhcp_retry * 2.0 ** min(tries, 16), self._config.dhcp_retry_max)
        jitter = min(1.0, base / 4)  # for first tries that are quicker than the RFC's
        return base + self._config.rng.uniform(-jitter, jitter)

    def _send(self, options: Options, src: bytes, ciaddr: bytes, dst: bytes) -> None:
        self._has_complained = False
        # We take unicast to an address that is not ours yet, so the broadcast flag stays off (RFC 2131 4.1).
        payload = dhcpv4.emit(
            BOOTREQUEST, self._xid, self.interface.mac, options, secs=max(0, self._secs), ciaddr=ciaddr
        )
        self.out.append(Send(payload, src, dst))
