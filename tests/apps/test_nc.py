"""nc's conversations in virtual time: what is said, what comes, and when it is over, with a scripted other side."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest

from apps.nc import nc
from apps.nc.report import Quiet
from apps.nc.result import NcError, NcResult, Options
from apps.nc.session import Session
from apps.nc.source import Given, Nobody, Source
from stack import interrupt
from stack.link.cable import Cable
from stack.resolver import Resolver
from stack.sim import SimEngine, World
from stack.socket import SocketModule
from stack.wire.address import parse_ip

HERE, THERE = "10.0.0.1", "10.0.0.2"
PORT = 4711
BINARY = bytes(range(256)) * 4
LARGE = random.Random(7).randbytes(1_000_000)
RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER, no time


class Near(NamedTuple):
    """10.0.0.1 as an app sees a node; `far` is the socket module of 10.0.0.2, half a millisecond away."""

    engine: SimEngine
    socket: SocketModule
    resolver: Resolver
    cable: Cable
    world: World
    far: SocketModule


@pytest.fixture
def near() -> Iterator[Near]:
    with World(seed=5) as world:
        cable = world.cable(delay=0.0005)
        small: dict[str, Any] = {"tcp_sndbuf": 65536, "tcp_rcvbuf": 65536}
        engine, far = world.host(f"{HERE}/24", **small), world.host(f"{THERE}/24", **small)
        module = SocketModule(engine)
        yield Near(engine, module, Resolver(module), cable, world, SocketModule(far))


class Somebody:
    """A Source that says each of its pieces at its time; None is the end."""

    is_silent = False

    def __init__(self, near: Near, *pieces: tuple[float, bytes | None], is_terminal: bool = False) -> None:
        self.is_terminal = is_terminal
        self.taken = 0
        self._said: list[bytes] = []
        for at, piece in pieces:
            near.world.spawn(self._say, near, at, piece or b"", is_service=True)

    def _say(self, near: Near, at: float, piece: bytes) -> None:
        near.world.sleep(at)
        with near.engine:
            self._said.append(piece)

    def begin(self) -> None:
        pass

    def is_ready(self) -> bool:
        return bool(self._said)

    def take(self) -> bytes:
        self.taken += 1
        return self._said.pop(0) if self._said[0] else b""

    def close(self) -> None:
        pass


class Held(NamedTuple):
    result: NcResult
    shown: bytes
    seconds: float
    said: Any  # what the other side returned


def hold(near: Near, source_: Source, script: Callable[[], object] | None = None, **options: Any) -> Held:
    """One run of nc against a script that runs as long, by default to 10.0.0.2's port 4711."""
    said: list[object] = []
    task = None if script is None else near.world.spawn(lambda: said.append(script()), name="the other side")
    shown = bytearray()
    meant = Options(**{"host": "" if options.get("listen") else THERE, "ports": [PORT], "numeric": True, **options})
    began = near.engine.now()
    result = Session(meant, near, source_, shown.extend, Quiet()).run()
    seconds = near.engine.now() - began
    if task is not None:
        task.join()
    return Held(result, bytes(shown), seconds, said[0] if said else None)


def server(near: Near, talk: Callable[[Any], object], port: int = PORT) -> Callable[[], object]:
    """A script that lets `talk(socket)` have the first who connects."""
    listener = near.far.create_server(("", port))

    def run() -> object:
        with listener, listener.accept()[0] as sock:
            return talk(sock)

    return run


def client(near: Near, talk: Callable[[Any], object], at: float = 0.1) -> Callable[[], object]:
    """A script that connects to nc and lets `talk(socket)` have it."""

    def run() -> object:
        near.world.sleep(at)
        with near.far.create_connection((HERE, PORT)) as sock:
            return talk(sock)

    return run


def rest(sock: Any) -> bytes:
    got = b""
    while part := sock.recv(65536):
        got += part
    return got


def answer(sock: Any) -> bytes:
    """Hear it to the end, and say it backwards."""
    heard = rest(sock)
    sock.sendall(heard[::-1])
    return heard


# --- TCP, connecting


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


# --- TCP, listening


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


# --- UDP


def udp(near: Near, talk: Callable[[Any], object], port: int = PORT) -> Callable[[], object]:
    """A script with a UDP socket of 10.0.0.2's, bound to `port`."""
    sock = near.far.socket(type=near.far.SOCK_DGRAM)
    sock.bind(("", port))

    def run() -> object:
        with sock:
            return talk(sock)

    return run


def echo(sock: Any, count: int = 10**6) -> list[bytes]:
    """Answer so many datagrams, or until there is silence."""
    heard: list[bytes] = []
    sock.settimeout(5)
    with suppress(TimeoutError):
        while len(heard) < count:
            data, peer = sock.recvfrom(65536)
            heard.append(data)
            sock.sendto(data[::-1], peer)
    return heard


def test_datagrams_both_ways_until_there_is_silence(near: Near) -> None:
    held = hold(near, Somebody(near, (0.5, b"one"), (1.0, BINARY), (1.5, None)), udp(near, echo), udp=True, wait=2.0)
    assert (held.said, held.shown) == ([b"one", BINARY], b"eno" + BINARY[::-1])
    assert 3.5 <= held.seconds < 3.6 and (held.result.sent, held.result.received_bytes) == (1027, 1027)


def test_data_over_udp_is_cut_into_datagrams_and_a_second_s_silence_is_its_end(near: Near) -> None:
    said: list[Any] = []
    script = udp(near, echo)
    near.world.spawn(lambda: said.append(script()))
    result = nc(THERE, PORT, data=b"x" * 3000, udp=True, node=near)
    assert result.received == b"x" * 3000 and 1 <= near.engine.now() < 1.1
    nc(THERE, PORT, data=b"", udp=True, wait=2, node=near)
    assert 3 <= near.engine.now() < 3.1
    near.world.sleep(6)
    assert [len(data) for data in said[0]] == [1472, 1472, 56]


def test_an_end_is_nothing_that_udp_could_tell(near: Near) -> None:
    """-N changes nothing, and -q 0 leaves at once."""
    held = hold(near, Given(b"x", 100), udp(near, echo), udp=True, shutdown=True, wait=2.0)
    assert held.shown == b"x" and 2 <= held.seconds < 2.1
    held = hold(near, Given(b"x", 100), udp(near, echo), udp=True, quit_after=0.0)
    assert (held.said, held.shown) == ([b"x"], b"") and held.seconds < 0.1
    held = hold(near, Given(b"x", 100), udp(near, echo), udp=True, quit_after=3.0)
    assert held.shown == b"x" and 3 <= held.seconds < 3.1


def test_an_empty_datagram_is_no_end(near: Near) -> None:
    def talk(sock: Any) -> None:
        _, peer = sock.recvfrom(100)
        sock.sendto(b"", peer)
        sock.sendto(b"more", peer)

    assert hold(near, Somebody(near, (0, b"x")), udp(near, talk), udp=True, wait=1.0).shown == b"more"


def test_a_port_where_nobody_listens_is_the_end(near: Near) -> None:
    held = hold(near, Somebody(near, (0.5, b"x"), (1.0, b"y")), udp=True)
    assert held.result and 0.5 <= held.seconds < 0.6  # its host says so


def test_a_refusal_that_comes_while_something_is_said_is_the_end_too(near: Near) -> None:
    class Slow(Given):
        def take(self) -> bytes:
            near.world.sleep(0.1)
            return super().take()

    held = hold(near, Slow(b"xxxyyyzzz", 3), udp=True)
    assert (held.result.sent, held.result.error) == (3, "Connection refused") and held.seconds < 0.5


def test_the_first_who_sends_is_the_only_one_and_is_answered(near: Near) -> None:
    def run() -> list[bytes]:
        near.world.sleep(0.1)
        first, second = (near.far.socket(type=near.far.SOCK_DGRAM) for _ in range(2))
        heard: list[bytes] = []
        for sock in (first, second):
            sock.connect((HERE, PORT))
        first.send(b"one")
        near.world.sleep(0.1)
        second.send(b"two")
        first.send(b"three")
        heard.append(first.recv(100))
        with pytest.raises(ConnectionRefusedError):
            second.recv(100)
        return heard

    held = hold(near, Somebody(near, (1.0, b"hi")), run, udp=True, listen=True, wait=2.0)
    assert (held.shown, held.said) == (b"onethree", [b"hi"])
    assert [host for host, _ in held.result.peers] == [THERE]


def test_everybody_is_heard_and_nobody_answered(near: Near) -> None:
    def run() -> None:
        near.world.sleep(0.1)
        for number in range(3):
            sock = near.far.socket(type=near.far.SOCK_DGRAM)
            sock.sendto(b"%d" % number, (HERE, PORT))
            near.world.sleep(0.5)
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(100)

    held = hold(near, Somebody(near, (0.2, b"hi")), run, udp=True, listen=True, keep=True, wait=2.0)
    assert (held.shown, held.result.sent, held.result.peers) == (b"012", 0, [])


def test_a_broadcast_is_only_sent_if_it_is_allowed(near: Near) -> None:
    held = hold(near, Given(b"all", 100), host="10.0.0.255", udp=True, wait=1.0)
    assert [a.error for a in held.result.attempts] == ["Permission denied"]
    held = hold(near, Given(b"all", 100), udp(near, lambda sock: sock.recv(100)), host="10.0.0.255", udp=True,
                wait=1.0, broadcast=True)  # fmt: skip
    assert held.said == b"all" and held.result
