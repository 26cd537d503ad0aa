"""rlogin (RFC 1282): the client's first words, the server's urgent bytes, and the window size in the client's stream.

A first word that is missing or without an end is refused with a ValueError of one clear line. What the bytes mean to a
terminal is for the service and the app.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

PORT = 513
LOW_PORT, HIGH_PORT = 512, 1023  # where clients are: a right that once only a whole machine's owner had

# What the server says with urgency.
DISCARD = 0x02  # throw away what you have not shown yet
RAW = 0x10  # hand on Ctrl-S and Ctrl-Q
COOKED = 0x20  # act on them yourself
WINDOW = 0x80  # tell me your window size, now and whenever it changes

MAX_HELLO = 1024  # bytes of first words
MAGIC = b"\xff\xffss"
_SIZE = Struct("!4sHHHH")


class WindowSize(NamedTuple):
    rows: int
    columns: int
    xpixels: int = 0
    ypixels: int = 0


class Hello(NamedTuple):
    client_user: str
    server_user: str
    terminal: str  # as in TERM
    speed: str  # bits a second, as digits


def emit_hello(hello: Hello) -> bytes:
    """The client's first words. ValueError if a NUL is in them."""
    terminal = f"{hello.terminal}/{hello.speed}" if hello.speed else hello.terminal
    words = ("", hello.client_user, hello.server_user, terminal)
    if any("\0" in word for word in words):
        raise ValueError("a name has no NUL in it")
    return b"".join(word.encode() + b"\0" for word in words)


def parse_hello(data: bytes) -> tuple[Hello, bytes] | None:
    """The first words and what follows them; None if they are not all there yet. ValueError."""
    if data[:1] not in (b"", b"\0"):
        raise ValueError("an rlogin client begins with a NUL")
    parts = data.split(b"\0", 4)
    if len(parts) < 5:
        if len(data) > MAX_HELLO:
            raise ValueError(f"the first words have more than {MAX_HELLO} bytes")
        return None
    client_user, server_user, terminal = (part.decode(errors="replace") for part in parts[1:4])
    terminal, _, speed = terminal.partition("/")
    return Hello(client_user, server_user, terminal, speed), parts[4]


def emit_size(size: WindowSize) -> bytes:
    return _SIZE.pack(MAGIC, *(min(max(number, 0), 0xFFFF) for number in size))


class WindowSizes:
    """Takes the window sizes out of a client's stream, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._held = b""  # what may be the beginning of one

    def feed(self, data: bytes) -> tuple[bytes, list[WindowSize]]:
        """What was typed, and the sizes that stood between."""
        data = self._held + data
        typed, sizes, start = [], [], 0
        while (at := data.find(MAGIC, start)) >= 0 and at + _SIZE.size <= len(data):
            typed.append(data[start:at])
            sizes.append(WindowSize(*_SIZE.unpack_from(data, at)[1:]))
            start = at + _SIZE.size
        end = at if at >= 0 else len(data) - _overhang(data[start:])
        self._held = data[end:]
        typed.append(data[start:end])
        return b"".join(typed), sizes


def _overhang(data: bytes) -> int:
    """How many bytes at the end may be the beginning of a message."""
    return next((n for n in range(len(MAGIC) - 1, 0, -1) if data.endswith(MAGIC[:n])), 0)
