"""hostconf host: a TAP that a user owns, with an address for the host."""

from __future__ import annotations

import os

import pytest

from tests.hostconf.sandbox import IS_ROOT, Sandbox

pytestmark = pytest.mark.live


def test_up_makes_a_tap_with_an_address(host: Sandbox) -> None:
    said = host.ok("host", "up", SUDO_USER="root")
    assert said == [
        "+ ip tuntap add dev tap0 mode tap user root",
        "+ ip addr add 192.168.1.1/24 dev tap0",
        "+ ip link set dev tap0 up",
        "ready for root: ./node.py 192.168.1.3/24 --link tap:tap0",
    ]
    assert host.addresses("tap0") == ["192.168.1.1"]
    assert "UP" in host.link("tap0")["flags"]


def test_host_and_station_reach_each_other(host: Sandbox) -> None:
    """With the user's own rights and no more, where there is another user to be."""
    host.ok("host", "up", "--user", "nobody" if IS_ROOT else "root")
    uid = ["--uid", "65534"] if IS_ROOT else []
    assert host.pings("192.168.1.3", "--ping", "192.168.1.1", *uid)


@pytest.mark.parametrize("option", [["--user", "nobody"], ["--user=nobody"], []])
def test_the_tap_belongs_to_the_caller(host: Sandbox, option: list[str]) -> None:
    caller = {} if option else {"SUDO_USER": "nobody"}
    said = host.ok("host", "up", "--dry-run", *option, **caller)
    assert said[0] == "+ ip tuntap add dev tap0 mode tap user nobody"
    if not host.has_standin and IS_ROOT:
        host.ok("host", "up", *option, **caller)
        assert host.link("tap0")["linkinfo"]["info_data"]["user"] == "nobody"


def test_says_so_if_the_user_cannot_open_the_device(host: Sandbox) -> None:
    """The bit of the device is one that only root can change, so elsewhere there is nothing to say for root."""
    if IS_ROOT:
        host.sh("chmod 600 /dev/net/tun")
    done = host.hostconf("host", "up", "--user", "nobody" if IS_ROOT else "root")
    assert done.stderr == (
        "hostconf: note: it takes root to open /dev/net/tun here; for nobody: sudo chmod 0666 /dev/net/tun\n"
        if IS_ROOT
        else ""
    )


@pytest.mark.parametrize(
    ("address", "node"),
    [
        ("10.9.0.1/24", "10.9.0.3/24"),
        ("10.9.0.3/24", "10.9.0.2/24"),
        ("10.9.0.129/30", "10.9.0.130/30"),
        ("10.9.0.130/30", "10.9.0.129/30"),
        ("10.9.255.254/16", "10.9.0.3/16"),
    ],
)
def test_another_address(host: Sandbox, address: str, node: str) -> None:
    said = host.ok("host", "up", "--address", address, "--tap", "other")
    assert said[-1] == f"ready for root: ./node.py {node} --link tap:other"
    assert host.addresses("other") == [address.split("/")[0]]


def test_up_twice_changes_nothing(host: Sandbox) -> None:
    host.ok("host", "up")
    once = host.settled()
    assert host.ok("host", "up")[0] == "tap0 is up already, nothing to do"
    host.settles_as(once)


def test_up_mends_what_is_missing(host: Sandbox) -> None:
    host.ok("host", "up", "--address", "10.9.0.1/24")
    host.sh("ip addr flush dev tap0")
    assert host.ok("host", "up")[:-1] == ["+ ip addr add 10.9.0.1/24 dev tap0"]
    host.sh("ip link del dev tap0")
    assert len(host.ok("host", "up")) == 4
    assert host.ok("host", "down") == ["+ ip link del dev tap0"]


def test_down_leaves_no_trace(host: Sandbox) -> None:
    before = host.snapshot()
    host.ok("host", "up")
    assert host.snapshot() != before
    assert host.ok("host", "down") == ["+ ip link del dev tap0"]
    host.settles_as(before)
    assert host.ok("host", "down") == ["tap0 is not set up, nothing to undo"]


def test_down_of_what_is_gone_already(host: Sandbox) -> None:
    before = host.snapshot()
    host.ok("host", "up")
    host.sh("ip link del dev tap0")
    assert host.ok("host", "down") == []
    host.settles_as(before)


def test_each_tap_has_a_set_up_of_its_own(host: Sandbox) -> None:
    host.ok("host", "up")
    host.ok("host", "up", "--tap", "tap1", "--address", "10.9.0.1/24")
    host.ok("host", "down")
    assert "tap0" not in host.names() and "tap1" in host.names()
    host.ok("host", "status", "--tap", "tap1")


def test_status(host: Sandbox) -> None:
    before = host.snapshot()
    done = host.hostconf("host", "status")
    assert (done.returncode, done.stdout) == (1, "host: tap0 is not set up\n")
    host.settles_as(before)
    host.ok("host", "up", SUDO_USER=host.user)
    said = host.ok("host", "status")
    assert said[0] == f"host: tap0 for {host.user}"
    assert said[1].split()[0].startswith("tap0") and "192.168.1.1/24" in said[1]
    host.sh("ip link set dev tap0 down")
    done = host.hostconf("host", "status")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == [
        "  missing: ip link set dev tap0 up",
        f"  mend: sudo {os.path.abspath('hostconf')} host up --tap tap0",
    ]


def test_what_others_made_is_left_alone(host: Sandbox) -> None:
    host.sh("ip link add name tap0 type bridge")
    assert host.refuses("host", "up").startswith("tap0 is there already and hostconf did not make it: ")
    assert host.ok("host", "down") == ["tap0 is not set up, nothing to undo"]
    assert "tap0" in host.names()


@pytest.mark.parametrize("address", ["10.7.0.98/24", "10.7.0.98/30", "10.7.0.98/16"])
def test_a_subnet_in_use_is_refused(host: Sandbox, address: str) -> None:
    assert host.refuses("host", "up", "--address", address) == (
        f"{address} overlaps 10.7.0.0/24 on phy0: take another with --address, such as 10.9.0.1/24"
    )


def test_other_settings_for_the_same_tap_are_refused(host: Sandbox) -> None:
    host.ok("host", "up", "--user", "root")
    way_out = f"sudo {os.path.abspath('hostconf')} host down --tap tap0"
    for arguments in (
        ["host", "up", "--address", "10.9.0.1/24"],
        ["host", "up", "--user", "nobody"],
        ["nat", "up", "phy0"],
        ["bridge", "up", "phy0"],
    ):
        assert host.refuses(*arguments).endswith(way_out), arguments
    assert host.refuses("nat", "down").endswith("host down --tap tap0")
    assert host.refuses("bridge", "status").endswith("host status --tap tap0")
