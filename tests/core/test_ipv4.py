"""IPv4 as a host takes it: whole, ours, from a host, and nothing else; and which way its own packets go (RFC 791,
RFC 1122 3.2.1)."""

from __future__ import annotations

import errno

import pytest

from stack.interface import Interface
from stack.port import Endpoint
from stack.wire import ethernet, ipv4, udp
from stack.wire.address import BROADCAST4, MAC_BROADCAST, parse_ip, parse_mac
from stack.wire.checksum import checksum
from stack.wire.drop import Drop
from tests.drill.host import ADDRESS, MAC, PEER, PEER_MAC, Host

DATA = udp.emit(PEER, ADDRESS, 5, 7, b"hello") + b"hello"


def packet(options: bytes = b"", src: bytes = PEER, dst: bytes = ADDRESS, data: bytes = DATA) -> bytearray:
    return bytearray(ipv4.emit(src, dst, ipv4.PROTOCOL_UDP, len(data), options=options) + data)


def mended(ip: bytearray) -> bytearray:
    """With its header's checksum right again."""
    length = max(20, (ip[0] & 15) * 4)
    ip[10:12] = bytes(2)
    ip[10:12] = checksum(bytes(ip[:length])).to_bytes(2, "big")
    return ip


def frame(ip: bytes, dst: bytes = MAC, padding: int = 0) -> bytes:
    return ethernet.emit(dst, PEER_MAC, ethernet.ETHERTYPE_IPV4) + ip + bytes(padding)


class Listening:
    """A host with a UDP port 7 that says what it has heard."""

    def __init__(self, **settings: object) -> None:
        self.host = Host(**settings)
        self.port = self.host.stack.udp.open()
        self.host.do(lambda now: self.port.bind(bytes(4), 7, now))

    def hears(self, whole: bytes) -> bool:
        self.host.receive(whole)
        return self.port.receive() is not None

    def drops(self, whole: bytes) -> Drop:
        before = dict(self.host.stack.drops)
        assert not self.hears(whole), "it was to be dropped"
        (reason,) = [d for d, n in self.host.stack.drops.items() if n != before.get(d, 0)]
        self.host.quiet()
        return reason


def test_a_sound_packet_is_heard() -> None:
    assert Listening().hears(frame(packet()))


@pytest.mark.parametrize("padding", [1, 13, 1400])
def test_padding_behind_it_is_cut_off(padding: int) -> None:
    heard = Listening()
    heard.host.receive(frame(packet(), padding=padding))
    datagram = heard.port.receive()
    assert datagram is not None and datagram.data == b"hello"


def test_every_bit_of_the_header_is_under_the_checksum() -> None:
    heard = Listening()
    for bit in range(20 * 8):
        ip = packet()
        ip[bit // 8] ^= 0x80 >> bit % 8
        assert heard.drops(frame(ip)) in (
            Drop.IP_CHECKSUM,
            Drop.IP_VERSION,
            Drop.IP_HEADER_LENGTH,
            Drop.IP_TOTAL_LENGTH,
        )


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, 0x55, Drop.IP_VERSION), (0, 0x65, Drop.IP_VERSION), (0, 0x44, Drop.IP_HEADER_LENGTH),
        (0, 0x40, Drop.IP_HEADER_LENGTH), (0, 0x4F, Drop.IP_HEADER_LENGTH), (3, 19, Drop.IP_TOTAL_LENGTH),
        (3, 0, Drop.IP_TOTAL_LENGTH), (3, 34, Drop.IP_TOTAL_LENGTH), (2, 255, Drop.IP_TOTAL_LENGTH),
        (6, 0x20, Drop.IP_FRAGMENT), (7, 1, Drop.IP_FRAGMENT), (6, 0x3F, Drop.IP_FRAGMENT),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_header(offset: int, value: int, reason: Drop) -> None:
    ip = packet()
    ip[offset] = value
    assert Listening().drops(frame(mended(ip))) is reason


def test_cut_anywhere_it_is_dropped() -> None:
    heard = Listening()
    whole = frame(packet())
    for length in range(len(whole)):
        reason = heard.drops(whole[:length])
        assert reason in (Drop.TRUNCATED, Drop.IP_TOTAL_LENGTH)


# --- options


@pytest.mark.parametrize(
    "options",
    [
        bytes((7, 7, 4, 0, 0, 0, 0, 0)),
        bytes((148, 4, 0, 0)),
        bytes((1, 1, 1, 0)),
        bytes((68, 8, 5, 0, 0, 0, 0, 0)),
        bytes(40),
    ],
)
def test_options_are_skipped(options: bytes) -> None:
    heard = Listening()
    heard.host.receive(frame(packet(options)))
    datagram = heard.port.receive()
    assert datagram is not None and datagram.data == b"hello"


@pytest.mark.parametrize("kind", [131, 137])
@pytest.mark.parametrize("before", [b"", b"\x01", b"\x94\x04\x00\x00"])
def test_source_routes_are_refused(kind: int, before: bytes) -> None:
    """RFC 7126 4.3, 4.4."""
    options = before + bytes((kind, 7, 4, 10, 0, 0, 1))
    assert Listening().drops(frame(packet(options))) is Drop.IP_SOURCE_ROUTE


def test_a_source_route_behind_the_end_of_the_list_is_padding() -> None:
    assert Listening().hears(frame(packet(bytes((0, 131, 7, 4, 10, 0, 0, 1)))))


@pytest.mark.parametrize(
    "options", [b"\x07\x00\x00\x00", b"\x07\x01\x00\x00", b"\x07\x05\x00\x00", b"\x01\x01\x01\x07"]
)
def test_malformed_options_are_dropped(options: bytes) -> None:
    assert Listening().drops(frame(packet(options))) is Drop.IP_OPTIONS


# --- whose it is


@pytest.mark.parametrize("dst", ["192.168.1.4", "192.168.1.0", "192.168.2.255", "10.0.0.1", "224.0.0.2", "0.0.0.0"])
def test_what_is_for_others_is_dropped(dst: str) -> None:
    assert Listening().drops(frame(packet(dst=parse_ip(dst)))) is Drop.IP_NOT_OURS


@pytest.mark.parametrize("dst", ["192.168.1.255", "255.255.255.255"])
def test_broadcasts_are_heard(dst: str) -> None:
    to = parse_ip(dst)
    data = udp.emit(PEER, to, 5, 7, b"hello") + b"hello"
    assert Listening().hears(frame(packet(dst=to, data=data), MAC_BROADCAST))


def test_another_stations_frame_is_dropped() -> None:
    assert Listening().drops(frame(packet(), parse_mac("02:00:00:00:00:77"))) is Drop.NOT_OUR_MAC


@pytest.mark.parametrize("mac", [MAC_BROADCAST, parse_mac("01:00:5e:00:00:01")])
def test_one_hosts_packet_in_a_broadcast_frame_is_dropped(mac: bytes) -> None:
    """RFC 1122 3.3.6: or one frame could make every host of the link answer."""
    assert Listening().drops(frame(packet(), mac)) is Drop.IP_GROUP_FRAME


@pytest.mark.parametrize(
    "src", ["224.0.0.1", "239.255.255.255", "255.255.255.255", "192.168.1.255", "127.0.0.1", "127.9.9.9", "192.168.1.3"]
)
def test_sources_that_are_no_hosts(src: str) -> None:
    """RFC 1122 3.2.1.3."""
    assert Listening().drops(frame(packet(src=parse_ip(src)))) is Drop.IP_SOURCE


def test_the_unspecified_source_is_heard() -> None:
    """A host that asks for its address by DHCP has no other."""
    data = udp.emit(bytes(4), BROADCAST4, 5, 7, b"hello") + b"hello"
    assert Listening().hears(frame(packet(src=bytes(4), dst=BROADCAST4, data=data), MAC_BROADCAST))


def test_loopback_never_comes_from_the_link() -> None:
    assert Listening().drops(frame(packet(dst=parse_ip("127.0.0.1")))) is Drop.IP_SOURCE


def test_an_address_of_our_other_interface_is_ours_but_no_source() -> None:
    heard = Listening()
    other = Interface("tap1", parse_mac("02:00:00:00:00:04"))
    heard.host.stack.attach(other, 0.0)
    second = parse_ip("10.0.0.3")
    heard.host.do(lambda now: heard.host.stack.add_address(other, second, 24, now))
    data = udp.emit(PEER, second, 5, 7, b"hello") + b"hello"
    assert heard.hears(frame(packet(dst=second, data=data)))
    assert heard.drops(frame(packet(src=second))) is Drop.IP_SOURCE


def test_ethertypes_of_others() -> None:
    heard = Listening()
    for ethertype in (0x86DD, 0x8100, 46, 0):
        whole = ethernet.emit(MAC, PEER_MAC, ethertype) + packet()
        assert heard.drops(bytes(whole)) is Drop.ETHERTYPE_UNKNOWN


# --- on the way out


def send(host: Host, to: str, payload: bytes = b"x", **options: object) -> None:
    port = host.stack.udp.open()
    for name, value in options.items():
        setattr(port.options, name, value)
    host.do(lambda now: port.send(payload, Endpoint(parse_ip(to), 9), now))
    host.do(port.close)


def test_what_a_packet_of_ours_carries() -> None:
    host = Host()
    send(host, "192.168.1.1", ttl=5, tos=0x48)
    send(host, "192.168.1.1")
    first, second = (s.ip for s in host.take_all())
    assert (first.ttl, first.tos, first.flags, first.ihl, first.src) == (5, 0x48, ipv4.DF, 5, ADDRESS)
    assert (second.ttl, second.tos) == (64, 0)
    assert second.identification == (first.identification + 1) & 0xFFFF


@pytest.mark.parametrize(
    ("to", "mac"),
    [
        ("255.255.255.255", "ff:ff:ff:ff:ff:ff"), ("192.168.1.255", "ff:ff:ff:ff:ff:ff"),
        ("224.0.0.1", "01:00:5e:00:00:01"), ("239.129.2.3", "01:00:5e:01:02:03"),
    ],
)  # fmt: skip
def test_group_addresses_need_no_neighbour(to: str, mac: str) -> None:
    """RFC 1112 6.4: the low 23 bits of the group."""
    host = Host()
    send(host, to, broadcast=True)
    sent = host.take()
    assert sent.ethernet.dst == parse_mac(mac) and sent.ip.src == ADDRESS


def test_what_does_not_fit_is_refused() -> None:
    host = Host()
    send(host, "192.168.1.1", bytes(1472))
    assert host.take().ip.total_length == 1500
    with pytest.raises(OSError) as e:
        send(host, "192.168.1.1", bytes(1473))
    assert e.value.errno == errno.EMSGSIZE


def test_loopback_addresses_never_leave_the_host() -> None:
    """RFC 1122 3.2.1.3 (g)."""
    host = Host()
    port = host.stack.udp.open()
    host.do(lambda now: port.bind(parse_ip("127.0.0.1"), 0, now))
    with pytest.raises(OSError) as e:
        host.do(lambda now: port.send(b"x", Endpoint(PEER, 9), now))
    assert e.value.errno == errno.EINVAL
    host.quiet()


def test_an_interface_that_is_down_sends_nothing() -> None:
    host = Host()
    host.interface.is_up = False
    with pytest.raises(OSError) as e:
        send(host, "192.168.1.1")
    assert e.value.errno == errno.ENETUNREACH or host.dropped(Drop.INTERFACE_DOWN)
    host.quiet()
