"""Our lines in tcpdump's format beside tcpdump's own for the same frames."""

from __future__ import annotations

import re

from stack.trace.picture import Picture
from stack.trace.printer import Reader
from stack.trace.recorder import Recorder
from stack.trace.tcpdump import stamp
from stack.wire import dns, tcp
from tests.trace.clean import tcpdump
from tests.trace.frames import conversation, entry, eth, ip, record, tcp_frame
from tests.trace.payloads import ASKED, datagram, dhcp_frames, dns_frames, http_frames
from tests.trace.test_tshark import frames_in_tshark_s_words, write_pcap
from tests.wire.samples import A, B

OURS = re.compile(r" \[[^][]*(wrong|header|message|options|record)\]$")  # what we say of malformed ones
# Time stamps are not taken apart, and a datagram's first fragment is not looked into.
UNLIKE = re.compile(r"ICMP time stamp reply|ip-proto-17 13$|UDP, length 5$")


def frames() -> list[bytes]:
    late = (A, B, 44011, 40013)
    cut = dns.emit(dns.query(9, ASKED, None))
    return [
        *frames_in_tshark_s_words(),
        *dns_frames(),
        *dhcp_frames(),
        *http_frames(),
        tcp_frame(*late, 77, 88, tcp.ACK | tcp.PSH, 501, b"", b"from the middle"),
        tcp_frame(*late, 92, 88, tcp.ACK | tcp.FIN, 501),
        tcp_frame(B, A, 40013, 44011, 88, 93, tcp.ACK, 601),
        tcp_frame(B, A, 40013, 44011, 88, 93, tcp.RST, 0),
        tcp_frame(A, B, 44014, 9, 77, 0, tcp.SYN, 501),
        tcp_frame(B, A, 9, 44014, 0, 78, tcp.RST | tcp.ACK, 0),
        ip(99, bytes(30)),
        datagram(cut[:-3], 4, 53),
        datagram(cut[:8], 4, 53),
    ]


def ours(given: list[bytes]) -> list[str]:
    recorder = Recorder()
    for i, frame in enumerate(given):
        record(recorder, frame, i * 1234 / 1e6)
    picture = Picture(format="tcpdump", zero=1000 * 10**9)
    return [picture.line(e).plain for e in Reader(recorder).since(0)]


def test_the_lines_are_tcpdump_s(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    given = frames()
    write_pcap(tmp_path / "frames.pcap", given)
    theirs = tcpdump(tmp_path / "frames.pcap")
    pairs = [(OURS.sub("", a), b) for a, b in zip(ours(given), theirs, strict=True)]
    assert len(pairs) > 120
    assert [a for a, b in pairs if not UNLIKE.search(a)] == [b for a, b in pairs if not UNLIKE.search(a)]


def test_the_time_is_the_day_s_with_microseconds():
    assert re.fullmatch(r"\d\d:\d\d:40\.001234", stamp(1000_001_234_999))


def test_numbers_count_from_the_syn_and_are_raw_without_an_acknowledgment():
    lines = [line.split(": ", 1)[1] for line in ours(conversation())]
    assert lines[1].startswith(
        "Flags [S.], seq 5000, ack 4294967295, win 65160, options [mss 1460,sackOK,TS val 1 ecr 0,"
    )
    assert lines[3] == "Flags [P.], seq 1:6, ack 1, win 502, options [nop,nop,TS val 7 ecr 8], length 5"
    assert lines[10] == "Flags [R], seq 5004, win 0, length 0"


def test_other_protocols_have_a_name_and_a_length():
    picture = Picture(format="tcpdump")
    words = picture.line(entry(eth(bytes(40), 0x88CC))).plain.split(" ", 1)[1]
    assert words == "02:00:00:00:00:01 > 02:00:00:00:00:09, ethertype LLDP (0x88cc), length 54"
