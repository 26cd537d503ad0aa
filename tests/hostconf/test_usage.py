"""What hostconf says when it is asked wrongly, or may not, or cannot; and the script itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.hostconf.sandbox import HOSTCONF, OUTSIDE_A_SANDBOX, ROOT, Sandbox, commands, program

SCRIPTS = [HOSTCONF, *sorted((ROOT / "hostconf.d").iterdir())]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Where it can change nothing, even if it does what it should refuse."""
    return subprocess.run([*OUTSIDE_A_SANDBOX, "dash", HOSTCONF, *arguments], capture_output=True, text=True, cwd="/")


def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run([program("shellcheck"), "-x", "-a", HOSTCONF], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one_idea(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 600
    assert all(len(line) <= 120 for line in lines)


def test_help() -> None:
    for word in ("help", "--help", "-h"):
        done = run(word)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("usage: ./hostconf ")
    for option in set(re.findall(r"--[a-z][a-z-]+", HOSTCONF.read_text())) & {
        "--tap",
        "--user",
        "--address",
        "--bridge",
    }:
        assert f"\n  {option} " in done.stdout


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("", "host, bridge, nat, doctor or help, not ''"),
        ("tap up", "host, bridge, nat, doctor or help, not 'tap'"),
        ("host", "host up, down or status, not ''"),
        ("host start", "host up, down or status, not 'start'"),
        ("doctor now", "doctor takes no arguments, and got now"),
        ("host up eth1", "host takes no interface, and got eth1"),
        ("nat up eth1 eth2", "one interface, not two: eth1 eth2"),
        ("bridge up", f"bridge up needs the name of an interface: {HOSTCONF} bridge up eth1"),
        ("nat up --tap tap1", f"nat up needs the name of an interface: {HOSTCONF} nat up --tap tap1 eth1"),
        ("host up --tap", "--tap needs a value"),
        ("host up --tap=", "--tap: no interface can have the name ''"),
        ("host up --tap ../../etc", "--tap: no interface can have the name '../../etc'"),
        ("host up --tap tap0;reboot", "--tap: no interface can have the name 'tap0;reboot'"),
        ("host up --tap *", "--tap: no interface can have the name '*'"),
        ("host up --tap abcdefghijklmnop", "--tap: no interface can have the name 'abcdefghijklmnop'"),
        ("bridge up -x", "there is no option -x"),
        ("host up --mtu 9000", "host has no option --mtu"),
        ("host up --mtu=9000", "host has no option --mtu"),
        ("host up --bridge br0", "host has no option --bridge"),
        ("bridge up eth1 --address 10.9.0.1/24", "bridge has no option --address"),
        ("bridge up eth0@if7", "bridge up: no interface can have the name 'eth0@if7'"),
    ],
)
def test_usage(command: str, says: str) -> None:
    done = run(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"hostconf: {says} (try: ./hostconf help)\n"


@pytest.mark.parametrize(
    "address",
    [
        "10.9.0.1",
        "10.9.0.0/24",
        "10.9.0.255/24",
        "10.9.0.1/33",
        "10.9.0.1/31",
        "10.9.0.1/0",
        "10.9.0/24",
        "10.9.0.0.1/24",
        "10.9.0.256/24",
        "010.9.0.1/24",
        "10.9.0.1/24/8",
        "127.0.0.1/8",
        "224.0.0.1/24",
        "0.0.0.1/8",
        "a.b.c.d/24",
        "....../24",
        "fd00::1/64",
        "10.9.0.-1/24",
        "/24",
        "10.9.0.1/",
        "99999999999999999999.1.1.1/8",
        "$(id).1.1.1/8",
    ],
)
def test_an_address_that_makes_no_sense(address: str) -> None:
    done = run("host", "up", "--dry-run", f"--address={address}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "hostconf: --address is this host's IPv4 address in a subnet, such as 192.168.1.1/24, "
        f"not {address} (try: ./hostconf help)\n"
    )


def test_a_user_that_is_not_there() -> None:
    done = run("host", "up", "--dry-run", "--user", "no such")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "hostconf: there is no user no such on this host\n")


def test_without_rights_it_says_how() -> None:
    arguments = ["host", "up", "--tap", "hostconftest", "--address", "10.254.253.1/30"]
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"hostconf: changing interfaces needs root: sudo {HOSTCONF} {' '.join(arguments)}\n"


@pytest.mark.live
class TestInASandbox:
    def test_without_rights_nothing_comes_down(self, host: Sandbox) -> None:
        host.ok("host", "up")
        done = host.without_rights("host", "down")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"hostconf: changing interfaces needs root: sudo {HOSTCONF} host down\n"
        assert host.without_rights("host", "status").returncode == 0

    def test_without_rights_what_is_up_is_up(self, host: Sandbox) -> None:
        """So `./hostconf host up && ./node.py ...` asks for root once."""
        host.ok("host", "up", SUDO_USER=host.user)
        done = host.without_rights("host", "up")
        assert done.stdout.startswith(f"tap0 is up already, nothing to do\nready for {host.user}: ")
        host.sh("ip link set dev tap0 down")
        assert "needs root: sudo" in host.without_rights("host", "up").stderr

    def test_without_rights_a_dry_run_works(self, host: Sandbox) -> None:
        for arguments in (["host", "up"], ["bridge", "up", "phy0"], ["nat", "up", "phy0"]):
            done = host.without_rights(*arguments, "--dry-run")
            assert commands(done.stdout.splitlines()) == commands(host.ok(*arguments, "--dry-run")) != []

    def test_without_the_device(self, host: Sandbox) -> None:
        if not host.has_standin:
            host.sh("mount -t tmpfs -o mode=755 tmpfs /dev/net")
        else:
            host.sh("umount /dev/net/tun; rm /dev/net/tun")
        assert host.refuses("host", "up") == "/dev/net/tun is missing: sudo modprobe tun"

    def test_with_a_device_that_may_not_be_opened(self, host: Sandbox) -> None:
        host.sh("touch /dev/net/tun; mount --bind /dev/null /dev/net/tun; mount -o remount,bind,nodev /dev/net/tun")
        assert host.refuses("host", "up").startswith("/dev/net/tun cannot be opened: sudo chmod 0666 /dev/net/tun, ")

    def test_without_nft(self, host: Sandbox) -> None:
        (host.where / "nft").unlink()
        host.sh(f"mount --bind /dev/null {program('nft')}")
        before = host.names()
        done = host.hostconf("nat", "up", "phy0")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "hostconf: nft is missing: sudo apt-get install nftables\n"
        assert host.names() == before
        host.ok("host", "up")

    def test_without_ip(self, host: Sandbox) -> None:
        (host.where / "ip").unlink()
        host.sh(f"mount --bind /dev/null {program('ip')}")
        done = host.hostconf("host", "up")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "hostconf: ip is missing: sudo apt-get install iproute2\n"

    def test_a_namespace_that_is_not_ours(self, host: Sandbox) -> None:
        """Root of a user namespace of its own, in a network that belongs to another: the kernel says no."""
        other = ("unshare", "--user", "--map-root-user", "dash", str(HOSTCONF), "host", "down")
        before = host.snapshot()
        host.ok("host", "up")
        done = host.run(*other, check=False)
        assert done.returncode == 1
        assert f"(not root here? try: sudo {HOSTCONF} host down)" in done.stderr
        host.ok("host", "down")
        host.settles_as(before)
