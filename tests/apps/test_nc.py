"""nc over TCP in virtual time: what is said, what comes, and when it is over, with a scripted other side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from apps.nc import nc
from apps.nc.report import Quiet
from apps.nc.result import NcError, Options
from apps.nc.session import Session
from apps.nc.source import Given, Nobody
from stack import interrupt
from stack.wire.address import parse_ip
from tests.apps.nc_run import BINARY, LARGE, PORT, Somebody, client, hold, server
from tests.apps.near import HERE, THERE, Near, two_hosts
from tests.streams import rest

RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER, no time


@pytest.fixture
def near() -> Iterator[Near]:
    with two_hosts() as there:
        yield there


def answer(sock: Any) -> bytes:
    """Hear it to the end, and say it backwards."""
    heard = rest(sock)
    sock.sendall(heard[::-1])
    return heard


# --- connecting


def test_what_is_said_goes_there_and_what_comes_is_shown(near: Near) -> None:
    def talk(sock: Any) -> bytes:
        heard = sock.recv(100)
        sock.sendall(BINARY)
        near.world.sleep(1)
        heard += sock.recv(100)
        sock.sendall(b"bye")
        return bytes(heard)

    held = hold(near, Somebody(near, (0.5, b"hello\n"), (1.0, b"\0\xff"), (2.0, None)), server(near, talk))
    assert (held.shown, held.said) == (BINARY + b"bye", b"hello\n\0\xff")
    assert held.result and (held.result.sent, held.result.received_bytes) == (8, len(BINARY) + 3)


def test_data_is_sent_with_its_end_and_what_comes_is_in_the_result(
    near: Near, capsys: pytest.CaptureFixture[str]
) -> None:
    def talk(sock: Any) -> None:
        near.world.sleep(5)
        answer(sock)

    near.world.spawn(server(near, talk))
    result = nc(THERE, PORT, data=BINARY, node=near)
    assert result and result.received == BINARY[::-1]
    assert repr(result) == f"<nc {THERE} {PORT}: 1024 bytes sent, 1024 received>" and not result.is_streamed
    assert capsys.readouterr() == ("", "")  # not a word
    assert nc(THERE, PORT, data=b"", wait=1, node=near).open_ports == []


def test_large_data_both_ways_at_once(near: Near) -> None:
    def talk(sock: Any) -> bytes:
        near.world.spawn(lambda: (sock.sendall(LARGE[::-1]), sock.shutdown(near.far.SHUT_WR)))
        near.world.sleep(1)
        return rest(sock)

    held = hold(near, Given(LARGE), server(near, talk), shutdown=True)
    assert (held.said == LARGE, held.shown == LARGE[::-1]) == (True, True)


def test_who_does_not_read_slows_down_who_speaks(near: Near) -> None:
    """Neither way holds more than the sockets' buffers and one piece."""
    source = Somebody(near, *[(0.1, b"x" * 16384)] * 60, (0.2, None))

    def talk(sock: Any) -> int:
        near.world.sleep(10)
        assert source.taken <= (65536 + 65536) / 16384 + 2
        return len(rest(sock))

    assert hold(near, source, server(near, talk), shutdown=True).said == 60 * 16384


def test_an_output_that_is_slow_slows_down_the_other_side(near: Near) -> None:
    sent = []

    def talk(sock: Any) -> None:
        for _ in range(64):
            sock.sendall(b"x" * 16384)
            sent.append(near.engine.now())

    near.world.spawn(server(near, talk))
    shown = []

    def slow(data: bytes) -> None:
        shown.append(len(data))
        near.world.sleep(1.0)

    Session(Options(THERE, [PORT], shutdown=True), near, Given(b""), slow, Quiet()).run()
    assert sum(shown) == 64 * 16384 and sent[-1] > 5


def test_the_end_of_what_is_said_is_told_only_if_that_is_wanted(near: Near) -> None:
    def talk(sock: Any) -> bool:
        assert sock.recv(100) == b"hello"
        sock.settimeout(5)
        try:
            return bool(sock.recv(100) == b"")
        except TimeoutError:
            return False

    for options, is_told in (({}, False), ({"shutdown": True}, True), ({"quit_after": 0.0}, True)):
        held = hold(near, Given(b"hello"), server(near, talk), **options)
        assert held.said is is_told, options
        assert held.seconds < 0.1 if is_told else 5 <= held.seconds < 5.1


def test_a_terminal_s_end_is_told_and_the_other_side_s_end_is_the_end(near: Near) -> None:
    held = hold(near, Somebody(near, (1.0, b"hi"), (2.0, None), is_terminal=True), server(near, rest))
    assert held.said == b"hi" and 2 < held.seconds < 2.1
    held = hold(near, Somebody(near, is_terminal=True), server(near, lambda sock: sock.sendall(b"bye")))
    assert held.shown == b"bye" and held.seconds < 0.1  # there is nobody left to type for


def test_without_a_terminal_what_is_left_to_say_is_said_after_the_other_side_s_end(near: Near) -> None:
    def talk(sock: Any) -> bytes:
        sock.shutdown(near.far.SHUT_WR)
        return rest(sock)

    held = hold(near, Somebody(near, (1.0, b"one"), (2.0, b"two"), (3.0, None)), server(near, talk))
    assert held.said == b"onetwo" and held.seconds > 3


def test_quitting_while_there_is_always_more_to_show(near: Near) -> None:
    """A sink that is slower than the other side."""

    def talk(sock: Any) -> None:
        with suppress(OSError):
            for _ in range(1000):
                sock.sendall(bytes(10_000))

    task = near.world.spawn(server(near, talk))
    began = near.engine.now()
    options = Options(host=THERE, ports=[PORT], numeric=True, quit_after=2.0)
    Session(options, near, Given(b"hello"), lambda data: near.world.sleep(0.1), Quiet()).run()
    assert 2.0 <= near.engine.now() - began < 2.3
    task.join()


@pytest.mark.parametrize("quit_after", [0.0, 2.0])
def test_quitting_some_time_after_the_end(near: Near, quit_after: float) -> None:
    def talk(sock: Any) -> bytes:
        heard = rest(sock)
        for _ in range(4):
            near.world.sleep(0.9)
            with suppress(BrokenPipeError):
                sock.sendall(b"x")
        return heard

    held = hold(near, Given(b"hello"), server(near, talk), quit_after=quit_after)
    assert held.said == b"hello"
    # -q 0 only tells the end; -q 2 leaves after two seconds, though something came meanwhile
    assert held.shown == (b"xx" if quit_after else b"xxxx")
    assert quit_after <= held.seconds < quit_after + 0.1 or not quit_after


def test_silence_ends_it_after_so_many_seconds(near: Near) -> None:
    def talk(sock: Any) -> float:
        near.world.sleep(1.5)
        sock.sendall(b"x")
        assert rest(sock) == b"ab"
        return near.engine.now()

    held = hold(near, Somebody(near, (1.0, b"a"), (3.0, b"b")), server(near, talk), wait=2.0)
    assert held.shown == b"x" and 5.0 <= held.seconds < 5.01 and held.said == pytest.approx(5.0, abs=0.01)


def test_what_was_sent_last_arrives_though_nc_has_ended(near: Near) -> None:
    """Closing waits until it has been acknowledged, for the node goes down right after."""

    def talk(sock: Any) -> bytes:
        sock.shutdown(near.far.SHUT_WR)
        near.world.sleep(1)
        return rest(sock)

    said: list[object] = []
    near.world.spawn(lambda: said.append(client(near, talk)()))
    Session(Options(ports=[PORT], listen=True), near, Given(LARGE[:100_000], 100_000), print, Quiet()).run()
    near.engine.close()
    near.world.run()
    assert said == [LARGE[:100_000]]


def test_newlines_become_carriage_return_and_newline(near: Near) -> None:
    assert hold(near, Given(b"a\nb\r\n\n"), server(near, rest), crlf=True, shutdown=True).said == b"a\r\nb\r\r\n\r\n"


def test_a_reset_is_the_end_without_a_word(near: Near) -> None:
    def talk(sock: Any) -> None:
        sock.sendall(b"one")
        near.world.sleep(1)
        sock.setsockopt(near.far.SOL_SOCKET, near.far.SO_LINGER, RESET)

    held = hold(near, Somebody(near), server(near, talk))
    assert held.result and held.shown == b"one" and 1 < held.seconds < 1.1


def test_a_reset_after_the_other_side_s_end_is_noticed_too(near: Near) -> None:
    def talk(sock: Any) -> None:
        sock.shutdown(near.far.SHUT_WR)
        near.world.sleep(1)
        sock.setsockopt(near.far.SOL_SOCKET, near.far.SO_LINGER, RESET)

    held = hold(near, Somebody(near), server(near, talk))
    assert held.result and 1 < held.seconds < 1.1


def test_a_reset_while_much_waits_to_be_sent(near: Near) -> None:
    def talk(sock: Any) -> None:
        sock.recv(1)
        near.world.sleep(1)
        sock.setsockopt(near.far.SOL_SOCKET, near.far.SO_LINGER, RESET)

    held = hold(near, Given(LARGE), server(near, talk), shutdown=True)
    assert held.result and held.result.sent < len(LARGE) and held.seconds < 1.1


@pytest.mark.parametrize(
    "host, error, seconds",
    [
        (THERE, "Connection refused", 0.0),
        ("10.0.0.77", "No route to host", 3.0),
        ("10.9.9.9", "Network is unreachable", 0.0),
    ],
)
def test_a_connection_that_cannot_be_made_is_in_the_result(near: Near, host: str, error: str, seconds: float) -> None:
    held = hold(near, Given(b"x"), host=host)
    assert not held.result and [a.error for a in held.result.attempts] == [error]
    assert repr(held.result) == f"<nc {host}: {error}>"
    assert seconds <= held.seconds < seconds + 0.5


def test_connecting_takes_no_longer_than_it_may(near: Near) -> None:
    near.engine.stack.routes.add(parse_ip("10.8.0.0"), 16, parse_ip(THERE), near.engine.interface)  # which is no router
    assert hold(near, Given(b"x"), host="10.8.0.1").result.attempts[0][-2:] == ("Connection timed out", False)
    held = hold(near, Given(b"x"), host="10.8.0.1", wait=2.0)
    assert (held.result.attempts[0].is_timeout, held.result.attempts[0].error) == (True, "Operation now in progress")
    assert held.seconds == pytest.approx(2.0)


def test_a_host_without_an_address_and_an_address_that_is_not_ours(near: Near) -> None:
    for options, words in (
        ({"host": "nosuch.invalid", "numeric": False},
         'getaddrinfo for host "nosuch.invalid" port 4711: Temporary failure in name resolution'),
        ({"host": "localhost"}, 'getaddrinfo for host "localhost" port 4711: Name or service not known'),
        ({"source": "10.9.9.9"}, "bind failed: Cannot assign requested address"),
        ({"source": "nosuch"}, "getaddrinfo: Name or service not known"),
        ({"listen": True, "host": "10.9.9.9"}, "Cannot assign requested address"),
    ):  # fmt: skip
        with pytest.raises(NcError, match=f"^{re.escape(words)}$"):
            hold(near, Nobody(), **options)


def test_a_source_address_and_port(near: Near) -> None:
    def talk(sock: Any) -> Any:
        return sock.getpeername()

    assert hold(near, Given(b""), server(near, talk), source_port=777).said == (HERE, 777)
    assert hold(near, Given(b""), server(near, talk), source=HERE).said[0] == HERE
    with near.socket.create_server(("", 778)), pytest.raises(NcError, match=r"^bind failed: Address already in use$"):
        hold(near, Nobody(), source_port=778)


def test_scanning_connects_and_says_nothing(near: Near) -> None:
    heard = []
    for port in (20, 23):
        near.world.spawn(server(near, lambda sock: heard.append(rest(sock)), port))
    result = nc(THERE, "20-24", scan=True, verbose=False, node=near)
    near.world.sleep(1)
    assert (result.open_ports, heard) == ([20, 23], [b"", b""])
    assert repr(result) == "<nc 10.0.0.2: 2 of 5 ports open: 20 23>" and not result.is_streamed
    assert [(a.port, a.error) for a in result.attempts] == [
        (20, ""), (21, "Connection refused"), (22, "Connection refused"), (23, ""), (24, "Connection refused"),
    ]  # fmt: skip
    result = nc(THERE, [21, 22], scan=True, node=near)
    assert repr(result) == "<nc 10.0.0.2: none of 2 ports open>" and result.is_streamed


def test_several_ports_are_talked_to_one_after_the_other(near: Near) -> None:
    said = []
    for port in (1000, 1002):
        near.world.spawn(server(near, lambda sock: said.append((sock.getsockname()[1], rest(sock))), port))
    held = hold(near, Given(b"hello"), ports=[1000, 1001, 1002], shutdown=True)
    assert said == [(1000, b"hello"), (1002, b"")] and held.result.open_ports == [1000, 1002]


# --- listening


def test_listening_takes_one_and_nobody_else(near: Near) -> None:
    def talk(sock: Any) -> Any:
        near.world.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            near.far.create_connection((HERE, PORT))
        sock.sendall(b"hello")
        heard = sock.recv(100)
        return heard, sock.getsockname()

    held = hold(near, Somebody(near, (1.0, b"hi")), client(near, talk), listen=True)
    heard, name = held.said
    assert (held.shown, heard, held.result.peers) == (b"hello", b"hi", [name])
    assert repr(held.result) == f"<nc {THERE} {name[1]}: 2 bytes sent, 5 received>"


def test_the_client_s_end_is_the_listener_s(near: Near) -> None:
    held = hold(near, Somebody(near), client(near, lambda sock: sock.sendall(b"x")), listen=True)
    assert held.shown == b"x" and held.seconds < 0.2


@pytest.mark.parametrize("options", [{"shutdown": True}, {"quit_after": 0.0}])
def test_a_listener_that_tells_its_end_has_said_all_before(near: Near, options: dict[str, Any]) -> None:
    """Though the client has come to its end long ago, where Debian's netcat would stop."""

    def talk(sock: Any) -> bytes:
        sock.sendall(b"all of it, please")
        sock.shutdown(near.far.SHUT_WR)
        return rest(sock)

    source = Somebody(near, (0.5, b"first"), (1.0, b" and last"), (1.5, None))
    assert hold(near, source, client(near, talk), listen=True, **options).said == b"first and last"
    assert hold(near, Given(LARGE), client(near, talk), listen=True, **options).said == LARGE


def test_a_listener_s_end_is_told_only_if_that_is_wanted(near: Near) -> None:
    def talk(sock: Any) -> bytes:
        sock.settimeout(3)
        try:
            return rest(sock)
        except TimeoutError:
            return b"silence"

    assert hold(near, Given(b"x" * 100), client(near, talk), listen=True, shutdown=True).said == b"x" * 100
    assert hold(near, Given(b""), client(near, talk), listen=True).said == b"silence"


def test_listening_at_one_address_and_in_vain(near: Near) -> None:
    near.engine.stack.add_address(near.engine.interface, parse_ip("10.0.0.7"), 24, near.engine.now())

    def run() -> None:
        near.world.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            near.far.create_connection(("10.0.0.7", PORT))
        near.far.create_connection((HERE, PORT)).close()

    assert hold(near, Nobody(), run, listen=True, host=HERE).result
    with near.socket.create_server(("", PORT)), pytest.raises(NcError, match=r"^Address already in use$"):
        hold(near, Nobody(), listen=True)


def test_one_after_the_other_until_ctrl_c(near: Near) -> None:
    def run() -> None:
        near.world.sleep(0.1)
        for number in range(3):
            with near.far.create_connection((HERE, PORT)) as sock:
                sock.sendall(b"%d" % number)
                sock.shutdown(near.far.SHUT_WR)
                assert rest(sock) == b""
        interrupt.is_pending = True  # Ctrl-C

    near.world.spawn(run)
    shown = bytearray()
    session = Session(Options(ports=[PORT], listen=True, keep=True), near, Nobody(), shown.extend, Quiet())
    with pytest.raises(KeyboardInterrupt):
        session.run()
    result = session.result
    assert (bytes(shown), len(result.peers), result.received_bytes, result.is_interrupted) == (b"012", 3, 3, True)
    near.socket.create_server(("", PORT)).close()  # the port is free again
