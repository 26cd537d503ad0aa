"""A station made by hand for tests of devices: it knows ARP, echoes, and just enough TCP for one connection."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

from stack.frame import OutFrame
from stack.interface import GSO_TCPV4, Interface, Offload
from stack.link.device import Device
from stack.wire import arp, ethernet, icmpv4, ipv4, tcp
from stack.wire.address import MAC_BROADCAST, MAC_ZERO, parse_ip
from tests.patience import PATIENCE

OURS = parse_ip("192.168.1.3")
PREFIXLEN = 24
MSS = 1460

Frame = tuple[bytes, Offload | None]


class Station:
    """`address` on a device. Frames that nobody waits for are answered if they are ARP requests or echo requests."""

    def __init__(self, device: Device, peer: bytes, address: bytes = OURS) -> None:
        self.device = device
        self.peer = peer
        self.address = address
        self.peer_mac = MAC_BROADCAST
        self.interface = Interface(device.name, device.mac, device.mtu, device.abilities)
        self.seen: list[Frame] = []

    def write(self, head: bytes, payload: bytes | memoryview = b"", offload: Offload | None = None) -> None:
        frame = OutFrame(self.interface, head, payload, offload, None)
        assert self.device.write(frame, time.monotonic())

    def read(self, timeout: float = PATIENCE) -> Frame | None:
        """The next frame of any kind, or None if there is none in time."""
        deadline = time.monotonic() + timeout
        while True:
            taken = self.device.read(time.monotonic())
            if taken is not None:
                self.seen.append(taken)
                return taken
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.device], [], [], left)[0]:
                return None

    def wait_for(self, wanted: Callable[[Frame], bool], timeout: float = PATIENCE) -> Frame:
        """The first frame that `wanted` says yes to; the others are answered."""
        deadline = time.monotonic() + timeout
        while (taken := self.read(max(0.0, deadline - time.monotonic()))) is not None:
            if wanted(taken):
                return taken
            self.answer(taken[0])
        raise AssertionError(f"it did not come within {timeout} s; what came: {[f.hex()[:80] for f, _ in self.seen]}")

    def answer(self, data: bytes) -> None:
        frame = ethernet.parse(data)
        if frame.ethertype == ethernet.ETHERTYPE_ARP:
            request = arp.parse(frame.payload)
            if request.op == arp.REQUEST and request.tpa == self.address:
                message = arp.emit(arp.REPLY, self.device.mac, self.address, request.sha, request.spa)
                self.write(ethernet.emit(request.sha, self.device.mac, ethernet.ETHERTYPE_ARP) + message)
        elif (echo := icmp_of(data)) is not None and echo.type == icmpv4.ECHO:
            self.send_ip(ipv4.PROTOCOL_ICMP, icmpv4.emit(icmpv4.ECHO_REPLY, 0, echo.rest, bytes(echo.payload)))

    def resolve(self) -> arp.Arp:
        """Ask for the peer's MAC address; its answer."""
        message = arp.emit(arp.REQUEST, self.device.mac, self.address, MAC_ZERO, self.peer)
        self.write(ethernet.emit(MAC_BROADCAST, self.device.mac, ethernet.ETHERTYPE_ARP) + message)
        data, _ = self.wait_for(lambda f: ethernet.parse(f[0]).ethertype == ethernet.ETHERTYPE_ARP)
        reply = arp.parse(ethernet.parse(data).payload)
        self.peer_mac = reply.sha
        return reply

    def send_ip(
        self, protocol: int, head: bytes, payload: bytes | memoryview = b"", offload: Offload | None = None
    ) -> None:
        header = ipv4.emit(self.address, self.peer, protocol, len(head) + len(payload))
        self.write(
            ethernet.emit(self.peer_mac, self.device.mac, ethernet.ETHERTYPE_IPV4) + header + head, payload, offload
        )


def ip_of(data: bytes) -> ipv4.Ipv4 | None:
    frame = ethernet.parse(data)
    return ipv4.parse(frame.payload) if frame.ethertype == ethernet.ETHERTYPE_IPV4 else None


def icmp_of(data: bytes) -> icmpv4.Icmp | None:
    packet = ip_of(data)
    return icmpv4.parse(packet.payload) if packet is not None and packet.protocol == ipv4.PROTOCOL_ICMP else None


class Connection:
    """One TCP connection of a station's to a kernel's port, on a link that loses nothing: it resends nothing."""

    def __init__(self, station: Station, port: int, local_port: int = 40000) -> None:
        self.station = station
        self.ports = (local_port, port)
        self.seq = 0xFFFFFF00  # wraps early on
        self.peer_seq = 0
        self.acked = 0
        options = tcp.emit_options(tcp.Options(mss=MSS, window_scale=7))
        self._send(tcp.SYN, options=options)
        self.seq = self.seq + 1 & 0xFFFFFFFF
        data, _ = station.wait_for(lambda f: self._mine(f) is not None)
        answer = self._mine((data, None))
        assert answer is not None
        assert answer.flags == tcp.SYN | tcp.ACK, tcp.flag_names(answer.flags)
        self.peer_seq = answer.seq + 1 & 0xFFFFFFFF
        self._send(tcp.ACK)

    def send(self, payload: bytes) -> None:
        """All of `payload` at once, as one super-segment with its checksum left out; returns when acknowledged."""
        self._send(tcp.ACK | tcp.PSH, payload)
        self.seq = self.seq + len(payload) & 0xFFFFFFFF
        while self.acked != self.seq:
            self.receive()

    def receive(self) -> tuple[bytes, Frame]:
        """The next segment's payload, acknowledged, and the frame it came in."""
        frame = self.station.wait_for(lambda f: self._mine(f) is not None)
        segment = self._mine(frame)
        assert segment is not None
        assert segment.seq == self.peer_seq, "out of order on a link that keeps order"
        self.acked = segment.ack
        self.peer_seq = segment.seq + len(segment.payload) + bool(segment.flags & tcp.FIN) & 0xFFFFFFFF
        if len(segment.payload) or segment.flags & tcp.FIN:
            self._send(tcp.ACK)
        return bytes(segment.payload), frame

    def reset(self) -> None:
        self._send(tcp.RST | tcp.ACK)

    def _mine(self, frame: Frame) -> tcp.Tcp | None:
        packet = ip_of(frame[0])
        if packet is None or packet.protocol != ipv4.PROTOCOL_TCP:
            return None
        verified = frame[1] is not None and (frame[1].needs_checksum or frame[1].verified)
        segment = tcp.parse(packet.payload, packet.src, packet.dst, verified=verified or frame[1] is None)
        return segment if (segment.dst_port, segment.src_port) == self.ports else None

    def _send(self, flags: int, payload: bytes = b"", options: bytes = b"") -> None:
        station = self.station
        can = station.device.abilities.checksum
        head = tcp.emit(
            station.address, station.peer, *self.ports, self.seq, self.peer_seq, flags, 65535, options, payload, 0, can
        )
        offload = None
        if can:
            length = 14 + 20 + len(head)
            gso = (GSO_TCPV4, MSS) if len(payload) > MSS else (0, 0)
            offload = Offload(True, 34, 16, *gso, length)
        station.send_ip(ipv4.PROTOCOL_TCP, head, payload, offload)
