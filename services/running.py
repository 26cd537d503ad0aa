"""The services of one node: `services.start('echo')`, `services.stop('echo')`, and `services` says what runs for whom.

Each service has a loop and a thread of its own, made by the engine's `spawn`, so that it lives in the node's time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any, NamedTuple

from services.loop import Loop
from services.registry import KINDS, open_service, wanted
from services.service import Service


class _Run(NamedTuple):
    service: Service
    loop: Loop
    task: Any  # has join()


class Services:
    """`socket` and `selectors` are the node's modules, `spawn(function, name=...)` its way to start a thread.

    `tell`, if there is one, is called with a line about each service that starts and exposes more than a greeting.
    """

    def __init__(self, socket: Any, selectors: Any, spawn: Callable[..., Any]) -> None:
        self.tell: Callable[[str], object] | None = None
        self._socket = socket
        self._selectors = selectors
        self._spawn = spawn
        self._runs: dict[tuple[str, int], _Run] = {}

    def start(
        self,
        name: str,
        port: int | None = None,
        address: str = "",
        setting: str | PathLike[str] = "",
        quiet: bool = False,
    ) -> Service:
        """Start a service on its own port or another (0: any free one), of one address or all; `setting` is what it
        `takes`. 'echo:7007' and 'http=DIR' name port and setting too. With `quiet` nobody is told what it exposes.

        Returns the service, which shows its clients. Raises ValueError for a name that is none or a setting that makes
        no sense, OSError if the port is not to be had.
        """
        kind, port, text = wanted(name, port, address, setting)
        loop = Loop(self._socket, self._selectors)
        try:
            service = open_service(kind, loop, address, port, text)
        except BaseException:
            loop.close()
            raise
        name = kind.name
        self._runs[name, service.bound] = _Run(service, loop, self._spawn(loop.run, name=f"{name}:{service.bound}"))
        if self.tell is not None and not (quiet or service.is_greeting):
            self.tell(f"{name} exposes {service.exposes}")
        return service

    def stop(self, name: str, port: int | None = None) -> None:
        """Stop a service, on every port or on one: its clients are cut off. ValueError if it does not run."""
        kind, port, _ = wanted(name, port, "", "")
        name = kind.name
        runs = [key for key in self._runs if key[0] == name and port in (None, key[1])]
        if not runs:
            raise ValueError(f"{name} does not run" + (f" on port {port}" if port is not None else ""))
        for key in runs:
            run = self._runs.pop(key)
            run.loop.stop()
            run.task.join()
            run.service.close()
            run.loop.close()

    def close(self) -> None:
        """Stop them all."""
        for name in self.running:
            self.stop(name)

    @property
    def running(self) -> list[str]:
        """The names of those that run."""
        return list(dict.fromkeys(name for name, _ in self._runs))

    def __iter__(self) -> Iterator[Service]:
        return iter([run.service for run in self._runs.values()])

    def __repr__(self) -> str:
        where = {service: service.ports + (f" of {service.address}" if service.address else "") for service in self}
        width = max(map(len, where.values()), default=0)
        lines = [f"{service.name:8}  {ports:{width}}  {service.counts()}" for service, ports in where.items()]
        idle = [name for name in KINDS if name not in self.running]
        if idle:
            lines.append(f"{'not running: ' if lines else 'none runs; there are '}{', '.join(idle)}")
        return "\n".join(lines)

    @property
    def completions(self) -> dict[str, list[str]]:
        """What the prompt offers inside the quotes of this object's methods."""
        return {"start": list(KINDS), "stop": self.running}
