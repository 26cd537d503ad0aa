"""Requests as they come over the wire, letter for letter: what http takes, what it refuses, when it hangs up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.http.directory import Directory
from services.http.request import Request

DIGITS = b"0123456789"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "ten").write_bytes(DIGITS)
    (root / "sub").mkdir()
    return root


def asked(site: Path | None, head: bytes) -> Request:
    """One request's head, answered."""
    return Request(head, ("1.2.3.4", 5), lambda: 0.0, Directory(str(site)) if site else None, lambda _: "hello\n")


@pytest.mark.parametrize(
    "field, status",
    [
        ("Range: bytes=0-1", 206),
        ("If-None-Match: *", 304),
        ('If-Match: "x"', 412),
        ("If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", 412),
        ("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", 304),
        ('Range: bytes=0-1\r\nIf-Range: "x"', 200),
    ],
)
def test_the_case_of_a_field_s_name_does_not_matter(site: Path, field: str, status: int) -> None:
    for spelling in (str, str.lower, str.upper):
        lines = [spelling(name) + ":" + rest for name, _, rest in (one.partition(":") for one in field.split("\r\n"))]
        head = "\r\n".join(["GET /ten HTTP/1.1", "Host: x", *lines, "", ""])
        request: Any = asked(site, head.encode())
        assert request.status == status, lines
        if status < 300:
            assert b"".join(request.body) == (DIGITS[:2] if status == 206 else DIGITS)
