"""A device whose every move the test decides."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator

from stack.frame import OutFrame
from stack.interface import Abilities, Offload


class ScriptedDevice:
    """Frames to be read are put in by `arrive`; what is written lands in `written`, while `room` lasts."""

    def __init__(self, name: str = "dev0", number: int = 1) -> None:
        self.name = name
        self.description = name
        self.mac = bytes([2, 0, 0, 0, 0, number])
        self.mtu = 1500
        self.abilities = Abilities()
        self.receive_limit: int | None = None
        self.written: list[OutFrame] = []
        self.room = 1 << 30  # frames it will take
        self.offers = 0
        self.reads = 0
        self.failure: OSError | None = None
        self.is_closed = False
        self.flood: Iterator[bytes] = iter(())
        self._waiting: deque[bytes] = deque()
        self._ear, self._mouth = socket.socketpair()
        for end in (self._ear, self._mouth):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)

    def arrive(self, frame: bytes) -> None:
        self._waiting.append(frame)
        self._mouth.send(b"!")

    def pour(self, flood: Iterator[bytes]) -> None:
        """Frames without end, or until `flood` is exhausted."""
        self.flood = flood
        self._mouth.send(b"!")

    def block_writing(self) -> None:
        """The descriptor no longer polls as writable, and there is no room."""
        self.room = 0
        try:
            while True:
                self._ear.send(bytes(4096))
        except BlockingIOError:
            pass

    def unblock_writing(self, room: int = 1 << 30) -> None:
        self.room = room
        try:
            while True:
                self._mouth.recv(1 << 16)
        except BlockingIOError:
            pass

    def fileno(self) -> int:
        return self._ear.fileno()

    def read(self, now: float) -> tuple[bytes, Offload | None] | None:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        if self._waiting:
            return self._waiting.popleft(), None
        frame = next(self.flood, None)
        if frame is None:
            try:
                self._ear.recv(4096)
            except BlockingIOError:
                pass
            return (self._waiting.popleft(), None) if self._waiting else None
        return frame, None

    def write(self, frame: OutFrame, now: float) -> bool:
        self.offers += 1
        if self.failure is not None:
            raise self.failure
        if self.room <= 0:
            return False
        self.room -= 1
        self.written.append(frame)
        return True

    def next_at(self) -> float | None:
        return None

    def close(self) -> None:
        self.is_closed = True
        self._ear.close()
        self._mouth.close()
