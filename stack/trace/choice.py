"""Which frames to show: what `trace.on` is given, as a test of an entry.

A text is a filter in libpcap's language (`stack.trace.filter`): 'tcp', 'arp or icmp', 'host 192.168.1.1 and port 80'.
It looks at the headers and the first bytes of the payload, however long the frame.
"""

from __future__ import annotations

from collections.abc import Callable

from stack.trace.filter import FilterError, compile_filter
from stack.trace.frame import Frame
from stack.trace.recorder import Entry

Test = Callable[[Entry], object]
Wanted = str | Test | None

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
