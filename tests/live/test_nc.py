"""Our nc beside Debian's on the same targets, and the one talking to the other: bytes, words and exit codes."""

from __future__ import annotations

import functools
import hashlib
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.nc import command, nc
from tests.live.web import KERNEL, NODE, TEN, Web
from tests.patience import PATIENCE, eventually

pytestmark = pytest.mark.live

# What the kernel's host runs besides echo: 1001 says hello, 1002 listens to the end, 1003 resets, 1004 answers at the
# end, and UDP's 1005 takes everything.
TARGETS = f"""
import contextlib, socket, struct, threading, time
def serve(port, talk):
    listener = socket.create_server(({KERNEL!r}, port))
    def run():
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=hold, args=(talk, sock), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
def hold(talk, sock):
    with sock, contextlib.suppress(OSError):  # whoever scans has gone before he is spoken to
        talk(sock)
def rest(sock):
    return b"".join(iter(lambda: sock.recv(65536), b""))
def tell(sock):
    sock.sendall(b"hello\\n\\xff\\0")
    sock.shutdown(socket.SHUT_WR)
    rest(sock)
def reset(sock):
    sock.sendall(b"one")
    time.sleep(0.1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
def answer(sock):
    sock.sendall(rest(sock).upper())
for port, talk in ((1001, tell), (1002, rest), (1003, reset), (1004, answer)):
    serve(port, talk)
sink = socket.socket(type=socket.SOCK_DGRAM)
sink.bind(({KERNEL!r}, 1005))
print("ready", flush=True)
input()
"""
SAID = b"some words\nand more\n"
CASES = [
    *("{} 1001", "-v {} 1001", "-vn {} 1001", "-N {} 1001", "-d {} 1001", "-d {} 1003", "-v {} 1003", "-q0 {} 1003"),
    *("-N {} 1002", "-vN {} 1004", "-q0 {} 1004", "-CN {} 1004", "-4bN {} 1004", "-w1 {} 1002", "-q1 {} 1002"),
    *("-w0 {} 1004", "-N -w5 {} 1004", "-N {} 1001 1004", "-vN {} 1000-1001", "-p 999 -N {} 1004"),
    *("-z {} 1001", "-z {} 1000", "-vz {} 1000-1004", "-vz {} 1001 1000", "-vnz {} 7", "-vz {} 7", "-vz {} echo"),
    *("-vzw3 {} 7-9", "-vz {} 1002-1001", "-z {} 999-1000"),
    *("-u -w3 {} 7", "-u -q0 {} 1005", "-u {} 9", "-vzu -w2 {} 7", "-vzu -w2 {} 9", "-zu {} 9"),
    *("-v 10.9.9.9 7", "-z 10.9.9.9 7", "-vu 10.9.9.9 7", "-vz 192.168.257 7", "-vz 192.168.1.255 7"),
    *("nosuch.invalid 7", "-n localhost 7", "-v -s 10.9.9.9 {} 7", "-s nosuch.invalid {} 7", "-l 10.9.9.9 7"),
    *("-l -n localhost 7", "-k {} 7", "-zl 7", "{}", "-l", "{} 0", "{} 65536", "{} 7-", "{} 7-x"),
    *("{} x-7", "{} ''", "{} nosuch", "-z {} 7-70000", "-w x {} 7", "-w -1 {} 7", "-w 99999999999 {} 7", "-w '' {} 7"),
    *("-w 1.5 {} 7", "-q x {} 7", "-q 99999999999 {} 7", "-Q {} 7", "-w", "-l -k -z 7"),
]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    made = Web(tmp_path_factory.mktemp("nc"))
    try:
        targets = made.popen(sys.executable, "-c", TARGETS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert targets.stdout is not None and targets.stdout.readline() == b"ready\n"
        targets.stdout.close()
        (made.files / "said").write_bytes(SAID)
        (made.files / "said").chmod(0o644)
        yield made
    finally:
        made.close()


def words(case: str) -> list[str]:
    return shlex.split(case.replace("{}", KERNEL))


def normal(text: str) -> str:
    """Without the options there are, which are not the same."""
    return re.sub(r"\n*usage: .*", "", text, flags=re.DOTALL).strip()


def test_the_same_bytes_words_and_exit_codes_as_debian_s(
    host: Web, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    said = host.files / "said"
    cases = {case: ["sh", "-c", f"exec timeout 20 nc {shlex.join(words(case))} <{said}"] for case in CASES}
    ours = {}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(host.there, cases)
        for case in CASES:
            with said.open() as stdin:
                monkeypatch.setattr("sys.stdin", stdin)
                code = command(host.node, words(case))
            ours[case] = (code, *capfd.readouterr())
        theirs = waiting.result()
    assert len(theirs) == len(CASES) > 60
    for case, (code, out, err) in ours.items():
        done = theirs[case]
        assert (code, out, normal(err)) == (done.code, done.out.decode(errors="replace"), normal(done.err)), case


# --- the one and the other


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_ten_megabytes_each_way_whoever_listens(
    host: Web, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    ten = host.site / "ten.bin"
    theirs = host.popen("sh", "-c", f"until nc -N {NODE} 4711 <{ten} >{host.files}/out; do sleep 0.05; done")
    with ten.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert command(host.node, ["-N", "-l", "4711"]) == 0
    assert theirs.wait(PATIENCE) == 0
    assert [digest(capfdbinary.readouterr().out), digest((host.files / "out").read_bytes())] == [digest(TEN)] * 2

    theirs = host.popen("sh", "-c", f"nc -N -l 4712 <{ten} >{host.files}/out")
    with ten.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert eventually(lambda: command(host.node, ["-N", KERNEL, "4712"]) == 0)
    assert theirs.wait(PATIENCE) == 0
    assert [digest(capfdbinary.readouterr().out), digest((host.files / "out").read_bytes())] == [digest(TEN)] * 2


def test_datagrams_each_way_whoever_listens(host: Web, capfd: pytest.CaptureFixture[str]) -> None:
    theirs = host.popen("sh", "-c", f"(sleep 0.3; echo hello) | nc -u -w1 {NODE} 4713 >{host.files}/out")
    result = nc(port=4713, listen=True, udp=True, data=b"hi\n", wait=0.5, node=host.node)
    assert theirs.wait(PATIENCE) == 0
    assert (result.received, (host.files / "out").read_bytes()) == (b"hello\n", b"hi\n")
    assert [address for address, _ in result.peers] == [KERNEL]

    theirs = host.popen(
        "sh", "-c", f"echo hi | exec timeout 20 nc -vnul 4714 >{host.files}/out", stderr=subprocess.PIPE
    )
    assert theirs.stderr is not None and theirs.stderr.readline() == b"Bound on 0.0.0.0 4714\n"
    result = nc(KERNEL, 4714, udp=True, data=b"hello\n", wait=0.5, node=host.node)
    assert result.received == b"hi\n"
    assert re.match(rb"Connection received on 192.168.1.3 \d+\n", theirs.stderr.readline())
    theirs.stderr.close()
    assert eventually(lambda: (host.files / "out").read_bytes() == b"hello\n")


def test_several_clients_one_after_the_other(
    host: Web, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = f"""
        until nc -z {NODE} 4715; do sleep 0.05; done
        nc -vzn {NODE} 4715-4716 2>{host.files}/scan
        for name in a b c; do echo $name | nc -N {NODE} 4715; done
    """
    theirs = host.popen("sh", "-c", script)

    def press() -> None:
        theirs.wait(PATIENCE)
        eventually(lambda: heard() == "a\nb\nc\n")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    shown: list[str] = []

    def heard() -> str:
        shown.append(capfd.readouterr().out)
        return "".join(shown)

    threading.Thread(target=press).start()
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(KeyboardInterrupt):
        command(host.node, ["-lk", "4715"])
    assert "".join(shown) == "a\nb\nc\n"
    assert (host.files / "scan").read_text() == (
        f"Connection to {NODE} 4715 port [tcp/*] succeeded!\n"
        f"nc: connect to {NODE} port 4716 (tcp) failed: Connection refused\n"
    )

    kept = host.popen("sh", "-c", f"exec nc -lk 4717 >{host.files}/out </dev/null")
    for data in (b"a", b"b", b"c"):
        assert eventually(functools.partial(nc, KERNEL, 4717, data=data, node=host.node))
    assert eventually(lambda: (host.files / "out").read_bytes() == b"abc")
    assert kept.poll() is None
