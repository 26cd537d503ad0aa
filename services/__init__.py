"""Services: small servers written on the socket API alone, the same on the node and on a kernel's sockets.

`KINDS` is the registry: one line each for `help()`, completion, `serve` and the prompt. `Services` runs them for a
node, each in a thread of its own; `serve` runs several in the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from services.loop import Loop
from services.registry import KINDS, kind_of, open_service, parse_name
from services.running import Services
from services.service import Service


def serve(
    names: Iterable[str],
    socket: Any,
    selectors: Any,
    address: str = "",
    until: Any = None,
    on_ready: Callable[[list[Service]], None] | None = None,
) -> None:
    """Run the named services in this thread, on the modules given (the standard library's: the kernel's sockets).

    A name may carry a port, "echo:7007", and a setting, "dns=lab.zone". Returns when `until` (a socket or descriptor)
    becomes readable, which it is at its end too; without it, never. `on_ready` is called once every port is open.
    Raises ValueError for a name or a setting, OSError for a port.
    """
    wanted = [parse_name(name) for name in names]
    loop = Loop(socket, selectors, has_bell=False)
    running: list[Service] = []
    try:
        for kind, port, setting in wanted:
            running.append(open_service(kind, loop, address, port, setting))
        if until is not None:
            loop.watch(until, loop.READ, lambda mask: loop.stop())
        if on_ready is not None:
            on_ready(running)
        loop.run()
    finally:
        for service in running:
            service.close()
        loop.close()


__all__ = ["KINDS", "Loop", "Service", "Services", "kind_of", "parse_name", "serve"]
