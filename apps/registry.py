"""Every command there is, by name. A name is registered once, and the namespace, completion, `help()`, the one-shot
command line and `Node`'s methods all go by this table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class App(NamedTuple):
    """`call` is the function at the prompt and the method of a Node; `command(node, arguments)` returns an exit
    code."""

    name: str
    call: Callable[..., Any] | None
    command: Callable[[Any, list[str]], int] | None
    text: str  # what it does, in one line
    manual: str  # the rest of what `help('name')` says
    typed: Callable[[Any, list[str]], int] | None = None  # None: as `command`
    usage: str = ""  # the command's options, as `apps.usage` describes them
    needs_node: bool = True  # otherwise `command` has the Settings for a node, or None, and no link is opened for it
    talks: bool = False  # with whoever sits at the terminal, who sees what he types from the start


APPS: dict[str, App] = {}


def register(app: App) -> None:
    assert app.name not in APPS, f"{app.name} is registered twice"
    APPS[app.name] = app
