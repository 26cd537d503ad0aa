"""nc(1): `nc('192.168.1.1', 7)` at the prompt and in programs, `nc 192.168.1.1 7` as a command.

Options, output and exit codes are those of Debian's netcat-openbsd: 0 if a connection was made, 1 if not and for
whatever makes no sense. It refuses the options that it has not, with the list of those it has.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from socket import getservbyname  # asks a file of this machine's, nobody on a network

from apps.host import Host, current_host
from apps.nc.report import Output, Quiet, Report, Verbose, document
from apps.nc.result import NcError, NcResult, Options
from apps.nc.session import Session
from apps.nc.source import DATAGRAM, PIECE, Given, Nobody, Source, standard_input
from apps.registry import App, register
from apps.usage import Interrupted, UsageError, complain, plain, split

USAGE = """\
usage: nc [options] HOST PORT...
       nc [options] -l [ADDRESS] PORT
  -l            listen, instead of connecting
  -k            with -l: when one connection is over, take the next
  -u            UDP instead of TCP
  -z            only see which ports are open: 20-30 are several
  -v            say what happens, on standard error
  -w SECONDS    wait so long for a connection, and for anything to be said
  -N            tell the other side when standard input ends
  -q SECONDS    as -N, and quit that long after; -1 never
  -d            do not read standard input
  -n            no names, neither asked for nor understood
  -p PORT       the port to speak from; with -l the one to listen at
  -s ADDRESS    the address to speak from, or to listen at
  -C            send each newline as carriage return and newline
  -b            allow a broadcast address
  --json        one JSON document at the end instead of what came"""

MANUAL = """\
nc(host='', port=None, data=None, listen=False, udp=False, scan=False, verbose=None, wait=None, keep=False,
   shutdown=False, numeric=False, source='', source_port=0, quit_after=None, crlf=False, broadcast=False)

What is typed goes there, what comes from there is printed. Ctrl-D ends what you say, Ctrl-C the conversation.
With data=b'...' that is sent, nothing is printed, and the result's .received is what came.
scan=True only sees which of port='20-30' are open: .open_ports. listen=True waits for somebody at the port."""


def nc(
    host: str = "",
    port: int | str | Iterable[int] | None = None,
    data: bytes | None = None,
    listen: bool = False,
    udp: bool = False,
    scan: bool = False,
    verbose: bool | None = None,
    wait: float | None = None,
    keep: bool = False,
    shutdown: bool = False,
    numeric: bool = False,
    source: str = "",
    source_port: int = 0,
    quit_after: float | None = None,
    crlf: bool = False,
    broadcast: bool = False,
    node: Host | None = None,
) -> NcResult:
    """Talk to a port, or wait at one for somebody who does.

    Without `data` standard input is sent and what comes goes to standard output. With it, it is sent, its end is told
    to the other side, and what comes is in the result's `received`; over UDP, which knows no end, a second's silence is
    the end then. `wait` and `quit_after` are seconds, `port` may be a service's name or a range '20-30', `verbose` is
    off with `data` and else on, `node` is the current one. Raises NcError (an OSError) for a host without an address
    and an address of ours that cannot be had; a connection that is refused is in the result, which is false then.
    """
    _check_types(host, source, data)
    is_verbose = data is None if verbose is None else verbose
    if data is not None:
        shutdown, wait = True, 1.0 if udp and wait is None else wait
    if listen:
        host, port, source_port = host or source, source_port or None if port is None else port, 0
    if source_port:
        source_port = _port(str(source_port), udp)
    options = Options(
        host, port_numbers(port, udp), listen, udp, scan, is_verbose, wait, keep, shutdown, numeric, source,
        source_port, quit_after, crlf, broadcast, True,
    )  # fmt: skip
    options.check()
    here = node or current_host()
    report: Report = Verbose(options, here, True) if is_verbose else Quiet()
    if data is None:
        talker, output = _source(here, options, False), Output()
        try:
            result = _converse(Session(options, here, talker, output.write, report), talker, talker.is_terminal or keep)
        finally:
            output.end()
        result.is_streamed = is_verbose or not scan
        return result
    received = bytearray()
    talker = Given(data, DATAGRAM if udp else PIECE)
    result = _converse(Session(options, here, talker, received.extend, report), talker, False)
    result.received, result.is_streamed = bytes(received), False
    return result


def _check_types(host: object, source: object, data: object) -> None:
    for what in (host, source):
        if not isinstance(what, str):
            raise NcError(None, f"a host is a name or an address, not {what!r}")
    if data is not None and not isinstance(data, (bytes, bytearray, memoryview)):
        raise NcError(None, f"data is bytes, b'...', not {data!r}")


def _converse(session: Session, source: Source, ends_by_interrupt: bool) -> NcResult:
    """One run of nc; Ctrl-C is raised again unless it is the way to end."""
    try:
        return session.run()
    except KeyboardInterrupt:
        if not ends_by_interrupt:
            raise Interrupted from None
        return session.result
    finally:
        source.close()


def _source(node: Host, options: Options, is_silent: bool) -> Source:
    if is_silent:
        return Nobody()
    return standard_input(node, DATAGRAM if options.udp else PIECE)


def command(node: Host, arguments: list[str]) -> int:
    """The command: its exit code."""
    try:
        options, flags = parse(arguments)
        if "help" in flags:
            print(USAGE)
            return 0
        options.check()
        return _run(node, options, "-d" in flags, "--json" in flags)
    except UsageError as e:
        complain("nc", e, USAGE)
    except NcError as e:
        print(f"nc: {e}", file=sys.stderr)
    return 1


def _run(node: Host, options: Options, is_silent: bool, is_json: bool) -> int:
    received = bytearray()
    source = _source(node, options, is_silent)
    options.is_ours = is_json
    report: Report = Verbose(options, node) if options.verbose else Quiet()
    session = Session(options, node, source, received.extend if is_json else Output().write, report)
    try:
        result = _converse(session, source, False)
    finally:
        if is_json:
            Output().write(f"{document(options, session.result, bytes(received))}\n".encode())
    return 0 if result or options.listen else 1


FLAGS = {
    "-l": "listen", "-k": "keep", "-u": "udp", "-z": "scan", "-v": "verbose", "-N": "shutdown", "-n": "numeric",
    "-C": "crlf", "-b": "broadcast",
}  # fmt: skip
MAX_SECONDS = 2**31 // 1000


def parse(arguments: list[str]) -> tuple[Options, set[str]]:
    """Options, and those of the words that are none of nc's own: -d, --json, help. Raises UsageError, NcError."""
    found, rest = split(arguments, "lkuzvNnCbdw:q:p:s:4h", ["json", "help"])
    options, flags = Options(), set()
    for option, value in found:
        if option in FLAGS:
            setattr(options, FLAGS[option], True)
        elif option == "-w":
            options.wait = _seconds("timeout", value, 0)
        elif option == "-q":
            seconds = _seconds("quit timer", value, -(2**31))
            options.quit_after = None if seconds < 0 else seconds
        elif option == "-s":
            options.source = value
        elif option == "-p":
            options.source_port = _port(value, options.udp)
        else:
            flags.add("help" if option in ("-h", "--help") else option)
    if not arguments:
        raise UsageError("a host and a port, please", shows_usage=True)
    _destination(options, rest)
    return options, flags


def _destination(options: Options, words: list[str]) -> None:
    """HOST PORT..., or with -l [ADDRESS] PORT, of which either may be an option."""
    if options.listen:
        if options.source_port and len(words) < 2:
            options.host, options.ports = (words or [options.source])[0], [options.source_port]
        elif 0 < len(words) <= 2 and not options.source_port:
            options.host = words[0] if len(words) == 2 else options.source
            options.ports = port_numbers(words[-1], options.udp)[:1]
        elif words:
            raise UsageError("-l takes an address and a port", shows_usage=True)
    elif words:
        options.host = words[0]
        options.ports = [number for word in words[1:] for number in port_numbers(word, options.udp)]


def _seconds(what: str, text: str, least: int) -> float:
    """A whole number of seconds; netcat's words for what is none."""
    try:
        seconds = int(plain(text))
    except ValueError:
        raise NcError(None, f"{what} invalid: {text}") from None
    if not least <= seconds <= MAX_SECONDS:
        raise NcError(None, f"{what} too {'small' if seconds < least else 'large'}: {text}")
    return float(seconds)


def port_numbers(ports: int | str | Iterable[int] | None, is_udp: bool = False) -> list[int]:
    """7, 'echo', '20-30' or several numbers as a list. Raises NcError."""
    if ports is None:
        return []
    if isinstance(ports, bytes) or not isinstance(ports, str | Iterable):
        return [_port(str(ports), is_udp)]
    if not isinstance(ports, str):
        return [_port(str(port), is_udp) for port in ports]
    low, dash, high = ports.partition("-")
    if not dash or not low or not low[0].isdigit():
        return [_port(ports, is_udp)]
    ends = sorted((_port(low, is_udp), _port(high, is_udp)))
    return list(range(ends[0], ends[1] + 1))


def _port(text: str, is_udp: bool) -> int:
    """A port's number, or a service's of that name."""
    if re.fullmatch("[0-9]+", text):
        number = int((text.lstrip("0") or "0")[:6])  # longer is too large as well
        if not 1 <= number <= 65535:
            raise NcError(None, f"port number too {'small' if number < 1 else 'large'}: {text}")
        return number
    try:
        return getservbyname(text, "udp" if is_udp else "tcp")
    except (OSError, UnicodeError, ValueError):
        raise NcError(None, f"port number invalid: {text}") from None


register(App("nc", nc, command, "talk to a port, or listen at one", MANUAL, None, USAGE, talks=True))
