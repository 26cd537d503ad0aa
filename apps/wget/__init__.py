"""wget(1): `wget('http://192.168.1.1/')` at the prompt and in programs, `wget -O - http://192.168.1.1/` as a command.

Output and exit codes are GNU wget 1.21's: 0 for success, 1 for a URL that is none, 2 for usage, 3 for files, 4 for the
network, 6 for authentication, 7 for a server that does not keep to HTTP, 8 for an answer that is an error. It refuses
options that wget has and this has not, with the list of those it has.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from apps.host import Host, current_host
from apps.registry import App, register
from apps.usage import UsageError, complain, plain, split, whole
from apps.wget.file import destination
from apps.wget.report import Brief, Json, Quiet, Report, Text, Verbose, printable, say, spelled
from apps.wget.result import Options, WgetResult
from apps.wget.session import Session
from apps.wget.url import parse_url

USAGE = """\
usage: wget [options] URL...
  -O, --output-document FILE  where to save, - for standard output (else the URL's last segment)
  -c, --continue              go on with the file that is there
  -q, --quiet                 print nothing
  -nv, --no-verbose           print a line for each file, and errors
  -v, --verbose               what is sent and received, as curl -v has it
  -S, --server-response       print the headers of the answers
  --header NAME:TEXT          send this header too, or instead
  -T, --timeout SECONDS       wait so long for a connection and for each read (900)
  -t, --tries NUMBER          try so often, 0 for ever (20)
  --max-redirect NUMBER       follow so many redirects (20)
  --json                      one JSON document at the end instead of text
  -h, --help                  this"""

MANUAL = """\
wget(url, output=None, quiet=False, verbose=False, headers=None, timeout=900.0, tries=20, max_redirect=20,
     resume=False)

Saves what is at an http URL, prints what wget prints, and returns the result: .status, .headers, .path, .received,
.error ... It is true if all of the body came. The file is named after the URL's last segment, and if that is there,
.1 is appended. output='name' is another file, '-' standard output, bytes none at all: then .body has it.
verbose=True shows what is sent and received, as curl -v does. resume=True goes on with the file that is there."""


def wget(
    url: str,
    output: str | os.PathLike[str] | type[bytes] | None = None,
    quiet: bool = False,
    verbose: bool = False,
    headers: Mapping[str, str] | None = None,
    timeout: float = 900.0,
    tries: int = 20,
    max_redirect: int = 20,
    resume: bool = False,
    node: Host | None = None,
) -> WgetResult:
    """Fetch `url` and save it, and print what wget(1) prints, on standard error.

    `output` is a file's name, '-' for standard output, `bytes` to have it in the result's `body`, None for a file named
    after the URL. `timeout` is in seconds, for connecting and for each read. `node` is the current one. What goes wrong
    on the way is in the result, which is false then; ValueError for a URL or a number that makes no sense.
    """
    host = node or current_host()
    wanted = parse_url(url)
    report: Report = Quiet(False) if quiet else (Verbose if verbose else Text)(host.engine.wall, host.engine.is_virtual)
    session = Session(Options(list((headers or {}).items()), timeout, tries, max_redirect, resume), host, report)
    there = destination(output, resume)
    try:
        return session.fetch(wanted, there)
    finally:
        session.close()
        there.close()


def command(node: Host, arguments: list[str]) -> int:
    """The command: its exit code."""
    try:
        line = CommandLine(arguments)
        if line.is_help:
            print(USAGE)
            return 0
        session = Session(line.options, node, line.report(node))
    except MissingUrl as e:
        complain("wget", e, USAGE)
        return 1  # as wget's, although 2 is what it calls usage
    except (UsageError, ValueError) as e:
        complain("wget", UsageError(spelled(str(e)), getattr(e, "shows_usage", False)), USAGE)
        return 2
    try:
        there = destination(line.output, line.options.resume)
    except OSError as e:
        print(f"{line.output}: {e.strerror}", file=sys.stderr)
        return 1  # as wget's, although 3 is what it calls files
    try:
        return fetch_all(session, line.urls, there)
    finally:
        session.close()
        there.close()


def fetch_all(session: Session, urls: list[str], there: Any) -> int:
    """Each URL in turn. The exit code is the lowest that is not 0."""
    began_at = session.node.engine.now()
    results = []
    for text in urls:
        try:
            results.append(session.fetch(parse_url(text), there))
        except ValueError as e:
            results.append(WgetResult(text, exit_code=1, error=str(e)))
            say(f"{printable(str(e))}\n")
    session.report.end(results, session.node.engine.now() - began_at)
    return min((result.exit_code for result in results if not result), default=0)


class MissingUrl(UsageError):
    pass


LONG = {
    "output-document=": "-O", "continue": "-c", "quiet": "-q", "no-verbose": "-n", "verbose": "-v",
    "server-response": "-S", "timeout=": "-T", "tries=": "-t", "header=": "", "max-redirect=": "", "json": "",
    "help": "-h",
}  # fmt: skip


class CommandLine:
    """wget's words, understood. Raises UsageError."""

    def __init__(self, arguments: list[str]) -> None:
        found, self.urls = split(arguments, "O:cqn:vST:t:h", list(LONG))
        short = {f"--{name.rstrip('=')}": letter for name, letter in LONG.items() if letter}
        self.options = Options()
        self.output: str | None = None
        self.kind = ""  # the option that says what to print
        self.is_help = self.shows_headers = False
        for option, value in found:
            self._option(short.get(option, option), value)
        if self.kind == "--json" and self.output == "-":
            raise UsageError("--json and -O - would both go to standard output")
        if not self.urls and not self.is_help:
            raise MissingUrl("missing URL", shows_usage=True)

    def _option(self, option: str, value: str) -> None:
        options = self.options
        if option == "-n" and value not in ("", "v"):
            raise UsageError(f"invalid option -- 'n{value}'", shows_usage=True)
        if option in ("-q", "-n", "-v", "--json"):
            self.kind = self.kind if self.kind == "--json" else option
        elif option == "-h":
            self.is_help = True
        elif option == "-S":
            self.shows_headers = True
        elif option == "-c":
            options.resume = True
        elif option == "-O":
            self.output = value
        elif option == "-T":
            options.timeout = _seconds(value)
        elif option == "-t":
            options.tries = 0 if value == "inf" else _number("--tries", value)
        elif option == "--max-redirect":
            options.max_redirect = _number(option, value)
        else:
            options.headers = [*options.headers, _header(value)] if value else []

    def report(self, node: Host) -> Report:
        if self.kind == "--json":
            return Json()
        if self.kind == "-q":
            return Quiet(self.shows_headers)
        kind = {"-n": Brief, "-v": Verbose}.get(self.kind, Text)
        return kind(node.engine.wall, node.engine.is_virtual, self.shows_headers)


def _seconds(text: str) -> float:
    try:
        seconds = float(plain(text))
    except ValueError:
        raise UsageError(f"--timeout: Invalid time period ‘{text}’") from None
    if seconds < 0:
        raise UsageError(f"--timeout: Negative time period ‘{text}’")
    return seconds


def _number(option: str, text: str) -> int:
    try:
        return whole(text)
    except ValueError:
        raise UsageError(f"{option}: Invalid number ‘{text}’.") from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name or "\n" in text or "\r" in text:
        raise UsageError(f"--header: Invalid header ‘{text}’.")
    return name, value.strip()


register(App("wget", wget, command, "fetch a file over http", MANUAL, None, USAGE))
