"""A DNS zone from a master file (RFC 1035 5), and what it says to a question (RFC 1034 4.3.2, RFC 2308, RFC 4592).

Small and whole: one zone, kept in memory. It refuses what it could not answer for: names outside the zone, delegations
below it, a CNAME beside other records, a zone without its SOA; and $INCLUDE. Each fault is a ValueError that names the
line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from services.reading import read_text
from stack.wire import dns
from stack.wire.address import parse_ip
from stack.wire.dns import Data, Mx, Question, Record, Soa, Srv
from stack.wire.dns_text import CLASSES, class_number, parse_data, parse_in, seconds, type_name, type_number
from stack.wire.name import ROOT, Name, parse_name

MAX_ALIASES = 16
ASTERISK = b"*"
TTL = 3600  # seconds, where the file says nothing

Key = tuple[bytes, ...]


class Found(NamedTuple):
    """What goes into the sections of an answer."""

    rcode: int
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()


class Zone:
    """`origin` is the zone's name; names are looked up without regard to case."""

    def __init__(self, records: list[Record]) -> None:
        """The records of one zone, its SOA among them. Raises ValueError."""
        soas = [record for record in records if record.type == dns.SOA]
        if len(soas) != 1:
            raise ValueError(f"a zone has one SOA record, not {len(soas)}")
        self.soa = soas[0]
        self.origin = self.soa.name
        self._nodes: dict[Key, dict[int, list[Record]]] = {}
        for record in records:
            self._add(record)
        for node in self._nodes.values():
            if dns.CNAME in node and (len(node) > 1 or len(node[dns.CNAME]) > 1):
                name = node[dns.CNAME][0].name
                raise ValueError(f"{name} is an alias and has other records too")  # RFC 1034 3.6.2

    @classmethod
    def from_file(cls, path: str | Path) -> Zone:
        """Raises ValueError with file and line, OSError if it cannot be read."""
        return cls.from_text(read_text(path), str(path))

    @classmethod
    def from_text(cls, text: str, source: str = "zone") -> Zone:
        try:
            return cls(list(parse_records(text, source)))
        except ValueError as e:
            words = str(e)
            raise ValueError(words if words.startswith(f"{source}:") else f"{source}: {words}") from None

    @classmethod
    def of_host(cls, address: str, domain: str = "lab.") -> Zone:
        """A zone for one host, which is its name server, web server and mail exchanger."""
        kind = "A" if len(parse_ip(address)) == 4 else "AAAA"
        return cls.from_text(
            f"$ORIGIN {domain}\n$TTL 60\n"
            "@ SOA ns hostmaster 1 1h 15m 1w 60\n@ NS ns\n@ MX 10 mail\n"
            f"@ {kind} {address}\nns {kind} {address}\nmail {kind} {address}\nwww CNAME @\n"
            '@ TXT "a zone that glasstack made up"\n_http._tcp SRV 0 0 80 www\n'
        )

    def __len__(self) -> int:
        return sum(len(records) for node in self._nodes.values() for records in node.values())

    def _add(self, record: Record) -> None:
        if not record.name.is_within(self.origin):
            raise ValueError(f"{record.name} is outside the zone {self.origin}")
        if record.type == dns.NS and record.name.key != self.origin.key:
            raise ValueError(f"{record.name} is delegated, and delegations are not served")
        self._nodes.setdefault(record.name.key, {}).setdefault(record.type, []).append(record)
        # RFC 4592 2.2.2: the names in between exist too, without records.
        name = record.name
        while name.key != self.origin.key:
            name = name.parent
            self._nodes.setdefault(name.key, {})

    def answer(self, question: Question) -> Found:
        """RFC 1034 4.3.2. A name outside the zone is refused: nothing is forwarded."""
        if question.cls not in (dns.IN, dns.CLASS_ANY) or not question.name.is_within(self.origin):
            return Found(dns.REFUSED)
        answers: list[Record] = []
        name = question.name
        for _ in range(MAX_ALIASES):
            node = self._node(name)
            if node is None:
                # RFC 2308 2.1: with aliases too it is the last name that does not exist.
                return Found(dns.NXDOMAIN, tuple(answers), self._negative())
            records = [r for kind, rs in node.items() if question.type in (kind, dns.ANY) for r in rs]
            # RFC 4592 2.1: what a wildcard stands for is made up under the name that was asked for.
            answers.extend(record._replace(name=name) for record in records)
            if records or dns.CNAME not in node:
                return Found(
                    dns.NOERROR, tuple(answers), () if records else self._negative(), self._additional(answers)
                )
            alias = node[dns.CNAME][0]
            answers.append(alias._replace(name=name))
            assert isinstance(alias.data, Name)
            name = alias.data
            if not name.is_within(self.origin) or any(r.name.key == name.key for r in answers):
                break  # somebody else knows, or nobody: round in a circle
        return Found(dns.NOERROR, tuple(answers))

    def _node(self, name: Name) -> dict[int, list[Record]] | None:
        node = self._nodes.get(name.key)
        while node is None and name.key != self.origin.key:
            # RFC 4592 3.3.1: the wildcard below the closest name that exists.
            name = name.parent
            if name.key in self._nodes:
                return self._nodes.get((ASTERISK, *name.key))
        return node

    def _negative(self) -> tuple[Record, ...]:
        """RFC 2308 3: the SOA, with the TTL that the negative answer has."""
        assert isinstance(self.soa.data, Soa)
        return (self.soa._replace(ttl=min(self.soa.ttl, self.soa.data.minimum)),)

    def _additional(self, answers: list[Record]) -> tuple[Record, ...]:
        """The addresses of hosts that the answers name, as far as they are ours."""
        found: dict[Record, None] = {}
        for record in answers:
            data = record.data
            target = data.exchange if isinstance(data, Mx) else data.target if isinstance(data, Srv) else None
            if record.type == dns.NS and isinstance(data, Name):
                target = data
            node = self._nodes.get(target.key) if target is not None else None
            for kind in (dns.A, dns.AAAA):
                found.update(dict.fromkeys(node.get(kind, []) if node is not None else []))
        return tuple(record for record in found if record not in answers)


# --- the master file


def parse_records(text: str, source: str) -> Iterator[Record]:
    """RFC 1035 5.1: owner, TTL and class may be left out. Raises ValueError with the line."""
    origin, ttl, owner = ROOT, TTL, None
    for number, is_indented, words in entries(text, source):
        try:
            if words[0].startswith("$"):
                origin, ttl = _directive(words, origin, ttl)
                continue
            if not is_indented:
                owner = parse_in(words.pop(0), origin)
            if owner is None:
                raise ValueError("the first record has no name")
            record = _record(owner, words, ttl, origin)
            yield record
        except ValueError as e:
            raise ValueError(f"{source}:{number}: {e}") from None


def _directive(words: list[str], origin: Name, ttl: int) -> tuple[Name, int]:
    if words[0].upper() == "$ORIGIN" and len(words) == 2:
        return parse_name(words[1], origin), ttl
    if words[0].upper() == "$TTL" and len(words) == 2:
        return origin, seconds(words[1])
    raise ValueError(f"{' '.join(words)} is not $ORIGIN NAME or $TTL TIME, and nothing else is known")


def _record(owner: Name, words: list[str], ttl: int, origin: Name) -> Record:
    """TTL and class in either order, then type and data."""
    while words:
        word = words[0]
        if word[:1].isdigit():
            ttl = seconds(word)
        elif word.upper() in CLASSES.values() and word.upper() != "ANY":
            if class_number(word) != dns.IN:
                raise ValueError(f"only class IN is served, not {word}")
        else:
            break
        words.pop(0)
    if not words:
        raise ValueError("a record has a type")
    kind = type_number(words[0])
    if kind in (dns.OPT, dns.ANY, dns.AXFR):
        raise ValueError(f"{type_name(kind)} is not a record of a zone")
    data: Data = parse_data(kind, words[1:], origin)
    return Record(owner, kind, dns.IN, ttl, data)


def entries(text: str, source: str) -> Iterator[tuple[int, bool, list[str]]]:
    """(line, whether it begins with a space, words) of each entry; comments gone, parentheses joined, quotes undone."""
    words: list[str] = []
    depth = begun = 0
    is_indented = False
    for number, line in enumerate(text.splitlines(), 1):
        if depth == 0:
            words, begun, is_indented = [], number, line[:1] in (" ", "\t")
        try:
            for word, is_quoted in _words(line):
                if not is_quoted and word in ("(", ")"):
                    depth += 1 if word == "(" else -1
                    if depth not in (0, 1):
                        raise ValueError("parentheses do not match")
                else:
                    words.append(word)
        except ValueError as e:
            raise ValueError(f"{source}:{number}: {e}") from None
        if depth == 0 and words:
            yield begun, is_indented, words
    if depth:
        raise ValueError(f"{source}:{begun}: a parenthesis is not closed")


def _words(line: str) -> Iterator[tuple[str, bool]]:
    """Words up to a comment, and whether each was in quotes; backslashes are left for whoever reads the word."""
    at = 0
    while at < len(line):
        character = line[at]
        if character == ";":
            return
        if character.isspace():
            at += 1
        elif character in "()":
            yield character, False
            at += 1
        else:
            start = at
            is_quoted = character == '"'
            at += is_quoted
            while at < len(line) and not (line[at] == '"' if is_quoted else line[at] in '();"' or line[at].isspace()):
                at += 2 if line[at] == "\\" else 1
            if is_quoted and at >= len(line):
                raise ValueError("a quote is not closed")
            yield (line[start + 1 : at], True) if is_quoted else (line[start:at], False)
            at += is_quoted
