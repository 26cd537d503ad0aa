"""Cutting and checksumming for devices that can't: the pieces are sound segments that add up to the original."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.events import Retransmit
from stack.frame import OutFrame
from stack.interface import GSO_ECN, GSO_TCPV4, GSO_TCPV6, GSO_UDP, Abilities
from stack.link.offload import prepare
from stack.wire import checksum, ethernet, ipv4, tcp, udp
from tests.link.frames import A, B, take_apart, tcp_frame, udp_frame, whole

NONE = Abilities()
CHECKSUM = Abilities(checksum=True)
ALL = Abilities(checksum=True, tso4=True)
FLAGS = st.sampled_from(
    [tcp.ACK, tcp.ACK | tcp.PSH, tcp.ACK | tcp.PSH | tcp.FIN, tcp.ACK | tcp.CWR | tcp.ECE | tcp.PSH]
)

SUPER_SEGMENTS = st.builds(
    lambda payload, joined, **fields: tcp_frame(payload, joined=min(joined, len(payload)), **fields),
    st.binary(min_size=0, max_size=4000),
    st.sampled_from([0, 0, 1, 7, 4000]),
    seq=st.integers(0, 2**32 - 1) | st.integers(2**32 - 3000, 2**32 - 1),
    ack=st.integers(0, 2**32 - 1),
    flags=FLAGS,
    options=st.integers(0, 10).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
    ip_options=st.sampled_from([b"", b"\x01\x01\x01\x00"]),
    identification=st.integers(0, 65535),
    gso_size=st.integers(1, 1600),
)


@given(SUPER_SEGMENTS)
def test_pieces_are_segments_that_verify_and_add_up_to_the_original(frame: OutFrame) -> None:
    assert frame.offload is not None
    before_ip, before = take_apart(whole(frame), verified=True)
    pieces = prepare(frame, NONE)
    assert len(pieces) == max(1, -(-len(before.payload) // frame.offload.gso_size))
    payload = b""
    for number, piece in enumerate(pieces):
        assert piece.offload is None
        packet, segment = take_apart(whole(piece))  # both checksums are verified here
        assert packet.identification == (before_ip.identification + number) % 65536
        assert segment.seq == (before.seq + len(payload)) % 2**32
        assert len(segment.payload) <= frame.offload.gso_size
        assert packet._replace(total_length=0, identification=0, checksum=0, payload=b"") == before_ip._replace(
            total_length=0, identification=0, checksum=0, payload=b""
        )
        same = {"seq": 0, "checksum": 0, "flags": 0, "payload": b""}
        assert segment._replace(**same) == before._replace(**same)
        is_last = number == len(pieces) - 1
        cleared = (0 if is_last else tcp.FIN | tcp.PSH) | (tcp.CWR if number else 0)
        assert segment.flags == before.flags & ~cleared
        payload += segment.payload
    assert payload == bytes(before.payload)


@given(SUPER_SEGMENTS)
def test_a_device_that_checksums_is_left_the_partial_sum(frame: OutFrame) -> None:
    whole_pieces = prepare(frame, NONE)
    for piece, finished in zip(prepare(frame, CHECKSUM), whole_pieces, strict=True):
        assert piece.offload is not None
        assert piece.offload.needs_checksum
        assert piece.offload.gso_type == 0
        packet, segment = take_apart(whole(piece), verified=True)
        transport = 14 + packet.ihl * 4
        assert (piece.offload.csum_start, piece.offload.csum_offset) == (transport, 16)
        length = len(whole(piece)) - transport
        assert segment.checksum == checksum.pseudo_header_sum(A, B, ipv4.PROTOCOL_TCP, length)
        (done,) = prepare(piece, NONE)
        assert whole(done) == whole(finished)


@given(SUPER_SEGMENTS)
def test_a_device_that_cuts_gets_the_frame_itself(frame: OutFrame) -> None:
    (same,) = prepare(frame, ALL)
    assert same is frame


def test_a_device_that_cuts_but_does_not_checksum_is_no_use() -> None:
    pieces = prepare(tcp_frame(bytes(3000), gso_size=1000), Abilities(tso4=True))
    assert [take_apart(whole(piece))[1].seq for piece in pieces] == [1000, 2000, 3000]


def test_what_is_larger_than_the_device_takes_is_cut_all_the_same() -> None:
    frame = tcp_frame(bytes(5000), gso_size=1448)
    size = frame.size - 14
    assert len(prepare(frame, ALL._replace(gso_max=size))) == 1
    assert [len(p.payload) for p in prepare(frame, ALL._replace(gso_max=size - 1))] == [1448, 1448, 1448, 656]


def test_a_frame_with_nothing_to_do_is_handed_on_untouched() -> None:
    frame = tcp_frame(b"hello", partial=False)
    (same,) = prepare(frame, NONE)
    assert same is frame
    partial = tcp_frame(b"hello")
    (same,) = prepare(partial, CHECKSUM)
    assert same is partial


def test_ecn_super_segments_are_cut_too() -> None:
    frame = tcp_frame(bytes(3000), gso_size=1000, flags=tcp.ACK | tcp.CWR)
    assert frame.offload is not None
    frame = frame._replace(offload=frame.offload._replace(gso_type=GSO_TCPV4 | GSO_ECN))
    flags = [take_apart(whole(piece))[1].flags for piece in prepare(frame, NONE)]
    assert flags == [tcp.ACK | tcp.CWR, tcp.ACK, tcp.ACK]


def test_every_piece_says_why_and_where() -> None:
    why = Retransmit((A, 1), (B, 2), 1000, 3000, "timeout", 1, 0.2)
    frame = tcp_frame(bytes(3000), gso_size=1000)._replace(why=why)
    for abilities in (NONE, CHECKSUM):
        assert [p.why for p in prepare(frame, abilities)] == [why] * 3
        assert all(p.interface is frame.interface for p in prepare(frame, abilities))


@pytest.mark.parametrize(
    ("urgent", "expected"), [(1500, [1500, 500, 0]), (1000, [1000, 0, 0]), (3000, [3000, 2000, 1000])]
)
def test_the_urgent_pointer_keeps_pointing_at_the_same_byte(urgent: int, expected: list[int]) -> None:
    frame = tcp_frame(bytes(3000), gso_size=1000, flags=tcp.ACK | tcp.URG, urgent=urgent)
    segments = [take_apart(whole(piece))[1] for piece in prepare(frame, NONE)]
    assert [s.urgent for s in segments] == expected
    assert [bool(s.flags & tcp.URG) for s in segments] == [u > 0 for u in expected]


@given(st.binary(max_size=300), st.integers(0, 60))
def test_checksums_are_filled_in_wherever_the_head_ends(payload: bytes, joined: int) -> None:
    frame = tcp_frame(payload, joined=min(joined, len(payload)))
    (piece,) = prepare(frame, NONE)
    assert piece.offload is None
    assert bytes(take_apart(whole(piece))[1].payload) == payload


@given(st.binary(max_size=300))
def test_udp_checksums_are_filled_in(payload: bytes) -> None:
    (piece,) = prepare(udp_frame(payload), NONE)
    packet = ipv4.parse(ethernet.parse(whole(piece)).payload)
    datagram = udp.parse(packet.payload, packet.src, packet.dst)
    assert bytes(datagram.payload) == payload
    assert datagram.checksum == udp.fields(memoryview(udp_frame(payload, partial=False).head)[34:]).checksum


def test_a_udp_sum_of_zero_is_sent_as_ones() -> None:
    # RFC 768: zero would say that there is no checksum. The first payload is chosen to make the sum come out so.
    base = udp_frame(b"\0\0")
    (finished,) = prepare(base, NONE)
    missing = int.from_bytes(finished.head[40:42], "big")
    (piece,) = prepare(udp_frame(missing.to_bytes(2, "big")), NONE)
    assert piece.head[40:42] == b"\xff\xff"


@pytest.mark.parametrize("gso_type", [GSO_UDP, GSO_TCPV6])
def test_other_segmentation_is_refused(gso_type: int) -> None:
    frame = tcp_frame(bytes(3000), gso_size=1000)
    assert frame.offload is not None
    with pytest.raises(ValueError, match="segmentation type"):
        prepare(frame._replace(offload=frame.offload._replace(gso_type=gso_type)), ALL)


@given(st.integers(0, 60))
def test_a_super_segment_cut_short_is_refused(length: int) -> None:
    frame = tcp_frame(b"", gso_size=1000)
    whole_head = len(frame.head)
    if length < whole_head:
        with pytest.raises(ValueError, match="super-segment"):
            prepare(frame._replace(head=frame.head[:length]), NONE)


def test_a_checksum_beyond_the_frame_is_refused() -> None:
    frame = tcp_frame(b"x")
    assert frame.offload is not None
    with pytest.raises(ValueError, match="beyond the frame"):
        prepare(frame._replace(offload=frame.offload._replace(csum_start=100)), NONE)
