"""Initial sequence numbers that nobody outside can guess (RFC 6528 3; RFC 9293 3.4.1).

ISN = M + F(local, remote, secret): M ticks every four microseconds, F is keyed BLAKE2s.
"""

from __future__ import annotations

from hashlib import blake2s

from stack.port import Endpoint

TICKS = 250_000  # a second


def initial_sequence(local: Endpoint, remote: Endpoint, secret: bytes, now: float) -> int:
    """The ISN of a connection between the two endpoints begun at `now`."""
    name = local.address + local.port.to_bytes(2, "big") + remote.address + remote.port.to_bytes(2, "big")
    f = int.from_bytes(blake2s(name, key=secret[:32], digest_size=4).digest(), "big")
    return (int(now * TICKS) + f) & 0xFFFFFFFF
