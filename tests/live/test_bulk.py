"""A hundred megabytes each way between the node and a Linux kernel arrive whole: the SHA-256 of both ends agree."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from apps.node import Node
from tests import needs

pytestmark = pytest.mark.live

SIZE = 100_000_000
KERNEL = """
import hashlib, random, socket, sys
way, size = sys.argv[1], int(sys.argv[2])
with socket.create_server(("192.168.1.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
    digest = hashlib.sha256()
    with client:
        if way == "receive":
            while data := client.recv(1 << 20):
                digest.update(data)
        else:
            numbers = random.Random(7)
            left = size
            while left:
                block = numbers.randbytes(min(left, 777_777))
                client.sendall(block)
                digest.update(block)
                left -= len(block)
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with needs.lab():
        made = Node("192.168.1.3/24", link="lab")
    with made as node:
        yield node


def kernel(node: Node, way: str) -> tuple[subprocess.Popen[bytes], int]:
    """The other end on the lab's host, and its port."""
    assert node.lab is not None
    process = node.lab.popen([sys.executable, "-c", KERNEL, way, str(SIZE)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_receive(node: Node) -> None:
    process, port = kernel(node, "send")
    digest = hashlib.sha256()
    received = 0
    with process, node.socket.create_connection(("192.168.1.1", port)) as s:
        while data := s.recv(1 << 20):
            digest.update(data)
            received += len(data)
        assert process.stdout is not None
        theirs = process.stdout.readline().decode().strip()
    assert received == SIZE
    assert digest.hexdigest() == theirs


def test_send(node: Node) -> None:
    process, port = kernel(node, "receive")
    digest = hashlib.sha256()
    numbers = random.Random(8)
    left = SIZE
    with process, node.socket.create_connection(("192.168.1.1", port)) as s:
        while left:
            block = numbers.randbytes(min(left, 1_234_567))
            s.sendall(block)
            digest.update(block)
            left -= len(block)
        s.shutdown(node.socket.SHUT_WR)
        assert process.stdout is not None
        theirs = process.stdout.readline().decode().strip()
    assert digest.hexdigest() == theirs
