import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire.checksum import checksum, ones_sum, pseudo_header_sum
from tests.wire.samples import words_sum


def test_the_example_of_rfc_1071():
    assert ones_sum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


@given(st.binary(max_size=3000), st.booleans())
def test_the_sum_is_that_of_adding_word_by_word(data, as_view):
    assert ones_sum(memoryview(data) if as_view else data) == words_sum(data)


@pytest.mark.parametrize("length", [0, 1, 2, 511, 512, 513, 1023, 1024, 1025, 1460, 9001, 65535])
@pytest.mark.parametrize("pattern", [b"\0", b"\xff", b"\x01\xa7\x33"])
def test_every_length_around_the_pieces(length, pattern):
    data = (pattern * length)[:length]
    assert ones_sum(data) == words_sum(data)


def test_a_sum_that_is_a_multiple_of_65535_is_the_other_zero():
    assert ones_sum(b"\xff\xff") == ones_sum(b"\x12\x34\xed\xcb") == 0xFFFF
    assert ones_sum(bytes(2000)) == 0


@given(st.binary(max_size=700).filter(lambda b: len(b) % 2 == 0), st.binary(max_size=700), st.integers(0, 0xFFFF))
def test_sums_chain_over_buffers(head, payload, initial):
    whole = words_sum(initial.to_bytes(2, "big") + head + payload)
    assert ones_sum(payload, ones_sum(head, initial)) == whole


@given(st.binary(min_size=2, max_size=200).filter(lambda b: any(b[2:])))
def test_a_stored_checksum_verifies_as_zero(data):
    data = data[2:] + bytes(len(data) & 1)
    assert checksum(data + checksum(data).to_bytes(2, "big")) == 0


@given(st.sampled_from([4, 16]), st.data(), st.integers(0, 255), st.integers(0, 65535))
def test_the_pseudo_header_sum_is_that_of_the_laid_out_header(size, data, protocol, length):
    src = data.draw(st.binary(min_size=size, max_size=size))
    dst = data.draw(st.binary(min_size=size, max_size=size))
    if size == 4:
        laid_out = src + dst + bytes([0, protocol]) + length.to_bytes(2, "big")
    else:
        laid_out = src + dst + length.to_bytes(4, "big") + bytes([0, 0, 0, protocol])
    assert pseudo_header_sum(src, dst, protocol, length) == words_sum(laid_out)
