"""ICMP for IPv4 (RFC 792, RFC 1122 3.2.2): answer echoes, send errors, and deliver errors to whoever caused them.

Errors are rate limited (RFC 1812 4.3.2.8) and never sent about an error, a broadcast, or a source that is no host. An
echo request is answered from its own bytes, whatever they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from stack.events import Dropped
from stack.interface import Interface
from stack.ip.transport import IcmpError, Taps, Transport
from stack.net import Ip, Net
from stack.wire import icmpv4, ipv4
from stack.wire.address import is_unspecified
from stack.wire.drop import Drop, WireError

QUOTED = 548  # RFC 1812 4.3.2.3: as much of the original as fits in 576 bytes

# RFC 6633 does away with source quench, and redirects are not believed: a host with one gateway has no use for them.
REPORTED = frozenset({icmpv4.DESTINATION_UNREACHABLE, icmpv4.TIME_EXCEEDED, icmpv4.PARAMETER_PROBLEM})


class RateLimit:
    """A token bucket, full at first: `rate` a second, `burst` at once, which may change from one time to the next."""

    def __init__(self) -> None:
        self._tokens = inf
        self._filled_at = 0.0

    def take(self, rate: float, burst: float, now: float) -> bool:
        self._tokens = min(burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Icmp:
    def __init__(self, net: Net, ip: Ip, transports: Mapping[int, Transport], taps: Taps) -> None:
        self.net = net
        self.ip = ip
        self._transports = transports
        self._taps = taps
        self._limit = RateLimit()

    # --- in

    def input(
        self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, verified: bool, taken: bool, now: float
    ) -> None:
        """`taken` says that a raw socket has had the packet already."""
        message = icmpv4.parse(packet.payload, verified)
        if message.type == icmpv4.ECHO:
            self._echo(interface, packet, message, now)
        elif message.type in REPORTED:
            self._error(packet, message, now)
        elif message.type == icmpv4.ECHO_REPLY:
            if not taken:
                raise WireError(Drop.ICMP_NO_SOCKET)
        elif not taken:
            raise WireError(Drop.ICMP_TYPE_UNKNOWN)

    def _echo(self, interface: Interface, packet: ipv4.Ipv4, message: icmpv4.Icmp, now: float) -> None:
        # RFC 1122 3.2.2.6: an echo to a broadcast or multicast address MAY be discarded, and is.
        if self.net.is_for_many(packet.dst):
            raise WireError(Drop.ICMP_BROADCAST)
        if self.net.config.icmp_echo_ignore_all or is_unspecified(packet.src):
            return
        reply = icmpv4.emit(icmpv4.ECHO_REPLY, 0, message.rest, message.payload)
        # The reply comes from the address that was asked.
        self.ip.output_quietly(ipv4.PROTOCOL_ICMP, packet.dst, packet.src, reply, b"", now, tos=packet.tos)

    def _error(self, packet: ipv4.Ipv4, message: icmpv4.Icmp, now: float) -> None:
        try:
            original = ipv4.fields(message.payload)
        except WireError:
            raise WireError(Drop.ICMP_MALFORMED) from None
        if original.version != 4 or original.ihl < 5 or original.src not in self.net.own_addresses:
            raise WireError(Drop.ICMP_NO_SOCKET)
        report = IcmpError(message.type, message.code, message.mtu, packet.src, original)
        transport = self._transports.get(original.protocol)
        # Without a transport it is about a raw socket's packet, and those have seen the message itself.
        known = transport is None or transport.on_icmp_error(report, now)
        self._taps.on_icmp_error(report, now)
        if not known:
            raise WireError(Drop.ICMP_NO_SOCKET)

    # --- out

    def port_unreachable(self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, now: float) -> None:
        self._send_error(interface, icmpv4.DESTINATION_UNREACHABLE, icmpv4.PORT_UNREACHABLE, packet, data, now)

    def protocol_unreachable(self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, now: float) -> None:
        self._send_error(interface, icmpv4.DESTINATION_UNREACHABLE, icmpv4.PROTOCOL_UNREACHABLE, packet, data, now)

    def _send_error(
        self, interface: Interface, type_: int, code: int, packet: ipv4.Ipv4, data: memoryview, now: float
    ) -> None:
        # RFC 1122 3.2.2: never about an ICMP error, a broadcast, a later fragment, or a source that is no single host.
        if self.net.is_for_many(packet.dst) or is_unspecified(packet.src) or packet.fragment_offset:
            return
        config = self.net.config
        if not self._limit.take(config.icmp_rate, config.icmp_burst, now):
            self.net.drop(Dropped(Drop.RATE_LIMITED, interface, True, "ICMP error"), now)
            return
        quoted = bytes(data[: min(len(data), packet.total_length, QUOTED)])
        error = icmpv4.emit(type_, code, bytes(4), quoted)
        self.ip.output_quietly(ipv4.PROTOCOL_ICMP, packet.dst, packet.src, error, b"", now, tos=0xC0)

    def host_unreachable_locally(self, interface: Interface, packet: bytes, now: float) -> None:
        """Tell our own sender that the next hop did not answer, with the message a router would have sent."""
        original = ipv4.fields(packet)
        source = interface.address_for(original.dst)
        if source is None or (original.protocol == ipv4.PROTOCOL_ICMP and _is_icmp_error(original)):
            return
        error = icmpv4.emit(icmpv4.DESTINATION_UNREACHABLE, icmpv4.HOST_UNREACHABLE, bytes(4), packet[:QUOTED])
        self.ip.output_quietly(ipv4.PROTOCOL_ICMP, source, original.src, error, b"", now, tos=0xC0)


def _is_icmp_error(packet: ipv4.Ipv4) -> bool:
    return len(packet.payload) > 0 and packet.payload[0] in icmpv4.ERRORS
