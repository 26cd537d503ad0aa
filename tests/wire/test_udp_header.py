import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire import udp
from stack.wire.checksum import ones_sum, pseudo_header_sum
from stack.wire.drop import Drop, WireError
from tests.wire.samples import UDP_HELL, UDP_HELLO, A, B

DATAGRAM = UDP_HELLO[34:]
FOUR = st.binary(min_size=4, max_size=4)
SIXTEEN = st.binary(min_size=16, max_size=16)
PORTS = st.integers(0, 0xFFFF)


def reason(data, src=A, dst=B, **keywords):
    with pytest.raises(WireError) as caught:
        udp.parse(data, src, dst, **keywords)
    return caught.value.reason


@pytest.mark.parametrize("frame", [UDP_HELLO, UDP_HELL])  # an odd and an even length
def test_a_kernel_s_datagram(frame):
    datagram = frame[34:]
    expected = (4000, 9, len(datagram), int.from_bytes(datagram[6:8], "big"), datagram[8:])
    assert udp.parse(datagram, A, B) == expected
    assert udp.emit(A, B, 4000, 9, datagram[8:]) == datagram[:8]


@given(st.tuples(FOUR, FOUR) | st.tuples(SIXTEEN, SIXTEEN), PORTS, PORTS, st.binary(max_size=99), st.binary(max_size=9))
def test_round_trip_with_trailing_bytes(addresses, src_port, dst_port, payload, trailer):
    src, dst = addresses
    header = udp.emit(src, dst, src_port, dst_port, payload)
    checksum = int.from_bytes(header[6:], "big")
    assert checksum != 0
    assert udp.parse(header + payload + trailer, src, dst) == (src_port, dst_port, 8 + len(payload), checksum, payload)


def test_a_checksum_of_zero_is_sent_as_ones():
    # Choose the payload that makes the sum 0xffff, whose complement is zero.
    rest = ones_sum(b"", pseudo_header_sum(A, B, 17, 10) + 1 + 2 + 10)
    payload = (0xFFFF - rest).to_bytes(2, "big")
    header = udp.emit(A, B, 1, 2, payload)
    assert header[6:] == b"\xff\xff"
    assert udp.parse(header + payload, A, B).checksum == 0xFFFF


def test_no_checksum_is_fine_over_ipv4_and_refused_over_ipv6():
    bare = DATAGRAM[:6] + bytes(2) + DATAGRAM[8:]
    assert udp.parse(bare, A, B).payload == b"hello"
    assert reason(bare, bytes(16), bytes(16)) is Drop.UDP_CHECKSUM
    assert reason(bare, bytes(16), bytes(16), verified=True) is Drop.UDP_CHECKSUM


@given(st.binary(max_size=99), PORTS)
def test_a_partial_checksum_is_finished_by_summing_the_rest(payload, port):
    header = udp.emit(A, B, port, 9, payload, partial=True)
    assert int.from_bytes(header[6:], "big") == pseudo_header_sum(A, B, 17, 8 + len(payload))
    finished = (ones_sum(payload, ones_sum(header)) ^ 0xFFFF) or 0xFFFF
    assert header[:6] + finished.to_bytes(2, "big") == udp.emit(A, B, port, 9, payload)


@pytest.mark.parametrize("length", range(len(DATAGRAM)))
def test_cut_at_every_offset(length):
    assert reason(DATAGRAM[:length]) is (Drop.TRUNCATED if length < 8 else Drop.UDP_LENGTH)


@pytest.mark.parametrize("length", [0, 7, 14, 0xFFFF])
def test_lengths_that_lie(length):
    assert reason(DATAGRAM[:4] + length.to_bytes(2, "big") + DATAGRAM[6:]) is Drop.UDP_LENGTH


def test_a_wrong_checksum_counts_unless_verified():
    for i in (0, 3, 6, 12):
        broken = bytearray(DATAGRAM)
        broken[i] ^= 1
        assert reason(bytes(broken)) is Drop.UDP_CHECKSUM
        assert udp.parse(bytes(broken), A, B, verified=True) == udp.fields(bytes(broken))
    assert reason(DATAGRAM, A, A) is Drop.UDP_CHECKSUM


def test_the_largest_payload():
    assert udp.emit(A, B, 1, 2, bytes(udp.MAX_PAYLOAD))[4:6] == b"\xff\xff"
    with pytest.raises(ValueError, match="at most 65527 bytes, not 65528"):
        udp.emit(A, B, 1, 2, bytes(udp.MAX_PAYLOAD + 1))


@given(
    st.binary(max_size=60) | st.binary(max_size=40).map(lambda b: bytes(5) + bytes([8 + len(b) % 40]) + bytes(2) + b)
)
def test_whatever_the_bytes_a_datagram_is_read_or_refused(data):
    try:
        datagram = udp.parse(data, A, B)
    except WireError as error:
        allowed = {Drop.TRUNCATED} if len(data) < 8 else {Drop.UDP_LENGTH, Drop.UDP_CHECKSUM}
        assert error.reason in allowed
    else:
        assert datagram == udp.fields(data) and len(datagram.payload) == datagram.length - 8
