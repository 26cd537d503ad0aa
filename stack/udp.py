"""UDP (RFC 768, RFC 1122 4.1): demultiplexing, ports, and errors that find the socket that caused them."""

from __future__ import annotations

import errno

from stack.datagram import Datagram, DatagramPort, source_of
from stack.interface import Interface
from stack.ip.transport import IcmpError
from stack.net import Net
from stack.port import Bindings, Endpoint, Port, error
from stack.wire import ipv4, udp
from stack.wire.address import ANY4, is_unspecified
from stack.wire.drop import Drop, WireError

MAX_PAYLOAD = 65_507  # 65,535 less the IPv4 and UDP headers
CSUM_OFFSET = 6


class Udp:
    """The protocol: who is bound where, and what arrives for them."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.bindings = Bindings(net.config)

    def open(self) -> UdpPort:
        return UdpPort(self.net, self)

    def input(self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, verified: bool, now: float) -> None:
        datagram = udp.parse(packet.payload, packet.src, packet.dst, verified)
        source = Endpoint(packet.src, datagram.src_port)
        received = Datagram(bytes(datagram.payload), source, packet.dst, packet.ttl, packet.tos, now)
        ports = self._matching(Endpoint(packet.dst, datagram.dst_port), source, self.net.is_for_many(packet.dst))
        if not ports:
            # RFC 1122 4.1.3.1: SHOULD send port unreachable.
            self.net.ip_for(packet.dst).port_unreachable(interface, packet, data, now)
            raise WireError(Drop.UDP_PORT_CLOSED)
        delivered = [port.deliver(received) for port in ports]
        if not any(delivered):
            raise WireError(Drop.RECEIVE_BUFFER_FULL)

    def _matching(self, local: Endpoint, remote: Endpoint, to_many: bool) -> list[UdpPort]:
        """The ports a datagram is for: every one for a broadcast, else the one that names most of its addresses."""
        best: list[UdpPort] = []
        best_score = -1
        for port in self.bindings.at(local.port):
            assert isinstance(port, UdpPort)
            score = port.match(local, remote, to_many)
            if score < 0:
                continue
            if to_many:
                best.append(port)
            elif score > best_score:
                best, best_score = [port], score
        return best

    def on_icmp_error(self, report: IcmpError, now: float) -> bool:
        """Hand an ICMP error to the connected port it is about (RFC 1122 4.1.3.3); whether there was one."""
        try:
            sent = udp.fields(report.original.payload)
        except WireError:
            return False
        local = Endpoint(report.original.src, sent.src_port)
        remote = Endpoint(report.original.dst, sent.dst_port)
        ports = self._matching(local, remote, False)
        for port in ports:
            # Only a connected port can tell whom it is about, as in Linux.
            if port.remote is not None:
                port.set_error(report.errno)
        return bool(ports)


class UdpPort(DatagramPort):
    def __init__(self, net: Net, protocol: Udp) -> None:
        super().__init__(net)
        self._protocol = protocol

    def bind(self, address: bytes, port: int, now: float) -> None:
        """Take a local endpoint; port 0 chooses one. Raises EINVAL, EADDRINUSE, EADDRNOTAVAIL."""
        if self.local is not None:
            raise error(errno.EINVAL, "already bound")
        self._check_local(address)
        self._protocol.bindings.bind(self, address, port, may_share)

    def connect(self, address: bytes, port: int, now: float) -> None:
        """Fix the other end: only its datagrams are received and its errors reported. Raises ENETUNREACH, EACCES."""
        if is_unspecified(address):
            address = self.net.loopback_address  # as Linux: "this host"
        if not self.options.broadcast and self._is_broadcast(address):
            raise error(errno.EACCES, "broadcast needs SO_BROADCAST")
        source = source_of(self, address)
        if self.local is None:
            self._protocol.bindings.bind(self, source, 0, may_share)
        elif is_unspecified(self.local.address):
            self.local = Endpoint(source, self.local.port)
        self.remote = Endpoint(address, port)

    def disconnect(self) -> None:
        self.remote = None

    def send(self, data: bytes | memoryview, to: Endpoint | None, now: float) -> int:
        """Send one datagram. Raises EDESTADDRREQ, EMSGSIZE, EACCES, ENETUNREACH, EINVAL for port 0."""
        remote = to or self.remote
        if remote is None:
            raise error(errno.EDESTADDRREQ)
        if remote.port == 0:
            raise error(errno.EINVAL, "port 0")
        if len(data) > MAX_PAYLOAD:
            raise error(errno.EMSGSIZE)
        address = self.net.loopback_address if is_unspecified(remote.address) else remote.address
        self._check_send(address)
        source = source_of(self, address)
        if self.local is None:
            self._protocol.bindings.bind(self, ANY4, 0, may_share)
        assert self.local is not None
        payload = bytes(data)
        head = udp.emit(source, address, self.local.port, remote.port, payload, partial=True)
        self.net.ip_for(address).output(
            ipv4.PROTOCOL_UDP, source, address, head, payload, now,
            ttl=self.options.ttl, tos=self.options.tos, csum_offset=CSUM_OFFSET,
        )  # fmt: skip
        return len(payload)

    def match(self, local: Endpoint, remote: Endpoint, to_many: bool) -> int:
        """How well a datagram fits: -1 not at all, more for each address that is named."""
        assert self.local is not None
        score = 0
        if not is_unspecified(self.local.address):
            if self.local.address != local.address:
                return -1  # as Linux: who is bound to one address hears what is sent to that, and no broadcasts
            score += 1
        if self.remote is not None:
            if self.remote != remote:
                return -1
            score += 2
        return score

    def close(self, now: float) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._protocol.bindings.release(self)
            self.clear()
            self.ready_changed()


def may_share(a: Port, b: Port) -> bool:
    """Linux: two UDP sockets may have one port if both said SO_REUSEADDR."""
    return a.options.reuse_address and b.options.reuse_address
