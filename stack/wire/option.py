"""The shape that IPv4 and TCP options share (RFC 791 3.1, RFC 9293 3.1): kind, length, data; two kinds are one byte.

Says only what is there; what a kind means is for its protocol's module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stack.wire.drop import Drop, WireError

END = 0  # of the list: what follows is padding
NOP = 1


class Option(NamedTuple):
    kind: int  # IPv4: the whole type byte, with its copied flag and class
    data: bytes  # without kind and length
    offset: int  # of the kind, within the options


def walk(options: bytes, malformed: Drop) -> Iterator[Option]:
    """Each option up to the end of the list, that and NOPs included.

    WireError(malformed) where the list stops making sense: an option without a length byte, with a length below 2, or
    one that reaches past the end.
    """
    offset = 0
    end = len(options)
    while offset < end:
        kind = options[offset]
        if kind in (NOP, END):
            yield Option(kind, b"", offset)
            if kind == END:
                return
            offset += 1
            continue
        if offset + 1 >= end:
            raise WireError(malformed)
        length = options[offset + 1]
        if length < 2 or offset + length > end:
            raise WireError(malformed)
        yield Option(kind, options[offset + 2 : offset + length], offset)
        offset += length
