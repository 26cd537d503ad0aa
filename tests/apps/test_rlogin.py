"""rlogin: the session with scripted servers in virtual time, the terminal on a real one, raw and back."""

from __future__ import annotations

import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rlogin import RloginError, RloginResult, command, connect, rlogin
from apps.rlogin.session import Escapes, Refused, Session
from stack.wire.rlogin import COOKED, DISCARD, RAW, WINDOW, Hello, WindowSize, emit_hello, emit_size
from tests.apps.near import Near, two_hosts
from tests.shell.terminal import Terminal
from tests.streams import exactly, rest

ROOT = Path(__file__).parents[2]
HELLO = Hello("me", "you", "vt100", "9600")
LATER = 1.0  # seconds


@pytest.fixture
def near() -> Iterator[Near]:
    with two_hosts() as there:
        yield there


class Somebody:
    """A Keyboard: what is typed and done is said beforehand, with the time at which it is."""

    def __init__(self, near: Near, *doings: tuple[float, bytes | WindowSize | None]) -> None:
        self.is_over = False
        self.flows: list[bool] = []
        self._typed = b""
        self._size = WindowSize(24, 80)
        self._is_resized = False
        self._near = near
        for at, what in doings:
            near.world.spawn(self._do, at, what)

    def _do(self, at: float, what: bytes | WindowSize | None) -> None:
        """`what` is typed, a new size, or None for the end."""
        self._near.world.sleep(at)
        with self._near.engine:
            if what is None:
                self.is_over = True
            elif isinstance(what, bytes):
                self._typed += what
            else:
                self._size, self._is_resized = what, True

    def is_ready(self) -> bool:
        return bool(self._typed) or self._is_resized

    def take(self) -> bytes:
        typed, self._typed = self._typed, b""
        return typed

    def take_resized(self) -> bool:
        resized, self._is_resized = self._is_resized, False
        return resized

    def size(self) -> WindowSize:
        return self._size

    def set_flow(self, is_local: bool) -> None:
        self.flows.append(is_local)


Script = Callable[[Any, Near], object]


def serve(near: Near, script: Script) -> Any:
    """A server that lets `script(socket, near)` have one client; the task, whose `said` is what it returned."""

    def run() -> None:
        with near.far.create_server(("", 513)) as listener:
            sock, (_, port) = listener.accept()
            assert 512 <= port <= 1023
            with sock:
                run.said = script(sock, near)  # type: ignore[attr-defined]

    task = near.world.spawn(run)
    task.result = lambda: (task.join(), run.said)[1]  # type: ignore[attr-defined]
    return task


def hold(near: Near, script: Script, *doings: tuple[float, bytes | WindowSize | None]) -> tuple[Session, bytes, Any]:
    """A whole session: it, what was on the screen, what the script returned, and who sat there."""
    task = serve(near, script)
    shown: list[bytes] = []
    somebody = Somebody(near, *doings)
    with connect(near, "10.0.0.2", 513) as sock:
        session = Session(near, sock, somebody, shown.append)
        session.somebody = somebody  # type: ignore[attr-defined]
        session.greet(HELLO)
        session.run()
    return session, b"".join(shown), task.result()


def accept(sock: Any) -> None:
    words = emit_hello(HELLO)
    assert exactly(sock, len(words)) == words
    sock.sendall(b"\0")


# --- the session


def test_keys_go_there_and_output_comes_here(near: Near) -> None:
    def script(sock: Any, near: Near) -> bytes:
        accept(sock)
        sock.sendall(b"$ ")
        typed = exactly(sock, 3)
        sock.sendall(b"bye\r\n")
        return typed

    session, shown, typed = hold(near, script, (0.5, b"l"), (0.6, b"s\r"))
    assert (shown, typed) == (b"$ bye\r\n", b"ls\r")
    assert (session.received, session.sent, session.is_escaped) == (7, 3, False)


def test_the_window_size_is_told_when_asked_for_and_then_whenever_it_changes(near: Near) -> None:
    first, second = WindowSize(30, 100), WindowSize(50, 132, 7, 9)

    def script(sock: Any, near: Near) -> list[bytes]:
        accept(sock)
        near.world.sleep(LATER)
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(100)  # it was changed, but nobody wanted to know
        sock.setblocking(True)
        sock.send(bytes((WINDOW,)), near.far.MSG_OOB)
        return [exactly(sock, 12), exactly(sock, 12)]

    _, _, said = hold(near, script, (0.5, first), (2.0, second))
    assert said == [emit_size(first), emit_size(second)]


def test_what_came_before_the_mark_is_not_shown_when_it_is_to_be_discarded(near: Near) -> None:
    def script(sock: Any, near: Near) -> None:
        accept(sock)
        sock.sendall(b"old news")
        near.world.sleep(LATER)
        sock.sendall(b"0123456789" * 1000)
        sock.send(bytes((DISCARD | RAW,)), near.far.MSG_OOB)
        sock.sendall(b"new")

    session, shown, _ = hold(near, script)
    assert shown.startswith(b"old news") and shown.endswith(b"new") and len(shown) < 10_000
    assert session.somebody.flows == [False]  # type: ignore[attr-defined]


def test_flow_control_is_the_server_s_to_say(near: Near) -> None:
    def script(sock: Any, near: Near) -> None:
        accept(sock)
        for bits in (RAW, COOKED, RAW):
            sock.send(bytes((bits,)), near.far.MSG_OOB)
            near.world.sleep(0.1)

    session, shown, _ = hold(near, script)
    assert session.somebody.flows == [False, True, False]  # type: ignore[attr-defined]
    assert shown == b""


def test_the_end_of_what_is_typed_is_typed(near: Near) -> None:
    def script(sock: Any, near: Near) -> bytes:
        accept(sock)
        return exactly(sock, 5)

    assert hold(near, script, (0.5, b"ls\r\n"), (0.6, None))[2] == b"ls\r\n\x04"


def test_a_server_that_does_not_read_stops_the_keyboard(near: Near) -> None:
    def script(sock: Any, near: Near) -> int:
        accept(sock)
        near.world.sleep(10)
        return len(rest(sock))

    block = b"x" * 65536
    session, _, count = hold(near, script, *[(0.1 * n, block) for n in range(1, 8)], (20.0, b"\r~."))
    assert session.is_escaped and count == session.sent == 7 * len(block)


def test_a_connection_that_breaks_is_an_error(near: Near) -> None:
    def script(sock: Any, near: Near) -> None:
        accept(sock)
        sock.setsockopt(near.far.SOL_SOCKET, near.far.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with pytest.raises(ConnectionResetError):
        hold(near, script)


@pytest.mark.parametrize(
    "said, words",
    [
        (b"\1rlogind: Permission denied.\r\n", "rlogind: Permission denied."),
        (b"HTTP/1.1 400 Bad\x1b[31m\r\nrequest", "HTTP/1.1 400 Bad [31m  request"),
        (b"", "the server has closed the connection without a word"),
        (b"\1", "the server has closed the connection without a word"),
    ],
)
def test_a_server_that_refuses(near: Near, said: bytes, words: str) -> None:
    serve(near, lambda sock, near: (sock.recv(100), sock.sendall(said)))
    with connect(near, "10.0.0.2", 513) as sock:
        session = Session(near, sock, Somebody(near), print)
        with pytest.raises(Refused) as caught:
            session.greet(HELLO)
    assert str(caught.value) == words and not session.is_open


@pytest.mark.parametrize("after", [0.0, 1.0])
@pytest.mark.parametrize("said, words", [(b"\1go away", "go away"), (b"", "the server has closed the connection")])
def test_a_server_that_refuses_and_is_gone(near: Near, said: bytes, words: str, after: float) -> None:
    """It has left by the time that it is spoken to: with a reset, which must not hide what it said before."""

    def script(sock: Any, near: Near) -> None:
        sock.sendall(said)
        sock.shutdown(near.far.SHUT_WR)
        near.world.sleep(0.5)
        sock.setsockopt(near.far.SOL_SOCKET, near.far.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    serve(near, script)
    with connect(near, "10.0.0.2", 513) as sock:
        near.world.sleep(after)
        with pytest.raises(Refused, match=words):
            Session(near, sock, Somebody(near), print).greet(HELLO)


def test_the_next_port_is_taken_if_one_is_in_use(near: Near) -> None:
    with near.socket.create_server(("", 1023)):
        serve(near, lambda sock, near: sock.recv(1))
        with connect(near, "10.0.0.2", 513) as sock:
            assert sock.getsockname()[1] == 1022


def test_a_window_asked_for_twice_is_not_shown(near: Near) -> None:
    def script(sock: Any, near: Near) -> bytes:
        words = emit_hello(HELLO)
        assert exactly(sock, len(words)) == words
        sock.sendall(b"\0")
        sock.send(bytes((WINDOW,)), near.far.MSG_OOB)
        sock.send(bytes((WINDOW,)), near.far.MSG_OOB)
        sock.sendall(b"hello \x80")
        return exactly(sock, 12)

    assert hold(near, script)[1:] == (b"hello \x80", emit_size(WindowSize(24, 80)))


# --- escapes


@pytest.mark.parametrize(
    "typed, sent, is_end",
    [
        (b"~.", b"", True),
        (b"ls\r~.never", b"ls\r", True),
        (b"~~.", b"~.", False),
        (b"~x~.", b"~x~.", False),
        (b"a~.", b"a~.", False),
        (b"\n~~\r~", b"\n~\r", False),
        (b"~\r~.", b"~\r", True),
        (b"x\x03~.", b"x\x03", True),
    ],
)
def test_escapes(typed: bytes, sent: bytes, is_end: bool) -> None:
    assert Escapes().feed(typed) == (sent, is_end)
    one_by_one = Escapes()
    parts = [one_by_one.feed(bytes((byte,))) for byte in typed]
    ends = [end for _, end in parts]
    until = ends.index(True) + 1 if True in ends else len(ends)
    assert (b"".join(part for part, _ in parts[:until]), True in ends) == (sent, is_end)


@given(st.binary(max_size=30))
def test_without_a_tilde_everything_is_sent_as_it_is(data: bytes) -> None:
    data = data.replace(b"~", b"")
    assert Escapes().feed(data) == (data, False)


# --- the command


@pytest.mark.parametrize(
    "words, code, line",
    [
        ("", 2, "rlogin: which host?"),
        ("a b", 2, "rlogin: one host, please"),
        ("-Z a", 2, "rlogin: invalid option -- 'Z'"),
        ("-p x a", 2, "rlogin: -p: invalid argument: 'x'"),
    ],
)
def test_a_command_line_that_makes_no_sense(
    near: Near, words: str, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(near, words.split()) == code
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.splitlines()[0] == line
    assert command(near, ["-h"]) == 0 and capsys.readouterr().out.startswith("usage: rlogin ")


def test_hosts_that_are_not_there_and_calls_that_cannot_be(near: Near) -> None:
    with pytest.raises(RloginError, match=r"^nosuch\.invalid: Temporary failure in name resolution$"):
        connect(near, "nosuch.invalid", 513)
    with pytest.raises(RloginError, match=r"^10\.0\.0\.2: Connection refused$"):
        connect(near, "10.0.0.2", 513)
    with pytest.raises(RloginError, match=r"^10\.0\.0\.9: No route to host$"):
        connect(near, "10.0.0.9", 513)
    with pytest.raises(ValueError, match=r"^a port is a number from 1 to 65535, not 0$"):
        rlogin("10.0.0.2", port=0, node=near)
    with pytest.raises(ValueError, match=r"^there is no terminal in virtual time$"):
        rlogin("10.0.0.2", node=near)
    assert repr(RloginResult("a", "me", 1000, 7)) == "<rlogin me@a: 1,000 bytes received, 7 sent>"


# --- the terminal

PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from node import Node
with Node("192.168.1.3/24", link="sim", acd_probe_num=0) as node:
    node.services.start("login", setting={setting!r})
    try:
        print(node.rlogin("192.168.1.3", user="visitor"))
    except OSError as e:
        print(e)
    except KeyboardInterrupt:
        print("interrupted")
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Terminal]]:
    """A program on a terminal of its own that logs in to a command of its own."""
    terminals: list[Terminal] = []

    def begin(command: str) -> Terminal:
        code = PROGRAM.format(root=str(ROOT), setting=f"{command} from 192.168.1.0/24")
        terminals.append(Terminal([sys.executable, "-c", code], columns=77, rows=21))
        return terminals[-1]

    yield begin
    for terminal in terminals:
        terminal.close()


def is_raw(terminal: Terminal) -> bool:
    local = termios.tcgetattr(terminal.fd)[3]
    return not local & (termios.ICANON | termios.ECHO | termios.ISIG)


def test_the_terminal_is_raw_meanwhile_and_as_it_was_afterwards(start: Any) -> None:
    terminal = start("sh -c 'echo ready; while read x; do echo got $x; done'")
    before = termios.tcgetattr(terminal.fd)
    terminal.expect("^ready$")
    assert is_raw(terminal)
    terminal.type("hello\r")
    terminal.expect("^got hello$")
    terminal.type("\x04")
    terminal.expect("^done$")
    assert termios.tcgetattr(terminal.fd) == before
    assert "<rlogin visitor@192.168.1.3: " in terminal.text() and "rlogin: connection closed" in terminal.text()


def test_ctrl_c_is_the_other_side_s_and_the_escape_is_ours(start: Any) -> None:
    terminal = start("sh -c 'trap \"echo ouch\" INT; echo ready; while :; do sleep 0.05; done'")
    before = termios.tcgetattr(terminal.fd)
    terminal.expect("^ready$")
    terminal.type("\x03")
    terminal.expect("ouch$")
    terminal.type("\r~.")
    terminal.expect("^done$")
    assert termios.tcgetattr(terminal.fd) == before


def test_a_new_size_of_the_window_goes_there(start: Any) -> None:
    terminal = start("sh -c 'trap \"stty size\" WINCH; stty size; while :; do sleep 0.05; done'")
    terminal.expect("^21 77$")
    termios.tcsetwinsize(terminal.fd, (33, 66))
    terminal.expect("^33 66$")


@pytest.mark.parametrize("number, code", [(signal.SIGINT, None), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_from_outside_gives_the_terminal_back(start: Any, number: int, code: int | None) -> None:
    terminal = start("sh -c 'echo ready; sleep 60'")
    before = termios.tcgetattr(terminal.fd)
    terminal.expect("^ready$")
    terminal.process.send_signal(number)
    if code is None:
        terminal.expect("^interrupted$")
    else:
        assert terminal.wait() == code
    assert termios.tcgetattr(terminal.fd) == before


def test_at_the_prompt_and_back(tmp_path: Path) -> None:
    argv = [sys.executable, str(ROOT / "node.py"), "-q", "--link", "sim", "--set", "acd_probe_num=0"]
    terminal = Terminal(argv, {"XDG_STATE_HOME": str(tmp_path)}, columns=100, rows=40)
    try:
        said = "".join(terminal.ask("services.start('login', setting='sh -c \"echo ready; cat\" from 192.168.1.0/24')"))
        assert "login exposes sh -c 'echo ready; cat', run as " in said
        assert " from 192.168.1.0/24: nobody is asked for a password" in said
        for line in ("rlogin 192.168.1.3", "rlogin('192.168.1.3')"):
            terminal.enter(line)
            terminal.expect("^ready$")
            assert is_raw(terminal)
            terminal.type("between\r")
            terminal.expect("^between\nbetween$")
            terminal.type("\x04")
            terminal.until(terminal.is_waiting)
            assert terminal.ask("6 * 7") == ["42"]
            terminal.screen.feed("\x1b[2J\x1b[H")
    finally:
        terminal.close()


def test_what_is_piped_in_is_typed() -> None:
    """Standard input need not be a terminal."""
    code = PROGRAM.format(root=str(ROOT), setting="sh from 192.168.1.0/24")
    done = subprocess.run([sys.executable, "-c", code], input="echo $((6 * 7))\n", capture_output=True, text=True)
    assert "42\n" in done.stdout and "bytes received" in done.stdout and done.stdout.endswith("done\n")
    assert done.stderr == "rlogin: connection closed\n"
