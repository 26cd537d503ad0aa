"""A frame as text: the one line tshark would print, and the whole tree with its bytes, coloured by protocol.

The line has tshark's default columns; behind them stands what the stack has to say about the packet. Colours are rich
`Text`; `to_ansi` makes the string a terminal takes. Nothing here writes anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.color import ColorSystem
from rich.style import Style
from rich.text import Text

from stack.events import Dropped, Event, Fault, Retransmit
from stack.trace.dissect import Layers, dissect
from stack.trace.dissectors import BUILT_IN, Dissectors
from stack.trace.info import Columns, columns
from stack.trace.layer import Field, Layer
from stack.trace.recorder import Comment, Entry, Note
from stack.wire import tcp

STYLES = {
    "ARP": Style(color="yellow"),
    "ICMP": Style(color="magenta"),
    "TCP": Style(color="green"),
    "UDP": Style(color="cyan"),
    "DHCP": Style(color="bright_yellow"),
    "BOOTP": Style(color="bright_yellow"),
    "DNS": Style(color="bright_blue"),
    "HTTP": Style(color="bright_green"),
}
OTHER = Style(color="blue")
DIM = Style(dim=True)
BOLD = Style(bold=True)
WRONG = Style(color="red", bold=True)
SAID = Style(color="yellow", bold=True)  # what the stack says of a packet it did not drop
LAYER_STYLES = {
    "ethernet": Style(color="blue"),
    "arp": STYLES["ARP"],
    "ip": Style(color="white", bold=True),
    "icmp": STYLES["ICMP"],
    "tcp": STYLES["TCP"],
    "udp": STYLES["UDP"],
    "dhcp": STYLES["DHCP"],
    "dns": STYLES["DNS"],
    "http": STYLES["HTTP"],
    "own": Style(color="bright_magenta"),
}
MAX_ADDRESS = 17  # characters an address column grows to: a MAC address
MAX_PROTOCOL = 8


class Arrows(NamedTuple):
    """The characters a terminal's encoding allows."""

    right: str


UNICODE = Arrows("→")
ASCII = Arrows("->")


class Widths:
    """How wide the columns are: as tshark has them, and from then on as wide as anything has needed."""

    def __init__(self) -> None:
        self.source = self.destination = 12
        self.protocol = self.size = 0

    def fit(self, shown: Columns, size: int) -> None:
        self.source = max(self.source, min(len(shown.source), MAX_ADDRESS))
        self.destination = max(self.destination, min(len(shown.destination), MAX_ADDRESS))
        self.protocol = max(self.protocol, min(len(shown.protocol), MAX_PROTOCOL))
        self.size = max(self.size, len(str(size)))


class Row(NamedTuple):
    """A frame's line, before it is known how wide the columns are. `time` is seconds from the start."""

    number: int
    time: float
    size: int
    shown: Columns
    style: Style
    remarks: list[tuple[str, bool]]


def row(entry: Entry, started: float, arrows: Arrows = UNICODE, dissectors: Dissectors = BUILT_IN) -> Row:
    """Times count from `started`, seconds on the clock of the entries."""
    layers = dissect(entry, dissectors)
    shown = columns(layers, arrows.right)
    style = style_of(layers, shown.protocol)
    return Row(entry.number, entry.time - started, entry.size, shown, style, remarks(entry, layers))


def laid_out(row: Row, widths: Widths, arrows: Arrows = UNICODE) -> Text:
    """The line, in columns that are made as wide as it needs."""
    shown = row.shown
    widths.fit(shown, row.size)
    text = Text(no_wrap=True)
    text.append(f"{row.number:>5} {row.time:>10.6f} ", DIM)
    text.append(f"{shown.source:>{widths.source}} {arrows.right} {shown.destination:<{widths.destination}} ")
    text.append(f"{shown.protocol:<{widths.protocol}} {row.size:>{widths.size}} {shown.info}", row.style)
    return with_remarks(text, row.remarks)


def line(
    entry: Entry,
    started: float,
    arrows: Arrows = UNICODE,
    dissectors: Dissectors = BUILT_IN,
    widths: Widths | None = None,
) -> Text:
    """One frame in one line, in columns of its own unless there are `widths`."""
    return laid_out(row(entry, started, arrows, dissectors), widths or Widths(), arrows)


def style_of(layers: Layers, protocol: str = "") -> Style:
    """A line's colour: its protocol's, and what opens or ends a connection stands out."""
    style = STYLES.get(protocol or columns(layers, "").protocol, OTHER)
    if layers.tcp is not None and layers.tcp.flags & (tcp.SYN | tcp.FIN | tcp.RST):
        style = style + (Style(color="red") if layers.tcp.flags & tcp.RST else BOLD)
    return style


def with_remarks(text: Text, said: Iterable[tuple[str, bool]]) -> Text:
    for words, wrong in said:
        text.append(f" [{words}]", WRONG if wrong else SAID)
    return text


def remarks(entry: Entry, layers: Layers) -> list[tuple[str, bool]]:
    """What is to be said of a frame beside what is in it, and whether that is bad news."""
    said: list[tuple[str, bool]] = []
    if entry.why is not None:
        said.append((str(entry.why), not isinstance(entry.why, Retransmit)))
    said += [(str(note), note.is_bad if isinstance(note, Comment) else _is_bad(note)) for note in entry.notes]
    if layers.reason is not None and not any(wrong and "dropped" in words for words, wrong in said):
        said.append((layers.reason.value, True))  # malformed, but nobody dropped it: we sent it, or it was not for us
    said += [(fault, True) for fault in layers.faults]
    return said


def _is_bad(event: Event) -> bool:
    return isinstance(event, (Dropped, Fault))


def note_line(note: Note, started: float) -> Text:
    """An event of its own, in the columns of a frame's line."""
    text = Text(no_wrap=True)
    text.append(f"{'*':>5} {note.time - started:>10.6f} ", DIM)
    return text.append_text(note_words(note))


def note_words(note: Note) -> Text:
    return Text(str(note.event), WRONG if _is_bad(note.event) else SAID)


def gap_line(count: int) -> Text:
    return Text(f"{'':>5} +{count} frame{'s' if count != 1 else ''} not shown", DIM, no_wrap=True)


def tree(
    entry: Entry,
    started: float,
    after: Iterable[Event] = (),
    limit: int | None = None,
    dissectors: Dissectors = BUILT_IN,
) -> Text:
    """Every field of a frame, and its bytes up to `limit`; `after` is what happened between it and the next."""
    layers = dissect(entry, dissectors)
    way = {True: " sent", False: " received", None: ""}[entry.outgoing]
    where = f" on {entry.interface}" if entry.interface else ""
    text = Text(no_wrap=True)
    text.append(f"Frame {entry.number}: {entry.size} bytes{way}{where} at {entry.time - started:.6f} s\n", BOLD)
    if entry.missing:
        text.append(f"    [only the first {len(layers.data)} bytes were captured]\n", SAID)
    for words, wrong in remarks(entry, layers):
        text.append(f"    [{words}]\n", WRONG if wrong else SAID)
    if entry.offload is not None and entry.offload.gso_size:
        segments = f"cut into segments of {entry.offload.gso_size} bytes by the device"
        text.append(f"    [{segments if entry.outgoing else segments.replace('cut into', 'joined from')}]\n", SAID)
    for layer in layers:
        _append_layer(text, layer, 0)
    for event in after:
        text.append(f"Then: {event}\n", SAID)
    if limit != 0:
        text.append("\n")
        text.append_text(hexdump(layers.data, layers, limit))
    return text


def _append_layer(text: Text, layer: Layer, depth: int) -> None:
    text.append(f"{'    ' * depth}{layer.title}", LAYER_STYLES.get(layer.name, OTHER) + BOLD)
    wrong = layer.reason.value if layer.reason is not None else layer.fault
    if wrong:
        text.append(f" [{wrong}]", WRONG)
    text.append("\n")
    for field in layer.fields:
        _append_field(text, field, depth + 1)
    for inner in layer.inner:
        _append_layer(text, inner, depth + 1)


def _append_field(text: Text, field: Field, depth: int) -> None:
    text.append(f"{'    ' * depth}{field.name}{': ' if field.value else ''}", DIM)
    text.append(f"{field.value}\n", WRONG if "(wrong" in field.value or field.name == "Malformed" else "")
    for inner in field.inner:
        _append_field(text, inner, depth + 1)


def hexdump(data: bytes, layers: Iterable[Layer] = (), limit: int | None = None) -> Text:
    """Sixteen bytes a line, in hexadecimal and as ASCII, each in its layer's colour; at most `limit` bytes."""
    layers = list(layers)
    text = Text(no_wrap=True)
    for offset in range(0, len(data) if limit is None else min(limit, len(data)), 16):
        row = data[offset : offset + 16]
        pieces = [(row[start:end], start, style) for start, end, style in _pieces(layers, offset, len(row))]
        text.append(f"{offset:04x}  ", DIM)
        for piece, start, style in pieces:
            text.append(
                "".join(f"{byte:02x}" + ("  " if i == 7 else " ") for i, byte in enumerate(piece, start)), style
            )
        text.append(" " * (50 - 3 * len(row) - (len(row) > 7)))
        for piece, _, style in pieces:
            text.append("".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece), style)
        text.append("\n")
    if limit is not None and len(data) > limit:
        text.append(f"... {len(data) - limit} bytes more\n", DIM)
    return text


def _pieces(layers: list[Layer], offset: int, length: int) -> Iterator[tuple[int, int, Style]]:
    """A row cut where a layer ends: (start, end, style), counted from the row's first byte."""
    start = 0
    for layer in layers:
        end = min(layer.end - offset, length)
        if end > start:
            yield start, end, LAYER_STYLES.get(layer.name, Style())
            start = end
    if start < length:
        yield start, length, Style()


def to_ansi(text: Text, color: bool) -> str:
    """The text as a terminal takes it, with escape sequences for 16 colours or with none."""
    if not color:
        return text.plain
    parts = []
    at = 0
    for start, end, style in text.spans:
        if start > at:
            parts.append(text.plain[at:start])
        if isinstance(style, str):
            style = Style.parse(style)
        parts.append(style.render(text.plain[start:end], color_system=ColorSystem.STANDARD))
        at = end
    parts.append(text.plain[at:])
    return "".join(parts)
