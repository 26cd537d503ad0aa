"""A Node whose address DHCP gives, and whose names DNS knows: what it has, says, keeps and gives back."""

from __future__ import annotations

import errno
import json
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.node import Node
from apps.shell import toolbar
from apps.station import Station
from stack.autoconf.dhcpv4 import State
from stack.config import Config
from stack.link.cable import Cable
from stack.link.cable_end import CableEnd, connect

FAST: dict[str, Any] = {"acd_probe_num": 0, "dhcp_start_wait": 0.0}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "glasstack" / "leases"


@pytest.fixture
def ends() -> list[CableEnd]:
    return connect(Cable(random.Random(1)))


@pytest.fixture
def server(ends: list[CableEnd]) -> Iterator[Station]:
    host = Station(ends[0], Config(random.Random(2), bytes(16), **FAST))
    host.claim(["10.0.0.1/24"])
    host.services.start("dhcp", setting="10.0.0.1/24 domain=lab lease=100")
    host.services.start("dns")
    yield host
    host.end()


def test_a_lease_brings_address_route_name_server_and_domain() -> None:
    with Node(link="sim", dhcp=True, **FAST) as node:
        assert (node.address, node.peer) == ("192.168.1.128/24", "192.168.1.1")
        assert node.dhcp is not None and node.dhcp.state is State.BOUND
        assert [str(server) for server in node.resolver.servers] == ["192.168.1.1:53"]
        assert node.socket.gethostbyname("www") == node.socket.gethostbyname("www.lab") == "192.168.1.1"
        assert node.ping("www.lab", count=1, quiet=True)
        assert node.stack.route_to(b"\x08\x08\x08\x08") is not None
        assert " 192.168.1.128/24 dhcp " in toolbar.text(node) and "59:5" in toolbar.text(node)


def test_without_dhcp_the_host_that_came_with_the_link_knows_the_names() -> None:
    with Node("10.0.0.2/24", link="sim", **FAST) as node:
        assert node.socket.gethostbyname("www.lab") == "10.0.0.1"
        with pytest.raises(socket.gaierror) as caught:
            node.socket.gethostbyname("nosuch.lab")
        assert caught.value.errno == socket.EAI_NONAME
        assert "dhcp" not in toolbar.text(node)


def test_the_user_s_name_server_and_domain_are_before_the_lease_s(ends: list[CableEnd], server: Station) -> None:
    with Node(link=ends[1], dhcp=True, dns=["10.0.0.1"], search=["nowhere.example"], **FAST) as node:
        assert [str(s) for s in node.resolver.servers] == ["10.0.0.1:53"]
        assert [str(name) for name in node.resolver.search] == ["nowhere.example."]


def test_each_step_is_a_line(ends: list[CableEnd], server: Station, state: Path) -> None:
    lines: list[str] = []
    with Node(link=ends[1], dhcp=True, say=lines.append, **FAST):
        assert lines == [
            "sim: DHCP DISCOVER",
            "sim: 10.0.0.1 offers 10.0.0.128",
            "sim: DHCP REQUEST for 10.0.0.128 to 10.0.0.1",
            "sim: 10.0.0.128/24 from 10.0.0.1 leased for 100 s",
        ]
    assert lines[4:] == ["sim: 10.0.0.128 given back to 10.0.0.1"]


def leases_of(server: Station) -> list[str]:
    (service,) = (s for s in server.services if s.name == "dhcp")
    return [service.counts().split(",")[0]]


def test_the_lease_is_given_back_and_asked_for_again(ends: list[CableEnd], server: Station, state: Path) -> None:
    with Node(link=ends[1], dhcp=True, **FAST):
        (file,) = state.iterdir()
        assert json.loads(file.read_text())["address"] == "10.0.0.128"
        assert json.loads(file.read_text())["expires"] > 0
        assert leases_of(server)[0].startswith("1 lease ")
    assert json.loads(file.read_text())["expires"] == 0
    wait_until(server, lambda: leases_of(server) == ["0 leases"])


def wait_until(station: Station, is_so: Callable[[], bool]) -> None:
    with station.engine as engine:
        for _ in range(500):
            if is_so():
                return
            engine.wait(lambda: False, 0.01)
    assert is_so()


def test_after_a_crash_the_same_address_is_asked_for_at_once(
    ends: list[CableEnd], server: Station, state: Path
) -> None:
    lines: list[str] = []
    mac = ends[1].mac
    with Node(link=ends[1], dhcp=True, **FAST):
        (file,) = state.iterdir()
        kept = file.read_text()
    file.write_text(kept)  # as a node that was killed leaves it
    again = connect(Cable(random.Random(1)))
    assert again[1].mac == mac
    host = Station(again[0], Config(random.Random(2), bytes(16), **FAST))
    host.claim(["10.0.0.1/24"])
    host.services.start("dhcp", setting="10.0.0.1/24 pool=10.0.0.100-10.0.0.200")
    with Node(link=again[1], dhcp=True, say=lines.append, dhcp_retry=0.1, **FAST) as node:
        assert lines[0] == "sim: DHCP REQUEST for 10.0.0.128"
        assert node.address == "10.0.0.128/24"
    host.end()


def test_a_damaged_lease_is_ignored_with_a_warning(ends: list[CableEnd], server: Station, state: Path) -> None:
    lines: list[str] = []
    with Node(link=ends[1], dhcp=True, **FAST):
        (file,) = state.iterdir()
    file.write_text("{")
    again = connect(Cable(random.Random(1)))
    host = Station(again[0], Config(random.Random(2), bytes(16), **FAST))
    host.claim(["10.0.0.1/24"])
    host.services.start("dhcp", setting="10.0.0.1/24")
    with Node(link=again[1], dhcp=True, say=lines.append, **FAST) as node:
        assert "is damaged and ignored" in lines[0]
        assert node.address == "10.0.0.128/24"
    host.end()


def test_no_server_is_one_clear_line(ends: list[CableEnd]) -> None:
    station = Station(ends[1], Config(random.Random(2), bytes(16), dhcp_timeout=0.2, **FAST))
    with pytest.raises(OSError, match=r"no DHCP server on sim gave an address in 0.2 s") as caught:
        station.lease()
    assert caught.value.errno == errno.ETIMEDOUT
    station.end()


def test_a_gateway_is_dhcp_s_to_say() -> None:
    with pytest.raises(ValueError, match="DHCP says what the gateway is"):
        Node(link="sim", dhcp=True, gateway="192.168.1.1")


def test_an_address_beside_the_lease() -> None:
    with Node("192.168.1.77/24", link="sim", dhcp=True, **FAST) as node:
        assert node.address == "192.168.1.77/24, 192.168.1.128/24"


def test_the_time_a_lease_has_left() -> None:
    shown = {-1: "0:00", 59.9: "0:59", 3552.7: "59:12", 3661: "1:01:01", 90061: "1 d 1 h"}
    assert {seconds: toolbar.duration(seconds) for seconds in shown} == shown


def test_watching_begins_before_the_first_frame(ends: list[CableEnd], server: Station) -> None:
    seen: list[int] = []
    with Node(link=ends[1], dhcp=True, watch=lambda node: seen.append(node.recorder.number), **FAST) as node:
        assert seen == [0] and node.recorder.number >= 4


def test_the_trace_shows_the_lease_given_back(ends: list[CableEnd], server: Station, capsys: Any) -> None:
    with Node(link=ends[1], dhcp=True, **FAST) as node:
        node.trace.on("udp")
    assert "DHCP Release" in capsys.readouterr().out
