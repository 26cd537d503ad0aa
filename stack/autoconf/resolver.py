"""The stub resolver without I/O (RFC 1035 7; RFC 2308, RFC 6891, RFC 5452): whom to ask what, which answer to believe.

`Exchange` is one question put to a list of servers until one answers: retries, the next server, TCP after a truncated
answer, EDNS left out where it is not understood. `Lookups` follows aliases and remembers answers, found or not, as
long as their TTLs say. It asks servers that recurse and does not recurse itself; it validates nothing (DNSSEC).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from enum import Enum
from typing import NamedTuple

from stack.config import Config
from stack.port import Endpoint
from stack.wire import dns
from stack.wire.dns import Message, Question, Record, Soa
from stack.wire.dns_text import rcode_name
from stack.wire.drop import WireError
from stack.wire.name import ROOT, Name, parse_name

MAX_ALIASES = 16
IPV4_REVERSE = parse_name("in-addr.arpa.")
IPV6_REVERSE = parse_name("ip6.arpa.")


class Ask(NamedTuple):
    """One try: send `payload` to `server`, and wait for the answer until `until`."""

    server: Endpoint
    payload: bytes  # over TCP it goes behind its length (RFC 1035 4.2.2)
    is_tcp: bool
    until: float
    number: int  # the message's id
    has_edns: bool


class Exchange:
    """One question until it is answered or everybody has been asked often enough.

    While `ask` is not None it is to be sent, and a new one replaces it for each try; then `reply` is the answer, or
    None if there was none. `failures` says what came of the tries that failed. With `takes_errors` the first answer is
    the answer, even SERVFAIL, as dig has it.
    """

    def __init__(
        self,
        question: Question,
        servers: tuple[Endpoint, ...],
        config: Config,
        now: float,
        *,
        flags: int = dns.RD,
        edns_size: int | None = None,
        is_tcp: bool = False,
        takes_errors: bool = False,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> None:
        self.question = question
        self.ask: Ask | None = None
        self.reply: Message | None = None
        self.reply_size = 0
        self.failures: list[tuple[Endpoint, str]] = []
        self._config = config
        self._flags = flags
        self._starts_with_tcp = is_tcp
        self._takes_errors = takes_errors
        self._edns_size = config.dns_edns_size if edns_size is None else edns_size
        self._timeout = config.dns_timeout if timeout is None else timeout
        self._errors: dict[Endpoint, Message] = {}  # who answered, but with an error
        rounds = config.dns_attempts if attempts is None else attempts
        self._tries = iter([(server, number) for number in range(rounds) for server in servers])
        self._next_try(now)

    def on_reply(self, data: bytes, source: Endpoint, now: float) -> None:
        """A message came for this try. If it is not the answer nothing changes: the answer may still come."""
        ask = self.ask
        # RFC 5452 9.1: from whom we asked, with the number and the question that we sent.
        if ask is None or source != ask.server:
            return
        fault = None
        try:
            message = dns.fields(data)
            if not self._is_answer(message, ask):
                return
            dns.parse(data)
        except WireError as e:
            fault = e
            if len(data) < dns.HEADER_LENGTH:
                return
        if message.is_truncated and not ask.is_tcp:
            # RFC 2181 9, RFC 7766 5: the answer is cut; ask the same server over TCP.
            self.failures.append((ask.server, "truncated"))
            self._try(ask.server, now + self._timeout, True, ask.has_edns)
        elif fault is not None:
            self.on_failure(str(fault), now)
        else:
            self._on_answer(ask, message, len(data), now)

    def on_failure(self, why: str, now: float) -> None:
        """This try is over: timed out, unreachable, refused, cut short."""
        if self.ask is not None:
            self.failures.append((self.ask.server, why))
            self._next_try(now)

    def _is_answer(self, message: Message, ask: Ask) -> bool:
        if message.id != ask.number or not message.is_response or message.opcode != dns.QUERY:
            return False
        if not message.questions:
            # A server that cannot make sense of the query may return the header alone.
            return message.flags & 15 in (dns.FORMERR, dns.SERVFAIL, dns.NOTIMP, dns.REFUSED) or message.is_truncated
        ours = self.question
        theirs = message.questions[0]
        is_same = theirs.name.key == ours.name.key and theirs[1:] == ours[1:]
        return is_same and len(message.questions) == 1

    def _on_answer(self, ask: Ask, message: Message, size: int, now: float) -> None:
        if self._takes_errors or (message.rcode in (dns.NOERROR, dns.NXDOMAIN) and not is_lame(message)):
            self.ask, self.reply, self.reply_size = None, message, size
        elif ask.has_edns and message.rcode in (dns.FORMERR, dns.NOTIMP, dns.BADVERS):
            # RFC 6891 7: a server that does not know EDNS is asked without.
            self.failures.append((ask.server, f"{rcode_name(message.rcode)} with EDNS"))
            self._try(ask.server, now + self._timeout, ask.is_tcp, False)
        else:
            # It has answered and would answer the same again; another may know better.
            self._errors[ask.server] = message
            self.on_failure("lame" if message.rcode == dns.NOERROR else rcode_name(message.rcode), now)

    def _next_try(self, now: float) -> None:
        for server, number in self._tries:
            if server not in self._errors:
                # RFC 1035 7.2: with each round they get more time.
                self._try(server, now + self._timeout * 2**number, self._starts_with_tcp, self._edns_size > 0)
                return
        self.ask = None
        self.reply = next(iter(self._errors.values()), None)

    def _try(self, server: Endpoint, until: float, is_tcp: bool, has_edns: bool) -> None:
        # RFC 5452 9.2: a number that cannot be guessed, and another for each try.
        number = self._config.rng.getrandbits(16)
        size = max(self._edns_size, dns.MAX_UDP) if has_edns else None
        message = dns.query(number, self.question, size, self._flags)
        self.ask = Ask(server, dns.emit(message), is_tcp, until, number, has_edns)


def is_lame(message: Message) -> bool:
    """Whether a server sends us on instead of answering: it does not recurse, and the name is not its own."""
    return not (
        message.answers
        or message.flags & (dns.AA | dns.RA)
        or message.rcode == dns.NXDOMAIN
        or any(record.type == dns.SOA for record in message.authority)
    )


class Outcome(Enum):
    """What came of a lookup; the value is for people."""

    FOUND = "found"
    NODATA = "the name has no such record"
    NXDOMAIN = "no such name"
    FAILED = "the servers could not answer"
    REFUSED = "the servers would not answer"
    NO_REPLY = "no server answered"
    ALIASES = "the aliases do not end"


class Answer(NamedTuple):
    outcome: Outcome
    records: tuple[Record, ...] = ()  # of the type that was asked for
    name: Name = ROOT  # the canonical one, at the end of the aliases
    aliases: tuple[Name, ...] = ()  # on the way there, the name asked for first
    expires_at: float = 0.0  # on the stack's clock; in the past if not to be remembered


class Cache:
    """Answers by question, bounded; what has expired, and then the oldest, makes way."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._answers: dict[tuple[tuple[bytes, ...], int, int], Answer] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, question: Question, now: float) -> Answer | None:
        # RFC 2308 5: that a name does not exist holds for every type.
        for key in (self._key(question, question.type), self._key(question, 0)):
            answer = self._answers.get(key)
            if answer is not None and answer.expires_at > now:
                return answer
        return None

    def put(self, question: Question, answer: Answer, now: float) -> None:
        size = self._config.dns_cache_size
        if answer.expires_at <= now or size == 0:
            return
        is_nowhere = answer.outcome is Outcome.NXDOMAIN and not answer.aliases  # else it is the alias's target
        key = self._key(question, 0 if is_nowhere else question.type)
        self._answers.pop(key, None)
        if len(self._answers) >= size:
            for old in [k for k, kept in self._answers.items() if kept.expires_at <= now]:
                del self._answers[old]
            while len(self._answers) >= size:
                del self._answers[next(iter(self._answers))]
        self._answers[key] = answer

    def clear(self) -> None:
        self._answers.clear()

    @staticmethod
    def _key(question: Question, kind: int) -> tuple[tuple[bytes, ...], int, int]:
        return question.name.key, kind, question.cls


class Lookups:
    """Questions answered from memory or by servers. The generators yield each `Exchange` that is to be carried out,
    and return what came of it; `now` is the time at which they are resumed, given by `clock`."""

    def __init__(self, config: Config) -> None:
        self.cache = Cache(config)
        self._config = config

    def lookup(
        self, question: Question, servers: tuple[Endpoint, ...], now: float
    ) -> Generator[Exchange, float, Answer]:
        """The records of a name and type, aliases followed."""
        aliases: list[Name] = []
        expires_at = float("inf")
        asked = question
        while len(aliases) <= MAX_ALIASES:
            answer = self.cache.get(asked, now)
            if answer is None:
                exchange = Exchange(asked, servers, self._config, now)
                while exchange.ask is not None:
                    now = yield exchange
                answer, is_whole = self._read(asked, exchange.reply, now)
                if is_whole:
                    self.cache.put(asked, answer, now)
            else:
                is_whole = True
            aliases.extend(answer.aliases)
            expires_at = min(expires_at, answer.expires_at)
            if is_whole:
                return answer._replace(aliases=tuple(aliases), expires_at=expires_at)
            if len({alias.key for alias in (*aliases, answer.name)}) <= len(aliases):
                break  # round in a circle
            # RFC 1034 5.2.2: the server knew the alias but not what it stands for.
            asked = asked._replace(name=answer.name)
        return Answer(Outcome.ALIASES, aliases=tuple(aliases))

    def search(
        self, names: list[Name], kinds: tuple[int, ...], servers: tuple[Endpoint, ...], now: float
    ) -> Generator[Exchange, float, list[Answer]]:
        """The answers for the first of `names` that has any, one for each type; else why there are none."""
        worst: list[Answer] = []
        for name in names:
            answers = []
            for kind in kinds:
                answer = yield from self.lookup(Question(name, kind), servers, now)
                answers.append(answer)
                if answer.outcome is Outcome.NO_REPLY:
                    return [answer]  # nobody there to be asked for the others
            if any(answer.outcome is Outcome.FOUND for answer in answers):
                return answers
            # As resolv.conf(5) and libc have it: a name that exists without the record counts more than none.
            if not worst or worst[0].outcome is Outcome.NXDOMAIN:
                worst = sorted(answers, key=lambda answer: answer.outcome is Outcome.NXDOMAIN)
        return worst or [Answer(Outcome.NXDOMAIN)]

    def _read(self, question: Question, message: Message | None, now: float) -> tuple[Answer, bool]:
        """What a reply says, and whether that is all; if not, the alias it ends with is to be asked for."""
        if message is None:
            return Answer(Outcome.NO_REPLY), True
        if message.rcode not in (dns.NOERROR, dns.NXDOMAIN) or is_lame(message):
            is_refused = message.rcode in (dns.REFUSED, dns.NOTIMP, dns.FORMERR)
            return Answer(Outcome.REFUSED if is_refused else Outcome.FAILED), True
        owner = question.name
        aliases: list[Name] = []
        ttl = self._config.dns_max_ttl
        while True:
            records = tuple(r for r in message.answers if r.name.key == owner.key and r.cls == question.cls)
            found = tuple(r for r in records if question.type in (r.type, dns.ANY))
            if found:
                ttl = min(ttl, *(seconds(record) for record in found))
                return Answer(Outcome.FOUND, found, owner, tuple(aliases), now + ttl), True
            alias = next((r for r in records if r.type == dns.CNAME and isinstance(r.data, Name)), None)
            if alias is None:
                break
            aliases.append(owner)
            assert isinstance(alias.data, Name)
            owner = alias.data
            ttl = min(ttl, seconds(alias))
            if len(aliases) > MAX_ALIASES or owner.key in [seen.key for seen in aliases]:
                return Answer(Outcome.ALIASES, aliases=tuple(aliases)), True
        return self._nothing(message, owner, tuple(aliases), ttl, now)

    def _nothing(
        self, message: Message, owner: Name, aliases: tuple[Name, ...], ttl: int, now: float
    ) -> tuple[Answer, bool]:
        """RFC 2308 2: no such name, or no such record; kept as long as the SOA says, without one not at all."""
        outcome = Outcome.NXDOMAIN if message.rcode == dns.NXDOMAIN else Outcome.NODATA
        soa = next((r for r in message.authority if r.type == dns.SOA and isinstance(r.data, Soa)), None)
        if soa is None:
            is_whole = outcome is Outcome.NXDOMAIN or not aliases
            return Answer(outcome, (), owner, aliases, now + ttl if not is_whole else 0.0), is_whole
        assert isinstance(soa.data, Soa)
        # RFC 2308 5: the lesser of the SOA's own TTL and its minimum, and not for longer than some hours.
        ttl = min(ttl, seconds(soa), soa.data.minimum, self._config.dns_max_negative_ttl)
        return Answer(outcome, (), owner, aliases, now + ttl), True


def seconds(record: Record) -> int:
    """RFC 2181 8: a TTL with its highest bit set counts as zero."""
    return record.ttl if record.ttl < 1 << 31 else 0


def candidates(text: str, search: tuple[Name, ...], ndots: int) -> Iterator[Name]:
    """The names a user may mean by `text`, most likely first (resolv.conf(5)). ValueError if it is no name."""
    name = parse_name(text)
    if text.endswith("."):
        yield name
        return
    within = []
    for domain in search:
        try:
            within.append(name.under(domain))
        except ValueError:
            continue  # too long together
    if len(name.labels) - 1 >= ndots:
        yield name
        yield from within
    else:
        yield from within
        yield name


def reverse_name(address: bytes) -> Name:
    """Where the names of an address are (RFC 1035 3.5, RFC 3596 2.5)."""
    if len(address) == 4:
        return Name(tuple(str(byte).encode() for byte in reversed(address))).under(IPV4_REVERSE)
    return Name(tuple(digit.encode() for digit in reversed(address.hex()))).under(IPV6_REVERSE)
