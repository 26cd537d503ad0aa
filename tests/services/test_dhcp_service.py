"""The dhcp service with our own client on the other end of a cable, and on the kernel's loopback by hand."""

from __future__ import annotations

from typing import Any

import pytest

from services import Services
from stack.sim import World
from stack.socket import SocketModule
from stack.wire import dhcpv4
from stack.wire.address import parse_ip
from stack.wire.dhcpv4 import DISCOVER, OFFER
from stack.wire.dhcpv4_options import Options

SETTING = "10.0.0.1/24 pool=10.0.0.50-10.0.0.52 lease=600 domain=lab"


def services_of(host: Any) -> Services:
    module = SocketModule(host)
    return Services(module, module.selectors, host.spawn)


def client_on(host: Any, **options: Any) -> Any:
    with host:
        return host.stack.dhcp.start(host.interface, host.now(), **options)


def wait_for(host: Any, client: Any, state: str) -> None:
    with host:
        assert host.wait(lambda: client.state.value == state, 100), client.state


def test_a_lease_from_the_first_day_to_the_last() -> None:
    with World(seed=5) as world:
        world.cable(delay=0.0005)
        server, host = world.host("10.0.0.1/24"), world.host()
        service = services_of(server).start("dhcp", setting=SETTING)
        client = client_on(host, hostname="alice")
        wait_for(host, client, "BOUND")
        assert [str(a) for a in host.interface.addresses] == ["10.0.0.50/24"]
        assert (client.lease.domain, client.lease.dns_servers) == ("lab", (parse_ip("10.0.0.1"),))
        assert (client.lease.t1_at - client.lease.bound_at, client.lease.seconds) == (300, 600)
        world.sleep(2900)  # renewed by unicast, to the socket that is bound to the server's address
        assert client.state.value == "BOUND" and client.lease.bound_at > 2500
        mac = host.interface.mac.hex(":")
        assert repr(service).startswith(
            f"dhcp on 67/udp of 10.0.0.1: 1 lease (10.0.0.50 {mac} alice), 11 datagrams answered"
        )
        with host:
            host.stack.dhcp.release(host.interface, host.now())
            host.wait(lambda: host.stack.dhcp.on(host.interface) is None, 2)
        world.sleep(0.1)
        assert repr(service).startswith("dhcp on 67/udp of 10.0.0.1: 0 leases, 11 datagrams")


def test_an_address_in_use_is_declined_and_the_next_is_given() -> None:
    with World(seed=5) as world:
        world.cable(delay=0.0005)
        server, host, _ = world.host("10.0.0.1/24"), world.host(acd_probe_num=2), world.host("10.0.0.50/24")
        services_of(server).start("dhcp", setting=SETTING)
        wait_for(host, client_on(host), "BOUND")
        assert [str(a) for a in host.interface.addresses] == ["10.0.0.51/24"]


def test_three_hosts_and_one_too_many() -> None:
    with World(seed=5) as world:
        world.cable(delay=0.0005)
        services_of(world.host("10.0.0.1/24")).start("dhcp", setting=SETTING)
        hosts = [world.host() for _ in range(4)]
        clients = [client_on(host) for host in hosts]
        world.sleep(30)
        assert sorted(str(a) for host in hosts for a in host.interface.addresses) == [
            "10.0.0.50/24", "10.0.0.51/24", "10.0.0.52/24",
        ]  # fmt: skip
        assert sorted(client.state.value for client in clients) == ["BOUND", "BOUND", "BOUND", "SELECTING"]


def test_by_hand_and_what_is_no_request(place: Any) -> None:
    service = place.services.start("dhcp", port=0, setting="203.0.113.1/24")  # nobody's address here
    sock = place.datagrams()
    asking = dhcpv4.emit(1, 77, b"\2\0\0\0\0\7", Options(message_type=DISCOVER), flags=dhcpv4.BROADCAST)
    relayed = dhcpv4.emit(1, 78, b"\2\0\0\0\0\7", Options(message_type=DISCOVER), giaddr=parse_ip("10.0.0.9"))
    for data in (b"", b"\0" * 300, b"\2" + asking[1:], asking[:241] + b"\xf0", relayed, asking):
        sock.sendto(data, (place.address, service.bound))
    message = dhcpv4.parse(sock.recv(2000))
    assert (message.op, message.xid, message.hardware, message.flags) == (2, 77, b"\2\0\0\0\0\7", dhcpv4.BROADCAST)
    assert (message.yiaddr, dhcpv4.parse_options(message).message_type) == (parse_ip("203.0.113.128"), OFFER)
    assert service.refused == 5


def test_whatever_the_bytes_the_server_answers_or_does_not(place: Any) -> None:
    """A request bent at any byte leaves the pool with leases inside itself, and the service running."""
    service = place.services.start("dhcp", port=0, setting="203.0.113.1/24 pool=203.0.113.9-203.0.113.20")
    pool = service.pool
    good = dhcpv4.emit(1, 77, b"\2\0\0\0\0\7", Options(message_type=3, requested=parse_ip("203.0.113.9")))[:260]
    for offset in range(len(good)):
        for value in (0, 1, 3, 0xFF, good[offset] ^ 0x80):
            service._on_message(good[:offset] + bytes((value,)) + good[offset + 1 :], (place.address, 9))
            assert all(9 <= address[3] <= 20 for address in pool.leases)


def test_two_on_one_host_and_settings_that_make_no_sense(place: Any) -> None:
    first = place.services.start("dhcp", port=0, setting="203.0.113.1/24")
    with pytest.raises(OSError, match=f"^.*dhcp: port {first.bound} of 203.0.113.1 is in use$"):
        place.services.start("dhcp", port=first.bound, setting="203.0.113.1/24")
    with pytest.raises(ValueError, match=r"^dhcp: start it with its address"):
        place.services.start("dhcp", port=0)
    if hasattr(place.socket, "engine"):  # the kernel's port 67 is not for a test to open
        with pytest.raises(OSError, match=r"dhcp: 203.0.113.1 is not an address of this host"):
            place.services.start("dhcp", setting="203.0.113.1/24")  # not our address, so not our link
