"""Conditional requests and ranges (RFC 9110 13 and 14): what of a file a request gets, if anything.

Pure: headers, the file's validators and its size in, a decision out. Several ranges at once are answered with the
whole, as RFC 9110 14.2 allows; a range that makes no sense is as if it were not there.
"""

from __future__ import annotations

import re
from email.message import Message
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple, Protocol

TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
RANGE = re.compile(r"\s*bytes\s*=[\s,]*(\d*)-(\d*)[\s,]*", re.ASCII | re.IGNORECASE)


class Fields(Protocol):
    """A request's header, in which the case of names does not matter (RFC 9110 5.1)."""

    def get(self, name: str, /) -> str | None: ...


class Joined(NamedTuple):
    """The fields of a message; several lines of one name are one list (RFC 9110 5.3)."""

    header: Message

    def get(self, name: str, /) -> str | None:
        lines = self.header.get_all(name)
        return ", ".join(lines) if lines else None


class Validators(NamedTuple):
    """A file's strong entity tag, quoted, and when it was modified: whole seconds since 1970."""

    tag: str
    modified: int

    @property
    def date(self) -> str:
        return formatdate(self.modified, usegmt=True)


class Part(NamedTuple):
    """`length` bytes from `start`. `status` is 200, 206, 304, 412 or 416; there are bytes only with the first two."""

    status: HTTPStatus
    start: int = 0
    length: int = 0


def decide(headers: Fields, validators: Validators, size: int) -> Part:
    """What a GET or HEAD of a file of `size` bytes is answered with, by RFC 9110 13.2.2 in its order."""
    match, none_match = headers.get("If-Match"), headers.get("If-None-Match")
    unmodified, modified = _date(headers.get("If-Unmodified-Since")), _date(headers.get("If-Modified-Since"))
    if match is not None:
        if not is_tag_in(match, validators.tag, is_weak=False):
            return Part(HTTPStatus.PRECONDITION_FAILED)
    elif unmodified is not None and validators.modified > unmodified:
        return Part(HTTPStatus.PRECONDITION_FAILED)
    if none_match is not None:
        if is_tag_in(none_match, validators.tag, is_weak=True):
            return Part(HTTPStatus.NOT_MODIFIED)
    elif modified is not None and validators.modified <= modified:
        return Part(HTTPStatus.NOT_MODIFIED)
    wanted = headers.get("Range")
    if wanted is not None and _may_be_part(headers.get("If-Range"), validators):
        return parse_range(wanted, size) or Part(HTTPStatus.OK, 0, size)
    return Part(HTTPStatus.OK, 0, size)


def parse_range(text: str, size: int) -> Part | None:
    """'bytes=0-499', 'bytes=500-' or 'bytes=-500': a part, or the news that there is none. None if it is to be ignored:
    it makes no sense, has another unit, or asks for several ranges."""
    match = RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = match[1], match[2]
    if len(first) > 18 or len(last) > 18 or not (first or last):
        return None
    if not first:  # RFC 9110 14.1.2: the last so many bytes
        length = min(int(last), size)
        start = size - length
    else:
        start = int(first)
        if last and int(last) < start:
            return None
        length = min(int(last) + 1 if last else size, size) - start
    if length <= 0:
        return Part(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
    return Part(HTTPStatus.PARTIAL_CONTENT, start, length)


def is_tag_in(field: str, tag: str, is_weak: bool) -> bool:
    """Whether If-Match's or If-None-Match's value names `tag`. RFC 9110 8.8.3.2: a weak tag matches only weakly."""
    if field.strip() == "*":
        return True
    if TAG.sub("", field).strip(" \t,"):
        return False  # something in it is no tag
    return any(f'"{found[1]}"' == tag and (is_weak or not found[0]) for found in TAG.findall(field))


def _may_be_part(if_range: str | None, validators: Validators) -> bool:
    """RFC 9110 13.1.5: a part is of use only if the rest is of the same file."""
    if if_range is None:
        return True
    if '"' in if_range:
        return if_range.strip() == validators.tag
    return _date(if_range) == validators.modified


def _date(text: str | None) -> int | None:
    """An HTTP date in any of its three forms; None for what is none, which counts as absent."""
    if text is None:
        return None
    try:
        return int(parsedate_to_datetime(text[:100]).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
