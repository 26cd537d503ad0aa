import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire import icmpv4
from stack.wire.drop import Drop, WireError
from tests.wire.samples import ECHO_REQUEST, UDP_HELLO, words_sum

MESSAGE = ECHO_REQUEST[34:]
QUOTE = UDP_HELLO[14:42]


def reason(data, **keywords):
    with pytest.raises(WireError) as caught:
        icmpv4.parse(data, **keywords)
    return caught.value.reason


def test_a_kernel_s_echo_request():
    icmp = icmpv4.parse(MESSAGE)
    assert (icmp.type, icmp.code, icmp.checksum) == (icmpv4.ECHO, 0, 0xA74D)
    assert (icmp.identifier, icmp.sequence, len(icmp.payload), icmp.is_error) == (0x2105, 1, 56, False)
    assert icmpv4.echo_request(0x2105, 1, MESSAGE[8:]) == MESSAGE


def test_a_reply_differs_in_its_type_and_checksum_only():
    reply = icmpv4.echo_reply(0x2105, 1, memoryview(MESSAGE)[8:])
    assert reply[0] == icmpv4.ECHO_REPLY and reply[2:4] == b"\xaf\x4d" and reply[4:] == MESSAGE[4:]


@given(st.integers(0, 255), st.integers(0, 255), st.binary(min_size=4, max_size=4), st.binary(min_size=20, max_size=99))
def test_round_trip(type, code, rest, payload):
    message = icmpv4.emit(type, code, rest, payload)
    assert words_sum(message) in (0xFFFF, 0)  # 0 when every word is
    icmp = icmpv4.parse(message)
    assert icmp == (type, code, int.from_bytes(message[2:4], "big"), rest, payload)


def test_the_second_word_of_errors():
    icmp = icmpv4.parse(
        icmpv4.emit(icmpv4.DESTINATION_UNREACHABLE, icmpv4.FRAGMENTATION_NEEDED, b"\0\0\x05\xdc", QUOTE)
    )
    assert icmp.mtu == 1500 and icmp.is_error
    assert icmpv4.parse(icmpv4.emit(icmpv4.PARAMETER_PROBLEM, 0, b"\x14\0\0\0", QUOTE)).pointer == 20
    assert icmpv4.parse(icmpv4.emit(icmpv4.REDIRECT, 1, b"\x0a\0\0\1", QUOTE)).gateway == b"\x0a\0\0\1"


@pytest.mark.parametrize("length", range(len(MESSAGE)))
def test_cut_at_every_offset(length):
    # RFC 792 has no length field: a cut message is found out by its checksum only.
    if length < 8:
        assert reason(MESSAGE[:length]) is Drop.TRUNCATED
    else:
        assert reason(MESSAGE[:length]) is Drop.ICMP_CHECKSUM


def test_a_wrong_checksum_counts_unless_verified():
    broken = MESSAGE[:-1] + b"\x00"
    assert reason(broken) is Drop.ICMP_CHECKSUM
    assert icmpv4.parse(broken, verified=True).payload == broken[8:]


@pytest.mark.parametrize("type", sorted(icmpv4.ERRORS))
def test_an_error_quotes_at_least_an_ip_header(type):
    assert reason(icmpv4.emit(type, 0, bytes(4), QUOTE[:19])) is Drop.ICMP_MALFORMED
    assert icmpv4.parse(icmpv4.emit(type, 0, bytes(4), QUOTE[:20])).payload == QUOTE[:20]


@pytest.mark.parametrize(
    "type, code, words",
    [
        (icmpv4.DESTINATION_UNREACHABLE, icmpv4.HOST_UNREACHABLE, "Destination host unreachable"),
        (icmpv4.TIME_EXCEEDED, icmpv4.TTL_EXCEEDED, "Time to live exceeded"),
        (icmpv4.ECHO, 0, "Echo request"),
        (icmpv4.DESTINATION_UNREACHABLE, 99, "Destination unreachable, code 99"),
        (99, 0, "ICMP type 99"),
        (99, 1, "ICMP type 99, code 1"),
    ],
)
def test_descriptions(type, code, words):
    assert icmpv4.describe(type, code) == words


@given(st.binary(max_size=80), st.booleans())
def test_whatever_the_bytes_a_message_is_read_or_refused(data, verified):
    try:
        icmp = icmpv4.parse(data, verified)
    except WireError as error:
        allowed = {Drop.TRUNCATED} if len(data) < 8 else {Drop.ICMP_CHECKSUM, Drop.ICMP_MALFORMED}
        assert error.reason in allowed
    else:
        assert icmp == icmpv4.fields(data) and icmpv4.describe(icmp.type, icmp.code)
