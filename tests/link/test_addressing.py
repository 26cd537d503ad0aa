"""The other host's address, and MAC addresses that stay the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.link.addressing import other_address, station_mac
from stack.wire.address import broadcast, format_ip, in_prefix, is_group_mac, network, parse_prefix


@pytest.mark.parametrize(
    ("ours", "other"),
    [
        ("192.168.1.3/24", "192.168.1.1"),
        ("192.168.1.1/24", "192.168.1.2"),
        ("10.9.8.7/8", "10.0.0.1"),
        ("10.0.0.6/30", "10.0.0.5"),
        ("10.0.0.5/30", "10.0.0.6"),
        ("10.0.0.4/31", "10.0.0.5"),
        ("10.0.0.5/31", "10.0.0.4"),
        ("2001:db8::3/64", "2001:db8::1"),
        ("2001:db8::1/64", "2001:db8::2"),
    ],
)
def test_the_first_other_address(ours: str, other: str) -> None:
    assert format_ip(other_address(*parse_prefix(ours))) == other


@pytest.mark.parametrize("ours", ["10.0.0.1/32", "2001:db8::1/128"])
def test_alone_on_a_subnet(ours: str) -> None:
    with pytest.raises(ValueError, match="no room for another host"):
        other_address(*parse_prefix(ours))


@given(st.binary(min_size=4, max_size=4), st.integers(0, 30))
def test_it_is_a_host_s_address_on_the_subnet_and_not_ours(ours: bytes, prefixlen: int) -> None:
    other = other_address(ours, prefixlen)
    assert other != ours
    assert in_prefix(other, ours, prefixlen)
    assert other not in (network(ours, prefixlen), broadcast(ours, prefixlen))


def test_macs_are_ours_to_give_and_stable() -> None:
    macs = [
        station_mac("host", "tap0"),
        station_mac("host", "tap1"),
        station_mac("other", "tap0"),
        station_mac("hostt", "ap0"),
    ]
    assert len(set(macs)) == len(macs)
    assert station_mac("host", "tap0") == macs[0]
    for mac in macs:
        assert len(mac) == 6
        assert mac[0] & 2
        assert not is_group_mac(mac)
