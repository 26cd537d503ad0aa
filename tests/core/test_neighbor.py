"""The neighbour cache: resolution and its failure, the states of RFC 4861 7.3 and their times, and its bounds under a
flood (RFC 826, RFC 1122 2.3.2)."""

from __future__ import annotations

import pytest

from stack.events import NeighborChange
from stack.neighbor import State, describe
from stack.port import Endpoint
from stack.wire import arp, ethernet, icmpv4, ipv4
from stack.wire.address import MAC_BROADCAST, MAC_ZERO, parse_ip, parse_mac
from stack.wire.drop import Drop
from tests.drill.drill import Drill
from tests.drill.host import ADDRESS, MAC, PEER, PEER_MAC, Host, Sent

OTHER_MAC = parse_mac("02:00:00:00:00:99")


def host(**settings: object) -> Host:
    return Host(answers_arp=False, **settings)


def send(h: Host, payload: bytes = b"x", to: bytes = PEER) -> None:
    """One datagram on its way."""
    port = h.stack.udp.open()
    h.do(lambda now: port.send(payload, Endpoint(to, 9), now))
    h.do(port.close)


def answer(h: Host, mac: bytes = PEER_MAC, spa: bytes = PEER) -> None:
    h.receive_arp(arp.REPLY, mac, spa, MAC, ADDRESS, MAC)


def state(h: Host, address: bytes = PEER) -> State:
    entry = h.stack.neighbors.lookup(h.interface, address)
    assert entry is not None
    return entry.state


def is_request(sent: Sent, to: bytes = MAC_BROADCAST, target: bytes = PEER) -> bool:
    link = sent.ethernet
    if link.ethertype != ethernet.ETHERTYPE_ARP:
        return False
    a = sent.arp
    return (link.dst, a.op, a.sha, a.spa, a.tha, a.tpa) == (to, arp.REQUEST, MAC, ADDRESS, MAC_ZERO, target)


# --- resolution


def test_the_first_packet_asks_and_all_leave_in_order_when_it_is_answered() -> None:
    h = host()
    for n in range(5):
        send(h, bytes([n]))
    assert is_request(h.take())
    h.quiet()
    assert state(h) is State.INCOMPLETE
    answer(h)
    sent = h.take_all()
    assert [s.udp.payload.tobytes() for s in sent] == [bytes([n]) for n in range(5)]
    assert {(s.ethernet.dst, s.ethernet.src) for s in sent} == {(PEER_MAC, MAC)}
    assert state(h) is State.REACHABLE
    send(h)
    assert h.take().ethernet.dst == PEER_MAC


def test_it_asks_again_each_second_and_fails_after_three() -> None:
    h = host()
    raw = h.stack.raw.open(ipv4.PROTOCOL_ICMP)
    send(h, b"lost")
    assert is_request(h.take())
    for at in (1.0, 2.0):
        h.quiet(at - 0.01)
        h.advance_to(at)
        assert is_request(h.take())
    h.quiet(3.0)
    assert state(h) is State.FAILED
    assert h.dropped(Drop.NEIGHBOR_FAILED) == 1
    said = raw.receive()
    assert said is not None
    message = icmpv4.parse(said.data[20:])
    assert (message.type, message.code) == (icmpv4.DESTINATION_UNREACHABLE, icmpv4.HOST_UNREACHABLE)
    quoted = ipv4.fields(message.payload)
    assert (quoted.src, quoted.dst) == (ADDRESS, PEER) and bytes(quoted.payload[8:]) == b"lost"


def test_each_waiting_sender_is_told() -> None:
    h = host()
    raw = h.stack.raw.open(ipv4.PROTOCOL_ICMP)
    ports = [h.stack.udp.open() for _ in range(3)]
    for port in ports:
        h.do(lambda now, port=port: port.connect(PEER, 9, now))
        h.do(lambda now, port=port: port.send(b"x", None, now))
    h.advance_to(4.0)
    assert h.dropped(Drop.NEIGHBOR_FAILED) == 3
    assert [port.take_error() for port in ports] == [113, 113, 113]  # EHOSTUNREACH
    assert sum(raw.receive() is not None for _ in range(5)) == 3


def test_what_failed_is_asked_for_anew() -> None:
    h = host()
    send(h)
    h.advance_to(10.0)
    h.take_all()
    send(h, b"again")
    assert is_request(h.take())
    answer(h)
    assert h.take().udp.payload.tobytes() == b"again"


def test_a_failed_error_message_makes_no_error_message() -> None:
    """RFC 1122 3.2.2: about an ICMP error there is never another."""
    h = host()
    raw = h.stack.raw.open(ipv4.PROTOCOL_ICMP)
    unreachable = icmpv4.emit(3, 3, bytes(4), ipv4.emit(PEER, ADDRESS, 17, 8) + bytes(8))
    h.do(lambda now: raw.send(unreachable, Endpoint(PEER, 0), now))
    h.advance_to(5.0)
    assert h.dropped(Drop.NEIGHBOR_FAILED) == 1 and raw.receive() is None


def test_the_queue_of_the_unresolved_is_bounded_and_keeps_the_latest() -> None:
    h = host(arp_queue_bytes=5000)
    for n in range(20):
        send(h, bytes([n]) * 1000)
    assert is_request(h.take())
    assert h.dropped(Drop.NEIGHBOR_QUEUE_FULL) == 16
    answer(h)
    assert [s.udp.payload[0] for s in h.take_all()] == [16, 17, 18, 19]


def test_the_latest_packet_is_kept_however_small_the_queue() -> None:
    h = host(arp_queue_bytes=0)
    send(h, b"1")
    send(h, b"2")
    h.take_all()
    answer(h)
    assert [s.udp.payload.tobytes() for s in h.take_all()] == [b"2"]


# --- the states and their times (RFC 4861 7.3.3)


def resolved(**settings: object) -> Host:
    h = host(**settings)
    send(h)
    answer(h)
    h.take_all()
    return h


def expire(h: Host) -> None:
    entry = h.stack.neighbors.lookup(h.interface, PEER)
    assert entry is not None and entry.timer.at is not None
    h.advance_to(entry.timer.at - h.start)
    assert state(h) is State.STALE


def test_reachable_becomes_stale_after_about_thirty_seconds() -> None:
    whens = []
    for seed in range(20):
        h = resolved(seed=seed)
        entry = h.stack.neighbors.lookup(h.interface, PEER)
        assert entry is not None and entry.timer.at is not None
        whens.append(entry.timer.at)
        expire(h)
        h.quiet(1000)  # unused, it stays as it is
    assert 15 <= min(whens) < 25 and 35 < max(whens) <= 45


def test_a_stale_entry_is_used_and_probed_five_seconds_later() -> None:
    h = resolved()
    expire(h)
    at = h.now
    send(h)
    assert h.take().ethernet.dst == PEER_MAC
    assert state(h) is State.DELAY
    h.quiet(at + 4.9)
    for n in range(3):
        h.advance_to(at + 5 + n)
        assert state(h) is State.PROBE
        assert is_request(h.take(), to=PEER_MAC)  # unicast
    send(h)  # still used meanwhile
    assert h.take().ethernet.dst == PEER_MAC
    h.quiet(at + 8)
    assert state(h) is State.FAILED


def test_an_answer_to_the_probe_makes_it_reachable() -> None:
    h = resolved()
    expire(h)
    at = h.now
    send(h)
    h.take()
    h.advance_to(at + 5)
    assert is_request(h.take(), to=PEER_MAC)
    answer(h)
    assert state(h) is State.REACHABLE
    h.quiet(at + 12)


def test_progress_of_tcp_confirms() -> None:
    """RFC 4861 7.3.1: new data acknowledged proves the neighbour reachable."""
    d = Drill()
    d.passive()
    entry = d.host.stack.neighbors.lookup(d.host.interface, PEER)
    assert entry is not None and entry.state is State.DELAY
    d.at(1.5)
    d.inject("P. 1:11")  # what they send proves nothing about what we send
    d.take_all()
    assert entry.state is State.DELAY
    d.write(10)
    d.expect("P. 1:11")
    d.inject(". ack 11")
    assert entry.state is State.REACHABLE


def test_a_busy_connection_is_never_probed() -> None:
    h = Host(answers_arp=False)
    h.receive_arp(arp.REQUEST, PEER_MAC, PEER, MAC_ZERO, ADDRESS)
    h.take_all()
    d = Drill(h)
    d.passive()
    for n in range(100):
        d.at(2.0 * n)
        d.write(10)
        d.expect(f"P. {10 * n + 1}:{10 * n + 11}")
        d.inject(f". ack {10 * n + 11}")
    assert not [line for line in h.log if "arp who has 192.168.1.1" in line]


def test_changes_are_told() -> None:
    h = resolved()
    expire(h)
    send(h)
    h.take_all()
    h.advance_to(h.now + 20)
    told = [event.state for _, event in h.events if isinstance(event, NeighborChange)]
    assert told == ["INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED"]


def test_described_as_ip_neigh_does() -> None:
    h = resolved()
    entry = h.stack.neighbors.lookup(h.interface, PEER)
    assert entry is not None and describe(entry) == "192.168.1.1 dev tap0 lladdr 02:00:00:00:00:01 REACHABLE"


# --- what is heard


def test_a_request_for_us_is_answered_and_the_asker_remembered() -> None:
    h = host()
    h.receive_arp(arp.REQUEST, PEER_MAC, PEER, MAC_ZERO, ADDRESS)
    sent = h.take()
    a = sent.arp
    assert sent.ethernet.dst == PEER_MAC
    assert (a.op, a.sha, a.spa, a.tha, a.tpa) == (arp.REPLY, MAC, ADDRESS, PEER_MAC, PEER)
    assert state(h) is State.STALE
    send(h)
    assert h.take().ethernet.dst == PEER_MAC  # without asking


def test_a_probe_for_our_address_is_answered_and_nobody_remembered() -> None:
    h = host()
    h.receive_arp(arp.REQUEST, PEER_MAC, bytes(4), MAC_ZERO, ADDRESS)
    assert h.take().arp.op == arp.REPLY
    assert len(h.stack.neighbors) == 0


def test_a_request_for_somebody_else_teaches_nothing_new() -> None:
    h = host()
    h.receive_arp(arp.REQUEST, PEER_MAC, PEER, MAC_ZERO, parse_ip("192.168.1.9"))
    h.receive_arp(arp.REPLY, PEER_MAC, PEER, OTHER_MAC, parse_ip("192.168.1.9"))
    h.quiet()
    assert len(h.stack.neighbors) == 0


def test_a_gratuitous_change_is_believed_but_not_trusted() -> None:
    h = resolved()
    h.receive_arp(arp.REQUEST, OTHER_MAC, PEER, MAC_ZERO, PEER)
    assert state(h) is State.STALE
    send(h)
    assert h.take().ethernet.dst == OTHER_MAC


@pytest.mark.parametrize("before", [State.REACHABLE, State.STALE, State.DELAY])
def test_an_answer_to_no_question_is_believed_but_not_trusted(before: State) -> None:
    """RFC 4861 7.2.5. The next packet goes to the new address, and five seconds later it has to answer."""
    h = resolved()
    if before is not State.REACHABLE:
        h.advance_to(50)
    if before is State.DELAY:
        send(h)
        h.take()
    assert state(h) is before
    h.receive_arp(arp.REPLY, OTHER_MAC, PEER, MAC, ADDRESS)
    assert state(h) is State.STALE
    send(h)
    assert h.take().ethernet.dst == OTHER_MAC
    at = h.now
    h.advance_to(at + 5.1)
    assert h.take().arp.op == arp.REQUEST and state(h) is State.PROBE


@pytest.mark.parametrize("spa", ["127.0.0.1", "224.0.0.1", "255.255.255.255", "192.168.1.255"])
def test_nobody_asks_from_an_address_that_is_no_host_s(spa: str) -> None:
    h = host()
    h.receive_arp(arp.REQUEST, PEER_MAC, parse_ip(spa), MAC_ZERO, ADDRESS)
    h.quiet()
    assert len(h.stack.neighbors) == 0 and h.dropped(Drop.ARP_MALFORMED) == 1


def test_an_asker_from_another_subnet_is_answered_and_not_remembered() -> None:
    h = host()
    for spa in ("8.8.8.8", "192.168.1.0"):
        h.receive_arp(arp.REQUEST, PEER_MAC, parse_ip(spa), MAC_ZERO, ADDRESS)
        assert h.take().arp.op == arp.REPLY
        assert len(h.stack.neighbors) == 0


def test_a_gratuitous_repetition_changes_nothing() -> None:
    h = resolved()
    h.receive_arp(arp.REQUEST, PEER_MAC, PEER, MAC_ZERO, PEER)
    assert state(h) is State.REACHABLE


def test_an_announcement_resolves_what_is_waited_for() -> None:
    """RFC 826: the merge comes before the question whether it is for us."""
    h = host()
    send(h)
    h.take()
    h.receive_arp(arp.REQUEST, PEER_MAC, PEER, MAC_ZERO, PEER)
    assert h.take().ethernet.dst == PEER_MAC


def test_our_own_messages_come_back_unheard() -> None:
    h = resolved()
    h.receive_arp(arp.REQUEST, MAC, PEER, MAC_ZERO, ADDRESS)
    h.quiet()
    assert state(h) is State.REACHABLE


@pytest.mark.parametrize("sha", [MAC_BROADCAST, MAC_ZERO, parse_mac("01:00:5e:00:00:01")])
def test_no_station_has_a_group_address(sha: bytes) -> None:
    h = host()
    send(h)
    h.take()
    answer(h, sha)
    h.quiet()
    assert state(h) is State.INCOMPLETE and h.dropped(Drop.ARP_MALFORMED) == 1


def test_malformed_messages() -> None:
    h = host()
    good = ethernet.emit(MAC, PEER_MAC, ethernet.ETHERTYPE_ARP) + arp.emit(
        arp.REQUEST, PEER_MAC, PEER, MAC_ZERO, ADDRESS
    )
    for at, value in ((14, 1), (16, 1), (18, 8), (19, 16), (21, 3), (21, 0)):
        bad = bytearray(good)
        bad[at] = value
        h.receive(bytes(bad))
    for length in range(14, len(good)):
        h.receive(good[:length])
    h.quiet()
    assert sum(h.stack.drops.values()) == 6 + 28
    h.receive(good + bytes(18))  # padded to 60 bytes
    assert h.take().arp.op == arp.REPLY


# --- bounds


def test_a_flood_of_askers_does_not_outgrow_the_cache() -> None:
    h = host(arp_cache_size=64)
    send(h)
    answer(h)
    h.take_all()
    for n in range(1000):
        address = bytes((192, 168, 1 + n // 250, 1 + n % 250 + 1))
        if address != ADDRESS:
            h.receive_arp(arp.REQUEST, OTHER_MAC, address, MAC_ZERO, ADDRESS)
    assert len(h.stack.neighbors) == 64
    assert state(h) is State.REACHABLE, "who is in use is not evicted for a stranger"
    h.take_all()


def test_asking_for_everybody_does_not_outgrow_the_cache() -> None:
    h = host(arp_cache_size=8)
    for n in range(100):
        send(h, b"x", bytes((192, 168, 1, 100 + n)))
    assert len(h.stack.neighbors) == 8
    assert h.dropped(Drop.NEIGHBOR_QUEUE_FULL) == 92, "what waited for who was evicted is accounted for"
    h.take_all()
    h.advance_to(10)
    assert h.dropped(Drop.NEIGHBOR_FAILED) == 8


def test_an_evicted_neighbour_is_asked_for_again() -> None:
    h = host(arp_cache_size=8)
    for n in range(9):
        send(h, b"x", bytes((192, 168, 1, 100 + n)))
    h.take_all()
    send(h, b"x", bytes((192, 168, 1, 100)))
    assert is_request(h.take(), target=bytes((192, 168, 1, 100)))


def test_flushing_an_interface_forgets_its_neighbours_and_their_timers() -> None:
    h = resolved()
    h.stack.neighbors.flush(h.interface)
    assert len(h.stack.neighbors) == 0
    h.quiet(100)
    send(h)
    assert is_request(h.take())


# --- the gateway


def test_what_is_elsewhere_goes_to_the_gateway() -> None:
    h = host(gateway=PEER)
    send(h, b"far", parse_ip("10.1.2.3"))
    assert is_request(h.take())
    answer(h)
    sent = h.take()
    assert sent.ethernet.dst == PEER_MAC and sent.ip.dst == parse_ip("10.1.2.3")
