"""The filter language means what libpcap means by it, and a filter that makes no sense is refused at the word."""

from __future__ import annotations

import random
import re
import shutil
import struct
import subprocess
import tracemalloc
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.trace.filter import FilterError, compile_filter
from stack.trace.frame import Frame
from stack.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from stack.wire.address import MAC_BROADCAST, MAC_ZERO, parse_ip

A, B, C = parse_ip("10.9.0.1"), parse_ip("10.9.0.2"), parse_ip("192.168.7.9")
RANDOM_FILTERS = 200
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

# Each protocol in each version, whole, as a first and a later fragment, without a VLAN's tag and behind one and two:
# all of them begin with the same bytes, which are TCP's ports and flags, and ICMP's type and code as well.
BODY = struct.pack("!HHIIBBHHH", 80, 53, 1, 2, 0x50, 0x12, 512, 0, 0) + b"x" * 8
PAIRS4 = cycle([(A, B), (B, C), (C, parse_ip("255.255.255.255")), (A, parse_ip("224.0.0.1"))])
PAIRS6 = cycle([(parse_ip("fe80::1"), parse_ip("ff02::1")), (parse_ip("2001:db8::1"), parse_ip("fe80::1"))])
TAGS = (b"", bytes.fromhex("81000005"), bytes.fromhex("88a8a00781000005"))
ICMP6_ERROR = bytes((128, 0)) + bytes(30)


def tagged(frame: bytes, tags: bytes) -> bytes:
    return frame[:12] + tags + frame[12:]


def ip6_frame(protocol: int, body: bytes, fragment: int | None = None) -> bytes:
    src, dst = next(PAIRS6)
    if fragment is not None:
        body, protocol = bytes((protocol, 0)) + fragment.to_bytes(2, "big") + bytes(4) + body, 44
    head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
    return ethernet.emit(MAC_A, MAC_B, ethernet.ETHERTYPE_IPV6) + head + src + dst + body


for tags in TAGS:
    for protocol in (0, 1, 2, 6, 17, 50, 51, 58, 103, 112, 132):
        FRAMES += [tagged(ip_frame(*next(PAIRS4), protocol, BODY, fragment=at), tags) for at in (0, 0x2000 << 3, 8)]
        FRAMES += [tagged(ip6_frame(protocol, BODY, at), tags) for at in (None, 1, 8)]
    FRAMES += [tagged(ip6_frame(58, ICMP6_ERROR), tags)]
    FRAMES += [tagged(FRAMES[0], tags), tagged(FRAMES[0][:12] + b"\x80\x35" + FRAMES[0][14:], tags)]
    FRAMES += [tagged(MAC_A + MAC_B + bytes((0, 38, sap, sap, 3)) + bytes(35), tags) for sap in (0x06, 0x42, 0xFE)]
    FRAMES += [tagged(MAC_A + MAC_B + bytes((0, 38, 0xFE, 1, 3)) + bytes(35), tags)]

FILTERS = [
    "tcp", "udp", "icmp", "arp", "ip", "ip6", "icmp6", "not ip", "! arp", "tcp or udp", "tcp || icmp", "ip and not tcp",
    "host 10.9.0.1", "src host 10.9.0.1", "dst 10.9.0.2", "src or dst host 192.168.7.9", "src and dst host 10.9.0.1",
    "ip host 10.9.0.1", "arp host 10.9.0.1", "host 192.168.7.9 or 10.9.0.2", "net 10.9.0.0/24", "net 10.9",
    "net 192.168",
    "net 10.0.0.0 mask 255.0.0.0", "src net 192.168.7.0/28", "port 80", "tcp port 80", "udp port 53", "port 80 or 443",
    "port (80 or 53)", "tcp port not 80", "host (10.9.0.1 or 10.9.0.2) and not udp", "ip proto (6 or 17)",
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
    "igmp or icmp", "ip6 and not icmp6", "ip proto 58", "ip6 proto 1", "proto 6", r"proto \tcp", r"proto \icmp",
    "proto 58", "portrange 1024-1", "udp portrange 53-50", "sctp port 80", "sctp", "ah or esp", "pim", "vrrp", "rarp",
    "rarp[7] = 1", "port ssh", "port http", "portrange ssh-http", "tcp port domain", "ip proto \\ip", "ether proto 6",
    "ether proto 0x42", "ether proto 0xfe", "vlan", "vlan 5", "vlan 7", "not vlan", "not vlan and tcp", "vlan and tcp",
    "vlan and vlan 5 and ip6", "tcp or vlan 5 and tcp", "tcp or (vlan and tcp)", "vlan or port 80",
    "vlan and ether[12:2] = 0x8100", "vlan 5 and ip[9] = 6", "vlan and net 10.9/16", "ether proto 0x8100",
    "vlan 07 && arp", "not (vlan 5) and port 80", "icmp6[icmp6type] = icmp6-echo",
    "icmp6[icmp6type] = icmp6-neighborsolicit", "tcp[2:2] = 53", "ip[6] < tcp[13]", "tcp[13] = 0x12", "sctp[0:2] = 80",
    "igmp[0] = 0", "pim[3] = 53", "010 = 8", "len/2=27", "4/2=2", "1 << 31 = 0x80000000", "ip[8] << ip[8] = 0",
    "ip[8] >> ip[8] = 0", "ip[8] >> 3 = 8", "ip[8] / (ip[8] - 64) = 0", "ip[8] % (ip[8] - 64) != 7",
    "ip[8] + 0xffffffff = 63", "-ip[8] > 0xff", "ip[8] * 0x4000001 = 64", "not not not tcp",
    "net 10.9/16 or 192.168/16", "ether src or dst 02:00:00:00:00:02", "0 - 1 > 5", "10 - 8 / 2 * 3 = -2",
]  # fmt: skip


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filter") / "all.pcap"
    with path.open("wb") as f:
        f.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
        for i, frame in enumerate(FRAMES):
            f.write(struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame)
    return path


def kept_by_libpcap(capture: Path, text: str) -> list[int]:
    """The indices of FRAMES that tcpdump keeps: each has its index as its time."""
    done = subprocess.run(["tcpdump", "-nr", capture, "-w", "-", "--", text], capture_output=True)
    if b"expression rejects all packets" in done.stderr:
        return []
    assert done.returncode == 0, done.stderr
    at, times = 24, []
    while at < len(done.stdout):
        second, _, size, _ = struct.unpack_from("<IIII", done.stdout, at)
        times.append(second)
        at += 16 + size
    return times


def kept(text: str) -> list[int]:
    test = compile_filter(text)
    return [i for i, frame in enumerate(FRAMES) if test(Frame(frame))]


needs_tcpdump = pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")


@needs_tcpdump
@pytest.mark.parametrize("text", FILTERS)
def test_as_libpcap(capture: Path, text: str) -> None:
    assert kept(text) == kept_by_libpcap(capture, text)


class Grammar:
    """Filters by chance, of the words that mean the same here and in libpcap."""

    def __init__(self, seed: int) -> None:
        self._one_of = random.Random(seed).choice

    def filter(self, depth: int = 0) -> str:
        kind = self._one_of("jjjnpw") if depth == 0 else self._one_of("jnpwwwww") if depth < 3 else "w"
        if kind == "j":
            return f"{self.filter(depth + 1)} {self._one_of(('and', 'or', '&&', '||'))} {self.filter(depth + 1)}"
        if kind == "n":
            return self._one_of(("not ", "! ")) + self.filter(depth + 1)
        return f"({self.filter(depth + 1)})" if kind == "p" else self._primitive()

    def _primitive(self) -> str:
        one_of = self._one_of
        way = one_of(("", "", "src ", "dst ", "src or dst ", "src and dst "))
        byte = f"{one_of(('ip', 'tcp', 'udp', 'icmp', 'ether', 'arp', 'ip6', 'icmp6', 'sctp'))}[{one_of('01236')}]"
        field = byte.replace("]", one_of(("", ":1", ":2", ":4")) + "]")
        return one_of((
            one_of(("tcp", "udp", "icmp", "igmp", "ip", "ip6", "arp", "icmp6", "sctp", "multicast", "ip6 multicast")),
            one_of(("vlan", "vlan 5", "vlan 7")),
            one_of(("", "ip ", "arp ")) + way + "host " + one_of(("10.9.0.1", "10.9.0.2", "192.168.7.9")),
            one_of(("", "ip6 ")) + way + "host " + one_of(("fe80::1", "ff02::1", "2001:db8::1")),
            way + "net " + one_of(("10", "10.9", "10.9.0.0/30", "192.168.7.0/24", "2001:db8::/32", "224.0.0.0/4")),
            one_of(("", "tcp ", "udp ", "sctp ")) + way + one_of(("port 80", "port 53", "portrange 60-50", "port 443")),
            one_of(("less ", "greater ")) + one_of(("54", "60", "66", "74")),
            "ether " + one_of(("host", "src", "dst")) + one_of((" 02:00:00:00:00:01", " ff:ff:ff:ff:ff:ff")),
            one_of(("", "ip ", "ip6 ")) + "proto " + one_of(("1", r"\tcp", r"\udp", "58", "44", "132")),
            f"{field} {one_of(('=', '!=', '<', '>='))} {one_of(('0', '5', '0x45', '80', 'ip[9]', 'tcp-syn', 'len'))}",
            f"{byte} {one_of('&|+-')} {one_of(('1', 'tcp-ack', '0x3f'))} {one_of('=<>')} {one_of(('0', '16', '81'))}",
        ))  # fmt: skip


@needs_tcpdump
def test_random_filters_as_libpcap(capture: Path) -> None:
    """Whatever the filter, it keeps the frames that tcpdump keeps."""
    grammar = Grammar(seed=4)
    texts = [grammar.filter() for _ in range(RANDOM_FILTERS)]
    assert [text for text in texts if kept(text) != kept_by_libpcap(capture, text)] == []


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
        ("host 300.1.1.1", "300.1.1.1"), ("host www.lab", "www.lab"), ("net 10.0.0.0/40", "40"),
        ("tcp[tcpflags", ""), ("tcp[0:3] = 1", "3"), ("tcp and", ""), ("(tcp", ""), ("tcp)", ")"), ("tcp $ udp", "$"),
        ("portrange 5", "5"), ("icmp port 5", "5"), ("less many", "many"), ("tcp[13]", ""), ("ether host 10.0.0.1",
        "10.0.0.1"),
        ("net 10.0.0.0 mask 255.0.255.0", "255.0.255.0"), ("ip proto nonsense", "nonsense"), ("and tcp", "and"),
        ("(len < 60", ""), ("(len < 60) > 5", "<"), ("\\", "\\"),
        ("tcp host 1.2.3.4", "1.2.3.4"), ("not", ""), ("tcp udp", "udp"),
        ("ip host fe80::1", "fe80::1"), ("arp host fe80::1", "fe80::1"), ("ip6 host 10.0.0.1", "10.0.0.1"),
        ("ip net 2001:db8::/32", "2001"), ("ip6 net 10", "10"), ("tcp or ip6 src 10.0.0.1", "10.0.0.1"),
        (r"ether proto \tcp", "tcp"), (r"ip proto \arp", "arp"), (r"ip proto \ip6", "ip6"), ("tcp proto 6", "6"),
        ("src proto 6", "6"), ("net 10.0.0.1/8", "10.0.0.1"), ("net 10.0.0.1 mask 255.0.0.0", "10.0.0.1"),
        ("net 2001:db8::1/32", "2001"), ("net 10.9/8", "10.9"), ("net 2001:db8:: mask 255.0.0.0", "255.0.0.0"),
        ("host 10.0.0.0/8", "/"), ("10.0.0.0/8", "/"), ("ip proto 0x1ffffffff", "0x1ffffffff"), ("ip proto 256", "256"),
        ("ether proto 0x10000", "0x10000"), ("len > 4294967296", "4294967296"), ("less 4294967296", "4294967296"),
        ("vlan 4096", "4096"), ("vlan five", "five"), ("ether", "ether"), ("tcp and ether or udp", "ether"),
        ("ether net 10", "10"), ("udp port http", "http"), ("tcp port bootps", "bootps"),
        ("sctp port domain", "domain"), ("udp portrange ssh-http", "ssh-http"), ("port 00080", "00080"),
        ("portrange 1-65536", "1-65536"), ("1_0 = 10", "1_0"), ("1 / 0 = 1", "0"), ("len % (2 - 2) = 1", "(2"),
        ("ip[1 / 0] = 1", "0"), ("1 << 32 = 0", "32"), ("len >> 99 = 0", "99"), ("1 << 99999999999 = 0", "99999999999"),
        ("1 << -1 = 0", "-1"), ("arp multicast", "multicast"),
    ],
)  # fmt: skip
def test_refused_at_the_word(text: str, word: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    assert caught.value.start == (text.index(word) if word else len(text))
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and "^" in lines[2]


def test_a_word_that_is_nearly_one_is_guessed() -> None:
    for text, why in (("vlna", "'vlna' is not a word of the filter language: 'vlan'?"), ("igpm", ": 'igmp'?"),
                      ("dhcp", ": 'port 67 or 68'?"), ("http", ": 'port http'?")):  # fmt: skip
        with pytest.raises(FilterError, match=re.escape(why)):
            compile_filter(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(" * 1500 + "tcp" + ")" * 1500, "parentheses are at most 50 deep"),
        ("(" * 1500 + "len" + ")" * 1500 + " > 5", "parentheses are at most 50 deep"),
        ("len > " + "(" * 1500 + "5" + ")" * 1500, "parentheses are at most 50 deep"),
        ("ip[" * 1500 + "5" + "]" * 1500 + " > 5", "parentheses are at most 50 deep"),
        ("not (" * 1500 + "5", "parentheses are at most 50 deep"),
        ("len > " + "9" * 5000, "a number is at most 4294967295"),
        ("len > 0x" + "f" * 5000, "a number is at most 4294967295"),
        ("less " + "9" * 5000, "a number is at most 4294967295"),
        ("port " + "9" * 5000, "a port is at most 65535"),
        ("net 10.0.0.0/" + "9" * 5000, "a prefix length is at most 32"),
        ("net " + "9" * 5000, f"'{'9' * 37}...' is not an address"),
        ("tcp " + "x" * 5000, f"'{'x' * 37}...' is not a word of the filter language"),
    ],
)
def test_what_is_too_deep_or_too_long_is_refused_in_short_lines(text: str, why: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    lines = str(caught.value).splitlines()
    assert lines[0] == why and len(lines) == 3 and max(map(len, lines)) <= 110
    shown, marks = lines[1][4:], lines[2][4:]
    assert shown[marks.index("^") :].startswith(text[caught.value.start :][:9])


def test_a_long_chain_is_no_depth() -> None:
    syn = Frame(FRAMES[2])
    for text, is_kept in (
        (" or ".join(["udp"] * 1500), False),
        (" or ".join(["udp"] * 1500 + ["tcp"]), True),
        (" and ".join(["tcp"] * 1500), True),
        ("not " * 1501 + "udp", True),
        ("+".join(["1"] * 1500) + " = 1500", True),
        ("-".join(["ip[8]"] * 1500) + " != 5", True),
        ("-" * 1500 + "5 = 5", True),
        ("port 81 " + "or 79 " * 1500 + "or 80", True),
        (" or ".join(["(udp)"] * 1500), False),
        ("(" * 50 + "tcp" + ")" * 50, True),
        ("(" * 50 + "len" + "+1)" * 50 + f" = {len(FRAMES[2]) + 50}", True),
        ("len > 0x" + "0" * 5000, True),
    ):
        assert compile_filter(text)(syn) is is_kept


def test_a_shift_takes_no_memory() -> None:
    """Of 32 bits nothing is left behind them."""
    test = compile_filter("1 << ip[12:4] = 0")
    tracemalloc.start()
    try:
        assert test(Frame(FRAMES[2]))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sign", "/%")
def test_a_division_by_zero_in_a_packet_matches_nothing(sign: str) -> None:
    reply, request = Frame(FRAMES[12]), Frame(FRAMES[11])
    for text in (
        f"icmp[8] {sign} icmp[0] >= 0",
        f"not icmp[8] {sign} icmp[0] > 5",
        f"tcp or icmp[8] {sign} icmp[0] = 0",
    ):
        test = compile_filter(text)
        assert test(request) and not test(reply)


def test_of_two_fields_a_packet_has_both() -> None:
    """libpcap asks for the first only, and reads the other from whatever is there."""
    assert kept("ip[0] + tcp[13] != 0") == kept("ip and tcp[13] >= 0")


def test_later_fragments_have_no_transport() -> None:
    """What looks like a port, a flag or a type in them is payload."""
    for at in (1, 0x1000):
        later = ip_frame(A, B, 6, BODY, fragment=at << 3)
        assert compile_filter("tcp and ip[20:2] = 80")(Frame(later))
        assert not any(compile_filter(text)(Frame(later)) for text in OF_TRANSPORT)


OF_TRANSPORT = (
    "port 80", "tcp port 53", "tcp[13] = 0x12", "udp[0:2] = 80", "icmp[1] = 80", "not ip[6:2] & 0x1fff != 0",
)  # fmt: skip


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
    "vlan",
    "proto",
    "portrange",
    "60-50",
    "fe80::1",
    "<<",
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
