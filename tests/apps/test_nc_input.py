"""nc's standard input in real time: pipes, terminals and files, and what is left of them; Ctrl-C and Ctrl-D."""

from __future__ import annotations

import hashlib
import io
import os
import pty
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from apps.nc import command
from apps.nc.source import Source, Typed, standard_input
from stack.engine import Engine
from stack.resolver import Resolver
from stack.socket import SocketModule
from tests.hosts import Pair
from tests.patience import PATIENCE
from tests.shell.terminal import Terminal

ROOT = Path(__file__).parents[2]
NODE = [sys.executable, str(ROOT / "node.py"), "-q", "--link", "sim", "--set", "acd_probe_num=0"]
TEN = random.Random(8).randbytes(10_000_000)


class Near(NamedTuple):
    """10.0.0.1 as an app sees a node; of 10.0.0.2's, TCP's port 7 echoes, 13 says hello, and UDP's 7 is `sink`."""

    engine: Engine
    socket: SocketModule
    resolver: Resolver
    sink: Any


@pytest.fixture(scope="module")
def near() -> Iterator[Near]:
    with Pair() as pair:
        sink = pair.b.socket(type=pair.b.SOCK_DGRAM)
        sink.bind(("", 7))
        sink.settimeout(PATIENCE)
        for port, talk in ((7, echo), (13, tell)):
            pair.engines[1].spawn(serve, pair.b.create_server(("", port)), talk, name="serve")
        yield Near(pair.engines[0], pair.a, Resolver(pair.a), sink)


def serve(listener: Any, talk: Callable[[Any], object]) -> None:
    with suppress(OSError):  # the node is closed at the end
        while True:
            with listener.accept()[0] as sock:
                talk(sock)


def echo(sock: Any) -> None:
    while data := sock.recv(1 << 18):
        sock.sendall(data)


def tell(sock: Any) -> None:
    sock.sendall(b"hello\n")


def next_of(near: Near, source: Source) -> bytes:
    source.begin()
    with near.engine as engine:
        assert engine.wait(source.is_ready, PATIENCE)
    return source.take()


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The writing end of what is standard input."""
    reading, writing = os.pipe()
    with open(reading) as stdin, open(writing, "wb", buffering=0) as end:
        monkeypatch.setattr("sys.stdin", stdin)
        yield end


def test_what_is_piped_goes_there_and_comes_back(
    near: Near, pipe: Any, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    threading.Thread(target=lambda: (pipe.write(TEN), pipe.close())).start()
    assert command(near, ["-N", "10.0.0.2", "7"]) == 0
    said = capfdbinary.readouterr()
    assert (hashlib.sha256(said.out).digest(), said.err) == (hashlib.sha256(TEN).digest(), b"")


def test_a_conversation_leaves_no_thread_and_no_descriptor(near: Near, pipe: Any) -> None:
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(3):
        assert command(near, ["-w1", "10.0.0.2", "9"]) == 1
        assert command(near, ["-q0", "-w0", "10.0.0.2", "7"]) == 0
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_what_was_not_taken_is_left_to_whoever_reads_next(near: Near, pipe: Any) -> None:
    pipe.write(b"x" * 60_000)
    for _ in range(10):
        source = Typed(near, sys.stdin.fileno(), 100)
        assert next_of(near, source) == b"x" * 100
        with near.engine as engine:
            assert engine.wait(source.is_ready, PATIENCE)
        source.close()
    assert len(os.read(sys.stdin.fileno(), 1 << 17)) == 60_000 - 10 * 200


def test_nothing_is_taken_as_long_as_there_is_nobody_to_be_told(near: Near, pipe: Any) -> None:
    pipe.write(b"x" * 100)
    assert command(near, ["10.0.0.2", "9"]) == 1
    assert command(near, ["-z", "10.0.0.2", "7"]) == 0
    assert command(near, ["-d", "10.0.0.2", "13"]) == 0
    assert os.read(sys.stdin.fileno(), 1000) == b"x" * 100


def test_what_is_piped_over_udp_is_cut_into_datagrams(near: Near, pipe: Any) -> None:
    pipe.write(b"x" * 3000)
    pipe.close()
    assert command(near, ["-u", "-q0", "10.0.0.2", "7"]) == 0
    assert [len(near.sink.recv(65536)) for _ in range(3)] == [1472, 1472, 56]


def test_the_end_of_a_pipe_and_of_a_terminal(near: Near, pipe: Any) -> None:
    source = Typed(near, sys.stdin.fileno())
    pipe.write(b"last words")
    pipe.close()
    assert not source.is_terminal
    assert [next_of(near, source) for _ in range(3)] == [b"last words", b"", b""]
    source.close()
    controlling, terminal = pty.openpty()
    source = Typed(near, terminal)
    os.write(controlling, b"typed\n\x04")
    assert source.is_terminal and next_of(near, source) == b"typed\n"
    assert next_of(near, source) == b""
    source.close()
    source = Typed(near, terminal)
    os.close(controlling)
    assert next_of(near, source) == b""  # it hung up
    source.close()
    os.close(terminal)


def test_a_program_without_standard_input_has_come_to_its_end(near: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin in (None, io.StringIO("text")):
        monkeypatch.setattr("sys.stdin", stdin)
        assert standard_input(near).take() == b""
    with open(os.devnull) as closed:
        monkeypatch.setattr("sys.stdin", closed)
    assert standard_input(near).take() == b""


# --- a person at a terminal


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    home = {"XDG_STATE_HOME": str(tmp_path_factory.mktemp("state"))}
    terminal = Terminal(NODE, home, columns=100, rows=60)
    try:
        terminal.until(terminal.is_waiting)
        yield terminal
    finally:
        terminal.close()


def test_ctrl_d_ends_what_is_typed_and_the_prompt_is_back(prompt: Terminal) -> None:
    prompt.enter("nc('192.168.1.1', 7)")
    prompt.expect("^Connection to 192.168.1.1 7 port .tcp/echo. succeeded!$")
    prompt.enter("hällo")
    prompt.expect("^hällo\nhällo$")
    prompt.type("\x04")
    assert prompt.ask("_") == ["<nc 192.168.1.1 7: 7 bytes sent, 7 received>"]


def test_ctrl_c_ends_the_conversation_and_not_the_session(prompt: Terminal) -> None:
    prompt.enter("x = nc('192.168.1.1', 7, numeric=True)")
    prompt.expect(r"^Connection to 192.168.1.1 7 port .tcp/\*. succeeded!$")
    prompt.enter("one more")
    prompt.expect("^one more\none more$")
    prompt.type("\x03")
    assert prompt.ask("x") == ["<nc 192.168.1.1 7: 9 bytes sent, 9 received>"]
    prompt.enter("x = nc(port=4711, listen=True)")
    prompt.expect("^Listening on 0.0.0.0 4711$")
    prompt.type("\x03")
    assert prompt.ask("x.is_interrupted, bool(x), x") == ["(True, False, <nc nobody: 0 bytes sent, 0 received>)"]


def test_what_goes_wrong_at_the_prompt_is_one_line(prompt: Terminal) -> None:
    refused = "nc: connect to 192.168.1.1 port 9 ({}) failed: Connection refused"
    assert prompt.ask("nc('192.168.1.1', 9)") == [refused.format("tcp")]
    assert prompt.ask("nc('192.168.1.1', 9, udp=True, scan=True)") == [refused.format("udp")]
    prompt.enter("nc('192.168.1.1', 9, udp=True)")
    prompt.expect("^Connection to 192.168.1.1 9 port .udp/.* succeeded!$")
    prompt.enter("anybody?")
    prompt.expect("^nc: Connection refused$")
    assert prompt.ask("nc('192.168.1.1')") == ["NcError: missing port number"]
    assert prompt.ask("nc('192.168.1.1', 9, data=b'')") == ["<nc 192.168.1.1: Connection refused>"]


# --- as a program


def start(*words: str, **options: Any) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*NODE, "nc", *words], **{**pipes, **options})


def test_ctrl_c_and_an_output_that_nobody_reads() -> None:
    listening = start("-vn", "-l", "4711")
    talking = start("192.168.1.1", "7")
    assert listening.stderr is not None and talking.stdin is not None and talking.stdout is not None
    assert listening.stderr.readline() == b"Listening on 0.0.0.0 4711\n"
    listening.send_signal(signal.SIGINT)
    talking.stdin.write(b"one\n")
    talking.stdin.flush()
    assert talking.stdout.readline() == b"one\n"
    talking.stdout.close()
    talking.stdin.write(b"two\n")
    talking.stdin.flush()
    assert listening.wait(PATIENCE) == 130 and talking.wait(PATIENCE) == -signal.SIGPIPE
    assert listening.stderr.read() == b"" and talking.stderr is not None and talking.stderr.read() == b""
    for program in (listening, talking):
        for file in (program.stdin, program.stdout, program.stderr):
            assert file is not None
            file.close()
