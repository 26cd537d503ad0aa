"""ping(8): `ping('192.168.1.1')` at the prompt and in programs, `ping -c 3 192.168.1.1` as a command.

Output and exit codes are iputils': 0 if a reply came, 1 if none did (or fewer than the count before the deadline), 2
for anything else. It refuses options that iputils has and this has not, with the list of those it has.
"""

from __future__ import annotations

import sys

from apps.host import Host, current_host
from apps.ping.pinger import Options, Pinger, PingError, PingResult
from apps.ping.report import Json, Report, Text
from apps.registry import App, register
from apps.usage import Interrupted, UsageError, complain, plain, split

USAGE = """\
usage: ping [options] HOST
  -c COUNT      stop after COUNT replies
  -i INTERVAL   seconds between two probes (1)
  -W TIMEOUT    seconds to wait for the last reply while none has come (10); 0 for ever
  -w DEADLINE   seconds after which to stop, whatever has come; 0 for none
  -s SIZE       bytes of data (56)
  -t TTL        time to live of the probes
  -q            only the statistics
  -n            no names for addresses
  -D            a timestamp before each line
  -O            say so when a probe has no reply by the time of the next
  -b            allow a broadcast address
  --json        one JSON document at the end instead of text"""

COUNT = 3  # unless somebody says otherwise, on the command line apart

MANUAL = """\
ping(host, count=3, interval=1.0, timeout=10.0, deadline=None, size=56, ttl=None,
     quiet=False, numeric=False, timestamps=False, outstanding=False, broadcast=False)

Prints what ping(8) prints and returns the result: .received, .loss, .rtt_avg (seconds), .times ...
It is true if a reply came. count=None goes on until Ctrl-C."""


def ping(
    host: str,
    count: int | None = COUNT,
    interval: float = 1.0,
    timeout: float = 10.0,
    deadline: float | None = None,
    size: int = 56,
    ttl: int | None = None,
    quiet: bool = False,
    numeric: bool = False,
    timestamps: bool = False,
    outstanding: bool = False,
    broadcast: bool = False,
    node: Host | None = None,
) -> PingResult:
    """Send `count` echo requests to `host`, one each `interval` seconds, and print what ping(8) prints.

    Times are in seconds, `size` in bytes of data; `node` is the current one. Raises PingError (an OSError) if the host
    has no address or there is no route, ValueError for a number out of range. Ctrl-C prints the statistics; it is
    raised again unless `count` is None, where it is the way to end.
    """
    options = Options(
        count, interval, timeout, deadline, size, ttl, quiet, numeric, timestamps, outstanding, broadcast
    )  # fmt: skip
    result = exchange(Pinger(host, options, node or current_host()), Text())
    if result.is_interrupted and count is not None:
        raise Interrupted
    return result


def exchange(pinger: Pinger, report: Report) -> PingResult:
    """Run one ping to its end, which may be Ctrl-C, and have it reported."""
    report.start(pinger)
    try:
        for happening in pinger.run():
            report.show(pinger, happening)
    except KeyboardInterrupt:
        pinger.result.is_interrupted = True
    finally:
        pinger.close()
    report.end(pinger)
    return pinger.result


def typed(node: Host, arguments: list[str]) -> int:
    """The command as typed at the prompt: it ends after a few replies, like the function."""
    return command(node, arguments, COUNT)


def command(node: Host, arguments: list[str], count: int | None = None) -> int:
    """The command: its exit code. `count` counts if neither -c nor -w is given."""
    try:
        options, host, is_json = parse(arguments)
        if options.count is None and not options.deadline:
            options.count = count
        if host is None:
            print(USAGE)
            return 0
        result = exchange(Pinger(host, options, node), Json() if is_json else Text())
    except UsageError as e:
        complain("ping", e, USAGE)
        return 2
    except (PingError, ValueError) as e:
        print(f"ping: {e}", file=sys.stderr)
        return 2
    is_short = bool(options.deadline) and options.count is not None and result.received < options.count
    return 1 if not result or is_short else 0


VALUES: dict[str, tuple[str, type[int] | type[float]]] = {
    "-c": ("count", int),
    "-i": ("interval", float),
    "-W": ("timeout", float),
    "-w": ("deadline", float),
    "-s": ("size", int),
    "-t": ("ttl", int),
}
FLAGS = {"-q": "quiet", "-n": "numeric", "-D": "timestamps", "-O": "outstanding", "-b": "broadcast"}


def parse(arguments: list[str]) -> tuple[Options, str | None, bool]:
    """Options, the host (None: help is wanted) and whether as JSON. Raises UsageError."""
    found, rest = split(arguments, "c:i:W:w:s:t:qnDOb4h", ["json", "help"])
    options, is_json = Options(), False
    for option, value in found:
        if option in ("-h", "--help"):
            return options, None, False
        if option in VALUES:
            name, kind = VALUES[option]
            try:
                setattr(options, name, kind(plain(value)))
            except ValueError:
                raise UsageError(f"invalid argument: '{value}'") from None
        elif option in FLAGS:
            setattr(options, FLAGS[option], True)
        is_json |= option == "--json"
    if len(rest) != 1:
        raise UsageError("usage error: " + ("one destination at a time" if rest else "Destination address required"))
    return options, rest[0], is_json


register(App("ping", ping, command, "send ICMP echo requests to a host", MANUAL, typed, USAGE))
