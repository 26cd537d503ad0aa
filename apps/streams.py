"""Standard input, output and error as whoever started us left them: closed, full, or with nobody at the other end.

A closed one becomes /dev/null before anything else is opened, or a device would have its number and be written to.
What cannot be said on standard error is not worth ending for. A full standard output ends the command, with a line.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import signal
import sys
from typing import TextIO, cast

# There is no room, or it was never open for writing.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class Mouth(io.TextIOWrapper):
    """Standard error, which loses what there is no room for."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as e:
            if e.errno not in FULL:
                raise
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as e:
            if e.errno not in FULL:
                raise


class ByteOutput:
    """Standard output, for bytes. Where it takes only text, as at the prompt, they are taken for UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> None:
        """At once, but for a character of which there is only the beginning yet. Raises OSError."""
        if sys.stdout is None or getattr(sys.stdout, "closed", False):  # None: before the program began
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        binary = getattr(sys.stdout, "buffer", None)
        if binary is not None:
            sys.stdout.flush()
            binary.write(data)
            binary.flush()
        else:
            sys.stdout.write(self._decoder.decode(data))
            sys.stdout.flush()

    def end(self) -> None:
        """There is no more: neither of a character that has only begun. Raises OSError."""
        rest = self._decoder.decode(b"", final=True)
        if rest:
            sys.stdout.write(rest)
            sys.stdout.flush()


def prepare() -> None:
    """Before anything else of the program."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Takes the lowest number there is: this one. The programs that we start have it, too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115  it stays open
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    old = cast(TextIO, sys.stderr or open(2, "w", closefd=False))  # noqa: SIM115
    raw = io.FileIO(2, "w", closefd=False)
    sys.stderr = Mouth(cast(io.BufferedWriter, raw), old.encoding, "backslashreplace", write_through=True)


def is_full(error: OSError) -> bool:
    """Whether it was raised by printing, and not by a file of somebody's."""
    return error.errno in FULL and error.filename is None


def discard() -> None:
    """What standard output still has is lost: leaving must not try again to write it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def end_as_a_broken_pipe() -> int:
    """Whoever read our output has gone: end as SIGPIPE would have it."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    return 128 + signal.SIGPIPE
