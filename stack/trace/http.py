"""HTTP/1 in words (RFC 9112): the first line of a segment that begins with one, and its header fields in the tree.

A segment is read for itself: what a header's later segments and a body hold is shown as TCP's data.
"""

from __future__ import annotations

import re

from stack.trace.layer import Application, Field, Layer, data_layer, printable

METHODS = b"GET|HEAD|POST|PUT|DELETE|OPTIONS|TRACE|CONNECT|PATCH"
# RFC 9112 3, 4. The end of line may be a bare LF (2.2); within one segment it must be there.
FIRST = re.compile(rb"(?:(?:%s) [^ \r\n]+ HTTP/1\.[0-9]|HTTP/1\.[0-9] [0-9]{3}[^\r\n]*)\r?\n" % METHODS)
MAX_FIELDS = 200


def over_tcp(payload: bytes, start: int) -> Application | None:
    """A segment that begins with a request or status line; None for any other."""
    match = FIRST.match(payload)
    if match is None:
        return None
    first = _text(match.group().rstrip(b"\r\n"))
    end = _end_of_header(payload)
    # Where the segment ends within a line, the line is none yet.
    lines = payload[match.end() : payload.rfind(b"\n") + 1 if end is None else end].splitlines()
    layer = Layer("http", f"Hypertext Transfer Protocol, {first}", start, start + (end or len(payload)))
    layer.fields = [_field(line) for line in lines[:MAX_FIELDS] if line]
    if any(field.name == "Malformed" for field in layer.fields):
        layer.fault = "malformed HTTP header"
    if end is None:
        layer.fields.append(Field("(the header goes on in the next segment)", ""))
        return Application("HTTP", first, [layer])
    kind = next((field.value for field in layer.fields if field.name.lower() == "content-type"), "")
    body = data_layer("Body", payload[end:], start + end)
    info = f"{first}  ({kind.partition(';')[0].strip()})" if kind and body else first
    return Application("HTTP", info, [layer, *body])


def _end_of_header(payload: bytes) -> int | None:
    """Where the body begins, None if the header's end is not in this segment."""
    match = re.search(rb"\n\r?\n", payload)
    return None if match is None else match.end()


def _field(line: bytes) -> Field:
    name, colon, value = line.partition(b":")
    # RFC 9112 5.1: no space between the name and the colon; 5.2: a line that begins with one belongs to the last.
    if not colon or not name or name != name.strip():
        return Field("Malformed", _text(line))
    return Field(_text(name), _text(value.strip()))


def _text(data: bytes) -> str:
    return printable(data.decode("latin-1"))
