"""Where a response's body ends (RFC 9112 6.3), and its bytes, piece by piece.

The standard library's client takes "-5" and "0x5" for a chunk's size, does not look at what follows a chunk, and cannot
say whether a body came to its end; so its framing is done here, from the head that it has parsed. It refuses transfer
codings other than chunked, and lengths that are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from io import BufferedReader
from typing import NamedTuple

PIECE = 1 << 18  # bytes read at once
MAX_LINE = 8192  # of a chunk's size with its extensions, or of a trailer
MAX_TRAILERS = 100
NO_BODY = (204, 304)


class ProtocolError(Exception):
    """The server does not keep to HTTP; the text says in what."""


class EndedEarly(Exception):
    """The connection was closed before the body's end."""


class Framing(NamedTuple):
    """`length` is None if the body ends with its last chunk or with the connection."""

    length: int | None
    is_chunked: bool = False


def framing(status: int, headers: Message) -> Framing:
    """How the body of an answer to GET ends. Raises ProtocolError."""
    if status in NO_BODY or status < 200:
        return Framing(0)
    codings = ",".join(headers.get_all("Transfer-Encoding", [])).strip().lower()
    if codings:
        # RFC 9112 6.3 item 3: it overrides Content-Length.
        if codings != "chunked":
            raise ProtocolError(f"unknown transfer coding {codings[:40]!r}")
        return Framing(None, True)
    lengths = {part.strip() for value in headers.get_all("Content-Length", []) for part in value.split(",")}
    if not lengths:
        return Framing(None)
    # RFC 9112 6.3 item 5: the same one several times is one; anything else must not be guessed at.
    if len(lengths) > 1 or not re.fullmatch(r"[0-9]{1,18}", next(iter(lengths))):
        raise ProtocolError(f"Content-Length makes no sense: {', '.join(sorted(lengths))[:40]!r}")
    return Framing(int(lengths.pop()))


def read_body(reader: BufferedReader, how: Framing) -> Iterator[bytes]:
    """The body's bytes as they come. Raises EndedEarly, ProtocolError and what reading raises."""
    if how.is_chunked:
        yield from _chunks(reader)
    elif how.length is not None:
        yield from _counted(reader, how.length)
    else:
        while piece := reader.read1(PIECE):
            yield piece


def _counted(reader: BufferedReader, left: int) -> Iterator[bytes]:
    while left:
        piece = reader.read1(min(left, PIECE))
        if not piece:
            raise EndedEarly
        left -= len(piece)
        yield piece


def _chunks(reader: BufferedReader) -> Iterator[bytes]:
    """RFC 9112 7.1: chunks up to the one of size 0, then trailers, which are thrown away."""
    while size := _size(_line(reader)):
        yield from _counted(reader, size)
        if _line(reader):
            raise ProtocolError("a chunk is longer than it says")
    for _ in range(MAX_TRAILERS):
        if not _line(reader):
            return
    raise ProtocolError("trailers without end")


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip(b" \t")
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", digits):
        raise ProtocolError("a chunk's size is no number")
    return int(digits, 16)


def _line(reader: BufferedReader) -> bytes:
    """The next line without its end."""
    line = reader.readline(MAX_LINE)
    if not line.endswith(b"\n"):
        if len(line) == MAX_LINE:
            raise ProtocolError("a line without end between chunks")
        raise EndedEarly
    return line.rstrip(b"\r\n")
