"""Captures written: at once and as packets pass, with what the stack has said of each."""

from __future__ import annotations

import io
import os
import sys
import threading

import pytest

from stack.events import Dropped, NeighborChange, Retransmit
from stack.interface import Interface
from stack.trace.capture import Captured, read
from stack.trace.live import LiveCapture
from stack.trace.recorder import Recorder
from stack.trace.trace import Trace
from stack.wire.drop import Drop
from tests.patience import PATIENCE
from tests.trace.clean import assert_clean, columns
from tests.trace.frames import MAC_B, TAP, arp_frame, conversation, record, tcp_frame, udp_frame
from tests.wire.samples import A, B

UDP = udp_frame(b"x")
RESENT = Retransmit((A, 1), (B, 2), 3, 0, "timeout", 2, 0.25)
CLOSED = Dropped(Drop.UDP_PORT_CLOSED, TAP)
UNREACHABLE = Dropped(Drop.NEIGHBOR_FAILED, TAP, True, "10.9.0.7")
EPOCH = 1_700_000_000.5
NS = 1_700_000_000_500_000_000


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def written():
    return []


@pytest.fixture
def trace(recorder, written):
    """A trace whose clock began at `EPOCH`."""
    return Trace(recorder, clock=lambda: 0.0, write=written.append, wall=lambda: EPOCH)


def packets(path) -> list[Captured]:
    with open(path, "rb") as file:
        return list(read(file))


def happen(recorder):
    """Four frames, of which the second is dropped, and the third resent."""
    record(recorder, UDP, 0.000000001, outgoing=True)
    record(recorder, UDP, 0.25)
    recorder.on_event(CLOSED, 0.25)
    record(recorder, tcp_frame(A, B, 1, 2, 3, 4, 16, 5), 0.5, outgoing=True, why=RESENT)
    recorder.on_event(UNREACHABLE, 0.6)
    recorder.on_event(NeighborChange(TAP, B, MAC_B, "REACHABLE"), 0.6)
    recorder.on_frame(Interface("eth1", MAC_B), False, UDP[:40], memoryview(UDP)[40:], None, None, 0.75)


SAID = [
    "",
    "dropped: no socket on this UDP port",
    "resent: timeout, time 2, 0.250 s after it was last sent; then: dropped: neighbour did not answer (10.9.0.7)",
    "",
]


def test_save_writes_what_is_kept_with_why(recorder, trace, written, tmp_path):
    happen(recorder)
    path = tmp_path / "x.pcapng"
    assert trace.save(path) is None
    assert written == [f"4 frames to {path}\n"]
    found = packets(path)
    assert [p.comment for p in found] == SAID
    assert [p.at - NS for p in found] == [1, 250_000_000, 500_000_000, 750_000_000]
    assert [p.outgoing for p in found] == [True, False, True, False]
    assert [p.interface for p in found] == ["tap0", "tap0", "tap0", "eth1"]
    assert found[3].data == UDP


def test_wireshark_finds_all_of_it(recorder, trace, tmp_path):
    happen(recorder)
    trace.save(tmp_path / "x.pcapng")
    assert assert_clean(tmp_path / "x.pcapng") == 4
    fields = ["frame.comment", "frame.packet_flags_direction", "frame.interface_name", "frame.time_epoch"]
    assert columns(tmp_path / "x.pcapng", *fields) == [
        [SAID[0], "0x00000002", "tap0", "1700000000.500000001"],
        [SAID[1], "0x00000001", "tap0", "1700000000.750000000"],
        [SAID[2], "0x00000002", "tap0", "1700000001.000000000"],
        [SAID[3], "0x00000001", "eth1", "1700000001.250000000"],
    ]


def test_save_of_what_a_filter_lets_through(recorder, trace, written, tmp_path):
    happen(recorder)
    trace.save(tmp_path / "x.pcap", "tcp")
    assert written == [f"1 frame to {tmp_path / 'x.pcap'}\n"]
    assert [(p.at, p.comment, p.outgoing) for p in packets(tmp_path / "x.pcap")] == [(NS + 500_000_000, "", None)]
    assert_clean(tmp_path / "x.pcap")
    trace.save(tmp_path / "x.pcapng", "tcp")  # and what belongs to no frame belongs to no filter's either
    assert [p.comment for p in packets(tmp_path / "x.pcapng")] == [str(RESENT)]
    trace.save(tmp_path / "none.pcapng", lambda entry: False)
    assert packets(tmp_path / "none.pcapng") == []
    with pytest.raises(ValueError, match="is not a word"):
        trace.save(tmp_path / "no.pcapng", "nonsense")
    assert not (tmp_path / "no.pcapng").exists()


def test_what_is_told_before_the_first_frame_is_told_with_it(recorder, trace, tmp_path):
    recorder.on_event(UNREACHABLE, 0.1)
    record(recorder, UDP, 0.2)
    trace.save(tmp_path / "x.pcapng")
    assert [p.comment for p in packets(tmp_path / "x.pcapng")] == [f"before: {UNREACHABLE}"]


@pytest.mark.parametrize("name", ["", "nowhere/x.pcapng", "."])
def test_a_file_that_cannot_be_written_is_one_clear_line(trace, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for write in (trace.save, trace.write_to):
        with pytest.raises((OSError, ValueError)) as caught:
            write(name)
        words = getattr(caught.value, "strerror", None) or str(caught.value)
        assert "\n" not in words and (f"cannot write {name}: " in words or "needs a file" in words)
    assert trace.recorder.takers == ()


def test_a_full_disk_is_one_clear_line(recorder, trace):
    record(recorder, UDP)
    with pytest.raises(OSError) as caught:
        trace.save("/dev/full")
    assert caught.value.strerror == "cannot write /dev/full: No space left on device"


# --- as packets pass


class Slow(io.BytesIO):
    """A file whose writes wait for `go`."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()
        self.entered = threading.Event()

    def write(self, data):
        self.entered.set()
        assert self.go.wait(PATIENCE)
        return super().write(data)


def test_a_live_capture_has_what_was_kept_and_all_that_passes(recorder, trace, tmp_path):
    happen(recorder)
    with trace.write_to(tmp_path / "x.pcapng") as capture:
        happen(recorder)
    record(recorder, UDP, 9.0)  # after the end
    assert capture.count == 8 and recorder.takers == ()
    assert [p.comment for p in packets(tmp_path / "x.pcapng")] == SAID * 2
    assert_clean(tmp_path / "x.pcapng")
    assert repr(capture.close()) == f"<capture {tmp_path / 'x.pcapng'}: 8 frames>"


def test_it_grows_before_it_is_closed(recorder, trace):
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb", buffering=0) as file, os.fdopen(read_end, "rb") as reader:
        capture = trace.write_to(file)
        record(recorder, UDP, 0.5)
        found = read(reader)  # blocks until the packet is there
        assert next(found).data == UDP
        record(recorder, arp_frame(1, A, B), 0.6)
        assert next(found).data == arp_frame(1, A, B)
        capture.close()


def test_a_filter_chooses_what_is_written(recorder, trace, tmp_path):
    with trace.write_to(tmp_path / "x.pcap", "arp") as capture:
        for frame in (UDP, arp_frame(1, A, B), UDP):
            record(recorder, frame)
    assert capture.count == 1 and len(packets(tmp_path / "x.pcap")) == 1


def test_a_flood_larger_than_ring_and_queue_is_all_in_the_file(tmp_path):
    recorder = Recorder(limit=20_000)
    capture = LiveCapture(recorder, tmp_path / "x.pcapng", limit=50_000)
    for i in range(3000):
        record(recorder, UDP, i / 1e6)
        if i % 3 == 0:
            recorder.on_event(CLOSED, i / 1e6)
    capture.close()
    found = packets(tmp_path / "x.pcapng")
    assert [p.at for p in found] == [i * 1000 for i in range(3000)] and capture.lost == 0
    assert [p.comment for p in found] == [str(CLOSED) if i % 3 == 0 else "" for i in range(3000)]


def test_what_passes_while_a_capture_begins_is_in_it_once():
    class Busy(Recorder):
        def items(self):
            record(self, UDP, 2.0)
            found = super().items()
            record(self, UDP, 3.0)
            return found

    recorder, file = Busy(), io.BytesIO()
    record(recorder, UDP, 1.0)
    LiveCapture(recorder, file).close()
    file.seek(0)
    assert [packet.at for packet in read(file)] == [10**9, 2 * 10**9, 3 * 10**9]


def test_a_file_that_takes_little_at_a_time_gets_all():
    class Narrow(io.BytesIO):
        def write(self, data):
            return super().write(bytes(data[:7]))

    recorder, file = Recorder(), Narrow()
    with LiveCapture(recorder, file):
        for _ in range(20):
            record(recorder, UDP)
    file.seek(0)
    assert [packet.data for packet in read(file)] == [UDP] * 20


def test_a_reader_that_stops_holds_up_nobody_and_the_capture_says_what_it_lost(monkeypatch):
    monkeypatch.setattr("stack.trace.live.is_regular", lambda file: False)
    recorder, file = Recorder(), Slow()
    capture = LiveCapture(recorder, file, limit=50 * 400)
    record(recorder, UDP, 0.0)
    assert file.entered.wait(PATIENCE)
    for i in range(1, 1000):
        record(recorder, UDP, float(i))  # would never end if it waited for the file
    assert capture.lost > 900
    file.go.set()
    while capture._queue:
        threading.Event().wait(0.01)
    record(recorder, UDP, 1000.0)
    capture.close()
    file.seek(0)
    found = list(read(file))
    assert len(found) + capture.lost == 1001
    assert [p.comment for p in found if p.comment] == [
        f"before: {capture.lost} frames left out, for the reader was too slow"
    ]
    assert found[-1].at == 1000 * 10**9 and found[-1].comment


def test_a_closed_pipe_ends_it_quietly(recorder, written):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb", buffering=0) as file:
        capture = LiveCapture(recorder, file, say=written.append)
        record(recorder, UDP)
        capture._thread.join(PATIENCE)
        assert not capture._thread.is_alive() and recorder.takers == ()
        record(recorder, UDP)
        assert (capture.close().error, written) == ("", [])


def test_a_disk_that_fills_ends_it_with_one_line(recorder, written):
    capture = LiveCapture(recorder, "/dev/full", say=written.append)
    record(recorder, UDP)
    capture._thread.join(PATIENCE)
    assert written == ["cannot write /dev/full: No space left on device; the capture has ended after 0 frames\n"]
    assert "No space left" in capture.close().error and recorder.takers == ()


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (lambda entry: entry.nonsense, "AttributeError: 'Entry' object has no attribute 'nonsense'"),
        (lambda entry: sys.exit("enough"), "SystemExit: enough"),
    ],
)
def test_a_function_that_fails_ends_it_with_one_line(recorder, written, test, said):
    capture = LiveCapture(recorder, io.BytesIO(), test=test, say=written.append)
    record(recorder, UDP)
    capture._thread.join(PATIENCE)
    assert written[0].startswith(f"a file: {said}; the capture")
    record(recorder, UDP)


def test_two_captures_have_the_same(recorder, trace, tmp_path):
    first, second = trace.write_to(tmp_path / "1.pcapng"), trace.write_to(tmp_path / "2.pcapng")
    for frame in conversation():
        record(recorder, frame)
    first.close()
    record(recorder, UDP)
    second.close()
    assert packets(tmp_path / "1.pcapng") == packets(tmp_path / "2.pcapng")[:-1]
    assert len(packets(tmp_path / "1.pcapng")) == len(conversation())


def test_a_terminal_gets_no_capture(trace, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with pytest.raises(ValueError, match="not for a terminal's eyes"):
        trace.write_to("-")
