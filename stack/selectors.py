"""The standard library's selectors module, on the current node: the companion of `stack.socket`."""

from __future__ import annotations

from typing import Any

from stack.socket import current_node


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(current_node().socket.selectors, name)
