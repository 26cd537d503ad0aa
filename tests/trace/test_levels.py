"""How much is shown of which packets: what was said last about a frame holds."""

from __future__ import annotations

import re

import pytest

from stack.events import Dropped
from stack.trace.choice import Choice, ChoiceFailed, Level
from stack.trace.recorder import Recorder
from stack.trace.trace import Trace
from stack.wire import tcp
from stack.wire.drop import Drop
from tests.patience import PATIENCE
from tests.trace.frames import TAP, arp_frame, entry, record, tcp_frame, udp_frame
from tests.trace.payloads import question
from tests.wire.samples import A, B

TCP, UDP, ARP, DNS = tcp_frame(A, B, 1, 2, 3, 4, tcp.ACK, 5), udp_frame(b"x"), arp_frame(1, A, B), question()


@pytest.fixture
def written():
    return []


@pytest.fixture
def trace(written, monkeypatch):
    monkeypatch.setattr("stack.trace.trace.LAST_WORDS", PATIENCE)
    trace = Trace(Recorder(), clock=lambda: 0.0, write=written.append)
    yield trace
    trace.off()


def shown(trace, written):
    """What is printed of one frame of each kind: ('line' or 'tree', protocol)."""
    for frame in (TCP, UDP, ARP, DNS):
        record(trace.recorder, frame)
    trace.off()
    text = "".join(written)
    kinds = re.findall(r"^(Frame) \d+:|^ +\d+ +[\d.]+ +\S+ → \S+ +(\w+)", text, re.MULTILINE)
    assert text.count("\n\nFrame") == max(0, text.count("Frame") - 1)
    trees = re.findall(r"^(Transmission|Domain|User|Address) ", text, re.MULTILINE)
    return ["tree" if tree else line for tree, line in kinds], trees


def test_trees_of_one_protocol(trace, written):
    trace.on("tcp", tree=True)
    assert shown(trace, written) == (["tree"], ["Transmission"])


def test_lines_of_everything_and_trees_of_some(trace, written):
    trace.on().also("udp port 53", tree=True)
    assert repr(trace).startswith("<trace on, 'udp port 53' as trees: ")
    assert shown(trace, written) == (["TCP", "UDP", "ARP", "tree"], ["User", "Domain"])


def test_some_left_out(trace, written):
    trace.on()
    trace.off("arp or tcp")
    trace.off("port 40001")
    assert repr(trace).startswith("<trace on, not 'arp or tcp', not 'port 40001': ")
    assert shown(trace, written)[0] == ["DNS"]


def test_several_at_once(trace, written):
    trace.on("arp")
    trace.also("tcp", tree=True)
    assert repr(trace).startswith("<trace on, 'arp', 'tcp' as trees: ")
    assert shown(trace, written) == (["tree", "ARP"], ["Transmission"])


def test_on_begins_anew_and_also_of_everything_too(trace, written):
    trace.on("arp").on("tcp")
    trace.also(tree=True)
    assert repr(trace).startswith("<trace on, everything as trees: ")
    assert shown(trace, written)[0] == ["tree"] * 4


def test_also_turns_it_on(trace, written):
    trace.also("arp")
    assert shown(trace, written)[0] == ["ARP"]


def test_what_makes_no_sense_changes_nothing(trace):
    with pytest.raises(ValueError, match="the trace is off: say"):
        trace.off("arp")
    trace.on("arp")
    for change in (trace.also, trace.off, trace.on):
        with pytest.raises(ValueError, match="is not a word"):
            change("nonsense")
    assert repr(trace).startswith("<trace on, 'arp': ")


def test_what_belongs_to_no_frame_is_shown_with_everything():
    everything = Choice().said(None, Level.LINE)
    assert everything.has_events and everything.said("arp", Level.NOTHING).has_events
    assert not Choice().said("arp", Level.LINE).has_events
    assert not everything.said(None, Level.NOTHING).has_events


def test_the_last_word_holds():
    choice = Choice().said("ip", Level.LINE).said("tcp", Level.TREE).said("tcp port 1", Level.NOTHING)
    assert [choice.level(entry(frame)) for frame in (UDP, TCP, ARP)] == [Level.LINE, Level.NOTHING, Level.NOTHING]
    with pytest.raises(ChoiceFailed, match="frame 1: ZeroDivisionError"):
        choice.said(lambda e: 1 / 0, Level.LINE).level(entry(UDP))


def test_a_tree_costs_its_lines_by_eights(trace, written):
    trace.on(tree=True)
    for _ in range(200):
        record(trace.recorder, TCP)
    trace.off()
    text = "".join(written)
    assert 1500 <= text.count("\n") < 1700 and "frames not shown" in text


def test_tcpdump_s_format(trace, written):
    trace.format = "tcpdump"
    trace.on()
    record(trace.recorder, UDP)
    trace.recorder.on_event(Dropped(Drop.NO_ROUTE, TAP, True), 0.0)
    trace.off()
    first, second = "".join(written).splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{6} IP 10\.9\.0\.1\.40000 > 10\.9\.0\.9\.40001: UDP, length 1", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{6} dropped: no route to host", second)
    with pytest.raises(ValueError, match="'columns' or 'tcpdump', not 'wireshark'"):
        trace.format = "wireshark"
    assert trace.format == "tcpdump"


def test_columns_stand_in_line(trace, written):
    for frame in (UDP, ARP, DNS, udp_frame(bytes(1400))):
        record(trace.recorder, frame)
    trace.last()
    lines = written[0].splitlines()
    assert len({text.index("→") for text in lines}) == 1
    assert {len(re.match(r".* (?:UDP|ARP|DNS) +\d+ ", text.split("→ ")[1])[0]) for text in lines} == {27}
