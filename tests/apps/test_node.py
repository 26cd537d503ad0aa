"""A Node in a program: what it has, how it comes and goes, and what it refuses."""

from __future__ import annotations

import errno
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apps import ping
from apps.node import Node
from apps.station import Station
from services import KINDS
from stack import interrupt
from stack.config import Config
from stack.link.cable import Cable
from stack.link.cable_end import CableEnd, connect
from stack.socket import current, current_node, running

FAST = {"acd_probe_num": 0}


@pytest.fixture
def ends() -> list[CableEnd]:
    return connect(Cable(random.Random(1)))


@pytest.fixture
def node() -> Iterator[Node]:
    with Node("10.0.0.2/24", link="sim", **FAST) as node:
        yield node


def test_a_node_has_its_parts_and_its_apps(node: Node) -> None:
    assert (node.address, node.peer, node.interface.name) == ("10.0.0.2/24", "10.0.0.1", "sim")
    assert node.ping("10.0.0.1", count=1, quiet=True).received == 1
    assert {"ping", "services", "trace", "socket", "run"} <= set(dir(node)) and "serve" not in dir(node)
    with pytest.raises(AttributeError, match="a node has no 'frobnicate'"):
        node.frobnicate()
    assert repr(node).startswith("<Node 10.0.0.2/24 on sim: a second node at 10.0.0.1")


def test_inside_with_it_is_the_current_node(node: Node) -> None:
    assert current_node() is node
    assert ping("10.0.0.1", count=1, quiet=True)
    with Node("10.0.0.2/24", link="sim", **FAST) as inner:
        assert current_node() is inner
    assert current_node() is node


def test_the_other_node_runs_echo_and_http(node: Node) -> None:
    assert node.other is not None and node.other.services.running == ["echo", "http", "dns", "dhcp"]
    with node.socket.create_connection((node.peer, 7), 5) as sock:
        sock.sendall(b"there and back")
        assert sock.recv(100) == b"there and back"


def station(end: CableEnd, config: Config, *addresses: str) -> Station:
    host = Station(end, config)
    host.claim(list(addresses))
    return host


def test_nothing_is_left_when_it_is_closed() -> None:
    before, handlers = threading.active_count(), interrupt._installed
    with Node(link="sim", **FAST) as node:
        assert node.address == "192.168.1.3/24"
        assert running[-1] is node and threading.active_count() > before
        sock = node.socket.socket()
        sock.settimeout(5)
        node.services.start("echo")
    assert threading.active_count() == before and interrupt._installed == handlers
    assert node not in running and current.get() is not node
    with pytest.raises(OSError) as caught:
        sock.connect(("192.168.1.1", 7))
    assert caught.value.errno in (errno.ENETDOWN, errno.EBADF)
    node.close()  # again: nothing


def test_an_address_in_use_is_not_taken(ends: list[CableEnd]) -> None:
    config = Config(random.Random(2), bytes(16), acd_probe_num=0)
    first = station(ends[0], config, "10.0.0.9/24")
    threads = threading.active_count()
    with pytest.raises(OSError, match=r"10\.0\.0\.9 is in use by 02:00:00:00:00:01$") as caught:
        Node("10.0.0.9/24", link=ends[1])
    assert caught.value.errno == errno.EADDRINUSE
    assert threading.active_count() == threads and not running
    first.end()


def test_several_addresses_and_a_gateway(ends: list[CableEnd]) -> None:
    router = station(ends[0], Config(random.Random(2), bytes(16), **FAST), "10.0.0.1/24", "172.16.0.1/16")
    with Node("10.0.0.2/24", "10.9.9.9/24", link=ends[1], gateway="10.0.0.1", **FAST) as node:
        assert node.address == "10.0.0.2/24, 10.9.9.9/24"
        assert node.ping("172.16.0.1", count=1, timeout=2, quiet=True).received == 1
        with node.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("10.9.9.9", 0))
    router.end()


def test_the_prefix_length_is_24_if_it_is_not_said(ends: list[CableEnd]) -> None:
    with Node("10.0.0.2", link=ends[0], **FAST) as node:
        assert (node.address, node.interface.addresses[0].prefixlen) == ("10.0.0.2/24", 24)


@pytest.mark.parametrize(
    "address, settings, words",
    [
        ("10.0.0.256/24", {}, "10.0.0.256"),
        ("10.0.0.2/33", {}, "0 to 32"),
        ("::1/64", {}, "IPv6 is not built yet"),
        ("224.0.0.5/24", {}, "is a multicast address"),
        ("0.0.0.0/0", {}, "is no host's address"),
        ("250.1.1.1/24", {}, "is no host's address"),
        ("10.0.0.5/0", {}, "a prefix length is from 1 to 32"),
        ("10.0.0.2/24", {"gateway": "10.0.1.1"}, "the gateway 10.0.1.1 is not on the network"),
        ("10.0.0.2/24", {"gateway": "10.0.0.2"}, "the gateway 10.0.0.2 is the node itself"),
        ("10.0.0.2/24", {"nonsense": 1}, "there is no setting 'nonsense'"),
        ("10.0.0.2/24", {"tcp_msl": -1}, "tcp_msl is from"),
        ("10.0.0.2/24", {"link": "bridge"}, "there is no link 'bridge'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_opened(
    address: str, settings: dict[str, object], words: str
) -> None:
    threads = threading.active_count()
    with pytest.raises(ValueError, match=words) as caught:
        Node(address, **{"link": "sim", **settings})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    "arguments, settings, words",
    [
        ((3,), {}, "an address is text like '192.168.1.3/24', not 3"),
        ((None,), {}, "an address is text like '192.168.1.3/24', not None"),
        (("10.0.0.2", b"10.0.0.3"), {}, "an address is text like '192.168.1.3/24', not b'10.0.0.3'"),
        ((["10.0.0.2"],), {}, r"an address is text like '192.168.1.3/24', not \['10.0.0.2'\]"),
        ((), {"link": 3}, "a link is tap:NAME, packet:INTERFACE, lab or sim, or a Device, not 3"),
        ((), {"link": ["sim"]}, "a link is tap:NAME, packet:INTERFACE, lab or sim, or a Device, not"),
        ((), {"seed": "x"}, "seed is a whole number, not 'x'"),
        ((), {"seed": 1.5}, "seed is a whole number, not 1.5"),
        ((), {"gateway": 1}, "gateway is text like '192.168.1.1', not 1"),
        ((), {"dns": "10.0.0.1"}, "dns is a list of text, not '10.0.0.1'"),
        ((), {"dns": [1]}, r"dns is a list of text, not \[1\]"),
        ((), {"search": 7}, "search is a list of text, not 7"),
        ((), {"watch": 7}, "watch is a function, not 7"),
        ((), {"say": "x"}, "say is a function, not 'x'"),
    ],
)
def test_arguments_of_the_wrong_type(arguments: tuple[Any, ...], settings: dict[str, Any], words: str) -> None:
    threads = threading.active_count()
    with pytest.raises(TypeError, match=f"^{words}") as caught:
        Node(*arguments, **{"link": "sim", **settings})
    assert "\n" not in str(caught.value)
    assert threading.active_count() == threads


def test_a_closed_node_is_not_entered_again() -> None:
    node = Node(link="sim", **FAST)
    node.close()
    with pytest.raises(RuntimeError, match=r"^<Node .*> is closed: make a new one$"), node:
        pass
    assert current.get() is not node


def test_the_loss_of_the_cable_counts_at_once(node: Node) -> None:
    assert node.cable is not None
    node.cable.loss = 1.0
    assert not node.ping("10.0.0.1", count=2, interval=0.05, timeout=0.1, quiet=True)
    node.cable.loss = 0.0
    assert node.ping("10.0.0.1", count=1, quiet=True)


def test_commands_for_another_host_need_a_lab(node: Node) -> None:
    with pytest.raises(RuntimeError, match="only --link lab has one"):
        node.run("true")


def test_what_was_sent_before_closing_arrives(ends: list[CableEnd]) -> None:
    far = station(ends[0], Config(random.Random(2), bytes(16), **FAST), "10.0.0.1/24")
    discard = far.services.start(KINDS["discard"].name)
    ends[0].cable.delay = 0.02  # much of it is still on its way when the sender goes
    with Node("10.0.0.2/24", link=ends[1], **FAST) as node:
        sock = node.socket.create_connection(("10.0.0.1", 9), 5)
        sock.sendall(bytes(500_000))
    assert discard.bytes_in == 500_000
    far.end()
