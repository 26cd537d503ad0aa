"""The simulated cable in virtual time: what arrives when, that its fate follows from the seed, and that it counts."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.interface import GSO_TCPV4, Abilities, Offload
from stack.link.cable import Cable
from stack.link.offload import prepare
from stack.wire.drop import WireError
from tests.link.frames import take_apart, tcp_frame, whole

Arrival = tuple[float, bytes]


def frame(number: int) -> bytes:
    return number.to_bytes(4, "big") + bytes(60)


def drain(cable: Cable, end: int = 1) -> list[Arrival]:
    """Everything on its way to `end`, each at the time it is due."""
    arrivals = []
    while (at := cable.next_at(end)) is not None:
        taken = cable.take(end, at)
        assert taken is not None
        arrivals.append((at, taken[0]))
    return arrivals


def send_many(cable: Cable, count: int, interval: float = 0.0) -> list[bytes]:
    frames = [frame(i) for i in range(count)]
    for i, each in enumerate(frames):
        cable.send(0, each[:14], each[14:], i * interval)
    return frames


def numbers(arrivals: list[Arrival]) -> list[int]:
    return [int.from_bytes(data[:4], "big") for _, data in arrivals]


def test_a_frame_arrives_at_the_other_end_after_the_delay_and_not_before() -> None:
    cable = Cable(Random(1), delay=0.25)
    cable.send(0, b"head", memoryview(b"payload"), 10.0)
    assert cable.next_at(1) == 10.25
    assert cable.take(1, 10.249) is None
    assert cable.take(1, 10.25) == (b"headpayload", None)
    assert cable.next_at(1) is None
    assert cable.take(1, 99.0) is None
    assert cable.next_at(0) is None


def test_both_directions_are_apart() -> None:
    cable = Cable(Random(1), delay=0.0)
    cable.send(0, b"a", b"", 1.0)
    cable.send(1, b"b", b"", 1.0)
    assert cable.take(0, 1.0) == (b"b", None)
    assert cable.take(1, 1.0) == (b"a", None)


def test_with_more_ends_every_other_one_hears_it() -> None:
    cable = Cable(Random(1), ends=0)
    assert [cable.add_end() for _ in range(4)] == [0, 1, 2, 3]
    cable.send(2, b"all", b"", 0.0)
    assert [len(drain(cable, end)) for end in range(4)] == [1, 1, 0, 1]


def test_frames_stay_in_order_when_nothing_reorders_them() -> None:
    cable = Cable(Random(1))
    frames = send_many(cable, 100)
    assert [data for _, data in drain(cable)] == frames


def test_the_rate_spreads_frames_out_and_a_late_one_does_not_wait() -> None:
    cable = Cable(Random(1), delay=0.1, rate=64 * 8 * 10)  # ten frames a second
    send_many(cable, 3)
    cable.send(0, frame(3), b"", 5.0)
    assert [at for at, _ in drain(cable)] == pytest.approx([0.2, 0.3, 0.4, 5.2])


def test_a_full_queue_loses_the_last_and_empties_as_time_passes() -> None:
    cable = Cable(Random(1), delay=0.0, rate=64 * 8 * 10, queue=2)
    send_many(cable, 5)
    assert cable.traffic.overflowed == 3
    cable.send(0, frame(9), b"", 0.1)  # one has left by now
    cable.send(0, frame(10), b"", 0.1)
    assert cable.traffic.overflowed == 4
    assert numbers(drain(cable)) == [0, 1, 9]


@pytest.mark.parametrize(
    ("setting", "counter"), [("loss", "lost"), ("duplicate", "duplicated"), ("corrupt", "corrupted")]
)
def test_a_share_of_frames_meets_its_fate(setting: str, counter: str) -> None:
    cable = Cable(Random(7), **{setting: 0.1})  # type: ignore[arg-type]
    frames = send_many(cable, 10_000)
    met = getattr(cable.traffic, counter)
    assert 850 < met < 1150  # five standard deviations
    arrived = [data for _, data in drain(cable)]
    expected = {"loss": len(frames) - met, "duplicate": len(frames) + met, "corrupt": len(frames)}
    assert len(arrived) == expected[setting] == cable.traffic.delivered
    assert (cable.traffic.sent, cable.traffic.sent_bytes) == (10_000, 640_000)


def test_certain_loss_loses_everything_and_setting_it_back_takes_effect_at_once() -> None:
    cable = Cable(Random(1), loss=1.0)
    send_many(cable, 50)
    assert drain(cable) == []
    cable.loss = 0.0
    send_many(cable, 50)
    assert len(drain(cable)) == 50


def test_reordered_frames_are_overtaken_but_none_is_lost() -> None:
    cable = Cable(Random(3), delay=0.01, reorder=0.1)
    send_many(cable, 1000, interval=0.001)
    arrivals = drain(cable)
    order = numbers(arrivals)
    assert sorted(order) == list(range(1000))
    assert 60 < cable.traffic.reordered < 145
    overtaken = sum(later < earlier for earlier, later in pairwise(order))
    assert overtaken > 30
    assert all(0.0099 < at - n * 0.001 < 0.031 for (at, _), n in zip(arrivals, order))


def test_without_delay_there_is_room_to_reorder_all_the_same() -> None:
    cable = Cable(Random(3), delay=0.0, reorder=0.5)
    send_many(cable, 100)
    assert numbers(drain(cable)) != list(range(100))


def test_corruption_flips_exactly_one_bit_somewhere() -> None:
    cable = Cable(Random(5), corrupt=1.0)
    frames = send_many(cable, 500)
    places = set()
    for original, (_, damaged) in zip(frames, drain(cable), strict=True):
        difference = int.from_bytes(original, "big") ^ int.from_bytes(damaged, "big")
        assert difference.bit_count() == 1
        places.add(difference.bit_length())
    assert len(places) > 250  # of 512


def test_an_empty_frame_has_nothing_to_damage() -> None:
    cable = Cable(Random(5), corrupt=1.0)
    cable.send(0, b"", b"", 0.0)
    assert [data for _, data in drain(cable)] == [b""]


def test_what_to_do_to_a_frame_travels_with_it() -> None:
    cable = Cable(Random(5), duplicate=1.0)
    sent = tcp_frame(bytes(5000), gso_size=1448)
    cable.send(0, sent.head, sent.payload, 0.0, sent.offload)
    for _ in range(2):
        assert cable.take(1, 1.0) == (whole(sent), sent.offload)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1448]))
def test_a_damaged_frame_never_counts_as_verified(seed: int, gso_size: int) -> None:
    cable = Cable(Random(seed), corrupt=1.0)
    sent = tcp_frame(bytes(range(256)) * 8, gso_size=gso_size)
    cable.send(0, sent.head, sent.payload, 0.0, sent.offload)
    taken = cable.take(1, 1.0)
    assert taken is not None
    data, note = taken
    if gso_size:
        assert note == Offload(gso_type=GSO_TCPV4, gso_size=1448, hdr_len=len(sent.head))
    else:
        assert note is None
    (finished,) = prepare(sent._replace(offload=sent.offload and sent.offload._replace(gso_type=0)), Abilities())
    difference = int.from_bytes(data, "big") ^ int.from_bytes(whole(finished), "big")
    assert difference.bit_count() == 1
    if data[:14] == sent.head[:14]:  # the Ethernet header has nothing to protect it here
        with pytest.raises(WireError):
            take_apart(data)


CONDITIONS: dict[str, Any] = {
    "delay": 0.002, "loss": 0.1, "duplicate": 0.1, "reorder": 0.2, "corrupt": 0.05, "rate": 1e6, "queue": 50,
}  # fmt: skip


@given(st.integers(0, 2**64))
def test_the_same_seed_has_the_same_fate(seed: int) -> None:
    runs = []
    for _ in range(2):
        cable = Cable(Random(seed), **CONDITIONS)
        send_many(cable, 100, interval=0.0003)
        runs.append((drain(cable), cable.traffic))
    assert runs[0] == runs[1]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1), st.binary(max_size=40)), max_size=60),
    st.floats(0, 0.5),
    st.integers(0, 1000),
)
def test_nothing_arrives_early_and_the_books_balance(
    sends: list[tuple[int, float, bytes]], probability: float, seed: int
) -> None:
    cable = Cable(Random(seed), ends=3, delay=0.01, loss=probability, duplicate=probability, reorder=probability)
    now = 0.0
    for end, wait, data in sends:
        now += wait
        cable.send(end, data, b"", now)
    arrivals = [arrival for end in range(3) for arrival in drain(cable, end)]
    t = cable.traffic
    assert len(arrivals) == t.delivered == 2 * len(sends) - t.lost + t.duplicated
    assert all(0.01 <= at <= now + 0.01 + 0.02 for at, _ in arrivals)
    assert {data for _, data in arrivals} <= {data for _, _, data in sends}


BAD = [
    ("loss", 1.5, "loss is the share of frames lost, from 0 to 1, not 1.5"),
    ("loss", -0.1, "not -0.1"),
    ("duplicate", "half", "not 'half'"),
    ("reorder", None, "not None"),
    ("corrupt", True, "not True"),
    ("corrupt", float("nan"), "not nan"),
    ("delay", -1, "delay is seconds, from 0 to 3600, not -1"),
    ("rate", 0, "rate is bits per second, from 1 to 1e15 or None, not 0"),
    ("queue", 1.5, "queue is a whole number of frames, from 1 to 1000000 or None, not 1.5"),
    ("queue", 0, "not 0"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_a_setting_out_of_bounds_is_refused_in_one_line_and_changes_nothing(
    name: str, value: Any, message: str
) -> None:
    cable = Cable(Random(1))
    before = getattr(cable, name)
    with pytest.raises(ValueError, match=name) as caught:
        setattr(cable, name, value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert getattr(cable, name) == before
    with pytest.raises(ValueError, match=name):
        Cable(Random(1), **{name: value})


def test_repr_tells_settings_and_counts() -> None:
    cable = Cable(Random(1), loss=1.0, rate=1e6, queue=None)
    send_many(cable, 3)
    text = repr(cable)
    assert "loss=1.0" in text
    assert "rate=1000000.0" in text
    assert "queue=None" in text
    assert "3 sent, 0 delivered, 3 lost" in text


def test_who_sends_learns_whose_next_frame_came_nearer() -> None:
    cable = Cable(Random(1), ends=3, delay=1.0)
    reached: list[int] = []
    cable.send(0, b"first", b"", 0.0, None, reached.append)
    assert reached == [1, 2]
    cable.send(0, b"later", b"", 0.5, None, reached.append)
    assert reached == [1, 2]
    cable.delay = 0.1
    cable.send(0, b"sooner", b"", 0.5, None, reached.append)
    assert reached == [1, 2, 1, 2]
