import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.wire import dns, dns_text, name
from stack.wire.address import parse_ip
from stack.wire.dns import Message, Mx, Opt, Question, Record, Soa, Srv, Txt
from stack.wire.drop import Drop, WireError
from stack.wire.name import ROOT, Name, parse_name, read_name
from tests.wire import dhcp_dns_samples as samples

WWW = parse_name("www.lab.")
LAB = parse_name("lab.")
EDNS = Record(ROOT, dns.OPT, 1232, 0, Opt(()))
HEADER = bytes.fromhex("123481800001000100000000")


def reason(data):
    with pytest.raises(WireError) as caught:
        dns.parse(data)
    return caught.value.reason


# --- what others sent


def test_dig_s_query():
    message = dns.parse(samples.DIG_QUERY)
    cookie = Record(ROOT, dns.OPT, 1232, 0, Opt(((10, bytes.fromhex("a6c025b0549cc802")),)))
    assert message == Message(0xB2E6, dns.RD | dns.AD, (Question(WWW, dns.A),), additional=(cookie,))
    assert (message.is_response, message.opcode, message.rcode) == (False, dns.QUERY, dns.NOERROR)
    assert message.edns == (1232, 0, 0, 0, ((10, bytes.fromhex("a6c025b0549cc802")),))
    assert dns.emit(message) == samples.DIG_QUERY


@pytest.mark.parametrize(
    "sample, answers",
    [
        (samples.DNSMASQ_A, [Record(WWW, dns.A, dns.IN, 0, parse_ip("10.9.0.80"))]),
        (
            samples.DNSMASQ_CNAME,
            [
                Record(parse_name("alias.lab."), dns.CNAME, dns.IN, 0, parse_name("web.lab.")),
                Record(parse_name("web.lab."), dns.A, dns.IN, 60, parse_ip("10.9.0.81")),
            ],
        ),
        (samples.DNSMASQ_AAAA, [Record(parse_name("web.lab."), dns.AAAA, dns.IN, 60, parse_ip("fd00::81"))]),
        (samples.DNSMASQ_MX, [Record(LAB, dns.MX, dns.IN, 0, Mx(10, parse_name("mail.lab.")))]),
        (samples.DNSMASQ_TXT, [Record(parse_name("t.lab."), dns.TXT, dns.IN, 0, Txt((b"hello", b"world")))]),
        (samples.DNSMASQ_SRV, [Record(parse_name("_http._tcp.lab."), dns.SRV, dns.IN, 0, Srv(1, 2, 80, WWW))]),
        (samples.DNSMASQ_NXDOMAIN, []),
    ],
)
def test_dnsmasq_s_answers(sample, answers):
    message = dns.parse(sample)
    assert message.answers == tuple(answers)
    assert (message.additional, message.authority) == ((EDNS,), ())
    assert message.rcode == (dns.NOERROR if answers else dns.NXDOMAIN)
    assert dns.parse(dns.emit(message)) == message


def test_a_name_is_compressed_wherever_it_stands():
    assert dns.emit(dns.parse(samples.DNSMASQ_A)) == samples.DNSMASQ_A
    # dnsmasq leaves mail.lab whole; the pointer saves three bytes.
    assert len(dns.emit(dns.parse(samples.DNSMASQ_MX))) == len(samples.DNSMASQ_MX) - 3
    # RFC 2782: not in an SRV.
    assert dns.emit(dns.parse(samples.DNSMASQ_SRV)) == samples.DNSMASQ_SRV


def test_a_whole_message_byte_for_byte():
    soa = Soa(parse_name("ns.lab."), parse_name("admin.lab."), 1, 2, 3, 4, 5)
    message = Message(
        0x1234, dns.QR | dns.AA | dns.NXDOMAIN, (Question(WWW, dns.AAAA),), authority=(Record(LAB, dns.SOA, 1, 6, soa),)
    )
    assert dns.emit(message) == bytes.fromhex(
        "1234 8403 0001 0000 0001 0000"
        "03777777036c616200 001c 0001"
        "c010 0006 0001 00000006 0021 026e73c010 0561646d696ec010 00000001 00000002 00000003 00000004 00000005"
    )


# --- names


@pytest.mark.parametrize(
    "text, labels",
    [
        ("www.lab.", (b"www", b"lab")),
        ("WWW.lab.", (b"WWW", b"lab")),
        (".", ()),
        ("a\\.b.lab.", (b"a.b", b"lab")),
        ("a\\032b.lab.", (b"a b", b"lab")),
        ("\\000\\255.", (b"\0\xff",)),
        ('\\"\\(\\)\\;\\\\.', (b'"();\\',)),
        ("_http._tcp.", (b"_http", b"_tcp")),
        ("\\@\\$*.", (b"@$*",)),
        ("a" * 63 + ".", (b"a" * 63,)),
    ],
)
def test_names_as_text(text, labels):
    assert parse_name(text) == parse_name(text.replace("\\@", "@")) == Name(labels)
    assert str(Name(labels)) == text


def test_relative_names_and_families():
    assert parse_name("www", LAB) == WWW
    assert parse_name("www") == Name((b"www",))
    assert WWW.is_within(LAB) and LAB.is_within(LAB) and WWW.is_within(ROOT) and ROOT.is_within(ROOT)
    assert parse_name("WWW.LAB.").is_within(LAB)
    assert not parse_name("wwwlab.").is_within(LAB) and not LAB.is_within(WWW)
    assert parse_name("wWw.lAb.").key == WWW.key
    assert (WWW.parent, ROOT.parent) == (LAB, ROOT)


@pytest.mark.parametrize(
    "text", ["", "..", "a..b", ".a", "a" * 64, "a\\", "a\\25", "a\\256", "ä.lab", ("a" * 49 + ".") * 5 + "abcd."]
)
def test_names_that_are_none(text):
    with pytest.raises(ValueError) as caught:
        parse_name(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_name_of_255_bytes_is_the_longest():
    longest = Name((b"a" * 63,) * 3 + (b"a" * 61,))
    assert name.wire_length(longest) == 255
    data = name.emit_name(longest)
    assert read_name(data, 0) == (longest, 255)
    with pytest.raises(ValueError, match="at most 255"):
        name.emit_name(Name((b"a" * 63,) * 3 + (b"a" * 62,)))
    with pytest.raises(WireError):
        read_name((b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0", 0)


@pytest.mark.parametrize(
    "data, at",
    [
        ("c000", 0),  # at itself
        ("0161c000", 0),  # at its own beginning: a for ever
        ("c002c000", 0),  # forwards
        ("00c004c001", 1),  # forwards
        ("0161c002", 0),  # into the pointer
        ("03016100c001", 0),  # into its own label, where a name could be read and would end
        ("c0", 0),
        ("03", 0),
        ("0361", 0),
        ("0161", 0),
        ("", 0),
        ("40", 0),  # label types that nobody uses
        ("8061", 0),
        ("00c0ff", 1),  # out of the message
    ],
)
def test_bad_pointers_and_labels(data, at):
    with pytest.raises(WireError) as caught:
        read_name(bytes.fromhex(data), at)
    assert caught.value.reason is Drop.DNS_NAME


def test_pointers_may_chain_backwards_but_not_for_long():
    chain = b"\x01a\x00" + b"".join(
        (0xC000 | (max(0, 3 + 2 * (i - 1)) if i else 0)).to_bytes(2, "big") for i in range(200)
    )
    assert read_name(chain, 3 + 2 * 126) == (Name((b"a",)), 3 + 2 * 127)  # 127 pointers
    with pytest.raises(WireError):
        read_name(chain, 3 + 2 * 127)


def test_a_message_of_pointers_is_refused_or_read_within_a_moment():
    names = b"".join((0xC000 | min(12 + 2 * max(0, i - 1), 0x3FFF)).to_bytes(2, "big") for i in range(8000))
    records = (b"\xff\xfd" + bytes(10)) * 4000
    began = time.process_time()
    with pytest.raises(WireError):
        dns.parse(HEADER[:4] + b"\0\0\x0f\xa0\0\0\0\0" + names + records)
    label = b"\x01a" * 120 + b"\0"
    pointing = b"\xc0\x0c" + bytes(10)
    assert len(dns.parse(HEADER[:4] + b"\0\0\x0f\xa1\0\0\0\0" + label + bytes(10) + pointing * 4000).answers) == 4001
    assert time.process_time() - began < 5


# --- records


@pytest.mark.parametrize(
    "kind, data",
    [
        (dns.A, "0a0900"),
        (dns.A, "0a09000100"),
        (dns.A, ""),
        (dns.AAAA, "0a090001"),
        (dns.CNAME, "0161"),
        (dns.CNAME, "0161000a"),
        (dns.NS, ""),
        (dns.MX, "000a"),
        (dns.MX, "00"),
        (dns.SOA, "0000" + "00" * 19),
        (dns.SOA, "0000" + "00" * 21),
        (dns.SRV, "000100020050"),
        (dns.TXT, ""),
        (dns.TXT, "0261"),
        (dns.OPT, "000a"),
        (dns.OPT, "000a000201"),
    ],
)
def test_data_that_is_not_what_its_type_says(kind, data):
    rdata = bytes.fromhex(data)
    question = b"\0\0\1\0\1"
    whole = HEADER + question + b"\0" + kind.to_bytes(2, "big") + b"\0\1" + bytes(4) + bytes((0, len(rdata))) + rdata
    assert reason(whole) in (Drop.DNS_RECORD, Drop.DNS_NAME)
    assert dns.fields(whole) == Message(0x1234, 0x8180, (Question(ROOT, dns.A),))


def test_data_may_not_run_into_the_next_record():
    # The name in the CNAME's data goes on where the data should have ended.
    cname = b"\0\0\5\0\1\0\0\0\0\0\2\1a" + b"\0\0\1\0\1" + bytes(6)
    assert reason(HEADER[:6] + b"\0\2\0\0\0\0" + b"\0\0\1\0\1" + cname) is Drop.DNS_RECORD


def test_types_are_known_only_where_they_mean_what_they_say():
    # RFC 1035 3.4.1, RFC 2136 2.5.2: an address of the Chaos class, and an UPDATE that deletes, are left as they are.
    chaos = Record(WWW, dns.A, dns.CH, 0, b"\1\2\3")
    gone = Record(WWW, dns.MX, dns.CLASS_ANY, 0, b"")
    unknown = Record(WWW, 65280, dns.IN, 9, b"\xab")
    small = dns.opt_record(dns.CLASS_ANY)  # an OPT's class is a size
    message = Message(1, dns.QR, answers=(chaos, gone, unknown), additional=(small,))
    assert dns.parse(dns.emit(message)) == message


def test_messages_that_end_elsewhere_than_they_say():
    sample = samples.DNSMASQ_A
    assert reason(sample + b"\0") is Drop.DNS_TRAILING
    assert dns.fields(sample + b"\0") == dns.parse(sample)
    assert reason(sample[:7] + b"\2" + sample[8:]) is Drop.DNS_RECORD  # the OPT counts as an answer
    assert reason(sample[:5] + b"\2" + sample[6:]) in (Drop.DNS_RECORD, Drop.DNS_NAME)
    two = dns.emit(Message(1, dns.QR, additional=(EDNS, EDNS)))
    assert reason(two) is Drop.DNS_RECORD


def test_edns():
    opt = dns.opt_record(4096, extended_rcode=1, flags=dns.EDNS_DO)
    message = dns.parse(dns.emit(Message(1, dns.QR | 7, additional=(opt,))))
    assert message.rcode == 0x17  # RFC 6891 6.1.3: 8 bits above the header's 4
    assert message.edns == (4096, 1, 0, dns.EDNS_DO, ())
    assert dns.query(5, Question(WWW, dns.A), 1232) == Message(
        5, dns.RD, (Question(WWW, dns.A),), additional=(dns.opt_record(1232),)
    )
    assert dns.query(5, Question(WWW, dns.A), None).additional == ()


@pytest.mark.parametrize("sample", samples.DNS)
def test_cut_at_every_offset(sample):
    for length in range(len(sample)):
        assert reason(sample[:length]) in (
            (Drop.TRUNCATED,) if length < 12 else (Drop.DNS_NAME, Drop.DNS_RECORD)
        )  # fmt: skip


# --- round trips

NAMES = st.lists(st.binary(min_size=1, max_size=20) | st.sampled_from([b"www", b"WWW", b"lab"]), max_size=6).map(
    lambda labels: Name(tuple(labels))
)
SHORT = st.integers(0, 0xFFFF)
LONG = st.integers(0, 0xFFFFFFFF)
UNKNOWN = st.tuples(st.integers(258, 0xFFFF), st.binary(max_size=40))
DATA = st.one_of(
    st.tuples(st.just(dns.A), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(dns.AAAA), st.binary(min_size=16, max_size=16)),
    st.tuples(st.sampled_from([dns.NS, dns.CNAME, dns.PTR]), NAMES),
    st.tuples(st.just(dns.MX), st.builds(Mx, SHORT, NAMES)),
    st.tuples(st.just(dns.SOA), st.builds(Soa, NAMES, NAMES, LONG, *[st.integers(0, 0x7FFFFFFF)] * 4)),
    st.tuples(st.just(dns.TXT), st.builds(Txt, st.lists(st.binary(max_size=255), min_size=1, max_size=3).map(tuple))),
    st.tuples(st.just(dns.SRV), st.builds(Srv, SHORT, SHORT, SHORT, NAMES)),
    UNKNOWN,
)
RECORDS = st.lists(st.builds(lambda n, d, ttl: Record(n, d[0], dns.IN, ttl, d[1]), NAMES, DATA, LONG), max_size=4).map(
    tuple
)
OPTS = st.lists(
    st.builds(
        lambda size, ttl, options: Record(ROOT, dns.OPT, size, ttl, Opt(tuple(options))),
        SHORT, LONG, st.lists(st.tuples(SHORT, st.binary(max_size=9)), max_size=2),
    ),
    max_size=1,
).map(tuple)  # fmt: skip
MESSAGES = st.builds(
    lambda number, flags, questions, answers, authority, additional, opts: Message(
        number, flags, questions, answers, authority, additional + opts
    ),
    SHORT, SHORT, st.lists(st.builds(Question, NAMES, SHORT, SHORT), max_size=2).map(tuple), RECORDS, RECORDS, RECORDS,
    OPTS,
)  # fmt: skip


@given(MESSAGES)
def test_messages_round_trip(message):
    assert dns.parse(dns.emit(message)) == message


@given(NAMES)
def test_names_round_trip_as_text(any_name):
    assert parse_name(str(any_name)) == any_name
    assert str(any_name).isascii() and str(any_name).isprintable()


@given(DATA)
def test_data_round_trips_as_text(item):
    kind, data = item
    text = dns_text.format_data(data, kind)
    assert text.isascii() and text.isprintable()
    words = text.split(" ")
    if kind == dns.TXT:
        words = [dns_text.printable(string) for string in data.strings]
        assert text == " ".join(f'"{word}"' for word in words)
    assert dns_text.parse_data(kind, words) == data


def test_values_that_do_not_fit():
    for bad in (
        Message(1 << 16, 0),
        Message(1, 0, answers=(Record(WWW, dns.A, dns.IN, 1 << 32, b"1234"),)),
        Message(1, 0, answers=(Record(WWW, dns.MX, dns.IN, 1, Mx(1 << 16, WWW)),)),
        Message(1, 0, answers=(Record(WWW, dns.TXT, dns.IN, 1, Txt((b"a" * 256,))),)),
        Message(1, 0, answers=(Record(WWW, dns.TXT, dns.IN, 1, Txt(())),)),
        Message(1, 0, answers=(Record(WWW, 999, dns.IN, 1, bytes(65536)),)),
        Message(1, 0, answers=(Record(WWW, 999, dns.IN, 1, bytes(40000)),) * 2),
        Message(1, 0, (Question(Name((b"",)), 1),)),
    ):
        with pytest.raises(ValueError):
            dns.emit(bad)


# --- text


def test_an_answer_as_dig_prints_it():
    assert "\n".join(dns_text.format_message(dns.parse(samples.DNSMASQ_CNAME))) == (
        ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 62529\n"
        ";; flags: qr aa rd ra; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1\n"
        "\n"
        ";; OPT PSEUDOSECTION:\n"
        "; EDNS: version: 0, flags:; udp: 1232\n"
        ";; QUESTION SECTION:\n"
        ";alias.lab.\t\t\tIN\tA\n"
        "\n"
        ";; ANSWER SECTION:\n"
        "alias.lab.\t\t0\tIN\tCNAME\tweb.lab.\n"
        "web.lab.\t\t60\tIN\tA\t10.9.0.81\n"
    )


@pytest.mark.parametrize(
    "kind, words, data",
    [
        (dns.A, ["10.9.0.1"], parse_ip("10.9.0.1")),
        (dns.AAAA, ["fd00::1"], parse_ip("fd00::1")),
        (dns.CNAME, ["www"], WWW),
        (dns.CNAME, ["@"], LAB),
        (dns.MX, ["10", "mail.lab."], Mx(10, parse_name("mail.lab."))),
        (dns.SRV, ["1", "2", "80", "www"], Srv(1, 2, 80, WWW)),
        (dns.TXT, ["a b", "c\\034\\\\"], Txt((b"a b", b'c"\\'))),
        (dns.SOA, ["ns", "admin", "1", "1h", "15m", "1w2d", "60"],
         Soa(parse_name("ns.lab."), parse_name("admin.lab."), 1, 3600, 900, 777600, 60)),
        (99, ["\\#", "2", "ABCD"], b"\xab\xcd"),
        (99, ["\\#", "3", "AB", "CDEF"], b"\xab\xcd\xef"),
        (99, ["\\#", "0"], b""),
        (dns.A, ["\\#", "4", "0A090001"], parse_ip("10.9.0.1")),
    ],
)  # fmt: skip
def test_data_from_a_master_file(kind, words, data):
    assert dns_text.parse_data(kind, words, LAB) == data


@pytest.mark.parametrize(
    "kind, words",
    [
        (dns.A, []),
        (dns.A, ["10.9.0.1", "10.9.0.2"]),
        (dns.A, ["10.9.0.256"]),
        (dns.A, ["fd00::1"]),
        (dns.AAAA, ["10.9.0.1"]),
        (dns.MX, ["mail"]),
        (dns.MX, ["65536", "mail"]),
        (dns.MX, ["-1", "mail"]),
        (dns.SRV, ["1", "2", "www"]),
        (dns.SOA, ["ns", "admin", "1", "1h", "1h", "1h"]),
        (dns.SOA, ["ns", "admin", "1", "1h", "1x", "1h", "1"]),
        (dns.SOA, ["ns", "admin", "1", "1h", "1h", "1h", "99999999999"]),
        (dns.TXT, []),
        (dns.TXT, ["a" * 256]),
        (dns.CNAME, ["a..b"]),
        (99, ["abcd"]),
        (99, ["\\#", "3", "ABCD"]),
        (99, ["\\#", "x", "ABCD"]),
        (99, ["\\#", "1", "XY"]),
        (99, ["\\#"]),
        (dns.A, ["\\#", "3", "0A0900"]),
    ],
)
def test_data_that_makes_no_sense_is_one_clear_line(kind, words):
    with pytest.raises(ValueError) as caught:
        dns_text.parse_data(kind, words, LAB)
    assert "\n" not in str(caught.value)


def test_types_and_classes_by_name():
    assert [dns_text.type_number(word) for word in ("a", "MX", "TYPE15", "type65280")] == [1, 15, 15, 65280]
    assert (dns_text.type_name(28), dns_text.type_name(65280)) == ("AAAA", "TYPE65280")
    assert [dns_text.class_number(word) for word in ("in", "CH", "CLASS32")] == [1, 3, 32]
    for word in ("", "TYPE", "TYPE65536", "TYPEA", "TYPE-1", "QUX", "15"):
        with pytest.raises(ValueError, match="is not a record type"):
            dns_text.type_number(word)


# --- whatever the bytes


def is_read_or_refused(data):
    """Whatever the bytes, a message is read and means the same when emitted again, or refused with a reason."""
    try:
        message = dns.parse(data)
    except WireError as error:
        assert error.reason in (Drop.TRUNCATED, Drop.DNS_NAME, Drop.DNS_RECORD, Drop.DNS_TRAILING)
        if len(data) < 12:
            assert error.reason is Drop.TRUNCATED
            return
        message = dns.fields(data)
    assert dns.parse(dns.emit(message)) == message
    assert all(
        line.isprintable() for line in "\n".join(dns_text.format_message(message)).replace("\t", " ").split("\n")
    )


@given(st.binary(max_size=200))
def test_whatever_the_bytes(data):
    is_read_or_refused(data)


@given(MESSAGES, st.data())
def test_whatever_is_bent_in_a_good_message(message, draw):
    data = bytearray(dns.emit(message))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    is_read_or_refused(bytes(data))


@pytest.mark.parametrize("sample", samples.DNS)
def test_mutated_at_every_byte(sample):
    for offset in range(len(sample)):
        for value in {0, 1, 0x3F, 0x7F, 0xC0, 0xFF, sample[offset] ^ 1, sample[offset] ^ 0x80}:
            is_read_or_refused(sample[:offset] + bytes((value,)) + sample[offset + 1 :])
