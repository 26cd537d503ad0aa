"""Address conflict detection (RFC 5227): probing before an address is taken, conflicts found out, defence."""

from __future__ import annotations

from stack.events import AddressConflict, AddressReady
from stack.interface import InterfaceAddress
from stack.wire import arp, icmpv4
from stack.wire.address import MAC_BROADCAST, MAC_ZERO, parse_mac
from tests.drill.host import ADDRESS, MAC, PEER, PEER_MAC, Host, Sent

OTHER_MAC = parse_mac("02:00:00:00:00:99")
WANTED = InterfaceAddress(ADDRESS, 24)


def starting(**settings: object) -> Host:
    """A host that has just asked for its address."""
    return Host(answers_arp=False, **{"acd_probe_num": 2, "acd_announce_num": 2, **settings})


def kind(sent: Sent) -> str:
    a = sent.arp
    assert sent.ethernet.dst == MAC_BROADCAST and (a.op, a.sha, a.tha, a.tpa) == (arp.REQUEST, MAC, MAC_ZERO, ADDRESS)
    return {bytes(4): "probe", ADDRESS: "announcement"}[a.spa]


def conflicts(h: Host) -> list[tuple[float, AddressConflict]]:
    return [(at, event) for at, event in h.events if isinstance(event, AddressConflict)]


def test_two_probes_and_two_announcements() -> None:
    h = starting()
    h.advance_to(10.0)
    seen = [(round(s.at, 3), kind(s)) for s in h.take_all()]
    assert seen == [(0.0, "probe"), (0.1, "probe"), (0.3, "announcement"), (2.3, "announcement")]
    ready = [(round(at, 3), event) for at, event in h.events if isinstance(event, AddressReady)]
    assert ready == [(0.3, AddressReady(h.interface, ADDRESS, 24))]


def test_the_standards_own_timing() -> None:
    h = Host(
        answers_arp=False, acd_probe_wait=1.0, acd_probe_num=3, acd_probe_interval=1.5, acd_announce_wait=2.0,
        acd_announce_num=2, acd_announce_interval=2.0,
    )  # fmt: skip
    h.advance_to(20.0)
    sent = [(s.at, kind(s)) for s in h.take_all()]
    first = sent[0][0]
    assert 0 < first < 1
    assert [k for _, k in sent] == ["probe"] * 3 + ["announcement"] * 2
    assert [round(at - first, 6) for at, _ in sent] == [0, 1.5, 3.0, 5.0, 7.0]


def test_the_first_ping_is_answered_within_half_a_second() -> None:
    h = starting()
    request = icmpv4.echo_request(1, 1, b"hello")
    h.receive_icmp(request)
    assert all(s.ethernet.ethertype == 0x806 for s in h.take_all())  # not ours yet
    h.advance_to(0.5)
    h.take_all()
    h.receive_arp(arp.REQUEST, PEER_MAC, PEER, MAC_ZERO, ADDRESS)
    assert h.take().arp.op == arp.REPLY
    h.receive_icmp(request)
    assert h.take().icmp.type == icmpv4.ECHO_REPLY


def test_an_address_in_use_is_reported_and_not_taken() -> None:
    h = starting()
    h.advance_to(3.0)
    told: list[tuple[bytes | None, float]] = []
    second = bytes((192, 168, 1, 4))
    wanted = InterfaceAddress(second, 24)
    h.do(lambda now: h.stack.acd.claim(h.interface, wanted, lambda who, now: told.append((who, now)), now))
    h.advance_to(3.05)
    h.receive_arp(arp.REPLY, OTHER_MAC, second, MAC, ADDRESS, MAC)
    assert [event for _, event in conflicts(h)] == [AddressConflict(h.interface, second, OTHER_MAC, False)]
    assert told == [(OTHER_MAC, 3.05)]
    h.advance_to(10.0)
    assert h.interface.addresses == [WANTED] and not h.interface.tentative
    assert second not in h.stack.own_addresses
    assert "192.168.1.4 is in use by 02:00:00:00:00:99" in "\n".join(h.log)


def test_a_request_from_the_owner_is_a_conflict_as_well() -> None:
    h = starting()
    h.receive_arp(arp.REQUEST, OTHER_MAC, ADDRESS, MAC_ZERO, PEER)
    assert len(conflicts(h)) == 1 and not h.interface.tentative
    h.take_all()
    h.quiet(10)


def test_who_probes_for_the_same_address_at_the_same_time() -> None:
    """RFC 5227 2.1.1: neither gets it."""
    h = starting()
    h.receive_arp(arp.REQUEST, OTHER_MAC, bytes(4), MAC_ZERO, ADDRESS)
    assert len(conflicts(h)) == 1
    h.advance_to(10)
    assert not h.interface.addresses


def test_our_own_probe_come_back_is_no_conflict() -> None:
    h = starting()
    h.receive_arp(arp.REQUEST, MAC, bytes(4), MAC_ZERO, ADDRESS)
    h.advance_to(1.0)
    assert h.interface.addresses == [WANTED]


def test_who_merely_asks_for_the_tentative_address_is_not_answered() -> None:
    h = starting()
    h.take_all()
    h.receive_arp(arp.REQUEST, PEER_MAC, PEER, MAC_ZERO, ADDRESS)
    h.quiet()
    assert not conflicts(h)
    h.advance_to(1.0)
    assert h.interface.addresses == [WANTED]


def test_a_conflict_in_the_last_silence_counts() -> None:
    h = starting()
    h.advance_to(0.29)
    h.receive_arp(arp.REQUEST, OTHER_MAC, ADDRESS, MAC_ZERO, ADDRESS)
    h.advance_to(1.0)
    assert len(conflicts(h)) == 1 and not h.interface.addresses


def test_an_address_of_ours_is_defended_once_in_ten_seconds() -> None:
    h = starting()
    h.advance_to(5.0)
    h.take_all()
    for n in range(30):
        h.advance_to(5.0 + n)
        h.receive_arp(arp.REQUEST, OTHER_MAC, ADDRESS, MAC_ZERO, PEER)
    sent = h.take_all()
    assert [(s.at, kind(s)) for s in sent] == [(5.0, "announcement"), (15.0, "announcement"), (25.0, "announcement")]
    assert len(conflicts(h)) == 30 and all(event.taken for _, event in conflicts(h))
    assert h.interface.addresses == [WANTED]
    assert h.stack.neighbors.lookup(h.interface, ADDRESS) is None


def test_zero_probes_take_it_at_once() -> None:
    h = Host(acd_probe_num=0, acd_announce_num=0)
    assert h.interface.addresses == [WANTED]
    h.quiet(10)


def test_asking_twice_is_once() -> None:
    h = starting()
    h.do(lambda now: h.stack.add_address(h.interface, ADDRESS, 24, now))
    h.advance_to(1.0)
    h.do(lambda now: h.stack.add_address(h.interface, ADDRESS, 24, now))
    h.advance_to(5.0)
    assert h.interface.addresses == [WANTED]
    assert len([1 for s in h.take_all() if kind(s) == "probe"]) == 2


def test_giving_an_address_up_ends_probing_and_announcing() -> None:
    for at in (0.05, 0.35):
        h = starting()
        h.advance_to(at)
        h.do(lambda now, h=h: h.stack.remove_address(h.interface, ADDRESS, now))
        h.take_all()
        h.quiet(10)
        assert not h.interface.addresses and not h.interface.tentative and ADDRESS not in h.stack.own_addresses
        h.receive_arp(arp.REQUEST, PEER_MAC, PEER, MAC_ZERO, ADDRESS)
        h.quiet()
