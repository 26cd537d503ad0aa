"""What a frame is taken apart into: layers, each with its fields in words, and what a payload's protocol says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from stack.wire.drop import Drop


class Field(NamedTuple):
    """One field: its name, its value in words, and the fields it is made of."""

    name: str
    value: str
    inner: tuple[Field, ...] = ()


@dataclass(slots=True)
class Layer:
    """One protocol's part of a frame. `start` and `end` are byte offsets in the frame; `inner` is what it quotes.

    `reason` is why the stack refuses it; `fault` why those above the stack do, in words.
    """

    name: str
    title: str
    start: int
    end: int
    fields: list[Field] = field(default_factory=list)
    reason: Drop | None = None
    inner: list[Layer] = field(default_factory=list)
    fault: str = ""


class Application(NamedTuple):
    """A payload that has been read: the name for the column of protocols, the line's words, and its layers."""

    protocol: str
    info: str
    layers: list[Layer]


def data_layer(name: str, view: memoryview | bytes, start: int) -> list[Layer]:
    """The layer of bytes nobody reads; none if there are none."""
    if not len(view):
        return []
    return [Layer("data", f"{name} ({len(view)} byte{'s' if len(view) > 1 else ''})", start, start + len(view))]


def printable(text: str) -> str:
    """The text with what could disturb a terminal, or a line, escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
