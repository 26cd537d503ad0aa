"""ping's text and exit codes, to the letter, on a simulated cable in virtual time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from apps.ping import command, ping
from apps.ping.pinger import Options, Pinger, PingError, Reply
from apps.ping.report import milliseconds
from stack.link.cable import Cable
from stack.sim import SimEngine, World
from stack.socket import SocketModule
from stack.wire import icmpv4, ipv4


class Near(NamedTuple):
    """A host of a World as an app sees a node."""

    engine: SimEngine
    socket: SocketModule
    cable: Cable
    far: SimEngine
    world: World


@pytest.fixture
def near() -> Iterator[Near]:
    """10.0.0.1, with 10.0.0.2 half a millisecond away and nothing else; its neighbour is known already."""
    with World(seed=4) as world:
        cable = world.cable(delay=0.0005)
        engine, far = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
        host = Near(engine, SocketModule(engine), cable, far, world)
        knock = host.socket.socket(host.socket.AF_INET, host.socket.SOCK_DGRAM)
        knock.sendto(b"", ("10.0.0.2", 9))
        world.sleep(0.1)
        knock.close()
        yield host


def text(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_three_replies(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    result = ping("10.0.0.2", node=near)
    assert text(capsys) == (
        "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n"
        "64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=1.00 ms\n"
        "64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=1.00 ms\n"
        "64 bytes from 10.0.0.2: icmp_seq=3 ttl=64 time=1.00 ms\n"
        "\n"
        "--- 10.0.0.2 ping statistics ---\n"
        "3 packets transmitted, 3 received, 0% packet loss, time 2000ms\n"
        "rtt min/avg/max/mdev = 1.000/1.000/1.000/0.000 ms\n"
    )
    assert result and (result.received, result.loss) == (3, 0.0)
    assert result.times == pytest.approx([0.001] * 3)
    assert repr(result) == "<ping 10.0.0.2: 3 of 3 answered, 1.000 ms on average>"


def test_losses_are_counted_and_with_O_announced(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    near.cable.loss = 0.35
    assert command(near, ["-O", "-c", "6", "10.0.0.2"]) == 0
    lines = text(capsys).splitlines()
    answered = {int(s) for s in re.findall(r"64 bytes .*icmp_seq=(\d+)", "\n".join(lines))}
    missing = [f"no answer yet for icmp_seq={n}" for n in range(1, 6) if n not in answered]
    assert [line for line in lines if line.startswith("no answer")] == missing and 0 < len(missing) < 5
    loss = f"{(6 - len(answered)) / 6 * 100:g}% packet loss"
    assert f"6 packets transmitted, {len(answered)} received, {loss}, time 5000ms" in lines


def test_no_reply_at_all_exits_1_after_the_timeout(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    near.cable.loss = 1.0
    began = near.engine.now()
    assert command(near, ["-c", "2", "-i", "0.5", "-W", "3", "10.0.0.2"]) == 1
    assert near.engine.now() - began == pytest.approx(3.5)
    assert text(capsys) == (
        "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n\n--- 10.0.0.2 ping statistics ---\n"
        "2 packets transmitted, 0 received, 100% packet loss, time 500ms\n\n"
    )


def test_duplicates_are_marked(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    near.cable.duplicate = 1.0  # both ways: four replies to a probe
    result = ping("10.0.0.2", count=2, node=near)
    lines = text(capsys).splitlines()
    assert lines[1:5] == [
        "64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=1.00 ms",
        *["64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=1.00 ms (DUP!)"] * 3,
    ]
    assert lines[-2] == "2 packets transmitted, 2 received, +3 duplicates, 0% packet loss, time 1000ms"
    assert (result.received, result.duplicates) == (2, 3)


def test_a_neighbour_that_is_not_there_is_an_error_in_line(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(near, ["-c", "2", "-i", "0.4", "10.0.0.9"]) == 1
    assert text(capsys) == (
        "PING 10.0.0.9 (10.0.0.9) 56(84) bytes of data.\n"
        "From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n"
        "From 10.0.0.1 icmp_seq=2 Destination Host Unreachable\n\n"
        "--- 10.0.0.9 ping statistics ---\n"
        "2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 400ms\n"
        "pipe 2\n"
    )


def test_an_error_from_elsewhere_in_ping_s_words(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    """The far host stands for a router: it reports the probes it gets as if it had to forward them."""
    with near.engine:
        near.engine.stack.routes.add(bytes([10, 7, 0, 0]), 16, bytes([10, 0, 0, 2]), near.engine.interface)
    codes = iter(
        [(11, 0, "Time to live exceeded"), (3, 13, "Packet filtered"), (3, 0, "Destination Net Unreachable"),
         (3, 4, "Frag needed and DF set (mtu = 1400)"), (12, 0, "Parameter problem: pointer = 0")]
    )  # fmt: skip
    expected = []

    def report(now: float, host: SimEngine, frame: object) -> None:
        packet = ipv4.fields(memoryview(bytes(frame.head) + bytes(frame.payload))[14:])
        if host is near.engine and packet.dst == bytes([10, 7, 0, 1]):
            type_, code, words = next(codes)
            expected.append(f"From 10.0.0.2 icmp_seq={len(expected) + 1} {words}")
            quoted = ipv4.emit(packet.src, packet.dst, 1, len(packet.payload)) + bytes(packet.payload)
            rest = (1400).to_bytes(4, "big") if code == 4 else bytes(4)
            message = icmpv4.emit(type_, code, rest, quoted)
            near.world.spawn(answer, message)

    def answer(message: bytes) -> None:
        with near.far:
            port = near.far.stack.raw.open(1)
            port.send(message, type("To", (), {"address": bytes([10, 0, 0, 1]), "port": 0})(), near.far.now())
            port.close(near.far.now())

    near.world.observers.append(report)
    result = ping("10.7.0.1", count=5, timeout=1, node=near)
    lines = text(capsys).splitlines()
    assert lines[1:6] == expected and len(expected) == 5
    assert lines[-2] == "5 packets transmitted, 0 received, +5 errors, 100% packet loss, time 4000ms"
    assert not result


@pytest.mark.parametrize("size, tail", [(8, ""), (15, ""), (16, " time=1.00 ms"), (1472, " time=1.00 ms")])
def test_data_below_sixteen_bytes_has_no_time(
    near: Near, size: int, tail: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = ping("10.0.0.2", count=1, size=size, node=near)
    out = text(capsys)
    assert f"PING 10.0.0.2 (10.0.0.2) {size}({size + 28}) bytes of data.\n" in out
    assert f"{size + 8} bytes from 10.0.0.2: icmp_seq=1 ttl=64{tail}\n" in out
    assert ("rtt min" in out) is (size >= 16) and out.endswith("\n\n" if size < 16 else " ms\n")
    assert result.received == 1


def test_a_name_is_shown_with_its_address_unless_n(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(near, ["-c1", "localhost"]) == 0
    assert "64 bytes from localhost (127.0.0.1): icmp_seq=1" in text(capsys)
    assert command(near, ["-nc1", "localhost"]) == 0
    out = text(capsys)
    assert "PING localhost (127.0.0.1) " in out and "64 bytes from 127.0.0.1: icmp_seq=1" in out
    assert "--- localhost ping statistics ---" in out


def test_quiet_and_timestamps(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(near, ["-q", "-c2", "10.0.0.2"]) == 0
    lines = text(capsys).splitlines()
    assert (len(lines), lines[1:3]) == (5, ["", "--- 10.0.0.2 ping statistics ---"])
    began = near.engine.now()
    assert command(near, ["-D", "-c1", "10.0.0.2"]) == 0
    assert text(capsys).splitlines()[1].startswith(f"[{began + 0.001:.6f}] 64 bytes from 10.0.0.2: icmp_seq=1")


def test_the_time_to_live_is_the_one_asked_for(near: Near) -> None:
    seen: list[int] = []
    near.world.observers.append(lambda now, host, frame: seen.append(frame.head[22]) if host is near.engine else None)
    ping("10.0.0.2", count=1, ttl=7, node=near)
    assert seen == [7]


def test_the_deadline_ends_it_whatever_has_come(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    began = near.engine.now()
    assert command(near, ["-w", "2.5", "10.0.0.2"]) == 0
    assert near.engine.now() - began == pytest.approx(2.5)
    assert "3 packets transmitted, 3 received" in text(capsys)
    assert command(near, ["-w", "2.5", "-c", "9", "10.0.0.2"]) == 1  # fewer than the count
    near.cable.loss = 1.0
    assert command(near, ["-w", "1.5", "-c", "1", "10.0.0.2"]) == 1
    assert "2 packets transmitted, 0 received" in text(capsys)  # it goes on until one is answered


def test_after_a_reply_the_last_probe_is_waited_for_no_longer_than_an_interval(near: Near) -> None:
    began = near.engine.now()
    near.world.observers.append(lambda now, host, frame: setattr(near.cable, "loss", float(now > began + 0.2)))
    result = ping("10.0.0.2", count=2, interval=0.5, node=near)
    assert (result.transmitted, result.received) == (2, 1)
    assert near.engine.now() - began == pytest.approx(1.0)


def test_with_a_deadline_the_first_error_ends_it(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    began = near.engine.now()
    assert command(near, ["-w", "60", "10.0.0.9"]) == 1
    assert near.engine.now() - began < 4  # when the neighbour has been given up
    assert "+1 errors, 100% packet loss" in text(capsys)


def test_the_65537th_probe_has_the_first_one_s_number_and_is_no_duplicate(near: Near) -> None:
    pinger = Pinger("10.0.0.2", Options(count=65537, interval=0), near)
    pinger.result.transmitted = pinger.result.received = 65536
    pinger._answered = set(range(65536))
    (reply,) = pinger.run()
    pinger.close()
    assert isinstance(reply, Reply)
    assert (reply.sequence, reply.is_duplicate, pinger.result.received) == (1, False, 65537)


def test_an_interval_of_zero_is_as_fast_as_the_replies(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    began = near.engine.now()
    assert command(near, ["-i0", "-c4", "10.0.0.2"]) == 0
    assert near.engine.now() - began == pytest.approx(0.004)
    assert text(capsys).endswith("mdev = 1.000/1.000/1.000/0.000 ms, ipg/ewma 1.000/1.000 ms\n")


def test_ctrl_c_prints_the_statistics(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    began = near.engine.now()

    def interrupt(now: float, host: SimEngine, frame: object) -> None:
        if now > began + 1.95:  # as the third probe leaves
            near.world.observers.clear()
            raise KeyboardInterrupt

    near.world.observers.append(interrupt)
    result = ping("10.0.0.2", count=None, node=near)
    assert result.is_interrupted
    lines = text(capsys).splitlines()
    assert lines[-3] == "--- 10.0.0.2 ping statistics ---"
    assert lines[-2] == "3 packets transmitted, 2 received, 33.3333% packet loss, time 2000ms"
    began = near.engine.now()
    near.world.observers.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        ping("10.0.0.2", count=5, node=near)  # it would have ended by itself: what it is part of ends too
    assert "ping statistics" in text(capsys)


def test_json_is_one_document_and_nothing_else(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(near, ["--json", "-c2", "10.0.0.2"]) == 0
    reply = {"from": "10.0.0.2", "bytes": 64, "ttl": 64, "time_ms": 1.0, "duplicate": False}
    assert json.loads(text(capsys)) == {
        "destination": "10.0.0.2",
        "address": "10.0.0.2",
        "size": 56,
        "transmitted": 2,
        "received": 2,
        "duplicates": 0,
        "loss_percent": 0.0,
        "time_ms": 1000.0,
        "rtt_ms": {"min": 1.0, "avg": 1.0, "max": 1.0, "mdev": 0.0},
        "replies": [{"icmp_seq": 1, **reply}, {"icmp_seq": 2, **reply}],
        "errors": [],
    }
    assert command(near, ["--json", "-c1", "10.0.0.9"]) == 1
    document = json.loads(text(capsys))
    assert document["rtt_ms"] is None
    assert document["errors"] == [{"icmp_seq": 1, "from": "10.0.0.1", "error": "Destination Host Unreachable"}]


@pytest.mark.parametrize(
    "arguments, line",
    [
        ("nosuch.invalid", "ping: nosuch.invalid: Temporary failure in name resolution"),
        ("10.9.0.2", "ping: connect: Network is unreachable"),
        ("10.0.0.255", "ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules"),
        ("", "ping: usage error: Destination address required"),
        ("10.0.0.2 10.0.0.3", "ping: usage error: one destination at a time"),
        ("-c x 10.0.0.2", "ping: invalid argument: 'x'"),
        ("-c 0 10.0.0.2", "ping: count is from 1 to 9223372036854775807, not 0"),
        ("-t 256 10.0.0.2", "ping: ttl is from 1 to 255, not 256"),
        ("-s 65508 10.0.0.2", "ping: size is from 0 to 65507, not 65508"),
        ("-i nan 10.0.0.2", "ping: interval is from 0 to 86400, not nan"),
        ("-i -1 10.0.0.2", "ping: interval is from 0 to 86400, not -1.0"),
    ],
)
def test_what_cannot_be_is_one_clear_line_and_exit_code_2(
    near: Near, arguments: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(near, arguments.split()) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", line + "\n")


def test_an_unknown_option_shows_those_there_are(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(near, ["-Z", "10.0.0.2"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ping: invalid option -- 'Z'\n\nusage: ping [options] HOST\n")
    assert command(near, ["-h"]) == 0
    assert capsys.readouterr().out.startswith("usage: ping")


def test_what_is_too_big_for_the_link_is_a_local_error(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(near, ["-c1", "-s1473", "10.0.0.2"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "ping: local error: message too long, mtu=1500\n"
    assert "1 packets transmitted, 0 received, +1 errors, 100% packet loss" in captured.out


def test_the_function_raises_where_the_command_complains(near: Near) -> None:
    with pytest.raises(PingError, match=r"nosuch\.invalid: Temporary failure in name resolution"):
        ping("nosuch.invalid", node=near)
    with pytest.raises(ValueError, match="count is from 1"):
        ping("10.0.0.2", count=0, node=near)


def test_two_pings_at_once_do_not_take_each_other_s_replies(near: Near) -> None:
    results = []
    for count in (3, 5):
        near.world.spawn(lambda n=count: results.append(ping("10.0.0.2", count=n, interval=0.7, node=near)))
    near.world.run()
    assert [(r.transmitted, r.received, r.duplicates) for r in results] == [(3, 3, 0), (5, 5, 0)]


@pytest.mark.parametrize(
    "seconds, words",
    [(0.0, "0.000"), (36e-6, "0.036"), (999e-6, "0.999"), (0.001235, "1.24"), (0.009994, "9.99"), (0.009995, "10.0"),
     (0.0124, "12.4"), (0.09994, "99.9"), (0.09995, "100"), (1.2345, "1235")],
)  # fmt: skip
def test_a_time_has_three_digits(seconds: float, words: str) -> None:
    assert milliseconds(seconds) == words
