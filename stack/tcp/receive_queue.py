"""What has arrived and the user has not read: in order as views of the frames, and out of order until the hole is
filled.

Pieces under 512 bytes are copied out, so that a small one does not pin its whole frame; the one copy of the others is
in `read`. Out-of-order data is bounded by the window in bytes and by a count in segments.
"""

from __future__ import annotations

from collections import deque

COPY_BELOW = 512  # bytes


class ReceiveQueue:
    """Positions count from the first byte after the SYN; `next` is the one expected."""

    __slots__ = ("_chunks", "_held", "_limit", "available", "held", "next")

    def __init__(self, limit: int) -> None:
        self._chunks: deque[memoryview | bytes] = deque()
        self._held: list[tuple[int, memoryview | bytes]] = []  # out of order: disjoint, sorted by position
        self._limit = limit
        self.available = 0  # bytes that can be read
        self.held = 0  # bytes out of order
        self.next = 0

    @property
    def start(self) -> int:
        """The position of the byte that is read next."""
        return self.next - self.available

    def at(self, position: int) -> bytes:
        """The byte at a position that has arrived and was not read yet."""
        offset = position - self.start
        for chunk in self._chunks:
            if offset < len(chunk):
                return bytes(chunk[offset : offset + 1])
            offset -= len(chunk)
        raise IndexError(position)

    def insert(self, position: int, data: memoryview | bytes) -> bool:
        """Keep `data`, which begins at `position`; True if `next` advanced. What is there already stays as it is."""
        if position > self.next:
            self._hold(position, data)
            return False
        data = data[self.next - position :]
        if not len(data):
            return False
        self._append(data)
        while self._held and self._held[0][0] <= self.next:
            at, held = self._held.pop(0)
            self.held -= len(held)
            rest = held[self.next - at :]
            if len(rest):
                self._append(rest)
        return True

    def _append(self, data: memoryview | bytes) -> None:
        if len(data) >= COPY_BELOW:
            self._chunks.append(data)
        elif self._chunks and len(self._chunks[-1]) + len(data) <= COPY_BELOW:
            self._chunks[-1] = bytes(self._chunks[-1]) + data  # single bytes would else take fifty each
        else:
            self._chunks.append(bytes(data))
        self.available += len(data)
        self.next += len(data)

    def _hold(self, position: int, data: memoryview | bytes) -> None:
        """Insert out of order, cutting away what is held already (the first to arrive is kept)."""
        held = self._held
        index = len(held)
        while index > 0 and held[index - 1][0] > position:
            index -= 1
        if index > 0:
            before_at, before = held[index - 1]
            overlap = before_at + len(before) - position
            if overlap > 0:
                position += overlap
                data = data[overlap:]
        while len(data) and len(held) < self._limit:
            after = held[index][0] if index < len(held) else None
            piece = data if after is None else data[: max(0, after - position)]
            if len(piece):
                held.insert(index, (position, bytes(piece) if len(piece) < COPY_BELOW else piece))
                self.held += len(piece)
                index += 1
            if after is None:
                return
            skip = after + len(held[index][1]) - position
            position += skip
            data = data[skip:]
            index += 1

    @property
    def has_hole(self) -> bool:
        return bool(self._held)

    def ranges(self) -> list[tuple[int, int]]:
        """What is held out of order, as (start, end) positions, neighbours joined."""
        joined: list[tuple[int, int]] = []
        for at, data in self._held:
            if joined and joined[-1][1] == at:
                joined[-1] = (joined[-1][0], at + len(data))
            else:
                joined.append((at, at + len(data)))
        return joined

    def read(self, limit: int, peek: bool = False) -> bytes:
        """Up to `limit` bytes in order."""
        first = self._chunks[0] if self._chunks else b""
        if len(first) == limit or (len(first) < limit and len(self._chunks) == 1):
            if not peek and first:
                self._chunks.popleft()
                self.available -= len(first)
            return bytes(first)
        buffer = bytearray(min(limit, self.available))
        self.read_into(memoryview(buffer), peek)
        return bytes(buffer)

    def read_into(self, buffer: memoryview, peek: bool = False) -> int:
        """Fill `buffer` as far as there is data; the number of bytes."""
        filled = 0
        index = 0
        while filled < len(buffer) and index < len(self._chunks):
            chunk = self._chunks[index]
            n = min(len(chunk), len(buffer) - filled)
            buffer[filled : filled + n] = chunk[:n] if n < len(chunk) else chunk
            filled += n
            if peek:
                index += 1
            elif n == len(chunk):
                self._chunks.popleft()
            else:
                self._chunks[0] = memoryview(chunk)[n:]
        if not peek:
            self.available -= filled
        return filled

    def clear(self) -> None:
        self._chunks.clear()
        self._held.clear()
        self.available = 0
        self.held = 0
