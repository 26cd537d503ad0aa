"""Frames with DNS, DHCP and HTTP in them, all kinds of each."""

from __future__ import annotations

from stack.wire import dhcpv4, dns, ipv4, udp
from stack.wire.dhcpv4_options import ClasslessRoute, Options
from stack.wire.dns import Message, Mx, Opt, Question, Record, Soa, Srv, Txt
from stack.wire.name import ROOT, parse_name
from tests.trace.frames import ip, tcp_frame
from tests.wire.samples import MAC_A, A, B

WWW, LAB = parse_name("www.lab."), parse_name("lab.")
ASKED = Question(WWW, dns.A)
ANSWER = dns.QR | dns.RD | dns.RA
SOA = Record(LAB, dns.SOA, dns.IN, 300, Soa(parse_name("ns.lab."), parse_name("root.lab."), 1, 2, 3, 4, 5))
COOKIE = Record(ROOT, dns.OPT, 1232, dns.EDNS_DO, Opt(((10, b"\1\2\3\4\5\6\7\x08"),)))
RECORDS = (
    Record(WWW, dns.CNAME, dns.IN, 300, parse_name("a.lab.")),
    Record(parse_name("a.lab."), dns.AAAA, dns.IN, 300, bytes(15) + b"\1"),
    Record(LAB, dns.MX, dns.IN, 3, Mx(10, parse_name("mx.lab."))),
    Record(LAB, dns.NS, dns.IN, 3, parse_name("ns.lab.")),
    Record(LAB, dns.PTR, dns.IN, 3, parse_name("p.lab.")),
    Record(LAB, dns.TXT, dns.IN, 3, Txt((b"hello w", b"x"))),
    Record(LAB, dns.SRV, dns.IN, 3, Srv(1, 2, 80, parse_name("t.lab."))),
    Record(LAB, 4711, dns.IN, 3, b"abc"),
    SOA,
)
LEASE = Options(
    message_type=dhcpv4.ACK, subnet_mask=b"\xff\xff\xff\0", routers=(A,), dns_servers=(A, B), domain="lab", mtu=1500,
    lease_time=3600, server_id=A, t1=1800, t2=3150, routes=(ClasslessRoute(b"\n\7\0\0", 16, A),), hostname="me",
)  # fmt: skip


def datagram(payload: bytes, src_port: int, dst_port: int, is_answer: bool = False) -> bytes:
    ends = (B, A) if is_answer else (A, B)
    return ip(ipv4.PROTOCOL_UDP, udp.emit(*ends, src_port, dst_port, payload) + payload, *ends)


def question(flags: int = dns.RD, *more: Question, number: int = 0x1234) -> bytes:
    return datagram(dns.emit(Message(number, flags, (ASKED, *more))), 40000, dns.PORT)


def answer(flags: int = ANSWER, *sections: tuple[Record, ...]) -> bytes:
    return datagram(dns.emit(Message(0x1234, flags, (ASKED,), *sections)), dns.PORT, 40000, True)


def dhcp(options: Options, op: int = dhcpv4.BOOTREQUEST, xid: int = 0x3903F326) -> bytes:
    ports = (68, 67) if op == dhcpv4.BOOTREQUEST else (67, 68)
    return datagram(dhcpv4.emit(op, xid, MAC_A, options), *ports)


def segment(text: bytes, port: int = 80, is_answer: bool = False, number: int = 0) -> bytes:
    ends = (B, A, port, 44020 + number) if is_answer else (A, B, 44020 + number, port)
    return tcp_frame(*ends, 1, 1, 0x18, 500, b"", text)


def prefixed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


def dns_frames() -> list[bytes]:
    query = dns.query(0x77, ASKED, 1232)
    return [
        question(),
        datagram(dns.emit(query), 40000, dns.PORT),
        answer(ANSWER, (Record(WWW, dns.A, dns.IN, 300, A),)),
        answer(ANSWER | dns.NXDOMAIN, (), (SOA,)),
        answer(ANSWER | dns.AA, RECORDS, RECORDS[3:4], (Record(LAB, dns.A, dns.IN, 3, B), COOKIE)),
        *(answer(dns.QR | code) for code in range(11)),
        *(question(op << 11) for op in range(6)),
        *(answer(dns.QR | op << 11) for op in range(6)),
        answer(dns.QR | dns.TC),
        question(0, Question(ROOT, dns.ANY), Question(parse_name("x.lab."), 4711, dns.CH)),
        datagram(dns.emit(Message(1, 0)), 40000, dns.PORT),
        segment(prefixed(dns.emit(query)), dns.PORT),
    ]


def dhcp_frames() -> list[bytes]:
    requests, replies = (1, 3, 4, 7, 8), (2, 5, 6)
    return [
        *(dhcp(Options(message_type=kind)) for kind in requests),
        *(dhcp(Options(message_type=kind), dhcpv4.BOOTREPLY) for kind in replies),
        dhcp(LEASE, dhcpv4.BOOTREPLY),
        dhcp(Options(message_type=99)),
        dhcp(Options()),
        dhcp(Options(), dhcpv4.BOOTREPLY),
    ]


TEXTS = [
    (b"GET / HTTP/1.1\r\nHost: www.lab\r\nUser-Agent: x\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc", True),
    (b"HEAD /a HTTP/1.0\r\n\r\n", False),
    (b"HTTP/1.1 304 Not Modified\r\nServer: x\r\n\r\n", True),
    (b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 3\r\n\r\nabc", True),
    (
        b"POST /x HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
        False,
    ),
]


def http_frames() -> list[bytes]:
    return [
        segment(text, port, is_answer, number)
        for number, (port, text, is_answer) in enumerate((p, *t) for p in (80, 4000) for t in TEXTS)
    ]
