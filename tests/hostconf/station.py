"""The least node there can be: on a TAP it owns, it pings an address, or answers pings until its input ends.

    python -m tests.hostconf.station tap:tap0|packet:NAME ADDRESS [--gateway G] [--uid N] (--ping TARGET | --answer)

Exit code 0 if the target answered. `--uid` is who it is when it opens the TAP.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import socket
import struct
import sys
import time

from stack.wire import arp, ethernet, icmpv4, ipv4
from stack.wire.address import MAC_BROADCAST, MAC_ZERO, parse_ip
from stack.wire.drop import WireError

MAC = bytes.fromhex("02000000c0de")
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def open_link(link: str) -> int:
    kind, _, name = link.partition(":")
    if kind == "tap":
        descriptor = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        return descriptor
    os.system(f"ip link set dev {name} up")
    packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    packet.bind((name, 0))
    return packet.detach()


class Station:
    def __init__(self, descriptor: int, address: bytes) -> None:
        self.descriptor = descriptor
        self.address = address
        self.macs: dict[bytes, bytes] = {}
        self.answered: set[bytes] = set()

    def send(self, dst: bytes, ethertype: int, payload: bytes) -> None:
        try:
            os.write(self.descriptor, ethernet.emit(dst, MAC, ethertype) + payload)
        except OSError:  # the link has no carrier yet
            pass

    def ask(self, address: bytes) -> None:
        request = arp.emit(arp.REQUEST, MAC, self.address, MAC_ZERO, address)
        self.send(MAC_BROADCAST, ethernet.ETHERTYPE_ARP, request)

    def send_icmp(self, hop: bytes, dst: bytes, message: bytes) -> None:
        head = ipv4.emit(self.address, dst, ipv4.PROTOCOL_ICMP, len(message))
        self.send(hop, ethernet.ETHERTYPE_IPV4, head + message)

    def receive(self, seconds: float) -> None:
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return
        try:
            frame = ethernet.parse(os.read(self.descriptor, 65536))
            if frame.ethertype == ethernet.ETHERTYPE_ARP:
                self.on_arp(arp.parse(frame.payload))
            elif frame.ethertype == ethernet.ETHERTYPE_IPV4 and frame.dst == MAC:
                self.on_ip(frame.src, ipv4.parse(frame.payload))
        except WireError:
            pass

    def on_arp(self, packet: arp.Arp) -> None:
        self.macs[bytes(packet.spa)] = bytes(packet.sha)
        if packet.op == arp.REQUEST and packet.tpa == self.address:
            reply = arp.emit(arp.REPLY, MAC, self.address, bytes(packet.sha), bytes(packet.spa))
            self.send(bytes(packet.sha), ethernet.ETHERTYPE_ARP, reply)

    def on_ip(self, hop: bytes, packet: ipv4.Ipv4) -> None:
        if packet.dst != self.address or packet.protocol != ipv4.PROTOCOL_ICMP:
            return
        message = icmpv4.parse(packet.payload)
        if message.type == 0:
            self.answered.add(bytes(packet.src))
        elif message.type == 8:
            self.send_icmp(
                bytes(hop), bytes(packet.src), icmpv4.emit(0, 0, bytes(message.rest), bytes(message.payload))
            )

    def ping(self, target: bytes, gateway: bytes, until: float) -> bool:
        while target not in self.answered and time.monotonic() < until:
            if gateway in self.macs:
                self.send_icmp(self.macs[gateway], target, icmpv4.echo_request(1, 1, b"hostconf"))
            else:
                self.ask(gateway)
            self.receive(0.2)
        return target in self.answered

    def answer(self) -> None:
        print("ready", flush=True)
        while not select.select([0], [], [], 0)[0]:
            self.receive(0.05)


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("link")
    options.add_argument("address", type=parse_ip)
    options.add_argument("--gateway", type=parse_ip)
    options.add_argument("--uid", type=int)
    options.add_argument("--ping", type=parse_ip)
    options.add_argument("--answer", action="store_true")
    options.add_argument("--seconds", type=float, default=10)
    chosen = options.parse_args()
    if chosen.uid is not None:
        os.setgroups([])
        os.setuid(chosen.uid)
    station = Station(open_link(chosen.link), chosen.address)
    if chosen.answer:
        station.answer()
        return 0
    until = time.monotonic() + chosen.seconds
    return 0 if station.ping(chosen.ping, chosen.gateway or chosen.ping, until) else 1


if __name__ == "__main__":
    sys.exit(main())
