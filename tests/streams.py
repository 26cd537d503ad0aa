"""What comes out of a stream: all of it, so much of it, or what stands before a word."""

from __future__ import annotations

from typing import Any


def rest(sock: Any) -> bytes:
    """Up to the end."""
    return b"".join(iter(lambda: sock.recv(1 << 20), b""))


def exactly(sock: Any, length: int) -> bytes:
    """`length` bytes; less only if the end comes first."""
    got = b""
    while len(got) < length and (part := sock.recv(length - len(got))):
        got += part
    return got


def until(sock: Any, wanted: bytes) -> bytes:
    """Up to and including `wanted`; it may be more, of what came with it."""
    got = b""
    while wanted not in got:
        part = sock.recv(65536)
        assert part, f"{wanted!r} is not in {got!r}"
        got += part
    return got
