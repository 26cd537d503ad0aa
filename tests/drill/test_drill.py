"""The drill itself: its language reads back what it writes, and a failed expectation shows the exchange."""

from __future__ import annotations

import pytest

from tests.drill.drill import Drill, stream
from tests.drill.segment import parse, relative


@pytest.mark.parametrize(
    "text", ["S 0:0", "S. 0:0 ack 1 win 65535 <mss 1460,wscale 7>", "FP. 1:101 ack 5 win 0", "R 5:5"]
)
def test_a_line_reads_back(text: str) -> None:
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize("text", ["", "X 0:0", "S 0", "S 0:0 ack", "S 0:0 <mss>", "S 0:0 <window 7>"])
def test_what_is_not_a_line(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_relative_goes_the_nearer_way_round() -> None:
    assert relative(5, 0xFFFFFFFE) == 7
    assert relative(0xFFFFFFFE, 5) == -7


def test_the_pattern_has_one_value_for_each_place() -> None:
    assert stream(100, 70_000)[65_521 - 99 : 65_521 - 99 + 50] == stream(65_522, 65_572)
    assert stream(1, 11) + stream(11, 21) == stream(1, 21)


def test_a_failure_shows_the_exchange_as_a_trace() -> None:
    d = Drill()
    d.passive()
    d.write(10)
    with pytest.raises(AssertionError) as failure:
        d.expect("P. 1:12 ack 1")
    text = str(failure.value)
    assert "expected P. 1:12 ack 1\n     got P. 1:11 ack 1" in text
    assert "0.000000 > 40000 > 80 S 0:0 win 65535 <mss 1460,wscale 7>" in text
    assert "0.000000 < 80 > 40000 S. 0:0 ack 1 win 65535" in text
    assert "LISTEN" in text or "CLOSED -> SYN-RECEIVED" in text


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (". 1:11", "the flags differ"), ("P. 1:12", "the sequence numbers differ"), ("P.", "it carries data"),
        ("P. 1:11 ack 2", "ack differs"), ("P. 1:11 win 3", "win differs"), ("P. 1:11 <mss 1>", "options differs"),
    ],
)  # fmt: skip
def test_every_part_of_a_line_counts(line: str, why: str) -> None:
    d = Drill()
    d.passive()
    d.write(10)
    with pytest.raises(AssertionError, match=why):
        d.expect(line)


def test_the_bytes_count() -> None:
    d = Drill()
    d.passive()
    d.written = 1  # the user begins with the pattern's second byte
    d.write(10)
    with pytest.raises(AssertionError, match="not the bytes"):
        d.expect("P. 1:11 ack 1")


def test_what_is_sent_unexpectedly_fails_the_next_step() -> None:
    d = Drill()
    d.passive()
    d.write(10)
    with pytest.raises(AssertionError, match="nothing was to be sent"):
        d.inject(". ack 1")


def test_what_comes_early_or_late_fails() -> None:
    d = Drill()
    d.connect()
    d.expect("S 0:0")
    d.at(1.5)
    with pytest.raises(AssertionError, match=r"at 1\.0 it sent"):
        d.expect("S 0:0")
    d = Drill()
    d.connect()
    with pytest.raises(AssertionError, match="before"):
        d.expect("S 0:0", at=1.0)
