"""What is on its way out: a packet to a neighbour, and a frame to a device."""

from __future__ import annotations

from typing import NamedTuple

from stack.events import Event
from stack.interface import Interface, Offload


class OutFrame(NamedTuple):
    """A frame to be written: head and payload are sent as one; both are immutable in effect."""

    interface: Interface
    head: bytes
    payload: bytes | memoryview
    offload: Offload | None
    why: Event | None  # what the stack has to say about it: a Retransmit, say

    @property
    def size(self) -> int:
        return len(self.head) + len(self.payload)


class Packet(NamedTuple):
    """An IP packet on its way to a neighbour; offload offsets already count the Ethernet header."""

    head: bytes
    payload: bytes | memoryview
    offload: Offload | None
    why: Event | None
