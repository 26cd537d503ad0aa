"""The resolver without I/O: which answer is believed, whom it asks next, what it remembers."""

import random

import pytest

from stack.autoconf.resolver import Exchange, Lookups, Outcome, candidates, reverse_name
from stack.config import Config
from stack.port import Endpoint
from stack.wire import dns
from stack.wire.address import parse_ip
from stack.wire.dns import Message, Question, Record, Soa
from stack.wire.name import Name, parse_name

FIRST, SECOND = (Endpoint(parse_ip(text), 53) for text in ("10.0.0.1", "10.0.0.2"))
WWW = Question(parse_name("www.lab."), dns.A)
ADDRESS = parse_ip("10.0.0.80")


def config(**settings):
    return Config(random.Random(1), b"secret", **settings)


def exchange(question=WWW, servers=(FIRST, SECOND), now=100.0, **options):
    return Exchange(question, servers, config(), now, **options)


def a(name, ttl=60, data=ADDRESS):
    return Record(parse_name(name), dns.A, dns.IN, ttl, data)


def cname(name, target, ttl=60):
    return Record(parse_name(name), dns.CNAME, dns.IN, ttl, parse_name(target))


def soa(ttl=60, minimum=30):
    return Record(
        parse_name("lab."), dns.SOA, dns.IN, ttl, Soa(parse_name("ns."), parse_name("a."), 1, 2, 3, 4, minimum)
    )


def answer(asked, *answers, flags=dns.RA, authority=(), additional=(), questions=None):
    """A reply to what an exchange asks now."""
    query = dns.parse(asked.ask.payload)
    questions = query.questions if questions is None else questions
    return dns.emit(Message(query.id, dns.QR | dns.RD | flags, questions, answers, authority, additional))


# --- one exchange


def test_the_answer():
    asked = exchange()
    query = dns.parse(asked.ask.payload)
    assert query == dns.query(asked.ask.number, WWW, 1232)
    assert (asked.ask.server, asked.ask.is_tcp, asked.ask.until) == (FIRST, False, 103.0)
    data = answer(asked, a("www.lab."))
    asked.on_reply(data, FIRST, 101.0)
    assert asked.ask is None and asked.reply.answers == (a("www.lab."),) and asked.reply_size == len(data)
    assert asked.failures == []


def test_numbers_are_not_to_be_guessed():
    numbers = set()
    asked = exchange(servers=(FIRST,), attempts=10)
    while asked.ask is not None:
        numbers.add(asked.ask.number)
        asked.on_failure("timed out", 100.0)
    assert len(numbers) == 10


@pytest.mark.parametrize(
    "source, changes",
    [
        (SECOND, {}),  # from elsewhere
        (Endpoint(FIRST.address, 5353), {}),
        (FIRST, {"id": "other"}),
        (FIRST, {"flags": dns.RD}),  # a query
        (FIRST, {"flags": dns.QR | 5 << 11}),
        (FIRST, {"questions": (Question(parse_name("wwv.lab."), dns.A),)}),
        (FIRST, {"questions": (Question(parse_name("www.lab."), dns.AAAA),)}),
        (FIRST, {"questions": (Question(parse_name("www.lab."), dns.A, dns.CH),)}),
        (FIRST, {"questions": (WWW, WWW)}),
        (FIRST, {"questions": ()}),
    ],
)
def test_what_is_not_the_answer_changes_nothing(source, changes):
    asked = exchange()
    before = asked.ask
    if changes.get("id"):
        changes = {"id": before.number ^ 1}
    reply = dns.parse(answer(asked, a("www.lab.")))._replace(**changes)
    asked.on_reply(dns.emit(reply), source, 101.0)
    assert asked.ask is before and asked.reply is None and asked.failures == []
    for garbage in (b"", b"\0" * 11, before.payload):
        asked.on_reply(garbage, FIRST, 101.0)
        assert asked.ask is before
    asked.on_reply(answer(asked, a("www.lab.")), FIRST, 102.0)
    assert asked.reply is not None


def test_the_case_of_the_name_does_not_matter():
    asked = exchange()
    asked.on_reply(answer(asked, questions=(Question(parse_name("WWW.LAB."), dns.A),)), FIRST, 101.0)
    assert asked.reply is not None


def test_silence_goes_round_and_gives_more_time_each_round():
    asked = exchange()
    tried = []
    now = 100.0
    while asked.ask is not None:
        tried.append((asked.ask.server, asked.ask.until - now))
        now = asked.ask.until
        asked.on_failure("timed out", now)
    assert tried == [(FIRST, 3.0), (SECOND, 3.0), (FIRST, 6.0), (SECOND, 6.0)]
    assert asked.reply is None
    assert asked.failures == [(server, "timed out") for server in (FIRST, SECOND) * 2]


def test_nobody_to_ask():
    asked = exchange(servers=())
    assert (asked.ask, asked.reply, asked.failures) == (None, None, [])


@pytest.mark.parametrize("rcode", [dns.SERVFAIL, dns.REFUSED, 9])
def test_an_error_goes_to_the_next_server_and_is_not_asked_for_again(rcode):
    asked = exchange()
    asked.on_reply(answer(asked, flags=dns.RA | rcode), FIRST, 101.0)
    assert asked.ask.server == SECOND
    asked.on_failure("timed out", 104.0)
    assert asked.ask.server == SECOND and asked.ask.until == 110.0
    asked.on_failure("timed out", 110.0)
    assert asked.ask is None and asked.reply.rcode == rcode


def test_a_lame_server_is_passed_over():
    referral = (Record(parse_name("lab."), dns.NS, dns.IN, 60, parse_name("ns.lab.")),)
    asked = exchange()
    asked.on_reply(answer(asked, flags=0, authority=referral), FIRST, 101.0)
    assert asked.ask.server == SECOND and asked.failures == [(FIRST, "lame")]
    asked.on_reply(answer(asked, flags=0, authority=(soa(),)), SECOND, 102.0)
    assert asked.ask is None and asked.reply.authority == (soa(),)


@pytest.mark.parametrize("rcode", [dns.FORMERR, dns.NOTIMP])
@pytest.mark.parametrize("questions", [(WWW,), ()])
def test_edns_is_left_out_where_it_is_not_understood(rcode, questions):
    asked = exchange()
    asked.on_reply(answer(asked, flags=rcode, questions=questions), FIRST, 101.0)
    assert asked.ask.server == FIRST and dns.parse(asked.ask.payload).edns is None
    asked.on_reply(answer(asked, flags=rcode), FIRST, 101.0)
    assert asked.ask.server == SECOND and dns.parse(asked.ask.payload).edns is not None


def test_badvers_is_edns_too():
    asked = exchange()
    asked.on_reply(answer(asked, additional=(dns.opt_record(1232, extended_rcode=1),)), FIRST, 101.0)
    assert dns.parse(asked.ask.payload).edns is None


def test_truncation_goes_to_tcp_and_then_on():
    asked = exchange()
    cut = answer(asked, a("www.lab."), flags=dns.TC)
    asked.on_reply(cut[:-3], FIRST, 101.0)  # in the middle of a record
    assert (asked.ask.server, asked.ask.is_tcp, asked.ask.until) == (FIRST, True, 104.0)
    asked.on_reply(answer(asked, a("www.lab."), flags=dns.TC | dns.RA), FIRST, 102.0)  # over TCP it is what it is
    assert asked.ask is None and asked.reply is not None
    asked = exchange()
    asked.on_reply(answer(asked, flags=dns.TC), FIRST, 101.0)
    asked.on_failure("connection refused", 102.0)
    assert (asked.ask.server, asked.ask.is_tcp) == (SECOND, False)


def test_a_malformed_answer_ends_the_try():
    asked = exchange()
    asked.on_reply(answer(asked, a("www.lab."))[:-1], FIRST, 101.0)
    assert asked.ask.server == SECOND and asked.failures == [(FIRST, "malformed DNS record")]
    asked.on_reply(answer(asked, a("www.lab.")) + b"\0", SECOND, 101.0)
    assert asked.failures[1] == (SECOND, "data behind the end of a DNS message")


def test_who_wants_to_see_the_answer_gets_errors_too():
    for rcode in (dns.SERVFAIL, dns.REFUSED, dns.FORMERR):
        asked = exchange(takes_errors=True, edns_size=0, is_tcp=True, flags=0)
        assert asked.ask.is_tcp and dns.parse(asked.ask.payload) == Message(asked.ask.number, 0, (WWW,))
        asked.on_reply(answer(asked, flags=rcode), FIRST, 101.0)
        assert asked.ask is None and asked.reply.rcode == rcode


# --- lookups


class Asked:
    """Runs lookups against a book: (name, type) -> (rcode, answers, authority), or None for silence."""

    def __init__(self, book, **settings):
        self.book = book
        self.lookups = Lookups(config(**settings))
        self.log = []
        self.now = 100.0

    def run(self, steps):
        try:
            step = next(steps)
            while True:
                query = dns.parse(step.ask.payload)
                question = query.questions[0]
                self.log.append((str(question.name), question.type))
                known = self.book.get((str(question.name), question.type))
                if known is None:
                    step.on_failure("timed out", self.now)
                else:
                    rcode, answers, authority = known
                    step.on_reply(
                        answer(step, *answers, flags=dns.RA | rcode, authority=authority), step.ask.server, self.now
                    )
                step = steps.send(self.now)
        except StopIteration as end:
            return end.value

    def lookup(self, name, kind=dns.A):
        return self.run(self.lookups.lookup(Question(parse_name(name), kind), (FIRST,), self.now))

    def search(self, text, search=(), kinds=(dns.A,), ndots=1):
        names = list(candidates(text, tuple(parse_name(domain) for domain in search), ndots))
        return self.run(self.lookups.search(names, kinds, (FIRST,), self.now))


def test_found_and_remembered_as_long_as_the_ttl_says():
    asked = Asked({("www.lab.", 1): (0, [a("www.lab.", 60), a("www.lab.", 30, parse_ip("10.0.0.81"))], [])})
    found = asked.lookup("www.lab.")
    assert (found.outcome, len(found.records), found.name, found.aliases) == (
        Outcome.FOUND,
        2,
        parse_name("www.lab."),
        (),
    )
    assert found.expires_at == 130.0  # the least of them
    asked.now = 129.0
    assert asked.lookup("WWW.lab.").records == found.records
    assert len(asked.log) == 1
    asked.now = 130.0
    assert asked.lookup("www.lab.").outcome is Outcome.FOUND and len(asked.log) == 2


@pytest.mark.parametrize(
    "ttl, kept",
    [(0, 0), (1, 1), (86400, 86400), (100_000, 86400), (0x7FFFFFFF, 86400), (0x80000000, 0), (0xFFFFFFFF, 0)],
)
def test_ttls(ttl, kept):
    asked = Asked({("www.lab.", 1): (0, [a("www.lab.", ttl)], [])})
    assert asked.lookup("www.lab.").expires_at == 100.0 + kept
    assert len(asked.lookups.cache) == (kept > 0)


def test_what_is_not_there_is_remembered_as_the_soa_says():
    asked = Asked({("no.lab.", 1): (3, [], [soa(60, 30)]), ("www.lab.", 1): (0, [], [soa(20, 30)])})
    assert asked.lookup("no.lab.")[::4] == (Outcome.NXDOMAIN, 130.0)
    assert asked.lookup("www.lab.")[::4] == (Outcome.NODATA, 120.0)
    # RFC 2308 5: NXDOMAIN holds for every type, NODATA for its own.
    assert asked.lookup("no.lab.", dns.MX).outcome is Outcome.NXDOMAIN and len(asked.log) == 2
    asked.book["www.lab.", 15] = (0, [], [soa()])
    asked.lookup("www.lab.", dns.MX)
    assert asked.log[2:] == [("www.lab.", 15)]
    # RFC 2308 5: without an SOA it is not remembered; and never for long.
    asked.book["x.lab.", 1] = (3, [], [])
    asked.lookup("x.lab."), asked.lookup("x.lab.")
    assert asked.log[3:] == [("x.lab.", 1)] * 2
    asked.book["y.lab.", 1] = (3, [], [soa(1 << 30, 1 << 30)])
    assert asked.lookup("y.lab.").expires_at == 100.0 + 10800


@pytest.mark.parametrize("book, outcome", [({}, Outcome.NO_REPLY), ({("www.lab.", 1): (2, [], [])}, Outcome.FAILED),
                                           ({("www.lab.", 1): (5, [], [])}, Outcome.REFUSED)])  # fmt: skip
def test_failures_are_not_remembered(book, outcome):
    asked = Asked(book)
    assert asked.lookup("www.lab.").outcome is outcome
    assert len(asked.lookups.cache) == 0


def test_aliases_in_one_answer_and_in_several():
    asked = Asked({("a.lab.", 1): (0, [cname("a.lab.", "b.lab.", 10), cname("b.lab.", "c.lab."), a("c.lab.")], [])})
    found = asked.lookup("a.lab.")
    assert (found.outcome, found.name, found.expires_at) == (Outcome.FOUND, parse_name("c.lab."), 110.0)
    assert [str(alias) for alias in found.aliases] == ["a.lab.", "b.lab."]
    asked = Asked(
        {
            ("a.lab.", 1): (0, [cname("a.lab.", "b.lab.")], []),
            ("b.lab.", 1): (0, [cname("b.lab.", "c.example.", 20)], []),
            ("c.example.", 1): (0, [a("c.example.")], []),
        }
    )
    found = asked.lookup("a.lab.")
    assert (found.outcome, found.name, found.expires_at) == (Outcome.FOUND, parse_name("c.example."), 120.0)
    assert [str(alias) for alias in found.aliases] == ["a.lab.", "b.lab."]
    assert [name for name, _ in asked.log] == ["a.lab.", "b.lab.", "c.example."]
    assert asked.lookup("a.lab.", dns.CNAME).outcome is Outcome.NO_REPLY  # asked for itself it is not followed


def test_an_alias_of_nothing_says_nothing_about_the_alias():
    asked = Asked({("a.lab.", 1): (3, [cname("a.lab.", "b.lab.")], [soa()]), ("a.lab.", 15): (0, [], [soa()])})
    assert asked.lookup("a.lab.").outcome is Outcome.NXDOMAIN
    assert asked.lookup("a.lab.", dns.MX).outcome is Outcome.NODATA
    assert asked.log == [("a.lab.", 1), ("a.lab.", 15)]
    asked.lookup("a.lab.")
    assert len(asked.log) == 2


def test_aliases_that_do_not_end():
    circle = Asked({("a.lab.", 1): (0, [cname("a.lab.", "b.lab."), cname("b.lab.", "A.lab.")], [])})
    assert circle.lookup("a.lab.").outcome is Outcome.ALIASES
    slow = Asked(
        {("a.lab.", 1): (0, [cname("a.lab.", "b.lab.")], []), ("b.lab.", 1): (0, [cname("b.lab.", "a.lab.")], [])}
    )
    assert slow.lookup("a.lab.").outcome is Outcome.ALIASES and len(slow.log) == 2
    long = [cname(f"{i}.lab.", f"{i + 1}.lab.") for i in range(100)]
    assert Asked({("0.lab.", 1): (0, long, [])}).lookup("0.lab.").outcome is Outcome.ALIASES
    step = Asked({(f"{i}.lab.", 1): (0, [cname(f"{i}.lab.", f"{i + 1}.lab.")], []) for i in range(100)})
    assert step.lookup("0.lab.").outcome is Outcome.ALIASES and len(step.log) == 17


def test_records_of_others_in_the_answer_are_not_believed():
    asked = Asked({("www.lab.", 1): (0, [a("bank.example."), a("www.lab.")], [])})
    assert asked.lookup("www.lab.").records == (a("www.lab."),)
    assert asked.lookup("bank.example.").outcome is Outcome.NO_REPLY


def test_the_memory_is_bounded():
    book = {(f"{i}.lab.", 1): (0, [a(f"{i}.lab.", 60 if i else 1)], []) for i in range(10)}
    asked = Asked(book, dns_cache_size=3)
    for i in range(3):
        asked.lookup(f"{i}.lab.")
    asked.now = 102.0
    for i in (3, 4):
        asked.lookup(f"{i}.lab.")
    assert len(asked.lookups.cache) == 3
    asked.log.clear()
    for i in (2, 3, 4, 1):  # 0 had expired, 1 was the oldest
        asked.lookup(f"{i}.lab.")
    assert asked.log == [("1.lab.", 1)]
    none = Asked(book, dns_cache_size=0)
    none.lookup("1.lab.")
    assert len(none.lookups.cache) == 0


# --- search


@pytest.mark.parametrize(
    "text, ndots, names",
    [
        ("www", 1, ["www.lab.", "www.eng.lab.", "www."]),
        ("www.eng", 1, ["www.eng.", "www.eng.lab.", "www.eng.eng.lab."]),
        ("www.eng", 2, ["www.eng.lab.", "www.eng.eng.lab.", "www.eng."]),
        ("www.lab.", 1, ["www.lab."]),
        ("www.", 1, ["www."]),
        ("a\\.b", 1, ["a\\.b.lab.", "a\\.b.eng.lab.", "a\\.b."]),
        ("www", 0, ["www.", "www.lab.", "www.eng.lab."]),
    ],
)
def test_which_names_are_tried(text, ndots, names):
    search = (parse_name("lab."), parse_name("eng.lab."))
    assert [str(name) for name in candidates(text, search, ndots)] == names


def test_names_too_long_for_a_search_domain():
    long = ".".join(["a" * 60] * 4)
    assert [len(n.labels) for n in candidates(long, (Name((b"a" * 60,)),), 9)] == [4]
    with pytest.raises(ValueError):
        list(candidates("a..b", (), 1))


def test_the_first_that_exists():
    asked = Asked({("www.lab.", 1): (3, [], [soa()]), ("www.eng.lab.", 1): (0, [a("www.eng.lab.")], [])})
    (found,) = asked.search("www", ["lab.", "eng.lab."])
    assert (found.outcome, found.name) == (Outcome.FOUND, parse_name("www.eng.lab."))
    assert len(asked.log) == 2


@pytest.mark.parametrize(
    "book, outcome",
    [
        ({"www.lab.": 3, "www.": 3}, Outcome.NXDOMAIN),
        ({"www.lab.": 0, "www.": 3}, Outcome.NODATA),
        ({"www.lab.": 2, "www.": 3}, Outcome.FAILED),
        ({"www.lab.": 3, "www.": 2}, Outcome.FAILED),
    ],
)
def test_what_counts_when_none_exists(book, outcome):
    asked = Asked({(name, 1): (rcode, [], [soa()] if rcode != 2 else []) for name, rcode in book.items()})
    assert [found.outcome for found in asked.search("www", ["lab."])] == [outcome]


def test_nobody_is_asked_about_other_names_when_nobody_answers():
    asked = Asked({})
    assert [found.outcome for found in asked.search("www", ["lab.", "eng.lab."])] == [Outcome.NO_REPLY]
    assert asked.log == [("www.lab.", 1)] * 2


def test_several_types():
    asked = Asked({("www.lab.", 1): (0, [a("www.lab.")], []), ("www.lab.", 28): (0, [], [soa()])})
    found = asked.search("www.lab.", kinds=(dns.A, dns.AAAA))
    assert [answer.outcome for answer in found] == [Outcome.FOUND, Outcome.NODATA]


def test_backwards():
    assert str(reverse_name(parse_ip("192.0.2.1"))) == "1.2.0.192.in-addr.arpa."
    assert str(reverse_name(parse_ip("2001:db8::1"))) == (
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
    )


def test_a_reply_bent_at_every_byte_is_the_answer_or_is_not():
    """However a reply is bent, the exchange waits on, goes on to another try, or ends with a reply to its question."""
    good = exchange()
    whole = answer(
        good, cname("www.lab.", "a.lab."), a("a.lab."), authority=(soa(),), additional=(dns.opt_record(512),)
    )
    seen = set()
    for offset in range(len(whole)):
        for value in {0, 1, 0x3F, 0xC0, 0xFF, whole[offset] ^ 1, whole[offset] ^ 0x80}:
            asked = exchange()
            before = asked.ask
            asked.on_reply(whole[:offset] + bytes((value,)) + whole[offset + 1 :], FIRST, 101.0)
            if asked.ask is None:
                assert asked.reply.id == before.number and asked.reply.questions[0].name.key == WWW.name.key
                lookups = Lookups(config())
                read, _ = lookups._read(WWW, asked.reply, 101.0)
                assert all(isinstance(r.data, bytes) and len(r.data) == 4 for r in read.records if r.type == dns.A)
                seen.add("answer")
            elif asked.ask is before:
                assert asked.failures == []
                seen.add("waits")
            else:
                assert len(asked.failures) == 1
                seen.add("goes on")
    assert seen == {"answer", "waits", "goes on"}
