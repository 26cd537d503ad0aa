"""hostconf nat: the TAP's packets leave through another interface with its address."""

from __future__ import annotations

import subprocess

import pytest

from tests.hostconf.sandbox import OUTSIDE, ROOT, Sandbox

pytestmark = pytest.mark.live
TABLE = "inet glasstack-tap0"


def test_station_reaches_the_world(host: Sandbox) -> None:
    """The world has no route back to 192.168.1.0/24, so an answer means a translated address."""
    said = host.ok("nat", "up", "phy0")
    assert said[-1] == "ready for root: ./node.py 192.168.1.3/24 -g 192.168.1.1 --link tap:tap0"
    assert host.pings("192.168.1.3", "--gateway", "192.168.1.1", "--ping", OUTSIDE)
    assert host.pings("192.168.1.3", "--ping", "192.168.1.1")


def test_the_world_does_not_reach_the_station(host: Sandbox) -> None:
    host.ok("nat", "up", "phy0")
    host.outside.sh("ip route add 192.168.1.0/24 via 10.7.0.9")
    command = host.station("192.168.1.3", "--answer")
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as station:
        assert station.stdout and station.stdin
        assert station.stdout.readline() == b"ready\n"
        ping = ("ping", "-n", "-c", "1", "-W", "1", "192.168.1.3")
        assert host.can_ping("192.168.1.3")
        assert host.outside.run(*ping, check=False).returncode == 1
        host.sh(f"nft flush chain {TABLE} forward")
        assert host.outside.run(*ping, check=False).returncode == 0
        station.stdin.close()


def test_the_station_does_not_reach_the_host_s_other_networks(host: Sandbox) -> None:
    host.sh(
        f"""
        ip link add name phy1 type veth peer name far1
        ip link set dev far1 netns {host.outside.process.pid}
        ip link set dev phy1 up
        ip addr add 10.99.0.9/24 dev phy1
        echo 1 >/proc/sys/net/ipv4/conf/phy1/forwarding
        """
    )
    host.outside.sh(
        """
        ip link set dev far1 up
        ip addr add 10.99.0.1/24 dev far1
        ip route add 192.168.1.0/24 via 10.99.0.9
        """
    )
    host.ok("nat", "up", "phy0")
    ping = ("192.168.1.3", "--gateway", "192.168.1.1", "--ping", "10.99.0.1")
    assert not host.pings(*ping, "--seconds", "1")
    host.sh(f"nft flush chain {TABLE} forward")
    assert host.pings(*ping)


def test_forwards_for_its_two_interfaces_alone(host: Sandbox) -> None:
    host.ok("nat", "up", "phy0")
    forwarding = host.sh("cd /proc/sys/net/ipv4; cat ip_forward conf/default/forwarding conf/lo/forwarding")
    assert forwarding.split() == ["0", "0", "0"]
    assert host.sh("cd /proc/sys/net/ipv4/conf; cat tap0/forwarding phy0/forwarding").split() == ["1", "1"]


def test_up_twice_changes_nothing(host: Sandbox) -> None:
    host.ok("nat", "up", "phy0")
    once = host.settled()
    assert host.ok("nat", "up", "phy0")[0] == "tap0 is up already, nothing to do"
    host.settles_as(once)


@pytest.mark.parametrize("forwarding", ["0", "1"])
def test_down_puts_all_back(host: Sandbox, forwarding: str) -> None:
    host.sh(f"echo {forwarding} >/proc/sys/net/ipv4/ip_forward; nft add table inet mine")
    before = host.snapshot()
    said = host.ok("nat", "up", "phy0")
    assert [line for line in said if "forwarding" in line] == (
        []
        if forwarding == "1"
        else [f"+ sh -c 'echo 1 >/proc/sys/net/ipv4/conf/{dev}/forwarding'" for dev in ("tap0", "phy0")]
    )
    assert host.snapshot() != before
    host.ok("nat", "down")
    host.settles_as(before)


def test_where_the_host_forwards_already_others_go_on(host: Sandbox) -> None:
    """Elsewhere all of phy0's new connections are dropped, because forwarding for it is ours."""
    host.sh("echo 1 >/proc/sys/net/ipv4/ip_forward")
    host.ok("nat", "up", "phy0")
    assert 'iifname "phy0" oifname "tap0" ct state invalid,new drop' in host.sh(f"nft list table {TABLE}")


@pytest.mark.parametrize("first", ["tap0", "tap1"])
def test_the_last_of_two_puts_forwarding_back(host: Sandbox, first: str) -> None:
    before = host.snapshot()
    host.ok("nat", "up", "phy0")
    host.ok("nat", "up", "phy0", "--tap", "tap1", "--address", "192.168.2.1/24")
    last = "tap1" if first == "tap0" else "tap0"
    net = "2" if last == "tap1" else "1"
    host.ok("nat", "down", "--tap", first)
    assert subprocess.run(
        host.station(f"192.168.{net}.3", "--gateway", f"192.168.{net}.1", "--ping", OUTSIDE, tap=last), cwd=ROOT
    ).returncode == 0  # fmt: skip
    assert host.ok("nat", "status", "--tap", last)
    host.ok("nat", "down", "--tap", last)
    host.settles_as(before)


def test_status(host: Sandbox) -> None:
    host.ok("nat", "up", "phy0")
    said = host.ok("nat", "status")
    assert said[0] == "nat: tap0 for root, with phy0"
    assert said[-1] == f"  table {TABLE}, forwarding phy0 1"
    host.sh(f"nft delete table {TABLE}; echo 0 >/proc/sys/net/ipv4/conf/phy0/forwarding")
    done = host.hostconf("nat", "status")
    assert done.returncode == 1
    assert f"  missing: nft 'table {TABLE} " in done.stdout
    assert "  missing: sh -c 'echo 1 >/proc/sys/net/ipv4/conf/phy0/forwarding'\n" in done.stdout
    host.ok("nat", "up")
    host.ok("nat", "status")


def test_status_without_rights_believes_the_record(host: Sandbox) -> None:
    host.ok("nat", "up", "phy0")
    done = host.without_rights("nat", "status")
    assert done.returncode == 0, done.stdout
    assert f"table {TABLE}" in done.stdout


def test_says_so_if_a_firewall_drops_what_is_forwarded(host: Sandbox) -> None:
    host.sh("nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'")
    done = host.hostconf("nat", "up", "phy0")
    assert done.returncode == 0
    assert done.stderr.startswith("hostconf: note: chain ip filter FORWARD drops ")
    mends = done.stderr.rstrip("\n").split("so it may take: ")[1].split("; ")
    assert not host.pings("192.168.1.3", "--gateway", "192.168.1.1", "--ping", OUTSIDE, "--seconds", "1")
    for mend in mends:
        host.sh(mend)
    assert host.pings("192.168.1.3", "--gateway", "192.168.1.1", "--ping", OUTSIDE)


def test_names_in_use_are_refused(host: Sandbox) -> None:
    host.sh(f"nft add table {TABLE}")
    assert host.refuses("nat", "up", "phy0").startswith(
        f"table {TABLE} is there already and hostconf did not make it: "
    )
    assert host.refuses("nat", "up", "nosuch") == "there is no interface nosuch here, but: lo phy0"
    assert host.refuses("nat", "up", "lo") == "lo does not lead outside this host"
