"""The lab's link by hand: a real kernel answers, and frames of 64 KB pass whole in both directions."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from random import Random

import pytest

from stack.interface import GSO_TCPV4
from stack.link.lab import Lab
from stack.wire import arp, icmpv4, ipv4
from tests.live.by_hand import MSS, OURS, Connection, Station, icmp_of, ip_of
from tests.patience import PATIENCE

pytestmark = pytest.mark.live

LISTENER = """
import hashlib, socket, sys
with socket.create_server(("", 5000)) as listener:
    print("ready", flush=True)
    client, _ = listener.accept()
    left, digest = int(sys.argv[1]), hashlib.sha256()
    while left > 0:
        data = client.recv(65536)
        digest.update(data)
        left -= len(data)
    print(digest.hexdigest(), flush=True)
    client.sendall(bytes(int(sys.argv[2])))
    client.recv(1)
"""


def listen(lab: Lab, expects: int, sends: int) -> subprocess.Popen[str]:
    process = lab.popen(
        [sys.executable, "-I", "-S", "-c", LISTENER, str(expects), str(sends)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_the_kernel_answers_arp(lab: Lab) -> None:
    reply = Station(lab.device, lab.peer).resolve()
    assert (reply.op, reply.spa, reply.tpa, reply.tha) == (arp.REPLY, lab.peer, OURS, lab.device.mac)
    assert reply.sha != lab.device.mac
    assert reply.sha[0] == 2


def test_the_kernel_answers_echoes(lab: Lab) -> None:
    station = Station(lab.device, lab.peer)
    station.resolve()
    station.send_ip(ipv4.PROTOCOL_ICMP, icmpv4.echo_request(77, 1, b"are you there?"))
    data, _ = station.wait_for(lambda f: icmp_of(f[0]) is not None)
    echo = icmp_of(data)
    assert echo is not None
    assert (echo.type, echo.identifier, echo.sequence) == (icmpv4.ECHO_REPLY, 77, 1)
    assert bytes(echo.payload) == b"are you there?"


def test_the_host_pings_us(lab: Lab) -> None:
    station = Station(lab.device, lab.peer)
    station.resolve()
    ping = lab.popen(["ping", "-c", "2", "-i", "0.2", "-W", "2", "192.168.1.3"], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 10
    while ping.poll() is None and time.monotonic() < deadline:
        taken = station.read(0.05)
        if taken is not None:
            station.answer(taken[0])
    said, _ = ping.communicate(timeout=PATIENCE)
    assert ping.returncode == 0, said
    assert "2 received" in said


def test_a_super_segment_of_64_kb_reaches_the_host_with_its_checksum_left_out(lab: Lab) -> None:
    payload = Random(1).randbytes(43 * MSS)
    process = listen(lab, len(payload), 0)
    station = Station(lab.device, lab.peer)
    station.resolve()
    connection = Connection(station, 5000)
    connection.send(payload)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == hashlib.sha256(payload).hexdigest()
    connection.reset()
    process.wait(PATIENCE)


def test_the_host_s_super_segments_arrive_whole_with_partial_checksums(lab: Lab) -> None:
    total = 4 << 20
    process = listen(lab, 1, total)
    station = Station(lab.device, lab.peer)
    station.resolve()
    connection = Connection(station, 5000)
    connection.send(b"!")
    got, largest = 0, (b"", None)
    while got < total:
        payload, frame = connection.receive()
        assert payload == bytes(len(payload))
        got += len(payload)
        largest = max(largest, frame, key=lambda f: len(f[0]))
    data, offload = largest
    assert got == total
    assert 60_000 < len(data) <= 14 + 65535
    packet = ip_of(data)
    assert packet is not None
    assert packet.total_length == len(data) - 14
    assert offload is not None
    assert offload.needs_checksum
    assert (offload.csum_start, offload.csum_offset) == (34, 16)
    assert offload.gso_type == GSO_TCPV4
    assert MSS - 40 <= offload.gso_size <= MSS
    connection.reset()
    process.wait(PATIENCE)


def test_nothing_but_our_own_conversation_is_on_the_link(lab: Lab) -> None:
    """No router solicitations, no listener reports: a trace starts empty."""
    station = Station(lab.device, lab.peer)
    assert station.read(0.5) is None


def test_the_limits_of_the_link_are_known(lab: Lab) -> None:
    assert lab.device.mtu == 1500
    assert lab.device.abilities.tso4
    assert lab.device.abilities.checksum
    assert lab.device.receive_limit is not None
    assert lab.device.receive_limit >= 100_000
    assert lab.device.name == "lab"
    assert lab.device.description == "lab: a Linux kernel of its own at 192.168.1.1"


def test_the_queue_holds_what_the_limit_promises(lab: Lab) -> None:
    """As many full frames as `receive_limit` counts (up to 4 MB) can be waiting, unread, and none is lost."""
    limit = min(lab.device.receive_limit or 0, 4 << 20)
    count = limit // 1514
    send = (
        "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('192.168.1.3', 9))\n"
        f"for i in range({count}): s.send(bytes(1472))"
    )
    station = Station(lab.device, lab.peer)
    station.resolve()
    sender = lab.popen([sys.executable, "-I", "-S", "-c", send])
    assert sender.wait(PATIENCE) == 0
    got = 0
    while (taken := station.read(0.3)) is not None:
        packet = ip_of(taken[0])
        got += packet is not None and packet.protocol == ipv4.PROTOCOL_UDP
    assert got == count
