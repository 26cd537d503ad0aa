import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire import tcp
from stack.wire.checksum import ones_sum, pseudo_header_sum
from stack.wire.drop import Drop, WireError
from stack.wire.tcp import Options
from tests.wire.samples import TCP_SYN, A, B

SEGMENT = TCP_SYN[34:]
NUMBERS = st.integers(0, 0xFFFFFFFF)
SHORTS = st.integers(0, 0xFFFF)
FOUR = st.binary(min_size=4, max_size=4)
SIXTEEN = st.binary(min_size=16, max_size=16)


def reason(data, src=A, dst=B, **keywords):
    with pytest.raises(WireError) as caught:
        tcp.parse(data, src, dst, **keywords)
    return caught.value.reason


def test_a_kernel_s_syn():
    segment = tcp.parse(SEGMENT, A, B)
    assert segment == (4000, 80, 0x9E037A75, 0, 10, tcp.SYN, 64240, 0xFDF6, 0, SEGMENT[20:], b"")
    options = tcp.parse_options(segment.options)
    assert options == Options(mss=1460, window_scale=10, sack_permitted=True, timestamps=(0xD06D4223, 0))
    assert tcp.emit_options(options) == SEGMENT[20:]
    assert tcp.emit(A, B, 4000, 80, 0x9E037A75, 0, tcp.SYN, 64240, SEGMENT[20:]) == SEGMENT


@given(
    st.tuples(FOUR, FOUR) | st.tuples(SIXTEEN, SIXTEEN), SHORTS, SHORTS, NUMBERS, NUMBERS, st.integers(0, 255), SHORTS,
    st.integers(0, 10).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
    st.binary(max_size=99), SHORTS,
)  # fmt: skip
def test_round_trip(addresses, src_port, dst_port, seq, ack, flags, window, options, payload, urgent):
    src, dst = addresses
    header = tcp.emit(src, dst, src_port, dst_port, seq, ack, flags, window, options, payload, urgent)
    assert tcp.parse(header + payload, src, dst) == (
        src_port, dst_port, seq, ack, 5 + len(options) // 4, flags, window, int.from_bytes(header[16:18], "big"),
        urgent, options, payload,
    )  # fmt: skip


@given(st.binary(max_size=3000))
def test_a_partial_checksum_is_finished_by_summing_the_rest(payload):
    header = tcp.emit(A, B, 1, 2, 3, 4, tcp.ACK, 5, b"\1\1\1\1", payload, partial=True)
    assert int.from_bytes(header[16:18], "big") == pseudo_header_sum(A, B, 6, 24 + len(payload))
    finished = (ones_sum(payload, ones_sum(header)) ^ 0xFFFF).to_bytes(2, "big")
    assert header[:16] + finished + header[18:] == tcp.emit(A, B, 1, 2, 3, 4, tcp.ACK, 5, b"\1\1\1\1", payload)


def test_a_super_segment_sums_too():
    payload = bytes(range(256)) * 254
    assert tcp.parse(tcp.emit(A, B, 1, 2, 3, 4, 16, 5, b"", payload) + payload, A, B).payload == payload


@pytest.mark.parametrize("length", range(len(SEGMENT)))
def test_cut_at_every_offset(length):
    assert reason(SEGMENT[:length]) is (Drop.TRUNCATED if length < 20 else Drop.TCP_HEADER_LENGTH)


@pytest.mark.parametrize("words", [0, 4, 11, 15])
def test_header_lengths_that_lie(words):
    assert reason(SEGMENT[:12] + bytes([words << 4]) + SEGMENT[13:]) is Drop.TCP_HEADER_LENGTH


def test_every_single_bit_error_is_seen_unless_verified():
    for bit in range(8 * len(SEGMENT)):
        broken = bytearray(SEGMENT)
        broken[bit // 8] ^= 0x80 >> bit % 8
        assert reason(bytes(broken)) in (Drop.TCP_CHECKSUM, Drop.TCP_HEADER_LENGTH)
    assert tcp.parse(SEGMENT[:-1] + b"\x0b", A, B, verified=True) == tcp.fields(SEGMENT[:-1] + b"\x0b")
    assert reason(SEGMENT, A, A) is Drop.TCP_CHECKSUM


def test_options_of_a_wrong_size_are_refused():
    with pytest.raises(ValueError, match="a multiple of 4 bytes up to 40, not 3"):
        tcp.emit(A, B, 1, 2, 3, 4, 16, 5, b"\1\1\1")
    with pytest.raises(ValueError, match="a multiple of 4 bytes up to 40, not 44"):
        tcp.emit(A, B, 1, 2, 3, 4, 16, 5, bytes(44))


def test_reserved_bits_are_not_flags():
    assert tcp.fields(SEGMENT[:12] + b"\xaf\x02" + SEGMENT[14:])[4:6] == (10, tcp.SYN)


def test_flag_names():
    assert tcp.flag_names(tcp.SYN | tcp.ACK) == "SYN, ACK"
    assert tcp.flag_names(0xFF) == "FIN, SYN, RST, PSH, ACK, URG, ECE, CWR"
    assert tcp.flag_names(0) == ""


@pytest.mark.parametrize(
    "options, understood",
    [
        ("", Options()),
        ("020405b4", Options(mss=1460)),
        ("020405b4020400ff", Options(mss=255)),  # of two the last counts
        ("02040000", Options()),  # an MSS of 0 means nothing
        ("020305", Options()),  # a known kind of the wrong length is skipped
        ("020305030307", Options(window_scale=7)),
        ("03030f", Options(window_scale=14)),  # RFC 7323 2.3
        ("0402", Options(sack_permitted=True)),
        ("0403aa020405b4", Options(mss=1460)),
        ("0101080a0000000100000002", Options(timestamps=(1, 2))),
        ("080a00000001000000020101", Options(timestamps=(1, 2))),
        ("0101050a0000000100000002", Options(sack=((1, 2),))),
        ("050200", Options()),
        ("0509000000010000000200", Options()),
        ("00020405b4", Options()),  # nothing counts behind the end of the list
        ("020405b403000402", Options(mss=1460)),  # a length of zero: stop there
        ("020405b403010402", Options(mss=1460)),
        ("020405b4fe", Options(mss=1460)),  # a kind as the last byte
        ("020405b4fe05aa", Options(mss=1460)),  # reaches past the end
        ("fe04aaaa020405b4", Options(mss=1460)),  # unknown: skipped
        ("0204", Options()),
        ("02", Options()),
        ("0101080a000000010000", Options()),
    ],
)
def test_options(options, understood):
    assert tcp.parse_options(bytes.fromhex(options)) == understood


def test_malformed_options_do_not_cost_the_segment():
    for bad in (b"\x03\x00\x01\x01", b"\x01\x01\x01\x02", b"\x02\x28\x01\x01"):
        header = tcp.emit(A, B, 1, 2, 3, 4, 16, 5, bad)
        assert tcp.parse(header, A, B).options == bad
        with pytest.raises(WireError) as caught:
            list(tcp.each_option(bad))
        assert caught.value.reason is Drop.TCP_OPTIONS


SACKS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=2).map(tuple)


@given(
    st.builds(
        Options,
        mss=st.none() | st.integers(1, 0xFFFF),
        window_scale=st.none() | st.integers(0, 14),
        sack_permitted=st.booleans(),
        sack=SACKS,
        timestamps=st.none() | st.tuples(NUMBERS, NUMBERS),
    )
)
def test_options_round_trip_and_are_aligned(options):
    try:
        packed = tcp.emit_options(options)
    except ValueError:
        assert len(options.sack) == 2 and options.timestamps  # the only way to exceed 40 bytes here
        return
    assert len(packed) % 4 == 0 and len(packed) <= 40
    assert tcp.parse_options(packed) == options


def test_too_many_options_are_refused():
    with pytest.raises(ValueError, match="at most 40 bytes, not 48"):
        tcp.emit_options(Options(sack=((1, 2),) * 4, timestamps=(1, 2)))
    assert len(tcp.emit_options(Options(sack=((1, 2),) * 3, timestamps=(1, 2)))) == 40


@given(st.binary(max_size=40))
def test_whatever_the_bytes_options_are_read_and_what_is_known_is_in_bounds(data):
    options = tcp.parse_options(data)
    assert options.mss is None or 1 <= options.mss <= 0xFFFF
    assert options.window_scale is None or 0 <= options.window_scale <= 14
    assert all(0 <= edge < 2**32 for block in options.sack for edge in block)


@given(st.binary(max_size=100), st.booleans())
def test_whatever_the_bytes_a_segment_is_read_or_refused(data, verified):
    try:
        segment = tcp.parse(data, A, B, verified)
    except WireError as error:
        allowed = {Drop.TRUNCATED} if len(data) < 20 else {Drop.TCP_HEADER_LENGTH, Drop.TCP_CHECKSUM}
        assert error.reason in allowed
    else:
        assert segment == tcp.fields(data)
        assert segment.data_offset * 4 + len(segment.payload) == len(data)
