"""Checks that need a network namespace to play in: each function runs there as a program of its own, `python -m
tests.live.inside NAME`, and passes if it returns."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable

from stack.frame import OutFrame
from stack.interface import Abilities, Interface
from stack.link import kernel
from stack.link.packet import PacketSocket, open_packet
from stack.link.tap import Tap, may_open, open_tap
from stack.wire import ethernet
from stack.wire.address import MAC_BROADCAST, parse_ip
from tests.live.by_hand import Station

NEAR, FAR = b"\x02\0\0\0\0\x0a", b"\x02\0\0\0\0\x0b"
OTHER = b"\x02\0\0\0\0\x0c"
FRAME = ethernet.emit(FAR, NEAR, 0x88B5)  # one of IEEE's two ethertypes for experiments
MARK = 0x88B6  # and the other


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def refused(number: int, call: Callable[[], object]) -> str:
    """The one line that `call` is refused with."""
    try:
        call()
    except OSError as e:
        assert e.errno == number, e
        assert e.strerror
        assert "\n" not in e.strerror
        return e.strerror
    raise AssertionError("it was not refused")


def cable() -> tuple[PacketSocket, PacketSocket]:
    """The two ends of a veth pair, once frames pass both ways."""
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    for name in ("v0", "v1"):
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as file:
            file.write("1")
        ip("link", "set", name, "up")
    near, far = open_packet("v0", NEAR), open_packet("v1", FAR)
    assert received(near, far) == received(far, near) == []
    return near, far


def send(device: Tap | PacketSocket, head: bytes, payload: bytes = b"") -> Interface:
    interface = Interface(device.name, device.mac)
    assert device.write(OutFrame(interface, head, payload, None, None), time.monotonic())
    return interface


def received(device: PacketSocket, sender: PacketSocket) -> list[bytes]:
    """What `device` has got, up to a mark that `sender` sends now.

    Again and again, until it comes: what is written while the kernel still brings a link up is lost without a word.
    """
    station = Station(device, parse_ip("0.0.0.0"))
    mark = ethernet.emit(device.mac, sender.mac, MARK) + os.urandom(46)
    frames = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        send(sender, mark)
        while (taken := station.read(0.1)) is not None:
            if taken[0] == mark:
                return frames
            if ethernet.parse(taken[0]).ethertype != MARK:  # an earlier one's
                frames.append(taken[0])
    raise AssertionError(f"nothing passes from {sender} to {device}")


# --- TAP


def tap_is_made_and_brought_up() -> None:
    assert not may_open("one")
    tap = open_tap("one")
    assert may_open("one")
    facts = kernel.facts("one")
    assert facts.is_up
    assert tap.mac != facts.mac
    assert tap.mac[0] == 2
    assert tap.mtu == facts.mtu
    assert tap.receive_limit == facts.txqueuelen * facts.mtu
    assert tap.abilities.tso4
    first = tap.mac
    tap.close()
    tap.close()
    assert not may_open("one")
    assert open_tap("one").mac == first
    assert open_tap("two", mac=NEAR).mac == NEAR


def tap_answers_like_a_station() -> None:
    tap = open_tap("wire")
    ip("address", "add", "10.7.0.1/24", "dev", "wire")
    station = Station(tap, parse_ip("10.7.0.1"), parse_ip("10.7.0.2"))
    assert station.resolve().sha == kernel.facts("wire").mac


def tap_that_is_busy_is_refused() -> None:
    held = open_tap("busy")
    assert "busy is in use by another program" in refused(errno.EBUSY, lambda: open_tap("busy"))
    held.close()


def tap_that_is_none_is_refused() -> None:
    assert "lo is not a TAP; one is made by: sudo ip tuntap add" in refused(errno.EINVAL, lambda: open_tap("lo"))
    for name in ("", "a-name-that-is-too-long", "a b", "a/b"):
        try:
            open_tap(name)
        except ValueError as e:
            assert "is not an interface's name" in str(e)
        else:
            raise AssertionError(name)


def tap_made_for_several_queues_is_opened_too() -> None:
    ip("tuntap", "add", "many", "mode", "tap", "multi_queue")
    open_tap("many").close()


def tap_of_others_is_refused_without_capabilities() -> None:
    assert "there is no interface mine; make it: sudo ip tuntap add mine" in refused(
        errno.EPERM, lambda: open_tap("mine")
    )
    if os.getuid() == 0:  # nobody else can make one for another user
        assert "theirs belongs to another user" in refused(errno.EPERM, lambda: open_tap("theirs"))
    assert "ours is down; bring it up: sudo ip link set ours up" in refused(errno.ENETDOWN, lambda: open_tap("ours"))


def tap_survives_being_down_and_tells_when_it_is_gone() -> None:
    tap = open_tap("brief")
    ip("link", "set", "brief", "down")
    interface = send(tap, FRAME, bytes(46))
    assert interface.counters.tx_dropped == 1
    assert tap.read(0.0) is None
    ip("link", "set", "brief", "up")
    assert send(tap, FRAME, bytes(46)).counters.tx_dropped == 0
    ip("link", "del", "brief")
    assert refused(errno.EBADFD, lambda: tap.read(0.0))


def tun_device_may_not_be_opened() -> None:
    line = refused(errno.EACCES, lambda: open_tap("any"))
    assert line == "/dev/net/tun is not ours to open; allow it: sudo chmod 666 /dev/net/tun"
    assert not may_open("lo")


# --- AF_PACKET


def packet_listens_to_all_only_if_its_address_is_not_the_interface_s() -> None:
    def promiscuity() -> str:
        shown = subprocess.run(["ip", "-d", "link", "show", "v0"], capture_output=True, text=True, check=True).stdout
        return shown.partition("promiscuity ")[2].split()[0]

    near, _ = cable()
    assert promiscuity() == "1"
    near.close()
    assert promiscuity() == "0"
    open_packet("v0", kernel.facts("v0").mac)
    assert promiscuity() == "0"


def packet_passes_what_is_for_us_and_for_groups() -> None:
    near, far = cable()
    groups = [MAC_BROADCAST, b"\x01\0\x5e\0\0\x01"]
    for destination in (FAR, OTHER, NEAR, *groups):
        send(near, ethernet.emit(destination, NEAR, 0x88B5), bytes(46))
    assert [frame[:6] for frame in received(far, near)] == [FAR, *groups]
    assert received(near, far) == []  # not even the broadcast it sent itself


def packet_leaves_vlans_out() -> None:
    near, far = cable()
    tagged = FRAME[:12] + b"\x81\x00\x00\x07" + FRAME[12:]
    send(near, tagged, bytes(46))
    send(near, FRAME, bytes(46))
    assert [frame[12:14] for frame in received(far, near)] == [b"\x88\xb5"]


def packet_frames_are_what_was_sent() -> None:
    near, far = cable()
    payloads = [bytes(range(256))[:n] for n in (0, 1, 46, 255)] + [os.urandom(1500)]
    for payload in payloads:
        send(near, FRAME, payload)
    assert received(far, near) == [FRAME + payload for payload in payloads]


def packet_loses_what_is_too_large_and_counts_it() -> None:
    near, far = cable()
    assert send(near, FRAME, bytes(1501)).counters.tx_dropped == 1
    assert send(near, FRAME, bytes(9000)).counters.tx_dropped == 1
    assert received(far, near) == []


def packet_survives_being_down_and_tells_when_it_is_gone() -> None:
    near, far = cable()
    ip("link", "set", "v0", "down")
    assert near.read(0.0) is None
    assert send(near, FRAME, bytes(46)).counters.tx_dropped == 1
    ip("link", "set", "v0", "up")
    assert received(far, near) == []
    assert send(near, FRAME, bytes(46)).counters.tx_dropped == 0
    assert len(received(far, near)) == 1
    ip("link", "del", "v0")
    assert refused(errno.ENETDOWN, lambda: near.read(0.0))


def packet_that_is_not_there_is_refused() -> None:
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    line = refused(errno.ENODEV, lambda: open_packet("nosuch0"))
    assert line == "there is no interface nosuch0; those there are: lo, lab0, v1, v0", line
    assert "v0 is down; bring it up: sudo ip link set v0 up" in refused(errno.ENETDOWN, lambda: open_packet("v0"))
    assert "lo is not an Ethernet interface" in refused(errno.EOPNOTSUPP, lambda: open_packet("lo"))


def packet_without_capabilities_is_refused() -> None:
    line = refused(errno.EPERM, lambda: open_packet("lab0"))
    assert line == "packet:lab0 needs root or the capability CAP_NET_RAW; --link lab does not"


def packet_without_virtio_headers_still_knows_what_is_verified() -> None:
    """The fallback: a kernel's UDP datagram comes over a veth with a partial checksum, and is not damaged."""
    import socket

    near, far = cable()
    far.close()
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    plain = PacketSocket(sock, "v1", FAR, has_virtio=False)
    assert plain.abilities == Abilities()
    send(near, FRAME, b"whole" + bytes(60))
    station = Station(plain, parse_ip("10.8.0.1"), parse_ip("10.8.0.2"))
    taken = station.read()
    assert taken == (FRAME + b"whole" + bytes(60), None)
    ip("address", "add", "10.8.0.1/24", "dev", "v0")
    ip("neighbor", "add", "10.8.0.2", "lladdr", FAR.hex(":"), "dev", "v0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernels:
        kernels.sendto(b"unchecked", ("10.8.0.2", 9))
    _, offload = station.wait_for(lambda frame: frame[0].endswith(b"unchecked"))
    assert offload is not None
    assert offload.verified
    send(plain, ethernet.emit(NEAR, FAR, 0x88B5), bytes(46))
    assert len(received(near, plain)) == 1


def packet_says_when_its_queue_is_full() -> None:
    near, _ = cable()
    subprocess.run("tc qdisc add dev v0 root tbf rate 8kbit burst 2kb limit 100mb", shell=True, check=True)
    interface = Interface("v0", NEAR)
    frame = OutFrame(interface, FRAME, bytes(1500), None, None)
    accepted = 0
    while near.write(frame, 0.0):
        accepted += 1
        assert accepted < 100_000, "it takes everything"
    assert accepted > 10
    assert interface.counters.tx_dropped == 0


if __name__ == "__main__":
    globals()[sys.argv[1]]()
