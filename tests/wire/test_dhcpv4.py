import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire import dhcpv4
from stack.wire.address import network, parse_ip
from stack.wire.dhcpv4 import ACK, BOOTREPLY, BOOTREQUEST, DISCOVER, OFFER, REQUEST
from stack.wire.dhcpv4_options import KINDS, ClasslessRoute, Options, describe
from stack.wire.drop import Drop, WireError
from stack.wire.name import Name, parse_name
from tests.wire.dhcp_dns_samples import DHCP, DNSMASQ_ACK, DNSMASQ_OFFER, UDHCPC_DISCOVER, UDHCPC_REQUEST

MAC = bytes.fromhex("020000000009")
SERVER = parse_ip("10.9.0.1")
GIVEN = parse_ip("10.9.0.52")
DNSMASQ_OPTIONS = Options(
    message_type=OFFER,
    subnet_mask=parse_ip("255.255.255.0"),
    routers=(SERVER,),
    dns_servers=(SERVER,),
    domain="lab",
    mtu=1400,
    broadcast=parse_ip("10.9.0.255"),
    lease_time=3600,
    server_id=SERVER,
    t1=1800,
    t2=3150,
    search=(parse_name("lab."), parse_name("eng.lab.")),
    routes=(
        ClasslessRoute(parse_ip("10.8.0.0"), 16, parse_ip("10.9.0.7")),
        ClasslessRoute(bytes(4), 0, SERVER),
    ),
)


def reason(data):
    with pytest.raises(WireError) as caught:
        dhcpv4.parse(data)
    return caught.value.reason


def with_options(options, file=b"", sname=b""):
    """A reply whose options are these bytes."""
    empty = dhcpv4.emit(BOOTREPLY, 1, MAC, Options(), file=file, sname=sname)
    return empty[:240] + options


def read(options, **areas):
    return dhcpv4.parse_options(dhcpv4.parse(with_options(options, **areas)))


def test_udhcpc_s_discover():
    message = dhcpv4.parse(UDHCPC_DISCOVER)
    assert message[:11] == (BOOTREQUEST, 1, 6, 0, 0xC5D66022, 0, 0, *[bytes(4)] * 4)
    assert (message.hardware, message.sname, message.file) == (MAC, bytes(64), bytes(128))
    assert dhcpv4.parse_options(message) == Options(
        message_type=DISCOVER,
        hostname="glass",
        parameters=(1, 3, 6, 12, 15, 26, 28, 42, 119, 121),
        max_size=576,
        vendor_class="udhcp 1.35.0",
        client_id=b"\1" + MAC,
    )


def test_dnsmasq_s_offer_and_ack():
    offer = dhcpv4.parse(DNSMASQ_OFFER)
    assert (offer.op, offer.xid, offer.yiaddr, offer.siaddr) == (BOOTREPLY, 0xC5D66022, GIVEN, SERVER)
    assert dhcpv4.parse_options(offer) == DNSMASQ_OPTIONS
    ack = dhcpv4.parse_options(dhcpv4.parse(DNSMASQ_ACK))
    assert ack == DNSMASQ_OPTIONS._replace(message_type=ACK, hostname="glass")


def test_what_we_send_is_laid_out_byte_for_byte():
    options = Options(message_type=REQUEST, requested=GIVEN, server_id=SERVER, client_id=b"\1" + MAC, hostname="glass")
    assert (
        dhcpv4.emit(BOOTREQUEST, 0xC5D66022, MAC, options, secs=70000, flags=dhcpv4.BROADCAST)
        == (
            bytes.fromhex("01010600c5d66022ffff8000")
            + bytes(16)
            + MAC
            + bytes(10 + 64 + 128)
            + bytes.fromhex("63825363 350103 0c05676c617373 32040a090034 36040a090001 3d0701020000000009 ff")
            + bytes(300 - 240 - 32 - 1 + 1)
        )[:300]
    )


def test_the_offer_survives_a_round_trip():
    offer = dhcpv4.parse(DNSMASQ_OFFER)
    options = dhcpv4.parse_options(offer)
    ours = dhcpv4.emit(BOOTREPLY, offer.xid, MAC, options, yiaddr=GIVEN, siaddr=SERVER)
    again = dhcpv4.parse(ours)
    assert again._replace(options=b"") == offer._replace(options=b"")
    assert dhcpv4.parse_options(again) == options


ADDRESS = st.binary(min_size=4, max_size=4)
ADDRESSES = st.lists(ADDRESS, max_size=4).map(tuple)
LONG = st.integers(0, 0xFFFFFFFF)
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
LABEL = st.binary(min_size=1, max_size=20)
NAMES = st.lists(st.lists(LABEL, max_size=4).map(lambda labels: Name(tuple(labels))), max_size=30).map(tuple)
ROUTES = st.lists(
    st.builds(
        lambda net, prefixlen, router: ClasslessRoute(network(net, prefixlen), prefixlen, router),
        ADDRESS, st.integers(0, 32), ADDRESS,
    ),
    max_size=40,
).map(tuple)  # fmt: skip
UNTYPED = [code for code in range(1, 255) if (code not in KINDS or not KINDS[code].field) and code != 52]
OPTIONS = st.builds(
    Options,
    message_type=st.none() | st.integers(0, 255),
    subnet_mask=st.none() | ADDRESS,
    routers=ADDRESSES,
    dns_servers=ADDRESSES,
    hostname=TEXT,
    domain=TEXT,
    mtu=st.none() | st.integers(0, 0xFFFF),
    broadcast=st.none() | ADDRESS,
    static_routes=st.lists(st.tuples(ADDRESS, ADDRESS), max_size=3).map(tuple),
    requested=st.none() | ADDRESS,
    lease_time=st.none() | LONG,
    server_id=st.none() | ADDRESS,
    parameters=st.lists(st.integers(0, 255), max_size=10).map(tuple),
    message=TEXT,
    max_size=st.none() | st.integers(0, 0xFFFF),
    t1=st.none() | LONG,
    t2=st.none() | LONG,
    vendor_class=TEXT,
    client_id=st.binary(max_size=20),
    search=NAMES,
    routes=ROUTES,
    others=st.dictionaries(st.sampled_from(UNTYPED), st.binary(max_size=600), max_size=3).map(
        lambda found: tuple(sorted(found.items()))
    ),
)


@given(OPTIONS)
def test_options_round_trip(options):
    message = dhcpv4.parse(dhcpv4.emit(BOOTREPLY, 7, MAC, options))
    assert dhcpv4.parse_options(message) == options


@given(LONG, st.binary(max_size=16), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), ADDRESS, ADDRESS, ADDRESS, ADDRESS,
       st.binary(max_size=64), st.binary(max_size=128))  # fmt: skip
def test_headers_round_trip(xid, hardware, secs, flags, ciaddr, yiaddr, siaddr, giaddr, sname, file):
    data = dhcpv4.emit(
        BOOTREQUEST, xid, hardware, Options(), secs=secs, flags=flags, ciaddr=ciaddr, yiaddr=yiaddr, siaddr=siaddr,
        giaddr=giaddr, sname=sname, file=file,
    )  # fmt: skip
    message = dhcpv4.parse(data)
    assert len(data) == 300
    assert message.hardware == hardware
    assert message[:11] == (1, 1, len(hardware), 0, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr)
    assert (message.sname.rstrip(b"\0"), message.file.rstrip(b"\0")) == (sname.rstrip(b"\0"), file.rstrip(b"\0"))


def test_a_long_option_comes_in_parts():
    # RFC 3396: 300 bytes as 255 and 45, joined again though another option stands between them.
    data = bytes(range(250)) + bytes(50)
    assert dhcpv4.emit_options(Options(others=((224, data),))) == b"\xe0\xff" + data[:255] + b"\xe0\x2d" + data[255:]
    split = b"\xe0\xff" + data[:255] + b"\x0c\x01x" + b"\xe0\x2d" + data[255:] + b"\xff"
    assert read(split) == Options(hostname="x", others=((224, data),))


@pytest.mark.parametrize(
    "overload, understood",
    [
        (0, Options(hostname="a")),
        (1, Options(hostname="af")),
        (2, Options(hostname="as", domain="s")),
        (3, Options(hostname="afs", domain="s")),
        (7, Options(hostname="afs", domain="s")),  # the lower two bits count
    ],
)
def test_overload(overload, understood):
    # RFC 3396 5: options, then file, then sname.
    areas = {"sname": b"\x0c\x01s\x0f\x01s\xff", "file": b"\0\x0c\x01f\xff"}
    assert read(b"\x34\x01" + bytes((overload,)) + b"\x0c\x01a\xff", **areas) == understood


def test_options_say_where_they_stand():
    message = dhcpv4.parse(with_options(b"\0\x34\x01\x03\xff", sname=b"\x0c\x01s\xff", file=b"\0\x0f\x01f\xff"))
    assert list(dhcpv4.each_option(message)) == [(52, b"\3", 241), (15, b"f", 109), (12, b"s", 44)]


@pytest.mark.parametrize("length", range(len(DNSMASQ_OFFER)))
def test_cut_at_every_offset(length):
    try:
        message = dhcpv4.parse(DNSMASQ_OFFER[:length])
    except WireError as error:
        wanted = Drop.TRUNCATED if length < 236 else Drop.DHCP_MALFORMED if length < 240 else Drop.DHCP_OPTIONS
        assert error.reason is wanted
    else:
        # Between two options, or before the end option: what is there stands.
        assert dhcpv4.emit_options(dhcpv4.parse_options(message)).startswith(b"" if length == 240 else b"\x35\1\2")


def test_headers_that_lie():
    assert reason(DNSMASQ_OFFER[:239] + b"\x64" + DNSMASQ_OFFER[240:]) is Drop.DHCP_MALFORMED
    assert reason(b"\x03" + DNSMASQ_OFFER[1:]) is Drop.DHCP_MALFORMED
    assert reason(DNSMASQ_OFFER[:2] + b"\x11" + DNSMASQ_OFFER[3:]) is Drop.DHCP_MALFORMED
    assert dhcpv4.fields(DNSMASQ_OFFER[:2] + b"\x11" + DNSMASQ_OFFER[3:]).hardware == MAC + bytes(10)
    assert dhcpv4.fields(DNSMASQ_OFFER[:238]).cookie == b"\x63\x82"


@pytest.mark.parametrize("options", ["0c", "0c05", "0c0561", "35010236040a0900", "340101ff"])
def test_options_that_reach_past_their_area(options):
    file = b"\x0c\xff" if options == "340101ff" else b""
    data = with_options(bytes.fromhex(options), file=file)
    assert reason(data) is Drop.DHCP_OPTIONS
    tolerated = dhcpv4.parse_options(dhcpv4.fields(data))  # what stands before it is read
    assert tolerated.message_type == (OFFER if options.startswith("35") else None)


@pytest.mark.parametrize(
    "options, understood",
    [
        ("0103ffffff", Options()),  # a mask of three bytes is none
        ("0305 0a0900010a", Options()),
        ("0300", Options()),
        ("0308 0a090001 0a090002", Options(routers=(SERVER, parse_ip("10.9.0.2")))),
        ("3303000e10", Options()),
        ("3304ffffffff", Options(lease_time=0xFFFFFFFF)),
        ("1a03057800", Options()),
        ("0c04 61620000", Options(hostname="ab")),  # trailing NULs are no text
        ("3804 1b5b316d", Options(message="\\x1b[1m")),  # nothing that a terminal would obey
        ("7900", Options()),
        ("7905 00 0a090001", Options(routes=(ClasslessRoute(bytes(4), 0, SERVER),))),
        ("7905 21 0a090001", Options()),  # a prefix of 33 bits
        ("7905 08 0a 0a0900", Options()),
        ("7907 0f 0aff 0a090001", Options(routes=(ClasslessRoute(parse_ip("10.254.0.0"), 15, SERVER),))),
        ("7905 036c616200", Options()),  # looks like a name, is a route of 3 bits cut short
        ("7705 036c616200", Options(search=(parse_name("lab."),))),
        ("7702 c000", Options()),  # points at itself
        ("7707 036c616200c0 05", Options()),  # points forwards
        ("2106 0a0900010a09", Options()),
        ("3500", Options()),
        ("34020100", Options()),
        ("fe02abcd", Options(others=((254, b"\xab\xcd"),))),
    ],
)
def test_option_data(options, understood):
    assert read(bytes.fromhex(options)) == understood


@pytest.mark.parametrize(
    "code, data, text",
    [
        (53, "05", ("DHCP message type", "ACK (5)")),
        (53, "63", ("DHCP message type", "unknown (99)")),
        (51, "ffffffff", ("IP address lease time", "for ever")),
        (51, "00000e10", ("IP address lease time", "3600 s")),
        (1, "ffffff00", ("subnet mask", "255.255.255.0")),
        (1, "ffffff", ("subnet mask", "malformed: ffffff")),
        (6, "0a0900010a090002", ("domain name server", "10.9.0.1, 10.9.0.2")),
        (33, "0a0800000a090001", ("static route", "10.8.0.0 10.9.0.1")),
        (55, "0179fe", ("parameter request list", "1 subnet mask, 121 classless static route, 254")),
        (61, "01020000000009", ("client identifier", "02:00:00:00:00:09")),
        (61, "ff0102", ("client identifier", "ff0102")),
        (119, "036c61620003656e67c000", ("domain search", "lab., eng.lab.")),
        (121, "100a080a090007", ("classless static route", "10.8.0.0/16 via 10.9.0.7")),
        (2, "fffff1f0", ("time offset", "-3600 s")),
        (52, "03", ("option overload", "file and sname (3)")),
        (19, "01", ("IP forwarding", "on")),
        (222, "abcd", ("option 222", "abcd")),
    ],
)  # fmt: skip
def test_how_options_read(code, data, text):
    assert describe(code, bytes.fromhex(data)) == text


def test_values_that_do_not_fit():
    for options, words in [
        (Options(lease_time=1 << 32), r"DHCP option 51 \(IP address lease time\) cannot hold 4294967296"),
        (Options(hostname="gläss"), r"DHCP option 12 \(host name\) cannot hold 'gläss'"),
    ]:
        with pytest.raises(ValueError, match=words):
            dhcpv4.emit_options(options)
    with pytest.raises(ValueError, match="128 of file name"):
        dhcpv4.emit(BOOTREPLY, 1, MAC, Options(), file=bytes(129))


def is_read_or_refused(data):
    """Whatever the bytes, a message is read as `fields` has it, each option within it, or refused with a reason."""
    try:
        message = dhcpv4.parse(data)
    except WireError as error:
        assert error.reason in (Drop.TRUNCATED, Drop.DHCP_MALFORMED, Drop.DHCP_OPTIONS)
        if len(data) < 236:
            assert error.reason is Drop.TRUNCATED
            return
        message = dhcpv4.fields(data)
    else:
        assert message == dhcpv4.fields(data)
        for code, value, offset in dhcpv4.each_option(message):
            assert bytes((code, len(value))) + value == data[offset : offset + 2 + len(value)]
    options = dhcpv4.parse_options(message)
    assert options.mtu is None or 0 <= options.mtu <= 0xFFFF
    assert all(len(address) == 4 for address in options.routers + options.dns_servers)
    assert all(0 <= route.prefixlen <= 32 and len(route.network) == 4 for route in options.routes)
    for code, value in dhcpv4.joined_options(message).items():
        assert all(text.isprintable() for text in describe(code, value))


@given(st.binary(max_size=400))
def test_whatever_the_bytes(data):
    is_read_or_refused(data)


@given(st.binary(max_size=200), st.binary(max_size=64), st.binary(max_size=128))
def test_whatever_the_options(options, sname, file):
    is_read_or_refused(with_options(options, file=file, sname=sname))


@pytest.mark.parametrize("sample", DHCP)
def test_mutated_at_every_byte(sample):
    for offset in range(len(sample)):
        for value in {0, 1, 0x7F, 0xFF, sample[offset] ^ 1, sample[offset] ^ 0x80}:
            is_read_or_refused(sample[:offset] + bytes((value,)) + sample[offset + 1 :])


def test_a_request_of_udhcpc_s_reads_in_full():
    message = dhcpv4.parse(UDHCPC_REQUEST)
    assert [describe(code, data)[1] for code, data, _ in dhcpv4.each_option(message)][:3] == [
        "REQUEST (3)", "10.9.0.52", "10.9.0.1",
    ]  # fmt: skip
