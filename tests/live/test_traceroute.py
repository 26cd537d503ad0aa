"""Our traceroute beside Linux's, on one way through three kernel routers: the same words, the same exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.hostconf.sandbox import IS_ROOT, ROOT, Namespace

pytestmark = pytest.mark.live
PATH_OF = "10.7.0."  # the target's addresses; what becomes of a packet depends on which it is

ROUTER = """
set -e
mount -t sysfs sysfs /sys
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 0 >/proc/sys/net/ipv4/icmp_ratemask
"""
FILTER = f"""
table ip t {{
    chain silent {{ type filter hook prerouting priority 0; ip daddr {PATH_OF}20 ip ttl 1 drop; }}
    chain refusing {{
        type filter hook forward priority 0
        ip daddr {PATH_OF}10 reject with icmp type prot-unreachable
        ip daddr {PATH_OF}11 reject with icmp type host-prohibited
        ip daddr {PATH_OF}12 reject with icmp type admin-prohibited
        ip daddr {PATH_OF}13 reject with icmp type port-unreachable
        ip daddr {PATH_OF}14 reject with icmp type net-unreachable
        ip daddr {PATH_OF}15 reject with icmp type host-unreachable
        ip daddr {PATH_OF}16 drop
        ip daddr {PATH_OF}17 udp dport {{ 33440, 33442 }} drop
    }}
}}
"""


class Route:
    """10.1.1.2 is the kernel's, 10.1.1.3 the node's on the same veth; 10.1.1.1, 10.1.2.2 and 10.1.3.2 are routers."""

    def __init__(self) -> None:
        user = [] if IS_ROOT else ["--user", "--map-root-user"]
        self.here = Namespace([*user, "--net", "--mount"], "ip link set lo up")
        self.routers = [Namespace(["--net", "--mount"], ROUTER, inside=self.here) for _ in range(3)]
        one, two, three = self.routers
        self.here.sh(
            f"""
            ip link add here type veth peer name near netns {one.process.pid}
            ip addr add 10.1.1.2/24 dev here
            ip link set here up
            """
        )
        one.sh(f"ip link add far type veth peer name near netns {two.process.pid}")
        two.sh(f"ip link add far type veth peer name near netns {three.process.pid}")
        for number, router in enumerate(self.routers, 1):
            last = 1 if number == 1 else 2
            router.sh(f"ip addr add 10.1.{number}.{last}/24 dev near; ip link set near up")
            if number < 3:
                router.sh(f"ip addr add 10.1.{number + 1}.1/24 dev far; ip link set far up")
                router.sh(f"ip route add default via 10.1.{number + 1}.2")
            if number > 1:
                router.sh(f"ip route add 10.1.1.0/24 via 10.1.{number}.1")
        self.here.sh("ip route add default via 10.1.1.1")
        one.sh("ip route add unreachable 10.7.1.0/24")
        two.sh("ip route add prohibit 10.7.2.0/24")
        two.run("nft", FILTER)
        three.sh(f"ip route add local {PATH_OF}0/24 dev lo; ip route add 10.1.2.0/24 via 10.1.3.1")
        assert self.here.run("ping", "-c", "1", "-w", "5", f"{PATH_OF}9").returncode == 0

    def close(self) -> None:
        for namespace in (*self.routers, self.here):
            namespace.close()


@pytest.fixture(scope="module")
def route() -> Iterator[Route]:
    needs.programs("traceroute")
    if not IS_ROOT and subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"]).returncode:
        pytest.skip("namespaces are forbidden here")
    made = Route()
    yield made
    made.close()


# What is asked of both programs, in this order.
QUESTIONS = [
    f"-n {PATH_OF}9",
    f"-n -I {PATH_OF}9",
    f"-n -q 1 -f 2 {PATH_OF}9 400",
    f"-n -m 2 -N 3 {PATH_OF}9",
    f"-n -q 1 -z 0.01 -p 40000 {PATH_OF}9 1",
    f"-n -I -q 5 {PATH_OF}20",
    f"-n {PATH_OF}20",
    f"-n -w 0.3 {PATH_OF}20",
    *(f"-n {PATH_OF}{number}" for number in range(10, 16)),
    f"-n -I {PATH_OF}12",
    f"-n -m 8 -w 0.3 {PATH_OF}16",
    f"-n {PATH_OF}17",
    "-n 10.7.1.1",
    "-n 10.7.2.1",
    "-n 10.9.9.9",
    "localhost",
    "-n -I 127.0.0.1 28",
    "-m 256 10.7.0.9",
    "-f 31 10.7.0.9",
    "-q 11 10.7.0.9",
    "-w -1 10.7.0.9",
    "-z -1 10.7.0.9",
    "10.7.0.9 65001",
]

OURS = """
import sys
from apps.traceroute import command
for question in sys.argv[1:]:
    print("$", question, flush=True)
    print("exit code", command(node, question.split()), flush=True)
"""
# Theirs gives a probe up after ten times a round trip of microseconds, which a busy machine does not always keep.
THEIRS = """
for q; do
    case $q in *-w*) w= ;; *) w='-w 5,1000,1000' ;; esac
    echo "$ $q"
    traceroute $w $q
    echo "exit code $?"
done
"""


def normal(text: str) -> dict[str, str]:
    """What was said to each question, without times and whose host it was."""
    text = re.sub(r"[\d.]+ ms", "T ms", text)
    text = text.replace("10.1.1.3", "HERE").replace("10.1.1.2", "HERE")
    answers = (part.partition("\n") for part in text.split("$ ")[1:])
    return {question: answer for question, _, answer in answers}


def test_our_traceroute_and_linux_s_say_the_same(route: Route, tmp_path: Path) -> None:
    script = tmp_path / "ours.py"
    script.write_text(OURS)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    node = ["-q", "10.1.1.3/24", "-g", "10.1.1.1", "--link", "packet:here"]
    ours = subprocess.Popen(
        [*route.here.enter(), sys.executable, str(ROOT / "node.py"), *node, str(script), *QUESTIONS], **pipes
    )
    theirs = subprocess.Popen([*route.here.enter(), "sh", "-c", THEIRS, "sh", *QUESTIONS], **pipes)
    our_text, their_text = (process.communicate(timeout=50)[0] for process in (ours, theirs))
    our_answers, their_answers = normal(our_text), normal(their_text)
    assert list(our_answers) == list(their_answers) == QUESTIONS
    for question in QUESTIONS:
        assert our_answers[question] == their_answers[question], question
    # And that it was not nothing that they agreed about.
    assert " 2  * * *\n 3  10.7.0.20" in our_answers[f"-n {PATH_OF}20"]
    assert "!P" in our_answers[f"-n {PATH_OF}10"] and "!X" in our_answers["-n 10.7.2.1"]
    assert "!N" in our_answers["-n 10.9.9.9"] and "!H" in our_answers["-n 10.7.1.1"]
