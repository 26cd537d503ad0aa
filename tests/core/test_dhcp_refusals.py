"""The DHCP client against servers that refuse, lie or send rubbish, and stations that have its address already."""

import random

import pytest

from stack.autoconf.dhcpv4 import Claim, Client, Send, Withdraw
from stack.autoconf.lease import Known
from stack.config import Config
from stack.interface import Interface
from stack.stack import Stack
from stack.wire import dhcpv4
from stack.wire.address import ANY4, BROADCAST4, MAC_BROADCAST, parse_ip
from stack.wire.dhcpv4 import ACK, NAK, OFFER
from stack.wire.dhcpv4_options import Options
from stack.wire.drop import Drop, WireError
from tests.core.dhcp_lan import GIVEN, MASK, SERVER, Lan, Reply, encoded, frame_to, giving, refusing, silent

# --- refusals and conflicts


def test_nak_starts_over_and_not_at_the_speed_of_the_link():
    with Lan(refusing) as lan:
        client = lan.start()
        lan.sleep_until(100)
        times = [heard.at for heard in lan.server.heard if heard.kind == "DISCOVER"]
        assert times[1] - times[0] < 0.1  # the first may be a misunderstanding
        assert 3 <= times[2] - times[1] <= 5.1 and 7 <= times[3] - times[2] <= 9.1
        assert len(times) == 6
        assert "eth0: 10.0.0.1 refused the lease: not today" in lan.lines()
        lan.server.script = giving("10.0.0.50")
        lan.wait_for(client, "BOUND")
        assert lan.server.heard[-2].options.requested is None


@pytest.mark.parametrize("state", ["RENEWING", "REBINDING"])
def test_nak_takes_the_address_away(state):
    with Lan(giving("10.0.0.50", lease=600, routers=(SERVER,))) as lan:
        client = lan.start()
        lan.wait_for(client, "BOUND")
        lan.server.script = silent
        lan.wait_for(client, state)
        lan.server.script = lambda heard: [Reply(NAK, Options(message_type=NAK), bytes(4), "10.0.0.50")]
        lan.wait_for(client, "SELECTING")
        assert (lan.addresses, lan.routes) == ([], [])
        assert "eth0: a server refused the lease" in lan.lines()


def test_an_address_that_somebody_has_is_declined():
    with Lan(giving("10.0.0.50")) as lan:
        other = lan.world.host("10.0.0.50/24")
        client = lan.start()
        lan.wait_for(client, "INIT")
        lan.wait_for(client, "CHECKING")
        lan.wait_for(client, "INIT")
        lan.world.sleep(0.001)
        declined = lan.server.heard[2]
        assert (declined.kind, declined.source, declined.message.ciaddr) == ("DECLINE", "0.0.0.0", ANY4)
        assert declined.options == Options(
            message_type=dhcpv4.DECLINE, requested=GIVEN, server_id=SERVER, client_id=b"\1" + lan.node.interface.mac
        )
        owner = ":".join(f"{byte:02x}" for byte in other.interface.mac)
        assert f"eth0: 10.0.0.50 declined, {owner} has it" in lan.lines()
        assert lan.addresses == [] and client.lease is None
        # RFC 2131 3.1 (5): ten seconds at least, and then not the same again.
        lan.server.script = giving("10.0.0.51")
        lan.wait_for(client, "BOUND")
        discover = lan.server.heard[3]
        assert discover.kind == "DISCOVER" and discover.at - declined.at >= 9.99
        assert discover.options.requested is None
        assert lan.addresses == ["10.0.0.51/24"]


def test_a_wish_that_somebody_else_has_is_no_wish_any_more():
    with Lan(giving("10.0.0.50")) as lan:
        lan.world.host("10.0.0.50/24")
        client = lan.start(Known(GIVEN, -1.0))
        lan.wait_for(client, "CHECKING")
        lan.server.script = giving("10.0.0.51")
        lan.wait_for(client, "BOUND")
        wishes = [heard.options.requested for heard in lan.server.heard if heard.kind == "DISCOVER"]
        assert wishes == [GIVEN, None]


# --- servers that lie


def spoiled(kind, **changes):
    """A server whose OFFER or ACK is not as it should be, first once and then never again."""
    done = []

    def script(heard):
        replies = giving("10.0.0.50")(heard)
        wanted = {"OFFER": OFFER, "ACK": ACK}[kind]
        if replies and replies[0].kind == wanted and not done:
            done.append(heard)
            (reply,) = replies
            options = {name: value for name, value in changes.items() if name in Options._fields}
            fields = {name: value for name, value in changes.items() if name not in Options._fields}
            return [reply._replace(options=reply.options._replace(**options), changes=fields)]
        return replies

    return script


@pytest.mark.parametrize("kind", ["OFFER", "ACK"])
@pytest.mark.parametrize(
    "changes, reason, detail",
    [
        ({"xid": 1}, Drop.DHCP_NOT_OURS, "another transaction"),
        ({"hardware": b"\2\0\0\0\0\x77"}, Drop.DHCP_NOT_OURS, ""),
        ({"hardware": b"\2\0\0"}, Drop.DHCP_NOT_OURS, ""),
        ({"op": 1}, Drop.DHCP_NOT_OURS, ""),
        ({"lease_time": None}, Drop.DHCP_UNUSABLE, "no lease time"),
        ({"lease_time": 0}, Drop.DHCP_UNUSABLE, "no lease time"),
        ({"server_id": None}, Drop.DHCP_UNUSABLE, "no server identifier"),
        ({"server_id": ANY4}, Drop.DHCP_UNUSABLE, "no server identifier"),
        ({"yiaddr": ANY4}, Drop.DHCP_UNUSABLE, "0.0.0.0/24 is not a host's address"),
        ({"yiaddr": parse_ip("10.0.0.255")}, Drop.DHCP_UNUSABLE, "10.0.0.255/24 is not a host's address"),
        ({"yiaddr": parse_ip("10.0.0.0")}, Drop.DHCP_UNUSABLE, "10.0.0.0/24 is not a host's address"),
        ({"yiaddr": parse_ip("224.0.0.1")}, Drop.DHCP_UNUSABLE, "224.0.0.1/24 is not a host's address"),
        ({"yiaddr": parse_ip("127.0.0.1")}, Drop.DHCP_UNUSABLE, "127.0.0.1/24 is not a host's address"),
        ({"message_type": None}, Drop.DHCP_UNEXPECTED, None),
        ({"message_type": 77}, Drop.DHCP_UNEXPECTED, None),
        ({"message_type": 8}, Drop.DHCP_UNEXPECTED, None),
    ],
)
def test_a_lie_is_dropped_with_a_reason_and_the_truth_is_taken(kind, changes, reason, detail):
    with Lan(spoiled(kind, **changes)) as lan:
        client = lan.start()
        lan.wait_for(client, "BOUND")
        assert lan.world.now() > 3  # it took a second try
        assert lan.addresses == ["10.0.0.50/24"]
        assert lan.node.stack.drops[reason] == 1
        (dropped,) = [event for _, event in lan.events if type(event).__name__ == "Dropped"]
        assert dropped.reason is reason and (detail is None or dropped.detail == detail)
        who = {None: "a server", ANY4: "0.0.0.0"}.get(changes.get("server_id", SERVER), "10.0.0.1")
        told = [f"eth0: {who} offered what cannot be lived on: {detail}"] if reason is Drop.DHCP_UNUSABLE else []
        assert [line for line in lan.lines() if "lived on" in line] == told


def test_what_cannot_be_lived_on_is_told_once_a_question():
    def often(heard):
        return giving("10.0.0.50", lease=0)(heard) * 50

    with Lan(often) as lan:
        lan.start()
        lan.sleep_until(30)
        questions = len(lan.server.heard)
        assert 1 < questions == len([line for line in lan.lines() if "no lease time" in line])


@pytest.mark.parametrize(
    "changes, detail",
    [
        ({"yiaddr": parse_ip("10.0.0.51")}, "not the address that was asked for"),
        ({"server_id": parse_ip("10.0.0.2")}, "not from the server that was asked"),
    ],
)
def test_an_ack_of_something_else(changes, detail):
    with Lan(spoiled("ACK", **changes)) as lan:
        lan.wait_for(lan.start(), "BOUND")
        assert lan.world.now() > 3 and lan.addresses == ["10.0.0.50/24"]
        assert [e.detail for _, e in lan.events if type(e).__name__ == "Dropped"] == [detail]


def test_two_servers_and_each_answer_twice():
    def twice(script):
        return lambda heard: script(heard) * 2

    with Lan(twice(giving("10.0.0.50"))) as lan:
        lan.another(twice(giving("10.0.0.90", server="10.0.0.2")))
        client = lan.start()
        lan.wait_for(client, "BOUND")
        lan.sleep_until(100)
        assert lan.addresses == ["10.0.0.50/24"]
        assert lan.server.kinds() == ["DISCOVER", "REQUEST"]
        # The second OFFER, both of the other server's, and the second ACK.
        assert lan.node.stack.drops == {Drop.DHCP_UNEXPECTED: 4}


def test_a_nak_from_a_server_that_was_not_asked_is_not_believed():
    with Lan(giving("10.0.0.50")) as lan:
        nak = Reply(NAK, Options(message_type=NAK, server_id=parse_ip("10.0.0.2")), bytes(4))
        lan.server.script = lambda heard: [nak] * (heard.kind == "REQUEST") + giving("10.0.0.50")(heard)
        lan.wait_for(lan.start(), "BOUND", 1)
        assert lan.node.stack.drops == {Drop.DHCP_UNUSABLE: 1}


# --- bent at every byte

GOOD = {
    kind: Options(
        message_type=kind, subnet_mask=MASK, routers=(SERVER,), dns_servers=(SERVER,), domain="lab", mtu=1400,
        lease_time=30, server_id=SERVER, t1=10, t2=20,
    )
    for kind in (OFFER, ACK)
}  # fmt: skip


def mutations(data):
    for offset in range(len(data)):
        for value in {0, 1, 0xFF, data[offset] ^ 1, data[offset] ^ 0x80}:
            yield data[:offset] + bytes((value,)) + data[offset + 1 :]


class Alone:
    """The state machine with nothing around it."""

    def __init__(self):
        self.client = Client(Interface("eth0", b"\2\0\0\0\0\1"), Config(random.Random(1), b"secret"))
        self.now = 0.0
        self.client.start(None, self.now)

    def orders(self):
        orders = list(self.client.out)
        self.client.out.clear()
        return orders

    def asks(self):
        """Let time pass until it sends something; that."""
        while True:
            for order in self.orders():
                if isinstance(order, Send):
                    return dhcpv4.parse(order.payload)
                if isinstance(order, Claim):
                    self.client.on_claimed(self.now)
            if not self.client.out:
                self.now = self.client.wake_at
                self.client.on_timer(self.now)

    def reach(self, state):
        """The reply that it waits for in a state."""
        request = self.asks()
        for kind in {"SELECTING": [], "REQUESTING": [OFFER], "RENEWING": [OFFER, ACK]}[state]:
            assert self.client.input(dhcpv4.parse(encoded(request, Reply(kind, GOOD[kind], GIVEN))), self.now) is None
            request = self.asks()
        assert self.client.state.value == state
        kind = OFFER if state == "SELECTING" else ACK
        return encoded(request, Reply(kind, GOOD[kind], GIVEN))


@pytest.mark.parametrize(
    "slept, state, address", [(12, "RENEWING", True), (25, "REBINDING", True), (1000, "SELECTING", False)]
)
def test_a_host_that_slept_looks_at_the_clock_first(slept, state, address):
    alone = Alone()
    request = alone.asks()
    for kind in (OFFER, ACK):
        alone.client.input(dhcpv4.parse(encoded(request, Reply(kind, GOOD[kind], GIVEN))), alone.now)
        orders = alone.orders()
        request = next((dhcpv4.parse(order.payload) for order in orders if isinstance(order, Send)), request)
    alone.client.on_claimed(alone.now)
    assert alone.client.state.value == "BOUND"
    alone.orders()
    alone.now += slept
    alone.client.on_timer(alone.now)
    if not address:
        assert any(isinstance(order, Withdraw) for order in alone.client.out)
        alone.asks()
    assert (alone.client.state.value, alone.client.lease is not None) == (state, address)


@pytest.mark.parametrize("state", ["SELECTING", "REQUESTING", "RENEWING"])
def test_whatever_the_server_sends_the_client_goes_on(state):
    """However a reply is bent, the client has a lease where its state has one, and something to wait for."""
    outcomes = set()
    for data in mutations(Alone().reach(state)):
        alone = Alone()
        alone.reach(state)
        client = alone.client
        try:
            dropped = client.input(dhcpv4.parse(data), alone.now)
        except WireError:
            dropped = True
        after = client.state.value
        outcomes.add((after, bool(dropped)))
        assert (client.lease is not None) == (after in ("BOUND", "RENEWING", "REBINDING"))
        assert any(isinstance(order, Claim) for order in client.out) == (after == "CHECKING")
        assert not dropped or after == state
        is_for_ever = client.lease is not None and client.lease.t1_at == float("inf")
        assert client.wake_at is not None or after == "CHECKING" or is_for_ever
        assert client.wake_at is None or client.wake_at >= alone.now
    good = {"SELECTING": "REQUESTING", "REQUESTING": "CHECKING", "RENEWING": "BOUND"}[state]
    assert outcomes >= {(good, False), (state, True)}


def test_whatever_the_server_sends_the_stack_lives():
    """However an ACK is bent, the stack takes one address or none, with its routes, and gives everything back."""
    taken = 0
    for data in mutations(encoded(Alone().asks(), Reply(ACK, GOOD[ACK], GIVEN))):
        stack = Stack(Config(random.Random(1), b"secret", acd_probe_num=0))
        interface = stack.attach(Interface("eth0", b"\2\0\0\0\0\1"), 0.0)
        before = list(stack.routes)
        client = stack.dhcp.start(interface, 0.0, known=Known(GIVEN, 9.0))
        xid = (stack.take_frames()[-1].head)[46:50]
        frame = frame_to(MAC_BROADCAST, SERVER, BROADCAST4, data[:4] + xid + data[8:])
        stack.receive(interface, frame, 0.0)
        assert [a.address for a in interface.addresses] == ([GIVEN] if client.lease else [])
        taken += client.lease is not None
        for step in range(1, 200):
            stack.advance(step / 10)
        stack.dhcp.stop(interface, 20.0)
        assert (interface.addresses, interface.mtu, list(stack.routes)) == ([], 1500, before)
    assert taken > 100
