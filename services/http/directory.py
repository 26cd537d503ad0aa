"""A directory as http shows it: which file a request's path means, and a page that lists what is there.

Nothing outside the directory is reached: `..` in any spelling, a NUL, and links that lead out are refused with 403,
and so is what is neither a file nor a directory. Reading may block for as long as the disk takes.
"""

from __future__ import annotations

import errno
import html
import mimetypes
import os
import stat
from http import HTTPStatus
from io import FileIO
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from services.http.conditions import Validators

INDEX = "index.html"
PIECE = 1 << 18  # bytes of a file read at once
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe with no writer must not block us
TYPES = mimetypes.MimeTypes()  # the library's own table: the same on every machine
OTHER_TYPE = "application/octet-stream"


class Refused(Exception):
    """There is nothing at this path for the client, and `status` says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class File(NamedTuple):
    """An open file; who has it closes it."""

    file: FileIO
    size: int
    validators: Validators
    content_type: str


class Elsewhere(NamedTuple):
    """A directory, asked for without its slash: the path that has it."""

    location: str


class Listing(NamedTuple):
    page: bytes


class Body:
    """A part of an open file, piece by piece. OSError if the file has become shorter than was promised."""

    def __init__(self, file: FileIO, start: int, length: int) -> None:
        self._file = file
        self._left = length
        file.seek(start)

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        data = self._file.read(min(self._left, PIECE)) or b""
        if not data:
            self.close()
            if self._left:
                raise OSError(errno.EIO, "the file has become shorter")
            raise StopIteration
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()


class Directory:
    """`path` is the real one. Raises OSError if it is no directory that we may read."""

    def __init__(self, path: str) -> None:
        os.scandir(path).close()
        self.path = os.path.realpath(path)

    def find(self, target: str) -> File | Elsewhere | Listing:
        """What a request for `target`, a path as it stands in the first line, gets. Raises Refused."""
        try:
            return self._find(target)
        except PermissionError:
            raise Refused(HTTPStatus.FORBIDDEN) from None
        except OSError as e:
            is_ours = e.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE if is_ours else HTTPStatus.NOT_FOUND) from None

    def _find(self, target: str) -> File | Elsewhere | Listing:
        path = target_path(target)
        segments = path.split("/")
        if ".." in segments or "\0" in path or os.path.altsep in segments:
            raise Refused(HTTPStatus.FORBIDDEN)
        real = self._real(segments)
        if stat.S_ISDIR(os.stat(real).st_mode):
            if not path.endswith("/"):
                query = target.partition("?")[2]
                location = quote(os.fsencode("/" + path.strip("/") + "/"))
                return Elsewhere(location + (f"?{query}" if query else ""))
            try:
                return self._open(self._real([*segments, INDEX]))
            except FileNotFoundError:
                return Listing(listing(path, real))
        if path.endswith("/"):
            raise Refused(HTTPStatus.NOT_FOUND)
        return self._open(real)

    def _real(self, segments: list[str]) -> str:
        """Where a path leads when all links have been followed: not out of here."""
        real = os.path.realpath(os.path.join(self.path, *(part for part in segments if part not in ("", "."))))
        if real != self.path and not real.startswith(self.path.rstrip(os.sep) + os.sep):
            raise Refused(HTTPStatus.FORBIDDEN)
        return real

    def _open(self, real: str) -> File:
        descriptor = os.open(real, os.O_RDONLY | NO_FOLLOW)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise Refused(HTTPStatus.FORBIDDEN)
        file = FileIO(descriptor, "rb")
        tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        return File(file, found.st_size, Validators(tag, int(found.st_mtime)), content_type(real))


def target_path(target: str) -> str:
    """The path of a request's target, decoded once."""
    path = target.partition("?")[0].partition("#")[0]
    return os.fsdecode(unquote_to_bytes(path.encode("latin-1", "replace")))


def content_type(name: str) -> str:
    kind, encoding = TYPES.guess_type(os.path.basename(name))
    if encoding is not None:
        return "application/gzip" if encoding == "gzip" else OTHER_TYPE
    return kind or OTHER_TYPE


def listing(path: str, real: str) -> bytes:
    """A page of links to what is in a directory: sorted, directories with a slash."""
    with os.scandir(real) as entries:
        names = sorted(entry.name + "/" * os.path.isdir(entry.path) for entry in entries)
    title = f"Index of {_text(path)}"
    links = [f'<li><a href="{_link(name)}">{_text(name)}</a>' for name in (["../"] * (path.strip("/") != "")) + names]
    return "\n".join(
        ["<!DOCTYPE html>", '<meta charset="utf-8">', f"<title>{title}</title>", f"<h1>{title}</h1>", "<ul>", *links,
         "</ul>", ""]
    ).encode()  # fmt: skip


def _text(name: str) -> str:
    return html.escape(os.fsencode(name).decode("utf-8", "replace"))


def _link(name: str) -> str:
    """Relative. Everything is escaped that could be taken for something else, a colon not least."""
    return quote(os.fsencode(name), safe="/")
