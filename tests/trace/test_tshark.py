"""Our lines beside tshark's for the same frames."""

import re
import shutil
import struct
import subprocess

import pytest

from stack.trace.printer import Reader
from stack.trace.recorder import Recorder
from stack.trace.render import line
from stack.wire import arp, icmpv4, tcp
from tests.trace.frames import (
    MAC_A,
    MAC_B,
    arp_frame,
    conversation,
    eth,
    icmp_frame,
    ip,
    record,
    tcp_frame,
    udp_frame,
)
from tests.wire.samples import FRAMES, TCP_SYN, UDP_HELLO, A, B

AB = (A, B, 44010, 40002)


def frames_in_tshark_s_words():
    """Everything whose line is to be tshark's to the letter."""
    numbered = (0, 8, 13, 14, 15, 16, 17, 18)
    errors = [(3, code) for code in range(17)] + [(4, 0)] + [(5, code) for code in range(5)]
    errors += [(11, code) for code in range(3)] + [(12, code) for code in range(4)]
    first, later = bytearray(UDP_HELLO[14:34]), bytearray(UDP_HELLO[14:34])
    first[6:8], first[10:12] = b"\x20\0", b"\x76\xca"
    later[6:8], later[10:12] = b"\0\xb9", b"\x96\x11"
    odd = tcp.emit_options(tcp.Options(mss=100, window_scale=3, sack_permitted=True))
    return [
        *FRAMES,
        *conversation(),
        *(icmp_frame(type, 0, b"\x12\x34\x01\x02", b"data" * 5) for type in numbered),
        *(icmp_frame(type, code) for type, code in errors),
        icmp_frame(icmpv4.ROUTER_SOLICITATION, 0, bytes(4), b""),
        arp_frame(arp.REQUEST, A, B),
        arp_frame(arp.REPLY, A, B),
        arp_frame(arp.REQUEST, A, A),
        arp_frame(arp.REPLY, A, A),
        arp_frame(arp.REQUEST, bytes(4), A),
        eth(arp.emit(arp.REQUEST, MAC_A, A, MAC_B, B), 0x0806),
        udp_frame(b""),
        udp_frame(b"x" * 1400),
        eth(bytes(first) + UDP_HELLO[34:]),
        eth(bytes(later) + UDP_HELLO[34:]),
        tcp_frame(*AB, 1000, 0, tcp.SYN | tcp.ECE | tcp.CWR, 4000, odd),
        tcp_frame(*AB, 1001, 0, 0, 4000, urgent=9),
        tcp_frame(A, B, 44012, 40002, 1, 0, tcp.SYN, 4000, b"\x03\x03\x0f\x01"),
        tcp_frame(A, B, 44011, 40003, 77, 88, tcp.ACK | tcp.PSH, 501, b"", b"from the middle"),
        tcp_frame(B, A, 40003, 44011, 88, 92, tcp.ACK, 601, bytes.fromhex("0101050a0000006000000064")),
        ip(6, TCP_SYN[34:46] + b"\x30" + TCP_SYN[47:]),
        ip(17, UDP_HELLO[34:38] + b"\0\3" + UDP_HELLO[40:]),
        ip(17, UDP_HELLO[34:38] + b"\0\xc8" + UDP_HELLO[40:]),
    ]


def write_pcap(path, frames):
    """Microseconds, Ethernet; a frame every 1.234 ms."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames):
            file.write(struct.pack("<IIII", 1000, i * 1234, len(frame), len(frame)) + frame)


def our_lines(frames):
    recorder = Recorder()
    for i, frame in enumerate(frames):
        record(recorder, frame, 1000 + i * 1234 / 1e6)
    return [line(entry, 1000.0).plain for entry in Reader(recorder).since(0)]


# What tshark adds of its own analysis, and we of the stack's own judgment
ANALYSIS = re.compile(r"\[TCP [^]]*\] | \(request in \d+\)| \(reply in \d+\)| \[(TCP|UDP|ICMP|IP) [^]]* wrong\]")


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_the_lines_are_tshark_s(tmp_path):
    frames = frames_in_tshark_s_words()
    write_pcap(tmp_path / "frames.pcap", frames)
    done = subprocess.run(
        ["tshark", "-n", "-r", tmp_path / "frames.pcap"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin", "LANG": "C.UTF-8"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = [ANALYSIS.sub("", text).rstrip() for text in done.stdout.splitlines()]
    assert len(theirs) == len(frames)
    assert [ANALYSIS.sub("", text) for text in our_lines(frames)] == theirs
