"""A program that is interrupted at random instants while its main thread uses the node, and looks whether all is whole.

python -m tests.engine.interrupted COUNT SEED: COUNT interrupts, each met by a KeyboardInterrupt; prints one line.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from stack import interrupt
from stack.engine import Engine
from stack.socket import SocketModule
from stack.wire.drop import Drop
from stack.wire.sequence import diff
from tests.hosts import Pair
from tests.patience import PATIENCE

CHUNK = bytes(100_000)


def check(node: Engine) -> None:
    """No lock is held, nothing is owed, and every connection's variables agree with each other."""
    assert interrupt._depth == 0 and not interrupt.is_pending
    assert node._owner != threading.get_ident()
    for lock in (node._gate, node._lock):
        assert lock.acquire(timeout=PATIENCE), "a lock was left behind"
        lock.release()
    with node:
        assert not node._waiters, "nobody but the main thread waits at this node"
        assert Drop.INTERNAL not in node.stack.drops
        for connection in node.stack.tcp.connections.values():
            assert 0 <= diff(connection.snd_nxt, connection.snd_una) <= diff(connection.snd_max, connection.snd_una)
            queue = connection.send_queue
            assert queue.end - queue.start == len(queue) >= 0
            received = connection.receive_queue
            assert received.available == sum(map(len, received._chunks)) >= 0
            assert 0 <= connection.rcv_wnd <= 1 << 30


def serve(module: SocketModule) -> None:
    """Echo for ever, each client in a thread of its own."""

    def talk(sock: Any) -> None:
        with sock:
            try:
                while data := sock.recv(1 << 16):
                    sock.sendall(data)
            except OSError:
                pass

    listener = module.create_server(("", 7), backlog=1000)
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=talk, args=(sock,), daemon=True).start()


def work(module: Any, rng: random.Random) -> None:
    """What a program does with sockets, until it is interrupted."""
    while True:
        with module.create_connection(("10.0.0.2", 7), PATIENCE) as sock:
            for _ in range(3):
                sock.sendall(CHUNK[: rng.randrange(1, len(CHUNK))])
                sock.recv(1 << 16)
            with module.selectors.DefaultSelector() as selector:
                selector.register(sock, 1)
                selector.select(0.01)
        with module.socket(type=module.SOCK_DGRAM) as sock:
            sock.settimeout(0.005)
            sock.sendto(b"nobody", ("10.0.0.2", 9))
            try:
                sock.recv(1)
            except OSError:
                pass


class Presser(threading.Thread):
    """Presses Ctrl-C once, a random moment after it was told to."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self.rng = rng
        self.go = threading.Semaphore(0)
        self.main = threading.main_thread().ident or 0

    def run(self) -> None:
        while True:
            self.go.acquire()
            time.sleep(self.rng.uniform(0, 0.01))
            signal.pthread_kill(self.main, signal.SIGINT)


def interrupted(call: Callable[[], object], presser: Presser) -> float:
    """Seconds from Ctrl-C until its exception was here, at most."""
    began = time.monotonic()
    try:
        presser.go.release()
        call()
    except KeyboardInterrupt:
        return time.monotonic() - began
    raise AssertionError("it was not interrupted")


def main(count: int, seed: int) -> None:
    assert interrupt.install()
    rng = random.Random(seed)
    presser = Presser(rng)
    presser.start()
    with Pair() as pair:
        threading.Thread(target=serve, args=(pair.b,), daemon=True).start()
        latest = 0.0
        for _ in range(count):
            latest = max(latest, interrupted(lambda: work(pair.a, rng), presser))
            check(pair.engines[0])
        # And it all still works.
        with pair.a.create_connection(("10.0.0.2", 7), PATIENCE) as sock:
            sock.sendall(b"whole")
            assert sock.recv(100) == b"whole"
        forever = pair.engines[0]
        with forever:  # a thread that is blocked for good is woken
            latest = max(latest, interrupted(lambda: forever.wait(lambda: False), presser))
    interrupt.uninstall()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print(f"{count} interrupts, the slowest after {latest:.3f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
