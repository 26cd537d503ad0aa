"""The virtio net header, there and back."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.interface import GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP, Offload
from stack.link import virtio

U16 = st.integers(0, 65535)
NOTES = st.builds(
    Offload,
    needs_checksum=st.just(True),
    csum_start=U16,
    csum_offset=U16,
    gso_type=st.sampled_from([GSO_TCPV4, GSO_TCPV4 | GSO_ECN, GSO_UDP, GSO_TCPV6]),
    gso_size=U16,
    hdr_len=U16,
    verified=st.just(False),
)


@given(NOTES)
def test_what_is_written_is_read_back(note: Offload) -> None:
    assert virtio.parse(virtio.emit(note)) == note


@given(st.binary(min_size=10, max_size=10))
def test_any_ten_bytes_can_be_read_and_written_again(header: bytes) -> None:
    note = virtio.parse(header)
    # That a checksum was verified is only ever said to us; everything else survives.
    if note is not None and note._replace(verified=False) != Offload(hdr_len=note.hdr_len):
        assert virtio.parse(virtio.emit(note)) == note._replace(verified=False)


def test_layout_is_the_specification_s() -> None:
    # virtio 1.2, 5.1.6: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset; a TAP has them in the CPU's order.
    note = Offload(True, 34, 16, GSO_TCPV4 | GSO_ECN, 1448, 66)
    values = [66, 1448, 34, 16]
    assert virtio.emit(note) == b"\x01\x81" + b"".join(v.to_bytes(2, sys.byteorder) for v in values)  # type: ignore[arg-type]


def test_nothing_to_say_is_ten_zeros_and_none() -> None:
    assert virtio.emit(None) == bytes(10)
    assert virtio.parse(bytes(10)) is None


def test_data_valid_counts_as_verified_and_says_nothing_of_offsets() -> None:
    header = bytes([2, GSO_NONE]) + b"\x11" * 8
    note = virtio.parse(header)
    assert note is not None
    assert note.verified
    assert not note.needs_checksum
    assert (note.csum_start, note.csum_offset, note.gso_size) == (0, 0, 0)


@pytest.mark.parametrize("length", [0, 9, 11, 12])
def test_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        virtio.parse(bytes(length))
