"""A host to try hostconf on: its own network and mount namespaces, with a private /run, and the world outside it.

As an ordinary user they are inside a user namespace. Where that user may not open /dev/net/tun, `ip tuntap add`
makes one end of a veth instead and the station uses the other: all the rest is the real ip(8), nft(8) and kernel.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.patience import eventually

ROOT = Path(__file__).parent.parent.parent
HOSTCONF = ROOT / "hostconf"
IS_ROOT = os.geteuid() == 0
OUTSIDE = "10.8.0.1"  # behind the default gateway

HOST = """
set -e
mount -t tmpfs tmpfs /run
mount -t sysfs sysfs /sys
echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
ip link set lo up
"""
DEVICE = """
mount -t tmpfs -o mode=755 tmpfs /dev/net
mknod -m 666 /dev/net/tun c 10 200
"""
STANDIN_DEVICE = """
mount -t tmpfs -o mode=755 tmpfs /dev/net
touch /dev/net/tun
mount --bind /dev/null /dev/net/tun
"""

# In front of a hostconf outside of a sandbox. It is to do nothing there, and for root this sees to it.
# Without CAP_SETFCAP root could not even make a user namespace, as every other user can.
NO_RIGHTS = ["setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all"]
CONFINED = ["unshare", "--net", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run; exec "$@"', "sh", *NO_RIGHTS]
OUTSIDE_A_SANDBOX = CONFINED if IS_ROOT else []

# Counts the commands that change something; the one numbered FAULT_AT fails, or hostconf gets the signal FAULT after
# it. Runs the rest, with the veth for a TAP if STANDIN is set.
PROGRAM = """#!/bin/sh
command() {{
    case "$STANDIN$1 $2" in
    yes"tuntap add") {real} link add name "$4" type veth peer name "n.$4" ;;
    *) {real} "$@" ;;
    esac
}}
case " $1 $2 $3 " in
*" add "* | *" del "* | *" set "* | *" delete "* | *" table inet "*" {{ "* | *" -c "*) ;;
*) exec {real} "$@" ;;
esac
read -r count <{where}/count
count=$((count + 1))
echo $count >{where}/count
if [ $count = "$FAULT_AT" ]; then
    [ "$FAULT" != fail ] || {{ echo "RTNETLINK answers: Injected" >&2; exit 2; }}
    command "$@"
    kill -s "$FAULT" "$(cat {where}/pid)"
    exit
fi
command "$@"
"""
# What hostconf could change, part by part.
SNAPSHOT = """
ip -d -j addr; echo @@
ip -4 -d -j route show table all; echo @@
ip -6 -d -j route show table all; echo @@
nft list ruleset; echo @@
cd /proc/sys/net; grep -r . ipv4/conf ipv4/ip_forward ipv6/conf 2>/dev/null || :; echo @@
find /run -path '*glasstack*'
"""


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert found, f"{name} is not installed"
    return found


def may_open_tun() -> bool:
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError:
        return False
    return True


class Namespace:
    """Namespaces that last as long as this object: a process that waits for the end of its input."""

    def __init__(self, unshare: list[str], setup: str, inside: Namespace | None = None) -> None:
        self.is_user = "--user" in unshare or (inside is not None and inside.is_user)
        enter = inside.enter() if inside else []
        self.process = subprocess.Popen(
            [*enter, "unshare", *unshare, "sh", "-c", f"{setup}\necho ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def enter(self) -> list[str]:
        user = ["--user", "--preserve-credentials"] if self.is_user else []
        return ["nsenter", "--target", str(self.process.pid), *user, "--net", "--mount", "--"]

    def run(self, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        done = subprocess.run(
            [*self.enter(), *command],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={"LC_ALL": "C", "PATH": path, **env},
            timeout=30,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def sh(self, script: str) -> str:
        return self.run("sh", "-ec", script).stdout

    def batch(self, lines: str) -> None:
        """Several commands for ip(8)."""
        self.sh(f"ip -batch - <<'LINES'\n{lines}\nLINES")

    def json(self, command: str) -> list[dict[str, Any]]:
        return json.loads(self.sh(command) or "[]")

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Sandbox(Namespace):
    """The host. `phy0` is its physical interface, and `outside` the router at the other end of that."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.has_standin = not IS_ROOT and not may_open_tun()
        # A user namespace has one user, to whom alone a TAP can belong there.
        self.user = "nobody" if IS_ROOT or self.has_standin else "root"
        device = DEVICE if IS_ROOT else STANDIN_DEVICE if self.has_standin else ""
        user = [] if IS_ROOT else ["--user", "--map-root-user"]
        super().__init__([*user, "--net", "--mount"], HOST + device)
        self.outside = Namespace(["--net", "--mount"], "ip link set lo up", inside=self)
        self._programs()
        self._network()

    def close(self) -> None:
        self.outside.close()
        super().close()

    def _programs(self) -> None:
        (self.where / "count").write_text("0\n")
        for name in ("ip", "nft", "sh"):
            path = self.where / name
            path.write_text(PROGRAM.format(real=program(name), where=self.where))
            path.chmod(0o755)

    def _network(self) -> None:
        self.batch(
            f"""
            link add name phy0 type veth peer name far0
            link set dev far0 netns {self.outside.process.pid}
            link set dev phy0 up
            addr add 10.7.0.9/24 brd 10.7.0.255 dev phy0
            addr add 10.7.0.10/24 dev phy0 label phy0:second
            addr add 10.6.0.1 peer 10.6.0.2/32 dev phy0
            addr add 10.6.0.1 peer 10.6.0.3/32 dev phy0
            addr add 10.5.0.1/24 dev phy0 noprefixroute valid_lft 1000 preferred_lft 500
            addr add fd07::9/64 dev phy0
            addr add fd07::a/64 dev phy0 nodad
            route add default via 10.7.0.1 dev phy0 proto static metric 100 src 10.7.0.9
            route add 10.4.0.1 dev phy0 scope link
            route add 10.3.0.0/16 via 10.4.0.1 dev phy0 table 100
            route add default via fd07::1 dev phy0 expires 900
            """
        )
        self.outside.batch(
            f"""
            link set dev far0 up
            addr add 10.7.0.1/24 dev far0
            addr add fd07::1/64 dev far0
            addr add {OUTSIDE}/32 dev lo
            """
        )
        assert eventually(self._is_up)

    def _is_up(self) -> bool:
        """The kernel is done with phy0: it gives the addresses that are checked first a moment later."""
        link = self.link("phy0")
        is_checked = not any(address.get("tentative") for address in link["addr_info"])
        return link["operstate"] == "UP" and is_checked and any(a["scope"] == "link" for a in link["addr_info"])

    def hostconf(
        self, *arguments: str, fault: str = "", fault_at: str | int = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        (self.where / "count").write_text("0\n")
        path = f"{self.where}:{os.environ['PATH']}" if fault or self.has_standin else os.environ["PATH"]
        command = f'echo $$ >{self.where}/pid; exec dash {HOSTCONF} "$@"'
        standin = "yes" if self.has_standin else ""
        return self.run(
            *("/bin/sh", "-c", command, "sh", *arguments),
            check=False,
            **{"PATH": path, "STANDIN": standin, "FAULT": fault, "FAULT_AT": str(fault_at), **env},
        )

    def without_rights(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """hostconf as one who may change nothing."""
        return self.run(
            "setpriv", "--bounding-set=-all", "--inh-caps=-all", "dash", str(HOSTCONF), *arguments, check=False
        )

    def ok(self, *arguments: str, **env: str) -> list[str]:
        """The lines a hostconf that succeeds prints."""
        done = self.hostconf(*arguments, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def refuses(self, *arguments: str, code: int = 1, **env: str) -> str:
        """The one line of a hostconf that fails; nothing was run or changed."""
        before = self.snapshot()
        done = self.hostconf(*arguments, **env)
        assert done.returncode == code, done.stdout + done.stderr
        assert done.stdout == ""
        self.settles_as(before)
        assert done.stderr.startswith("hostconf: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr[len("hostconf: ") :].rstrip("\n")

    def snapshot(self) -> dict[str, Any]:
        """All that hostconf could change, but for lifetimes, which run."""
        links, *routes, nft, sysctl, record = self.sh(SNAPSHOT).split("@@\n")
        return {
            "links": [_settled(link) for link in json.loads(links)],
            "routes": [sorted(json.dumps(_settled(route)) for route in json.loads(text or "[]")) for text in routes],
            "nft": nft,
            "sysctl": sorted(sysctl.splitlines()),
            "record": sorted(record.splitlines()),
        }

    def settled(self) -> dict[str, Any]:
        """The snapshot after which the kernel has done what follows from a link that came up."""
        before = self.snapshot()
        while True:
            time.sleep(0.1)
            if (now := self.snapshot()) == before:
                return now
            before = now

    def settles_as(self, before: dict[str, Any]) -> None:
        """It becomes what it was; after a link went down or up the kernel takes a moment."""
        now: dict[str, Any] = {}
        eventually(lambda: now.update(self.snapshot()) or now == before, 10)
        for what, was in before.items():
            assert now[what] == was

    def link(self, name: str) -> dict[str, Any]:
        return self.json(f"ip -d -j addr show dev {name}")[0]

    def addresses(self, name: str) -> list[str]:
        """The addresses that are not link-local."""
        return [a["local"] for a in self.link(name)["addr_info"] if a["scope"] == "global"]

    def names(self) -> list[str]:
        return [link["ifname"] for link in self.json("ip -j link")]

    def station(self, *arguments: str, tap: str = "tap0") -> list[str]:
        """The command for a node on the TAP (see station.py)."""
        link = f"packet:n.{tap}" if self.has_standin else f"tap:{tap}"
        return [
            *self.enter(),
            "env",
            f"PYTHONPATH={ROOT}",
            sys.executable,
            "-m",
            "tests.hostconf.station",
            link,
            *arguments,
        ]

    def pings(self, *arguments: str) -> bool:
        """Whether the node on the TAP has an answer to its pings."""
        return subprocess.run(self.station(*arguments), cwd=ROOT, timeout=30).returncode == 0

    def can_ping(self, address: str) -> bool:
        return self.run("ping", "-n", "-c", "1", "-W", "3", address, check=False).returncode == 0


def _settled(entry: dict[str, Any]) -> dict[str, Any]:
    for key in ("expires", "valid_life_time", "preferred_life_time"):
        if key in entry and entry[key] != 2**32 - 1:
            entry[key] = "some"
    for kind in ("info_data", "info_slave_data"):
        data = entry.get("linkinfo", {}).get(kind, {})
        for key in [key for key in data if key.endswith("_timer")]:
            del data[key]
    for address in entry.get("addr_info", []):
        _settled(address)
    return entry


def commands(lines: list[str]) -> list[str]:
    """The commands among what hostconf printed, without lifetimes, which run."""
    return [re.sub("(_lft|expires) [0-9]+", r"\1 N", line) for line in lines if line.startswith("+ ")]
