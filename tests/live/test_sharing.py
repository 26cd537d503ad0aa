"""During a bulk flow to or from a real kernel, a second thread that needs the lock every millisecond soon has it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from apps.node import Node
from tests import needs
from tests.engine.test_engine import P99, best_p99
from tests.patience import PATIENCE

pytestmark = [pytest.mark.live, pytest.mark.alone]

# The other end reads and writes as fast as it can until the connection ends.
KERNEL = """
import socket, sys
block = bytes(1 << 20)
with socket.create_server(("192.168.1.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
    with client:
        try:
            while client.recv(1 << 20) if sys.argv[1] == "receive" else client.sendall(block) is None:
                pass
        except OSError:
            pass
"""


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with needs.lab():
        made = Node("192.168.1.3/24", link="lab")
    with made as node:
        yield node


@pytest.mark.parametrize("way", ["receive", "send"])
def test_p99_of_the_lock_is_under_five_milliseconds(node: Node, way: str) -> None:
    assert node.lab is not None
    kernel = node.lab.popen([sys.executable, "-c", KERNEL, way], stdout=-1)
    assert kernel.stdout is not None
    sock = node.socket.create_connection(("192.168.1.1", int(kernel.stdout.readline())))
    moved = [0]
    is_over = threading.Event()

    def flow() -> None:
        block, buffer = bytes(1 << 20), bytearray(1 << 20)
        with sock:
            while not is_over.is_set():
                if way == "receive":
                    sock.sendall(block)
                    moved[0] += len(block)
                else:
                    moved[0] += sock.recv_into(buffer)

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        p99 = best_p99(node.engine)
    finally:
        is_over.set()
        thread.join(PATIENCE)
        kernel.kill()
        kernel.wait()
        kernel.stdout.close()
    assert p99 < P99
    assert moved[0] > 50 << 20
