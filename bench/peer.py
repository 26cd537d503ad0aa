"""The other end of a throughput measurement, on whatever sockets the machine has: a sink that counts, a source that
sends.

peer.py HOST PORT    serves: a client says b'in N' or b'out N' (eight digits of MiB each) and then receives, or sends,
that much
"""

from __future__ import annotations

import socket
import sys

CHUNK = 1 << 20


def serve(host: str) -> None:
    """One client after the other, until killed."""
    block = bytes(CHUNK)
    buffer = bytearray(CHUNK)
    with socket.create_server((host, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = listener.accept()
            with client:
                order, count = client.recv(12, socket.MSG_WAITALL).decode().split()
                left = int(count) * CHUNK
                if order == "in":
                    for _ in range(int(count)):
                        client.sendall(block)
                else:
                    while left > 0:
                        got = client.recv_into(buffer)
                        if not got:
                            break
                        left -= got
                    client.sendall(b"done")


if __name__ == "__main__":
    serve(sys.argv[1])
