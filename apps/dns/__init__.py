"""dns: asks a name server one question and shows the whole answer, as dig(1) does.

The function streams dig's text and returns a DnsResult; the command has dig's words, output and exit codes, and
`--json`. Nothing is answered from memory and no alias followed: it is for looking at what a server says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from apps.dns.query import NameFault, Query, legal_name, parse, reversed_name
from apps.dns.report import TRUNCATED, Json, Report, Text
from apps.host import Host, current_host
from apps.registry import App, register
from apps.usage import AppError, UsageError, complain, in_words
from stack.port import Endpoint
from stack.resolver import NoReply, Reply
from stack.wire import dns as wire
from stack.wire.address import format_ip, parse_ip
from stack.wire.dns import Message, Record
from stack.wire.dns_text import class_name, format_data, rcode_name, type_name, type_number

USAGE = """\
usage: dns [@SERVER] NAME [TYPE] [CLASS] [options]
  @SERVER        ask this server (without it: the node's own)
  -t TYPE        A, AAAA, CNAME, PTR, MX, NS, SOA, TXT, SRV, ANY, TYPE123 ...
  -c CLASS       IN, CH ...
  -q NAME        look up NAME, whatever it looks like
  -x ADDRESS     look up the names of ADDRESS
  -p PORT        the server's port, without which it is 53
  +short         nothing but the answers
  +tcp           ask over TCP
  +time=SECONDS  wait so long for each try (5)
  +tries=COUNT   ask each server so often (3)
  +norecurse     do not have the server ask others
  +bufsize=SIZE  bytes of answer that are welcome over UDP
  +noedns        ask without EDNS
  +noall         show nothing but what is asked for behind it
  +answer        show the answers; so +cmd +comments +question +authority +additional +stats
  --json         one JSON document
Its words may come in any order, and several names in one line."""

MANUAL = """\
dns(name, type='A', server=None, short=False, tcp=False, reverse=False)

Prints what dig(1) prints and returns the result: .status ('NOERROR' ...), .answers (each with .name .ttl .type .data),
.values (their data alone), .message ... It is true if there are answers. reverse=True takes an address for the name."""

EXIT_USAGE, EXIT_NO_REPLY, EXIT_INTERNAL = 1, 9, 10


class Found(NamedTuple):
    """A record as text."""

    name: str
    ttl: int  # seconds
    cls: str
    type: str
    data: str


@dataclass
class DnsResult:
    """What came of one question; true if there are answers.

    status    'NOERROR', 'NXDOMAIN' ..., '' if nobody answered
    answers authority additional    records as text
    values    the answers' data alone
    server time size is_tcp    who answered, after how many seconds, how many bytes, over what
    message    the whole answer, as stack.wire.dns has it; None if there is none
    """

    name: str
    type: str
    status: str = ""
    answers: list[Found] = field(default_factory=list)
    authority: list[Found] = field(default_factory=list)
    additional: list[Found] = field(default_factory=list)
    server: str = ""
    time: float = 0.0
    size: int = 0
    is_tcp: bool = False
    message: Message | None = field(default=None, repr=False)
    is_streamed = True  # it has been printed as it happened: the prompt need not show it again

    @property
    def values(self) -> list[str]:
        return [found.data for found in self.answers]

    def __bool__(self) -> bool:
        return bool(self.answers)

    def __repr__(self) -> str:
        what = ", ".join(self.values) or "no answers"
        return f"<dns {self.name} {self.type}: {f'{self.status}, {what}' if self.status else 'no reply'}>"


class DnsError(AppError):
    """There is nobody to be asked. The text is one line."""


def dns(
    name: str,
    type: str | int = "A",
    server: str | None = None,
    short: bool = False,
    tcp: bool = False,
    reverse: bool = False,
    node: Host | None = None,
) -> DnsResult:
    """Ask `server` (an address or a name; None: the node's own) for the records of `name` and print what dig(1) prints.

    `type` is 'MX', 'TYPE123' or a number; with `reverse` the name is an address whose names are wanted. `short` prints
    the answers alone. `node` is the current one. Raises ValueError for a name or a type that is none, DnsError (an
    OSError) if there is no server to ask. Nobody answering is a result that is false.
    """
    try:
        query = Query(legal_name(name), name, type_number(type) if isinstance(type, str) else type, server=server)
        if reverse:
            query = replace(query, name=reversed_name(name), shown_name=name, type=wire.PTR)
    except NameFault as e:
        raise ValueError(str(e)) from None
    query.is_short = short
    query.is_tcp = tcp or None
    words = ["-x", name] if reverse else [name, type_name(query.type)]
    report = Text()
    report.start(query, words if server is None else [*words, f"@{server}"])
    return look_up(query, report, node or current_host())


def look_up(query: Query, report: Report, node: Host) -> DnsResult:
    """Ask until somebody answers, and have it reported. Raises DnsError."""
    result = DnsResult(str(query.name), type_name(query.type))
    servers = _servers(query, node)
    for server in (server for _ in range(query.tries) for server in servers):
        try:
            reply = node.resolver.query(
                query.name, query.type, query.cls, server=format_ip(server.address), port=server.port,
                is_tcp=query.goes_by_tcp, flags=query.flags, edns_size=query.edns_size, timeout=query.timeout,
                attempts=1,
            )  # fmt: skip
        except NoReply as e:
            _tell(query, report, e.failures)
            continue
        _tell(query, report, reply.failures)
        report.answer(query, reply, node.engine.wall())
        _fill(result, reply)
        return result
    report.nobody(query)
    return result


def _servers(query: Query, node: Host) -> list[Endpoint]:
    """Whom to ask, in this order."""
    if query.server is None:
        own = [Endpoint(server.address, query.port) for server in node.resolver.servers]
        if not own:
            raise DnsError(0, "this node knows no name server: name one, @192.168.1.1 say")
        return own
    try:
        address = node.socket.gethostbyname(query.server)
    except (OSError, UnicodeError) as e:
        raise DnsError(0, f"couldn't get address for '{query.server}': {in_words(e)}") from None
    return [Endpoint(parse_ip(address), query.port)]


def _tell(query: Query, report: Report, failures: list[tuple[Endpoint, str]]) -> None:
    is_tcp = query.goes_by_tcp
    for server, why in failures:
        report.failure(query, server, why, is_tcp)
        is_tcp = is_tcp or why == TRUNCATED


def _fill(result: DnsResult, reply: Reply) -> None:
    message = result.message = reply.message
    result.status = rcode_name(message.rcode)
    result.answers = list(_texts(message.answers))
    result.authority = list(_texts(message.authority))
    result.additional = list(_texts(message.additional))
    result.server = str(reply.server)
    result.time, result.size, result.is_tcp = reply.seconds, reply.size, reply.is_tcp


def _texts(section: tuple[Record, ...]) -> Iterator[Found]:
    for record in section:
        if record.type != wire.OPT:
            data = format_data(record.data, record.type)
            yield Found(str(record.name), record.ttl, class_name(record.cls), type_name(record.type), data)


def command(node: Host, arguments: list[str]) -> int:
    """The command: its exit code."""
    report: Report = Text()
    try:
        wanted = parse(arguments)
        if wanted.is_help:
            print(USAGE)
            return 0
        if wanted.is_json:
            report = Json()
        code = 0
        for query in wanted.queries:
            report.start(query, arguments)
            result = look_up(query, report, node)
            code = code if result.status else EXIT_NO_REPLY
    except UsageError as e:
        complain("dns", e, USAGE)
        return EXIT_USAGE
    except NameFault as e:
        print(f"dns: {e}", file=sys.stderr)
        return EXIT_INTERNAL
    except DnsError as e:
        print(f"dns: {e}", file=sys.stderr)
        return EXIT_NO_REPLY if wanted.queries and wanted.queries[0].server is None else EXIT_USAGE
    report.end()
    return code


register(App("dns", dns, command, "ask a name server, as dig does", MANUAL, None, USAGE))
