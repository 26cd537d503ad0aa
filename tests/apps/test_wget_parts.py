"""The parts of wget that need no network: its bar, its numbers, URLs, and bodies in chunks."""

from __future__ import annotations

import io
import os
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.wget.body import EndedEarly, Framing, ProtocolError, read_body
from apps.wget.file import destination
from apps.wget.progress import Bar, amount, countdown, rate, took
from apps.wget.url import parse_url
from tests.apps.terminal import Terminal


@settings(max_examples=40)
@given(st.integers(40, 300), st.text(max_size=40), st.none() | st.integers(0, 10**15), st.lists(st.integers(0, 10**9)))
def test_fuzz_the_bar_is_as_wide_as_the_terminal(width: int, name: str, total: int | None, steps: list[int]) -> None:
    terminal = Terminal()
    os.environ["COLUMNS"] = str(width)
    try:
        bar = Bar.on(terminal, name.replace("\r", "").replace("\n", ""), total, 0, 0.0)
    finally:
        del os.environ["COLUMNS"]
    if bar is None:
        assert width < 65
        return
    received = 0
    for number, step in enumerate(steps):
        received += step
        bar.show(received, number + 1.0)
    bar.end(received, len(steps) + 1.5)
    assert {len(line) for line in terminal.bars} == {width - 1}


def test_a_body_that_is_longer_than_it_was_said_to_be_is_all_there() -> None:
    terminal = Terminal()
    bar = Bar(terminal, 80, "x", 1000, 0, 0.0)
    bar.show(2500, 1.0)
    assert terminal.bars[-1].startswith("x                   100%[===================>]   2.44K  2.44KB/s")


def test_sizes_rates_and_durations_as_wget_writes_them() -> None:
    assert [amount(n) for n in (0, 1023, 1024, 148576, 1000000, 1048576, 3 * 10**9, 10**11)] == [
        "0", "1023", "1.0K", "145K", "977K", "1.0M", "2.8G", "93G",
    ]  # fmt: skip
    assert [amount(n, 1000, 2) for n in (58192, 1048576, 1023 * 1024)] == ["56.83K", "1.00M", "1023K"]
    assert [rate(n, 1.0) for n in (0, 250000, 72192, 70 * 2**20, 3 * 2**30)] == [
        "0.00 B/s", "244 KB/s", "70.5 KB/s", "70.0 MB/s", "3.00 GB/s",
    ]  # fmt: skip
    assert [took(s) for s in (0, 0.0004, 0.002, 0.0084, 0.12, 1.94, 3.9, 10.2, 61, 3700)] == [
        "0s", "0s", "0.002s", "0.008s", "0.12s", "1.9s", "3.9s", "10s", "1m 1s", "1h 1m",
    ]  # fmt: skip
    assert countdown(200000) == "2d 7h"


# --- standard output


def test_where_output_is_text_a_character_in_two_pieces_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    output = destination("-", False)
    for body in (b"n\xc3", b"\xa9e"), (b"caf\xc3",), (b"x",):
        output.begin("index.html")
        for piece in body:
            output.write(piece)
        output.end()
    assert shown.getvalue() == "n\u00e9ecaf\ufffdx"
    assert output.have == 1
    shown.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        output.write(b"nobody")


# --- URLs


@pytest.mark.parametrize(
    "text, shown, name",
    [
        ("10.0.0.2", "http://10.0.0.2/", "index.html"),
        ("HTTP://WWW.Lab:80", "http://www.lab/", "index.html"),
        ("http://h:8080/dir/", "http://h:8080/dir/", "index.html"),
        ("h/dir/a b", "http://h/dir/a%20b", "a b"),
        ("h/a%2fb", "http://h/a%2fb", "a%2Fb"),
        ("h/?x=y/z&a", "http://h/?x=y/z&a", "index.html?x=y%2Fz&a"),
        ("h?q", "http://h/?q", "index.html?q"),
        ("h/%2e%2e", "http://h/%2e%2e", "%2E%2E"),
        ("h/x/../y/.", "http://h/y/", "index.html"),
        ("h/../../etc/passwd", "http://h/etc/passwd", "passwd"),
        ("h/ä%zz", "http://h/%C3%A4%25zz", "ä%zz"),
        ("h/%1b%00", "http://h/%1b%00", "%1B%00"),
        ("h/%7fa%c2%80b%C2%9Fc%C2%A0", "http://h/%7fa%c2%80b%C2%9Fc%C2%A0", "%7Fa%C2%80b%C2%9Fc\xa0"),
        ("h/a#b?c", "http://h/a", "a"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x", "x"),
        ("http://bücher.lab/", "http://xn--bcher-kva.lab/", "index.html"),
    ],
)
def test_urls(text: str, shown: str, name: str) -> None:
    url = parse_url(text)
    assert (str(url), url.name) == (shown, name)


def test_a_name_leaves_room_in_what_a_directory_takes() -> None:
    """255 bytes: '.99' and a temporary ending may follow."""
    for path, name in (
        ("x" * 236, "x" * 236),
        ("x" * 300, "x" * 236),
        ("ä" * 200, "ä" * 118),
        ("a?" + "q" * 300, "a?" + "q" * 234),
    ):
        assert parse_url(f"h/{path}").name == name
    assert len(os.fsencode(parse_url("h/x" + "ä" * 200).name)) == 236


@pytest.mark.parametrize("text", ["http://u:p@h/", "http://h:-1/", "http://h:65536/", "http://a b/", "http://[x]/"])
def test_urls_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + ": "):
        parse_url(text)


@given(st.text(max_size=40) | st.text(st.sampled_from("htp:/?#[]@%2e.a \x00é"), max_size=30))
def test_fuzz_a_url_is_stable_fit_for_a_request_and_for_a_file(text: str) -> None:
    try:
        url = parse_url(text)
    except ValueError as e:
        assert str(e)
        return
    again = parse_url(str(url))
    assert str(again) == str(url) and again[:4] == url[:4]
    assert re.fullmatch(r"/[!-~]*", url.target) and url.host.isascii()
    assert url.name not in ("", ".", "..") and not re.search("[/\x00-\x1f\x7f-\x9f]", url.name)
    assert len(os.fsencode(url.name)) <= 236


# --- bodies


def read(data: bytes, how: Framing) -> tuple[bytes, str]:
    """What comes out of `data`, and how it ends."""
    got = b""
    try:
        for piece in read_body(io.BufferedReader(io.BytesIO(data)), how):  # type: ignore[arg-type]
            got += piece
    except (EndedEarly, ProtocolError) as e:
        return got, type(e).__name__
    return got, ""


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\nX: y\r\n\r\n"


@given(st.lists(st.binary(max_size=50), max_size=8), st.binary(max_size=20))
def test_any_body_comes_out_of_any_chunks_and_cut_anywhere_it_ended_early(parts: list[bytes], more: bytes) -> None:
    body, data = b"".join(parts), chunked(parts)
    assert read(data + more, Framing(None, True)) == (body, "")
    for length in range(len(data)):
        got, end = read(data[:length], Framing(None, True))
        assert end == "EndedEarly" and body.startswith(got)
        assert read(data[:length], Framing(len(data))) == (data[:length], "EndedEarly")


@given(st.binary(max_size=100) | st.text(st.sampled_from("0123aF;-+x \r\n"), max_size=60).map(str.encode))
def test_fuzz_chunks_end_well_or_with_one_of_two_errors_and_invent_nothing(data: bytes) -> None:
    got, _ = read(data, Framing(None, True))
    assert len(got) <= len(data)
    assert all(bytes([byte]) in data for byte in got)


def test_a_chunk_s_line_and_trailers_are_bounded() -> None:
    assert read(b"5" + b";" * 10000, Framing(None, True)) == (b"", "ProtocolError")
    assert read(b"0\r\n" + b"X: y\r\n" * 1000, Framing(None, True)) == (b"", "ProtocolError")
