"""Where a body is saved: a file of its URL's name, the one file that was asked for, standard output, or memory.

A file that is there is never overwritten unless it was named: the new one is called `name.1`. What has come stays
whatever happens, so that it can be continued. It refuses to guess at a file that cannot be written: OSError.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import IO, Any

from apps.streams import ByteOutput

STDOUT = "-"


class Destination:
    """What they have in common.

    path     the file's, None without one
    have     bytes of the present URL's body that are there
    """

    path: str | None = None

    def __init__(self) -> None:
        self.have = 0

    def begin(self, name: str) -> None:
        """The next URL's body goes here; `name` is the URL's."""
        self.have = 0

    def open(self) -> None:
        """The body is about to come. Raises OSError."""

    def write(self, data: bytes) -> None:
        """Raises OSError."""
        self._put(data)
        self.have += len(data)

    def end(self) -> None:
        """The URL is done with, or given up."""

    def close(self) -> None:
        """Everything is."""

    @property
    def shown(self) -> str:
        """What it is called on the line of the progress bar."""
        return self.path or STDOUT

    @property
    def body(self) -> bytes | None:
        """What came, if it is kept in memory."""
        return None

    def _put(self, data: bytes) -> None:
        raise NotImplementedError


class Memory(Destination):
    def __init__(self) -> None:
        super().__init__()
        self._kept = bytearray()

    def begin(self, name: str) -> None:
        super().begin(name)
        self._kept.clear()

    @property
    def body(self) -> bytes:
        return bytes(self._kept)

    def _put(self, data: bytes) -> None:
        self._kept += data


class StandardOutput(Destination):
    path = STDOUT

    def __init__(self) -> None:
        super().__init__()
        self._output = ByteOutput()

    def end(self) -> None:
        self._output.end()

    def _put(self, data: bytes) -> None:
        sys.stderr.flush()
        self._output.write(data)


class OwnFile(Destination):
    """A file named after the URL: a new one, or with `resume` the one that is there."""

    def __init__(self, resume: bool) -> None:
        super().__init__()
        self._resume = resume
        self._file: IO[bytes] | None = None

    def begin(self, name: str) -> None:
        self.path = name
        self.have = _size(name) if self._resume else 0

    def open(self) -> None:
        if self._file is not None:
            return  # from the try before
        assert self.path is not None
        if self._resume:
            self._file = _open(self.path, "ab")
            return
        name, number = self.path, 0
        while self._file is None:
            try:
                self._file = _open(self.path, "xb")
            except FileExistsError:
                if Path(name).is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name) from None
                number += 1
                self.path = f"{name}.{number}"

    def end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put(self, data: bytes) -> None:
        _write_all(self._file, data)


class NamedFile(Destination):
    """The file of -O: made at once, emptied unless `resume`, and holding all the URLs one after another."""

    def __init__(self, path: str, resume: bool) -> None:
        """Raises OSError."""
        super().__init__()
        self.path = path
        self._before = _size(path) if resume else 0
        self._file = _open(path, "ab" if resume else "wb")

    def begin(self, name: str) -> None:
        self.have, self._before = self._before, 0

    def close(self) -> None:
        self._file.close()

    def _put(self, data: bytes) -> None:
        _write_all(self._file, data)


def destination(output: Any, resume: bool) -> Destination:
    """`output` as `wget` takes it. Raises OSError if the file it names is not to be written, ValueError."""
    if output is None:
        return OwnFile(resume)
    if output is bytes:
        return Memory()
    if output == STDOUT:
        return StandardOutput()
    if not isinstance(output, str | os.PathLike) or not os.fspath(output):
        raise ValueError(f"output is a file's name, '-', bytes or None, not {output!r}")
    return NamedFile(os.fspath(output), resume)


def _open(path: str, mode: str) -> IO[bytes]:
    """Unbuffered: what has come is there, whatever happens next."""
    return open(path, mode, buffering=0)


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.isfile(path) else 0


def _write_all(file: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
