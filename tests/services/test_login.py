"""The login service on our own sockets in real time, and everything that it refuses."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import Services
from services.login import TYPED, parse_setting
from services.service import RECEIVE
from stack.sim import World
from stack.socket import SocketModule
from stack.wire import rlogin
from stack.wire.rlogin import Hello, WindowSize, emit_hello, emit_size
from tests.hosts import Pair
from tests.patience import PATIENCE, eventually
from tests.streams import rest, until

HELLO = emit_hello(Hello("me", "you", "vt100", "9600"))


class Lan:
    """Services at 10.0.0.2, and somebody with a socket at 10.0.0.1."""

    def __init__(self, pair: Pair, ports: Iterator[int]) -> None:
        self.socket = pair.a
        self.engine = pair.engines[0]
        self.services = Services(pair.b, pair.b.selectors, pair.engines[1].spawn)
        self.ports = ports
        self.opened: list[Any] = []

    def connect(self, local: int | None = None) -> Any:
        """From a privileged port that was not used before."""
        sock = self.socket.socket()
        self.opened.append(sock)
        sock.settimeout(PATIENCE)
        sock.setsockopt(self.socket.SOL_SOCKET, self.socket.SO_RCVBUF, 65536)
        sock.bind(("", next(self.ports) if local is None else local))
        sock.connect(("10.0.0.2", 513))
        return sock

    def log_in(self, hello: bytes = HELLO) -> Any:
        """A session, with its window size asked for."""
        sock = self.connect()
        sock.sendall(hello)
        assert sock.recv(1) == b"\0"
        assert self.urgent(sock) & rlogin.WINDOW
        return sock

    def urgent(self, sock: Any) -> int:
        with self.engine as engine:
            assert engine.wait(sock.exceptional, PATIENCE)
        data: bytes = sock.recv(1, self.socket.MSG_OOB)
        return data[0]

    def start(self, command: str, who: str = "10.0.0.0/24") -> Any:
        return self.services.start("login", setting=f"{command} from {who}")

    def close(self) -> None:
        for sock in self.opened:
            sock.close()
        faults = [service.loop.last_fault for service in self.services]
        self.services.close()
        assert not any(faults), faults


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Pair, Iterator[int]]]:
    """Two hosts, and privileged ports that were not used before."""
    with Pair() as made:
        yield made, iter(range(1023, 512, -1))


@pytest.fixture
def lan(pair: tuple[Pair, Iterator[int]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Lan]:
    monkeypatch.setattr("services.login.GRACE", 0.1)
    made = Lan(*pair)
    yield made
    made.close()


def is_gone(pid: int) -> bool:
    """Ended and reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# --- a session


def test_a_command_has_a_terminal_and_a_session_of_its_own(lan: Lan) -> None:
    service = lan.start("sh -c 'tty; ps -o sid= -p $$; echo $$ $TERM $REMOTEHOST $REMOTEUSER; exit 7'")
    lines = rest(lan.log_in()).decode().split("\r\n")
    assert lines[0].startswith("/dev/pts/") and lines[0] != "/dev/tty"
    pid = int(lines[2].split()[0])
    assert int(lines[1]) == pid != os.getsid(0)
    assert lines[2].split()[1:] == ["vt100", "10.0.0.1", "me"]
    assert eventually(lambda: is_gone(pid) and not service.clients)
    assert service.counts().startswith("0 clients, 1 served, ")


def test_what_is_typed_goes_in_and_what_is_written_comes_back(lan: Lan) -> None:
    lan.start("cat")
    sock = lan.log_in()
    sock.sendall(b"hello\r")
    assert until(sock, b"hello\r\nhello\r\n")  # once by the terminal, once by cat
    sock.sendall(b"\x04")
    assert rest(sock) == b""


def test_the_window_size_is_the_client_s_and_follows_it(lan: Lan) -> None:
    lan.start("""sh -c 'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done'""")
    sock = lan.log_in()
    until(sock, b"ready")
    for size in (WindowSize(50, 132), WindowSize(24, 80)):
        message = emit_size(size)
        sock.sendall(message[:5])
        sock.sendall(message[5:])
        until(sock, b"%d %d\r\n" % size[:2])
    (client,) = lan.services._runs["login", 513].service.clients
    assert eventually(lambda: not client.pending)


def test_raw_and_cooked_are_told_with_urgency(lan: Lan) -> None:
    lan.start("sh -c 'read x; stty raw; read x; stty cooked; read x'")
    sock = lan.log_in()
    sock.sendall(b"\r")
    assert lan.urgent(sock) & (rlogin.RAW | rlogin.COOKED) == rlogin.RAW
    sock.sendall(b"\n")
    assert lan.urgent(sock) & (rlogin.RAW | rlogin.COOKED) == rlogin.COOKED


def test_a_window_s_size_is_asked_for_until_it_is_told(lan: Lan) -> None:
    """A client holds one urgent byte: the next overtakes one that it has not read."""
    lan.start("sh -c 'read x; stty raw; read x; stty cooked; read x'")
    sock = lan.log_in()
    sock.sendall(b"\r")
    assert lan.urgent(sock) == rlogin.WINDOW | rlogin.RAW
    sock.sendall(emit_size(WindowSize(24, 80, 0, 0)) + b"\n")
    assert lan.urgent(sock) == rlogin.COOKED


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_command_heeds_what_the_service_ignores(lan: Lan, number: signal.Signals, tmp_path: Path) -> None:
    """As under nohup, or begun with `&` by a script."""
    command = tmp_path / "a=b"  # env(1) would take it for a variable
    command.write_text(f"#!/bin/sh\necho begun; kill -{number} $$; echo it goes on\n")
    command.chmod(0o755)
    lan.start(str(command))
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert rest(lan.log_in()) == b"begun\r\n"
    finally:
        signal.signal(number, before)


def test_an_interrupt_throws_the_output_away(lan: Lan) -> None:
    """Ctrl-C with output waiting: the client is told to discard what came before the mark."""
    lan.start("sh -c 'trap \"exec echo stopped\" INT; while :; do echo 0123456789; done'")
    sock = lan.log_in()
    until(sock, b"0123456789")
    sock.sendall(b"\x03")
    assert lan.urgent(sock) & rlogin.DISCARD
    assert b"stopped" in rest(sock)


# --- backpressure


def test_a_client_that_does_not_read_stops_the_command_and_not_the_others(lan: Lan) -> None:
    service = lan.start("sh -c 'yes 0123456789012345678901234567890123456789'")
    sock = lan.log_in()
    (client,) = service.clients
    def is_still() -> bool:
        before = service.bytes_out
        time.sleep(0.1)
        return bool(service.bytes_out == before)

    assert eventually(is_still)
    assert 0 < len(client.pending) <= RECEIVE
    other = lan.log_in()
    until(other, b"0123456789")
    sock.sendall(b"\x03")
    assert len(rest(sock)) > RECEIVE


def test_a_command_that_does_not_read_stops_the_client(lan: Lan) -> None:
    service = lan.start("sh -c 'stty raw -echo; echo ready; sleep 60'")
    sock = lan.log_in()
    until(sock, b"ready")
    sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        while True:
            sock.sendall(bytes(1 << 20))
    (client,) = service.clients
    assert TYPED <= len(client._typed) < TYPED + RECEIVE


# --- the end


@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_the_command_ends_with_the_connection(lan: Lan, how: str) -> None:
    service = lan.start("sh -c 'echo $$; trap : HUP; while :; do sleep 0.05; done'")  # it does not care for SIGHUP
    sock = lan.log_in()
    pid = int(until(sock, b"\r\n"))
    if how == "half":
        sock.shutdown(lan.socket.SHUT_WR)
    else:
        if how == "reset":
            sock.setsockopt(lan.socket.SOL_SOCKET, lan.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    assert eventually(lambda: not service.clients and is_gone(pid))


def test_stopping_the_service_ends_every_command(lan: Lan) -> None:
    lan.start("sh -c 'echo $$; trap : HUP; while :; do sleep 0.05; done'")
    pids = [int(until(lan.log_in(), b"\r\n")) for _ in range(3)]
    lan.services.stop("login")
    assert all(map(is_gone, pids))


def test_who_stays_in_the_background_does_not_keep_the_session(lan: Lan) -> None:
    service = lan.start("sh -c 'trap \"\" HUP; sleep 60 & echo $!; exit 0'")
    sock = lan.log_in()
    pid = int(rest(sock).split()[0])
    assert eventually(lambda: not service.clients)
    os.kill(pid, signal.SIGKILL)


def test_the_last_words_arrive_all_of_them(lan: Lan) -> None:
    lan.start("sh -c 'stty raw; head -c 300000 /dev/zero; echo end'")
    assert rest(lan.log_in()) == bytes(300_000) + b"end\n"


# --- who may not


def test_strangers_get_nothing(lan: Lan) -> None:
    service = lan.start("/bin/sh", "10.0.0.7,10.1.0.0/16")
    sock = lan.connect()
    assert rest(sock) == b""
    assert service.refused == 1 and service.counts().endswith("1 refused, 0 bytes in, 0 out")


def test_a_port_that_anybody_may_have_is_refused(lan: Lan) -> None:
    lan.start("/bin/sh")
    for port in (511, 1024, 40_000):
        assert rest(lan.connect(port)) == b"\1login: a client has a port from 512 to 1023\r\n"
    assert lan.connect(512).send(HELLO)


@pytest.mark.parametrize(
    "hello, line",
    [
        (b"GET / HTTP/1.0\r\n", b"an rlogin client begins with a NUL"),
        (b"\0" + b"x" * 2000, b"the first words have more than 1024 bytes"),
        (emit_hello(Hello("me", "-froot", "vt100", "9600")), b"that is no user's name"),
        (emit_hello(Hello("me\n", "you", "vt100", "9600")), b"that is no user's name"),
        (emit_hello(Hello("me", "../you", "vt100", "9600")), b"that is no user's name"),
    ],
)
def test_words_that_make_no_sense(lan: Lan, hello: bytes, line: bytes) -> None:
    service = lan.start("/bin/sh")
    sock = lan.connect()
    sock.sendall(hello)
    assert rest(sock) == b"\1login: " + line + b"\r\n"
    assert eventually(lambda: not service.clients)


def test_a_terminal_that_makes_no_sense_is_dumb_and_names_are_words(lan: Lan) -> None:
    lan.start("echo %u at %h %u;")
    sock = lan.log_in(emit_hello(Hello("me", "you", "$(reboot)", "")))
    assert rest(sock) == b"you at 10.0.0.1 %u;\r\n"
    lan.services.stop("login")
    lan.start("sh -c 'echo $TERM'")
    assert rest(lan.log_in(emit_hello(Hello("me", "you", "$(reboot)", "")))) == b"dumb\r\n"


def test_who_says_nothing_is_sent_away(lan: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.login.HELLO_TIME", 0.2)
    lan.start("/bin/sh")
    sock = lan.connect()
    sock.sendall(HELLO[:-1])
    assert rest(sock) == b""


def test_more_sessions_than_there_may_be(lan: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.login.MAX_SESSIONS", 1)
    lan.start("cat")
    lan.log_in()
    assert rest(lan.connect()) == b"\1login: too many sessions\r\n"


# --- its setting


def test_it_says_what_it_exposes_to_whom(lan: Lan) -> None:
    told: list[str] = []
    lan.services.tell = told.append
    lan.start("cat -u", "10.0.0.0/24,10.7.0.9")
    user = re.escape(str(told).split("run as ")[1].split(" ")[0])
    assert re.fullmatch(
        rf"login exposes cat -u, run as {user} on this machine, to whoever comes from 10\.0\.0\.0/24, 10\.7\.0\.9/32: "
        "nobody is asked for a password",
        told[0],
    )


@pytest.mark.parametrize(
    "setting, argv, networks, address",
    [
        ("/bin/sh from 10.0.0.0/8", ("/bin/sh",), ((b"\x0a\0\0\0", 8),), ""),
        ("sh -c 'echo a from b' from 10.0.0.7", ("sh", "-c", "echo a from b"), ((b"\x0a\0\0\7", 32),), ""),
        ("sh from anywhere on 10.0.0.2", ("sh",), ((bytes(4), 0),), "10.0.0.2"),
        (" sh  from 10.0.0.7 , 10.1.0.0/16  on  10.0.0.2 ", ("sh",), ((b"\x0a\0\0\7", 32), (b"\x0a\1\0\0", 16)),
         "10.0.0.2"),
    ],
)  # fmt: skip
def test_settings(setting: str, argv: Any, networks: Any, address: str) -> None:
    assert parse_setting(setting) == (argv, networks, address)


NEEDED = "login: say which command to run and for whom: login='/bin/sh from 192.168.1.0/24'"


@pytest.mark.parametrize(
    "setting, fault",
    [
        ("", NEEDED),
        ("/bin/sh", NEEDED),
        (" from 10.0.0.0/8", NEEDED),
        ("/bin/sh from ", NEEDED),
        ("/no/such from 10.0.0.0/8", "login: there is no command '/no/such' here"),
        ("sh 'x from 10.0.0.0/8", "login: sh 'x: no closing quotation"),
        ("sh from 10.0.0.1/8", "login: 10.0.0.1/8 is not a network: its host part is not zero"),
        ("sh from everywhere", "login: "),
        ("sh from 10.0.0.0/8 on nowhere", "login: "),
        ("sh from 10.0.0.0/8,", "login: "),
    ],
)
def test_settings_that_make_no_sense_are_one_clear_line(lan: Lan, setting: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        lan.services.start("login", setting=setting)
    said = str(caught.value)
    assert said == fault or (fault == "login: " and said.startswith(fault) and "\n" not in said)
    assert lan.services.running == []


@given(st.text(st.one_of(st.sampled_from("/from on10.,'\\\" "), st.characters()), max_size=40))
def test_whatever_the_setting_it_is_one_or_one_clear_line(text: str) -> None:
    try:
        setting = parse_setting(text)
    except ValueError as e:
        assert str(e).startswith("login: ")
    else:
        assert setting.argv and setting.networks and setting.who


def test_there_is_none_in_virtual_time() -> None:
    with World() as world:
        host = world.host("10.0.0.1/24")
        module = SocketModule(host)
        services = Services(module, module.selectors, host.spawn)
        with pytest.raises(ValueError, match=r"^login: a command runs in real time only$"):
            services.start("login", setting="/bin/sh from anywhere")
