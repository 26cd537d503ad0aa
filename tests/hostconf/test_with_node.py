"""The whole node on the TAP that hostconf made, in a network with a DHCP and DNS server of its own: dnsmasq."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.hostconf.sandbox import ROOT, Sandbox, program
from tests.patience import eventually

pytestmark = pytest.mark.live


@pytest.fixture
def dnsmasq(host: Sandbox, tmp_path: Path) -> Iterator[Path]:
    """A server at 10.7.0.1, in the world outside; its log."""
    needs.programs("dnsmasq")
    log = tmp_path / "dnsmasq.log"
    log.touch()
    settings = [
        "--conf-file=/dev/null", "--no-daemon", "--no-resolv", "--no-hosts", "--interface=far0", "--bind-interfaces",
        "--user=root", "--group=", f"--pid-file={tmp_path}/pid", f"--dhcp-leasefile={tmp_path}/leases",
        "--dhcp-range=10.7.0.100,10.7.0.150,1h", "--dhcp-authoritative", "--no-ping", "--domain=site", "--log-dhcp",
        "--address=/www.site/10.7.0.1", f"--log-facility={log}",
    ]  # fmt: skip
    server = subprocess.Popen(
        [*host.outside.enter(), program("dnsmasq"), *settings], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert eventually(lambda: "DHCP, IP range" in log.read_text() or server.poll() is not None)
    assert server.poll() is None, server.stderr and server.stderr.read()
    yield log
    server.terminate()
    server.wait()
    assert server.stderr is not None
    server.stderr.close()


def node(host: Sandbox, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    link = "packet:n.tap0" if host.has_standin else "tap:tap0"
    if host.has_standin:
        host.sh("ip link set dev n.tap0 up")
    return host.run(
        *(sys.executable, str(ROOT / "node.py"), "--link", link, *words),
        check=False,
        XDG_STATE_HOME=str(tmp_path / "state"),
        HOME=str(tmp_path),
        PYTHONDONTWRITEBYTECODE="1",
    )


def test_dhcp_over_a_bridge_to_the_physical_network(host: Sandbox, dnsmasq: Path, tmp_path: Path) -> None:
    host.ok("bridge", "up", "phy0", "--user", host.user)
    for _ in range(2):  # the second time it asks for the address it had
        done = node(host, tmp_path, "-dhcp", "ping", "-c", "1", "www")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("PING www.site (10.7.0.1) 56(84) bytes of data.\n")
    lines = dnsmasq.read_text()
    address = done.stderr.partition(" offers ")[2].split("\n")[0]
    assert address.startswith("10.7.0.1")
    for what in ("DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK", "DHCPRELEASE"):
        assert lines.count(f" {what}(far0) ") == 2, what
    assert lines.count(f" DHCPDISCOVER(far0) {address} ") == 1, "the second DISCOVER wishes for it"
    host.ok("bridge", "down", "phy0")


def test_the_world_through_nat(host: Sandbox, tmp_path: Path) -> None:
    ready = host.ok("nat", "up", "phy0", "--user", host.user)[-1]
    _, _, command = ready.partition("./node.py ")
    ours, _, gateway = command.split()[:3]
    done = node(host, tmp_path, ours, "-g", gateway, "ping", "-c", "1", "10.7.0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    host.ok("nat", "down", "phy0")


def test_without_a_server_it_says_so(host: Sandbox, tmp_path: Path) -> None:
    host.ok("bridge", "up", "phy0", "--user", host.user)
    done = node(host, tmp_path, "-q", "--set", "dhcp_timeout=1", "-dhcp", "ping", "-c", "1", "10.7.0.1")
    assert (done.returncode, done.stdout) == (1, "")
    where = "n.tap0" if host.has_standin else "tap0"
    assert done.stderr == f"node.py: no DHCP server on {where} gave an address in 1 s\n"
