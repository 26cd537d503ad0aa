"""The Internet checksum (RFC 1071): 16-bit ones' complement sums over any bytes, and the pseudo headers.

A buffer is read as one big integer: modulo 65535 its 16-bit words add up by themselves (RFC 1071 2, "parallel
summation"), because 2**16 is 1 there. Long buffers are first added up in pieces, which is cheaper than one division. A
sum of nonzero words is never 0 but 0xffff: ones' complement has two zeros and addition reaches only this one.
"""

from __future__ import annotations

_PIECE = 512  # bytes, even


def ones_sum_in_python(data: bytes | memoryview, initial: int = 0) -> int:
    """The folded 16-bit sum of `data`, a final odd byte padded with zero, added to `initial` (any sum, folded or not).

    Sums over several buffers chain through `initial` as long as all but the last have even length.
    """
    length = len(data)
    if length <= _PIECE:
        total = int.from_bytes(data, "big")
    else:
        first = length % _PIECE
        total = int.from_bytes(data[:first], "big")
        for start in range(first, length, _PIECE):
            total += int.from_bytes(data[start : start + _PIECE], "big")
    if length & 1:
        total <<= 8
    total += initial
    return total % 0xFFFF or (0xFFFF if total else 0)


try:
    from ext.fast import ones_sum as ones_sum
except ImportError:  # not built, which is as good and 20 to 60 times slower
    ones_sum = ones_sum_in_python


def checksum(data: bytes | memoryview, initial: int = 0) -> int:
    """The value to store in a checksum field (that field counted as zero): the sum's complement, 0 to 0xffff.

    Over data that includes a right checksum the result is 0.
    """
    return ones_sum(data, initial) ^ 0xFFFF


def pseudo_header_sum(src: bytes, dst: bytes, protocol: int, length: int) -> int:
    """The folded sum of the pseudo header of RFC 9293 3.1 (4-byte addresses) or RFC 8200 8.1 (16-byte).

    `length` is that of the transport header and its data. The two families' layouts differ only in zeros.
    """
    total = int.from_bytes(src + dst, "big") + protocol + length
    return total % 0xFFFF or (0xFFFF if total else 0)
