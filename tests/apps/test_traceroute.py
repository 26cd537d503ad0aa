"""traceroute's text and exit codes in virtual time: a path of routers made of our own stacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps import address_names
from apps.traceroute import command, parse, traceroute
from apps.traceroute.tracer import ALLOWANCE, Options, TraceError, Tracer
from apps.usage import UsageError
from stack.events import Event
from stack.interface import Interface, Offload
from stack.sim import SimEngine, World
from stack.socket import SocketModule
from stack.sockets.addresses import Resolved
from stack.wire import ethernet, icmpv4, ipv4, udp
from stack.wire.address import ANY4, parse_ip


class Router:
    """An observer that makes a host of our own forward what is not for it, and tells the sender what it does not.

    silent     it does not say that a packet's time ended here
    lost       the UDP ports to which nothing passes
    refusing   the code of Destination Unreachable that everything gets here, None for none
    faces      the addresses it answers from, in turn
    """

    def __init__(self, engine: SimEngine, *faces: str) -> None:
        self.engine = engine
        self.silent = False
        self.lost: set[int] = set()
        self.refusing: int | None = None
        self.faces = [parse_ip(face) for face in faces]
        engine.stack.observers.append(self)

    def on_event(self, event: Event, now: float) -> None:
        pass

    def on_frame(
        self,
        interface: Interface,
        outgoing: bool,
        head: bytes | memoryview,
        payload: bytes | memoryview,
        offload: Offload | None,
        why: Event | None,
        now: float,
    ) -> None:
        frame = ethernet.fields(bytes(head))
        if outgoing or frame.ethertype != ethernet.ETHERTYPE_IPV4 or frame.dst != interface.mac:
            return
        packet = ipv4.fields(frame.payload)
        if packet.dst not in self.engine.stack.own_addresses and not self.is_lost(packet):
            self.pass_on(packet, bytes(frame.payload[: packet.total_length]), now)

    def is_lost(self, packet: ipv4.Ipv4) -> bool:
        return packet.protocol == ipv4.PROTOCOL_UDP and udp.fields(packet.payload).dst_port in self.lost

    def pass_on(self, packet: ipv4.Ipv4, data: bytes, now: float) -> None:
        if packet.ttl <= 1:
            if not self.silent:
                self.tell(icmpv4.TIME_EXCEEDED, icmpv4.TTL_EXCEEDED, packet, data, now)
        elif self.refusing is not None:
            self.tell(icmpv4.DESTINATION_UNREACHABLE, self.refusing, packet, data, now)
        else:
            self.engine.stack.ipv4.output_with_header(data[:8] + bytes([packet.ttl - 1]) + data[9:], now)

    def tell(self, type_: int, code: int, packet: ipv4.Ipv4, data: bytes, now: float) -> None:
        rest = bytes((0, 0, 0x05, 0x14)) if code == icmpv4.FRAGMENTATION_NEEDED else bytes(4)
        self.faces.append(self.faces.pop(0))
        self.engine.stack.ipv4.output_quietly(
            ipv4.PROTOCOL_ICMP, self.faces[-1], packet.src, icmpv4.emit(type_, code, rest, data[:28]), b"", now
        )


class Path(NamedTuple):
    """10.0.0.1, two routers, and 10.0.2.9 as an app sees a node; each cable takes half a millisecond."""

    engine: SimEngine
    socket: SocketModule
    world: World
    near: Router
    far: Router
    target: SimEngine


@pytest.fixture
def path() -> Iterator[Path]:
    with World(seed=6) as world:
        cables = [world.cable(delay=0.0005) for _ in range(3)]
        here = world.host("10.0.0.1/24", cable=cables[0], gateway="10.0.0.254")
        routers = [world.host(f"10.0.{n}.254/24", cable=cables[n], name=f"router {n + 1}") for n in range(2)]
        for number, router in enumerate(routers):
            beyond = router.attach(cables[number + 1])
            with router:
                router.stack.add_address(beyond, parse_ip(f"10.0.{number + 1}.1"), 24, 0.0)
        routers[0].stack.routes.add(ANY4, 0, parse_ip("10.0.1.254"), list(routers[0].links)[1])
        routers[1].stack.routes.add(ANY4, 0, parse_ip("10.0.1.1"), routers[1].interface)
        target = world.host("10.0.2.9/24", cable=cables[2], gateway="10.0.2.1")
        near, far = Router(routers[0], "10.0.0.254"), Router(routers[1], "10.0.1.254")
        made = Path(here, SocketModule(here), world, near, far, target)
        with made.socket.socket(made.socket.AF_INET, made.socket.SOCK_DGRAM) as knock:
            knock.sendto(b"", ("10.0.2.9", 9))  # neighbours get to know each other
            world.sleep(0.1)
        yield made


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


HEADER = "traceroute to 10.0.2.9 (10.0.2.9), 30 hops max, 60 byte packets\n"
THREE_HOPS = (
    HEADER
    + " 1  10.0.0.254  1.000 ms  1.000 ms  1.000 ms\n"
    + " 2  10.0.1.254  2.000 ms  2.000 ms  2.000 ms\n"
    + " 3  10.0.2.9  3.000 ms  3.000 ms  3.000 ms\n"
)


@pytest.mark.parametrize("options", ["-n", "-n -I", "-n -N 1", "-n -N 0", "-n -z 0.5", "-n -z 20", "-n -p 65530"])
def test_three_hops(path: Path, options: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(path, [*options.split(), "10.0.2.9"]) == 0
    assert said(capsys) == THREE_HOPS


def test_the_function_returns_what_it_printed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = traceroute("10.0.2.9", queries=2, node=path)
    assert said(capsys) == (
        HEADER
        + " 1  10.0.0.254 (10.0.0.254)  1.000 ms  1.000 ms\n"
        + " 2  10.0.1.254 (10.0.1.254)  2.000 ms  2.000 ms\n"
        + " 3  10.0.2.9 (10.0.2.9)  3.000 ms  3.000 ms\n"
    )
    assert result and result.is_streamed
    assert repr(result) == "<traceroute 10.0.2.9: reached in 3 hops>"
    assert [hop.addresses for hop in result.hops] == [["10.0.0.254"], ["10.0.1.254"], ["10.0.2.9"]]
    assert result.hops[1].times == pytest.approx([0.002, 0.002])
    assert repr(result.hops) == "[<hop 1: 10.0.0.254>, <hop 2: 10.0.1.254>, <hop 3: 10.0.2.9>]"


@pytest.mark.parametrize(
    "options, hops",
    [
        ("-m 2", [" 1  10.0.0.254  1.000 ms", " 2  10.0.1.254  2.000 ms"]),
        ("-f 2", [" 2  10.0.1.254  2.000 ms", " 3  10.0.2.9  3.000 ms"]),
        ("-f 7", [" 7  10.0.2.9  3.000 ms"]),
    ],
)
def test_the_hops_that_are_asked_for(
    path: Path, options: str, hops: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(path, ["-n", "-q1", *options.split(), "10.0.2.9"]) == 0
    assert said(capsys).splitlines()[1:] == hops


def test_a_way_that_is_longer_than_asked_for_is_false_and_exits_0(path: Path) -> None:
    result = traceroute("10.0.2.9", max_hops=2, numeric=True, node=path)
    assert not result and repr(result) == "<traceroute 10.0.2.9: not reached in 2 hops>"


def ports(path: Path) -> list[tuple[int, int, int]]:
    """The time to live, destination port and length of each UDP datagram that the host sends from now on."""
    seen: list[tuple[int, int, int]] = []

    def look(now: float, host: SimEngine, frame: Any) -> None:
        packet = ipv4.fields(ethernet.fields(frame.head + bytes(frame.payload)).payload)
        if host is path.engine and packet.protocol == ipv4.PROTOCOL_UDP:
            seen.append((packet.ttl, udp.fields(packet.payload).dst_port, packet.total_length))

    path.world.observers.append(look)
    return seen


def test_each_probe_has_one_port_more_and_sixteen_are_on_their_way(path: Path) -> None:
    seen = ports(path)
    traceroute("10.0.2.9", numeric=True, node=path)
    assert seen[:16] == [(1 + n // 3, 33434 + n, 60) for n in range(16)]
    assert len(seen) == 16 + 3 + 3  # when two hops had answered, the target did


def test_a_port_that_one_begins_with_and_the_length_of_a_packet(path: Path) -> None:
    seen = ports(path)
    assert command(path, ["-n", "-q1", "-N1", "-p", "65534", "10.0.2.9", "100"]) == 0
    assert seen == [(1, 65534, 100), (2, 65535, 100), (3, 1, 100)]  # there is no port 0
    seen.clear()
    assert command(path, ["-n", "-q1", "-N1", "10.0.2.9", "5"]) == 0
    assert [length for _, _, length in seen] == [28] * 3


def test_a_silent_router_is_not_waited_for_longer_than_others_took(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.far.silent = True
    lines = THREE_HOPS.splitlines()
    lines[2] = " 2  * * *"
    began = path.engine.now()
    assert command(path, ["-n", "10.0.2.9"]) == 0
    assert said(capsys).splitlines() == lines
    assert path.engine.now() - began == pytest.approx(10 * (0.003 + ALLOWANCE))  # NEAR times the target's answer
    began = path.engine.now()
    assert command(path, ["-n", "-w", "2", "10.0.2.9"]) == 0
    assert path.engine.now() - began == pytest.approx(2.0)
    began = path.engine.now()
    assert command(path, ["-n", "-w", "2,5,0", "10.0.2.9"]) == 0
    assert path.engine.now() - began == pytest.approx(2.0)
    assert said(capsys).splitlines() == lines * 2


def test_a_lost_probe_is_not_waited_for_longer_than_its_hop_s_others(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.near.lost = {33440, 33442}
    began = path.engine.now()
    assert command(path, ["-n", "10.0.2.9"]) == 0
    assert said(capsys).splitlines()[3] == " 3  * 10.0.2.9  3.000 ms *"
    assert path.engine.now() - began == pytest.approx(3 * (0.003 + ALLOWANCE))
    assert command(path, ["-n", "-p", "33435", "10.0.2.9"]) == 0
    lines = said(capsys).splitlines()
    assert lines[2:] == [" 2  10.0.1.254  2.000 ms  2.000 ms *", " 3  10.0.2.9  3.000 ms *  3.000 ms"]


def test_nobody_answers(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.near.silent, path.near.lost = True, set(range(33434, 33500))
    began = path.engine.now()
    assert command(path, ["-n", "-m", "11", "-w", "1", "10.0.2.9"]) == 0
    assert said(capsys).splitlines()[1:] == [f"{n:2}  * * *" for n in range(1, 12)]
    assert path.engine.now() - began == pytest.approx(3.0)  # 33 probes, 16 at a time


MARKS = ["!N", "!H", "!P", "-", "!F-1300", "!S", "!N", "!H", "!N", "!X", "!X", "!N", "!H", "!X", "!V", "!C", "!<16>"]


@pytest.mark.parametrize("method", ["-n", "-nI"])
def test_who_is_refused_reads_why(path: Path, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    for code, mark in enumerate("" if m == "-" else " " + m for m in MARKS):
        path.far.refusing = code
        assert command(path, [method, "-q2", "10.0.2.9"]) == 0
        assert said(capsys).splitlines()[3:] == [f" 3  10.0.1.254  2.000 ms{mark}  2.000 ms{mark}"]


def test_a_router_that_refuses_is_not_the_host(path: Path) -> None:
    path.far.refusing = icmpv4.PORT_UNREACHABLE
    assert not traceroute("10.0.2.9", numeric=True, node=path)


def test_who_answers_from_two_addresses_is_named_each_time(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.far.faces.append(parse_ip("10.0.2.1"))
    assert command(path, ["10.0.2.9"]) == 0
    two = " 10.0.1.254 (10.0.1.254)  2.000 ms", " 10.0.2.1 (10.0.2.1)  2.000 ms"
    assert said(capsys).splitlines()[2] == " 2 " + two[0] + two[1] + two[0]


def test_a_port_where_somebody_listens_is_an_end_too(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = SocketModule(path.target)

    def echo() -> None:
        with there.socket(there.AF_INET, there.SOCK_DGRAM) as sock:
            sock.bind(("", 33440))
            while True:
                sock.sendto(*sock.recvfrom(100))

    path.world.spawn(echo, is_service=True)
    assert command(path, ["-n", "10.0.2.9"]) == 0
    assert said(capsys) == THREE_HOPS


def test_a_neighbour_that_is_not_there_is_unreachable(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(path, ["-n", "10.0.0.77"]) == 0
    assert said(capsys).splitlines()[1].replace("000.000", "N") == " 1  10.0.0.1" + "  3N ms !H" * 3


def test_this_host_is_one_hop_away(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(path, ["localhost"]) == 0
    assert said(capsys) == (
        "traceroute to localhost (127.0.0.1), 30 hops max, 60 byte packets\n"
        " 1  localhost (127.0.0.1)  0.000 ms  0.000 ms  0.000 ms\n"
    )


# --- names


class Directory:
    """A name server's answers; `slowly` that many seconds after the question."""

    def __init__(self, world: World, slowly: float) -> None:
        self.world = world
        self.slowly = slowly
        self.asked: list[str] = []

    def forward(self, name: str, family: int) -> Resolved:
        return Resolved(name, [], [(2, "10.0.2.9")])

    def reverse(self, literal: str) -> Resolved | None:
        self.asked.append(literal)
        self.world.sleep(self.slowly)
        return Resolved("target.lab", [], []) if literal == "10.0.2.9" else None


def test_names_that_there_are(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = path.socket.names.resolver = Directory(path.world, 0.5)
    assert command(path, ["-q1", "target.lab"]) == 0
    assert said(capsys).splitlines() == [
        "traceroute to target.lab (10.0.2.9), 30 hops max, 60 byte packets",
        " 1  10.0.0.254 (10.0.0.254)  1.000 ms",
        " 2  10.0.1.254 (10.0.1.254)  2.000 ms",
        " 3  target.lab (10.0.2.9)  3.000 ms",  # the time does not have the names' in it
    ]
    assert sorted(directory.asked) == ["10.0.0.254", "10.0.1.254", "10.0.2.9"]  # each once, and all at once
    assert path.engine.now() < 1.0


def test_a_name_server_that_is_silent_is_waited_for_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.socket.names.resolver = Directory(path.world, 60.0)
    began = path.engine.now()
    assert command(path, ["10.0.2.9"]) == 0
    assert said(capsys).splitlines()[3] == " 3  10.0.2.9 (10.0.2.9)  3.000 ms  3.000 ms  3.000 ms"
    assert path.engine.now() - began == pytest.approx(0.001 + address_names.PATIENCE)


def test_with_n_nobody_is_asked(path: Path) -> None:
    directory = path.socket.names.resolver = Directory(path.world, 60.0)
    traceroute("10.0.2.9", numeric=True, node=path)
    assert directory.asked == []


# --- as JSON, and what goes wrong


def test_json_is_one_document_and_nothing_else(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.far.refusing, path.near.lost = icmpv4.HOST_UNREACHABLE, {33436}
    path.socket.names.resolver = Directory(path.world, 0.0)
    assert command(path, ["--json", "-q2", "10.0.2.9"]) == 0

    def probe(address: str, ms: float, error: str | None = None) -> dict[str, Any]:
        return {"from": address, "name": None, "time_ms": ms, "error": error}

    assert json.loads(said(capsys)) == {
        "destination": "10.0.2.9",
        "address": "10.0.2.9",
        "max_hops": 30,
        "size": 60,
        "reached": False,
        "hops": [
            {"hop": 1, "probes": [probe("10.0.0.254", 1.0), probe("10.0.0.254", 1.0)]},
            {"hop": 2, "probes": [None, probe("10.0.1.254", 2.0)]},
            {"hop": 3, "probes": [probe("10.0.1.254", 2.0, "!H"), probe("10.0.1.254", 2.0, "!H")]},
        ],
    }


def test_ctrl_c_ends_the_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.far.silent, path.near.lost = True, {33436}
    began = path.engine.now()

    def interrupt(now: float, host: SimEngine, frame: object) -> None:
        if host is path.engine and now > began + 1.9:  # as it sends the first probe after one that was lost
            path.world.observers.clear()
            raise KeyboardInterrupt

    path.world.observers.append(interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        command(path, ["-nq1", "-N2", "-w2", "10.0.2.9"])
    assert getattr(caught.value, "is_reported", False)
    assert said(capsys) == HEADER + " 1  10.0.0.254  1.000 ms\n 2  *\n"


REFUSED = {
    "nosuch.invalid": "nosuch.invalid: Temporary failure in name resolution",
    "-m 256 10.0.2.9": "max hops cannot be more than 255",
    "-m 0 10.0.2.9": "first hop out of range",
    "-f 31 10.0.2.9": "first hop out of range",
    "-f 0 10.0.2.9": "first hop out of range",
    "-q 0 10.0.2.9": "no more than 10 probes per hop",
    "-q 11 10.0.2.9": "no more than 10 probes per hop",
    "-w -1 10.0.2.9": "bad wait specifications `-1,0,0' used",
    "-w nan 10.0.2.9": "bad wait specifications `nan,0,0' used",
    "-z -1 10.0.2.9": "bad sendtime `-1' specified",
    "10.0.2.9 65001": "too big packetlen 65001 specified",
    "-p 65536 10.0.2.9": "a port is from 0 to 65535, not 65536",
    "-m x 10.0.2.9": "traceroute: -m: invalid argument: 'x'",
    "-w x 10.0.2.9": "traceroute: -w: invalid argument: 'x'",
    "-w 1,2,3,4 10.0.2.9": "traceroute: -w: invalid argument: '1,2,3,4'",
    "10.0.2.9 x": "traceroute: packetlen: invalid argument: 'x'",
    "10.0.2.9 60 70": "traceroute: extra argument '70'",
}


def test_what_cannot_be_is_one_clear_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, line in REFUSED.items():
        assert command(path, arguments.split()) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", line + "\n")


@pytest.mark.parametrize(
    "arguments, line",
    [
        ("10.0.0.255", "connect: Permission denied"),
        ("10.0.2.9 1501", "send: Message too long: 1501 bytes, and the link takes 1500"),
    ],
)
def test_what_cannot_be_sent_exits_1(
    path: Path, arguments: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(path, arguments.split()) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("traceroute to ") and captured.err == line + "\n"


def test_where_there_is_no_route(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for route in [r for r in path.engine.stack.routes if r.prefixlen == 0]:
        path.engine.stack.routes.remove(route)
    assert command(path, ["10.0.2.9"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (HEADER, "connect: Network is unreachable\n")
    with pytest.raises(TraceError, match="connect: Network is unreachable"):
        traceroute("10.0.2.9", node=path)


def test_an_unknown_option_shows_those_there_are_and_no_host_too(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(path, ["-Z", "10.0.2.9"]) == 2
    assert capsys.readouterr().err.startswith("traceroute: invalid option -- 'Z'\n\nusage: traceroute [options] HOST")
    for arguments in ([], ["--help"]):
        assert command(path, arguments) == 0
        assert said(capsys).startswith("usage: traceroute")


WORDS = ["-m", "-w", "-q3", "-z", "1,2,3", "/", "10.0.2.9", "--json", "-n", "x", "-", "--wait=1"]


@given(st.lists(st.sampled_from(WORDS)))
def test_any_words_are_options_or_a_usage_error(words: list[str]) -> None:
    try:
        options, _, _ = parse(words)
    except UsageError as e:
        assert str(e) and "\n" not in str(e)
    else:
        assert isinstance(options, Options)


class Sent(NamedTuple):
    """A tracer all of whose first sixteen probes are on their way, and the ICMP errors that would answer them."""

    tracer: Tracer
    errors: list[bytes]


@pytest.fixture(scope="module")
def sent() -> Iterator[Sent]:
    with World(seed=6) as world:
        engine = world.host("10.0.0.1/24", gateway="10.0.0.254")

        class Node(NamedTuple):
            engine: SimEngine
            socket: SocketModule

        tracer = Tracer("10.0.2.9", Options(numeric=True), Node(engine, SocketModule(engine)))
        tracer.open()
        tracer._send()
        local = tracer._datagrams.getsockname()[1]
        errors = []
        for number in range(16):
            quoted = udp.emit(parse_ip("10.0.0.1"), parse_ip("10.0.2.9"), local, 33434 + number, b"")
            quoted = ipv4.emit(parse_ip("10.0.0.1"), parse_ip("10.0.2.9"), ipv4.PROTOCOL_UDP, len(quoted), 1) + quoted
            message = icmpv4.emit(icmpv4.TIME_EXCEEDED, 0, bytes(4), quoted)
            head = ipv4.emit(parse_ip("10.0.0.254"), parse_ip("10.0.0.1"), ipv4.PROTOCOL_ICMP, len(message))
            errors.append(head + message)
        yield Sent(tracer, errors)
        tracer.close()


@given(data=st.data())
def test_whatever_comes_back_it_is_an_answer_to_a_probe_on_its_way_or_nothing(sent: Sent, data: st.DataObject) -> None:
    """A packet, damaged anywhere, never raises, and at most one probe of those sent is answered by it."""
    tracer = sent.tracer
    packet = bytearray(data.draw(st.sampled_from(sent.errors)))
    for at in data.draw(st.lists(st.integers(0, len(packet) - 1), max_size=4)):
        packet[at] = data.draw(st.integers(0, 255))
    mended = bytes(packet[: data.draw(st.integers(20, len(packet)))])
    if data.draw(st.booleans()) and len(mended) > 28:
        # With a checksum that is right, so that it is read further.
        mended = mended[:20] + icmpv4.emit(mended[20], mended[21], mended[24:28], mended[28:])
    before = [p.answer for p in tracer._probes]
    tracer._on_icmp(mended, ("10.0.0.254", 0))
    changed = [p for p, answer in zip(tracer._probes, before) if p.answer is not answer]
    assert len(changed) <= 1 and all(p.number < 16 for p in changed)
    for probe in changed:
        probe.answer = None
        tracer._waiting += 1
    tracer._end = len(tracer._probes)


def test_the_errors_of_that_test_answer_their_probes_when_whole(sent: Sent) -> None:
    for number, error in enumerate(sent.errors):
        sent.tracer._on_icmp(error, ("10.0.0.254", 0))
        answer = sent.tracer._probes[number].answer
        assert answer is not None and (answer.address, answer.mark) == ("10.0.0.254", "")
