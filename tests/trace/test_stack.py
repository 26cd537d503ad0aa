"""The trace beside the stack itself: what it shows of a frame is what the stack did with it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.config import Config
from stack.events import Dropped
from stack.interface import Interface, Offload
from stack.stack import Stack
from stack.trace.dissect import dissect
from stack.trace.recorder import Recorder
from stack.trace.render import line
from stack.wire import ethernet, icmpv4, ipv4, tcp, udp
from stack.wire.drop import Drop
from tests.wire.samples import MAC_A, MAC_B, TCP_SYN, A, B


class Host:
    """A stack at B with a recorder, hearing frames from A."""

    def __init__(self):
        self.stack = Stack(Config(random.Random(1), b"secret", acd_probe_num=0))
        self.recorder = Recorder()
        self.stack.observers.append(self.recorder)
        self.interface = Interface("tap0", MAC_B)
        self.stack.attach(self.interface, 0.0)
        self.stack.add_address(self.interface, B, 24, 0.0)
        self.stack.advance(0.0)

    def receive(self, frame, now=1.0, offload=None):
        """The entry of a frame the host has received."""
        number = self.recorder.number
        self.stack.receive(self.interface, frame, now, offload)
        return next(entry for entry in self.recorder.frames() if entry.number > number)


def datagram(protocol, payload):
    return ethernet.emit(MAC_B, MAC_A, 0x0800) + ipv4.emit(A, B, protocol, len(payload)) + payload


FRAMES = [
    datagram(17, udp.emit(A, B, 4000, 9, b"hello") + b"hello"),
    datagram(6, TCP_SYN[34:]),
    datagram(1, icmpv4.echo_request(1, 2, b"data")),
    datagram(1, icmpv4.emit(3, 3, bytes(4), datagram(17, bytes(8))[14:])),
    ethernet.emit(MAC_B, MAC_A, 0x0806) + bytes.fromhex("0001080006040001020000000001 0a090001 000000000000 0a090009"),
]


NOT_FOR_US = {Drop.IP_NOT_OURS, Drop.NOT_OUR_MAC}  # the stack looks no further


def check(entry):
    reason = dissect(entry).reason
    if reason is not None and not NOT_FOR_US & {note.reason for note in entry.notes if isinstance(note, Dropped)}:
        assert [note.reason for note in entry.notes if isinstance(note, Dropped)] == [reason]
        assert line(entry, 0.0).plain.endswith(f"[dropped: {reason.value}]")


@pytest.mark.parametrize("frame", FRAMES, ids=["udp", "tcp", "echo", "error", "arp"])
def test_cut_anywhere_the_reason_shown_is_the_reason_counted(frame):
    host = Host()
    for length in range(len(frame)):
        entry = host.receive(frame[:length])
        assert dissect(entry).reason is not None
        check(entry)


@settings(max_examples=300)
@given(
    st.sampled_from(FRAMES),
    st.dictionaries(st.integers(12, 60), st.integers(0, 255), min_size=1, max_size=3),
    st.sampled_from([None, Offload(True, 34, 16), Offload(verified=True)]),
)
def test_whatever_is_bent_the_reason_shown_is_the_reason_counted(frame, changes, offload):
    host = Host()
    check(host.receive(bytes(changes.get(i, byte) for i, byte in enumerate(frame)), offload=offload))


def test_a_sound_packet_that_is_dropped_says_why():
    host = Host()
    entry = host.receive(FRAMES[0])
    assert dissect(entry).reason is None
    assert [note.reason for note in entry.notes] == [Drop.UDP_PORT_CLOSED]


def test_an_answer_stands_behind_its_question():
    host = Host()
    host.receive(FRAMES[4])
    host.receive(FRAMES[2], 2.0)
    texts = [line(entry, 1.0).plain for entry in host.recorder.frames()][-4:]
    assert "Who has 10.9.0.9? Tell 10.9.0.1" in texts[0] and "10.9.0.9 is at 02:00:00:00:00:09" in texts[1]
    assert "Echo (ping) request" in texts[2] and "Echo (ping) reply" in texts[3]


def test_a_syn_that_is_resent_says_so():
    host = Host()
    host.receive(FRAMES[4])
    port = host.stack.tcp.open()
    port.connect(A, 80, 2.0)
    for _ in range(3):
        at = host.stack.next_timeout()
        assert at is not None
        host.stack.advance(at)
    lines = [line(entry, 0.0).plain for entry in host.recorder.frames() if entry.tcp and entry.tcp.flags & tcp.SYN]
    assert len(lines) >= 2 and "resent" not in lines[0] and "[resent: timeout, time 1" in lines[1]
