"""Requests as they come over the wire, letter for letter: what http takes, what it refuses, when it hangs up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.http import LINGER
from services.http.directory import Directory
from services.http.request import Request
from tests.streams import rest

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


@pytest.mark.parametrize(
    "target, status",
    [
        ("/ten", 200),
        ("//ten", 200),
        ("http://x/ten", 200),
        ("HTTP://[fd00::1]:80/ten?a=b", 200),
        ("http://caf\u00c3\u00a9.lab/ten", 200),  # in UTF-8, as curl sends it
        ("/caf\u00c3\u00a0", 404),
        ("/caf\u00c3\u0085", 404),
        ("http://x", 200),
        ("http://x?y", 200),
        ("http://x/sub", 301),
        ("http://[bad/", 400),
        ("http://bad]/", 400),
        ("http://x:y/", 400),
        ("http://a@b/", 400),
        ("http:///ten", 400),
        ("://x/", 400),
        ("ten", 400),
        ("*", 400),
    ],
)
def test_a_target_is_a_path_or_a_whole_url(site: Path, target: str, status: int) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1")
    assert asked(site, head).status == status
    greeting = {"http://x": 200, "http://x?y": 200}.get(target, 404)
    assert asked(None, head).status == (400 if status == 400 else greeting)


@pytest.mark.parametrize("line", [b"GET http://[bad/ HTTP/1.1", b"GET http://a]b/ HTTP/1.0", b" \t ", b"\x85"])
def test_a_line_that_is_no_request_is_answered_and_logged(place: Any, site: Path, line: bytes) -> None:
    service = place.services.start("http", port=0, setting=str(site))
    sock = place.connect(service)
    sock.sendall(line + b"\r\nHost: x\r\n\r\n")
    assert rest(sock).startswith(b"HTTP/1.1 400 ")
    assert place.eventually(lambda: len(service.log) == 1) and '" 400 ' in service.log[0]
    assert service.loop.last_fault == ""


@pytest.mark.parametrize(
    "head, status",
    [
        ("GET /ten HTTP/1.1\nHost: x\n", 200),  # RFC 9112 2.2: lines may end with a LF alone
        ("GET /ten HTTP/1.1\r\nhOST:x:8080\r\n", 200),
        ("GET /ten HTTP/1.1\r\nHost:\t[::1]:80 \r\n", 200),
        ("GET /ten HTTP/1.1\r\nHost: caf\u00c3\u00a9.lab\r\nX: \u00ff\t\r\n", 200),
        ("GET /ten HTTP/1.1\r\nHost:\r\n", 200),  # RFC 9110 7.2: of a URL without one
        ("GET /ten HTTP/1.2\r\nHost: x\r\n", 200),
        ("GET /ten HTTP/1.0\r\n", 200),
        ("POST /ten HTTP/1.1\r\nHost: x\r\n", 501),
        ("GET /ten HTTP/2.0\r\nHost: x\r\n", 505),
        # RFC 9112 3.2: Host
        ("GET /ten HTTP/1.1\r\n", 400),
        ("GET /ten HTTP/1.2\r\n", 400),
        ("POST /ten HTTP/1.1\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400),
        ("GET /ten HTTP/1.0\r\nHost: x\r\nhost: y\r\n", 400),
        ("GET /ten HTTP/1.0\r\nHost: a b\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: http://x/\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x, y@z\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x:80:81\r\n", 400),
        # RFC 9112 3: the first line
        ("GET /ten\r\n", 400),
        ("GET /ten\r\nHost: x\r\n", 400),
        ("GET  /ten HTTP/1.1\r\nHost: x\r\n", 400),
        ("GET\t/ten HTTP/1.1\r\nHost: x\r\n", 400),
        ("GET /ten HTTP/1.1 \r\nHost: x\r\n", 400),
        ("GET /t\u0001n HTTP/1.1\r\nHost: x\r\n", 400),
        ("GET /t en HTTP/1.1\r\nHost: x\r\n", 400),
        ("GET /ten HTTP/01.1\r\nHost: x\r\n", 400),
        ("GET /ten HTTP/0.9\r\nHost: x\r\n", 400),
        ("GET /t en HTTP/0.9\r\nHost: x\r\n", 400),
        ("POST /ten HTTP/0.9\r\nHost: x\r\n", 400),
        ("GET / HTTP/1.1\rX\r\nHost: x\r\n", 400),
        # RFC 9112 5: fields
        ("GET /ten HTTP/1.1\r\nHost: x\r\nX : y\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost : x\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\n: y\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nno colon\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nFrom me\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\n folded\r\n", 400),
        ("GET /ten HTTP/1.1\r\n Host: x\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nX: y\rZ: 0\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nX: \0\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nX\u00e4: y\r\n", 400),
        # RFC 9112 6: where the body ends
        ("GET /ten HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 5\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nContent-Length: -0\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nContent-Length: \u00b2\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n", 400),
        ("GET /ten HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
    ],
)
def test_what_must_be_refused_is(site: Path, head: str, status: int) -> None:
    request: Any = asked(site, head.encode("latin-1") + b"\r\n")
    assert request.status == status
    assert request.answer.startswith(b"HTTP/1.1 %d " % status)
    assert (status == 200) is (b"".join(request.body or ()) == DIGITS)
    assert (b"\r\nConnection: close\r\n" in request.answer) is (status != 200 or " HTTP/1.0" in head)
    assert request.close_connection is (status != 200 or " HTTP/1.0" in head)


BODIES = [
    "Content-Length: 5", "Content-Length: 05", "Content-Length: " + "9" * 5000, "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip\r\nTransfer-Encoding: Chunked",
]  # fmt: skip


@pytest.mark.parametrize("path, status", [("/ten", 200), ("/nothing", 404), ("/sub", 301)])
def test_a_request_with_a_body_is_the_last_for_nobody_looks_where_that_ends(site: Path, path: str, status: int) -> None:
    for field, is_last in (*((body, True) for body in BODIES), ("Content-Length: 00", False), ("X: y", False)):
        for more in ("", "Expect: 100-continue\r\n"):  # the answer is there at once: nothing is to be continued
            request = asked(site, f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}{field}\r\n\r\n".encode())
            assert request.answer.startswith(b"HTTP/1.1 %d " % status)
            assert request.close_connection is is_last, field
            assert (b"\r\nConnection: close\r\n" in request.answer) is is_last


PIECES = [
    b"GET", b"HEAD", b"POST", b"OPTIONS", b" ", b"  ", b"\t", b"\xa0", b"\x85", b"\x0b", b"\r", b"\n", b"\r\n", b"\0",
    b"http://", b"://", b"[", b"]", b"[::1]", b"x", b"@", b":", b":80", b"/", b"//", b"..", b"ten", b"sub", b"?", b"#",
    b"%", b"%2f", b"%00", b"%5b", b"\xc3\xa4", b"\xff", b"*", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0",
    b"HTTP/1.", b"HTTP/\xb2.1", b"Host: x", b"Host: ", b"host:", b"Range: bytes=0-1", b"If-Match: ", b'"', b"Expect: ",
    b"100-continue", b"Connection: ", b"close", b"keep-alive", b"Content-Length: 5", b"Transfer-Encoding: chunked",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.lists(st.sampled_from(PIECES), max_size=12), st.booleans())
def test_fuzz_every_request_has_an_answer_a_log_line_and_no_fault(
    site: Path, first: list[bytes], more: list[bytes], is_url: bool
) -> None:
    line = b"GET " + b"http://" * is_url + b"".join(first) + b" HTTP/1.1" if is_url else b"".join(first)
    head = (line + b"\r\n" + b"".join(more)).lstrip(b"\r\n") + b"\r\n\r\n"
    for root in (site, None):
        if not head.strip(b"\r\n"):
            return
        request: Any = asked(root, head)
        assert re.match(rb"HTTP/1\.1 [2-5]\d\d [ -~]*\r\n([!-~]+: [ -~]*\r\n)+\r\n", request.answer)
        assert re.fullmatch(r'1\.2\.3\.4 - - \[[^]]*\] "[ -~]+" [2-5]\d\d 7', request.log_line(7))
        for _ in request.body or ():
            pass


# --- when it hangs up


@pytest.mark.parametrize(
    "version, fields, is_last",
    [
        ("1.1", "Connection: close", True),
        ("1.1", "Connection: TE, Close\r\nTE: deflate", True),
        ("1.1", "Connection: TE\r\nConnection: close", True),
        ("1.1", "Connection: keep-alive, close", True),
        ("1.1", "Connection: closed, TE", False),
        ("1.1", "Connection: keep-alive", False),
        ("1.0", "Connection: close", True),
        ("1.0", "X: y", True),
    ],
)
def test_a_client_that_asks_for_it_is_hung_up_on(site: Path, version: str, fields: str, is_last: bool) -> None:
    request = asked(site, f"GET /ten HTTP/{version}\r\nHost: x\r\n{fields}\r\n\r\n".encode())
    assert (request.status, request.close_connection) == (200, is_last)
    assert (b"\r\nConnection: close\r\n" in request.answer) is is_last


@pytest.mark.parametrize(
    "field", [b"Content-Length: 35", b"Content-Length: 0\r\nContent-Length: 35", b"Transfer-Encoding: chunked"]
)
def test_what_comes_in_a_body_is_not_taken_for_a_request(place: Any, site: Path, field: bytes) -> None:
    service = place.services.start("http", port=0, setting=str(site))
    sock = place.connect(service)
    sock.sendall(b"GET /ten HTTP/1.1\r\nHost: x\r\n" + field + b"\r\n\r\n" + b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = rest(sock)
    assert answer.count(b"HTTP/1.1 ") == 1 and b"\r\nConnection: close\r\n" in answer
    assert place.eventually(lambda: len(service.log) == 1) and "hidden" not in service.log[0]


LAST = b"GET /ten HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


def test_a_client_that_is_still_sending_hears_the_last_answer(place: Any, site: Path) -> None:
    service = place.services.start("http", port=0, setting=str(site))
    sock = place.connect(service)
    sock.sendall(LAST + bytes(5000))
    assert rest(sock).endswith(DIGITS)
    sock.sendall(bytes(300_000))
    assert place.eventually(lambda: service.bytes_in == len(LAST) + 305_000)
    assert len(service.clients) == 1  # it was not cut off
    sock.close()
    assert place.eventually(lambda: not service.clients)


def test_a_client_that_does_not_stop_sending_is_cut_off(place: Any, site: Path) -> None:
    service = place.services.start("http", port=0, setting=str(site))
    sock = place.connect(service)
    sock.sendall(LAST)
    assert rest(sock).endswith(DIGITS)
    with pytest.raises(ConnectionError):
        for _ in range(400):
            sock.sendall(bytes(65536))
    assert place.eventually(lambda: not service.clients)
    assert LINGER <= service.bytes_in < 2 * LINGER
