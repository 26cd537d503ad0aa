"""One run of nc in virtual time: what is typed is said beforehand, and the other side is a script."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from apps.nc.report import Quiet
from apps.nc.result import NcResult, Options
from apps.nc.session import Session
from apps.nc.source import Source
from tests.apps.near import HERE, THERE, Near

PORT = 4711
BINARY = bytes(range(256)) * 4
LARGE = random.Random(7).randbytes(1_000_000)


class Somebody:
    """A Source that says each of its pieces at its time; None is the end."""

    is_silent = False

    def __init__(self, near: Near, *pieces: tuple[float, bytes | None], is_terminal: bool = False) -> None:
        self.is_terminal = is_terminal
        self.taken = 0
        self._said: list[bytes] = []
        for at, piece in pieces:
            near.world.spawn(self._say, near, at, piece or b"", is_service=True)

    def _say(self, near: Near, at: float, piece: bytes) -> None:
        near.world.sleep(at)
        with near.engine:
            self._said.append(piece)

    def begin(self) -> None:
        pass

    def is_ready(self) -> bool:
        return bool(self._said)

    def take(self) -> bytes:
        self.taken += 1
        return self._said.pop(0) if self._said[0] else b""

    def close(self) -> None:
        pass


class Held(NamedTuple):
    result: NcResult
    shown: bytes
    seconds: float
    said: Any  # what the other side returned


def hold(near: Near, source_: Source, script: Callable[[], object] | None = None, **options: Any) -> Held:
    """One run of nc against a script that runs as long, by default to 10.0.0.2's port 4711."""
    said: list[object] = []
    task = None if script is None else near.world.spawn(lambda: said.append(script()), name="the other side")
    shown = bytearray()
    meant = Options(**{"host": "" if options.get("listen") else THERE, "ports": [PORT], "numeric": True, **options})
    began = near.engine.now()
    result = Session(meant, near, source_, shown.extend, Quiet()).run()
    seconds = near.engine.now() - began
    if task is not None:
        task.join()
    return Held(result, bytes(shown), seconds, said[0] if said else None)


def server(near: Near, talk: Callable[[Any], object], port: int = PORT) -> Callable[[], object]:
    """A script that lets `talk(socket)` have the first who connects."""
    listener = near.far.create_server(("", port))

    def run() -> object:
        with listener, listener.accept()[0] as sock:
            return talk(sock)

    return run


def client(near: Near, talk: Callable[[Any], object], at: float = 0.1) -> Callable[[], object]:
    """A script that connects to nc and lets `talk(socket)` have it."""

    def run() -> object:
        near.world.sleep(at)
        with near.far.create_connection((HERE, PORT)) as sock:
            return talk(sock)

    return run
