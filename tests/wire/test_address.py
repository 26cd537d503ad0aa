import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire.address import (
    BROADCAST4,
    MAC_BROADCAST,
    broadcast,
    format_endpoint,
    format_ip,
    format_mac,
    in_prefix,
    is_group_mac,
    is_loopback,
    is_multicast,
    is_unspecified,
    network,
    parse_ip,
    parse_mac,
    parse_prefix,
)

ADDRESSES = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
# Mostly zeros, so that runs of zero groups in every place come up.
SPARSE6 = st.lists(st.sampled_from([0, 0, 0, 1, 0xDB8, 0xFFFF]), min_size=8, max_size=8).map(
    lambda groups: b"".join(g.to_bytes(2, "big") for g in groups)
)


@given(ADDRESSES | SPARSE6)
def test_text_and_back_is_the_same_address(address):
    assert parse_ip(format_ip(address)) == address


@given(ADDRESSES | SPARSE6)
def test_text_is_what_the_c_library_prints(address):
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    if address[:12] != bytes(12):  # the C library prints ::1.2.3.4 (deprecated by RFC 4291 2.5.5.1) its own way
        assert format_ip(address) == socket.inet_ntop(family, address)


@given(st.text(alphabet="0123456789abcdefg.: ", max_size=24) | st.text(max_size=12))
def test_a_text_is_an_address_exactly_if_the_c_library_says_so(text):
    expected = None
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            expected = socket.inet_pton(family, text)
        except (OSError, ValueError):
            pass
    try:
        parsed = parse_ip(text)
    except ValueError as error:
        parsed = None
        assert "\n" not in str(error) and "is not an IP address" in str(error)
    assert parsed == expected


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "+1.2.3.4", "1.2.3.٤", "0x1.2.3.4", "localhost",
     ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::g", "fe80::1%eth0", "1.2.3.4::",
     "::1.2.3", "1:2:3:4:5:6:7:8::", "::1.2.3.4:5"],
)  # fmt: skip
def test_what_is_not_an_address_is_refused(text):
    with pytest.raises(ValueError, match="is not an IP address"):
        parse_ip(text)


def test_ipv6_is_printed_as_rfc_5952_has_it():
    assert format_ip(parse_ip("2001:DB8:0:0:1:0:0:1")) == "2001:db8::1:0:0:1"  # the first of two equal runs
    assert format_ip(parse_ip("2001:db8:0:1:1:1:1:1")) == "2001:db8:0:1:1:1:1:1"  # one zero is not a run
    assert format_ip(parse_ip("::FFFF:10.0.0.1")) == "::ffff:10.0.0.1"
    assert format_ip(bytes(16)) == "::"


def test_an_address_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="4 or 16 bytes, not 5"):
        format_ip(bytes(5))


def test_prefix():
    assert parse_prefix("192.168.1.3/24") == (parse_ip("192.168.1.3"), 24)
    assert parse_prefix("192.168.1.3") == (parse_ip("192.168.1.3"), 32)
    assert parse_prefix("2001:db8::/128") == (parse_ip("2001:db8::"), 128)


@pytest.mark.parametrize("text", ["1.2.3.4/33", "1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/08", "1.2.3.4/a", "::/129", "/24"])
def test_a_bad_prefix_is_refused(text):
    with pytest.raises(ValueError, match=r"is not an IP address|must be a number from 0 to"):
        parse_prefix(text)


@given(ADDRESSES, st.data())
def test_network_and_broadcast_agree_with_ipaddress(address, data):
    prefixlen = data.draw(st.integers(0, 8 * len(address)))
    theirs = ipaddress.ip_network((address, prefixlen), strict=False)
    assert network(address, prefixlen) == theirs.network_address.packed
    if len(address) == 4:
        assert broadcast(address, prefixlen) == (theirs.broadcast_address.packed if prefixlen <= 30 else None)
    else:
        assert broadcast(address, prefixlen) is None
    other = data.draw(st.binary(min_size=len(address), max_size=len(address)))
    assert in_prefix(other, address, prefixlen) == (ipaddress.ip_address(other) in theirs)
    assert in_prefix(address, network(address, prefixlen), prefixlen)


def test_a_pair_of_hosts_and_a_single_one_have_no_broadcast_address():
    address = parse_ip("10.0.0.1")
    assert broadcast(address, 30) == parse_ip("10.0.0.3")
    assert broadcast(address, 31) is None and broadcast(address, 32) is None


def test_no_address_is_in_a_prefix_of_the_other_family():
    assert not in_prefix(bytes(4), bytes(16), 0)


@given(ADDRESSES)
def test_kinds_agree_with_ipaddress(address):
    theirs = ipaddress.ip_address(address)
    assert is_multicast(address) == theirs.is_multicast
    assert is_unspecified(address) == theirs.is_unspecified
    if address[:12] != bytes(10) + b"\xff\xff":
        assert is_loopback(address) == theirs.is_loopback


def test_kinds():
    assert is_multicast(parse_ip("224.0.0.1")) and is_multicast(parse_ip("239.255.255.255"))
    assert not is_multicast(BROADCAST4) and not is_multicast(parse_ip("223.255.255.255"))
    assert is_loopback(parse_ip("127.1.2.3")) and is_loopback(parse_ip("::1")) and not is_loopback(parse_ip("::2"))
    assert is_unspecified(bytes(4)) and is_unspecified(bytes(16)) and not is_unspecified(parse_ip("0.0.0.1"))


def test_endpoints():
    assert format_endpoint(parse_ip("10.0.0.1"), 80) == "10.0.0.1:80"
    assert format_endpoint(parse_ip("2001:db8::1"), 80) == "[2001:db8::1]:80"


def test_macs():
    assert parse_mac("02:00:5E:10:00:0a") == parse_mac("2-0-5e-10-0-a") == bytes.fromhex("02005e10000a")
    assert format_mac(bytes.fromhex("02005e10000a")) == "02:00:5e:10:00:0a"
    assert is_group_mac(MAC_BROADCAST) and is_group_mac(bytes.fromhex("01005e000001"))
    assert not is_group_mac(bytes.fromhex("02005e10000a"))
    for text in (
        "",
        "02:00:00:00:00",
        "02:00:00:00:00:00:00",
        "02:00:00:00:00:0g",
        "02:00:00:00:00:001",
        "2::0:0:0:0",
        "+2:0:0:0:0:0",
    ):
        with pytest.raises(ValueError, match="is not a MAC address"):
            parse_mac(text)
