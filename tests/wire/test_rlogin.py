"""rlogin's first words and window sizes, whole, in pieces and damaged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire.rlogin import MAX_HELLO, Hello, WindowSize, WindowSizes, emit_hello, emit_size, parse_hello

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
SIZES = st.builds(WindowSize, *[st.integers(0, 0xFFFF)] * 4)


def test_the_first_words_of_rfc_1282() -> None:
    said = b"\0bostic\0kbostic\0vt100/9600\0"
    hello = Hello("bostic", "kbostic", "vt100", "9600")
    assert parse_hello(said) == (hello, b"") and emit_hello(hello) == said
    assert parse_hello(said + b"ls\r") == (hello, b"ls\r")
    assert all(parse_hello(said[:length]) is None for length in range(len(said)))


def test_the_window_size_of_rfc_1282() -> None:
    assert emit_size(WindowSize(32, 80, 500, 300)) == bytes.fromhex("ffff7373 0020 0050 01f4 012c")
    assert emit_size(WindowSize(-1, 70_000)) == bytes.fromhex("ffff7373 0000 ffff 0000 0000")


@given(WORDS, WORDS, WORDS.filter(lambda word: "/" not in word), WORDS, st.binary(max_size=9))
def test_words_come_back_as_they_were_said(client: str, server: str, terminal: str, speed: str, rest: bytes) -> None:
    hello = Hello(client, server, terminal, speed)
    assert parse_hello(emit_hello(hello) + rest) == (hello, rest)


@given(st.binary(max_size=3 * MAX_HELLO))
def test_whatever_the_bytes_they_are_words_or_incomplete_or_refused(data: bytes) -> None:
    try:
        found = parse_hello(data)
    except ValueError as e:
        assert "\n" not in str(e) and (data[:1] != b"\0" or len(data) > MAX_HELLO)
        return
    if found is None:
        assert data.count(b"\0") < 4 and len(data) <= MAX_HELLO
    else:
        assert data.endswith(found[1]) and data[: len(data) - len(found[1])].count(b"\0") == 4


def test_a_name_with_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        emit_hello(Hello("a\0b", "c", "d", "e"))


ODD = st.sampled_from([b"\xff", b"\xff\xffs", b"s", b"\xff\xff\xff"])
PIECES = st.lists(st.one_of(SIZES.map(emit_size), st.binary(max_size=6), ODD))


@given(PIECES, st.lists(st.integers(1, 7), min_size=1, max_size=20))
def test_in_whatever_pieces_it_comes_the_same_is_typed_and_sized(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts) + b"." * 12
    at_once = WindowSizes().feed(stream)
    sizes, typed, found, at = WindowSizes(), b"", [], 0
    while at < len(stream):
        cut = cuts[at % len(cuts)]
        some, more = sizes.feed(stream[at : at + cut])
        typed, found, at = typed + some, found + more, at + cut
    assert (typed, found) == at_once
    assert len(typed) + 12 * len(found) == len(stream)


@given(st.lists(st.tuples(st.binary(max_size=9).filter(lambda b: b"\xff" not in b), SIZES), max_size=5))
def test_sizes_are_found_between_what_is_typed(parts: list[tuple[bytes, WindowSize]]) -> None:
    typed, found = WindowSizes().feed(b"".join(text + emit_size(size) for text, size in parts))
    assert typed == b"".join(text for text, _ in parts) and found == [size for _, size in parts]
