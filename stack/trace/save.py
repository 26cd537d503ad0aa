"""Entries to capture files: what the ring holds, at once, and everything that passes, as it passes.

Each frame's comment is what the stack has said of it: why it was resent, why it was dropped. What was dropped without
ever being a frame, no route or no neighbour say, is told in the comment of the frame before it.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from stack.trace.capture import BILLION, LINKTYPE_ETHERNET, Captured, writer_for
from stack.trace.choice import Test
from stack.trace.printer import is_news
from stack.trace.recorder import Entry, Note


class Gap(NamedTuple):
    """Frames that are left out before the item `serial`."""

    serial: int
    frames: int

    def __str__(self) -> str:
        return f"{self.frames} frame{'s' if self.frames != 1 else ''} left out, for the reader was too slow"


class Composer:
    """Makes a file's packets of a recording's items, which come in one batch or in many.

    `zero` is the nanoseconds since 1970 when the entries' clock was at 0; `test` chooses frames.
    """

    def __init__(self, zero: int, test: Test | None = None) -> None:
        self._zero = zero
        self._test = test
        self._ahead: list[str] = []  # to be said with the next frame

    def packets(self, items: Iterable[Entry | Note | Gap]) -> Iterator[Captured]:
        """The frames in order. What the test raises is raised."""
        entry: Entry | None = None
        behind: list[str] = []
        for item in items:
            if isinstance(item, Entry):
                if self._test is not None and not self._test(item):
                    continue
                if entry is not None:
                    yield self._packet(entry, behind)
                    behind = []
                entry = item
            elif isinstance(item, Gap):
                self._ahead.append(f"before: {item}")
            elif self._test is None and is_news(item):
                if entry is not None:
                    behind.append(f"then: {item.event}")
                else:
                    self._ahead.append(f"before: {item.event}")
        if entry is not None:
            yield self._packet(entry, behind)

    def _packet(self, entry: Entry, behind: list[str]) -> Captured:
        ahead, self._ahead = self._ahead, []
        said = [] if entry.why is None else [str(entry.why)]
        comment = "; ".join([*ahead, *said, *map(str, entry.notes), *behind])
        at = max(0, self._zero + round(entry.time * BILLION))
        return Captured(at, entry.data, entry.size, entry.interface, entry.outgoing, comment, entry.linktype)


def save(items: Iterable[Entry | Note], path: str | os.PathLike[str], zero: int, test: Test | None = None) -> int:
    """Write a whole file and return how many frames it has. OSError; ValueError for what a .pcap cannot hold."""
    name = os.fspath(path)
    packets = list(Composer(zero, test).packets(items))
    buffer = io.BytesIO()
    writer = writer_for(name, buffer, packets[0].linktype if packets else LINKTYPE_ETHERNET)
    for packet in packets:
        writer.write(packet)
    with open_file(name) as file, buffer.getbuffer() as data:
        try:
            write_all(file, data)
        except OSError as e:
            raise cannot_write(name, e) from None
    return len(packets)


def write_all(file: IO[bytes], data: bytes | memoryview) -> None:
    """Write and flush, however little the file takes at a time."""
    with memoryview(data) as whole:
        at = 0
        while at < len(whole):
            at += file.write(whole[at:]) or len(whole)
    file.flush()


def open_file(name: str) -> IO[bytes]:
    """A new file, unbuffered, or for '-' standard output if that is no terminal. OSError, ValueError."""
    if name == "-":
        if sys.stdout.isatty():
            raise ValueError("a capture is not for a terminal's eyes: give a file, or pipe it to wireshark -k -i -")
        # A descriptor of our own: what others print, and flush at the end, is not in our way.
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    if not name:
        raise ValueError("a capture needs a file to be written to")
    try:
        return open(name, "wb", buffering=0)
    except OSError as e:
        raise cannot_write(name, e) from None


def is_regular(file: IO[bytes]) -> bool:
    """Whether writing to it ends by itself, unlike a pipe's whose reader has stopped."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # no file of the system's: memory, say
        return True


def cannot_write(name: str, error: OSError) -> OSError:
    return OSError(error.errno, f"cannot write {name}: {error.strerror or error}")
