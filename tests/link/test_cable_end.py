"""A cable's end as a device: its descriptor says that something changed, its clock says when a frame is due."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from random import Random

import pytest

from stack.frame import OutFrame
from stack.interface import Abilities
from stack.link.cable import Cable
from stack.link.cable_end import CableEnd, connect
from tests.link.frames import INTERFACE, tcp_frame


@pytest.fixture
def ends() -> Iterator[list[CableEnd]]:
    made = connect(Cable(Random(1), delay=0.5))
    yield made
    for end in made:
        end.close()


def out(data: bytes) -> OutFrame:
    return OutFrame(INTERFACE, data[:4], data[4:], None, None)


def is_readable(end: CableEnd, timeout: float = 0.0) -> bool:
    return bool(select.select([end], [], [], timeout)[0])


def test_a_frame_wakes_the_other_end_which_then_knows_when_it_is_due(ends: list[CableEnd]) -> None:
    a, b = ends
    assert not is_readable(b)
    assert a.write(out(b"hello world"), 10.0)
    assert is_readable(b)
    assert not is_readable(a)
    assert b.read(10.0) is None
    assert not is_readable(b)
    assert b.next_at() == 10.5
    assert b.read(10.5) == (b"hello world", None)
    assert b.next_at() is None


def test_a_thousand_frames_leave_one_byte_in_the_descriptor(ends: list[CableEnd]) -> None:
    a, b = ends
    for i in range(1000):
        assert a.write(out(b"%06d" % i), 1.0)
    got = []
    while (taken := b.read(2.0)) is not None:
        got.append(taken[0])
    assert got == [b"%06d" % i for i in range(1000)]
    assert not is_readable(b)


def test_frames_that_are_each_due_before_the_last_leave_one_byte_too(ends: list[CableEnd]) -> None:
    a, b = ends
    for delay in (0.4, 0.3, 0.2, 0.1):
        a.cable.delay = delay
        a.write(out(b"sooner and sooner"), 1.0)
    assert b.next_at() == 1.1
    assert b.read(1.0) is None
    assert not is_readable(b)


def test_a_frame_sent_between_the_last_read_and_the_wait_is_not_slept_through(ends: list[CableEnd]) -> None:
    a, b = ends
    a.write(out(b"first"), 1.0)
    assert b.read(1.5) is not None
    assert b.read(1.5) is None
    a.write(out(b"second"), 1.6)
    assert is_readable(b)
    a.write(out(b"third"), 1.7)
    assert b.read(1.6) is None
    assert b.next_at() == 2.1


def test_an_end_that_was_closed_hurts_nobody(ends: list[CableEnd]) -> None:
    a, b = ends
    b.close()
    assert a.write(out(b"into the void"), 1.0)
    b.close()


def test_two_ends_have_two_addresses_and_no_abilities(ends: list[CableEnd]) -> None:
    assert ends[0].mac != ends[1].mac
    assert all(len(end.mac) == 6 and end.mac[0] == 2 for end in ends)
    assert all(end.abilities == Abilities() for end in ends)


def test_super_segments_pass_whole_where_the_cable_carries_them() -> None:
    a, b = connect(Cable(Random(1), delay=0.0), super_segments=True)
    try:
        assert a.abilities.tso4
        assert a.abilities.checksum
        frame = tcp_frame(bytes(60000), gso_size=1448)
        a.write(frame, 1.0)
        assert b.read(1.0) == (frame.head + frame.payload, frame.offload)
    finally:
        a.close()
        b.close()


def test_two_threads_exchange_frames_both_ways_and_miss_no_wakeup() -> None:
    """Each side answers what it reads, as two engines do, sleeping on its descriptor until the next frame is due."""
    ends = connect(Cable(Random(1), delay=0.0002))
    rounds = 300
    failures: list[str] = []

    def play(end: CableEnd, starts: bool) -> None:
        if starts:
            end.write(out(b"0000"), time.monotonic())
        seen = 0
        while seen < rounds:
            taken = end.read(time.monotonic())
            if taken is None:
                at = end.next_at()
                timeout = 5.0 if at is None else max(0.0, at - time.monotonic())
                if not is_readable(end, timeout) and at is None:
                    failures.append(f"end {end.number} slept through frame {seen}")
                    return
                continue
            seen += 1
            end.write(out(taken[0]), time.monotonic())

    threads = [threading.Thread(target=play, args=(end, end.number == 0)) for end in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for end in ends:
        end.close()
    assert not failures
    assert ends[0].cable.traffic.sent >= 2 * rounds
