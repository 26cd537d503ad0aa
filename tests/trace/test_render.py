import pytest
from rich.style import Style
from rich.text import Text

from stack.events import Dropped, Fault, NeighborChange, Retransmit, StateChange
from stack.interface import GSO_TCPV4, Offload
from stack.trace.color import is_coloured
from stack.trace.printer import Reader
from stack.trace.recorder import Note, Recorder
from stack.trace.render import ASCII, gap_line, hexdump, line, note_line, to_ansi, tree
from stack.wire import arp, ethernet, icmpv4, tcp
from stack.wire.drop import Drop
from tests.trace.frames import TAP, arp_frame, conversation, entry, eth, icmp_frame, record, tcp_frame, udp_frame
from tests.wire.samples import ECHO_REQUEST, TCP_SYN, UDP_HELLO, A, B


def plain(frame, **keywords):
    return line(entry(frame, **keywords), 0.0).plain


SYN_WORDS = " MSS=1460 SACK_PERM TSval=1 TSecr=0 WS=128"
STAMPS = "TSval=7 TSecr=8"


def test_lines():
    recorder = Recorder()
    for i, frame in enumerate([*conversation()[:4], ECHO_REQUEST, arp_frame(arp.REQUEST, A, B), udp_frame(b"abc")]):
        record(recorder, frame, 100.0 + i / 1024)
    assert [line(e, 100.0).plain for e in Reader(recorder).since(0)] == [
        "    1   0.000000     10.9.0.1 → 10.9.0.9     TCP 74 44000 → 40001 [SYN] Seq=0 Win=64240 Len=0" + SYN_WORDS,
        "    2   0.000977     10.9.0.9 → 10.9.0.1     TCP 74 40001 → 44000 [SYN, ACK] Seq=0 Ack=1 Win=65160 Len=0"
        + SYN_WORDS,
        "    3   0.001953     10.9.0.1 → 10.9.0.9     TCP 54 44000 → 40001 [ACK] Seq=1 Ack=1 Win=64256 Len=0",
        "    4   0.002930     10.9.0.1 → 10.9.0.9     TCP 71 44000 → 40001 [PSH, ACK] Seq=1 Ack=1 Win=64256 Len=5 "
        + STAMPS,
        "    5   0.003906     10.9.0.1 → 10.9.0.9     ICMP 98 Echo (ping) request  id=0x2105, seq=1/256, ttl=64",
        "    6   0.004883 02:00:00:00:00:01 → ff:ff:ff:ff:ff:ff ARP 42 Who has 10.9.0.9? Tell 10.9.0.1",
        "    7   0.005859     10.9.0.1 → 10.9.0.9     UDP 45 40000 → 40001 Len=3",
    ]


def test_lines_without_a_module_of_the_wire():
    assert plain(eth(bytes(40), 0x86DD)).endswith("IPv6 54 IPv6, 40 bytes")
    assert plain(eth(bytes(40), 0x88B5)).endswith("0x88b5 54 0x88b5, 40 bytes")
    assert plain(bytes(9)).endswith("Ethernet 9 9 bytes [too short for its header]")
    assert plain(icmp_frame(99, 1)).endswith("ICMP 70 Type 99")
    assert plain(arp_frame(9, A, B)).endswith("ARP 42 ARP inverse reply")


def test_a_resent_segment_says_why():
    why = Retransmit((A, 1), (B, 2), 7, 5, "timeout", 1, None)
    assert plain(tcp_frame(A, B, 1, 2, 7, 0, 16, 9), why=why, outgoing=True).endswith("Len=0 [resent: timeout, time 1]")


def test_a_dropped_packet_says_why():
    dropped = entry(UDP_HELLO)
    dropped.notes = (Dropped(Drop.UDP_PORT_CLOSED, TAP, detail="port 9"),)
    assert line(dropped, 0.0).plain.endswith("Len=5 [dropped: no socket on this UDP port (port 9)]")
    broken = entry(TCP_SYN[:-1] + b"\0")
    assert line(broken, 0.0).plain.endswith(" WS=1 [TCP checksum is wrong]")  # nobody has dropped it yet
    broken.notes = (Dropped(Drop.TCP_CHECKSUM, TAP),)
    assert line(broken, 0.0).plain.endswith(" WS=1 [dropped: TCP checksum is wrong]")


def test_ascii_where_the_terminal_knows_no_arrow():
    text = line(entry(UDP_HELLO), 0.0, ASCII).plain
    assert text.isascii() and text.endswith("10.9.0.1 -> 10.9.0.9     UDP 47 4000 -> 9 Len=5")


def test_events_and_gaps_have_lines_too():
    change = StateChange((A, 1), (B, 2), "SYN-SENT", "ESTABLISHED")
    assert note_line(Note(3, 2, 1.5, change), 1.0).plain == (
        "    *   0.500000 10.9.0.1:1 > 10.9.0.9:2 SYN-SENT -> ESTABLISHED"
    )
    assert gap_line(312).plain.strip() == "+312 frames not shown"
    assert gap_line(1).plain.strip() == "+1 frame not shown"


TREE = """\
Frame 1: 59 bytes sent on tap0 at 0.250000 s
    [resent: timeout, time 2, 0.200 s after it was last sent]
    [cut into segments of 1448 bytes by the device]
Ethernet II, Src: 02:00:00:00:00:01, Dst: 02:00:00:00:00:09
    Destination: 02:00:00:00:00:09
    Source: 02:00:00:00:00:01
    Type: IPv4 (0x0800)
Internet Protocol Version 4, Src: 10.9.0.1, Dst: 10.9.0.9
    Version: 4
    Header length: 20 bytes (5)
    Differentiated services: 0x00 (DSCP 0, not ECN-capable)
    Total length: 45
    Identification: 0x0000 (0)
    Flags: 0x2 (Don't fragment)
    Fragment offset: 0
    Time to live: 64
    Protocol: TCP (6)
    Header checksum: 0x26b0 (correct)
    Source address: 10.9.0.1
    Destination address: 10.9.0.9
Transmission Control Protocol, Src Port: 1, Dst Port: 2, Seq: 1, Len: 1
    Source port: 1
    Destination port: 2
    Sequence number: 1 (relative), 7 (raw)
    Acknowledgment number: 1 (relative), 9 (raw)
    Header length: 24 bytes (6)
    Flags: 0x18 (PSH, ACK)
    Window: 512
    Checksum: 0x143b (partial (left to the device))
    Urgent pointer: 0
    Options: 4 bytes
        Window scale: 7 (multiply by 128)
        No-operation
Data (1 byte)
Then: 10.9.0.9 dev tap0 lladdr 02:00:00:00:00:01 REACHABLE

0000  02 00 00 00 00 09 02 00  00 00 00 01 08 00 45 00  ..............E.
0010  00 2d 00 00 40 00 40 06  26 b0 0a 09 00 01 0a 09  .-..@.@.&.......
0020  00 09 00 01 00 02 00 00  00 07 00 00 00 09 60 18  ..............`.
0030  02 00 14 3b 00 00 03 03  07 01 7e                 ...;......~
"""


def test_the_tree_has_every_field_and_byte():
    frame = tcp_frame(A, B, 1, 2, 7, 9, tcp.PSH | tcp.ACK, 512, b"\3\3\7\1", b"~", partial=True)
    recorder = Recorder()
    offload = Offload(True, 34, 16, GSO_TCPV4, 1448)
    why = Retransmit((A, 1), (B, 2), 7, 1, "timeout", 2, 0.2)
    recorder.on_frame(TAP, True, frame[:58], memoryview(frame)[58:], offload, why, 10.25)
    (shown,) = Reader(recorder).since(0)
    after = [NeighborChange(TAP, B, TAP.mac, "REACHABLE")]
    assert tree(shown, 10.0, after).plain == TREE


def test_the_tree_of_an_error_shows_what_it_quotes_further_in():
    text = tree(entry(icmp_frame(icmpv4.DESTINATION_UNREACHABLE, 4, b"\0\0\5\xdc")), 0.0).plain
    assert "    Code: 4 (Fragmentation needed)\n" in text and "    MTU of next hop: 1500\n" in text
    assert "\n    User Datagram Protocol, Src Port: 4000, Dst Port: 9\n        Source port: 4000\n" in text


def test_the_tree_names_what_is_wrong():
    text = tree(entry(UDP_HELLO[:24] + b"\0\0" + UDP_HELLO[26:]), 0.0).plain
    assert "Internet Protocol Version 4, Src: 10.9.0.1, Dst: 10.9.0.9 [IP header checksum is wrong]\n" in text
    assert "    Header checksum: 0x0000 (wrong, should be 0x56ca)\n" in text


@pytest.mark.parametrize("length", range(34))
def test_a_hexdump_can_be_read_back(length):
    data = bytes(range(100, 100 + length))
    text = hexdump(data).plain
    rows = text.splitlines()
    assert bytes.fromhex("".join(row[6:55] for row in rows)) == data
    assert "".join(row[56:] for row in rows) == "".join(chr(b) if b < 127 else "." for b in data)
    assert [int(row[:4], 16) for row in rows] == list(range(0, length, 16))


def test_a_hexdump_is_cut_at_its_limit():
    assert hexdump(bytes(100), limit=32).plain.splitlines()[1:] == [
        "0010  " + "00 " * 8 + " " + "00 " * 8 + " " + "." * 16,
        "... 68 bytes more",
    ]
    assert hexdump(bytes(100), limit=100).plain.count("\n") == 7


def test_each_layer_s_bytes_have_its_colour():
    frame = entry(UDP_HELLO)
    dump = tree(frame, 0.0)
    start = dump.plain.index("0020  ")
    styles = {dump.plain[s:e]: style for s, e, style in dump.spans if s >= start}
    assert styles["00 09 "] != styles["0f a0 00 09 00 0d  98 3d "]
    assert "68 65 6c 6c 6f " not in styles  # data has none


def test_colours_are_escape_sequences_around_the_same_text():
    text = line(entry(tcp_frame(A, B, 1, 2, 3, 4, tcp.RST, 5)), 0.0)
    ansi = to_ansi(text, True)
    assert to_ansi(text, False) == text.plain and "\x1b" not in text.plain
    assert Text.from_ansi(ansi).plain == text.plain
    assert "\x1b[31mTCP 54 1 → 2 [RST] Seq=3 Win=5 Len=0\x1b[0m" in ansi


def test_protocols_differ_in_colour_and_bad_news_is_red():
    def styles(frame, **more):
        return [style for _, _, style in line(entry(frame, **more), 0.0).spans]

    kinds = [styles(f)[-1] for f in (UDP_HELLO, ECHO_REQUEST, arp_frame(1, A, B), tcp_frame(A, B, 1, 2, 3, 4, 16, 5))]
    assert len({str(style) for style in kinds}) == 4
    assert styles(UDP_HELLO[:20])[-1] == Style(color="red", bold=True)
    assert styles(UDP_HELLO, why=Fault("boom"))[-1] == Style(color="red", bold=True)
    why = Retransmit((A, 1), (B, 2), 7, 5, "timeout", 1, None)
    assert styles(TCP_SYN, why=why)[-1] == Style(color="yellow", bold=True)


class Terminal:
    def __init__(self, answer):
        self.isatty = lambda: answer


@pytest.mark.parametrize(
    "choice, environ, terminal, expected",
    [
        ("always", {"NO_COLOR": "1"}, False, True),
        (True, {}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        (False, {}, True, False),
        ("auto", {}, True, True),
        (None, {}, False, False),
        (None, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": ""}, True, True),
        (None, {"FORCE_COLOR": "1"}, False, True),
        (None, {"FORCE_COLOR": ""}, False, False),
    ],
)
def test_colour_is_decided_by_the_choice_then_the_environment_then_the_terminal(choice, environ, terminal, expected):
    assert is_coloured(choice, Terminal(terminal), environ) is expected


def test_no_stream_has_no_colour_and_a_wrong_choice_is_an_error():
    assert is_coloured(None, None, {}) is False
    with pytest.raises(ValueError, match="colour is one of auto, always, never, not 'pink'"):
        is_coloured("pink")


def test_ethertypes_have_names():
    assert plain(eth(b"", ethernet.ETHERTYPE_VLAN)).endswith("VLAN 14 VLAN, 0 bytes")
