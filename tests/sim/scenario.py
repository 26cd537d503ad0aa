"""A run of a World with all in it that could differ between two processes: prints the SHA-256 over its frames.

python -m tests.sim.scenario SEED MEGABYTES [recorder]
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any

from stack.frame import OutFrame
from stack.sim import SimEngine, World
from stack.socket import SocketModule


class Digest:
    """The SHA-256 over all frames, each with its time, its sender and all that a device would be told."""

    def __init__(self) -> None:
        self.frames = 0
        self._sum = hashlib.sha256()

    def __call__(self, now: float, host: SimEngine, frame: OutFrame) -> None:
        self.frames += 1
        self._sum.update(f"{now!r} {host.name} {frame.offload} {frame.why}\n".encode())
        self._sum.update(frame.head)
        self._sum.update(frame.payload)

    def __str__(self) -> str:
        return self._sum.hexdigest()


def transfer(world: World, here: Any, there: Any, address: str, data: bytes) -> None:
    """`data` goes to an echoing server in one thread and comes back in another; UDP datagrams run beside it."""

    def serve() -> None:
        with there.create_server(("", 7)) as listener:
            sock, _ = listener.accept()
            with sock:
                while part := sock.recv(1 << 16):
                    sock.sendall(part)

    def chatter() -> None:
        with here.socket(here.AF_INET, here.SOCK_DGRAM) as sock:
            for number in range(50):
                sock.sendto(b"%d" % number, (address, 9))
                world.sleep(0.1)

    server, talker = world.spawn(serve), world.spawn(chatter)
    with here.create_connection((address, 7)) as sock:
        sender = world.spawn(lambda: (sock.sendall(data), sock.shutdown(here.SHUT_WR)))
        received = bytearray()
        while part := sock.recv(1 << 20):
            received += part
        for task in (sender, server, talker):
            task.join()
    assert bytes(received) == data, "what came back is not what went out"


def run(seed: int, size: int, is_recorded: bool = False) -> tuple[Digest, World]:
    data = hashlib.shake_256(b"data").digest(size)
    digest = Digest()
    with World(seed) as world:
        world.cable(delay=0.01, loss=0.1, reorder=0.1, duplicate=0.1)
        a, b = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
        world.observers.append(digest)
        if is_recorded:
            from stack.trace.recorder import Recorder

            for host in (a, b):
                host.stack.observers.append(Recorder())
        transfer(world, SocketModule(a), SocketModule(b), "10.0.0.2", data)
        world.run()
    return digest, world


if __name__ == "__main__":
    outcome, _ = run(int(sys.argv[1]), int(float(sys.argv[2]) * (1 << 20)), "recorder" in sys.argv)
    print(outcome, outcome.frames)
