"""The filter language means what libpcap means by it, and a filter that makes no sense is refused at the word."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.trace.filter import FilterError, compile_filter
from stack.trace.frame import Frame
from stack.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from stack.wire.address import MAC_BROADCAST, MAC_ZERO, parse_ip

A, B, C = parse_ip("10.9.0.1"), parse_ip("10.9.0.2"), parse_ip("192.168.7.9")
MAC_A, MAC_B = b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"


def ip_frame(src: bytes, dst: bytes, protocol: int, body: bytes, options: bytes = b"", fragment: int = 0) -> bytes:
    head = bytearray(ipv4.emit(src, dst, protocol, len(body), options=options))
    head[6:8] = (fragment >> 3).to_bytes(2, "big") if fragment else head[6:8]
    return ethernet.emit(MAC_B, MAC_A, ethernet.ETHERTYPE_IPV4) + bytes(head) + body


def tcp_frame(
    src: bytes, dst: bytes, sport: int, dport: int, flags: int, payload: bytes = b"", ip_options: bytes = b""
) -> bytes:
    body = tcp.emit(src, dst, sport, dport, 1000, 2000, flags, 64_240, payload=payload) + payload
    return ip_frame(src, dst, ipv4.PROTOCOL_TCP, body, ip_options)


def udp_frame(src: bytes, dst: bytes, sport: int, dport: int, payload: bytes) -> bytes:
    return ip_frame(src, dst, ipv4.PROTOCOL_UDP, udp.emit(src, dst, sport, dport, payload) + payload)


FRAMES = [
    ethernet.emit(MAC_BROADCAST, MAC_A, ethernet.ETHERTYPE_ARP) + arp.emit(arp.REQUEST, MAC_A, A, MAC_ZERO, B),
    ethernet.emit(MAC_A, MAC_B, ethernet.ETHERTYPE_ARP) + arp.emit(arp.REPLY, MAC_B, B, MAC_A, A),
    tcp_frame(A, B, 44_000, 80, tcp.SYN),
    tcp_frame(B, A, 80, 44_000, tcp.SYN | tcp.ACK),
    tcp_frame(A, B, 44_000, 80, tcp.ACK),
    tcp_frame(A, B, 44_000, 80, tcp.ACK | tcp.PSH, b"GET / HTTP/1.0\r\n\r\n"),
    tcp_frame(A, C, 44_001, 443, tcp.RST),
    tcp_frame(C, A, 6010, 22, tcp.FIN | tcp.ACK, b"x" * 700, ip_options=b"\x01\x01\x01\x00"),
    udp_frame(A, B, 5353, 53, b"\x12\x34" + bytes(30)),
    udp_frame(B, A, 53, 5353, b"\x12\x34" + bytes(100)),
    udp_frame(A, parse_ip("224.0.0.251"), 5353, 5353, b"m"),
    ip_frame(A, B, ipv4.PROTOCOL_ICMP, icmpv4.emit(icmpv4.ECHO, 0, b"\0\x01\0\x01", bytes(56))),
    ip_frame(B, A, ipv4.PROTOCOL_ICMP, icmpv4.emit(icmpv4.ECHO_REPLY, 0, b"\0\x01\0\x01", bytes(56))),
    ip_frame(B, A, ipv4.PROTOCOL_ICMP, icmpv4.emit(3, 1, bytes(4), bytes(28))),
    ip_frame(A, B, ipv4.PROTOCOL_UDP, bytes(64), fragment=1480),
    ip_frame(A, B, 89, bytes(20)),
    ethernet.emit(MAC_B, MAC_A, 0x88CC) + bytes(40),
    ethernet.emit(b"\x33\x33\0\0\0\1", MAC_A, 0x86DD) + bytes.fromhex("6000000000183a ff".replace(" ", ""))
    + parse_ip("fe80::1") + parse_ip("ff02::1") + bytes((135, 0)) + bytes(22),
    ethernet.emit(MAC_B, MAC_A, 0x86DD) + bytes.fromhex("6000000000140640") + parse_ip("2001:db8::1")
    + parse_ip("2001:db8::2") + struct.pack("!HHIIHHHH", 80, 9999, 1, 2, 0x5012, 100, 0, 0),
]  # fmt: skip

FILTERS = [
    "tcp", "udp", "icmp", "arp", "ip", "ip6", "icmp6", "not ip", "! arp", "tcp or udp", "tcp || icmp", "ip and not tcp",
    "host 10.9.0.1", "src host 10.9.0.1", "dst 10.9.0.2", "src or dst host 192.168.7.9", "src and dst host 10.9.0.1",
    "ip host 10.9.0.1", "arp host 10.9.0.1", "host 192.168.7.9 or 10.9.0.2", "net 10.9.0.0/24", "net 10.9",
    "net 192.168",
    "net 10.0.0.0 mask 255.0.0.0", "src net 192.168.7.0/28", "port 80", "tcp port 80", "udp port 53", "port 80 or 443",
    "src port 80", "dst port 53", "port domain", "tcp port http", "portrange 6000-6063", "udp portrange 50-60",
    "ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:02", "ether dst ff:ff:ff:ff:ff:ff", "ether broadcast",
    "broadcast", "multicast", "ip multicast", "ether multicast", "ether proto 0x88cc", "ip proto 89", "ip proto 6",
    "proto 17", "less 60", "greater 200", "len > 100", "len <= 54", "len = 54",
    "tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", "tcp[13] = 18",
    "tcp[tcpflags] & (tcp-rst|tcp-fin) != 0", "icmp[icmptype] = icmp-echo", "icmp[icmptype] != icmp-echo",
    "icmp[0] == 3 and icmp[1] == 1", "ip[8] < 65", "ip[6:2] & 0x1fff != 0", "ip[0] & 0xf != 5", "udp[4:2] > 50",
    "tcp[20:4] = 0x47455420", "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
    "ether[0] & 1 = 1", "ether[12:2] = 0x0806", "ip[2:2] - ((ip[0] & 0xf) << 2) > 100", "arp[6:2] = 2",
    "tcp and (port 80 or port 443) and not src host 10.9.0.2", "udp and not (port 53 and dst host 10.9.0.1)",
    "tcp or udp and port 53", "port 80 and tcp or icmp", "not tcp and not udp", "not (tcp or udp)", "not tcp or udp",
    "ip[2:2] / 4 = 21", "ip[2:2] % 7 = 0", "len - 14 = 40", "udp[100] = 0", "udp[1000] = 0 or tcp", "1 = 1",
    "tcp src port 80",
    "host 2001:db8::1", "ip6 host fe80::1", "net 2001:db8::/32", "port 9999", "dst host 10.9.0.1 or 10.9.0.2",
    "ether proto 0x0800 and greater 100", "icmp or arp or port 22", "-1 = 4294967295", "igmp",
    "(len < 60)", "(tcp[13] & 2 != 0) and port 80", "((ip[2:2] - 20) > 30)", "(tcp[13] & (2|4)) != 0 or (udp[4:2] > 5)",
    "not (len > 100 or (ip[8] < 65 and tcp))",
    "(ip[8] + 1) = 65 and ((tcp))", r"ip proto \tcp", r"ip proto \udp or arp",
]  # fmt: skip


def kept_by_libpcap(tmp_path: Path, text: str) -> list[int]:
    """The indices of FRAMES that tcpdump keeps: each has its index as its time."""
    source, kept = tmp_path / "all.pcap", tmp_path / "kept.pcap"
    with source.open("wb") as f:
        f.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
        for i, frame in enumerate(FRAMES):
            f.write(struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame)
    done = subprocess.run(["tcpdump", "-nr", source, "-w", kept, "--", text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    data = kept.read_bytes()
    at, times = 24, []
    while at < len(data):
        second, _, size, _ = struct.unpack_from("<IIII", data, at)
        times.append(second)
        at += 16 + size
    return times


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")
@pytest.mark.parametrize("text", FILTERS)
def test_as_libpcap(tmp_path: Path, text: str) -> None:
    test = compile_filter(text)
    assert [i for i, frame in enumerate(FRAMES) if test(Frame(frame))] == kept_by_libpcap(tmp_path, text)


def test_direction() -> None:
    assert compile_filter("inbound")(Frame(FRAMES[2], outgoing=False))
    assert not compile_filter("inbound")(Frame(FRAMES[2], outgoing=True))
    assert compile_filter("outbound and tcp")(Frame(FRAMES[2], outgoing=True))


def test_empty_is_everything() -> None:
    assert all(compile_filter(" ")(Frame(frame)) for frame in FRAMES)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("prot 80", "prot"), ("tcp prot 80", "prot"), ("port", ""), ("port http2", "http2"), ("port 70000", "70000"),
        ("host 300.1.1.1", "300.1.1.1"), ("host www.lab", "www.lab"), ("net 10.0.0.0/40", "10.0.0.0/40"),
        ("tcp[tcpflags", ""), ("tcp[0:3] = 1", "3"), ("tcp and", ""), ("(tcp", ""), ("tcp)", ")"), ("tcp $ udp", "$"),
        ("portrange 5", "5"), ("icmp port 5", "5"), ("less many", "many"), ("tcp[13]", ""), ("ether host 10.0.0.1",
        "10.0.0.1"),
        ("net 10.0.0.0 mask 255.0.255.0", "255.0.255.0"), ("ip proto nonsense", "nonsense"), ("and tcp", "and"),
        ("(len < 60", ""), ("(len < 60) > 5", "<"), ("\\", "\\"),
        ("tcp host 1.2.3.4", "1.2.3.4"), ("not", ""), ("tcp udp", "udp"),
    ],
)  # fmt: skip
def test_refused_at_the_word(text: str, word: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    assert caught.value.start == (text.index(word) if word else len(text))
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and "^" in lines[2]


WORDS = [
    "tcp",
    "udp",
    "port",
    "host",
    "src",
    "dst",
    "net",
    "and",
    "or",
    "not",
    "(",
    ")",
    "[",
    "]",
    ":",
    "&",
    "=",
    "80",
    "10.9.0.1",
    "len",
    "less",
    "tcpflags",
    "0x1f",
    "/",
    "24",
    "-",
    "ether",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_words_compile_or_are_refused(words: list[str]) -> None:
    """Whatever the words, the filter runs on every frame or FilterError says why not."""
    try:
        test = compile_filter(" ".join(words))
    except FilterError:
        return
    for frame in FRAMES:
        for cut in (0, 13, 20, 33, 40, len(frame)):
            assert test(Frame(frame[:cut], len(frame))) in (True, False)


@given(st.text(max_size=40))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    try:
        compile_filter(text)
    except FilterError as e:
        assert "^" in str(e)
