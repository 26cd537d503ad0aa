"""A bulk flow between two nodes of this process, and a fifth busy thread that needs a lock every millisecond meanwhile.

Four threads that never rest share one interpreter, so the bound is a loose one; `tests/live/test_sharing.py` has the
real one, against a kernel. A plain lock in the engine's place gives a p99 of a second.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.engine.test_engine import best_p99
from tests.hosts import Pair
from tests.patience import PATIENCE


class Flow:
    """Bytes from `a` to `b` of a Pair until it is left."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.received = 0
        self.is_over = False

    def __enter__(self) -> Flow:
        listener = self.pair.b.create_server(("", 1))
        self.threads = [threading.Thread(target=self._receive, args=(listener,)), threading.Thread(target=self._send)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.is_over = True
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _receive(self, listener: Any) -> None:
        buffer = bytearray(1 << 20)
        sock, _ = listener.accept()
        listener.close()
        with sock:
            while count := sock.recv_into(buffer):
                self.received += count

    def _send(self) -> None:
        block = bytes(1 << 20)
        with self.pair.a.create_connection(("10.0.0.2", 1)) as sock:
            while not self.is_over:
                sock.sendall(block)


pytestmark = pytest.mark.alone
BOUND = 0.05  # seconds


@pytest.mark.parametrize("side", [0, 1], ids=["of the sender", "of the receiver"])
@pytest.mark.parametrize("super_segments", [False, True], ids=["ordinary frames", "super-segments"])
def test_the_lock_is_shared(side: int, super_segments: bool) -> None:
    with Pair(super_segments=super_segments) as pair, Flow(pair) as flow:
        assert best_p99(pair.engines[side], BOUND) < BOUND
    assert flow.received > 1 << 20
