"""Arithmetic on TCP sequence numbers: plain ints modulo 2**32 (RFC 9293 3.4).

A comparison is that of the signed 32-bit difference, so it is meaningful for numbers less than 2**31 apart; exactly
2**31 apart each is less than the other, as wherever one subtracts. Plain functions on plain ints, because a subclass of
int costs three times as much.
"""

from __future__ import annotations

MASK = 0xFFFFFFFF
_HALF = 0x80000000


def add(a: int, n: int) -> int:
    """`a` moved by `n`, which may be negative."""
    return (a + n) & MASK


def diff(a: int, b: int) -> int:
    """a - b as a signed number from -2**31 to 2**31 - 1."""
    return ((a - b + _HALF) & MASK) - _HALF


def lt(a: int, b: int) -> bool:
    return (a - b) & MASK >= _HALF


def le(a: int, b: int) -> bool:
    return a == b or (a - b) & MASK >= _HALF


def gt(a: int, b: int) -> bool:
    return (b - a) & MASK >= _HALF


def ge(a: int, b: int) -> bool:
    return a == b or (b - a) & MASK >= _HALF


def in_window(seq: int, start: int, length: int) -> bool:
    """Whether start <= seq < start + length, for a length of at most 2**32 - 1; nothing is in an empty window."""
    return (seq - start) & MASK < length
