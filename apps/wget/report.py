"""What wget prints, on standard error: GNU wget 1.21's lines, curl's with `verbose`, or one JSON document.

None of it knows how a byte is fetched: `Session` says what happens, one method each. The lines are wget's to the
letter; the dots that it prints where there is no terminal are not there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.message import Message
from enum import Enum
from typing import Any

from apps.wget.progress import Bar, amount, rate, took
from apps.wget.result import WgetResult
from apps.wget.url import Url


class Form(Enum):
    """How wget words a failure: a line alone, with the time, or with the time and the rate of the body."""

    PLAIN = 1
    STATUS = 2
    BODY = 3
    SAID = 4  # it has been printed already
    APART = 5  # after an empty line


class Failure(Exception):
    """Why a try came to nothing. `code` is wget's exit code; `is_passing` if another try may help."""

    def __init__(self, text: str, code: int, form: Form = Form.PLAIN, is_passing: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.form = form
        self.is_passing = is_passing


@dataclass
class Transfer:
    """A body on its way. `start` bytes were there before, `received` are now, of `total` if the server said."""

    where: str  # the file, '-' for standard output
    total: int | None
    start: int
    received: int
    content_type: str
    began_at: float
    now: float

    @property
    def seconds(self) -> float:
        return self.now - self.began_at

    @property
    def rate(self) -> str:
        return rate(self.received - self.start, self.seconds)

    @property
    def counts(self) -> str:
        """'[120/1000]', '[120]' where the server did not say how many."""
        return f"[{self.received}" + (f"/{self.total}]" if self.total is not None else "]")


class Report:
    """Says nothing."""

    def on_start(self, url: Url, tries: int) -> None: ...
    def on_resolving(self, host: str) -> None: ...
    def on_resolved(self, addresses: list[str]) -> None: ...
    def on_connecting(self, url: Url, address: str) -> None: ...
    def on_connected(self, url: Url, address: str) -> None: ...
    def on_connect_failed(self, text: str) -> None: ...
    def on_reuse(self, url: Url) -> None: ...
    def on_sent(self, target: str, headers: list[tuple[str, str]]) -> None: ...
    def on_answer(self, version: int, status: int, reason: str, headers: Message) -> None: ...
    def on_redirect(self, location: str | None) -> None: ...
    def on_saving(self, transfer: Transfer) -> None: ...
    def on_bytes(self, transfer: Transfer) -> None: ...
    def on_saved(self, result: WgetResult, transfer: Transfer) -> None: ...
    def on_complete(self) -> None: ...
    def on_failure(self, failure: Failure, url: str, transfer: Transfer | None, tells_next: str) -> None: ...
    def on_interrupt(self) -> None: ...
    def end(self, results: list[WgetResult], seconds: float) -> None: ...


class Text(Report):
    """wget's own lines. `wall` is a clock for people, as `engine.wall`, in local time unless `is_utc`."""

    def __init__(self, wall: Callable[[], float], is_utc: bool = False, shows_headers: bool = False) -> None:
        self._wall = wall
        self._is_utc = is_utc
        self._shows_headers = shows_headers
        self._bar: Bar | None = None
        self._is_waiting = False  # for an answer: the line is not complete
        self._size = 0  # bytes of all the bodies, and the seconds they took
        self._spent = 0.0

    def _stamp(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", (time.gmtime if self._is_utc else time.localtime)(self._wall()))

    def on_start(self, url: Url, tries: int) -> None:
        again = f"(try:{tries:2})  " if tries > 1 else ""
        say(f"--{self._stamp()}--  {again}{url}\n")

    def on_resolving(self, host: str) -> None:
        say(f"Resolving {host} ({host})... ")

    def on_resolved(self, addresses: list[str]) -> None:
        say(", ".join(addresses[:3]) + (", ..." if len(addresses) > 3 else "") + "\n")

    def on_connecting(self, url: Url, address: str) -> None:
        say(f"Connecting to {place(url, address)}... ")

    def on_connected(self, url: Url, address: str) -> None:
        say("connected.\n")

    def on_connect_failed(self, text: str) -> None:
        say(f"failed: {text}.\n")

    def on_reuse(self, url: Url) -> None:
        say(f"Reusing existing connection to {url.host}:{url.port}.\n")

    def on_sent(self, target: str, headers: list[tuple[str, str]]) -> None:
        say("HTTP request sent, awaiting response... ")
        self._is_waiting = True

    def on_answer(self, version: int, status: int, reason: str, headers: Message) -> None:
        self._is_waiting = False
        if self._shows_headers:
            say("\n" + indented(version, status, reason, headers))
        else:
            say(f"{status} {printable(reason)}\n")

    def on_redirect(self, location: str | None) -> None:
        say(f"Location: {'unspecified' if location is None else printable(location) + ' [following]'}\n")

    def on_saving(self, transfer: Transfer) -> None:
        left = transfer.total - transfer.start if transfer.total is not None else 0
        words = "unspecified" if transfer.total is None else sized(transfer.total)
        if transfer.start and transfer.total is not None:
            words += f", {sized(left)} remaining"
        kind = f" [{printable(transfer.content_type)}]" if transfer.content_type else ""
        where = "STDOUT" if transfer.where == "-" else transfer.where
        say(f"Length: {words}{kind}\nSaving to: {quoted(where)}\n\n")
        self._bar = Bar.on(sys.stderr, transfer.where, transfer.total, transfer.start, transfer.began_at)

    def on_bytes(self, transfer: Transfer) -> None:
        if self._bar is not None:
            self._bar.show(transfer.received, transfer.now)

    def _end_bar(self, transfer: Transfer | None) -> None:
        if self._bar is not None and transfer is not None:
            self._bar.end(transfer.received, transfer.now)
        self._bar = None

    def on_saved(self, result: WgetResult, transfer: Transfer) -> None:
        self._end_bar(transfer)
        counts = transfer.counts
        done = f"written to stdout {counts}" if transfer.where == "-" else f"{quoted(transfer.where)} saved {counts}"
        say(f"{self._stamp()} ({transfer.rate}) - {done}\n\n")
        self._count(transfer)

    def _count(self, transfer: Transfer) -> None:
        self._size += transfer.received - transfer.start
        self._spent += transfer.seconds

    def on_complete(self) -> None:
        say("\n    The file is already fully retrieved; nothing to do.\n\n")

    def on_failure(self, failure: Failure, url: str, transfer: Transfer | None, tells_next: str) -> None:
        self._end_bar(transfer)
        text = printable(str(failure))
        if failure.form is Form.STATUS:
            say("-1\n" if self._is_waiting else "")
            say(f"{self._stamp()} {text}\n" + ("\n" if not tells_next else ""))
        elif failure.form is Form.BODY and transfer is not None:
            say(f"{self._stamp()} ({transfer.rate}) - {text} ")
        elif failure.form is not Form.SAID:
            say(f"\n{text}\n" if failure.form is Form.APART else f"{text}\n")
        say(f"{tells_next}\n\n" if tells_next else "")

    def on_interrupt(self) -> None:
        if self._bar is not None:
            say("\n")
        self._bar = None

    def end(self, results: list[WgetResult], seconds: float) -> None:
        if len(results) < 2:
            return
        good = sum(map(bool, results))
        say(f"FINISHED --{self._stamp()}--\nTotal wall clock time: {took(seconds)}\n")
        if good:
            speed = rate(self._size, self._spent)
            say(f"Downloaded: {good} files, {amount(self._size)} in {took(self._spent)} ({speed})\n")


class Brief(Text):
    """-nv: a line for each file, and errors."""

    # Deviation: GNU wget says nothing of a body that ends early here, which leaves only the exit code.

    def on_start(self, url: Url, tries: int) -> None: ...
    def on_resolving(self, host: str) -> None: ...
    def on_resolved(self, addresses: list[str]) -> None: ...
    def on_connecting(self, url: Url, address: str) -> None: ...
    def on_connected(self, url: Url, address: str) -> None: ...
    def on_reuse(self, url: Url) -> None: ...
    def on_sent(self, target: str, headers: list[tuple[str, str]]) -> None: ...
    def on_redirect(self, location: str | None) -> None: ...
    def on_saving(self, transfer: Transfer) -> None: ...
    def on_complete(self) -> None: ...

    def on_answer(self, version: int, status: int, reason: str, headers: Message) -> None:
        if self._shows_headers:
            say(indented(version, status, reason, headers))

    def on_saved(self, result: WgetResult, transfer: Transfer) -> None:
        url = result.redirects[-1] if result.redirects else result.url
        say(f'{self._stamp()} URL:{url} {transfer.counts} -> "{printable(transfer.where)}" [1]\n')
        self._count(transfer)

    def on_failure(self, failure: Failure, url: str, transfer: Transfer | None, tells_next: str) -> None:
        if failure.form is Form.STATUS:
            say(f"{url}:\n{self._stamp()} {printable(str(failure))}\n")
        elif failure.form is not Form.SAID:
            say(f"\n{failure}\n" if failure.form is Form.APART else f"{printable(str(failure))}\n")


class Quiet(Report):
    """-q: nothing, but the headers if they were asked for."""

    def __init__(self, shows_headers: bool) -> None:
        self._shows_headers = shows_headers

    def on_answer(self, version: int, status: int, reason: str, headers: Message) -> None:
        if self._shows_headers:
            say(indented(version, status, reason, headers))


class Verbose(Text):
    """curl -v's signs: `*` what happens, `>` what is sent, `<` what is received."""

    def _note(self, text: str) -> None:
        say(f"* {text}\n")

    def on_start(self, url: Url, tries: int) -> None:
        self._note(f"GET {url}" + (f", try {tries}" if tries > 1 else ""))

    def on_resolving(self, host: str) -> None:
        self._note(f"Resolving {host}")

    def on_resolved(self, addresses: list[str]) -> None:
        self._note(f"  is {', '.join(addresses)}")

    def on_connecting(self, url: Url, address: str) -> None:
        self._note(f"  Trying {address}:{url.port}...")

    def on_connected(self, url: Url, address: str) -> None:
        self._note(f"Connected to {url.host} ({address}) port {url.port}")

    def on_connect_failed(self, text: str) -> None:
        self._note(f"Could not connect: {text}")

    def on_reuse(self, url: Url) -> None:
        self._note(f"Re-using the connection to {url.host} port {url.port}")

    def on_sent(self, target: str, headers: list[tuple[str, str]]) -> None:
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {text}" for name, text in headers), ""]
        say("".join(f"> {line}\n" for line in lines))

    def on_answer(self, version: int, status: int, reason: str, headers: Message) -> None:
        say("".join(f"< {line}\n" for line in [*head(version, status, reason, headers), ""]))

    def on_redirect(self, location: str | None) -> None:
        self._note(f"Redirected to {'nowhere' if location is None else printable(location)}")

    def on_saving(self, transfer: Transfer) -> None:
        start = f", from byte {transfer.start}" if transfer.start else ""
        where = "standard output" if transfer.where == "-" else printable(transfer.where)
        self._note(f"Saving to {where}{start}")
        self._bar = Bar.on(sys.stderr, transfer.where, transfer.total, transfer.start, transfer.began_at)

    def on_saved(self, result: WgetResult, transfer: Transfer) -> None:
        self._end_bar(transfer)
        count = transfer.received - transfer.start
        self._note(f"{count} bytes in {took(transfer.seconds)} ({transfer.rate}), {transfer.received} are there")

    def on_complete(self) -> None:
        self._note("The file is already fully retrieved; nothing to do")

    def on_failure(self, failure: Failure, url: str, transfer: Transfer | None, tells_next: str) -> None:
        self._end_bar(transfer)
        if failure.form is not Form.SAID or tells_next:
            self._note(f"{printable(str(failure))} {tells_next}".strip())


class Json(Report):
    """One document on standard output when it is over: an object, or a list of them if there were several URLs."""

    def end(self, results: list[WgetResult], seconds: float) -> None:
        documents = [document(result) for result in results]
        print(json.dumps(documents[0] if len(documents) == 1 else documents, indent=2), flush=True)


def document(result: WgetResult) -> dict[str, Any]:
    return {
        "url": result.url,
        "redirects": result.redirects,
        "status": result.status,
        "reason": result.reason,
        "headers": [[name, value] for name, value in lines(result.headers)],
        "path": result.path,
        "received": result.received,
        "length": result.length,
        "time_ms": round(result.duration * 1e3, 3),
        "tries": result.tries,
        "error": result.error or None,
        "exit_code": result.exit_code,
    }


def lines(headers: Message) -> Iterable[tuple[str, str]]:
    """Each header in one line, fit for a terminal."""
    return [(printable(name), printable(" ".join(str(value).split("\r\n")))) for name, value in headers.items()]


def head(version: int, status: int, reason: str, headers: Message) -> list[str]:
    first = f"HTTP/{version // 10}.{version % 10} {status} {printable(reason)}"
    return [first, *(f"{name}: {value}" for name, value in lines(headers))]


def indented(version: int, status: int, reason: str, headers: Message) -> str:
    return "".join(f"  {line}\n" for line in head(version, status, reason, headers))


def place(url: Url, address: str) -> str:
    """'127.0.0.1:8080', or 'localhost (localhost)|127.0.0.1|:8080' for a name."""
    if address == url.host:
        return f"{address}:{url.port}"
    return f"{url.host} ({url.host})|{address}|:{url.port}"


def sized(count: int) -> str:
    return f"{count} ({amount(count)})" if count >= 1024 else f"{count}"


def printable(text: str) -> str:
    """What a server sent must not move the cursor."""
    return "".join(c if c.isprintable() else "".join(f"\\{b:03o}" for b in c.encode("utf-8", "replace")) for c in text)


def quoted(name: str) -> str:
    return f"‘{printable(name)}’"


def say(text: str) -> None:
    """To standard error, now."""
    sys.stderr.write(spelled(text))
    sys.stderr.flush()


def spelled(text: str) -> str:
    """With plain quotation marks where wget's cannot be written."""
    is_utf = "utf" in (getattr(sys.stderr, "encoding", None) or "utf-8").lower()
    return text if is_utf else text.replace("‘", "'").replace("’", "'")
