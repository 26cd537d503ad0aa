"""Reading a file that a setting names, whole.

It refuses (OSError) what has no end, or none for as long as somebody else likes: whatever is not a regular file, and
more than 16 MiB.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

LONGEST = 16 << 20  # bytes: a zone of a few hundred thousand records
# A pipe that nobody writes to must not block us, a terminal not become ours.
FLAGS: int = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


def read_text(path: str | Path) -> str:
    """What is in a regular file, in UTF-8; what is not UTF-8 in it as U+FFFD. Raises OSError with `strerror`."""
    try:
        descriptor = os.open(path, FLAGS)
    except ValueError:  # a NUL in it, or what cannot be encoded
        raise OSError(errno.EINVAL, "not the name of a file") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return _read(descriptor).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    found = bytearray()
    while data := os.read(descriptor, 1 << 16):
        found += data
        if len(found) > LONGEST:
            raise OSError(errno.EFBIG, f"longer than {LONGEST >> 20} MiB")
    return bytes(found)
