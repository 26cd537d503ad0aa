import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.interface import GSO_TCPV4, Offload
from stack.trace.dissect import dissect
from stack.trace.info import columns
from stack.trace.render import line, to_ansi, tree
from stack.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from stack.wire.drop import Drop, WireError
from tests.trace.frames import QUOTE, SYN_OPTIONS, arp_frame, entry, eth, icmp_frame, ip, tcp_frame
from tests.wire.samples import ECHO_REQUEST, FRAMES, TCP_SYN, UDP_HELLO, A, B


def layers(frame, offload=None):
    return dissect(entry(frame, offload))


def names(frame):
    return [layer.name for layer in layers(frame)]


def field(layer, name):
    return next(f for f in layer.fields if f.name == name)


def patched(frame, offset, data):
    return frame[:offset] + data + frame[offset + len(data) :]


def dropped_for(frame, offload=None):
    """The reason the stack's own parsers refuse a frame for, None if none does: the path of a packet, by hand."""
    verified = offload is not None and (offload.needs_checksum or offload.verified)
    try:
        header = ethernet.parse(frame)
        if header.ethertype == ethernet.ETHERTYPE_ARP:
            arp.parse(header.payload)
        elif header.ethertype == ethernet.ETHERTYPE_IPV4:
            packet = ipv4.parse(header.payload)
            if not (packet.fragment_offset or packet.flags & ipv4.MF):
                if packet.protocol == ipv4.PROTOCOL_TCP:
                    tcp.parse(packet.payload, packet.src, packet.dst, verified)
                elif packet.protocol == ipv4.PROTOCOL_UDP:
                    udp.parse(packet.payload, packet.src, packet.dst, verified)
                elif packet.protocol == ipv4.PROTOCOL_ICMP:
                    icmpv4.parse(packet.payload, verified)
    except WireError as error:
        return error.reason
    return None


def test_the_layers_of_a_segment_cover_the_frame():
    found = layers(tcp_frame(A, B, 1, 2, 3, 4, tcp.ACK, 5, SYN_OPTIONS, b"hello") + b"\0\0")
    assert [(layer.name, layer.start, layer.end) for layer in found] == [
        ("ethernet", 0, 14), ("ip", 14, 34), ("tcp", 34, 74), ("data", 74, 79), ("data", 79, 81),
    ]  # fmt: skip
    assert [layer.title for layer in found][3:] == ["Data (5 bytes)", "Padding (2 bytes)"]
    assert found.reason is None and found.tcp.payload == b"hello"


def test_layers_of_every_protocol():
    assert names(UDP_HELLO) == ["ethernet", "ip", "udp", "data"]
    assert names(ECHO_REQUEST) == ["ethernet", "ip", "icmp", "data"]
    assert names(arp_frame(arp.REQUEST, A, B) + bytes(18)) == ["ethernet", "arp", "data"]
    for ethertype, title in (
        (ethernet.ETHERTYPE_IPV6, "IPv6 (1 byte)"),
        (0x1234, "0x1234 (1 byte)"),
        (3, "LLC (1 byte)"),
    ):
        assert [layer.title for layer in layers(eth(b"x", ethertype))][1] == title
    for protocol, title in ((ipv4.PROTOCOL_IGMP, "IGMP (8 bytes)"), (200, "protocol 200 (8 bytes)")):
        assert [layer.title for layer in layers(ip(protocol, bytes(8)))][2] == title


def test_what_an_error_quotes_is_shown_inside_it():
    found = layers(icmp_frame(icmpv4.DESTINATION_UNREACHABLE, icmpv4.PORT_UNREACHABLE))
    icmp = found.layers[-1]
    assert [layer.name for layer in icmp.inner] == ["ip", "udp"]
    assert [(layer.start, layer.end) for layer in icmp.inner] == [(42, 62), (62, 70)]
    assert field(icmp.inner[1], "Checksum").value == "0x983d (cannot be checked: only 8 of 13 bytes are there)"
    assert found.udp is None and found.ip.src == B and found.reason is None
    assert [layer.reason for layer in icmp.inner] == [None, None]  # a router may well have changed it


def test_eight_bytes_of_a_quoted_segment_are_enough_for_its_ports():
    quote = icmp_frame(icmpv4.TIME_EXCEEDED, 0, payload=TCP_SYN[14:42])
    inner = layers(quote).layers[-1].inner
    assert [f.value for f in inner[1].fields] == ["4000", "80", "2651028085 (raw)"]


def test_quotes_within_quotes_come_to_an_end():
    payload = QUOTE
    for _ in range(12):
        payload = icmp_frame(icmpv4.TIME_EXCEEDED, 0, payload=payload)[14:]
    layer = layers(eth(payload)).layers[-1]
    depth = 0
    while layer.inner:
        depth, layer = depth + 1, layer.inner[-1]
    assert depth == 4


CASES = {
    "ethernet cut": (UDP_HELLO[:13], "ethernet", Drop.TRUNCATED),
    "ip cut": (UDP_HELLO[:33], "ip", Drop.TRUNCATED),
    "arp cut": (arp_frame(1, A, B)[:41], "arp", Drop.TRUNCATED),
    "arp of nothing": (arp_frame(1, A, B)[:20], "arp", Drop.TRUNCATED),
    "arp for tokens": (patched(arp_frame(1, A, B), 14, b"\0\6"), "arp", Drop.ARP_MALFORMED),
    "version": (patched(UDP_HELLO, 14, b"\x55"), "ip", Drop.IP_VERSION),
    "ihl": (patched(UDP_HELLO, 14, b"\x44"), "ip", Drop.IP_HEADER_LENGTH),
    "ihl beyond": (patched(UDP_HELLO, 14, b"\x4f"), "ip", Drop.IP_HEADER_LENGTH),
    "total length": (patched(UDP_HELLO, 16, b"\0\x22"), "ip", Drop.IP_TOTAL_LENGTH),
    "total length short": (patched(UDP_HELLO, 16, b"\0\x13"), "ip", Drop.IP_TOTAL_LENGTH),
    "ip checksum": (patched(UDP_HELLO, 24, b"\0\0"), "ip", Drop.IP_CHECKSUM),
    "ip and udp checksum": (patched(UDP_HELLO, 24, b"\0\0")[:-1] + b"!", "ip", Drop.IP_CHECKSUM),
    "udp length": (ip(17, patched(UDP_HELLO[34:], 4, b"\0\x0e")), "udp", Drop.UDP_LENGTH),
    "udp length short": (ip(17, patched(UDP_HELLO[34:], 4, b"\0\7")), "udp", Drop.UDP_LENGTH),
    "udp checksum": (ip(17, patched(UDP_HELLO[34:], 6, b"\1\1")), "udp", Drop.UDP_CHECKSUM),
    "udp cut": (ip(17, UDP_HELLO[34:41]), "udp", Drop.TRUNCATED),
    "tcp checksum": (ip(6, patched(TCP_SYN[34:], 16, b"\1\1")), "tcp", Drop.TCP_CHECKSUM),
    "tcp header length": (ip(6, patched(TCP_SYN[34:], 12, b"\xf0")), "tcp", Drop.TCP_HEADER_LENGTH),
    "tcp of eight bytes": (ip(6, TCP_SYN[34:42]), "tcp", Drop.TRUNCATED),
    "icmp cut": (ip(1, ECHO_REQUEST[34:41]), "icmp", Drop.TRUNCATED),
    "icmp checksum": (ip(1, patched(ECHO_REQUEST[34:], 2, b"\1\1")), "icmp", Drop.ICMP_CHECKSUM),
    "icmp error of nothing": (icmp_frame(3, 0, payload=b"abc"), "icmp", Drop.ICMP_MALFORMED),
}


@pytest.mark.parametrize("case", CASES)
def test_a_malformed_layer_says_the_reason_the_stack_drops_it_for(case):
    frame, name, reason = CASES[case]
    found = layers(frame)
    assert [(layer.name, layer.reason) for layer in found if layer.reason] == [(name, reason)]
    assert found.reason is reason is dropped_for(frame)


def test_what_a_wrong_checksum_covers_is_shown_all_the_same():
    assert names(CASES["ip checksum"][0]) == ["ethernet", "ip", "udp", "data"]
    assert names(CASES["total length"][0]) == ["ethernet", "ip", "udp", "data"]
    assert names(CASES["total length short"][0]) == ["ethernet", "ip", "data"]
    assert names(CASES["version"][0]) == ["ethernet", "ip", "data"]


def test_checksums_in_words():
    wrong = layers(CASES["tcp checksum"][0]).layers[2]
    assert field(wrong, "Checksum").value == "0x0101 (wrong, should be 0xfdf6)"
    assert field(layers(TCP_SYN).layers[2], "Checksum").value == "0xfdf6 (correct)"
    assert field(layers(patched(UDP_HELLO, 24, b"\0\0")).layers[1], "Header checksum").value == (
        "0x0000 (wrong, should be 0x56ca)"
    )
    bare = layers(ip(17, patched(UDP_HELLO[34:], 6, b"\0\0")))
    assert field(bare.layers[2], "Checksum").value == "0x0000 (not computed)" and bare.reason is None


def test_a_partial_checksum_is_not_wrong():
    frame = tcp_frame(A, B, 1, 2, 3, 4, tcp.ACK, 5, b"", bytes(20000), partial=True)
    offload = Offload(needs_checksum=True, csum_start=34, csum_offset=16, gso_type=GSO_TCPV4, gso_size=1460)
    found = layers(frame, offload)
    assert found.reason is None
    assert field(found.layers[2], "Checksum").value.endswith("(partial (left to the device))")
    assert layers(frame).reason is Drop.TCP_CHECKSUM  # without the device's word it is wrong
    assert layers(frame, Offload(verified=True)).reason is None


def test_an_icmp_checksum_is_never_left_to_a_device():
    icmp = layers(ECHO_REQUEST, Offload(needs_checksum=True)).layers[2]
    assert field(icmp, "Checksum").value == "0xa74d (correct)"


def test_a_fragment_is_not_read_on():
    first = bytearray(UDP_HELLO[14:34])
    first[6:8], first[10:12] = b"\x20\0", b"\x76\xca"
    found = layers(eth(bytes(first) + UDP_HELLO[34:]))
    assert found.is_fragment and found.udp is None and found.reason is None
    assert found.layers[-1].title == "Fragment of UDP (13 bytes)"


def test_options_in_words():
    route = layers(ip(17, b"", options=bytes.fromhex("830b080a0000010a00000200")))  # type: ignore[arg-type]
    inner = field(route.layers[1], "Options").inner
    assert [tuple(f[:2]) for f in inner] == [
        ("Loose source route", "pointer 8: 10.0.0.1 10.0.0.2"),
        ("End of options list", ""),
    ]
    segment = layers(tcp_frame(A, B, 1, 2, 3, 4, tcp.ACK, 5, bytes.fromhex("0303070105120000000100000002fe0411aa0200")))
    assert [tuple(f[:2]) for f in field(segment.layers[2], "Options").inner] == [
        ("Window scale", "7 (multiply by 128)"),
        ("No-operation", ""),
        ("Malformed", "malformed TCP options"),
    ]
    assert segment.reason is None  # the segment stands
    sack = layers(tcp_frame(A, B, 1, 2, 3, 4, tcp.ACK, 5, bytes.fromhex("0101050a0000000100000002")))
    assert field(sack.layers[2], "Options").inner[2][:2] == ("SACK", "1 to 2")


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_truncated_at_every_offset_the_reasons_agree(frame):
    for length in range(len(frame)):
        assert layers(frame[:length]).reason is dropped_for(frame[:length])


MUTATED = st.builds(
    lambda frame, changes, cut: bytes(
        changes.get(i, byte) for i, byte in enumerate(frame[: len(frame) if cut is None else cut])
    ),
    st.sampled_from([*FRAMES, icmp_frame(3, 3), icmp_frame(11, 0, payload=TCP_SYN[14:])]),
    st.dictionaries(st.integers(0, 70), st.integers(0, 255), max_size=4),
    st.none() | st.integers(0, 90),
)


@settings(max_examples=500)
@given(st.binary(max_size=120) | MUTATED, st.sampled_from([None, Offload(True, 34, 16), Offload(verified=True)]))
def test_whatever_the_bytes_a_frame_is_shown_and_its_reason_is_the_stack_s(frame, offload):
    shown = entry(frame, offload)
    found = dissect(shown)
    assert found.reason is dropped_for(frame, offload)
    at = 0
    for layer in found:
        assert layer.start == at <= layer.end <= len(frame)  # no byte is left out between two layers
        at = layer.end
    assert at == len(frame)
    assert columns(found, ">").protocol
    assert "\n" not in line(shown, 0.0).plain
    assert to_ansi(tree(shown, 0.0), True).count("\n") == tree(shown, 0.0).plain.count("\n") > 1
