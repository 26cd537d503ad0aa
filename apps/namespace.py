"""The names at the prompt, in scripts and in `-c` code: the node, its parts, and every app bound to it."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from apps.conf import Conf
from apps.help import Help
from apps.registry import APPS

if TYPE_CHECKING:
    from apps.node import Node


class Bound(partial[Any]):
    """An app of one node: a function that says how it is used when it is looked at rather than called."""

    def __repr__(self) -> str:
        return APPS[self.func.__name__].manual.split("\n\n")[0]


class NoCable:
    """Stands where the cable would be on a real link."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError("there is a cable only with --link sim")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("there is a cable only with --link sim")

    def __repr__(self) -> str:
        return "no cable: only --link sim has one"


def names(node: Node) -> dict[str, Any]:
    """A new namespace for `node`."""
    found: dict[str, Any] = {
        "node": node,
        "services": node.services,
        "trace": node.trace,
        "socket": node.socket,
        "selectors": node.selectors,
        "cable": node.cable if node.cable is not None else NoCable(),
    }
    for app in APPS.values():
        if app.call is not None:
            bound = Bound(app.call, node=node)
            update_wrapper(bound, app.call)
            found[app.name] = bound
    found["conf"] = Conf(node)
    found["help"] = Help(found)
    return found
