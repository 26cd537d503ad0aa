"""Whom the dhcp service gives what, decided without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from services.dhcp.pool import NEVER, Network, Pool
from stack.wire import dhcpv4
from stack.wire.address import format_ip, parse_ip
from stack.wire.dhcpv4 import ACK, DECLINE, DISCOVER, INFORM, NAK, OFFER, RELEASE, REQUEST
from stack.wire.dhcpv4_options import Options
from stack.wire.name import parse_name

SERVER = parse_ip("10.0.0.1")
SMALL = "10.0.0.1/24 pool=10.0.0.50-10.0.0.52 lease=100 domain=lab mtu=1400"


class Talk:
    """A pool, and clients that are one byte each."""

    def __init__(self, text: str = SMALL) -> None:
        self.pool = Pool(Network.parse(text))
        self.now = 1000.0

    def say(self, client: int, kind: int, ciaddr: str = "0.0.0.0", identifier: bytes = b"", **options: Any) -> Any:
        """(message type, address) of the answer, or None."""
        packed = {k: parse_ip(v) if k in ("requested", "server_id") else v for k, v in options.items()}
        data = dhcpv4.emit(1, 7, bytes((2, 0, 0, 0, 0, client)), Options(), ciaddr=parse_ip(ciaddr))
        asked = Options(message_type=kind, client_id=identifier, **packed)
        self.reply = self.pool.reply_to(dhcpv4.parse(data), asked, self.now)
        return None if self.reply is None else (self.reply.options.message_type, format_ip(self.reply.yiaddr))

    def lease(self, client: int) -> str:
        """DISCOVER and REQUEST; the address."""
        kind, address = self.say(client, DISCOVER)
        assert kind == OFFER
        assert self.say(client, REQUEST, requested=address, server_id="10.0.0.1") == (ACK, address)
        return str(address)


def test_each_gets_an_address_of_its_own_and_keeps_it() -> None:
    talk = Talk()
    assert [talk.lease(client) for client in (1, 2, 1, 3)] == ["10.0.0.50", "10.0.0.51", "10.0.0.50", "10.0.0.52"]
    assert talk.say(4, DISCOVER) is None  # none is left
    assert [str(lease) for lease in talk.pool.bound(talk.now)] == [
        "10.0.0.51 02:00:00:00:00:02", "10.0.0.50 02:00:00:00:00:01", "10.0.0.52 02:00:00:00:00:03",
    ]  # fmt: skip
    talk.now += 101
    assert talk.pool.bound(talk.now) == []
    assert talk.say(3, DISCOVER) == (OFFER, "10.0.0.52")  # what it had
    assert talk.lease(4) == "10.0.0.51"  # what nobody has had for longest


def test_what_is_said_and_what_is_only_said_when_asked_for() -> None:
    talk = Talk()
    talk.say(1, DISCOVER, parameters=(1, 3, 15), identifier=b"\1me")
    assert talk.reply.options == Options(
        message_type=OFFER, server_id=SERVER, lease_time=100, t1=50, t2=87,
        subnet_mask=parse_ip("255.255.255.0"), routers=(SERVER,), domain="lab",
        client_id=b"\1me",
    )  # fmt: skip
    talk.say(1, REQUEST, requested="10.0.0.50", server_id="10.0.0.1", identifier=b"\1me")
    given = talk.reply.options
    assert (given.mtu, given.dns_servers, given.search) == (1400, (SERVER,), (parse_name("lab."),))
    assert (given.broadcast, given.client_id) == (parse_ip("10.0.0.255"), b"\1me")
    assert talk.say(9, INFORM, ciaddr="10.0.0.9") == (ACK, "0.0.0.0")
    assert (talk.reply.options.lease_time, talk.reply.options.t1, talk.reply.options.domain) == (None, None, "lab")


def test_what_the_client_wishes_for() -> None:
    talk = Talk()
    assert talk.say(1, DISCOVER, requested="10.0.0.52") == (OFFER, "10.0.0.52")
    assert talk.say(2, DISCOVER, requested="10.0.0.52") == (OFFER, "10.0.0.50")  # it is being offered
    assert talk.say(3, DISCOVER, requested="10.0.0.1") == (OFFER, "10.0.0.51")
    assert talk.say(1, DISCOVER, requested="10.0.0.51") == (OFFER, "10.0.0.52")  # what it was offered already


def test_an_offer_is_kept_for_a_minute_or_until_another_server_was_chosen() -> None:
    talk = Talk("10.0.0.1/24 pool=10.0.0.50-10.0.0.50")
    assert talk.say(1, DISCOVER) == (OFFER, "10.0.0.50")
    assert talk.say(2, DISCOVER) is None
    assert talk.say(1, REQUEST, requested="10.0.0.77", server_id="10.0.0.2") is None
    assert talk.say(2, DISCOVER) == (OFFER, "10.0.0.50")
    talk.now += 61
    assert talk.say(3, DISCOVER) == (OFFER, "10.0.0.50")
    assert talk.say(2, REQUEST, requested="10.0.0.50", server_id="10.0.0.1") == (NAK, "0.0.0.0")
    assert talk.say(3, REQUEST, requested="10.0.0.50", server_id="10.0.0.1") == (ACK, "10.0.0.50")


def test_renewal_and_a_server_that_was_restarted() -> None:
    talk = Talk()
    talk.lease(1)
    talk.now += 60
    assert talk.say(1, REQUEST, ciaddr="10.0.0.50") == (ACK, "10.0.0.50")
    talk.now += 60
    assert len(talk.pool.bound(talk.now)) == 1
    assert talk.say(2, REQUEST, ciaddr="10.0.0.50") == (NAK, "0.0.0.0")  # another's
    assert talk.reply.options == Options(message_type=NAK, server_id=SERVER, message="address in use")
    assert talk.say(2, REQUEST, ciaddr="10.0.0.52") == (ACK, "10.0.0.52")  # nobody's that we know
    assert talk.say(3, REQUEST, ciaddr="10.0.0.99") == (NAK, "0.0.0.0")  # not of the pool


def test_init_reboot() -> None:
    talk = Talk()
    assert talk.say(1, REQUEST, requested="10.0.0.50") is None  # RFC 2131 4.3.2: no record, so silent
    assert talk.say(1, REQUEST, requested="192.168.7.7") == (NAK, "0.0.0.0")
    assert talk.reply.options.message == "wrong network"
    talk.lease(1)
    assert talk.say(1, REQUEST, requested="10.0.0.50") == (ACK, "10.0.0.50")
    assert talk.say(1, REQUEST, requested="10.0.0.51") == (NAK, "0.0.0.0")
    talk.now += 500
    assert talk.say(1, REQUEST, requested="10.0.0.50") == (ACK, "10.0.0.50")


def test_release_and_decline() -> None:
    talk = Talk()
    talk.lease(1)
    assert talk.say(2, RELEASE, ciaddr="10.0.0.50", server_id="10.0.0.1") is None  # not its to give back
    assert len(talk.pool.bound(talk.now)) == 1
    assert talk.say(1, RELEASE, ciaddr="10.0.0.50", server_id="10.0.0.1") is None
    assert talk.pool.bound(talk.now) == []
    assert talk.lease(1) == "10.0.0.50"
    assert talk.say(1, DECLINE, requested="10.0.0.50", server_id="10.0.0.1") is None
    assert talk.lease(1) == "10.0.0.51"
    assert [talk.lease(2), talk.say(3, DISCOVER)] == ["10.0.0.52", None]
    talk.now += 101
    assert talk.lease(3) == "10.0.0.50"  # whoever had it may be gone


def test_a_client_is_what_it_says_it_is() -> None:
    talk = Talk()
    assert talk.say(1, DISCOVER, identifier=b"\1a") == (OFFER, "10.0.0.50")
    assert talk.say(2, DISCOVER, identifier=b"\1a") == (OFFER, "10.0.0.50")
    assert talk.say(1, DISCOVER, identifier=b"\1b") == (OFFER, "10.0.0.51")


def test_for_ever() -> None:
    talk = Talk("10.0.0.1/24 lease=4294967295")
    assert talk.lease(1) == "10.0.0.128"
    assert talk.pool.bound(1e12)[0].expires_at == NEVER
    assert (talk.reply.options.t1, talk.reply.options.t2) == (None, None)


def test_the_server_s_own_address_is_nobody_s() -> None:
    talk = Talk("10.0.0.1/30 pool=10.0.0.0-10.0.0.3 router=none dns=none")
    assert talk.lease(1) == "10.0.0.2"
    assert talk.say(2, DISCOVER) is None
    assert (talk.reply, talk.pool.network.options.routers, talk.pool.network.options.dns_servers) == (None, (), ())


@pytest.mark.parametrize(
    "text, first, last",
    [
        ("192.168.1.1/24", "192.168.1.128", "192.168.1.254"),
        ("192.168.1.1/30", "192.168.1.2", "192.168.1.2"),
        ("10.0.0.1/8", "10.255.240.0", "10.255.255.255"),
        ("10.0.0.1/24,pool=10.0.0.9", "10.0.0.9", "10.0.0.9"),
    ],
)
def test_pools(text: str, first: str, last: str) -> None:
    network = Network.parse(text)
    ends = [format_ip(n.to_bytes(4, "big")) for n in (network.first, network.last)]
    if text.endswith("/8"):
        ends[1] = last  # the last but one is the end; the first is what counts
        first = "10.255.239.255"
    assert ends == [first, last]


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", "start it with its address and prefix length: dhcp=192.168.1.1/24"),
        ("10.0.0", "'10.0.0' is not an IP address"),
        ("nonsense lease=5", "'nonsense' is not an IP address"),
        ("10.0.0.1/x", "'10.0.0.1/x': what follows the slash must be a number from 0 to 32"),
        ("10.0.0.1", "10.0.0.1 is not an IPv4 address with a prefix length from 1 to 30"),
        ("10.0.0.1/31", "10.0.0.1/31 is not an IPv4 address with a prefix length from 1 to 30"),
        ("fd00::1/24", "fd00::1/24 is not an IPv4 address with a prefix length from 1 to 30"),
        ("10.0.0.1/24 pool=10.0.1.1-10.0.1.9", "pool=10.0.1.1-10.0.1.9: not within 10.0.0.1/24"),
        ("10.0.0.1/24 pool=10.0.0.9-10.0.0.1", "pool=10.0.0.9-10.0.0.1: it ends before it begins"),
        (
            "10.0.0.1/8 pool=10.0.0.1-10.9.0.1",
            "pool=10.0.0.1-10.9.0.1: it has 589825 addresses, and may have 4096",
        ),
        ("10.0.0.1/24 lease=5 pool=nonsense", "pool=nonsense: 'nonsense' is not an IP address"),
        ("10.0.0.1/24 pool=", "pool=: '' is not an IP address"),
        ("10.0.0.1/24 lease=0", "lease=0: not a whole number from 1 to 4294967295"),
        ("10.0.0.1/24 lease=1h", "lease=1h: not a whole number from 1 to 4294967295"),
        ("10.0.0.1/24 mtu=67", "mtu=67: not a whole number from 68 to 65535"),
        ("10.0.0.1/24 router=x", "router=x: 'x' is not an IP address"),
        ("10.0.0.1/24 dns=10.0.0.1+fd00::1", "dns=10.0.0.1+fd00::1: fd00::1 is not IPv4"),
        ("10.0.0.1/24 domain=a..b", "domain=a..b: 'a..b.' is not a name: a label is empty"),
        ("10.0.0.1/24 colour=red", "'colour=red' is not one of dns=, domain=, lease=, mtu=, pool=, router="),
        ("10.0.0.1/24 lease", "'lease' is not one of dns=, domain=, lease=, mtu=, pool=, router="),
    ],
)
def test_settings_that_make_no_sense_are_one_clear_line(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        Network.parse(text)
    assert str(caught.value) == f"dhcp: {fault}"
