"""What the user has written and the other end has not acknowledged: bytes kept once, read by offset.

Chunks are the caller's own `bytes` where possible. Sending, and sending again, both take a view by position; nothing
is copied unless a segment spans two chunks.
"""

from __future__ import annotations

from bisect import bisect_right

MERGE = 4096  # bytes: small writes are joined up to this, so that ten thousand of one byte are not ten thousand chunks
COMPACT = 256  # chunks acknowledged before the lists are shortened


class SendQueue:
    """Positions count from the first byte ever written; `start` is the first kept, `end` one past the last."""

    __slots__ = ("_chunks", "_ends", "_first", "end", "start")

    def __init__(self) -> None:
        self._chunks: list[bytes | memoryview] = []
        self._ends: list[int] = []  # the position one past each chunk
        self._first = 0  # index of the first chunk still needed
        self.start = 0
        self.end = 0

    def __len__(self) -> int:
        return self.end - self.start

    def append(self, data: bytes | memoryview) -> None:
        """Keep `data`. A memoryview over `bytes` is kept as it is; anything that could still change is copied."""
        if isinstance(data, memoryview) and not (type(data.obj) is bytes and data.contiguous):
            data = bytes(data)
        if not data:
            return
        self.end += len(data)
        if self._first < len(self._chunks) and len(self._chunks[-1]) + len(data) <= MERGE:
            self._chunks[-1] = bytes(self._chunks[-1]) + bytes(data)
            self._ends[-1] = self.end
        else:
            self._chunks.append(data)
            self._ends.append(self.end)

    def view(self, position: int, length: int) -> bytes | memoryview:
        """`length` bytes from `position`, which must be within the queue."""
        index = bisect_right(self._ends, position, self._first)
        chunk = self._chunks[index]
        offset = position - (self._ends[index] - len(chunk))
        if offset + length <= len(chunk):
            if length == len(chunk):
                return chunk
            return memoryview(chunk)[offset : offset + length]
        parts = [memoryview(chunk)[offset:]]
        missing = length - len(parts[0])
        while missing > 0:
            index += 1
            part = memoryview(self._chunks[index])[:missing]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def release(self, position: int) -> None:
        """Everything before `position` has been acknowledged."""
        self.start = max(self.start, min(position, self.end))
        first = self._first
        while first < len(self._ends) and self._ends[first] <= self.start:
            self._chunks[first] = b""
            first += 1
        self._first = first
        if first >= COMPACT and first * 2 >= len(self._chunks):
            del self._chunks[:first], self._ends[:first]
            self._first = 0

    def clear(self) -> None:
        self._chunks.clear()
        self._ends.clear()
        self._first = 0
        self.start = self.end
