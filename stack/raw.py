"""Raw sockets: whole IPv4 packets of one protocol, in and out (raw(7)).

A raw port gets a copy of every packet of its protocol that is addressed to this host, beside the protocol's own
module; what it receives starts at the IP header.
"""

from __future__ import annotations

import errno

from stack.datagram import Datagram, DatagramPort, source_of
from stack.events import Dropped
from stack.interface import Interface
from stack.ip.transport import IcmpError
from stack.net import Net
from stack.port import Endpoint, error
from stack.wire import ipv4
from stack.wire.address import is_unspecified
from stack.wire.drop import Drop

PROTOCOL_RAW = 255  # IPPROTO_RAW: sends any protocol, receives none
MAX_PAYLOAD = 65_515  # 65,535 less the IPv4 header


class Raw:
    def __init__(self, net: Net) -> None:
        self.net = net
        self.ports: dict[int, list[RawPort]] = {}  # by protocol

    def open(self, protocol: int) -> RawPort:
        """A port for one IP protocol, 0 to 255. Raises EPROTONOSUPPORT."""
        if not 0 < protocol <= 255:
            raise error(errno.EPROTONOSUPPORT)
        port = RawPort(self.net, self, protocol)
        self.ports.setdefault(protocol, []).append(port)
        return port

    def forget(self, port: RawPort) -> None:
        ports = self.ports.get(port.protocol, [])
        if port in ports:
            ports.remove(port)
            if not ports:
                del self.ports[port.protocol]

    def input(self, interface: Interface, packet: ipv4.Ipv4, data: memoryview, now: float) -> bool:
        """Copy the packet to whoever asked for its protocol; whether anybody did."""
        ports = self.ports.get(packet.protocol)
        if not ports or packet.protocol == PROTOCOL_RAW:
            return False
        whole = bytes(data[: packet.total_length])
        received = Datagram(whole, Endpoint(packet.src, 0), packet.dst, packet.ttl, packet.tos, now)
        taken = False
        for port in ports:
            if port.matches(packet.src, packet.dst):
                taken = True
                if not port.deliver(received):
                    self.net.drop(Dropped(Drop.RECEIVE_BUFFER_FULL, interface, False, "raw socket"), now)
        return taken

    def on_icmp_error(self, report: IcmpError, now: float) -> None:
        """A connected raw port learns of hard errors about its packets."""
        for port in self.ports.get(report.original.protocol, []):
            if port.remote is not None and port.remote.address == report.original.dst:
                port.set_error(report.errno)


class RawPort(DatagramPort):
    def __init__(self, net: Net, protocols: Raw, protocol: int) -> None:
        super().__init__(net)
        self._protocols = protocols
        self.protocol = protocol
        self.options.header_included = protocol == PROTOCOL_RAW

    def bind(self, address: bytes, port: int, now: float) -> None:
        """Receive only what is sent to `address`, and send from it. Raises EADDRNOTAVAIL."""
        self._check_local(address)
        self.local = Endpoint(address, 0)

    def connect(self, address: bytes, port: int, now: float) -> None:
        """Send to and receive from `address` only. Raises ENETUNREACH."""
        if self.local is None:
            self.local = Endpoint(source_of(self, address), 0)
        self.remote = Endpoint(address, 0)

    def disconnect(self) -> None:
        self.remote = None

    def send(self, data: bytes | memoryview, to: Endpoint | None, now: float) -> int:
        """Send one packet; with header_included `data` starts at the IP header. Raises as UdpPort.send."""
        remote = to or self.remote
        if remote is None:
            raise error(errno.EDESTADDRREQ)
        if len(data) > MAX_PAYLOAD:
            raise error(errno.EMSGSIZE)
        self._check_send(remote.address)
        payload = bytes(data)
        if self.options.header_included:
            self.net.ip_for(remote.address).output_with_header(payload, now)
        else:
            self.net.ip_for(remote.address).output(
                self.protocol, source_of(self, remote.address), remote.address, payload, b"", now,
                ttl=self.options.ttl, tos=self.options.tos,
            )  # fmt: skip
        return len(payload)

    def matches(self, src: bytes, dst: bytes) -> bool:
        if self.remote is not None and self.remote.address != src:
            return False
        return self.local is None or is_unspecified(self.local.address) or self.local.address == dst

    def close(self, now: float) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._protocols.forget(self)
            self.clear()
            self.ready_changed()
