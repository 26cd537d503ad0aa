"""The send queue, the receive queue and the scoreboard against models that are too simple to be wrong."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.tcp.receive_queue import ReceiveQueue
from stack.tcp.scoreboard import Scoreboard
from stack.tcp.send_queue import COMPACT, MERGE, SendQueue

EXAMPLES = settings(max_examples=100)
BASE = (1 << 32) - 700  # so that sequence numbers wrap


def pattern(first: int, last: int) -> bytes:
    return bytes((n * 31 + (n >> 8)) & 0xFF for n in range(first, last))


# --- the send queue: a byte string that loses its head


@EXAMPLES
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(0, 6000)),
            st.tuples(st.just("release"), st.integers(0, 9000)),
            st.tuples(st.just("view"), st.integers(0, 20_000)),
        ),
        max_size=40,
    ),
    st.sampled_from(
        [bytes, lambda b: memoryview(b), lambda b: memoryview(bytearray(b)), lambda b: memoryview(b + b"xx")[:-2]]
    ),
)
def test_the_send_queue_is_a_string_of_bytes(
    steps: list[tuple[str, int]], kind: Callable[[bytes], bytes | memoryview]
) -> None:
    queue, start, end = SendQueue(), 0, 0
    for step, n in steps:
        if step == "append":
            queue.append(kind(pattern(end, end + n)))
            end += n
        elif step == "release":
            queue.release(start + n)
            start = min(start + n, end)
        elif end > start:
            at = start + n % (end - start)
            length = min(1 + n % 1500, end - at)
            assert bytes(queue.view(at, length)) == pattern(at, at + length)
        assert (queue.start, queue.end, len(queue)) == (start, end, end - start)
    if end > start:
        assert bytes(queue.view(start, end - start)) == pattern(start, end)


def test_the_send_queue_keeps_what_it_was_given_and_copies_what_may_change() -> None:
    queue = SendQueue()
    fixed = bytes(10_000)
    queue.append(fixed)
    assert queue.view(0, 10_000) is fixed
    loose = bytearray(b"a" * 10_000)
    queue.append(memoryview(loose))
    loose[:] = b"b" * 10_000
    assert bytes(queue.view(10_000, 10_000)) == b"a" * 10_000


def test_the_send_queue_joins_small_writes_and_lets_go_of_what_is_done() -> None:
    queue = SendQueue()
    for n in range(10_000):
        queue.append(pattern(n, n + 1))
    assert len(queue._chunks) <= 10_000 // MERGE + 1
    block = bytes(MERGE)
    for _ in range(10 * COMPACT):
        queue.append(block)
        queue.release(queue.end)
    assert len(queue._chunks) <= 2 * COMPACT
    assert len(queue) == 0


# --- the receive queue: a set of positions


@EXAMPLES
@given(
    st.lists(st.tuples(st.integers(-40, 120), st.integers(0, 60), st.integers(0, 50)), max_size=60),
    st.sampled_from([bytes, memoryview]),
)
def test_the_receive_queue_is_a_set_of_positions(
    steps: list[tuple[int, int, int]], kind: Callable[[bytes], bytes | memoryview]
) -> None:
    queue, have, read = ReceiveQueue(1 << 30), 0, 0
    held: set[int] = set()
    for offset, length, take in steps:
        position = max(0, have + offset)
        before = have
        advanced = queue.insert(position, kind(pattern(position, position + length)))
        held.update(range(position, position + length))
        while have in held:
            have += 1
        assert advanced == (have > before)
        assert queue.next == have and queue.available == have - read
        beyond = {p for p in held if p > have}
        assert queue.held == len(beyond) and queue.has_hole == bool(beyond)
        assert {p for first, last in queue.ranges() for p in range(first, last)} == beyond
        data = queue.read(take)
        assert data == pattern(read, read + len(data)) and len(data) == min(take, have - read)
        read += len(data)
    assert queue.read(1 << 20) == pattern(read, have)


@EXAMPLES
@given(st.lists(st.integers(1, 300), min_size=1, max_size=30), st.lists(st.integers(1, 500), min_size=1, max_size=30))
def test_the_receive_queue_is_read_in_any_pieces(pieces: list[int], reads: list[int]) -> None:
    queue = ReceiveQueue(10)
    for n in pieces:
        queue.insert(queue.next, pattern(queue.next, queue.next + n))
    total, read = queue.next, 0
    for n in reads:
        peeked = queue.read(n, peek=True)
        buffer = bytearray(n)
        assert queue.read_into(memoryview(buffer), peek=True) == len(peeked)
        assert buffer[: len(peeked)] == peeked
        count = queue.read_into(memoryview(buffer))
        assert count == len(peeked) == min(n, total - read)
        assert bytes(buffer[:count]) == pattern(read, read + count)
        read += count
        assert queue.available == total - read


@EXAMPLES
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 10)), max_size=60), st.integers(1, 5))
def test_the_receive_queue_is_bounded_and_what_it_keeps_is_right(steps: list[tuple[int, int]], limit: int) -> None:
    queue = ReceiveQueue(limit)
    for position, length in steps:
        queue.insert(position, pattern(position, position + length))
        assert len(queue._held) <= limit
    queue.insert(0, pattern(0, 1))
    assert queue.read(1000) == pattern(0, queue.next)


def test_small_pieces_do_not_pin_their_frames() -> None:
    frame = memoryview(bytes(2000))
    queue = ReceiveQueue(10)
    queue.insert(0, frame[100:400])
    queue.insert(1000, frame[0:511])
    assert all(type(chunk) is bytes for chunk in queue._chunks)
    assert all(type(data) is bytes for _, data in queue._held)


def test_single_bytes_do_not_take_a_chunk_each() -> None:
    queue = ReceiveQueue(10)
    for n in range(10_000):
        queue.insert(n, memoryview(pattern(n, n + 1)))
    assert len(queue._chunks) <= 10_000 // 512 + 1
    assert queue.read(20_000) == pattern(0, 10_000)


def test_what_is_left_of_an_overlap_does_not_pin_its_frame() -> None:
    """One byte of 64 KiB kept out of order would else hold all of it, a thousand times over."""
    queue = ReceiveQueue(1000)
    queue.insert(6000, bytes(5000))
    queue.insert(10_001, memoryview(bytes(1000)))  # one byte behind what is held
    queue.insert(5500, memoryview(bytes(1000)))  # 500 before it
    queue.insert(20, memoryview(bytes(5480)))
    assert [(len(data), type(data)) for _, data in queue._held] == [
        (5480, memoryview), (500, bytes), (5000, bytes), (1, bytes),
    ]  # fmt: skip
    queue.insert(0, memoryview(bytes(60)))
    queue.insert(queue.next - 999, memoryview(bytes(1000)))
    assert all(type(chunk) is bytes for chunk in queue._chunks if len(chunk) < 512)
    assert [len(chunk) for chunk in queue._chunks] == [60, 5440, 500, 5000, 2]


# --- the scoreboard: a dictionary from sequence number to (times, when)


@EXAMPLES
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("new"), st.integers(1, 100), st.just(0)),
            st.tuples(st.just("again"), st.integers(0, 300), st.integers(1, 100)),
            st.tuples(st.just("ack"), st.integers(0, 300), st.just(0)),
        ),
        max_size=40,
    )
)
def test_the_scoreboard_knows_each_number_in_flight(steps: list[tuple[str, int, int]]) -> None:
    board = Scoreboard()
    model: dict[int, tuple[int, float]] = {}
    una = end = 0
    for now, (step, n, length) in enumerate(steps):
        if step == "new":
            assert board.record((BASE + end) % (1 << 32), (BASE + end + n) % (1 << 32), float(now)) == (0, None)
            model.update((p, (1, float(now))) for p in range(end, end + n))
            end += n
        elif step == "again" and end > una:
            first = una + n % (end - una)
            last = min(first + length, end)
            before = [model[p] for p in range(first, last)]
            times, waited = board.record((BASE + first) % (1 << 32), (BASE + last) % (1 << 32), float(now))
            assert times == max(t for t, _ in before)
            assert waited == now - max(at for _, at in before)
            model.update((p, (times + 1, float(now))) for p in range(first, last))
        elif step == "ack" and end > una:
            acked = una + n % (end - una + 1)
            gone = [model.pop(p) for p in range(una, acked)]
            sent_at = board.acknowledge((BASE + acked) % (1 << 32))
            if any(t > 1 for t, _ in gone) or not gone:
                assert sent_at is None, "Karn's rule"
            elif sent_at is not None:
                assert sent_at in {at for _, at in gone}
            una = acked
        seen = {}
        for sent in board:
            for p in range((sent.end - sent.start) % (1 << 32)):
                seen[(sent.start - BASE + p) % (1 << 32)] = (sent.times, sent.sent_at)
        assert {p: t for p, (t, _) in seen.items()} == {p: t for p, (t, _) in model.items()}
        assert all(seen[p][1] == model[p][1] for p in model)
        assert len(board) <= len(model)


def test_a_full_acknowledgment_gives_the_newest_time() -> None:
    board = Scoreboard()
    board.record(0, 100, 1.0)
    board.record(100, 200, 2.0)
    board.record(200, 300, 3.0)
    assert board.acknowledge(200) == 2.0
    assert board.acknowledge(250) is None  # a part of a transmission measures nothing
    assert board.acknowledge(300) == 3.0
    assert len(board) == 0
