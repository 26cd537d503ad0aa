"""Capture files: what is written is read back, Wireshark reads it, and a damaged file is refused in one line."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.trace.capture import Captured, CaptureError, PcapngWriter, PcapWriter, read, writer_for
from stack.wire import arp, ethernet
from stack.wire.address import MAC_BROADCAST, MAC_ZERO

ARP = ethernet.emit(MAC_BROADCAST, b"\2" * 6, ethernet.ETHERTYPE_ARP) + arp.emit(
    1, b"\2" * 6, b"\1" * 4, MAC_ZERO, b"\3" * 4
)
AT = 1_700_000_000_123_456_789

packets = st.lists(
    st.builds(
        Captured,
        st.integers(0, 2**63),
        st.binary(max_size=90),
        st.integers(0, 65_535),
        st.sampled_from(["tap0", "lo", "läb"]),
        st.sampled_from([True, False, None]),
        st.text(st.characters(codec="utf-8"), max_size=20),
        st.sampled_from([1, 101, 276]),
    ),
    max_size=6,
)


def pcapng(given: list[Captured]) -> bytes:
    file = io.BytesIO()
    writer = PcapngWriter(file)
    for packet in given:
        writer.write(packet)
    return file.getvalue()


@given(packets)
def test_pcapng_round_trip(given: list[Captured]) -> None:
    assert list(read(io.BytesIO(pcapng(given)))) == given


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 999_999_999), st.binary(max_size=60)), max_size=5))
def test_pcap_round_trip(given: list[tuple[int, int, bytes]]) -> None:
    packets = [Captured(s * 10**9 + ns, data, len(data) + 3) for s, ns, data in given]
    file = io.BytesIO()
    writer = PcapWriter(file)
    for packet in packets:
        writer.write(packet)
    assert list(read(io.BytesIO(file.getvalue()))) == packets


def test_pcap_of_either_order_and_resolution() -> None:
    for order in "<>":
        for magic, fraction in ((0xA1B2C3D4, 123_456), (0xA1B23C4D, 123_456_000)):
            data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, 1)
            data += struct.pack(order + "IIII", 7, fraction, 42, 42) + ARP
            assert list(read(io.BytesIO(data))) == [Captured(7_123_456_000, ARP, 42)]


def test_pcapng_of_big_endian_microseconds_and_unknown_blocks() -> None:
    def block(kind: int, body: bytes) -> bytes:
        return struct.pack(">II", kind, len(body) + 12) + body + struct.pack(">I", len(body) + 12)

    section = block(0x0A0D0D0A, struct.pack(">IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block(1, struct.pack(">HHI", 1, 0, 0))
    packet = block(6, struct.pack(">IIIII", 0, 0, 5_000_001, 2, 9) + b"ab\0\0")
    simple = block(3, struct.pack(">I", 3) + b"xyz\0")
    data = section + block(0x77, b"what") + interface + packet + simple
    assert list(read(io.BytesIO(data))) == [Captured(5_000_001_000, b"ab", 9), Captured(0, b"xyz", 3)]


def test_the_name_decides() -> None:
    assert isinstance(writer_for("x.pcap", io.BytesIO()), PcapWriter)
    assert isinstance(writer_for("x.pcapng", io.BytesIO()), PcapngWriter)
    assert isinstance(writer_for("-", io.BytesIO()), PcapngWriter)


@given(packets, st.data())
def test_any_damage_is_read_or_refused(given: list[Captured], data: st.DataObject) -> None:
    """Whatever the bytes, reading ends, with packets or with CaptureError."""
    whole = bytearray(pcapng(given))
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        list(read(io.BytesIO(bytes(whole[:cut]))))
    except CaptureError as e:
        assert "\n" not in str(e)


def test_a_file_cut_short_gives_what_it_has() -> None:
    whole = pcapng([Captured(AT, ARP, 42, "tap0", True, "one"), Captured(AT, ARP, 42, "tap0", True, "two")])
    seen = []
    with pytest.raises(CaptureError, match="in the middle of"):
        for packet in read(io.BytesIO(whole[:-5])):
            seen.append(packet.comment)  # noqa: PERF401
    assert seen == ["one"]


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_wireshark_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    path.write_bytes(
        pcapng([Captured(AT, ARP, 42, "tap0", True, "resent: timeout"), Captured(AT + 1, ARP, 42, "lo", False)])
    )
    fields = ["frame.time_epoch", "frame.interface_name", "frame.packet_flags_direction", "frame.comment", "arp.opcode"]
    command = ["tshark", "-r", path, "-T", "fields", *(w for f in fields for w in ("-e", f))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "1700000000.123456789\ttap0\t0x00000002\tresent: timeout\t1",
        "1700000000.123456790\tlo\t0x00000001\t\t1",
    ]
