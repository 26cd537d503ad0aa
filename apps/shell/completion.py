"""Completion from live objects: names, attributes, arguments by name, and what fits into the quotes of a call.

Nothing is called to find out: only attributes of what the namespace already holds are looked at. An object says what
its methods take as strings by a `completions` attribute, a dict of method names to words.
"""

from __future__ import annotations

import builtins
import inspect
import keyword
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from apps.help import OBJECTS
from apps.registry import APPS
from apps.settings import TUNABLES
from services import KINDS

if TYPE_CHECKING:
    from apps.node import Node

IN_QUOTES = re.compile(r"([A-Za-z_][\w.]*)\(\s*(?:[\w.]+\s*=\s*)?[\"']([^\"']*)$")
ATTRIBUTE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.(\w*)$")
NAME = re.compile(r"([A-Za-z_]\w*)$")
OPEN_CALL = re.compile(r"([A-Za-z_][\w.]*)\((?:[^()]|\([^()]*\))*$")
COMMAND = re.compile(r"^\s*([a-z]+)\s+(?:.*\s)?(\S*)$")


class Found(NamedTuple):
    """`words` that may stand for the last `length` characters before the cursor."""

    length: int
    words: list[str]


def complete(text: str, namespace: dict[str, Any], node: Node) -> Found:
    """What may follow `text`, which is everything before the cursor."""
    line = text.rsplit("\n", 1)[-1]
    if line.lstrip().startswith("!"):
        return Found(0, [])
    quoted = IN_QUOTES.search(line)
    if quoted:
        words = _arguments(_look_up(quoted[1], namespace), node)
        return _matching(quoted[2], words)
    command = COMMAND.match(line)
    if command and command[1] in APPS and "(" not in line and "=" not in line:
        return _matching(command[2], _command_words(command[1], node))
    attribute = ATTRIBUTE.search(line)
    if attribute:
        return _attributes(_look_up(attribute[1], namespace), attribute[2])
    name = NAME.search(line)
    if name and not line[: name.start()].endswith("."):
        return _names(line, name[1], namespace)
    return Found(0, [])


def common_start(words: list[str]) -> str:
    """The characters all words begin with."""
    if not words:
        return ""
    first, last = min(words), max(words)  # in order, so that what these two share all do
    length = next((n for n, (a, b) in enumerate(zip(first, last)) if a != b), min(len(first), len(last)))
    return first[:length]


def columns(words: list[str], width: int) -> str:
    """The words in as many columns as `width` characters have room for, read downwards, as ls(1) has them."""
    cell = max(map(len, words)) + 2
    height = -(-len(words) // max(1, width // cell))
    rows = [words[row::height] for row in range(height)]
    return "\n".join("".join(f"{word:{cell}}" for word in row).rstrip() for row in rows)


def _matching(start: str, words: Iterable[str]) -> Found:
    return Found(len(start), [word for word in dict.fromkeys(words) if word.startswith(start)])


def _look_up(path: str, namespace: dict[str, Any]) -> Any:
    """The object a dotted name stands for, None if it stands for none."""
    first, *rest = path.split(".")
    value = namespace.get(first, getattr(builtins, first, None))
    for name in rest:
        try:
            value = getattr(value, name)
        except Exception:
            return None
    return value


def _arguments(function: Any, node: Node) -> list[str]:
    """What fits into the quotes of a call of `function`."""
    owner = getattr(function, "__self__", function)
    method = getattr(function, "__name__", "__call__") if owner is not function else "__call__"
    known = getattr(owner, "completions", None)
    if isinstance(known, dict):
        return list(known.get(method, ()))
    app = APPS.get(getattr(function, "__name__", ""))
    return _hosts(node) if app is not None and app.call is not None else []


def _hosts(node: Node) -> list[str]:
    return [host for host in (node.peer, "localhost") if host]


def _command_words(name: str, node: Node) -> list[str]:
    if name == "serve":
        return list(KINDS)
    if name == "conf":
        return list(TUNABLES)
    if name == "help":
        return [*APPS, *OBJECTS, *KINDS]
    return _hosts(node)


def _attributes(value: Any, start: str) -> Found:
    if value is None:
        return Found(0, [])
    names = [name for name in dir(value) if name.startswith(start) and (start or not name.startswith("_"))]
    if not start.startswith("_"):
        names = [name for name in names if not name.startswith("_")]
    return Found(len(start), [name + _parenthesis(_look_up(name, _Attributes(value))) for name in names])


class _Attributes(dict[str, Any]):
    """An object's attributes as a namespace, looked at one by one."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self, name: str, default: Any = None) -> Any:
        # A property of a class may do work, or wait: only what is written on the instance or is a method is looked at.
        found = inspect.getattr_static(self._value, name, None)
        return None if isinstance(found, property) else found


def _parenthesis(value: Any) -> str:
    is_function = inspect.isroutine(value) or isinstance(value, (staticmethod, classmethod))
    return "(" if is_function or inspect.isclass(value) else ""


def _names(line: str, start: str, namespace: dict[str, Any]) -> Found:
    found = _parameters(line, start, namespace)
    for name in sorted(namespace):
        if name.startswith(start) and not name.startswith("__"):
            value = namespace[name]
            is_app = name in APPS and callable(value)
            found.append(name + ("(" if is_app else _parenthesis(value)))
    if line.strip() == start:
        found += [f"{name} " for name in APPS if name.startswith(start) and name not in namespace]
    found += [word for word in keyword.kwlist if word.startswith(start)]
    found += [name + _parenthesis(getattr(builtins, name)) for name in dir(builtins) if name.startswith(start)]
    return Found(len(start), list(dict.fromkeys(found)))


def _parameters(line: str, start: str, namespace: dict[str, Any]) -> list[str]:
    """`count=` and its like, inside a call of something that takes them."""
    call = OPEN_CALL.search(line)
    if call is None:
        return []
    function = _look_up(call[1], namespace)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [f"{p.name}=" for p in parameters if p.kind in named and p.name.startswith(start) and p.name != "node"]
