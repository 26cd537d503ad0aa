"""The node beside a real kernel: its ping and the kernel's, its services and Debian's curl and nc."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.ping import command
from node import Node
from services.chargen import ROWS
from tests import needs
from tests.patience import PATIENCE, eventually

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
NODE, KERNEL = "192.168.1.3", "192.168.1.1"


def bring_up() -> Node:
    with needs.lab():
        return Node(f"{NODE}/24", link="lab")


@pytest.fixture(scope="module")
def shared() -> Iterator[Node]:
    with bring_up() as made:
        yield made


@pytest.fixture
def node(shared: Node) -> Iterator[Node]:
    """A node without services."""
    yield shared
    shared.services.close()


def begin(node: Node, *words: str) -> subprocess.Popen[bytes]:
    """Start a program on the kernel's host."""
    needs.programs(words[0])
    assert node.lab is not None
    pipe = subprocess.PIPE
    return node.lab.popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)


def there(node: Node, *words: str, data: bytes = b"") -> tuple[int, str]:
    """Run a program on the kernel's host: its exit code and everything it said."""
    process = begin(node, *words)
    out, _ = process.communicate(data, timeout=PATIENCE)
    return process.returncode, out.decode()


def normal(text: str) -> str:
    """ping's output without what differs from run to run."""
    text = re.sub(r"time=[\d.]+ ms", "time=T ms", text)
    text = re.sub(r"= [\d.]+/[\d.]+/[\d.]+/[\d.]+ ms", "= T/T/T/T ms", text)
    text = re.sub(r"time \d+ms", "time T", text)
    text = re.sub(r"^\[\d+\.\d{6}\]", "[AT]", text, flags=re.MULTILINE)
    return re.sub(r"192\.168\.1\.\d+", "HOST", text)


@pytest.mark.parametrize(
    "options, ours, theirs",
    [
        ("-c 3 -i 0.2", KERNEL, NODE),
        ("-c 2 -i 0.2 -q", KERNEL, NODE),
        ("-c 2 -i 0.2 -D -n", KERNEL, NODE),
        ("-c 1 -s 8", KERNEL, NODE),
        ("-c 1 -s 1472", KERNEL, NODE),
        ("-c 2 -i 0.2 -W 0.3 -O", "192.168.1.77", "192.168.1.78"),
        ("-c 1 -W 5", "192.168.1.77", "192.168.1.78"),
        ("-w 1 -c 2 -i 0.3", KERNEL, NODE),
        ("-w 1 -c 9 -i 0.3", KERNEL, NODE),
        ("-c 1 -W 0 -w 0", KERNEL, NODE),
        ("-c 1", "0.0.0.0", "0.0.0.0"),
        ("-c 2", "10.10.10.10", "10.10.10.10"),
        ("-c 1", "192.168.1.255", "192.168.1.255"),
    ],
)
def test_our_ping_and_the_kernel_s_say_the_same(
    node: Node, options: str, ours: str, theirs: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each pings the other with the same options: the same words, the same exit code."""
    their_ping = begin(node, "ping", *options.split(), theirs)
    code = command(node, [*options.split(), ours])
    captured = capfd.readouterr()
    their_text = their_ping.communicate(timeout=PATIENCE)[0].decode()
    assert normal(captured.out + captured.err) == normal(their_text)
    assert code == their_ping.returncode


def test_curl_fetches_from_our_http(node: Node) -> None:
    node.services.start("http")
    code, text = there(node, "curl", "-sS", f"http://{NODE}/")
    assert code == 0 and "Hello from glasstack" in text and f"You are {KERNEL} port" in text
    expected = hashlib.sha256((ROWS * 1423)[:10_000_000]).hexdigest()
    code, text = there(node, "sh", "-c", f"curl -sS http://{NODE}/bytes/10000000 | sha256sum")
    assert (code, text.split()[0]) == (0, expected)
    code, text = there(node, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n",
                       f"http://{NODE}/bytes/5", "-o", "/dev/null", f"http://{NODE}/nothing")  # fmt: skip
    assert (code, text) == (0, "200 1\n404 0\n")
    code, text = there(node, "curl", "-sSI", f"http://{NODE}/bytes/77")
    assert code == 0 and text.startswith("HTTP/1.1 200 OK") and "Content-Length: 77" in text


def test_nc_talks_to_our_echo_over_tcp_and_udp(node: Node) -> None:
    node.services.start("echo")
    data = bytes(range(97, 123)) * 40_000
    code, text = there(node, "nc", "-N", NODE, "7", data=data)
    assert (code, text) == (0, data.decode())
    code, text = there(node, "sh", "-c", f"(echo over udp; sleep 0.5) | nc -u -w1 {NODE} 7")
    assert text == "over udp\n"


def test_nc_hears_that_a_port_is_closed(node: Node) -> None:
    code, text = there(node, "nc", "-v", "-w2", NODE, "7")
    assert code == 1 and "refused" in text


def test_a_hundred_of_nc_at_once(node: Node) -> None:
    node.services.start("echo")
    script = f"for i in $(seq 100); do (echo client $i | nc -N {NODE} 7) & done; wait"
    _, text = there(node, "sh", "-c", script)
    assert sorted(text.split("\n")) == sorted(["", *(f"client {i}" for i in range(1, 101))])


def test_the_kernel_s_services_are_ours_too(node: Node) -> None:
    with node.socket.create_connection((KERNEL, 7)) as sock:
        sock.sendall(b"to the kernel and back")
        assert sock.recv(100) == b"to the kernel and back"
    connection = http.client.HTTPConnection(KERNEL)
    connection.sock = node.socket.create_connection((KERNEL, 80))
    connection.request("GET", "/")
    assert f"You are {NODE} port" in connection.getresponse().read().decode()
    connection.close()


def test_what_was_sent_arrives_though_the_node_ends_at_once() -> None:
    node = bring_up()
    assert node.lab is not None
    listener = node.lab.popen(["sh", "-c", "nc -l 9999 | sha256sum"], stdout=subprocess.PIPE)
    data = bytes(range(251)) * 20_000
    for _ in range(50):
        try:
            sock = node.socket.create_connection((KERNEL, 9999))
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    sock.sendall(data)
    sock.close()
    node.end()  # all of the node but its lab, which shall have time to say what it got
    out, _ = listener.communicate(timeout=PATIENCE)
    assert out.split()[0].decode() == hashlib.sha256(data).hexdigest()
    node.close()


def test_nc_reads_what_our_chargen_says(node: Node) -> None:
    node.services.start("chargen")
    expected = hashlib.sha256((ROWS * 712)[:5_000_000]).hexdigest()
    _, text = there(node, "sh", "-c", f"nc -d {NODE} 19 | head -c 5000000 | sha256sum")
    assert text.split()[0] == expected
    assert node.ping(KERNEL, count=1, quiet=True)


def run(*words: str, stdin: str | None = None, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "node.py"), *words], input=stdin, capture_output=True, text=True, timeout=seconds
    )


def test_one_shot_ping_of_the_lab() -> None:
    done = run("192.168.1.3/24", "--link", "lab", "ping", "-c", "2", "-i", "0.2", KERNEL)
    needs.lab_in(done.stderr)
    assert done.returncode == 0
    assert "2 packets transmitted, 2 received, 0% packet loss" in done.stdout
    assert done.stderr == f"192.168.1.3/24 on lab: a Linux kernel of its own at {KERNEL}\n"


def test_serve_until_ctrl_c_and_everything_is_gone() -> None:
    program = subprocess.Popen(
        [sys.executable, str(ROOT / "node.py"), "--link", "lab", "serve", "echo", "discard"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert program.stdout is not None
    lines = [program.stdout.readline() for _ in range(2)]
    helpers = children(program.pid)
    if program.poll() is None:
        program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=PATIENCE)
    needs.lab_in(errors)
    assert [line.split(":")[0] for line in lines] == ["echo on 7/tcp 7/udp", "discard on 9/tcp 9/udp"]
    assert program.returncode == 130
    assert helpers and not any(Path(f"/proc/{pid}").exists() for pid in helpers)
    assert "Traceback" not in errors


def test_serve_ends_when_its_link_is_gone() -> None:
    """The kernel's side of a veth is deleted under it."""
    node = f"{sys.executable} {ROOT / 'node.py'} --link packet:near 10.9.0.2/24"
    script = f"""
        ip link set lo up && ip link add near type veth peer name far && ip link set near up && ip link set far up
        {{ {node} serve echo & }} && pid=$!
        while ! ip neigh show to 10.9.0.2 dev far | grep -q lladdr; do
            ip addr replace 10.9.0.1/24 dev far; ping -c 1 -W 1 10.9.0.2 >/dev/null || sleep 0.1
            kill -0 $pid || exit 9
        done
        ip link del far
        wait $pid
        echo "exit code $?"
    """
    unshare = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    done = subprocess.run([*unshare, "sh", "-c", script], capture_output=True, text=True, timeout=30)
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout.endswith("exit code 1\n"), done
    assert "near is gone: Network is down\n" in done.stderr and "echo: 0 clients" in done.stderr


def test_nothing_is_left_of_a_node_that_was_killed() -> None:
    program = subprocess.Popen(
        [sys.executable, str(ROOT / "node.py"), "--link", "lab", "serve", "echo"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert program.stdout is not None and program.stderr is not None
    if not program.stdout.readline():
        needs.lab_in(program.stderr.read())
    helpers = children(program.pid)
    program.kill()
    program.communicate(timeout=PATIENCE)
    assert helpers and eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in helpers))


def children(pid: int) -> list[int]:
    """The processes a process has started, and theirs."""
    try:
        found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return found + [grandchild for child in found for grandchild in children(child)]
