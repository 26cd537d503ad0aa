import io
import queue
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stack.events import Dropped, Retransmit, StateChange
from stack.trace.recorder import Recorder
from stack.trace.trace import Trace
from stack.wire import tcp
from stack.wire.drop import Drop
from tests.patience import PATIENCE
from tests.trace.frames import TAP, arp_frame, conversation, record, tcp_frame, udp_frame
from tests.wire.samples import A, B

UDP = udp_frame(b"x")
UDP_LINE = "10.9.0.1 → 10.9.0.9     UDP 43 40000 → 40001 Len=1\n"


class Screen:
    """What a trace wrote, and a way to wait for it."""

    def __init__(self):
        self.written = queue.Queue()

    def write(self, text):
        self.written.put(text)

    def next(self):
        return self.written.get(timeout=PATIENCE)

    def all(self):
        texts = []
        while not self.written.empty():
            texts.append(self.written.get())
        return "".join(texts)


@pytest.fixture
def screen():
    return Screen()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def trace(recorder, screen, monkeypatch):
    monkeypatch.setattr("stack.trace.trace.LAST_WORDS", PATIENCE)
    trace = Trace(recorder, write=screen.write)
    yield trace
    trace.off()


def printers():
    return [thread for thread in threading.enumerate() if thread.name == "trace"]


def test_on_prints_each_frame_as_it_passes(recorder, screen, trace):
    record(recorder, UDP)
    trace.on()
    record(recorder, UDP, 0.5)
    assert screen.next() == "    2   0.500000     " + UDP_LINE  # the first had passed before
    record(recorder, UDP, 1.5)
    assert screen.next() == "    3   1.500000     " + UDP_LINE


def test_why_a_segment_was_resent_is_on_its_line(recorder, screen, trace):
    trace.on()
    why = Retransmit((A, 1), (B, 2), 3, 0, "fast retransmit", 1, None)
    record(recorder, tcp_frame(A, B, 1, 2, 3, 4, 16, 5), 0.6, outgoing=True, why=why)
    assert screen.next().endswith(" Len=0 [resent: fast retransmit, time 1]\n")


class Alarm(threading.Event):
    """Says when the printing thread has heard it."""

    def __init__(self):
        super().__init__()
        self.heard = threading.Event()

    def clear(self):
        super().clear()
        self.heard.set()


def test_what_the_stack_says_of_a_frame_the_printer_has_seen_already_is_on_its_line(
    recorder, screen, trace, monkeypatch
):
    monkeypatch.setattr("stack.trace.trace.SETTLE", PATIENCE)
    trace._wake = alarm = Alarm()
    trace.on()
    record(recorder, UDP, 0.5)
    assert alarm.heard.wait(PATIENCE)
    recorder.on_event(Dropped(Drop.UDP_PORT_CLOSED, TAP), 0.5)
    trace.off()
    assert screen.next().endswith(" [dropped: no socket on this UDP port]\n")


def test_off_prints_what_has_passed_and_nothing_after(recorder, screen, trace):
    trace.on("arp")
    for frame in (UDP, arp_frame(1, A, B), arp_frame(2, A, B)):
        record(recorder, frame)
    trace.off()
    assert not trace.is_on and not printers()
    assert [line.split()[0] for line in screen.all().splitlines()] == ["2", "3"]
    record(recorder, arp_frame(1, A, B))
    trace.off()
    assert screen.all() == ""


def test_on_again_changes_the_filter_and_starts_no_second_thread(recorder, screen, trace):
    trace.on("udp")
    trace.on("arp")
    assert len(printers()) == 1
    record(recorder, UDP)
    record(recorder, arp_frame(1, A, B))
    trace.off()
    assert screen.all().count("\n") == 1
    trace.on()
    record(recorder, UDP)
    assert screen.next().startswith("    3 ")


def test_a_filter_that_makes_no_sense_changes_nothing(recorder, screen, trace):
    trace.on("udp")
    with pytest.raises(ValueError, match="'arp'"):
        trace.on("nonsense")
    assert trace.is_on and repr(trace) == "<trace on, 'udp': 0 of 0 frames kept>"
    with pytest.raises(ValueError, match="'arp'"):
        Trace(recorder).last(5, "nonsense")


def test_a_screen_that_does_not_take_anything_holds_up_nobody(recorder, monkeypatch):
    monkeypatch.setattr("stack.trace.trace.LAST_WORDS", PATIENCE)
    stuck, release = threading.Event(), threading.Event()
    texts = []

    def write(text):
        texts.append(text)
        stuck.set()
        release.wait(PATIENCE)

    trace = Trace(recorder, write=write).on()
    record(recorder, UDP)
    assert stuck.wait(PATIENCE)
    for _ in range(5000):
        record(recorder, UDP)  # would never end if it waited for the printer
    assert recorder.number == 5001
    release.set()
    trace.off()
    lines = "".join(texts).splitlines()
    assert lines[0].startswith("    1 ") and lines[-1].strip().endswith("frames not shown")
    hidden = sum(int(line.split()[0]) for line in lines if "not shown" in line)
    assert len([line for line in lines if "not shown" not in line]) + hidden == 5001


def test_a_flood_is_printed_within_its_budget_in_few_writes(recorder, screen, monkeypatch):
    monkeypatch.setattr("stack.trace.trace.LAST_WORDS", PATIENCE)
    trace = Trace(recorder, clock=lambda: 0.0, write=screen.write).on()
    for _ in range(20_000):
        record(recorder, UDP)
    trace.off()
    writes = list(screen.written.queue)
    lines = "".join(writes).splitlines()
    assert 200 <= len(lines) < 2000 and len(writes) < 100
    assert sum(int(line.split()[0]) for line in lines if "not shown" in line) > 15_000


def test_a_function_that_fails_turns_the_trace_off_with_one_line(recorder, screen, trace):
    trace.on(lambda entry: entry.nonsense)
    thread = printers()[0]
    record(recorder, UDP)
    assert screen.next() == (
        "trace is off: the function that chooses frames failed at frame 1:"
        " AttributeError: 'Entry' object has no attribute 'nonsense'\n"
    )
    thread.join(PATIENCE)
    assert not trace.is_on and not thread.is_alive()
    trace.on()
    record(recorder, UDP)
    assert screen.next().startswith("    2 ")


def test_a_function_that_exits_fails_like_any_other(recorder, screen, trace):
    trace.on(lambda entry: sys.exit("enough"))
    record(recorder, UDP)
    assert screen.next().endswith("chooses frames failed at frame 1: SystemExit: enough\n")


def test_a_function_may_use_the_trace_itself(recorder, screen, trace):
    trace.on(lambda entry: trace.last(0) is None)
    record(recorder, UDP)
    assert screen.next().startswith("    1 ")


@pytest.mark.parametrize("error", [BrokenPipeError, ValueError])
def test_when_nobody_reads_any_more_it_ends_quietly(recorder, error):
    def write(text):
        raise error

    trace = Trace(recorder, write=write).on()
    thread = printers()[0]
    record(recorder, UDP)
    thread.join(PATIENCE)
    assert not trace.is_on and not thread.is_alive()


def test_standard_output_is_looked_up_when_something_is_printed(recorder, monkeypatch):
    trace = Trace(recorder)
    record(recorder, UDP)
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    trace.last()
    assert out.getvalue() == "    1   0.000000     " + UDP_LINE


def test_an_encoding_without_arrows_gets_ascii(recorder, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    record(recorder, UDP)
    Trace(recorder).last()
    assert raw.getvalue().decode().endswith("10.9.0.1 -> 10.9.0.9     UDP 43 40000 -> 40001 Len=1\n")
    recorder.on_event(Dropped(Drop.INTERFACE_DOWN, TAP, True, "câble"), 1.0)
    Trace(recorder).events()
    assert raw.getvalue().decode().endswith("dropped: interface is down (c\\xe2ble)\n")


def test_a_stream_s_own_write_is_asked_for_its_encoding_and_terminal(recorder):
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    raw = io.BytesIO()
    stream = Terminal(raw, encoding="ascii", write_through=True)
    record(recorder, UDP)
    Trace(recorder, write=stream.write).last()
    assert b"10.9.0.1 -> 10.9.0.9" in raw.getvalue() and b"\x1b[36mUDP" in raw.getvalue()


@pytest.mark.parametrize("color, coloured", [("always", True), ("never", False), (None, False)])
def test_colour_is_as_it_was_asked_for(recorder, screen, color, coloured, monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    record(recorder, UDP)
    Trace(recorder, write=screen.write, color=color).last()
    assert ("\x1b[36mUDP 43" in screen.next()) is coloured


def test_a_wrong_colour_is_an_error_at_once(recorder):
    with pytest.raises(ValueError, match="colour is one of"):
        Trace(recorder, color="pink")


def test_last_prints_the_newest_lines_of_what_is_wanted(recorder, screen, trace):
    for i, frame in enumerate([*conversation(), UDP, UDP]):
        record(recorder, frame, float(i))
    trace.last(3)
    assert [line.split()[0] for line in screen.next().splitlines()] == ["11", "12", "13"]
    trace.last(2, "tcp")
    assert screen.next().splitlines() == [
        "   10   9.000000     10.9.0.9 → 10.9.0.1     TCP 54 40001 → 44000 [ACK] Seq=4 Ack=8 Win=65152 Len=0",
        "   11  10.000000     10.9.0.9 → 10.9.0.1     TCP 54 40001 → 44000 [RST] Seq=4 Win=0 Len=0",
    ]
    trace.last(100)
    assert screen.next().count("\n") == 13
    trace.last(0)
    assert screen.all() == ""


def test_show_prints_one_frame_s_tree(recorder, screen, trace):
    for frame in conversation()[:3]:
        record(recorder, frame, 1.0)
    change = StateChange((A, 44000), (B, 40001), "SYN-SENT", "ESTABLISHED")
    recorder.on_event(change, 1.0)
    trace.show(2)
    text = screen.next()
    assert text.startswith("Frame 2: 74 bytes received on tap0") and "Flags: 0x12 (SYN, ACK)" in text
    assert "Then:" not in text and text.endswith("\n") and not text.endswith("\n\n")
    trace.show()
    assert "Then: 10.9.0.1:44000 > 10.9.0.9:40001 SYN-SENT -> ESTABLISHED\n" in screen.next()
    trace.show(-3)
    assert screen.next().startswith("Frame 1:")


def test_show_cuts_the_bytes_of_a_giant(recorder, screen, trace):
    record(recorder, udp_frame(bytes(5000)))
    trace.show()
    assert screen.next().endswith("... 2994 bytes more\n")
    trace.show(1, limit=None)
    assert "13a0  00 00" in screen.next()


def test_show_of_what_is_not_kept_is_one_clear_error(screen):
    recorder = Recorder(limit=2000)
    trace = Trace(recorder, write=screen.write)
    with pytest.raises(ValueError, match=r"^no frame has been recorded yet$"):
        trace.show()
    for _ in range(10):
        record(recorder, UDP)
    for number in (1, 11, 0, -11):
        with pytest.raises(ValueError, match=r"^frame -?\d+ is not kept; 6 to 10 are$"):
            trace.show(number)


def test_events_prints_what_belongs_to_no_frame(recorder, screen, trace):
    record(recorder, tcp_frame(A, B, 1, 2, 3, 4, tcp.SYN, 5), 1.0)
    for state in ("SYN-SENT", "ESTABLISHED", "CLOSE-WAIT"):
        recorder.on_event(StateChange((A, 1), (B, 2), "?", state), 1.5)
    trace.events(2)
    assert screen.next() == (
        "    *   0.500000 10.9.0.1:1 > 10.9.0.9:2 ? -> ESTABLISHED\n"
        "    *   0.500000 10.9.0.1:1 > 10.9.0.9:2 ? -> CLOSE-WAIT\n"
    )


def test_the_repr_is_one_quiet_line(recorder, trace):
    assert repr(trace) == "<trace off: 0 of 0 frames kept>"
    record(recorder, UDP)
    assert repr(trace.on()) == "<trace on: 1 of 1 frames kept>"
    assert repr(trace.off()) == "<trace off: 1 of 1 frames kept>"


def test_an_interpreter_that_ends_with_the_trace_on_ends_well():
    script = """
from stack.trace.recorder import Recorder
from stack.trace.trace import Trace
from tests.trace.frames import record, udp_frame
recorder = Recorder()
Trace(recorder).on()
for _ in range(1000):
    record(recorder, udp_frame(b"x"))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].strip().endswith("frames not shown")
