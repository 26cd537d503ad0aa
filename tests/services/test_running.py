"""Starting, stopping and looking at services, and what is said when that is not possible."""

from __future__ import annotations

import errno
import selectors
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services import KINDS, parse_name, serve
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]


def test_each_service_says_what_it_does_and_exposes() -> None:
    assert list(KINDS) == [
        "echo", "discard", "chargen", "daytime", "time", "qotd", "http", "dhcp", "dns",
        "login",
    ]  # fmt: skip
    assert [kind.port for kind in KINDS.values()] == [7, 9, 19, 13, 37, 17, 80, 67, 53, 513]
    for kind in KINDS.values():
        assert kind.text and "\n" not in kind.text and len(kind.text) < 60
        assert kind.exposes and "\n" not in kind.exposes


def test_a_port_in_use_is_one_clear_line_and_nothing_is_left_open(place: Any) -> None:
    echo = place.services.start("echo", port=0)
    with pytest.raises(OSError) as caught:
        place.services.start("http", port=echo.bound)
    assert (caught.value.errno, caught.value.strerror) == (errno.EADDRINUSE, f"http: port {echo.bound} is in use")
    assert place.services.running == ["echo"]
    place.services.stop("echo")
    assert place.services.start("http", port=echo.bound).bound == echo.bound


def test_an_address_that_is_not_ours_is_one_clear_line(place: Any) -> None:
    with pytest.raises(OSError) as caught:
        place.services.start("echo", port=0, address="192.0.2.77")
    assert caught.value.strerror == "echo: 192.0.2.77 is not an address of this host"


def test_unknown_names_and_ports_are_one_clear_line(place: Any) -> None:
    with pytest.raises(ValueError, match=r"^there is no service 'ecko'; there are echo, discard, chargen, daytime"):
        place.services.start("ecko")
    with pytest.raises(ValueError, match=r"^a port is a number from 0 to 65535, not 70000$"):
        place.services.start("echo", port=70000)
    with pytest.raises(ValueError, match=r"^echo does not run$"):
        place.services.stop("echo")


@pytest.mark.parametrize("port", ["7", "", True, False, 7.0, -1, 65536, [], b"7"])
def test_a_port_that_is_no_number_is_one_clear_line(place: Any, port: Any) -> None:
    with pytest.raises(ValueError) as caught:
        place.services.start("echo", port=port)
    assert str(caught.value) == f"a port is a number from 0 to 65535, not {port!r}"
    assert place.services.running == []


@pytest.mark.parametrize(
    "name, more, fault",
    [
        (7, {}, "there is no service '7'; there are echo, "),
        (["echo"], {}, "there is no service "),
        ("echo", {"address": 7}, "an address is text, as '192.168.1.3', not 7"),
        ("qotd", {"setting": 7}, "a setting is text, as FILE, not 7"),
        ("qotd", {"setting": None}, "a setting is text, as FILE, not None"),
        ("echo=x", {}, "echo=x: echo has nothing to be set"),
        ("echo:7", {"port": 8}, "echo:7: the port is 7 and 8"),
        ("qotd=a", {"setting": "b"}, "qotd=a: the setting is 'a' and 'b'"),
        ("echo:x", {}, "echo:x: a port is a number from 0 to 65535, not 'x'"),
    ],
)
def test_what_start_cannot_make_sense_of_is_one_clear_line(
    place: Any, name: Any, more: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValueError) as caught:
        place.services.start(name, **more)
    assert str(caught.value).startswith(fault) and "\n" not in str(caught.value)


def test_a_service_is_started_and_stopped_by_the_words_of_the_command_line(place: Any, tmp_path: Path) -> None:
    (tmp_path / "a=b:c").write_text("Said.\n")
    echo = place.services.start("echo:0")
    by_word = place.services.start(f"qotd:0={tmp_path}/a=b:c", port=0)
    by_path = place.services.start("qotd", port=0, setting=tmp_path / "a=b:c")
    assert [service.greeting() for service in (by_word, by_path)] == [b"Said.\r\n"] * 2
    assert place.services.running == ["echo", "qotd"]
    place.services.stop(f"qotd:{by_word.bound}=whatever")
    assert list(place.services) == [echo, by_path]
    with pytest.raises(ValueError, match=rf"^qotd does not run on port {by_word.bound}$"):
        place.services.stop(f"qotd:{by_word.bound}")
    with pytest.raises(ValueError, match=r"^there is no service 'ecko'; there are echo"):
        place.services.stop("ecko")


def test_stop_cuts_the_clients_off_and_frees_the_port(place: Any) -> None:
    first, second = place.services.start("echo", port=0), place.services.start("echo", port=0)
    sock = place.connect(first)
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    place.services.stop("echo", port=first.bound)
    assert sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        place.connect(first)
    assert [service.bound for service in place.services] == [second.bound]


def test_the_services_show_what_runs_for_whom(place: Any) -> None:
    there_are = "echo, discard, chargen, daytime, time, qotd, http, dhcp, dns, login"
    assert repr(place.services) == f"none runs; there are {there_are}"
    echo = place.services.start("echo", port=0)
    sock = place.connect(echo)
    sock.sendall(b"hello")
    assert sock.recv(5) == b"hello"
    host, port = sock.getsockname()
    who = f"1 client ({host}:{port}), 1 served, 5 bytes in, 5 out"
    assert place.eventually(lambda: repr(echo) == f"echo on {echo.bound}/tcp {echo.bound}/udp: {who}")
    assert repr(place.services).splitlines() == [
        f"echo      {echo.bound}/tcp {echo.bound}/udp  {who}",
        "not running: discard, chargen, daytime, time, qotd, http, dhcp, dns, login",
    ]


@pytest.mark.parametrize("name", ["echo:", "echo:x", "echo:65536", "echo:-1", "ecko:7", ""])
def test_a_name_that_makes_no_sense_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        parse_name(name)


def test_serve_runs_until_told() -> None:
    stopper, stopped = socket.socketpair()
    seen = []

    def on_ready(running: list[Any]) -> None:
        seen.extend((service.name, service.bound > 0) for service in running)
        with socket.create_connection(("127.0.0.1", running[0].bound), 5):
            stopper.close()

    serve(["echo:0", "http:0"], socket, selectors, until=stopped, on_ready=on_ready)
    stopped.close()
    assert seen == [("echo", True), ("http", True)]


def test_services_as_a_program_end_with_their_standard_input() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "services", "echo:0"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdin is not None and program.stdout is not None
    name, _, where = program.stdout.readline().partition(" on ")
    port = int(where.split("/")[0])
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(b"over there")
        assert (name, sock.recv(100)) == ("echo", b"over there")
    program.stdin.close()
    assert program.wait(PATIENCE) == 0
    program.stdout.close()
    wrong = subprocess.run([sys.executable, "-m", "services", "ecko"], cwd=ROOT, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
