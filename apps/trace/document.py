"""Frames as a JSON array, one object each, written as they come.

number     from 1
time       seconds since the first frame
epoch      seconds since 1970, a string, for a double has no room for nanoseconds
interface  direction ("in", "out")    null if the file does not say
length     captured    bytes
source destination protocol info      as in the columns
comments   what the file says of the frame
malformed  what is wrong with it
layers     with their fields, if those are wanted: name, title, start, end, fields (name, value, fields)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from stack.trace.capture import BILLION
from stack.trace.dissect import dissect
from stack.trace.info import columns
from stack.trace.layer import Field, Layer
from stack.trace.picture import Picture
from stack.trace.recording import FileEntry
from stack.trace.render import remarks


class Document:
    """`write` takes text."""

    def __init__(self, write: Callable[[str], object], has_layers: bool) -> None:
        self._write = write
        self._has_layers = has_layers
        self._count = 0

    def add(self, entry: FileEntry, picture: Picture) -> None:
        text = json.dumps(self._frame(entry, picture))
        self._write(("[\n" if self._count == 0 else ",\n") + text)
        self._count += 1

    def end(self) -> None:
        self._write("\n]\n" if self._count else "[]\n")

    def _frame(self, entry: FileEntry, picture: Picture) -> dict[str, Any]:
        layers = dissect(entry, picture.dissectors)
        shown = columns(layers, "→")
        at = picture.at(entry.time)
        comments = [str(note) for note in entry.notes]
        frame: dict[str, Any] = {
            "number": entry.number,
            "time": entry.time,
            "epoch": f"{at // BILLION}.{at % BILLION:09d}",
            "interface": entry.interface or None,
            "direction": {True: "out", False: "in", None: None}[entry.outgoing],
            "length": entry.size,
            "captured": len(entry.head),
            **shown._asdict(),
            "comments": comments,
            "malformed": [words for words, is_bad in remarks(entry, layers) if is_bad and words not in comments],
        }
        if self._has_layers:
            frame["layers"] = [_layer(layer) for layer in layers]
        return frame


def _layer(layer: Layer) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": layer.name,
        "title": layer.title,
        "start": layer.start,
        "end": layer.end,
        "fields": [_field(field) for field in layer.fields],
    }
    if layer.inner:
        found["layers"] = [_layer(inner) for inner in layer.inner]
    return found


def _field(field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {"name": field.name, "value": field.value}
    if field.inner:
        found["fields"] = [_field(inner) for inner in field.inner]
    return found
