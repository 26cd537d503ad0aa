"""The device: what an engine reads frames from and writes frames to.

A device knows nothing of protocols. Those that have a virtio header (virtio 1.2, 5.1.6) parse and write it and speak
of it as `Offload`. Every method is called with the engine's lock held, so none may block.
"""

from __future__ import annotations

from typing import Protocol

from stack.frame import OutFrame
from stack.interface import Abilities, Offload


class Device(Protocol):
    name: str  # the interface's name at the prompt and in captures: tap0, lab, sim
    description: str  # one line for the banner: "tap0", "lab: a Linux kernel of its own at 192.168.1.1"
    mac: bytes  # the node's own address on this link, 6 bytes
    mtu: int
    abilities: Abilities
    receive_limit: int | None  # bytes the device can queue for us

    def fileno(self) -> int:
        """A descriptor that is readable when `read` may have a frame."""

    def read(self, now: float) -> tuple[bytes, Offload | None] | None:
        """The next frame, or None if there is none at this instant. A buffer once returned is never written again."""

    def write(self, frame: OutFrame, now: float) -> bool:
        """Send one frame; False if the device's queue is full and the frame must be offered again."""

    def next_at(self) -> float | None:
        """When `read` will have a frame though `fileno` shows nothing: only a simulated cable says a time."""

    def close(self) -> None: ...
