"""What the trace says of DNS, DHCP and HTTP: tshark's line, a tree to the last option, and of nonsense that it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.trace.dissect import dissect
from stack.trace.render import line, tree
from stack.wire import dhcpv4, dns
from stack.wire.dhcpv4_options import KINDS, describe
from tests.trace.clean import tshark
from tests.trace.frames import entry
from tests.trace.payloads import (
    ANSWER,
    ASKED,
    COOKIE,
    LEASE,
    RECORDS,
    TEXTS,
    answer,
    datagram,
    dhcp,
    dhcp_frames,
    dns_frames,
    http_frames,
    prefixed,
    question,
    segment,
)
from tests.trace.test_tshark import ANALYSIS, our_lines, write_pcap

FRAMES = [*dns_frames(), *dhcp_frames(), *http_frames()]


def said(frame: bytes) -> str:
    """The line from the protocol on."""
    return line(entry(frame), 0.0).plain.split("→ 10.9.0.", 1)[1].split(None, 1)[1]


def shown(frame: bytes) -> str:
    """The tree, without its bytes."""
    return tree(entry(frame), 0.0, limit=0).plain


def test_the_lines_are_tshark_s(tmp_path):
    write_pcap(tmp_path / "frames.pcap", FRAMES)
    theirs = [ANALYSIS.sub("", text).rstrip() for text in tshark(tmp_path / "frames.pcap")]
    assert [ANALYSIS.sub("", text) for text in our_lines(FRAMES)] == theirs


def test_dns_s_tree_has_every_record_and_option():
    text = shown(answer(ANSWER | dns.AA, RECORDS, RECORDS[3:4], (COOKIE,)))
    assert text[text.index("Domain") :] == (
        """\
Domain Name System (response)
    Identifier: 0x1234 (4660)
    Flags: 0x8580 (qr aa rd ra)
    Operation: QUERY (0)
    Status: NOERROR (0)
    Questions: 1
        www.lab.: IN A
    Answers: 9
        www.lab.: 300 IN CNAME a.lab.
        a.lab.: 300 IN AAAA ::1
        lab.: 3 IN MX 10 mx.lab.
        lab.: 3 IN NS ns.lab.
        lab.: 3 IN PTR p.lab.
        lab.: 3 IN TXT "hello w" "x"
        lab.: 3 IN SRV 1 2 80 t.lab.
        lab.: 3 IN TYPE4711 \\# 3 616263
        lab.: 300 IN SOA ns.lab. root.lab. 1 2 3 4 5
    Authority: 1
        lab.: 3 IN NS ns.lab.
    Additional: 1
        EDNS: what the sender of the message can do (OPT)
            UDP payload size: 1232 bytes
            Extended status: 0
            Version: 0
            Flags: 0x8000 (do)
            Option 10 COOKIE: 01 02 03 04 05 06 07 08
"""
    )


def test_dhcp_s_tree_has_every_field_and_option():
    text = shown(dhcp(LEASE, dhcpv4.BOOTREPLY))
    assert "Dynamic Host Configuration Protocol (ACK)\n    Operation: Boot Reply (2)\n" in text
    for words in (
        "Transaction ID: 0x3903f326",
        "Client hardware address: 02:00:00:00:00:01",
        "Server host name: none",
        "Magic cookie: 63825363 (DHCP)",
        "Option 53 DHCP message type: ACK (5)",
        "Option 1 subnet mask: 255.255.255.0",
        "Option 6 domain name server: 10.9.0.1, 10.9.0.9",
        "Option 15 domain name: lab",
        "Option 51 IP address lease time: 3600 s",
        "Option 121 classless static route: 10.7.0.0/16 via 10.9.0.1",
    ):
        assert f"    {words}\n" in text


@given(st.dictionaries(st.sampled_from(sorted(KINDS)), st.binary(max_size=60), max_size=12))
def test_any_dhcp_options_are_all_in_the_tree(options):
    """Every option that is in the message is in the tree, as `describe` has it."""
    body = dhcpv4.emit(1, 7, b"\2" * 6, dhcpv4.Options(others=tuple(options.items())))
    fields = dissect(entry(datagram(body, 68, 67))).layers[3].fields
    for code, data in options.items():
        name, value = describe(code, data)
        assert (f"Option {code} {name}", value) in [field[:2] for field in fields]


def test_http_s_tree_has_the_header_s_lines_and_the_body_apart():
    text = shown(segment(TEXTS[1][0], is_answer=True))
    assert text.endswith(
        "Hypertext Transfer Protocol, HTTP/1.1 200 OK\n"
        "    Content-Type: text/plain\n    Content-Length: 3\nBody (3 bytes)\n"
    )


def test_a_header_that_goes_on_says_so():
    text = shown(segment(b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Le", is_answer=True))
    assert text.endswith("    Server: x\n    (the header goes on in the next segment)\n")


@pytest.mark.parametrize(
    "text", [b"hello", b"GET / HT", b"FOO / HTTP/1.1\r\n\r\n", b"GET /\r\n\r\n", b" GET / HTTP/1.1\r\n\r\n"]
)
def test_what_does_not_begin_as_http_is_tcp(text):
    assert said(segment(text)).startswith("TCP ")


def test_several_messages_in_one_segment_are_all_said():
    first, second = (dns.emit(dns.query(number, ASKED, None)) for number in (1, 2))
    frame = segment(prefixed(first, second) + b"\0\x50part", dns.PORT)
    assert said(frame).endswith("Standard query 0x0001 A www.lab, Standard query 0x0002 A www.lab")
    assert shown(frame).count("Domain Name System (query)\n    Length: 25\n") == 2
    assert shown(frame).endswith("Part of a message (6 bytes)\n")
    assert said(segment(b"\0\x50part", dns.PORT)).startswith("TCP ")


def test_what_is_malformed_is_said():
    message = dns.emit(dns.query(0x77, ASKED, None))
    assert said(datagram(message[:-3], 4, 53)) == "DNS 64 Standard query 0x0077 [malformed DNS record]"
    assert "Questions: 1, of which 0 can be read\n" in shown(datagram(message[:-3], 4, 53))
    assert said(datagram(message[:8], 4, 53)) == "DNS 50 8 bytes [too short for its header]"
    assert said(datagram(message + b"xx", 4, 53)).endswith(" A www.lab [data behind the end of a DNS message]")
    loop = message[:12] + b"\xc0\x0c" + message[-4:]
    assert said(datagram(loop, 4, 53)) == "DNS 60 Standard query 0x0077 [malformed DNS name]"
    lease = dhcpv4.emit(1, 7, b"\2" * 6, LEASE)
    cut = lease[: lease.index(b"\x0f\3lab") + 3]
    assert said(datagram(cut, 68, 67)).endswith("DHCP ACK      - Transaction ID 0x7 [malformed DHCP options]")
    assert "    Malformed: malformed DHCP options\n" in shown(datagram(cut, 68, 67))
    assert said(datagram(lease[:200], 68, 67)) == "BOOTP 242 200 bytes [too short for its header]"
    assert said(datagram(lease[:236] + b"abcd", 68, 67)).endswith(" [malformed DHCP message]")
    assert said(segment(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")).endswith("GET / HTTP/1.1 [malformed HTTP header]")


def test_nothing_in_a_packet_reaches_the_terminal_as_it_is():
    frames = [
        segment(b"GET /\x1b[31m HTTP/1.1\r\nX\x1b: \x9b5m\r\n\r\n"),
        question(
            0, dns.Question(dns.fields(b"\0" * 4 + b"\0\1" + b"\0" * 6 + b"\3\x1b[m\0\0\1\0\1").questions[0].name, 1)
        ),
        dhcp(dhcpv4.Options(message_type=1, others=((12, b"\x1b[31m"), (77, b"\x1b")))),
    ]
    for frame in frames:
        assert all(c.isprintable() or c == "\n" for c in line(entry(frame), 0.0).plain + tree(entry(frame), 0.0).plain)


@settings(max_examples=300)
@given(
    st.sampled_from(FRAMES),
    st.lists(st.tuples(st.integers(34, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
def test_whatever_is_bent_or_cut_is_shown(frame, changes, cut):
    """Whatever the bytes, there is a line, and a tree whose layers lie within the frame."""
    bent = bytearray(frame)
    for at, value in changes:
        bent[at % len(bent)] = value
    made = entry(bytes(bent[: len(bent) - cut % len(bent)]))
    assert line(made, 0.0).plain.count("\n") == 0
    assert tree(made, 0.0).plain.startswith("Frame 1: ")
    for layer in dissect(made):
        assert 0 <= layer.start <= layer.end <= made.size


@given(st.binary(max_size=300), st.sampled_from([(40000, 53), (68, 67)]))
def test_any_payload_is_shown(payload, ports):
    """Whatever is in a datagram of DNS or DHCP, it has a line of that name."""
    words = said(datagram(payload, *ports)) if payload else "DNS"
    assert words.split()[0] in ("DNS", "DHCP", "BOOTP")
