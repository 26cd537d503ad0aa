"""What a lease is made of: times, masks, routes, names."""

import random

import pytest

from stack.autoconf.lease import Unusable, lease_from
from stack.wire import dhcpv4
from stack.wire.address import ANY4, format_ip, parse_ip
from stack.wire.dhcpv4 import BOOTREPLY
from stack.wire.dhcpv4_options import ClasslessRoute, Options
from stack.wire.name import parse_name

SERVER = parse_ip("10.0.0.1")
BASE = Options(subnet_mask=parse_ip("255.255.255.0"), server_id=SERVER, lease_time=1000)
NEVER = float("inf")


def lease(address="10.0.0.50", **options):
    message = dhcpv4.parse(dhcpv4.emit(BOOTREPLY, 1, b"123456", Options(), yiaddr=parse_ip(address)))
    return lease_from(message, BASE._replace(**options), 100.0, random.Random(3))


@pytest.mark.parametrize(
    "t1, t2, wanted",
    [
        (None, None, (500, 875)),
        (10, 20, (10, 20)),
        (None, 700, (400, 700)),
        (300, None, (300, 875)),
        (700, 800, (700, 800)),
        (800, 700, (400, 700)),  # T1 must be before T2
        (10, 1000, (10, 875)),  # and T2 before the end
        (10, 2000, (10, 875)),
        (2000, 3000, (500, 875)),
        (0, 0, (500, 875)),
    ],
)
def test_times(t1, t2, wanted):
    got = lease(t1=t1, t2=t2)
    assert (got.bound_at, got.expires_at, got.seconds) == (100, 1100, 1000)
    for at, seconds in zip((got.t1_at, got.t2_at), wanted):
        assert seconds - 20 <= at - 100 <= seconds  # RFC 2131 4.4.5: defaults have some fuzz


def test_given_times_have_no_fuzz_and_for_ever_has_no_end():
    assert lease(t1=10, t2=20)[-3:] == (110, 120, 1100)
    assert lease(lease_time=0xFFFFFFFF, t1=5, t2=6)[-3:] == (NEVER, NEVER, NEVER)


@pytest.mark.parametrize(
    "address, mask, prefixlen",
    [
        ("10.0.0.50", "255.255.255.0", 24),
        ("10.0.0.50", "255.255.255.254", 31),
        ("10.0.0.50", "255.255.255.255", 32),
        ("10.0.0.50", "128.0.0.0", 1),
        ("10.0.0.50", None, 8),
        ("172.16.0.50", None, 16),
        ("192.168.0.50", None, 24),
        ("192.168.0.50", "255.0.255.0", 24),
        ("192.168.0.50", "0.0.0.0", 24),
        ("192.168.0.50", "0.0.0.255", 24),
    ],
)
def test_masks(address, mask, prefixlen):
    assert lease(address, subnet_mask=parse_ip(mask) if mask else None).prefixlen == prefixlen


@pytest.mark.parametrize("address", ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"])
def test_addresses_that_are_no_host_s(address):
    with pytest.raises(Unusable, match="is not a host's address"):
        lease(address, subnet_mask=parse_ip("255.255.255.255"))


def via(*routes):
    return [f"{format_ip(net)}/{prefixlen} {format_ip(router)}" for net, prefixlen, router in routes]


def test_routes():
    assert via(*lease(routers=(SERVER, parse_ip("10.0.0.2"))).routes) == ["0.0.0.0/0 10.0.0.1"]
    assert via(*lease(routers=(ANY4, parse_ip("10.0.0.50"), SERVER)).routes) == ["0.0.0.0/0 10.0.0.1"]
    static = ((parse_ip("192.0.2.7"), SERVER), (ANY4, SERVER), (parse_ip("10.9.0.0"), ANY4))
    assert via(*lease(static_routes=static, routers=(SERVER,)).routes) == [
        "192.0.2.0/24 10.0.0.1",
        "0.0.0.0/0 10.0.0.1",
    ]
    classless = (ClasslessRoute(parse_ip("10.8.0.0"), 16, SERVER),)
    assert lease(routes=classless, static_routes=static, routers=(SERVER,)).routes == classless
    assert lease().routes == ()


def test_names_and_servers():
    servers = tuple(parse_ip(text) for text in ("0.0.0.0", "10.0.0.1", "255.255.255.255", "127.0.0.1", "224.0.0.5"))
    got = lease(domain="lab.  eng.lab a..b", dns_servers=servers)
    assert [format_ip(server) for server in got.dns_servers] == ["10.0.0.1", "127.0.0.1"]
    assert got.domain == "lab" and got.search == (parse_name("lab."), parse_name("eng.lab."))
    search = (parse_name("other."),)
    assert lease(domain="lab", search=search).search == search
    assert lease(domain=".").search == () and lease(domain=".").domain == ""
    assert str(got) == "10.0.0.50/24 from 10.0.0.1"
