"""Which frames to show, and how: what `trace.on` is given, as tests of an entry.

A text is a filter in libpcap's language (`stack.trace.filter`): 'tcp', 'arp or icmp', 'host 192.168.1.1 and port 80'.
It looks at the headers and the first bytes of the payload, however long the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from stack.trace.filter import FilterError, compile_filter
from stack.trace.frame import Frame
from stack.trace.recorder import Entry

Test = Callable[[Entry], object]
Wanted = str | Test | None

OFFERED = ("tcp", "udp", "icmp", "arp", "ip")  # the filters of one word that completion offers
SEEN = 512  # bytes of a payload a filter can look at
EXAMPLES = "'tcp', 'udp', 'icmp', 'arp', 'ip', 'port 80', 'host 192.168.1.1', 'tcp and not port 22'"


def choose(wanted: Wanted) -> Test | None:
    """The test for `wanted`: None for every frame, a filter text, or a function of an Entry.

    ValueError, saying what exists, if it is none of these.
    """
    if wanted is None or wanted == "":
        return None
    if callable(wanted):
        return wanted
    if not isinstance(wanted, str):
        raise ValueError(f"trace shows what a filter like {EXAMPLES} lets through, or a function; not {wanted!r}")
    try:
        test = compile_filter(wanted)
    except FilterError as error:
        raise ValueError(f"{error}\nA filter is pcap-filter's: {EXAMPLES}; or give a function of an entry") from None
    return lambda entry: test(_frame(entry))


def _frame(entry: Entry) -> Frame:
    head = entry.framed
    if entry.payload:
        head = bytes(head) + bytes(entry.payload[:SEEN])
    return Frame(head, entry.size, bool(entry.outgoing))


class Level(Enum):
    """How much of a frame is shown."""

    NOTHING = "not"
    LINE = "line"
    TREE = "tree"


class Watch(NamedTuple):
    """One word about some frames."""

    wanted: Wanted
    level: Level
    test: Test | None

    def __str__(self) -> str:
        what = "everything" if self.test is None else repr(self.wanted)
        return {"not": f"not {what}", "line": what, "tree": f"{what} as trees"}[self.level.value]


class ChoiceFailed(Exception):
    """The function given to choose frames raised; the message says so in one line."""


class Choice:
    """All words about what is to be shown. What was said last about a frame holds."""

    def __init__(self, watches: tuple[Watch, ...] = ()) -> None:
        self.watches = watches
        everything = next((watch.level for watch in reversed(watches) if watch.test is None), Level.NOTHING)
        self.has_events = everything is not Level.NOTHING  # what belongs to no frame is shown with everything

    def said(self, wanted: Wanted, level: Level) -> Choice:
        """With one word more. ValueError for a filter that makes no sense."""
        watch = Watch(wanted, level, choose(wanted))
        return Choice((watch,) if watch.test is None else (*self.watches, watch))

    def level(self, entry: Entry) -> Level:
        """How to show a frame. Raises ChoiceFailed."""
        try:
            for watch in reversed(self.watches):
                if watch.test is None or watch.test(entry):
                    return watch.level
        except (Exception, SystemExit) as error:
            raise ChoiceFailed(f"frame {entry.number}: {type(error).__name__}: {error}") from error
        return Level.NOTHING

    def __str__(self) -> str:
        if [watch.level for watch in self.watches if watch.test is None] == [Level.LINE]:
            return "".join(f", {watch}" for watch in self.watches[1:])
        return "".join(f", {watch}" for watch in self.watches)
