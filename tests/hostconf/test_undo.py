"""Whatever happens to hostconf on its way, the host can be as it was before."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from tests.hostconf.sandbox import HOSTCONF, Sandbox, commands
from tests.patience import eventually

pytestmark = pytest.mark.live
MODES = {"host": ["host", "up"], "bridge": ["bridge", "up", "phy0"], "nat": ["nat", "up", "phy0"]}


@pytest.mark.parametrize("mode", MODES)
def test_a_dry_run_prints_what_a_run_runs(host: Sandbox, mode: str) -> None:
    before = host.snapshot()
    said = host.ok(*MODES[mode], "--dry-run")
    host.settles_as(before)
    assert commands(said) == commands(host.ok(*MODES[mode])) and len(commands(said)) == len(said)
    between = host.settled()
    said = host.ok(mode, "down", "--dry-run")
    host.settles_as(between)
    assert commands(said) == commands(host.ok(mode, "down"))
    host.settles_as(before)


@pytest.mark.parametrize("mode", MODES)
def test_what_a_dry_run_prints_can_be_pasted(host: Sandbox, mode: str) -> None:
    if host.has_standin and mode != "host":
        mode = "host"  # a shell of its own would not make the stand-in for the TAP
    lines = host.ok(*MODES[mode], "--dry-run")
    script = "\n".join(line.removeprefix("+ ") for line in lines)
    if host.has_standin:
        script = script.replace(
            "ip tuntap add dev tap0 mode tap user root", "ip link add tap0 type veth peer name n.tap0"
        )
    host.sh(script)
    pasted = _without_numbers(host.snapshot())
    host.sh("ip link del dev tap0")
    if mode == "bridge":
        return
    host.sh("nft flush ruleset; echo 0 >/proc/sys/net/ipv4/conf/phy0/forwarding")
    host.ok(*MODES[mode])
    assert _without_numbers(host.snapshot()) == pasted


def _without_numbers(snapshot: dict[str, object]) -> list[object]:
    """Without what differs between two TAPs made one after the other, and without the record."""
    return [snapshot["nft"], snapshot["sysctl"]]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", MODES)
def test_a_command_that_fails_undoes_those_before_it(host: Sandbox, mode: str) -> None:
    before = host.snapshot()
    steps = len(host.ok(*MODES[mode], "--dry-run"))
    for step in range(1, steps + 1, 3 if mode == "bridge" else 1):
        done = host.hostconf(*MODES[mode], fault="fail", fault_at=step)
        assert done.returncode == 1
        assert done.stderr.startswith("hostconf: `"), done.stderr
        assert done.stderr.endswith("RTNETLINK answers: Injected; what was done before is undone\n")
        assert done.stderr.count("\n") == 1
        host.settles_as(before)
    host.ok(*MODES[mode])


@pytest.mark.parametrize(("mode", "signal"), [("host", "INT"), ("nat", "HUP"), ("nat", "TERM"), ("bridge", "INT")])
def test_an_interruption_undoes_what_was_done(host: Sandbox, mode: str, signal: str) -> None:
    before = host.snapshot()
    steps = len(host.ok(*MODES[mode], "--dry-run"))
    for step in sorted({1, steps // 2, steps}):
        done = host.hostconf(*MODES[mode], fault=signal, fault_at=step)
        assert done.returncode == 1
        assert done.stderr == "hostconf: interrupted; what was done before is undone\n"
        host.settles_as(before)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", MODES)
def test_killed_halfway_it_can_go_down_or_on(host: Sandbox, mode: str) -> None:
    before = host.snapshot()
    steps = len(host.ok(*MODES[mode], "--dry-run"))
    host.ok(*MODES[mode])
    up = _addresses(host)
    host.ok(mode, "down")
    for step in range(1, steps + 1, 5 if mode == "bridge" else 1):
        assert host.hostconf(*MODES[mode], fault="KILL", fault_at=step).returncode in (137, -9)
        if step % 2 == 0:
            host.ok(*MODES[mode])
            host.ok(mode, "status")
            assert _addresses(host) == up
        host.ok(mode, "down")
        host.settles_as(before)


def _addresses(host: Sandbox) -> dict[str, set[str]]:
    return {
        link["ifname"]: {a["local"] for a in link["addr_info"] if a["scope"] == "global"}
        for link in host.json("ip -j addr")
    }


@pytest.mark.parametrize("mode", MODES)
def test_a_way_down_that_fails_can_be_gone_again(host: Sandbox, mode: str) -> None:
    before = _unordered(host)
    host.ok(*MODES[mode])
    steps = len(commands(host.ok(mode, "down", "--dry-run")))
    for step in sorted({1, steps // 2 + 1, steps}):
        done = host.hostconf(mode, "down", fault="fail", fault_at=step)
        assert done.returncode == 1
        assert done.stderr.startswith("hostconf: `") and "failed: RTNETLINK answers: Injected" in done.stderr
        if step == 1:
            assert done.stderr.count("\n") == 1
        host.ok(mode, "down")
        assert eventually(lambda: _unordered(host) == before)
        host.ok(*MODES[mode])


def _unordered(host: Sandbox) -> dict[str, Any]:
    """A snapshot in which a link may have its addresses in any order: the one that failed comes last."""
    snapshot = host.snapshot()
    for link in snapshot["links"]:
        link["addr_info"].sort(key=str)
    return snapshot


def test_a_failed_mend_leaves_the_rest(host: Sandbox) -> None:
    host.ok("nat", "up", "phy0")
    host.sh("echo 0 >/proc/sys/net/ipv4/conf/phy0/forwarding; ip addr flush dev tap0")
    done = host.hostconf("nat", "up", fault="fail", fault_at=2)
    assert done.returncode == 1
    said = host.hostconf("nat", "status").stdout
    assert [line.strip() for line in said.splitlines() if "missing: " in line] == [
        "missing: sh -c 'echo 1 >/proc/sys/net/ipv4/conf/phy0/forwarding'"
    ]
    host.ok("nat", "up")
    host.ok("nat", "status")


def test_a_reader_that_went_away_does_not_stop_it(host: Sandbox) -> None:
    before = host.snapshot()
    for action in ("up", "down"):
        reader, writer = os.pipe()
        os.close(reader)
        standin = "yes" if host.has_standin else ""
        env = {**os.environ, "PATH": f"{host.where}:{os.environ['PATH']}", "STANDIN": standin}
        command = [*host.enter(), "dash", str(HOSTCONF), "bridge", action, "phy0"]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=env)
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, b"")
        if action == "up":
            host.ok("bridge", "status")
    host.settles_as(before)


def test_without_a_place_for_the_record_nothing_is_done(host: Sandbox) -> None:
    host.sh("mount -o remount,bind,ro /run")
    assert host.refuses("host", "up").endswith("down would need it; nothing was changed")


def test_the_record_may_be_in_the_user_s_own_place(host: Sandbox) -> None:
    host.sh("mount -o remount,bind,ro /run")
    own = host.where / "runtime"
    own.mkdir()
    host.ok("host", "up", XDG_RUNTIME_DIR=str(own))
    host.ok("host", "status", XDG_RUNTIME_DIR=str(own))
    host.ok("host", "down", XDG_RUNTIME_DIR=str(own))
    assert list(own.iterdir()) == []


def test_the_record_of_another_namespace_is_not_ours(host: Sandbox) -> None:
    host.ok("host", "up")
    other = ("unshare", "--net", "dash", str(HOSTCONF), "host", "status")
    assert host.run(*other, check=False).stdout == "host: tap0 is not set up\n"
