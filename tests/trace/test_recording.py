"""Capture files read: ours with all they say, any other tool's, and damaged ones as far as they go."""

from __future__ import annotations

import io
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.events import Dropped
from stack.trace.capture import Captured, PcapngWriter
from stack.trace.dissect import dissect
from stack.trace.picture import Picture
from stack.trace.recorder import Recorder
from stack.trace.recording import Recording, entries
from stack.trace.render import line, tree
from stack.trace.trace import Trace
from stack.wire import tcp
from stack.wire.drop import Drop
from tests.trace.clean import tcpdump
from tests.trace.frames import TAP, arp_frame, conversation, record, tcp_frame, udp_frame
from tests.trace.payloads import ANSWER, RECORDS, answer
from tests.wire.samples import A, B

UDP, ARP = udp_frame(b"x"), arp_frame(1, A, B)
DROPPED = Dropped(Drop.UDP_PORT_CLOSED, TAP)


@pytest.fixture
def written():
    return []


@pytest.fixture
def trace(written):
    return Trace(Recorder(), write=written.append)


def pcap(path, frames, linktype=1, original=None):
    """A file as tcpdump writes it, a frame each second."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, linktype)
    for i, frame in enumerate(frames):
        data += struct.pack("<IIII", 1000 + i, 0, len(frame), original or len(frame)) + frame
    path.write_bytes(data)
    return path


def test_what_was_saved_reads_as_it_was_shown(trace, written, tmp_path):
    for i, frame in enumerate([*conversation(), UDP]):
        record(trace.recorder, frame, 5.0 + i / 8, outgoing=i % 2 == 0)
    trace.recorder.on_event(DROPPED, 5.0 + 11 / 8)
    record(trace.recorder, ARP, 7.0)
    trace.last(100)
    trace.save(tmp_path / "x.pcapng")
    shown = written[0]
    recording = trace.read(tmp_path / "x.pcapng")
    assert written[2] == shown and "[dropped: no socket" in shown
    assert repr(recording) == f"<{tmp_path / 'x.pcapng'}: 13 frames>" and len(recording) == 13
    trace.show(3)
    recording.show(3)
    assert written[3] == written[4] and " sent on tap0 " in written[4]
    recording.show(-1)
    assert written[5].startswith("Frame 13:")


def test_a_recording_is_chosen_from_and_saved_again(trace, written, tmp_path):
    recording = trace.read(pcap(tmp_path / "x.pcap", [UDP, ARP, UDP]), "udp or arp")
    assert [entry.number for entry in recording.chosen("udp")] == [1, 3]
    assert [entry.time for entry in recording if entry.arp] == [1.0]
    written.clear()
    recording.lines(lambda entry: entry.number == 2)
    assert [text.split()[0] for text in written] == ["2"]
    recording.save(tmp_path / "y.pcapng", "arp")
    again = trace.read(tmp_path / "y.pcapng")
    assert [(entry.data, entry.outgoing, entry.interface) for entry in again] == [(ARP, None, "")]
    with pytest.raises(ValueError, match=r"^frame 4 is not there; 1 to 3 are$"):
        recording.show(4)


def test_no_direction_and_no_name_are_not_made_up(trace, written, tmp_path):
    trace.read(pcap(tmp_path / "x.pcap", [UDP])).show(1)
    assert written[-1].startswith("Frame 1: 43 bytes at 0.000000 s\n")


def test_a_checksum_left_to_the_device_is_not_called_wrong(trace, written, tmp_path):
    partial = tcp_frame(A, B, 1, 2, 3, 4, tcp.ACK, 5, b"", b"data", partial=True)
    recording = trace.read(pcap(tmp_path / "x.pcap", [partial, partial[:50] + b"\0\0" + partial[52:]]))
    assert [text.endswith("wrong]") for text in written[0].splitlines()] == [False, True]
    recording.show(1)
    assert "(partial (left to the device))" in written[-1]


def test_what_the_capture_cut_off_is_not_the_packet_s_fault(trace, written, tmp_path):
    whole = [tcp_frame(A, B, 1, 2, 3, 4, tcp.ACK, 5, b"", bytes(900)), answer(ANSWER, RECORDS), udp_frame(bytes(912))]
    for length in range(96):
        recording = trace.read(pcap(tmp_path / "x.pcap", [frame[:length] for frame in whole], original=954))
        assert not any(word in written[-1] for word in ("wrong", "short", "malformed"))
    assert "Win=5 Len=900\n" in written[-1] and "UDP 954 40000 → 40001 Len=912\n" in written[-1]
    recording.show(1)
    assert "    [only the first 95 bytes were captured]\n" in written[-1] and "Len: 900\n" in written[-1]
    assert "(cannot be checked: only 61 of 920 bytes are there)" in written[-1]


LINKS = {
    "null": (0, struct.pack("<I", 2)),
    "null, big endian": (0, struct.pack(">I", 2)),
    "loop": (108, struct.pack(">I", 2)),
    "raw": (101, b""),
    "ipv4": (228, b""),
    "cooked": (113, struct.pack("!HHH8sH", 4, 1, 6, bytes(8), 0x0800)),
    "cooked 2": (276, struct.pack("!HHIHBB8s", 0x0800, 0, 1, 1, 4, 6, bytes(8))),
}


@pytest.mark.parametrize("name", LINKS)
def test_other_links_are_read_too(trace, written, tmp_path, name):
    linktype, header = LINKS[name]
    path = pcap(tmp_path / "x.pcap", [header + frame[14:] for frame in conversation()[:3]], linktype)
    recording = trace.read(path, "tcp port 40001 and host 10.9.0.1")
    lines = [text.split(None, 2)[2] for text in written[0].splitlines()]
    assert lines[1].startswith("10.9.0.9 → 10.9.0.1     TCP ") and "[SYN, ACK] Seq=0 Ack=1" in lines[1]
    assert [entry.tcp.flags for entry in recording] == [tcp.SYN, tcp.SYN | tcp.ACK, tcp.ACK]
    assert recording.entries[0].outgoing is (True if "cooked" in name else None)
    trace.format = "tcpdump"
    recording = trace.read(path)
    theirs = [text.split(": Flags ")[1] for text in tcpdump(path)]
    assert [text.split(": Flags ")[1] for text in written[-1].splitlines()] == theirs
    recording.save(tmp_path / "y.pcap")
    assert (tmp_path / "y.pcap").read_bytes()[24:] == path.read_bytes()[24:]


def test_vlan_tags_are_seen_through(trace, written, tmp_path):
    tagged = UDP[:12] + b"\x81\0\x20\x07" + UDP[12:]
    recording = trace.read(pcap(tmp_path / "x.pcap", [tagged]))
    recording.chosen("vlan 7 and udp").show()
    assert written[0].endswith("UDP 47 40000 → 40001 Len=1\n")
    assert "802.1Q Virtual LAN, ID: 7\n    Priority: 1\n" in written[1]
    assert not recording.chosen("udp")  # as with libpcap


def test_an_unknown_link_is_refused_by_name(trace, written, tmp_path):
    recording = trace.read(pcap(tmp_path / "x.pcap", [UDP], 105))
    assert recording.broken.endswith(
        "x.pcap: frame 1 is of link type 105 (802.11); Ethernet, raw IP and Linux cooked are read"
    )
    assert written[-1] == recording.broken + "\n" and len(recording) == 0


def test_a_file_cut_short_is_shown_as_far_as_it_goes(trace, written, tmp_path):
    path = pcap(tmp_path / "x.pcap", [UDP, ARP, UDP])
    path.write_bytes(path.read_bytes()[:-3])
    recording = trace.read(path)
    assert [text.split()[0] for text in written[0].splitlines()] == ["1", "2"]
    assert written[1] == f"{path}: the file ends in the middle of a packet\n"
    assert repr(recording) == f"<{path}: 2 frames, and the file ends in the middle of a packet>"


@pytest.mark.parametrize("content", [b"", b"abc", b"#!/bin/sh\n", bytes(40)])
def test_what_is_no_capture_is_one_clear_error(trace, tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=r"^/.*/x: (the file is|neither pcap nor)") as caught:
        trace.read(tmp_path / "x")
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="cannot read /nowhere: No such file"):
        trace.read("/nowhere")


def test_standard_input_is_read_for_a_dash(trace, tmp_path, monkeypatch):
    path = pcap(tmp_path / "x.pcap", [UDP])
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert len(trace.read("-")) == 1


def test_what_a_file_says_cannot_disturb_the_terminal(trace, written, tmp_path):
    with (tmp_path / "x.pcapng").open("wb") as file:
        PcapngWriter(file).write(Captured(1, UDP, 43, "e\x1b[31m", False, "dropped\n\x1b]0;x\x07"))
    trace.read(tmp_path / "x.pcapng").show(1)
    assert written[0].endswith("[dropped\\n\\x1b]0;x\\x07]\n") and "on e\\x1b[31m at" in written[1]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted({linktype for linktype, _ in LINKS.values()} | {1, 12})), st.binary(max_size=80)
        ),
        max_size=4,
    ),
    st.integers(0, 200),
)
def test_whatever_a_file_holds_is_shown(given, more):
    """Whatever the bytes and the link, each frame has a line, a tree, and is asked about by any filter."""
    packets = [Captured(i, data, len(data) + more, "", None, "", kind) for i, (kind, data) in enumerate(given)]
    for entry in entries(packets):
        assert line(entry, 0.0).plain.startswith(f"{entry.number:>5} ")
        assert tree(entry, 0.0).plain.startswith("Frame ")
        assert Picture(format="tcpdump").line(entry).plain
        assert all(0 <= layer.start <= layer.end <= len(entry.data) for layer in dissect(entry))
        assert (entry.ip is None or entry.arp is None) and entry.size == len(entry.data) + more


def test_a_simple_packet_has_no_time_of_its_own():
    times = [e.time for e in entries([Captured(5, UDP, 43), Captured(10**9, UDP, 43), Captured(0, UDP, 43)])]
    assert times == [0.0, (10**9 - 5) / 10**9, (10**9 - 5) / 10**9]


def test_a_recording_without_frames():
    recording = Recording("x", lambda texts: list(texts), Picture())
    recording.lines()
    with pytest.raises(ValueError, match="frame 1 is not there; none is"):
        recording.show()
    assert list(recording.load(io.BytesIO(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1, 1)))) == []
