"""traceroute(8): `traceroute('10.7.0.9')` at the prompt and in programs, `traceroute -n 10.7.0.9` as a command.

Output and exit codes are those of Linux's traceroute 2.1: 0 whether the host was reached or not, 1 if nothing can be
sent, 2 for a host or an option that makes no sense. It refuses the options that it has not.
"""

from __future__ import annotations

import re
import sys

from apps.host import Host, current_host
from apps.registry import App, register
from apps.traceroute.report import Json, Report, Text
from apps.traceroute.tracer import Options, TraceError, Tracer, TraceResult
from apps.usage import Interrupted, UsageError, complain, number, split

USAGE = """\
usage: traceroute [options] HOST [PACKETLEN]
  -I            ICMP echo requests as probes, instead of UDP datagrams
  -n            no names for addresses
  -m HOPS       the most hops there may be (30)
  -q QUERIES    probes for each hop (3)
  -f HOP        the hop to begin with (1)
  -N PROBES     probes on their way at once (16)
  -p PORT       the first probe's UDP port or ICMP sequence number (33434; 1)
  -w MAX        seconds an answer is waited for (5); or MAX,HERE,NEAR (5,3,10): no more than HERE times as long as
                another of the same hop took, or NEAR times as long as one of a later hop
  -z PAUSE      seconds between two probes at least (0); above 10 it means milliseconds
  --json        one JSON document at the end instead of text"""

MANUAL = """\
traceroute(host, max_hops=30, queries=3, wait=5.0, first=1, numeric=False, icmp=False, sim=16, port=None,
           size=60, here=3.0, near=10.0, pause=0.0)

Prints what traceroute(8) prints and returns the result: .hops, each with .number, .addresses, .times (seconds)
and .answers. It is true if the host itself has answered.
Behind a time: !N, !H, !P the network, the host, the protocol is unreachable; !X prohibited; !S source route failed;
!F-1400 needs to be in fragments of that size; !V, !C precedence; !<NUMBER> another code. * is no answer."""


def traceroute(
    host: str,
    max_hops: int = 30,
    queries: int = 3,
    wait: float = 5.0,
    first: int = 1,
    numeric: bool = False,
    icmp: bool = False,
    sim: int = 16,
    port: int | None = None,
    size: int = 60,
    here: float = 3.0,
    near: float = 10.0,
    pause: float = 0.0,
    node: Host | None = None,
) -> TraceResult:
    """Find the routers on the way to `host`, and print what traceroute(8) prints.

    `wait` and `pause` are seconds, `size` bytes with the IP header; `port` is the first UDP port (33434), or with
    `icmp` the first sequence number (1); `node` is the current one. Raises TraceError (an OSError) if the host has no
    address or there is no route, ValueError for a number out of range.
    """
    options = Options(max_hops, queries, wait, here, near, first, numeric, icmp, sim, port, size, pause)
    return exchange(Tracer(host, options, node or current_host()), Text())


def exchange(tracer: Tracer, report: Report) -> TraceResult:
    """Run one trace to its end and have it reported; after Ctrl-C as far as it went."""
    report.start(tracer)
    try:
        tracer.open()
        for probe in tracer.run():
            report.show(tracer, probe)
    except KeyboardInterrupt:
        tracer.result.is_interrupted = True
        raise Interrupted from None
    finally:
        tracer.close()
        report.end(tracer)
    return tracer.result


def command(node: Host, arguments: list[str]) -> int:
    """The command: its exit code."""
    try:
        options, host, is_json = parse(arguments)
        if host is None:
            print(USAGE)
            return 0
        tracer = Tracer(host, options, node)
    except UsageError as e:
        complain("traceroute", e, USAGE)
        return 2
    except (TraceError, ValueError) as e:
        print(e, file=sys.stderr)
        return 2
    try:
        exchange(tracer, Json() if is_json else Text())
    except TraceError as e:
        print(e, file=sys.stderr)
        return 1
    return 0


NUMBERS: dict[str, str] = {"-m": "max_hops", "-q": "queries", "-f": "first", "-N": "sim", "-p": "port"}
LONG = {
    "max-hops=": "-m", "queries=": "-q", "first=": "-f", "sim-queries=": "-N", "port=": "-p", "wait=": "-w",
    "sendwait=": "-z", "icmp": "-I",
}  # fmt: skip


def parse(arguments: list[str]) -> tuple[Options, str | None, bool]:
    """Options, the host (None: help is wanted) and whether as JSON. Raises UsageError."""
    found, rest = split(arguments, "Inm:q:f:N:p:w:z:4h", ["json", "help", *LONG])
    options, is_json = Options(), False
    for option, value in found:
        short = LONG.get(option[2:], LONG.get(option[2:] + "=", option))
        if option in ("-h", "--help"):
            return options, None, False
        if short in NUMBERS:
            setattr(options, NUMBERS[short], number(option, value, _whole))
        elif short == "-w":
            options.wait, options.here, options.near = _waits(value)
        elif short == "-z":
            seconds = number(option, value, float)
            options.pause = seconds / 1000 if seconds > 10 else seconds
        options.icmp |= short == "-I"
        options.numeric |= short == "-n"
        is_json |= option == "--json"
    if len(rest) > 2:
        raise UsageError(f"extra argument '{rest[2]}'")
    if len(rest) == 2:
        options.size = number("packetlen", rest[1], _whole)
    return options, rest[0] if rest else None, is_json


def _whole(text: str) -> int:
    """A number as strtoul takes it: 0x10 and 010 too."""
    octal = re.fullmatch("[+-]?0[0-9]+", text)
    if not octal and not re.fullmatch("[+-]?(0x[0-9a-f]+|[0-9]+)", text, re.IGNORECASE):
        raise ValueError(f"not a number: {text!r}")
    return int(text, 8 if octal else 0)


def _waits(text: str) -> tuple[float, float, float]:
    """MAX, HERE, NEAR. With MAX alone the two others are off, as they were before there were any."""
    values = [number("-w", part, float) for part in re.split("[,/]", text)]
    if len(values) > 3:
        raise UsageError(f"-w: invalid argument: '{text}'")
    return (values[0], *values[1:], *[0.0] * (3 - len(values)))  # type: ignore[return-value]


register(App("traceroute", traceroute, command, "find the routers on the way to a host", MANUAL, None, USAGE))
