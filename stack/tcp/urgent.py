"""Urgent data (RFC 9293 3.8.5, RFC 6093): a mark in the stream, and the one byte in front of it, for the reader.

The pointer names the byte behind the urgent one, in what we send as in how we read. As in Linux the urgent byte is
taken out of the stream and kept apart until it is asked for, unless the user wants it inline; a read ends at the
mark; and of several marks the last one counts. RFC 6093 recommends that nobody build anything new on it: this is for
rlogin, telnet and their like.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from stack.port import error
from stack.wire.sequence import diff

if TYPE_CHECKING:
    from stack.tcp.connection import Connection
    from stack.tcp.receive_queue import ReceiveQueue

MAX_POINTER = 0xFFFF


def pointer(tcb: Connection, seq: int) -> int:
    """The urgent pointer of a segment that begins at `seq`; 0 for none, or if the mark is too far ahead to be named."""
    if tcb.snd_up is None:
        return 0
    ahead = diff(tcb.snd_up, seq)
    return ahead if 0 < ahead <= MAX_POINTER else 0


class UrgentMark:
    """Where the urgent byte of a receive queue is, while the reader is not past it. Positions are the queue's."""

    __slots__ = ("_gap", "_is_here", "_is_taken", "_queue", "byte", "position")

    def __init__(self, queue: ReceiveQueue) -> None:
        self._queue = queue
        self.position: int | None = None  # of the byte itself
        self.byte = b""
        self._is_here = False  # it has arrived
        self._is_taken = False  # it has been asked for
        self._gap = 0  # 1 once it has been taken out of the stream

    def announce(self, position: int) -> None:
        """RCV.UP <- max(RCV.UP, SEG.UP) (RFC 9293 3.10.7.4, sixth step). What has come already is no news."""
        if position >= self._queue.next and (self.position is None or position > self.position):
            self._forget()
            self.position = position

    def settle(self, is_inline: bool) -> None:
        """Data has come or was read: keep the byte, take it out of the stream when it is next, forget what is past."""
        position, queue = self.position, self._queue
        if position is None:
            return
        if not self._is_here and queue.start <= position < queue.next:
            self._is_here = True
            self.byte = queue.at(position)
        if queue.start == position < queue.next and not is_inline:
            queue.read(1)
            self._gap = 1
        if queue.start > position + self._gap:
            self._forget()

    def limit(self, count: int) -> int:
        """How many of `count` bytes may be read at once: not beyond the mark."""
        if self.position is None or self._queue.start >= self.position:
            return count
        return min(count, self.position - self._queue.start)

    @property
    def is_ready(self) -> bool:
        """poll(2)'s POLLPRI: there is an urgent byte, and nobody has had it."""
        return self._is_here and not self._is_taken

    @property
    def is_reached(self) -> bool:
        """sockatmark(3): the reader stands at the mark."""
        return self.position is not None and self._is_here and self._queue.start >= self.position

    def take(self, is_inline: bool, peek: bool) -> bytes:
        """recv(2) with MSG_OOB. Raises EINVAL if there is no urgent byte, EAGAIN if it is on its way."""
        if is_inline or self.position is None or self._is_taken:
            raise error(errno.EINVAL)
        if not self._is_here:
            raise error(errno.EAGAIN)
        self._is_taken = not peek
        return self.byte

    def _forget(self) -> None:
        self.position = None
        self.byte = b""
        self._is_here = self._is_taken = False
        self._gap = 0
