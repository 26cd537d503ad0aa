"""A zone from a file, and what it says."""

import pytest

from services.dns.zone import Zone
from stack.wire import dns
from stack.wire.dns import Question
from stack.wire.dns_text import format_record
from stack.wire.name import parse_name

TEXT = """\
$ORIGIN lab.
$TTL 1h
@       IN SOA ns hostmaster.lab. (   ; the parts on lines of their own
            2026010101 ; serial
            1h 15m 1w  ; refresh, retry, expire
            5m )       ; negative answers
        IN NS  ns
        MX     10 mail
        TXT    "two words" "and ; no comment" bare
ns      A      10.0.0.1
www 60  IN A   10.0.0.2
    IN 90 AAAA fd00::2
mail    A      10.0.0.3
alias   CNAME  www
twice   CNAME  alias.lab.
away    CNAME  www.example.
lost    CNAME  nosuch
round   CNAME  square
square  CNAME  round
a.b.c   A      10.0.0.4
*.wild  A      10.0.0.5
x.wild  A      10.0.0.6
odd\\.dot TYPE65280 \\# 3 ABCDEF
_http._tcp SRV 1 2 80 www
"""


@pytest.fixture(scope="module")
def zone():
    return Zone.from_text(TEXT)


def ask(zone, name, kind=dns.A, cls=dns.IN):
    found = zone.answer(Question(parse_name(name), kind, cls))
    sections = [[" ".join(format_record(record).split()) for record in section] for section in found[1:]]
    return found.rcode, *sections


NEGATIVE = ["lab. 300 IN SOA ns.lab. hostmaster.lab. 2026010101 3600 900 604800 300"]


def test_records_of_every_kind(zone):
    assert ask(zone, "www.lab.") == (0, ["www.lab. 60 IN A 10.0.0.2"], [], [])
    assert ask(zone, "WWW.LAB.") == (0, ["WWW.LAB. 60 IN A 10.0.0.2"], [], [])
    assert ask(zone, "www.lab.", dns.AAAA)[1] == ["www.lab. 90 IN AAAA fd00::2"]
    assert ask(zone, "lab.", dns.TXT)[1] == ['lab. 3600 IN TXT "two words" "and ; no comment" "bare"']
    assert ask(zone, "odd\\.dot.lab.", 65280)[1] == ["odd\\.dot.lab. 3600 IN TYPE65280 \\# 3 ABCDEF"]
    assert len(ask(zone, "www.lab.", dns.ANY)[1]) == 2
    assert len(zone) == TEXT.count("\n") - 5


def test_hosts_that_are_named_come_along(zone):
    assert ask(zone, "lab.", dns.MX) == (0, ["lab. 3600 IN MX 10 mail.lab."], [], ["mail.lab. 3600 IN A 10.0.0.3"])
    assert ask(zone, "lab.", dns.NS)[3] == ["ns.lab. 3600 IN A 10.0.0.1"]
    assert len(ask(zone, "_http._tcp.lab.", dns.SRV)[3]) == 2


def test_aliases(zone):
    www = "www.lab. 60 IN A 10.0.0.2"
    alias = "alias.lab. 3600 IN CNAME www.lab."
    assert ask(zone, "alias.lab.") == (0, [alias, www], [], [])
    assert ask(zone, "twice.lab.")[1] == ["twice.lab. 3600 IN CNAME alias.lab.", alias, www]
    assert ask(zone, "alias.lab.", dns.CNAME)[1] == [alias]
    assert ask(zone, "alias.lab.", dns.MX) == (0, [alias], NEGATIVE, [])
    assert ask(zone, "away.lab.") == (0, ["away.lab. 3600 IN CNAME www.example."], [], [])
    assert ask(zone, "lost.lab.") == (dns.NXDOMAIN, ["lost.lab. 3600 IN CNAME nosuch.lab."], NEGATIVE, [])
    assert ask(zone, "round.lab.")[:2] == (
        0, ["round.lab. 3600 IN CNAME square.lab.", "square.lab. 3600 IN CNAME round.lab."],
    )  # fmt: skip


def test_what_is_not_there(zone):
    assert ask(zone, "nosuch.lab.") == (dns.NXDOMAIN, [], NEGATIVE, [])
    assert ask(zone, "www.lab.", dns.MX) == (0, [], NEGATIVE, [])
    assert ask(zone, "c.lab.") == (0, [], NEGATIVE, [])  # between two names: it exists
    assert ask(zone, "b.c.lab.")[0] == 0 and ask(zone, "d.c.lab.")[0] == dns.NXDOMAIN
    for name in ("www.example.", ".", "xlab.", "wwwlab."):
        assert ask(zone, name) == (dns.REFUSED, [], [], [])
    assert ask(zone, "www.lab.", cls=dns.CH)[0] == dns.REFUSED


def test_wildcards(zone):
    assert ask(zone, "any.wild.lab.") == (0, ["any.wild.lab. 3600 IN A 10.0.0.5"], [], [])
    assert ask(zone, "deep.er.wild.lab.")[1] == ["deep.er.wild.lab. 3600 IN A 10.0.0.5"]
    assert ask(zone, "any.wild.lab.", dns.MX) == (0, [], NEGATIVE, [])
    assert ask(zone, "x.wild.lab.")[1] == ["x.wild.lab. 3600 IN A 10.0.0.6"]
    assert ask(zone, "y.x.wild.lab.")[0] == dns.NXDOMAIN  # RFC 4592 2.2.1: x is closer
    assert ask(zone, "wild.lab.")[0] == 0


def test_a_zone_made_up_for_a_host():
    zone = Zone.of_host("10.0.0.1")
    assert ask(zone, "www.lab.")[1] == ["www.lab. 60 IN CNAME lab.", "lab. 60 IN A 10.0.0.1"]
    assert ask(zone, "lab.", dns.MX)[3] == ["mail.lab. 60 IN A 10.0.0.1"]
    assert ask(Zone.of_host("fd00::1"), "lab.", dns.AAAA)[1] == ["lab. 60 IN AAAA fd00::1"]


SOA = "lab. SOA ns.lab. a.lab. 1 2 3 4 5\n"


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", "zone: a zone has one SOA record, not 0"),
        (SOA + SOA, "zone: a zone has one SOA record, not 2"),
        (SOA + "www A 10.0.0.1\n", "zone: www. is outside the zone lab."),
        (SOA + "x.lab. A 10.0.0\n", "zone:2: '10.0.0' is not an IP address"),
        (SOA + "x.lab. A\n", "zone:2: A is followed by ADDRESS, not nothing"),
        (SOA + "\n; comment\nx.lab. QUX 1\n", "zone:4: 'QUX' is not a record type"),
        (SOA + "x.lab. 5 IN\n", "zone:2: a record has a type"),
        (SOA + "x.lab. CH TXT a\n", "zone:2: only class IN is served, not CH"),
        (SOA + "x.lab. ANY a\n", "zone:2: ANY is not a record of a zone"),
        (SOA + "x..lab. A 10.0.0.1\n", "zone:2: 'x..lab.' is not a name: a label is empty"),
        (SOA + "sub.lab. NS ns.lab.\n", "zone: sub.lab. is delegated, and delegations are not served"),
        (SOA + "x.lab. CNAME a.lab.\nx.lab. A 1.2.3.4\n", "zone: x.lab. is an alias and has other records too"),
        (SOA + "x.lab. CNAME a.lab.\nx.lab. CNAME b.lab.\n", "zone: x.lab. is an alias and has other records too"),
        (SOA + 'x.lab. TXT "open\n', "zone:2: a quote is not closed"),
        (SOA + "x.lab. TXT ( a\nb\n", "zone:2: a parenthesis is not closed"),
        (SOA + "x.lab. TXT a )\n", "zone:2: parentheses do not match"),
        (SOA + "x.lab. TXT ((a))\n", "zone:2: parentheses do not match"),
        (
            "$INCLUDE other\n" + SOA,
            "zone:1: $INCLUDE other is not $ORIGIN NAME or $TTL TIME, and nothing else is known",
        ),
        ("$TTL\n" + SOA, "zone:1: $TTL is not $ORIGIN NAME or $TTL TIME, and nothing else is known"),
        ("$TTL soon\n" + SOA, "zone:1: 'soon' is not a time"),
        ("  A 10.0.0.1\n" + SOA, "zone:1: the first record has no name"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_line_with_its_number(text, fault):
    with pytest.raises(ValueError) as caught:
        Zone.from_text(text)
    assert str(caught.value) == fault


def test_files(tmp_path):
    path = tmp_path / "lab.zone"
    path.write_text(TEXT)
    assert Zone.from_file(path).origin == parse_name("lab.")
    path.write_bytes(b"\xff\xfe\0")
    with pytest.raises(ValueError, match=r"lab\.zone:1: "):
        Zone.from_file(path)
