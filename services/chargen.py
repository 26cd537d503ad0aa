"""chargen (RFC 864), TCP and UDP: rows of 72 printable characters, each row begun one character later than the last.

Over TCP it sends as fast as the client reads, until the client closes; what the client says is thrown away. Over UDP
a datagram is answered by one of at most 512 characters, and, unlike RFC 864's, of no more than it had: a forged
sender gets no more thrown at him than the forger spent.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from services.service import Address, Conversation, Service

PRINTABLE = bytes(range(32, 127))
WIDTH = 72


def rows() -> bytes:
    """One turn of the pattern: 95 rows, after which it repeats. 7,030 bytes."""
    twice = PRINTABLE * 2
    return b"".join(twice[start : start + WIDTH] + b"\r\n" for start in range(len(PRINTABLE)))


ROWS = rows()
BLOCK = ROWS * (65536 // len(ROWS))


def characters(length: int) -> Iterator[bytes]:
    """The first `length` bytes of the pattern, a block at a time."""
    while length > 0:
        block = BLOCK[:length]
        length -= len(block)
        yield block


class ChargenConversation(Conversation):
    def on_eof(self) -> None:
        self.close()

    def on_ready(self, mask: int) -> None:
        if self.source is None:
            self.source = repeat(BLOCK)
        super().on_ready(mask)

    def wants_data(self) -> bool:
        return True  # to throw it away, and to notice the end


class Chargen(Service):
    name = "chargen"
    port = 19
    text = "sends characters for ever (RFC 864)"
    exposes = "your bandwidth: whoever reaches it can have you send as fast as he reads"
    conversation = ChargenConversation

    def answer(self, data: bytes, source: Address) -> bytes | None:
        # Deviation: RFC 864 has a random number of characters, which makes a stranger's one byte worth 512.
        length = min(len(data), 512)
        start = self.datagrams % len(PRINTABLE) * (WIDTH + 2)
        return (ROWS + ROWS)[start : start + length]
