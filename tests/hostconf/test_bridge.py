"""hostconf bridge: the TAP on the network of a real interface, whose addresses and routes move to the bridge."""

from __future__ import annotations

import pytest

from tests.hostconf.sandbox import OUTSIDE, Sandbox
from tests.patience import eventually

pytestmark = pytest.mark.live


def test_up_moves_addresses_and_routes(host: Sandbox) -> None:
    addresses = host.addresses("phy0")
    assert len(addresses) == 7
    host.ok("bridge", "up", "phy0")
    assert host.addresses("phy0") == []
    assert host.addresses("br-tap0") == addresses
    assert host.link("tap0")["master"] == host.link("phy0")["master"] == "br-tap0"
    assert host.link("br-tap0")["address"] == host.link("phy0")["address"]
    default = host.json("ip -4 -j route show default")[0]
    assert (default["dev"], default["gateway"], default["metric"]) == ("br-tap0", "10.7.0.1", 100)
    assert host.json("ip -6 -j route show default")[0]["dev"] == "br-tap0"
    assert host.json("ip -4 -j route show table 100")[0]["dev"] == "br-tap0"


def test_host_station_and_world_reach_each_other(host: Sandbox) -> None:
    host.ok("bridge", "up", "phy0")
    assert host.can_ping("10.7.0.1") and host.can_ping(OUTSIDE) and host.can_ping("fd07::1")
    assert host.pings("10.7.0.50", "--ping", "10.7.0.1")
    assert host.pings("10.7.0.50", "--ping", OUTSIDE, "--gateway", "10.7.0.1")
    assert host.pings("10.7.0.50", "--ping", "10.7.0.9")


def test_up_twice_changes_nothing(host: Sandbox) -> None:
    host.ok("bridge", "up", "phy0")
    once = host.settled()
    assert host.ok("bridge", "up", "phy0")[0] == "tap0 is up already, nothing to do"
    assert host.ok("bridge", "up")[0] == "tap0 is up already, nothing to do"
    host.settles_as(once)


def test_down_puts_all_back(host: Sandbox) -> None:
    before = host.snapshot()
    host.ok("bridge", "up", "phy0")
    assert host.snapshot() != before
    host.ok("bridge", "down", "phy0")
    host.settles_as(before)
    assert host.can_ping(OUTSIDE) and host.can_ping("fd07::1")


def test_lifetimes_go_on_running(host: Sandbox) -> None:
    host.sh("ip addr add 10.2.0.1/24 dev phy0 valid_lft 2 preferred_lft 1")
    host.ok("bridge", "up", "phy0")
    assert eventually(lambda: "10.2.0.1" not in host.addresses("br-tap0"))
    said = host.ok("bridge", "down")
    assert "# 10.2.0.1/24 has run out meanwhile" in said
    lifetimes = {a["local"]: a["valid_life_time"] for a in host.link("phy0")["addr_info"]}
    assert "10.2.0.1" not in lifetimes
    assert 900 < lifetimes["10.5.0.1"] < 999
    assert 800 < host.json("ip -6 -j route show default")[0]["expires"] < 899


def test_a_route_that_prefers_an_address_waits_for_its_check(host: Sandbox) -> None:
    """Duplicate address detection takes a second in which the kernel refuses the address as a source."""
    host.sh("echo 1 >/proc/sys/net/ipv6/conf/default/accept_dad; echo 1 >/proc/sys/net/ipv6/conf/all/accept_dad")
    host.sh("ip -6 route add fd06::/64 via fd07::1 dev phy0 src fd07::9")
    before = host.snapshot()
    host.ok("bridge", "up", "phy0")
    assert host.json("ip -6 -j route show fd06::/64")[0]["prefsrc"] == "fd07::9"
    host.ok("bridge", "down")
    host.settles_as(before)


def test_an_interface_that_was_down_is_down_again(host: Sandbox) -> None:
    host.sh(
        f"""
        ip link add name phy1 type veth peer name far1
        ip link set dev far1 netns {host.outside.process.pid}
        ip link set dev phy1 up
        ip link set dev phy1 down
        ip addr add 10.1.0.1/24 dev phy1
        """
    )
    before = host.snapshot()
    host.ok("bridge", "up", "phy1", "--bridge", "br1")
    assert "UP" in host.link("phy1")["flags"] and host.addresses("br1") == ["10.1.0.1"]
    host.ok("bridge", "down")
    host.settles_as(before)


def test_the_tap_has_the_interface_s_mtu(host: Sandbox) -> None:
    host.sh("ip link set dev phy0 mtu 1400")
    host.ok("bridge", "up", "phy0")
    assert host.link("tap0")["mtu"] == host.link("br-tap0")["mtu"] == 1400


def test_joins_a_bridge_that_is_there(host: Sandbox) -> None:
    host.sh("ip link add name br0 type bridge; ip link set dev phy0 master br0; ip link set dev br0 up")
    assert eventually(lambda: host.link("br0")["operstate"] == "UP")
    before = host.settled()
    assert host.refuses("bridge", "up", "phy0").endswith("hostconf bridge up br0")
    assert [line for line in host.ok("bridge", "up", "br0") if line.startswith("+")] == [
        "+ ip tuntap add dev tap0 mode tap user root",
        "+ ip link set dev tap0 master br0",
        "+ ip link set dev tap0 up",
    ]
    assert host.link("tap0")["master"] == "br0"
    host.ok("bridge", "up", "br0", "--tap", "tap1")
    assert host.ok("bridge", "down") == ["+ ip link del dev tap0"]
    host.ok("bridge", "down", "--tap", "tap1")
    host.settles_as(before)


def test_status(host: Sandbox) -> None:
    host.ok("bridge", "up", "phy0")
    said = host.ok("bridge", "status")
    assert said[0] == "bridge: tap0 for root, with phy0"
    assert [line.split()[0].split("@")[0] for line in said[1:]] == ["tap0", "br-tap0", "phy0"]
    assert "10.7.0.9/24" in said[2]
    host.sh("ip link set dev phy0 nomaster; ip -4 route del default")
    done = host.hostconf("bridge", "status")
    assert done.returncode == 1
    assert "  missing: ip link set dev phy0 master br-tap0\n" in done.stdout
    assert "  missing: ip -4 route add default via 10.7.0.1 " in done.stdout
    host.ok("bridge", "up")
    host.ok("bridge", "status")


def test_an_interface_that_went_away(host: Sandbox) -> None:
    host.ok("bridge", "up", "phy0")
    host.sh("ip link del dev phy0")
    host.ok("bridge", "down")
    assert host.names() == ["lo"]
    assert not host.snapshot()["record"]


def test_an_interface_that_cannot_be_bridged(host: Sandbox) -> None:
    assert host.refuses("bridge", "up", "nosuch") == "there is no interface nosuch here, but: lo phy0"
    assert host.refuses("bridge", "up", "lo") == "lo does not lead outside this host"
    if not host.has_standin:  # nothing else than a TUN is sure to be there that has no Ethernet
        host.sh("ip tuntap add dev tun7 mode tun")
        assert host.refuses("bridge", "up", "tun7").startswith("tun7 is not an Ethernet interface: use ")
    host.sh("mount -t tmpfs tmpfs /sys/class/net; mkdir -p /sys/class/net/phy0/phy80211")
    assert host.refuses("bridge", "up", "phy0").startswith("phy0 is wireless, ")


def test_a_route_with_several_hops_is_refused(host: Sandbox) -> None:
    host.sh("ip route add 10.66.0.0/16 nexthop via 10.7.0.1 dev phy0 nexthop via 10.7.0.2 dev phy0")
    assert host.refuses("bridge", "up", "phy0") == "phy0 is in a route with several next hops, which cannot be moved"


def test_names_in_use_are_refused(host: Sandbox) -> None:
    host.sh("ip link add name br-tap0 type bridge")
    assert host.refuses("bridge", "up", "phy0").startswith("br-tap0 is there already and hostconf did not make it: ")
    long = "--tap=tap-of-mine12"
    assert "no interface can have the name 'br-tap-of-mine12'" in host.refuses("bridge", "up", "phy0", long, code=2)
    host.ok("bridge", "up", "phy0", long, "--bridge=br1")
