"""`trace FILE [FILTER]`: a capture file, any tool's, as the trace at the prompt would show it.

Needs no node and opens no link. Exit codes: 0; 1 if the file cannot be read to its end, after showing what is there; 2
for a command line or a filter that makes no sense. It looks no names up and captures nothing: for that there is
`--pcap FILE` and `-w -` beside any command, and `trace.save` at the prompt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any

from rich.text import Text

from apps.registry import App, register
from apps.trace.document import Document
from apps.usage import UsageError, complain, number, split
from stack.trace.capture import CaptureError, read
from stack.trace.choice import Test, choose
from stack.trace.dissectors import BUILT_IN, Dissectors
from stack.trace.picture import COLUMNS, TCPDUMP, Picture
from stack.trace.recording import FileEntry, entries, open_capture
from stack.trace.screen import Screen

USAGE = """\
usage: trace [options] FILE [FILTER]
  -V            the whole tree of each frame instead of a line
  -x            the tree and the bytes of each frame
  -f NUMBER     the tree and the bytes of that frame only
  -c COUNT      stop after COUNT frames
  -r FILE       the file, as tcpdump and tshark are told it; - is standard input
  -n            accepted: names are never looked up
  --tcpdump     lines in tcpdump's format
  --json        a JSON array of frames instead of text; with -V, -x or -f, their fields too"""

MANUAL = """\
trace.on('tcp')            a line for each packet as it passes; FILTER is pcap-filter's: 'port 80', 'icmp or arp'
trace.on('tcp', tree=True) its whole tree; what is said last about a packet holds, so that
                           trace.on(); trace.also('udp port 53', tree=True); trace.off('arp')
                           shows lines, DNS as trees, and no ARP
trace.off()                no more
trace.format = 'tcpdump'   lines as tcpdump prints them; 'columns' as tshark does
trace.last(20, 'tcp')      the last lines of what passed, whether tracing was on or not
trace.show(12)             one packet with every field and byte
trace.save('x.pcapng')     what is kept, to a file for Wireshark; why packets were resent or dropped as their comments
trace.read('x.pcapng')     a file's packets; what it returns has .show(3), .lines('tcp'), .save('y.pcap')
c = trace.write_to('x.pcapng') ... c.close()    what is kept, and each packet from then on
@trace.dissector(port=4711)                     a protocol of your own, in lines and trees:
def chat(data): return 'CHAT', data.decode(), {'Length': len(data)}"""

AHEAD = 200  # frames that are looked at before the first is printed, to make the columns as wide as they need


@dataclass
class Options:
    file: str = ""
    test: Test | None = None
    has_trees: bool = False
    has_bytes: bool = False
    frame: int | None = None
    count: int | None = None
    format: str = COLUMNS
    is_json: bool = False


def command(settings: object, arguments: list[str]) -> int:
    """The command: its exit code. What the settings say of a node's trace is none of a file's."""
    return _run(arguments, BUILT_IN)


def typed(node: Any, arguments: list[str]) -> int:
    """The command at the prompt, where the trace's own dissectors read too."""
    return _run(arguments, node.trace.dissectors)


def _run(arguments: list[str], dissectors: Dissectors) -> int:
    try:
        options = parse(arguments)
        if options is None:
            print(USAGE)
            return 0
        with open_capture(options.file) as file:
            return _show(file, options, dissectors)
    except UsageError as e:
        complain("trace", e, USAGE)
        return 2
    except BrokenPipeError:
        raise
    except OSError as e:
        print(f"trace: {e.strerror or e}", file=sys.stderr)
        return 1


def parse(arguments: list[str]) -> Options | None:
    """None: help is wanted. Raises UsageError."""
    found, words = split(arguments, "Vxf:c:r:nh", ["tcpdump", "json", "help"])
    options = Options()
    for option, value in found:
        if option in ("-h", "--help"):
            return None
        if option == "-r":
            options.file = value
        elif option == "-f":
            options.frame = _count(option, value)
        elif option == "-c":
            options.count = _count(option, value)
        elif option == "--tcpdump":
            options.format = TCPDUMP
        options.is_json |= option == "--json"
        options.has_trees |= option in ("-V", "-x", "-f")
        options.has_bytes |= option in ("-x", "-f")
    if not options.file:
        if not words:
            raise UsageError("which file?", shows_usage=True)
        options.file = words.pop(0)
    try:
        options.test = choose(" ".join(words))
    except ValueError as e:
        raise UsageError(str(e).rpartition("\n")[0]) from None
    return options


def _count(option: str, text: str) -> int:
    count = number(option, text, int)
    if count < 1:
        raise UsageError(f"{option}: invalid argument: '{text}'")
    return count


def _show(file: IO[bytes], options: Options, dissectors: Dissectors) -> int:
    screen = Screen()
    picture = Picture(0.0, screen.arrows, options.format, dissectors)

    def begin(start: int) -> None:
        picture.zero = start

    failed = ""
    count = 0
    document = Document(sys.stdout.write, options.has_trees) if options.is_json else None
    try:
        packets = entries(read(file), begin)
        for entry in _ahead(_chosen(packets, options), picture, file, document is None and not options.has_trees):
            count += 1
            if document is not None:
                document.add(entry, picture)
            elif options.has_trees:
                tree = picture.tree(entry, limit=None if options.has_bytes else 0)
                screen.print([tree] if count == 1 else [Text(), tree])
            else:
                screen.print([picture.line(entry)])
    except CaptureError as e:
        failed = str(e)
    if document is not None:
        document.end()
    sys.stdout.flush()
    if not failed and options.frame is not None and not count:
        failed = f"there is no frame {options.frame}"
    if failed:
        print(f"trace: {options.file}: {failed}", file=sys.stderr)
    return 1 if failed else 0


def _chosen(packets: Iterator[FileEntry], options: Options) -> Iterator[FileEntry]:
    chosen: Iterable[FileEntry] = packets
    if options.frame is not None:
        chosen = islice((entry for entry in packets if entry.number == options.frame), 1)
    test: Callable[[FileEntry], object] | None = options.test
    return islice((entry for entry in chosen if test is None or test(entry)), options.count)


def _ahead(chosen: Iterator[FileEntry], picture: Picture, file: IO[bytes], has_columns: bool) -> Iterator[FileEntry]:
    """The frames, after a look at the first of them; never in a pipe, whose next packet may be long in coming."""
    if not has_columns or not os.path.isfile(file.fileno()):
        return chosen
    first: list[FileEntry] = []
    failure: CaptureError | None = None
    try:
        first.extend(islice(chosen, AHEAD))
    except CaptureError as e:
        failure = e
    picture.fit(first)
    return chain(first, chosen if failure is None else _failing(failure))


def _failing(failure: CaptureError) -> Iterator[FileEntry]:
    raise failure
    yield


register(
    App("trace", None, command, "a capture file's packets: trace x.pcapng 'tcp port 80'", MANUAL, typed, USAGE, False)
)
