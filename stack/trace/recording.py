"""Capture files, ours or any other tool's, as the entries that the trace shows: the same eyes for what has passed
elsewhere.

Reads what `stack.trace.capture` reads, and stops with one clear line where a file is damaged or its packets are of a
link that nobody here knows. What a file says of a packet is shown as what the stack says is, and never believed to be
text that a terminal may act on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from rich.text import Text

from stack.trace import linktype, render, save
from stack.trace.capture import BILLION, Captured, CaptureError, read
from stack.trace.choice import Wanted, choose
from stack.trace.flow import Flows
from stack.trace.layer import printable
from stack.trace.picture import Picture
from stack.trace.recorder import Comment, Entry

SHOWN_BYTES = 2048  # of a frame's bytes, by `show`


class FileEntry(Entry):
    """A frame that a file holds. `linktype` is what it begins with, `missing` how many bytes the capture left out."""

    __slots__ = ("linktype", "missing")
    is_foreign = True

    def __init__(self, number: int, time: float, packet: Captured) -> None:
        outgoing = packet.outgoing
        if outgoing is None:
            outgoing = linktype.outgoing(packet.linktype, packet.data)
        interface = printable(packet.interface)
        super().__init__(number, number, time, interface, outgoing, packet.data, b"", None, None)
        self.linktype = packet.linktype
        self.missing = max(0, packet.length - len(packet.data))
        if packet.comment:
            self.notes = (Comment(printable(packet.comment)),)

    @property
    def size(self) -> int:
        return len(self.head) + self.missing

    @property
    def framed(self) -> bytes | memoryview:
        if self.linktype == linktype.ETHERNET:
            return self.head
        found, start = linktype.network(self.linktype, self.head)
        return bytes(12) + max(found, 0).to_bytes(2, "big") + bytes(self.head[start:])


def entries(packets: Iterable[Captured], on_start: Callable[[int], object] | None = None) -> Iterator[FileEntry]:
    """The packets as entries whose times count from the first; `on_start` is told when that was, in nanoseconds since
    1970. Raises CaptureError."""
    flows = Flows()
    start = time = 0
    for number, packet in enumerate(packets, 1):
        if packet.linktype not in linktype.KNOWN:
            kind = linktype.name(packet.linktype)
            raise CaptureError(f"frame {number} is of link type {kind}; Ethernet, raw IP and Linux cooked are read")
        if number == 1:
            start = packet.at
            if on_start is not None:
                on_start(start)
        time = packet.at - start if packet.at else time  # pcapng's simple packets have no time
        entry = FileEntry(number, time / BILLION, packet)
        entry.flow = flows.follow(entry.framed)
        yield entry


def open_capture(path: str | os.PathLike[str]) -> IO[bytes]:
    """The file, or for '-' standard input. OSError of one clear line."""
    name = os.fspath(path)
    if name == "-":
        return sys.stdin.buffer
    try:
        return open(name, "rb")
    except OSError as e:
        raise OSError(e.errno, f"cannot read {name}: {e.strerror}") from None


class Recording:
    """What a capture file holds: to be iterated over, `show(3)`, `lines('tcp')`, `chosen('tcp')`, `save('y.pcap')`.

    entries    the frames, as functions that choose frames get them
    broken     why the file could not be read to its end, in one line; '' if it could
    """

    is_streamed = True  # its lines have been printed as it was read

    def __init__(self, name: str, show: Callable[[Iterable[Text]], object], picture: Picture) -> None:
        self.name = name
        self.entries: list[FileEntry] = []
        self.broken = ""
        self._print = show
        self._picture = picture

    def load(self, file: IO[bytes]) -> Iterator[FileEntry]:
        """Read it, entry by entry. CaptureError if it is no capture at all; `broken` if it is a damaged one."""

        def begin(start: int) -> None:
            self._picture.zero = start

        packets = read(file)
        try:
            for entry in entries(packets, begin):
                self.entries.append(entry)
                yield entry
        except CaptureError as e:
            self.broken = f"{self.name}: {e}"

    def lines(self, wanted: Wanted = None) -> None:
        """Print a line for each frame that `wanted` lets through, as `trace.on` has it."""
        chosen = self._chosen(wanted)
        self._picture.fit(chosen)
        self._print(self._picture.line(entry) for entry in chosen)
        if self.broken:
            self._print([Text(self.broken, render.WRONG)])

    def show(self, number: int = 1, limit: int | None = SHOWN_BYTES) -> None:
        """Print the tree of one frame; -1, -2 ... count from the end. ValueError if there is no such frame."""
        if number < 0:
            number += (self.entries[-1].number if self.entries else 0) + 1
        entry = next((entry for entry in self.entries if entry.number == number), None)
        if entry is None:
            there = f"{self.entries[0].number} to {self.entries[-1].number} are" if self.entries else "none is"
            raise ValueError(f"frame {number} is not there; {there}")
        self._print([self._picture.tree(entry, limit=limit)])

    def chosen(self, wanted: Wanted) -> Recording:
        """Another recording, of those frames only that `wanted` lets through."""
        other = Recording(self.name, self._print, self._picture)
        other.entries, other.broken = self._chosen(wanted), self.broken
        return other

    def save(self, path: str | os.PathLike[str], wanted: Wanted = None) -> None:
        """Write the frames to another file, pcap if its name ends so. OSError, ValueError."""
        count = save.save(self.entries, path, self._picture.zero, choose(wanted))
        self._print([saved_line(count, path)])

    def _chosen(self, wanted: Wanted) -> list[FileEntry]:
        test = choose(wanted)
        return [entry for entry in self.entries if test is None or test(entry)]

    def __iter__(self) -> Iterator[FileEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        count = len(self.entries)
        broken = f", and {self.broken.removeprefix(self.name + ': ')}" if self.broken else ""
        return f"<{self.name}: {count} frame{'s' if count != 1 else ''}{broken}>"


def saved_line(count: int, path: str | os.PathLike[str]) -> Text:
    return Text(f"{count} frame{'s' if count != 1 else ''} to {os.fspath(path)}")
