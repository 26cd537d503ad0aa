"""nc over UDP in virtual time: datagrams there and back, and what takes the place of an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from apps.nc import nc
from apps.nc.source import Given
from tests.apps.nc_run import BINARY, PORT, Somebody, hold
from tests.apps.near import HERE, THERE, Near, two_hosts


@pytest.fixture
def near() -> Iterator[Near]:
    with two_hosts() as there:
        yield there


def udp(near: Near, talk: Callable[[Any], object]) -> Callable[[], object]:
    """A script with a UDP socket of 10.0.0.2's."""
    sock = near.far.socket(type=near.far.SOCK_DGRAM)
    sock.bind(("", PORT))

    def run() -> object:
        with sock:
            return talk(sock)

    return run


def echo(sock: Any) -> list[bytes]:
    """Answer datagrams until there is silence."""
    heard: list[bytes] = []
    sock.settimeout(5)
    with suppress(TimeoutError):
        while True:
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
