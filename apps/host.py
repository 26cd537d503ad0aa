"""What an app needs of a node, and which node it means when nobody says."""

from __future__ import annotations

from typing import Any, Protocol

from stack.hold import AnyEngine
from stack.resolver import Resolver
from stack.socket import current_node


class Host(Protocol):
    """A node, or a host of a virtual World with its socket module."""

    @property
    def engine(self) -> AnyEngine: ...

    @property
    def socket(self) -> Any:
        """Module-like, with the standard library's names."""

    @property
    def resolver(self) -> Resolver: ...


def current_host() -> Host:
    """The node of the innermost `with Node(...)`, or the one `node.py` made. RuntimeError if there is none."""
    host: Host = current_node()
    return host
