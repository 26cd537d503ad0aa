"""One end of a simulated cable as a device for the real engine, one second of cable to one of the clock.

The other end lives in the same process under an engine and a lock of its own. Sending never takes that lock: it puts
the frame on the cable under the cable's own small one, and pokes the other end's descriptor, so that its engine
wakes, finds nothing due yet and asks `next_at`. Needs only sockets, so it works wherever Python does. Refuses
nothing: a full cable loses frames as a real one does.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

from stack.frame import OutFrame
from stack.interface import Abilities, Offload
from stack.link.cable import Cable

# What an end takes when the cable carries TCP super-segments as a kernel's veth does.
SUPER_SEGMENTS = Abilities(checksum=True, tso4=True)


class CableEnd:
    """The Device for end `number` of `cable`; `connect` makes them, because they know each other."""

    def __init__(
        self, cable: Cable, number: int, lock: threading.Lock, name: str, mac: bytes, mtu: int, abilities: Abilities
    ) -> None:
        self.name = name
        self.description = f"{name}: a simulated cable"
        self.mac = mac
        self.mtu = mtu
        self.abilities = abilities
        self.receive_limit: int | None = None
        self.cable = cable
        self.number = number
        self._lock = lock
        self._peers: Sequence[CableEnd] = ()
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self._is_poked = False
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<CableEnd {self.number} {self.name}>"

    def fileno(self) -> int:
        return self._ear.fileno()

    def read(self, now: float) -> tuple[bytes, Offload | None] | None:
        with self._lock:
            taken = self.cable.take(self.number, now)
            if taken is None and self._is_poked:
                # Whatever the poke spoke of is either read by now or what `next_at` says.
                self._is_poked = False
                self._ear.recv(1)
            return taken

    def write(self, frame: OutFrame, now: float) -> bool:
        with self._lock:
            self.cable.send(self.number, frame.head, frame.payload, now, frame.offload, self._poke)
        return True

    def next_at(self) -> float | None:
        with self._lock:
            return self.cable.next_at(self.number)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._ear.close()
            self._mouth.close()

    def _poke(self, number: int) -> None:
        """Wake the engine at another end; the lock is held, and one byte is enough however often."""
        peer = self._peers[number]
        if not peer._is_poked and not peer._is_closed:
            peer._is_poked = True
            peer._mouth.send(b"!")


def connect(cable: Cable, names: Sequence[str] = (), mtu: int = 1500, super_segments: bool = False) -> list[CableEnd]:
    """A device for every end of `cable`, with locally administered MACs 02:00:00:00:00:01 and up.

    Frames are cut and checksummed before they are sent unless the cable is to carry `super_segments`.
    """
    lock = threading.Lock()
    abilities = SUPER_SEGMENTS if super_segments else Abilities()
    names = names or ["sim"] * cable.ends
    ends = [
        CableEnd(cable, number, lock, names[number], b"\x02\x00\x00\x00\x00" + bytes([number + 1]), mtu, abilities)
        for number in range(cable.ends)
    ]
    for end in ends:
        end._peers = ends
    return ends
