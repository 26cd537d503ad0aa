"""How fast bytes go through the socket API to and from a Linux kernel, each way, beside what the kernel does with
itself.

    bench/throughput.py [--link lab] [--mib 256] [--runs 5]

Single figures depend on the machine and its other users: read the medians, and the ratio to the kernel's own loopback
TCP measured in the same run by the same program.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from node import Node  # noqa: E402

PEER = [sys.executable, str(ROOT / "bench" / "peer.py")]
CHUNK = 1 << 20


def measure(api: Any, address: tuple[str, int], way: str, mib: int) -> float:
    """Gbit/s of `mib` MiB received ('in') or sent ('out') over one connection of the sockets `api`."""
    block = bytes(CHUNK)
    with api.create_connection(address) as s:
        begin = time.perf_counter()
        s.sendall(f"{way:3} {mib:08}".encode())
        if way == "in":
            buffer = bytearray(CHUNK)
            left = mib * CHUNK
            while left > 0:
                got = s.recv_into(buffer)
                assert got, "the other end stopped early"
                left -= got
        else:
            for _ in range(mib):
                s.sendall(block)
            assert s.recv(4) == b"done"
        return mib * CHUNK * 8 / (time.perf_counter() - begin) / 1e9


def port_of(peer: subprocess.Popen[bytes]) -> int:
    """The port it serves on, which is the first thing it prints."""
    assert peer.stdout is not None
    return int(peer.stdout.readline())


def report(name: str, figures: list[float], beside: list[float]) -> None:
    median = statistics.median(figures)
    ratio = statistics.median(a / b for a, b in zip(figures, beside, strict=True))
    print(
        f"{name:4} median {median:6.2f} Gbit/s  (min {min(figures):.2f}, max {max(figures):.2f})"
        f"  {ratio:.2f} of the kernel's loopback"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--link", default="lab")
    parser.add_argument("--mib", type=int, default=256, help="MiB in each measurement")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    sys.setswitchinterval(0.0001)
    kernel = subprocess.Popen([*PEER, "127.0.0.1"], stdout=subprocess.PIPE)
    with Node("192.168.1.3/24", link=arguments.link) as node:
        assert node.lab is not None, "the measurement needs a kernel at the other end"
        peer = node.lab.popen([*PEER, "192.168.1.1"], stdout=subprocess.PIPE)
        try:
            ours, theirs = ("192.168.1.1", port_of(peer)), ("127.0.0.1", port_of(kernel))
            print(f"{node.link.description}; {arguments.mib} MiB a run, {arguments.runs} runs")
            for way in ("in", "out"):
                figures, beside = [], []
                measure(node.socket, ours, way, 16)  # warms up
                for _ in range(arguments.runs):
                    figures.append(measure(node.socket, ours, way, arguments.mib))
                    beside.append(measure(socket, theirs, way, arguments.mib))
                report(way, figures, beside)
        finally:
            peer.kill()
            kernel.kill()
            peer.wait()
            kernel.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
