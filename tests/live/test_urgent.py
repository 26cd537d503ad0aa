"""Urgent data to a real Linux kernel and back."""

from __future__ import annotations

import errno
import subprocess
import sys
from typing import Any

import pytest

from node import Node
from tests import needs
from tests.patience import PATIENCE
from tests.streams import exactly

pytestmark = pytest.mark.live

# On the kernel's host: says what was urgent and what was not, and then speaks with urgency itself.
THERE = """
import select, socket
with socket.create_server(("", 9000)) as listener:
    print("ready", flush=True)
    sock, _ = listener.accept()
    for _ in range(2):
        select.select([], [], [sock])
        print(sock.recv(10, socket.MSG_OOB), flush=True)
        print(sock.recv(100), flush=True)
    sock.sendall(b"up to here!", socket.MSG_OOB)
    sock.sendall(b"and then")
    sock.recv(1)
    sock.sendall(b" more" * 20000)  # not urgent: the kernel would mark a byte wherever its buffer fills up
    sock.sendall(b"?", socket.MSG_OOB)
    sock.recv(1)
"""


def test_both_ways() -> None:
    with needs.lab():
        node = Node("192.168.1.3/24", link="lab")
    with node:
        assert node.lab is not None
        there = node.lab.popen([sys.executable, "-c", THERE], stdout=subprocess.PIPE, text=True)
        assert there.stdout is not None
        assert there.stdout.readline() == "ready\n"
        with node.socket.create_connection(("192.168.1.1", 9000), PATIENCE) as sock:
            for word in (b"first!", b"second?"):
                sock.sendall(word, node.socket.MSG_OOB)
                assert there.stdout.readline() == f"{word[-1:]}\n"
                assert there.stdout.readline() == f"{word[:-1]}\n"
            assert await_urgent(node, sock) == b"!"
            assert sock.recv(100) == b"up to here" and sock.at_mark()
            assert exactly(sock, 8) == b"and then"
            sock.sendall(b".")
            assert exactly(sock, 100_000) == b" more" * 20_000
            assert await_urgent(node, sock) == b"?"
            with pytest.raises(OSError) as caught:
                sock.recv(1, node.socket.MSG_OOB)
            assert caught.value.errno == errno.EINVAL
            sock.sendall(b".")
        assert there.wait(PATIENCE) == 0


def await_urgent(node: Node, sock: Any) -> bytes:
    with node.engine as engine:
        assert engine.wait(sock.exceptional, PATIENCE)
    data: bytes = sock.recv(10, node.socket.MSG_OOB)
    return data
