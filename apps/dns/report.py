"""What dns prints: dig's text as it happens, or one JSON document at the end. Neither knows how a server is asked."""

from __future__ import annotations

import json
import time
from typing import Any, Protocol

from apps.dns.query import Query
from stack.port import Endpoint
from stack.resolver import Reply
from stack.wire.address import format_ip
from stack.wire.dns import Opt, Record
from stack.wire.dns_text import (
    class_name,
    flag_names,
    format_data,
    format_message,
    rcode_name,
    type_name,
)

NOBODY = ";; no servers could be reached"
TRUNCATED = "truncated"
# What befell a connection that was there already; anything else kept it from coming about.
BROKEN = frozenset({"end of file", "connection reset by peer", "answered something else"})
SHORTER = {"network is unreachable": "network unreachable", "no route to host": "host unreachable"}


class Report(Protocol):
    def start(self, query: Query, words: list[str]) -> None: ...
    def failure(self, query: Query, server: Endpoint, why: str, is_tcp: bool) -> None:
        """One try came to nothing; `why` is TRUNCATED if it is asked again over TCP."""

    def answer(self, query: Query, reply: Reply, at: float) -> None:
        """`at` is the time in seconds since 1970."""

    def nobody(self, query: Query) -> None:
        """No server has answered."""

    def end(self) -> None: ...


class Text:
    """To standard output as it happens."""

    def __init__(self) -> None:
        self._banner = ""
        self._is_first = True
        self._is_over = False

    def start(self, query: Query, words: list[str]) -> None:
        self._is_over = False
        if self._is_first and "cmd" in query.shown and not query.is_short:
            self._banner = f"\n; <<>> glasstack dns <<>> {' '.join(words)}\n;; global options: +cmd\n"
        self._is_first = False

    def failure(self, query: Query, server: Endpoint, why: str, is_tcp: bool) -> None:
        where, why = _where(server), SHORTER.get(why, why)
        if why == TRUNCATED:
            if "comments" in query.shown and not query.is_short:
                print(";; Truncated, retrying in TCP mode.", flush=True)
            return
        if is_tcp and why not in BROKEN:
            line = f";; Connection to {where}({_host(server)}) for {query.shown_name} failed: {why}."
        elif why == "network unreachable":
            line = f";; UDP setup with {where}({_host(server)}) for {query.shown_name} failed: {why}."
        else:
            line = f";; communications error to {where}: {why}"
        # dig gives up for good, each time, where it could not even send.
        self._is_over = line.endswith(".")
        print(line + (f"\n{NOBODY}" if self._is_over else ""), flush=True)

    def answer(self, query: Query, reply: Reply, at: float) -> None:
        if query.is_short:
            lines = [format_data(record.data, record.type) for record in reply.message.answers]
        else:
            lines = [";; Got answer:"] if "comments" in query.shown else []
            lines += format_message(reply.message, query.shown)
            if "stats" in query.shown:
                lines += _statistics(reply, at)
        print(self._take_banner() + "".join(f"{line}\n" for line in lines), end="", flush=True)

    def nobody(self, query: Query) -> None:
        if not self._is_over:
            print(self._take_banner() + NOBODY, flush=True)

    def end(self) -> None:
        pass

    def _take_banner(self) -> str:
        banner, self._banner = self._banner, ""
        return banner


def _statistics(reply: Reply, at: float) -> list[str]:
    """The four closing lines."""
    return [
        f";; Query time: {round(reply.seconds * 1e3)} msec",
        f";; SERVER: {_where(reply.server)}({_host(reply.server)}) ({'TCP' if reply.is_tcp else 'UDP'})",
        time.strftime(";; WHEN: %a %b %d %H:%M:%S %Z %Y", time.localtime(at)),
        f";; MSG SIZE  rcvd: {reply.size}",
        "",
    ]


def _host(server: Endpoint) -> str:
    return format_ip(server.address)


def _where(server: Endpoint) -> str:
    return f"{_host(server)}#{server.port}"


class Json:
    """One document when it is over: an object for each name, in a list if there are several. Nothing else is written
    to standard output."""

    def __init__(self) -> None:
        self._documents: list[dict[str, Any]] = []

    def start(self, query: Query, words: list[str]) -> None:
        question = {"name": str(query.name), "type": type_name(query.type), "class": class_name(query.cls)}
        self._documents.append({"question": question, "status": None, "failures": []})

    def failure(self, query: Query, server: Endpoint, why: str, is_tcp: bool) -> None:
        self._documents[-1]["failures"].append(
            {"server": _host(server), "port": server.port, "protocol": "TCP" if is_tcp else "UDP", "why": why}
        )

    def answer(self, query: Query, reply: Reply, at: float) -> None:
        message, edns = reply.message, reply.message.edns
        self._documents[-1].update(
            {
                "status": rcode_name(message.rcode),
                "id": message.id,
                "flags": flag_names(message),
                "edns": None if edns is None else {"version": edns.version, "udp": edns.payload_size},
                "answers": _records(message.answers),
                "authority": _records(message.authority),
                "additional": _records(message.additional),
                "server": _host(reply.server),
                "port": reply.server.port,
                "protocol": "TCP" if reply.is_tcp else "UDP",
                "time_ms": round(reply.seconds * 1e3, 3),
                "size": reply.size,
            }
        )

    def nobody(self, query: Query) -> None:
        self._documents[-1]["error"] = "no servers could be reached"

    def end(self) -> None:
        documents: Any = self._documents if len(self._documents) > 1 else self._documents[0]
        print(json.dumps(documents, indent=2), flush=True)


def _records(section: tuple[Record, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": str(record.name),
            "ttl": record.ttl,
            "class": class_name(record.cls),
            "type": type_name(record.type),
            "data": format_data(record.data, record.type),
        }
        for record in section
        if not isinstance(record.data, Opt)
    ]
