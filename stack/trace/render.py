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
from stack.trace.info import columns
from stack.trace.layer import Field, Layer
from stack.trace.recorder import Comment, Entry, Note
from stack.wire import tcp

STYLES = {
    "ARP": Style(color="yellow"),
    "ICMP": Style(color="magenta"),
    "TCP": Style(color="green"),
    "UDP": Style(color="cyan"),
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
}


class Arrows(NamedTuple):
    """The characters a terminal's encoding allows."""

    right: str


UNICODE = Arrows("→")
ASCII = Arrows("->")


def line(entry: Entry, started: float, arrows: Arrows = UNICODE) -> Text:
    """One frame in one line; times count from `started`, seconds on the clock of the entries."""
    layers = dissect(entry)
    shown = columns(layers, arrows.right)
    style = STYLES.get(shown.protocol, OTHER)
    if layers.tcp is not None and layers.tcp.flags & (tcp.SYN | tcp.FIN | tcp.RST):
        style = style + (Style(color="red") if layers.tcp.flags & tcp.RST else BOLD)
    text = Text(no_wrap=True)
    text.append(f"{entry.number:>5} {entry.time - started:>10.6f} ", DIM)
    text.append(f"{shown.source:>12} {arrows.right} {shown.destination:<12} ")
    text.append(f"{shown.protocol} {entry.size} {shown.info}", style)
    for words, wrong in remarks(entry, layers):
        text.append(f" [{words}]", WRONG if wrong else SAID)
    return text


def remarks(entry: Entry, layers: Layers) -> list[tuple[str, bool]]:
    """What is to be said of a frame beside what is in it, and whether that is bad news."""
    said: list[tuple[str, bool]] = []
    if entry.why is not None:
        said.append((str(entry.why), not isinstance(entry.why, Retransmit)))
    said += [(str(note), isinstance(note, (Dropped, Fault))) for note in entry.notes]
    if layers.reason is not None and not any(isinstance(note, Dropped) for note in entry.notes):
        said.append((layers.reason.value, True))  # malformed, but nobody dropped it: we sent it, or it was not for us
    return said


def note_line(note: Note, started: float) -> Text:
    """An event of its own, in the columns of a frame's line."""
    text = Text(no_wrap=True)
    text.append(f"{'*':>5} {note.time - started:>10.6f} ", DIM)
    text.append(str(note.event), WRONG if isinstance(note.event, (Dropped, Fault)) else SAID)
    return text


def gap_line(count: int) -> Text:
    return Text(f"{'':>5} +{count} frame{'s' if count != 1 else ''} not shown", DIM, no_wrap=True)


def tree(entry: Entry, started: float, after: Iterable[Event] = (), limit: int | None = None) -> Text:
    """Every field of a frame, and its bytes up to `limit`; `after` is what happened between it and the next."""
    layers = dissect(entry)
    way = "sent on" if entry.outgoing else "received on"
    text = Text(no_wrap=True)
    text.append(
        f"Frame {entry.number}: {entry.size} bytes {way} {entry.interface} at {entry.time - started:.6f} s\n", BOLD
    )
    for words, wrong in remarks(entry, layers):
        text.append(f"    [{words}]\n", WRONG if wrong else SAID)
    if entry.offload is not None and entry.offload.gso_size:
        segments = f"cut into segments of {entry.offload.gso_size} bytes by the device"
        text.append(f"    [{segments if entry.outgoing else segments.replace('cut into', 'joined from')}]\n", SAID)
    for layer in layers:
        _append_layer(text, layer, 0)
    for event in after:
        text.append(f"Then: {event}\n", SAID)
    text.append("\n")
    text.append_text(hexdump(layers.data, layers, limit))
    return text


def _append_layer(text: Text, layer: Layer, depth: int) -> None:
    text.append(f"{'    ' * depth}{layer.title}", LAYER_STYLES.get(layer.name, OTHER) + BOLD)
    if layer.reason is not None:
        text.append(f" [{layer.reason.value}]", WRONG)
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
