import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire import ipv4
from stack.wire.drop import Drop, WireError
from tests.wire.samples import ECHO_REQUEST, TCP_SYN, UDP_HELLO, A, B, words_sum

ADDRESSES = st.binary(min_size=4, max_size=4)
DATAGRAM = UDP_HELLO[14:]
# Record route with one slot, a NOP, end of list and padding: the list is well formed.
OPTIONS = bytes.fromhex("070704000000000100ffffff")


def reason(data, **keywords):
    with pytest.raises(WireError) as caught:
        ipv4.parse(data, **keywords)
    return caught.value.reason


def with_checksum(header):
    """The header with its checksum made right, the slow way."""
    header = bytearray(header)
    header[10:12] = bytes(2)
    header[10:12] = (words_sum(bytes(header)) ^ 0xFFFF).to_bytes(2, "big")
    return bytes(header)


def test_a_kernel_s_header():
    ip = ipv4.parse(DATAGRAM)
    assert ip[:-1] == (4, 5, 0, 33, 0xCFE6, ipv4.DF, 0, 64, ipv4.PROTOCOL_UDP, 0x56CA, A, B, b"")
    assert ip.payload == DATAGRAM[20:]


@pytest.mark.parametrize("frame", [UDP_HELLO, TCP_SYN, ECHO_REQUEST])
def test_emit_makes_the_kernel_s_bytes(frame):
    ip = ipv4.parse(frame[14:])
    made = ipv4.emit(ip.src, ip.dst, ip.protocol, len(ip.payload), identification=ip.identification)
    assert made == frame[14:34]


def test_a_checksum_that_comes_out_as_zero_is_sent_as_zero():
    checksum = int.from_bytes(ipv4.emit(A, B, 17, 5)[10:12], "big")
    assert ipv4.emit(A, B, 17, 5, identification=checksum)[10:12] == b"\0\0"


def test_an_example_from_elsewhere():
    # The header worked through in many textbooks: checksum b861.
    header = bytes.fromhex("450000730000400040110000c0a80001c0a800c7")
    made = ipv4.emit(header[12:16], header[16:20], 17, 0x73 - 20)
    assert made == header[:10] + b"\xb8\x61" + header[12:]


@given(
    ADDRESSES, ADDRESSES, st.integers(0, 255), st.binary(max_size=100), st.integers(0, 255), st.integers(0, 255),
    st.integers(0, 0xFFFF), st.booleans(), st.sampled_from([b"", b"\x01", b"\x94\x04\x00\x00", OPTIONS]),
    st.binary(max_size=26),
)  # fmt: skip
def test_round_trip_with_padding(
    src, dst, protocol, payload, ttl, tos, identification, dont_fragment, options, padding
):
    header = ipv4.emit(src, dst, protocol, len(payload), ttl, tos, identification, dont_fragment, options)
    assert words_sum(header) == 0xFFFF
    padded = options + bytes(-len(options) % 4)
    assert ipv4.parse(header + payload + padding) == (
        4, 5 + len(padded) // 4, tos, len(header) + len(payload), identification, ipv4.DF if dont_fragment else 0, 0,
        ttl, protocol, int.from_bytes(header[10:12], "big"), src, dst, padded, payload,
    )  # fmt: skip


@pytest.mark.parametrize("length", range(len(DATAGRAM)))
def test_cut_at_every_offset(length):
    expected = Drop.TRUNCATED if length < 20 else Drop.IP_TOTAL_LENGTH
    assert reason(DATAGRAM[:length]) is expected


def test_every_single_bit_error_in_the_header_is_seen():
    for bit in range(160):
        broken = bytearray(DATAGRAM)
        broken[bit // 8] ^= 0x80 >> bit % 8
        assert reason(bytes(broken)).name.startswith("IP_")


def test_a_wrong_checksum_counts_unless_verified():
    broken = DATAGRAM[:10] + b"\x56\xcb" + DATAGRAM[12:]
    assert reason(broken) is Drop.IP_CHECKSUM
    assert ipv4.parse(broken, verified=True).checksum == 0x56CB


@pytest.mark.parametrize("version", [0, 5, 6, 15])
def test_other_versions(version):
    assert reason(bytes([version << 4 | 5]) + DATAGRAM[1:]) is Drop.IP_VERSION


@pytest.mark.parametrize("ihl", [0, 1, 4, 9, 15])  # 9 words are more than the 33 bytes there are
def test_header_lengths_that_lie(ihl):
    assert reason(bytes([0x40 | ihl]) + DATAGRAM[1:]) is Drop.IP_HEADER_LENGTH


@pytest.mark.parametrize("total", [0, 19, 34, 0xFFFF])
def test_total_lengths_that_lie(total):
    assert reason(DATAGRAM[:2] + total.to_bytes(2, "big") + DATAGRAM[4:]) is Drop.IP_TOTAL_LENGTH


@pytest.mark.parametrize("options", ["07000000", "07010000", "07050000", "01010107", "830b04", "0007"])
def test_malformed_options(options):
    packed = bytes.fromhex(options)
    header = bytearray(ipv4.emit(A, B, 17, 0, options=bytes(len(packed))))
    header[20 : 20 + len(packed)] = packed
    if options == "0007":  # behind the end of the list anything goes
        assert ipv4.parse(with_checksum(header)).options == b"\x00\x07\x00\x00"
    else:
        assert reason(with_checksum(header)) is Drop.IP_OPTIONS


def test_options_are_walked_and_source_routes_are_data():
    options = bytes.fromhex("8307040a000001019404000000")
    ip = ipv4.parse(ipv4.emit(A, B, 17, 0, options=options))
    assert [(o.kind, o.data.hex(), o.offset) for o in ipv4.each_option(ip.options)] == [
        (ipv4.OPTION_LOOSE_SOURCE_ROUTE, "040a000001", 0), (1, "", 7),
        (ipv4.OPTION_ROUTER_ALERT, "0000", 8), (0, "", 12),
    ]  # fmt: skip


def test_fragments_in_bytes():
    header = bytearray(DATAGRAM[:20])
    header[6:8] = (0x2000 | 185).to_bytes(2, "big")
    ip = ipv4.parse(with_checksum(header) + DATAGRAM[20:])
    assert (ip.flags, ip.fragment_offset) == (ipv4.MF, 1480)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at most 40 bytes, not 44"):
        ipv4.emit(A, B, 17, 0, options=bytes(41))
    with pytest.raises(ValueError, match="at most 65535 bytes, not 65536"):
        ipv4.emit(A, B, 17, 65516)
    assert ipv4.emit(A, B, 17, 65515)[2:4] == b"\xff\xff"


@given(st.binary(max_size=120) | st.binary(max_size=100).map(lambda b: b"\x45\x00\x00" + bytes([20 + len(b) % 30]) + b))
def test_whatever_the_bytes_a_header_is_read_or_refused_and_fields_only_minds_the_length(data):
    if len(data) < 20:
        assert reason(data) is Drop.TRUNCATED
        return
    loose = ipv4.fields(data)
    assert len(loose.options) + len(loose.payload) <= len(data) - 20
    try:
        strict = ipv4.parse(data, verified=True)
    except WireError as error:
        assert error.reason.name.startswith("IP_")
    else:
        assert strict == loose and strict.ihl * 4 + len(strict.payload) == strict.total_length


def test_fields_keeps_the_payload_when_the_total_length_is_nonsense():
    assert ipv4.fields(DATAGRAM[:2] + bytes(2) + DATAGRAM[4:]).payload == DATAGRAM[20:]
    assert ipv4.fields(b"\x41" + DATAGRAM[1:]).payload == DATAGRAM[20:]
