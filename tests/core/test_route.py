"""Routes: the longest prefix wins, gateways, the address to speak from, and answers remembered only while they hold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.interface import Interface, InterfaceAddress
from stack.route import REMEMBERED, Route, Routes
from stack.wire.address import ANY4, BROADCAST4, LOOPBACK4, parse_ip, parse_mac
from tests.drill.host import ADDRESS, PEER, Host


def link(name: str, *addresses: str) -> Interface:
    interface = Interface(name, parse_mac("02:00:00:00:00:05"))
    for text in addresses:
        interface.addresses.append(InterfaceAddress(parse_ip(text), 24))
    return interface


ONE, TWO = link("one", "10.0.0.1"), link("two", "10.1.0.1", "10.2.0.1")


def table() -> Routes:
    routes = Routes()
    routes.add(ANY4, 0, parse_ip("10.0.0.254"), ONE)
    routes.add(parse_ip("10.0.0.0"), 24, None, ONE)
    routes.add(parse_ip("10.0.0.128"), 25, parse_ip("10.1.0.9"), TWO)
    routes.add(parse_ip("10.0.0.200"), 32, None, TWO, source=parse_ip("10.2.0.1"))
    return routes


@pytest.mark.parametrize(
    ("to", "interface", "next_hop", "source"),
    [
        ("8.8.8.8", ONE, "10.0.0.254", "10.0.0.1"),
        ("10.0.0.7", ONE, "10.0.0.7", "10.0.0.1"),
        ("10.0.0.130", TWO, "10.1.0.9", "10.1.0.1"),
        ("10.0.0.200", TWO, "10.0.0.200", "10.2.0.1"),
        ("0.0.0.0", ONE, "10.0.0.254", "10.0.0.1"),
        ("255.255.255.254", ONE, "10.0.0.254", "10.0.0.1"),
    ],
)
def test_the_longest_prefix_wins(to: str, interface: Interface, next_hop: str, source: str) -> None:
    hop = table().lookup(parse_ip(to))
    assert hop is not None
    assert (hop.interface, hop.address, hop.source) == (interface, parse_ip(next_hop), parse_ip(source))


def test_without_a_match_there_is_no_way() -> None:
    routes = Routes()
    assert routes.lookup(PEER) is None
    routes.add(parse_ip("10.0.0.0"), 8, None, ONE)
    assert routes.lookup(parse_ip("11.0.0.0")) is None
    assert routes.lookup(bytes(15) + b"\x01") is None  # another family


def test_an_interface_that_is_down_or_has_no_address_is_no_way() -> None:
    routes, three = Routes(), link("three")
    routes.add(ANY4, 0, PEER, three)
    assert routes.lookup(PEER) is None
    three.addresses.append(InterfaceAddress(ADDRESS, 24))
    assert routes.lookup(PEER) is not None
    three.is_up = False
    assert routes.lookup(PEER) is None


def test_the_lower_metric_wins_among_equals_then_the_first() -> None:
    routes = Routes()
    routes._routes.append(Route(ANY4, 0, PEER, ONE, metric=10))
    routes._routes.append(Route(ANY4, 0, PEER, TWO, metric=5))
    hop = routes.lookup(BROADCAST4)
    assert hop is not None and hop.interface is TWO
    routes._routes.append(Route(ANY4, 0, PEER, ONE, metric=5))
    hop = routes.lookup(BROADCAST4)
    assert hop is not None and hop.interface is TWO


def test_removing() -> None:
    routes = table()
    for route in list(routes)[1:]:
        routes.remove(route)
    hop = routes.lookup(parse_ip("10.0.0.200"))
    assert hop is not None and hop.address == parse_ip("10.0.0.254")


def test_written_as_ip_route_does() -> None:
    assert [str(route) for route in table()] == [
        "default via 10.0.0.254 dev one",
        "10.0.0.0/24 dev one",
        "10.0.0.128/25 via 10.1.0.9 dev two",
        "10.0.0.200/32 dev two src 10.2.0.1",
    ]


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(0, 32)), max_size=12), st.integers(0, 0xFFFFFFFF))
def test_longest_match_against_a_model(entries: list[tuple[int, int]], to: int) -> None:
    routes = Routes()
    for number, (network, length) in enumerate(entries):
        routes.add(network.to_bytes(4, "big"), length, (0x0A000000 + number).to_bytes(4, "big"), ONE)
    matching = [(length, -n) for n, (network, length) in enumerate(entries) if (network ^ to) >> (32 - length) == 0]
    hop = routes.lookup(to.to_bytes(4, "big"))
    if not matching:
        assert hop is None
    else:
        assert hop is not None and hop.address == (0x0A000000 - max(matching)[1]).to_bytes(4, "big")


# --- in the stack


def test_our_own_addresses_lead_back() -> None:
    host = Host(gateway=PEER)
    for own in (ADDRESS, LOOPBACK4, parse_ip("127.255.0.9")):
        hop = host.stack.route_to(own)
        assert hop is not None and hop.interface.is_loopback
        assert hop.source == (own if own == ADDRESS else LOOPBACK4)


def test_answers_are_remembered_until_something_changes() -> None:
    host = Host()
    far = parse_ip("10.9.9.9")
    assert host.stack.route_to(far) is None
    route = host.stack.routes.add(ANY4, 0, PEER, host.interface)
    first = host.stack.route_to(far)
    assert first is not None and first is host.stack.route_to(far)
    host.stack.routes.remove(route)
    assert host.stack.route_to(far) is None
    second = parse_ip("10.9.9.1")
    host.do(lambda now: host.stack.add_address(host.interface, second, 24, now))
    hop = host.stack.route_to(far)
    assert hop is not None and hop.source == second
    host.do(lambda now: host.stack.remove_address(host.interface, second, now))
    assert host.stack.route_to(far) is None and host.stack.route_to(second) is None


def test_what_is_remembered_is_bounded() -> None:
    host = Host(gateway=PEER)
    for n in range(3 * REMEMBERED):
        host.stack.route_to(bytes((10, n >> 16, n >> 8 & 255, n & 255)))
        assert len(host.stack.routes.remembered) <= REMEMBERED


def test_broadcast_and_multicast_need_no_route() -> None:
    host = Host()
    for group in (BROADCAST4, parse_ip("224.0.0.5")):
        hop = host.stack.route_to(group)
        assert hop is not None and hop.interface is host.interface and hop.source == ADDRESS and hop.mac is not None


def test_the_source_is_on_the_next_hops_subnet() -> None:
    interface = link("two", "10.1.0.1", "10.2.0.1")
    assert interface.address_for(parse_ip("10.2.0.77")) == parse_ip("10.2.0.1")
    assert interface.address_for(parse_ip("10.3.0.77")) == parse_ip("10.1.0.1")
    assert interface.address_for(bytes(16)) is None


@pytest.mark.parametrize("address", ["224.0.0.5", "255.255.255.255", "0.0.0.0"])
def test_what_is_no_host_s_address_is_not_taken(address: str) -> None:
    host = Host()
    with pytest.raises(ValueError, match=f"{address} is no host's address"):
        host.do(lambda now: host.stack.add_address(host.interface, parse_ip(address), 24, now))
