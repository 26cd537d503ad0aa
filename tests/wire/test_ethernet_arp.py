import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire import arp, ethernet
from stack.wire.drop import Drop, WireError
from tests.wire.samples import ARP_REQUEST, MAC_A, UDP_HELLO, A

MACS = st.binary(min_size=6, max_size=6)
ADDRESSES = st.binary(min_size=4, max_size=4)
TARGET = bytes.fromhex("0a090008")


def test_a_kernel_s_frame():
    frame = ethernet.parse(UDP_HELLO)
    assert frame.dst == bytes.fromhex("020000000009") and frame.src == MAC_A
    assert frame.ethertype == ethernet.ETHERTYPE_IPV4
    assert frame.payload == UDP_HELLO[14:]
    assert ethernet.emit(frame.dst, frame.src, frame.ethertype) == UDP_HELLO[:14]


def test_the_payload_is_a_view_and_not_a_copy():
    frame = bytearray(UDP_HELLO)
    payload = ethernet.parse(memoryview(frame)).payload
    frame[14] = 0xAB
    assert payload[0] == 0xAB


@given(MACS, MACS, st.integers(0, 0xFFFF), st.binary(max_size=64))
def test_ethernet_round_trip(dst, src, ethertype, payload):
    assert ethernet.parse(ethernet.emit(dst, src, ethertype) + payload) == (dst, src, ethertype, payload)


@pytest.mark.parametrize("length", range(14))
def test_a_cut_ethernet_header(length):
    with pytest.raises(WireError) as caught:
        ethernet.parse(UDP_HELLO[:length])
    assert caught.value.reason is Drop.TRUNCATED


def test_a_kernel_s_arp_request():
    expected = (1, 0x0800, 6, 4, arp.REQUEST, MAC_A, A, bytes(6), TARGET)
    assert arp.parse(ARP_REQUEST[14:]) == expected
    assert arp.emit(arp.REQUEST, MAC_A, A, bytes(6), TARGET) == ARP_REQUEST[14:]


@given(st.integers(0, 0xFFFF), MACS, ADDRESSES, MACS, ADDRESSES, st.binary(max_size=20))
def test_arp_round_trip_with_padding(op, sha, spa, tha, tpa, padding):
    assert arp.parse(arp.emit(op, sha, spa, tha, tpa) + padding)[4:] == (op, sha, spa, tha, tpa)


@pytest.mark.parametrize("length", range(28))
def test_a_cut_arp_packet(length):
    with pytest.raises(WireError) as caught:
        arp.parse(ARP_REQUEST[14 : 14 + length])
    assert caught.value.reason is Drop.TRUNCATED


@pytest.mark.parametrize("offset", range(6))
def test_arp_for_anything_but_ipv4_on_ethernet(offset):
    broken = bytearray(ARP_REQUEST[14:])
    broken[offset] ^= 0x10
    with pytest.raises(WireError) as caught:
        arp.parse(bytes(broken))
    assert caught.value.reason is Drop.ARP_MALFORMED


def test_fields_reads_addresses_of_any_length():
    eight = bytes.fromhex("002086dd08100001") + b"h" * 8 + b"p" * 16 + b"H" * 8 + b"P" * 10  # cut
    assert arp.fields(eight) == (0x20, 0x86DD, 8, 16, 1, b"h" * 8, b"p" * 16, b"H" * 8, b"P" * 10)


@given(st.binary(max_size=80))
def test_whatever_the_bytes_arp_is_read_or_refused(data):
    try:
        assert arp.parse(data) == arp.fields(data)
        assert len(data) >= 28
    except WireError as error:
        assert error.reason in (Drop.TRUNCATED, Drop.ARP_MALFORMED)
