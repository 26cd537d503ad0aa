"""What dig's command line asks for: one `Query` for each name, in whatever order its words come.

Words before the first name are for every query, those behind a name for that one. Pure: words in, queries out, or
UsageError; NameFault for a name that is none. It refuses zone transfers, IPv6 as the way to a server, and those of
dig's options that only matter to somebody who runs name servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from apps.usage import UsageError, whole
from stack.autoconf.resolver import IPV4_REVERSE, reverse_name
from stack.wire import dns
from stack.wire.address import parse_ip
from stack.wire.dns_text import PARTS, class_number, type_number
from stack.wire.name import ROOT, Name, parse_name

SHOWN = ("cmd", *PARTS, "stats")  # what +all shows
TRANSFERS = frozenset({dns.AXFR, 251})
FLAGS = {"recurse": dns.RD, "rdflag": dns.RD, "adflag": dns.AD, "cdflag": dns.CD}
NUMBERS = {"time": (1, 3600), "timeout": (1, 3600), "tries": (1, 100), "retry": (0, 99), "bufsize": (0, 65535)}
SWITCHES = (*SHOWN, *FLAGS, "all", "short", "tcp", "vc", "edns", "cookie")
WITH_WORD = "cpqtx"  # options that take a word


class NameFault(Exception):
    """What was to be looked up is not a name; the text is one line."""


@dataclass
class Query:
    """One name to be asked for. Times in seconds."""

    name: Name = ROOT
    shown_name: str = "."  # as it was typed
    type: int = dns.A
    cls: int = dns.IN
    server: str | None = None  # None: the node's own
    port: int = dns.PORT
    is_tcp: bool | None = None  # None: as the type has it
    is_short: bool = False
    flags: int = dns.RD | dns.AD
    edns_size: int | None = None  # bytes; 0 for no EDNS, None for the node's own
    timeout: float = 5.0
    tries: int = 3
    shown: frozenset[str] = field(default=frozenset(SHOWN))

    @property
    def goes_by_tcp(self) -> bool:
        return self.type == dns.ANY if self.is_tcp is None else self.is_tcp


def legal_name(text: str) -> Name:
    """A name as typed; NameFault with a reason if it is none."""
    try:
        return parse_name(text if text.isascii() else text.encode("idna").decode("ascii"))
    except (ValueError, UnicodeError) as e:
        why = str(e).removeprefix(f"{text!r} is not a name: ").removeprefix(f"{text!r}: ")
        raise NameFault(f"'{text}' is not a legal name ({why})") from None


def reversed_name(text: str) -> Name:
    """Where the names of an address are, or of the beginning of one: '10.9'. NameFault."""
    try:
        return reverse_name(parse_ip(text))
    except ValueError:
        labels = text.removesuffix(".").split(".")
        if len(labels) > 4 or not all(label.isascii() and label.isdigit() and int(label) < 256 for label in labels):
            raise NameFault(f"-x: '{text}' is not an address") from None
        return Name(tuple(label.encode() for label in reversed(labels))).under(IPV4_REVERSE)


@dataclass
class Wanted:
    queries: list[Query]
    is_json: bool = False
    is_help: bool = False


def parse(words: list[str]) -> Wanted:
    """dig's words. Raises UsageError, NameFault."""
    return _Parser(words).parse()


class _Parser:
    def __init__(self, words: list[str]) -> None:
        self.rest = iter(words)
        self.common = Query()
        self.query = self.common  # the one that the next word is about
        self.wanted = Wanted([])

    def parse(self) -> Wanted:
        for word in self.rest:
            if word in ("-h", "--help"):
                self.wanted.is_help = True
            elif word == "--json":
                self.wanted.is_json = True
            elif word.startswith("@") and len(word) > 1:
                self.query.server = word[1:]
            elif word.startswith("+"):
                self._plus(word)
            elif word.startswith("-") and word != "-":
                self._option(word)
            else:
                self._bare(word)
        if not self.wanted.queries:
            # As dig: without a name, who serves the root.
            self.common.type = dns.NS
            self.wanted.queries.append(self.common)
        return self.wanted

    def _bare(self, word: str) -> None:
        """A type, a class, or else a name."""
        try:
            self._type(word)
        except ValueError:
            try:
                self.query.cls = class_number(word)
            except ValueError:
                self._add(legal_name(word), word)

    def _add(self, name: Name, word: str, kind: int | None = None) -> None:
        query = replace(self.common, name=name, shown_name=word)
        if kind is not None:
            query.type = kind
        self.query = query
        self.wanted.queries.append(query)
        if self.common.type != dns.A:
            self.common = replace(self.common, type=dns.A)  # a type in front of a name is that name's

    def _type(self, word: str) -> None:
        kind = type_number(word)
        if kind in TRANSFERS:
            raise UsageError("zone transfers are not asked for here")
        self.query.type = kind

    def _option(self, word: str) -> None:
        letter, value = word[1], word[2:]
        if word == "-4":
            return
        if word == "-6":
            raise UsageError("-6: there is no IPv6 here to ask over")
        if letter not in WITH_WORD:
            raise UsageError(f"invalid option: {word}", shows_usage=True)
        value = value or next(self.rest, "")
        if not value:
            raise UsageError(f"-{letter} needs a word after it", shows_usage=True)
        try:
            if letter == "t":
                self._type(value)
            elif letter == "c":
                self.query.cls = class_number(value)
            elif letter == "p":
                self.query.port = _number("-p", value, 1, 65535)
            elif letter == "x":
                self._add(reversed_name(value), str(reversed_name(value)), dns.PTR)
            else:
                self._add(legal_name(value), value)
        except ValueError as e:
            raise UsageError(f"-{letter}: {e}") from None

    def _plus(self, word: str) -> None:
        name, equals, value = word[1:].partition("=")
        is_on = not name.startswith("no")
        name = _only(name if is_on else name[2:], (*SWITCHES, *NUMBERS), word)
        if name in NUMBERS:
            if not is_on:
                raise UsageError(f"invalid option: {word}", shows_usage=True)
            self._number(name, _number(f"+{name}", value, *NUMBERS[name]))
        elif equals and not (name == "edns" and value == "0"):
            raise UsageError(f"+{name} takes no value")
        else:
            self._switch(name, is_on)

    def _number(self, name: str, number: int) -> None:
        query = self.query
        if name in ("time", "timeout"):
            query.timeout = float(number)
        elif name == "tries":
            query.tries = number
        elif name == "retry":
            query.tries = number + 1
        else:
            query.edns_size = max(number, dns.MAX_UDP)  # RFC 6891 6.2.3: less counts as that

    def _switch(self, name: str, is_on: bool) -> None:
        query = self.query
        if name in SHOWN or name == "all":
            names = frozenset(SHOWN if name == "all" else (name,))
            query.shown = query.shown | names if is_on else query.shown - names
        elif name in FLAGS:
            query.flags = query.flags | FLAGS[name] if is_on else query.flags & ~FLAGS[name]
        elif name in ("tcp", "vc"):
            query.is_tcp = is_on
        elif name == "short":
            query.is_short = is_on
        elif name == "edns":
            query.edns_size = None if is_on else 0
        elif is_on:
            raise UsageError("+cookie: no cookies are sent here")


def _only(word: str, known: tuple[str, ...], typed: str) -> str:
    """The name that `word` is, or that only it can be the beginning of. UsageError."""
    matches = [word] if word in known else list(_beginning(word, known))
    if len(matches) != 1:
        raise UsageError(f"invalid option: {typed}", shows_usage=True)
    return matches[0]


def _beginning(word: str, known: tuple[str, ...]) -> Iterator[str]:
    return (name for name in known if word and name.startswith(word))


def _number(option: str, text: str, low: int, high: int) -> int:
    try:
        value = whole(text)
    except ValueError:
        value = -1
    if not low <= value <= high:
        raise UsageError(f"{option}: a whole number from {low} to {high}, not {text!r}")
    return value
