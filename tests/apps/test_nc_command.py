"""nc as a command, in virtual time: its words and exit codes, its options, its JSON."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.nc import command, nc, parse, port_numbers
from apps.nc.result import NcError, Options
from apps.usage import UsageError
from stack import interrupt
from stack.resolver import Resolver
from stack.sim import SimEngine, World
from stack.socket import SocketModule

HERE, THERE = "10.0.0.1", "10.0.0.2"


class Near(NamedTuple):
    """10.0.0.1 as an app sees a node. At 10.0.0.2 TCP's port 7 echoes, 13 says something, and 19 never speaks, nor
    does it end; UDP's port 7 takes whatever comes."""

    engine: SimEngine
    socket: SocketModule
    resolver: Resolver
    world: World
    far: SocketModule
    sink: Any


@pytest.fixture(scope="module")
def near() -> Iterator[Near]:
    with World(seed=6) as world:
        world.cable(delay=0.0005)
        engine, host = world.host(f"{HERE}/24"), world.host(f"{THERE}/24")
        module, far = SocketModule(engine), SocketModule(host)
        sink = far.socket(type=far.SOCK_DGRAM)
        sink.bind(("", 7))
        for port, talk in ((7, echo), (13, tell), (19, wait)):
            world.spawn(serve, far.create_server(("", port)), talk, is_service=True)
        yield Near(engine, module, Resolver(module), world, far, sink)


def serve(listener: Any, talk: Callable[[Any], object]) -> None:
    while True:
        with listener.accept()[0] as sock:
            talk(sock)


def echo(sock: Any) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


def tell(sock: Any) -> None:
    sock.sendall(b"it is \xc3\xbcber late\n")


def wait(sock: Any) -> None:
    try:
        while sock.recv(100):
            pass
        sock.settimeout(60)
        sock.recv(1)
    except OSError:
        pass


class Said(NamedTuple):
    code: int
    out: str
    err: str


def run(near: Near, capsys: pytest.CaptureFixture[str], arguments: str) -> Said:
    code = command(near, [word.replace("{}", THERE) for word in shlex.split(arguments)])
    return Said(code, *capsys.readouterr())


LISTENING_USAGE = "nc: -l takes an address and a port"
OK = "Connection to 10.0.0.2 {} port [{}] succeeded!\n"
NO = "nc: connect to {} port {} ({}) failed: {}\n"


@pytest.mark.parametrize(
    "arguments, code, out, err",
    [
        ("{} 13", 0, "it is über late\n", ""),
        ("-v {} 13", 0, "it is über late\n", OK.format(13, "tcp/daytime")),
        ("-vn {} daytime", 0, "it is über late\n", OK.format(13, "tcp/*")),
        ("-vz {} 13", 0, "", OK.format(13, "tcp/daytime")),
        ("-z {} 13", 0, "", ""),
        ("-z {} 9", 1, "", ""),
        ("-vz {} 6-8", 0, "", NO.format(THERE, 6, "tcp", "Connection refused") + OK.format(7, "tcp/echo")
            + NO.format(THERE, 8, "tcp", "Connection refused")),
        ("-vz {} 8 7", 0, "", NO.format(THERE, 8, "tcp", "Connection refused") + OK.format(7, "tcp/echo")),
        ("-vz {} 8 9-9", 1, "", NO.format(THERE, 8, "tcp", "Connection refused")
            + NO.format(THERE, 9, "tcp", "Connection refused")),
        ("-vzu -w1 {} 6-7", 0, "", OK.format(7, "udp/echo")),
        ("-vzu -w1 {} 7-8", 0, "", OK.format(7, "udp/echo")),
        ("-vzu -w1 {} 8", 1, "", ""),
        ("-zu {} 8", 0, "", ""),  # it was not asked whether that is so
        ("-vz localhost 9", 1, "", NO.format("localhost (127.0.0.1)", 9, "tcp", "Connection refused")),
        ("-vz 10.2 13", 0, "", "Connection to 10.2 (10.0.0.2) 13 port [tcp/daytime] succeeded!\n"),
        ("-v 10.0.0.77 13", 1, "", NO.format("10.0.0.77", 13, "tcp", "No route to host")),
        ("-v 10.9.9.9 13", 1, "", NO.format("10.9.9.9", 13, "tcp", "Network is unreachable")),
        ("-v -w1 10.0.0.77 13", 1, "", "nc: connect to 10.0.0.77 port 13 (tcp) timed out: Operation now in progress\n"),
        ("10.0.0.77 13", 1, "", ""),
        ("-w2 {} 19", 0, "", ""),
        ("-d -w2 {} 19", 0, "", ""),
        ("-d {} 13", 0, "it is über late\n", ""),
        ("-q1 {} 19", 0, "", ""),
        ("-q-1 -w1 {} 19", 0, "", ""),
        ("-w0 {} 13", 0, "", ""),
        ("-N {} 7", 0, "", ""),
        ("-vulk -w1 4711", 0, "", "Bound on 0.0.0.0 4711\n"),
        ("{} 'ä\x1b[31m'", 1, "", "nc: port number invalid: ä\\x1b[31m\n"),
        ("-s 10.0.0.1 -p 999 {} 13", 0, "it is über late\n", ""),
        ("-4b {} 13", 0, "it is über late\n", ""),
        ("-s 10.9.9.9 {} 13", 1, "", "nc: bind failed: Cannot assign requested address\n"),
        ("-s nosuch {} 13", 1, "", "nc: getaddrinfo: Temporary failure in name resolution\n"),
        ("-l 10.9.9.9 13", 1, "", "nc: Cannot assign requested address\n"),
        ("nosuch.invalid 13", 1, "",
            'nc: getaddrinfo for host "nosuch.invalid" port 13: Temporary failure in name resolution\n'),
        ("-n localhost 13", 1, "", 'nc: getaddrinfo for host "localhost" port 13: Name or service not known\n'),
        ("{}", 1, "", "nc: missing port number\n"),
        ("-l", 1, "", "nc: missing port number\n"),
        ("'' 7", 1, "", "nc: missing host\n"),
        ("-k {} 7", 1, "", "nc: must use -l with -k\n"),
        ("-zl 7", 1, "", "nc: cannot use -z and -l\n"),
        ("-w x {} 7", 1, "", "nc: timeout invalid: x\n"),
        ("-w '' {} 7", 1, "", "nc: timeout invalid: \n"),
        ("-w 1.5 {} 7", 1, "", "nc: timeout invalid: 1.5\n"),
        ("-w -1 {} 7", 1, "", "nc: timeout too small: -1\n"),
        ("-w 2147484 {} 7", 1, "", "nc: timeout too large: 2147484\n"),
        ("-q x {} 7", 1, "", "nc: quit timer invalid: x\n"),
        ("-q 99999999999 {} 7", 1, "", "nc: quit timer too large: 99999999999\n"),
        ("-p x {} 7", 1, "", "nc: port number invalid: x\n"),
        ("-p 0 {} 7", 1, "", "nc: port number too small: 0\n"),
        ("-p 70000 {} 7", 1, "", "nc: port number too large: 70000\n"),
        ("{} 0", 1, "", "nc: port number too small: 0\n"),
        ("{} 65536", 1, "", "nc: port number too large: 65536\n"),
        ("{} 1-65536", 1, "", "nc: port number too large: 65536\n"),
        ("{} 7-", 1, "", "nc: port number invalid: \n"),
        ("{} 7-x", 1, "", "nc: port number invalid: x\n"),
        ("{} x-7", 1, "", "nc: port number invalid: x-7\n"),
        ("{} ''", 1, "", "nc: port number invalid: \n"),
        ("{} nosuch", 1, "", "nc: port number invalid: nosuch\n"),
        ("-Z {} 7", 1, "", "nc: invalid option -- 'Z'\n\nusage: nc "),
        ("--nosuch", 1, "", "nc: invalid option -- 'nosuch'\n\nusage: nc "),
        ("-w", 1, "", "nc: option requires an argument -- 'w'\n\nusage: nc "),
        ("", 1, "", "nc: a host and a port, please\n\nusage: nc "),
        ("-l a b c", 1, "", f"{LISTENING_USAGE}\n\nusage: nc "),
        ("-l -s 10.0.0.1 {} 7", 1, "", "nc: cannot listen at both 10.0.0.2 and 10.0.0.1\n"),
        ("-l -p 7 a 8", 1, "", f"{LISTENING_USAGE}\n\nusage: nc "),
        ("-h", 0, "usage: nc ", ""),
    ],
)  # fmt: skip
def test_words_and_exit_codes(
    near: Near, arguments: str, code: int, out: str, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(near, capsys, arguments)
    for expected, found in ((out, said.out), (err, said.err)):
        assert (found.startswith(expected) and found.endswith(" came\n")) if "usage" in expected else found == expected
    assert said.code == code


# --- listening


PORTS = itertools.count(5000)


def call(near: Near, talk: Callable[[Any], object], port: int = 4711) -> int:
    """Connect to nc in a moment, from the port that is returned, and let `talk(socket)` have it."""
    mine = next(PORTS)

    def connect() -> None:
        near.world.sleep(0.1)
        with near.far.create_connection((HERE, port), source_address=("", mine)) as sock:
            talk(sock)

    near.world.spawn(connect)
    return mine


@pytest.mark.parametrize(
    "words", ["-l 4711", "-l -p 4711", "-l 10.0.0.1 4711", "-l 10.0.0.1 -p 4711", "-l -s 10.0.0.1 4711"]
)
def test_listening_s_words(near: Near, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = call(near, lambda sock: sock.sendall(b"hello\n"))
    address = HERE if HERE in words else "0.0.0.0"
    assert run(near, capsys, f"-v {words}") == (
        0, "hello\n", f"Listening on {address} 4711\nConnection received on 10.0.0.2 {port}\n",
    )  # fmt: skip


def test_who_it_was_by_name_unless_names_are_not_wanted(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    def knock() -> None:
        near.world.sleep(0.1)
        near.socket.create_connection(("127.0.0.1", 4711)).close()

    for flags, name in (("-v", "localhost"), ("-vn", "127.0.0.1")):
        near.world.spawn(knock)
        said = run(near, capsys, f"{flags} -l 127.0.0.1 4711")
        assert re.fullmatch(rf"Listening on {name} 4711\nConnection received on {name} \d+\n", said.err)


def test_a_port_in_use(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    with near.socket.create_server(("", 4711)):
        assert run(near, capsys, "-l 4711") == (1, "", "nc: Address already in use\n")
        assert run(near, capsys, "-p 4711 {} 13") == (1, "", "nc: bind failed: Address already in use\n")
    assert run(near, capsys, "-N -p 998 {} 7").code == 0
    assert run(near, capsys, "-N -p 998 {} 7") == (1, "", "nc: bind failed: Address already in use\n"), "TIME-WAIT"


def test_ctrl_c_is_the_end_and_what_was_heard_is_kept(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    def press(sock: Any) -> None:
        sock.sendall(b"hello")
        near.world.sleep(1)
        interrupt.is_pending = True

    for arguments in ("-lk 4711", "-l --json 4711"):
        port = call(near, press)
        with pytest.raises(KeyboardInterrupt) as e:
            run(near, capsys, arguments)
        assert getattr(e.value, "is_reported", False)
        said = capsys.readouterr()
    assert json.loads(said.out) == {
        "protocol": "tcp",
        "connections": [{"address": THERE, "port": port}],
        "sent": 0,
        "received": {"bytes": 5, "text": "hello"},
    }


def test_nobody_reads_the_output_any_more(near: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def write(self, data: bytes) -> None:
            raise BrokenPipeError

        def flush(self) -> None: ...

        @property
        def buffer(self) -> Any:
            return self

    monkeypatch.setattr("sys.stdout", Broken())
    with pytest.raises(BrokenPipeError):  # which the program ends with, as SIGPIPE would have it
        command(near, [THERE, "13"])


def test_an_output_that_takes_nothing(
    near: Near, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with suppress(OSError), open("/dev/full", "w") as full:  # which says so once more when it is closed
        for output, why in ((full, "No space left on device"), (None, "Bad file descriptor")):
            for words in ([], ["--json"]):
                monkeypatch.setattr("sys.stdout", output)
                assert command(near, [*words, THERE, "13"]) == 1
                assert capfd.readouterr() == ("", f"nc: standard output: {why}\n")


# --- JSON


def test_json_is_one_document(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(near, capsys, "--json {} 13") == (
        0,
        """\
{
  "protocol": "tcp",
  "host": "10.0.0.2",
  "ports": [
    {
      "port": 13,
      "address": "10.0.0.2",
      "open": true,
      "error": null
    }
  ],
  "sent": 0,
  "received": {
    "bytes": 17,
    "text": "it is \\u00fcber late\\n"
  }
}
""",
        "",
    )
    port = call(near, lambda sock: sock.sendall(b"\x80\0"), 4712)
    code, out, err = run(near, capsys, "--json -vn -l 4712")
    assert (code, err) == (0, f"Listening on 0.0.0.0 4712\nConnection received on 10.0.0.2 {port}\n")
    assert json.loads(out)["received"] == {"bytes": 2, "base64": "gAA="}


def test_json_of_a_scan_says_what_is_closed_and_why(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, protocol, wait in (("-z", "tcp", ""), ("-zu", "udp", "-w1")):
        code, out, err = run(near, capsys, f"--json {flags} {wait} {{}} 7-8")
        assert (code, err) == (0, "")
        assert json.loads(out) == {
            "protocol": protocol,
            "host": THERE,
            "ports": [
                {"port": 7, "address": THERE, "open": True, "error": None},
                {"port": 8, "address": THERE, "open": False, "error": "Connection refused"},
            ],
        }
    code, out, err = run(near, capsys, "-z --json nosuch.invalid 7")
    assert (code, json.loads(out)["ports"]) == (1, []) and err.startswith("nc: getaddrinfo")


# --- at the prompt


@pytest.mark.parametrize(
    "words, line",
    [
        ({}, "missing port number"),
        ({"host": THERE}, "missing port number"),
        ({"host": THERE, "port": []}, "missing port number"),
        ({"port": 7}, "missing host"),
        ({"host": THERE, "port": 0}, "port number too small: 0"),
        ({"host": THERE, "port": -7}, "port number invalid: -7"),
        ({"host": THERE, "port": 7.5}, "port number invalid: 7.5"),
        ({"host": THERE, "port": b"7"}, "port number invalid: b'7'"),
        ({"host": THERE, "port": [7, "x"]}, "port number invalid: x"),
        ({"host": THERE, "port": 7, "source_port": 70000}, "port number too large: 70000"),
        ({"host": THERE, "port": 7, "wait": -1}, "timeout is from 0 to 31536000, not -1"),
        ({"host": THERE, "port": 7, "wait": float("nan")}, "timeout is from 0 to 31536000, not nan"),
        ({"host": THERE, "port": 7, "wait": "x"}, "timeout is from 0 to 31536000, not 'x'"),
        ({"host": THERE, "port": 7, "quit_after": -1}, "quit timer is from 0 to 31536000, not -1"),
        ({"host": THERE, "port": 7, "data": "text"}, "data is bytes, b'...', not 'text'"),
        ({"host": THERE, "port": 7, "keep": True}, "must use -l with -k"),
        ({"host": 7, "port": 7}, "a host is a name or an address, not 7"),
    ],
)
def test_a_call_that_makes_no_sense(near: Near, words: dict[str, Any], line: str) -> None:
    with pytest.raises(NcError) as e:
        nc(**words, node=near)
    assert str(e.value) == line


def test_a_call_listens_where_it_is_told(near: Near) -> None:
    for words in ({"host": HERE, "port": 4711}, {"source": HERE, "port": 4711}, {"source_port": 4711}):
        port = call(near, lambda sock: sock.sendall(sock.recv(100).upper()))
        result = nc(**words, listen=True, data=b"hello", node=near)
        assert (result.received, result.peers) == (b"HELLO", [(THERE, port)])
    for host, source in (("10.9.9.9", ""), ("", "10.9.9.9")):
        with pytest.raises(NcError, match=r"^Cannot assign requested address$"):
            nc(host, 4711, source=source, listen=True, node=near)


def test_ctrl_c_is_how_listening_for_one_after_the_other_ends(near: Near) -> None:
    def press(sock: Any) -> None:
        near.world.sleep(1)
        interrupt.is_pending = True
        near.world.sleep(1)

    port = call(near, press)
    result = nc(port=4711, listen=True, keep=True, node=near)
    assert (result.peers, result.is_interrupted) == ([(THERE, port)], True)
    call(near, press)
    with pytest.raises(KeyboardInterrupt):
        nc(port=4711, listen=True, node=near)


def test_what_comes_at_the_prompt_is_shown_as_text(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    result = nc(THERE, "daytime", node=near)
    assert result.is_streamed and result.received == b"" and result.received_bytes == 17
    assert capsys.readouterr() == ("it is über late\n", OK.format(13, "tcp/daytime"))
    assert nc(THERE, "daytime", verbose=False, node=near).is_streamed
    assert capsys.readouterr() == ("it is über late\n", "")


def test_a_conversation_at_the_prompt_is_begun_without_asking_and_its_end_is_explained(
    near: Near, capsys: pytest.CaptureFixture[str]
) -> None:
    result = nc(THERE, 8, data=b"x", udp=True, verbose=True, node=near)
    assert (bool(result), result.sent, result.error) == (True, 1, "Connection refused")
    assert capsys.readouterr().err == f"{OK.format(8, 'udp/*')}nc: Connection refused\n"
    result = nc(THERE, 8, data=b"x", udp=True, verbose=False, node=near)
    assert (
        capsys.readouterr().err == ""
        and repr(result) == "<nc 10.0.0.2 8: 1 bytes sent, 0 received; Connection refused>"
    )
    call(near, lambda sock: sock.setsockopt(near.far.SOL_SOCKET, near.far.SO_LINGER, b"\1\0\0\0\0\0\0\0"))
    result = nc(port=4711, listen=True, data=b"", numeric=True, node=near)
    assert result.error == "Connection reset by peer"


def test_a_udp_port_is_open_if_its_host_does_not_say_otherwise_within_three_seconds(near: Near) -> None:
    near.sink.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            near.sink.recv(10)
    began = near.engine.now()
    result = nc(THERE, "7-8", udp=True, scan=True, node=near)
    assert result.open_ports == [7] and [a.error for a in result.attempts] == ["", "Connection refused"]
    assert near.engine.now() - began == pytest.approx(4.0, abs=0.01)  # one for what is closed
    assert [near.sink.recv(10) for _ in range(5)] == [b"X"] * 5
    with pytest.raises(BlockingIOError):
        near.sink.recv(10)


def test_ports_that_were_not_asked_are_not_said_to_be_open(near: Near) -> None:
    began = near.engine.now()
    assert nc(THERE, [7, 8], udp=True, scan=True, verbose=False, wait=1, node=near).open_ports == [7]
    assert near.engine.now() - began == pytest.approx(2.0, abs=0.01)


# --- the parsers


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_a_range_is_every_port_from_the_one_to_the_other(one: int, other: int) -> None:
    low, high = min(one, other), max(one, other)
    assert port_numbers(f"{one}-{other}") == list(range(low, high + 1))
    assert port_numbers("tftp", is_udp=True) == [69]  # which TCP does not know
    with pytest.raises(NcError, match=r"^port number invalid: tftp$"):
        port_numbers("tftp")
    assert port_numbers(one) == port_numbers(str(one)) == port_numbers(f"0{one}") == [one]


WORDS = st.lists(
    st.one_of(
        st.sampled_from([f"-{letter}" for letter in "lkuzvNnCbd4wqpsh-"]),
        st.sampled_from(["--json", "--help", "-", "-w1", "-lk", "-lp7", "7", "7-9", "h"]),
        st.text(max_size=6),
        st.text(alphabet="0123456789-", max_size=8),
    ),
    max_size=6,
)


@given(WORDS)
@example(["-l", "-", "7"])
@example(["h", "\0"])
@example(["h", "٣"])
def test_fuzz_any_words_are_options_that_go_together_or_one_line(words: list[str]) -> None:
    """Whatever the words, there is either what they mean, with ports from 1 to 65535, or an error of one line."""
    try:
        options, _ = parse(words)
        options.check()
    except (UsageError, NcError) as e:
        assert str(e) and (str(e).isprintable() or isinstance(e, UsageError))  # which repeats the option as it is
    else:
        assert isinstance(options, Options) and options.ports and (options.host or options.listen)
        assert all(1 <= port <= 65535 for port in options.ports) and 0 <= options.source_port <= 65535
