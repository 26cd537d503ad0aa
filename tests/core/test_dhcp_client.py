"""The DHCP client with a server as it should be, or none: leases from their beginning to their end, in virtual time."""

from itertools import combinations_with_replacement, pairwise

import pytest

from stack.autoconf.lease import Known
from stack.socket import SocketModule
from stack.wire import dhcpv4, ipv4
from stack.wire.address import ANY4, parse_ip
from stack.wire.checksum import checksum
from stack.wire.dhcpv4 import NAK
from stack.wire.dhcpv4_options import ClasslessRoute, Options
from stack.wire.drop import Drop
from tests.core.dhcp_lan import GIVEN, SERVER, Lan, Reply, encoded, frame_to, giving, silent


def test_from_nothing_to_an_address():
    given = giving("10.0.0.50", routers=(SERVER,), dns_servers=(SERVER,), domain="lab", mtu=1400, hostname="glass")
    with Lan(given) as lan:
        client = lan.start(hostname="me")
        lan.wait_for(client, "BOUND")
        lease = client.lease
        assert (lease.dns_servers, lease.domain, lease.hostname, lease.mtu) == ((SERVER,), "lab", "glass", 1400)
        assert [str(name) for name in lease.search] == ["lab."]
        assert lan.addresses == ["10.0.0.50/24"]
        assert lan.routes == [
            "10.0.0.0/24 dev eth0 src 10.0.0.50",
            "default via 10.0.0.1 dev eth0 src 10.0.0.50",
        ]
        assert lan.node.interface.mtu == 1400
        assert lan.lines() == [
            "eth0: DHCP STOPPED -> INIT",
            "eth0: DHCP INIT -> SELECTING",
            "eth0: DHCP DISCOVER",
            "eth0: 10.0.0.1 offers 10.0.0.50",
            "eth0: DHCP SELECTING -> REQUESTING",
            "eth0: DHCP REQUEST for 10.0.0.50 to 10.0.0.1",
            "eth0: DHCP REQUESTING -> CHECKING",
            "eth0: DHCP CHECKING -> BOUND",
            "eth0: 10.0.0.50/24 from 10.0.0.1 leased for 3600 s",
        ]
        discover, request = lan.server.heard
        assert discover.source == request.source == "0.0.0.0"
        assert discover.options == Options(
            message_type=dhcpv4.DISCOVER, hostname="me", max_size=1500, client_id=b"\1" + lan.node.interface.mac,
            parameters=(1, 121, 3, 6, 12, 15, 26, 28, 33, 51, 54, 58, 59, 119),
        )  # fmt: skip
        assert request.options == discover.options._replace(message_type=3, requested=GIVEN, server_id=SERVER)
        # RFC 2131 4.4.1: the same transaction, the same seconds.
        assert (request.message.xid, request.message.secs) == (discover.message.xid, discover.message.secs)
        assert discover.message.flags == 0 and discover.message.ciaddr == ANY4


def test_the_node_can_talk_with_what_it_was_given():
    with Lan(giving("10.0.0.50", routers=(SERVER,))) as lan:
        lan.wait_for(lan.start(), "BOUND")
        node, host = SocketModule(lan.node), SocketModule(lan.server.host)
        listener = host.socket(host.AF_INET, host.SOCK_DGRAM)
        listener.bind(("", 9))
        sock = node.socket(node.AF_INET, node.SOCK_DGRAM)
        sock.sendto(b"hello", ("10.0.0.1", 9))
        data, source = listener.recvfrom(100)
        assert (data, source[0]) == (b"hello", "10.0.0.50")


def test_replies_by_unicast_to_the_address_that_is_not_ours_yet():
    with Lan() as lan:

        def answer(heard):
            (reply,) = giving("10.0.0.50")(heard)
            frame = frame_to(heard.message.hardware, SERVER, GIVEN, encoded(heard.message, reply))
            lan.node.stack.receive(lan.node.interface, frame, lan.world.now())
            return []

        lan.server.script = answer
        lan.wait_for(lan.start(), "BOUND")
        assert lan.addresses == ["10.0.0.50/24"]


def test_without_a_client_port_68_is_a_port_like_any_other():
    with Lan() as lan:
        other = lan.world.host("10.0.0.9/24")
        module = SocketModule(other)
        sock = module.socket(module.AF_INET, module.SOCK_DGRAM)
        sock.bind(("", 68))
        sock.settimeout(1)
        lan.start()
        host = SocketModule(lan.server.host)
        with host.socket(host.AF_INET, host.SOCK_DGRAM) as sender:
            sender.sendto(b"not DHCP at all", ("10.0.0.9", 68))
        assert sock.recv(100) == b"not DHCP at all"
        # Where one runs, what is not DHCP is dropped with the reason.
        frame = frame_to(lan.node.interface.mac, SERVER, GIVEN, b"not DHCP at all")
        lan.node.stack.receive(lan.node.interface, frame, lan.world.now())
        assert lan.node.stack.drops[Drop.TRUNCATED] == 1
        # A fragment is not looked into.
        head = ipv4.emit(SERVER, parse_ip("255.255.255.255"), 17, 100, dont_fragment=False)
        head = head[:6] + b"\x20\x00" + head[8:10] + bytes(2) + head[12:]
        head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
        lan.node.stack.receive(lan.node.interface, frame[:14] + head + frame[34:134].ljust(100, b"\0"), lan.world.now())
        assert Drop.UDP_CHECKSUM not in lan.node.stack.drops
        # And any other datagram for somebody else still is somebody else's.
        frame = bytearray(frame)
        frame[36:38], frame[40:42] = b"\0\x45", bytes(2)
        lan.node.stack.receive(lan.node.interface, bytes(frame), lan.world.now())
        assert lan.node.stack.drops[Drop.IP_NOT_OURS] == 1


# --- silence


def test_discover_is_repeated_as_the_rfc_has_it():
    with Lan(silent) as lan:
        lan.start()
        lan.sleep_until(290)
        times = [heard.at for heard in lan.server.heard]
        waits = [b - a for a, b in pairwise(times)]
        assert len(waits) == 7
        for wait, base in zip(waits, [4, 8, 16, 32, 64, 64, 64]):
            assert base - 1 <= wait <= base + 1
        assert len({round(wait % 1, 6) for wait in waits}) == 7  # each with its own jitter
        assert [heard.message.secs for heard in lan.server.heard] == [int(at) for at in times]
        assert len({heard.message.xid for heard in lan.server.heard}) == 1
        assert lan.lines()[2:4] == ["eth0: DHCP DISCOVER", "eth0: DHCP DISCOVER, try 2"]


def test_the_first_tries_can_be_quicker_and_the_start_later():
    with Lan(silent, dhcp_retry=0.5, dhcp_start_wait=10.0) as lan:
        lan.start()
        lan.sleep_until(30)
        times = [heard.at for heard in lan.server.heard]
        assert 0.5 < times[0] <= 10
        assert 0.375 <= times[1] - times[0] <= 0.625
        assert 0.75 <= times[2] - times[1] <= 1.25


def test_an_offer_that_nobody_stands_by_is_given_up_after_four_requests():
    def offers_only(heard):
        return giving("10.0.0.50")(heard) if heard.kind == "DISCOVER" else []

    with Lan(offers_only) as lan:
        lan.start()
        lan.sleep_until(70)
        assert lan.server.kinds()[:7] == ["DISCOVER", *["REQUEST"] * 4, "DISCOVER", "REQUEST"]
        times = [heard.at for heard in lan.server.heard]
        assert 56 <= times[5] - times[1] <= 64  # 4 + 8 + 16 + 32
        xids = [heard.message.xid for heard in lan.server.heard]
        assert len(set(xids[:5])) == 1 and xids[5] != xids[0]


# --- renewal, rebinding, the end


def test_renewal_at_t1_by_unicast_without_a_second_look():
    with Lan(giving("10.0.0.50", lease=3600, t1=100, t2=200)) as lan:
        client = lan.start()
        lan.wait_for(client, "BOUND")
        first = client.lease
        lan.sleep_until(150)
        renewal = lan.server.heard[2]
        assert 100 <= renewal.at <= 101
        assert (renewal.kind, renewal.source, renewal.message.ciaddr) == ("REQUEST", "10.0.0.50", GIVEN)
        # RFC 2131 4.3.2: neither a requested address nor a server identifier.
        assert renewal.options.requested is None and renewal.options.server_id is None
        assert client.state.value == "BOUND" and client.lease.expires_at >= first.expires_at + 100
        assert lan.states()[-2:] == ["RENEWING", "BOUND"]
        assert lan.lines()[-1] == "eth0: 10.0.0.50/24 from 10.0.0.1 renewed for 3600 s"
        lan.sleep_until(1000)
        assert lan.addresses == ["10.0.0.50/24"]
        assert lan.server.kinds() == ["DISCOVER"] + ["REQUEST"] * 10


def test_what_a_renewal_changes_is_changed():
    with Lan(giving("10.0.0.50", routers=(SERVER,), mtu=1400, t1=100, t2=200)) as lan:
        client = lan.start()
        lan.wait_for(client, "BOUND")
        lan.server.script = giving("10.0.0.50", routers=(parse_ip("10.0.0.9"),), t1=100, t2=200)
        lan.sleep_until(150)
        assert lan.routes[1:] == ["default via 10.0.0.9 dev eth0 src 10.0.0.50"]
        assert lan.node.interface.mtu == 1500


def test_a_renewal_with_another_mask():
    """The address stays; its subnet, and what is a broadcast there, become what they are now."""
    with Lan(giving("10.0.0.50", t1=100, t2=200)) as lan:
        lan.wait_for(lan.start(), "BOUND")
        mask = parse_ip("255.255.0.0")
        lan.server.script = giving("10.0.0.50", subnet_mask=mask, routers=(parse_ip("10.0.7.7"),), t1=100, t2=200)
        lan.sleep_until(150)
        assert lan.addresses == ["10.0.0.50/16"]
        assert lan.routes == ["10.0.0.0/16 dev eth0 src 10.0.0.50", "default via 10.0.7.7 dev eth0 src 10.0.0.50"]
        assert parse_ip("10.0.255.255") in lan.node.stack.broadcasts
        lan.release()
        lan.world.sleep(2)
        assert lan.addresses == [] and lan.routes == []


@pytest.mark.parametrize("prefixlen", [24, 16])
def test_an_address_that_the_user_has_given_too_stays_the_user_s(prefixlen):
    with Lan(giving("10.0.0.50")) as lan:
        with lan.node:
            lan.node.stack.add_address(lan.node.interface, GIVEN, prefixlen, lan.node.now())
        lan.world.sleep(2)
        lan.wait_for(lan.start(), "BOUND")
        assert lan.addresses == [f"10.0.0.50/{prefixlen}"]
        lan.release()
        lan.world.sleep(2)
        assert lan.addresses == [f"10.0.0.50/{prefixlen}"]


STATES = ["SELECTING", "CHECKING", "BOUND"]


@pytest.mark.parametrize("prefixlen", [24, 16])
@pytest.mark.parametrize(("given_in", "left_in"), list(combinations_with_replacement(STATES, 2)))
def test_an_address_that_the_user_gives_meanwhile_stays_the_user_s(given_in, left_in, prefixlen):
    with Lan(giving("10.0.0.50")) as lan:
        client = lan.start()
        lan.wait_for(client, given_in)
        with lan.node:
            lan.node.stack.add_address(lan.node.interface, GIVEN, prefixlen, lan.node.now())
        lan.wait_for(client, left_in)
        with lan.node:
            lan.node.stack.dhcp.stop(lan.node.interface, lan.node.now())
        lan.world.sleep(2)
        assert f"10.0.0.50/{prefixlen}" in lan.addresses


def test_an_address_that_the_user_gives_up_while_it_is_probed_for_is_declined():
    with Lan(giving("10.0.0.50")) as lan:
        client = lan.start()
        lan.wait_for(client, "CHECKING")
        with lan.node:
            lan.node.stack.remove_address(lan.node.interface, GIVEN, lan.node.now())
        lan.server.script = giving("10.0.0.51")
        lan.wait_for(client, "BOUND")
        assert "DECLINE" in lan.server.kinds() and lan.addresses == ["10.0.0.51/24"]


def test_a_server_that_went_away_is_rebound_to_another():
    with Lan(giving("10.0.0.50", lease=3600)) as lan:
        client = lan.start()
        lan.wait_for(client, "BOUND")
        lan.server.script = silent
        other = lan.another(giving("10.0.0.50", server="10.0.0.2", lease=3600))
        lan.wait_for(client, "RENEWING", 3600)
        assert 1700 <= lan.world.now() <= 1801
        lan.wait_for(client, "REBINDING", 3600)
        assert 3000 <= lan.world.now() <= 3151
        # RFC 2131 4.4.5: half of what is left until T2, but not less than a minute.
        tries = [heard.at for heard in lan.server.heard if heard.at > 1000]
        waits = [b - a for a, b in pairwise(tries)]
        assert all(wait >= 59.9 for wait in waits[:-1]) and 600 < waits[0] < 700 and len(waits) in (5, 6)
        lan.wait_for(client, "BOUND")
        rebinding = other.heard[-1]
        assert (rebinding.source, rebinding.message.ciaddr) == ("10.0.0.50", GIVEN)
        assert client.lease.server == parse_ip("10.0.0.2")
        assert lan.addresses == ["10.0.0.50/24"]


def test_a_lease_that_nobody_renews_expires():
    with Lan(giving("10.0.0.50", lease=600, routers=(SERVER,), mtu=1400)) as lan:
        client = lan.start()
        lan.wait_for(client, "BOUND")
        expires_at = client.lease.expires_at
        lan.server.script = silent
        lan.sleep_until(expires_at - 0.01)
        assert client.state.value == "REBINDING" and lan.addresses == ["10.0.0.50/24"]
        lan.sleep_until(expires_at + 0.01)
        assert (lan.addresses, lan.routes, lan.node.interface.mtu, client.lease) == ([], [], 1500, None)
        assert "eth0: the lease of 10.0.0.50 has expired" in lan.lines()
        assert client.state.value == "SELECTING"
        lan.server.script = giving("10.0.0.51")
        lan.wait_for(client, "BOUND")
        assert lan.addresses == ["10.0.0.51/24"]
        assert lan.server.heard[-2].options.requested == GIVEN  # it would have liked the old one


def test_a_lease_for_ever_is_left_alone():
    with Lan(giving("10.0.0.50", lease=0xFFFFFFFF)) as lan:
        client = lan.start()
        lan.wait_for(client, "BOUND")
        lan.sleep_until(10_000_000)
        assert lan.server.kinds() == ["DISCOVER", "REQUEST"] and lan.addresses == ["10.0.0.50/24"]
        assert lan.lines()[-1] == "eth0: 10.0.0.50/24 from 10.0.0.1 leased for ever"


def test_renewal_when_the_user_wants_it():
    with Lan(giving("10.0.0.50")) as lan:
        client = lan.start()
        lan.wait_for(client, "BOUND")
        lan.sleep_until(100)
        with lan.node as node:
            node.stack.dhcp.renew(node.interface, node.now())
        lan.wait_for(client, "BOUND", 1)
        assert client.lease.bound_at == 100


def test_release():
    with Lan(giving("10.0.0.50", routers=(SERVER,))) as lan:
        client = lan.start()
        lan.wait_for(client, "BOUND")
        lan.release()
        # The server's hardware address is not known yet: the RELEASE waits for ARP, and the address with it.
        assert lan.addresses == ["10.0.0.50/24"] and lan.node.stack.dhcp.on(lan.node.interface) is client
        with lan.node as node:
            assert node.wait(lambda: node.stack.dhcp.on(node.interface) is None, 1)
        lan.world.sleep(0.1)
        released = lan.server.heard[-1]
        assert (released.kind, released.source, released.message.ciaddr) == ("RELEASE", "10.0.0.50", GIVEN)
        assert released.options == Options(
            message_type=dhcpv4.RELEASE, server_id=SERVER, client_id=b"\1" + lan.node.interface.mac
        )
        assert (lan.addresses, lan.routes, client.state.value) == ([], [], "STOPPED")
        assert "eth0: 10.0.0.50 given back to 10.0.0.1" in lan.lines()
        lan.sleep_until(10_000)
        assert lan.server.kinds() == ["DISCOVER", "REQUEST", "RELEASE"]


def test_release_to_a_server_that_is_gone_does_not_take_for_ever():
    with Lan(giving("10.0.0.50")) as lan:
        lan.wait_for(lan.start(), "BOUND")
        lan.cable.loss = 1.0
        lan.release()
        began = lan.world.now()
        with lan.node as node:
            assert node.wait(lambda: node.stack.dhcp.on(node.interface) is None, 5)
        assert lan.world.now() - began <= 1.1
        assert lan.addresses == []


@pytest.mark.parametrize("state", ["SELECTING", "CHECKING", "BOUND"])
def test_stop_and_start_over_at_any_time(state):
    with Lan(silent if state == "SELECTING" else giving("10.0.0.50")) as lan:
        lan.wait_for(lan.start(), state)
        with lan.node as node:
            node.stack.dhcp.stop(node.interface, node.now())
        assert (lan.addresses, lan.node.interface.tentative, list(lan.node.stack.dhcp)) == ([], [], [])
        lan.sleep_until(lan.world.now() + 100)
        assert lan.addresses == []
        lan.server.script = giving("10.0.0.60")
        lan.wait_for(lan.start(), "BOUND")
        assert lan.addresses == ["10.0.0.60/24"] and "RELEASE" not in lan.server.kinds()


# --- known from before


def test_the_old_address_is_asked_for_first():
    with Lan(giving("10.0.0.50")) as lan:
        client = lan.start(Known(GIVEN, 1000.0))
        lan.wait_for(client, "BOUND")
        (request,) = lan.server.heard
        assert (request.kind, request.source, request.message.ciaddr) == ("REQUEST", "0.0.0.0", ANY4)
        # RFC 2131 4.3.2: with the address, without a server identifier.
        assert (request.options.requested, request.options.server_id) == (GIVEN, None)
        assert lan.states() == ["REBOOTING", "CHECKING", "BOUND"]


def test_the_old_address_that_is_wrong_here():
    def nak_once(heard):
        if heard.kind == "REQUEST" and heard.options.server_id is None:
            return [Reply(NAK, Options(message_type=NAK, message="wrong network"), bytes(4))]
        return giving("10.0.0.60")(heard)

    with Lan(nak_once) as lan:
        client = lan.start(Known(parse_ip("192.168.7.7"), 1000.0))
        lan.wait_for(client, "BOUND")
        assert lan.states() == ["REBOOTING", "INIT", "SELECTING", "REQUESTING", "CHECKING", "BOUND"]
        assert lan.server.heard[1].options.requested is None
        assert lan.addresses == ["10.0.0.60/24"]


def test_the_old_address_when_nobody_answers():
    with Lan(silent) as lan:
        client = lan.start(Known(GIVEN, 1000.0))
        lan.wait_for(client, "SELECTING")
        assert 10 <= lan.world.now() <= 14.1
        lan.world.sleep(0.001)
        assert lan.server.kinds() == ["REQUEST", "REQUEST", "DISCOVER"]
        assert lan.server.heard[2].options.requested == GIVEN
        assert lan.addresses == []


def test_an_expired_lease_is_only_a_wish():
    with Lan(giving("10.0.0.50")) as lan:
        lan.sleep_until(50)
        lan.wait_for(lan.start(Known(parse_ip("10.0.0.77"), 49.0)), "BOUND")
        assert lan.server.kinds() == ["DISCOVER", "REQUEST"]
        assert lan.server.heard[0].options.requested == parse_ip("10.0.0.77")
        assert lan.addresses == ["10.0.0.50/24"]


# --- routes


def test_classless_routes_override_the_router_and_the_static_routes():
    routes = (
        ClasslessRoute(parse_ip("10.8.0.0"), 16, parse_ip("10.0.0.7")),
        ClasslessRoute(parse_ip("10.9.9.0"), 24, ANY4),
        ClasslessRoute(ANY4, 0, parse_ip("10.0.0.8")),
        ClasslessRoute(parse_ip("10.7.0.0"), 16, GIVEN),  # by ourselves: makes no sense
        ClasslessRoute(parse_ip("127.0.0.0"), 8, SERVER),
    )
    static = ((parse_ip("192.0.2.0"), SERVER),)
    with Lan(giving("10.0.0.50", routes=routes, routers=(SERVER,), static_routes=static)) as lan:
        lan.wait_for(lan.start(), "BOUND")
        assert lan.routes[1:] == [
            "10.8.0.0/16 via 10.0.0.7 dev eth0 src 10.0.0.50",
            "10.9.9.0/24 dev eth0 src 10.0.0.50",
            "default via 10.0.0.8 dev eth0 src 10.0.0.50",
        ]
        lan.release()
        lan.world.sleep(1.5)
        assert lan.routes == []


def test_routes_of_others_are_left_alone():
    with Lan(giving("10.0.0.50", routers=(SERVER,))) as lan:
        with lan.node as node:
            node.stack.routes.add(parse_ip("192.0.2.0"), 24, parse_ip("10.0.0.3"), node.interface)
        lan.wait_for(lan.start(), "BOUND")
        lan.release()
        lan.world.sleep(1.5)
        assert lan.routes == ["192.0.2.0/24 via 10.0.0.3 dev eth0"]


def test_mtus_that_make_no_sense():
    for mtu, used in [(68, 1500), (575, 1500), (576, 576), (9000, 1500), (1500, 1500)]:
        with Lan(giving("10.0.0.50", mtu=mtu)) as lan:
            lan.wait_for(lan.start(), "BOUND")
            assert lan.node.interface.mtu == used
