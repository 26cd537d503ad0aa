"""Ranges and conditions by RFC 9110's own examples, and any text at all."""

from __future__ import annotations

from email.message import Message
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.http.conditions import Joined, Part, Validators, decide, is_tag_in, parse_range

FILE = Validators('"abc"', 1445412480)
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
EARLIER, LATER = "Wed, 21 Oct 2015 07:27:59 GMT", "Wed, 21 Oct 2015 07:28:01 GMT"


@pytest.mark.parametrize(
    "text, size, part",
    [
        ("bytes=0-499", 10000, (206, 0, 500)),
        ("bytes=500-999", 10000, (206, 500, 500)),
        ("bytes=-500", 10000, (206, 9500, 500)),
        ("bytes=9500-", 10000, (206, 9500, 500)),
        ("Bytes = 0-0 ,", 10000, (206, 0, 1)),
        ("bytes=9999-20000", 10000, (206, 9999, 1)),
        ("bytes=-20000", 10000, (206, 0, 10000)),
        ("bytes=10000-", 10000, (416, 0, 0)),
        ("bytes=-0", 10000, (416, 0, 0)),
        ("bytes=0-", 0, (416, 0, 0)),
        ("bytes=-5", 0, (416, 0, 0)),
        ("bytes=5-4", 10000, None),
        ("bytes=-", 10000, None),
        ("bytes=", 10000, None),
        ("bytes=0-0,-1", 10000, None),  # several: the whole
        ("bytes=a-b", 10000, None),
        ("bytes=+1-2", 10000, None),
        ("lines=0-1", 10000, None),
        ("bytes=0-" + "9" * 19, 10000, None),
    ],
)
def test_a_range(text: str, size: int, part: tuple[int, int, int] | None) -> None:
    found = parse_range(text, size)
    assert found == part, text


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_range_is_a_slice(size: int, first: int, length: int) -> None:
    whole = range(size)
    for text, meant in (
        (f"bytes={first}-{first + length}", whole[first : first + length + 1]),
        (f"bytes={first}-", whole[first:]),
        (f"bytes=-{length}", whole[size - min(length, size) :]),
    ):
        found = parse_range(text, size)
        assert found is not None
        assert (found.status == 206) is (len(meant) > 0)
        assert whole[found.start : found.start + found.length] == meant or not meant


@given(st.text(st.sampled_from("bytes=-, 0129\t\u0661x"), max_size=20), st.integers(0, 30))
def test_fuzz_a_range_never_leaves_the_file(text: str, size: int) -> None:
    found = parse_range(text, size)
    if found is not None and found.status == 206:
        assert 0 <= found.start < found.start + found.length <= size


@pytest.mark.parametrize(
    "field, weakly, strongly",
    [
        ('"abc"', True, True),
        ('W/"abc"', True, False),
        ('"x", "abc"', True, True),
        (' , "x" ,, W/"abc", ', True, False),
        ("*", True, True),
        ('"abcd"', False, False),
        ("abc", False, False),
        ('"x, "abc"', False, False),
        ("", False, False),
    ],
)
def test_entity_tags(field: str, weakly: bool, strongly: bool) -> None:
    assert (is_tag_in(field, '"abc"', True), is_tag_in(field, '"abc"', False)) == (weakly, strongly)


@given(st.text(st.sampled_from('W/"*, ab\xff\t'), max_size=30))
def test_fuzz_a_tag_that_matches_is_in_the_field(field: str) -> None:
    if is_tag_in(field, '"ab"', True):
        assert '"ab"' in field or field.strip() == "*"


def test_a_field_of_tags_without_end_takes_no_time() -> None:
    assert not is_tag_in('"a",' * 3000 + '"', '"b"', True)
    assert not is_tag_in('"a"' + ", " * 8000 + "x", '"b"', True)
    assert parse_range("bytes=" + ", " * 8000 + "x", 10) is None


WHOLE, PART = (200, 0, 100), (206, 0, 10)
RANGE = {"Range": "bytes=0-9"}


@pytest.mark.parametrize(
    "headers, part",
    [
        ({}, WHOLE),
        (RANGE, PART),
        ({"If-None-Match": '"abc"'}, (304, 0, 0)),
        ({"If-None-Match": '"x"'}, WHOLE),
        ({"If-None-Match": "*"}, (304, 0, 0)),
        ({"If-Modified-Since": DATE}, (304, 0, 0)),
        ({"If-Modified-Since": LATER}, (304, 0, 0)),
        ({"If-Modified-Since": EARLIER}, WHOLE),
        ({"If-Modified-Since": "Wednesday, 21-Oct-15 07:28:00 GMT"}, (304, 0, 0)),
        ({"If-Modified-Since": "Wed Oct 21 07:28:00 2015"}, (304, 0, 0)),
        ({"If-Modified-Since": "yesterday"}, WHOLE),
        ({"If-Modified-Since": "Wed, 99 Oct 2015 07:28:00 GMT"}, WHOLE),
        # RFC 9110 13.1.3: a tag that does not match makes the date count for nothing.
        ({"If-None-Match": '"x"', "If-Modified-Since": DATE}, WHOLE),
        ({"If-Match": '"x"'}, (412, 0, 0)),
        ({"If-Match": 'W/"abc"'}, (412, 0, 0)),
        ({"If-Match": '"abc"'}, WHOLE),
        ({"If-Unmodified-Since": EARLIER}, (412, 0, 0)),
        ({"If-Unmodified-Since": DATE}, WHOLE),
        ({"If-Match": '"abc"', "If-Unmodified-Since": EARLIER}, WHOLE),
        ({**RANGE, "If-Range": '"abc"'}, PART),
        ({**RANGE, "If-Range": 'W/"abc"'}, WHOLE),
        ({**RANGE, "If-Range": '"x"'}, WHOLE),
        ({**RANGE, "If-Range": DATE}, PART),
        ({**RANGE, "If-Range": LATER}, WHOLE),
        ({**RANGE, "If-Range": "nonsense"}, WHOLE),
        ({**RANGE, "If-None-Match": '"abc"'}, (304, 0, 0)),
        ({"Range": "bytes=200-"}, (416, 0, 0)),
    ],
)
def test_conditions_in_their_order(headers: dict[str, str], part: tuple[int, int, int]) -> None:
    assert decide(headers, FILE, 100) == part


def test_several_lines_of_one_name_are_one_list() -> None:
    header = Message()
    header["If-None-Match"] = '"x"'
    header["if-none-match"] = '"abc"'
    assert decide(Joined(header), FILE, 100) == (304, 0, 0)
    assert Joined(header).get("Range") is None


@given(st.text(max_size=60))
def test_fuzz_a_date_that_is_none_is_as_if_it_were_not_there(text: str) -> None:
    found = decide({"If-Modified-Since": text}, FILE, 100)
    assert found in (Part(200, 0, 100), Part(304))  # type: ignore[arg-type]


def test_the_date_is_written_as_it_is_compared() -> None:
    assert (FILE.date, formatdate(FILE.modified, usegmt=True)) == (DATE, DATE)
