"""One http request, parsed and answered by the standard library's http.server: the head here, the body in pieces.

GET and HEAD, of a file (`services.http.directory`) or of the greeting. What is not a request is answered with an error
and the end of the connection. It refuses bodies: a request that brings one is answered and the connection closed.
"""

from __future__ import annotations

import http.server
import re
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from io import BytesIO
from typing import Any

from services.chargen import characters
from services.http.conditions import Joined, decide
from services.http.directory import Body, Directory, Elsewhere, File, Refused
from services.http.syntax import fault_in_header, fault_in_text, has_body, options, path_of
from services.service import Address

MAX_BYTES = 10**12
MAX_LINE = 8000  # bytes of a request's first line: RFC 9112 3 has servers take as much
DOWNLOAD = re.compile(r"/bytes/(\d{1,15})", re.ASCII)
NOT_ASCII = re.compile(rb"[\x80-\xff]")
UNFIT = re.compile(r"[^ !#-\[\]-~]")  # in a line of the log


class Request(http.server.BaseHTTPRequestHandler):
    """`answer` is the answer's head, with the body of a short one; `body` the rest; `status` what it came to.

    `fault` is a status to answer with whatever `head` says. Without a `directory` there is a greeting.
    """

    protocol_version = "HTTP/1.1"
    server_version = "glasstack"
    sys_version = ""
    raw_requestline: bytes

    def __init__(
        self,
        head: bytes,
        client_address: Address,
        wall: Callable[[], float],
        directory: Directory | None,
        greeting: Callable[[Address], str],
        fault: HTTPStatus | None = None,
    ) -> None:
        self.client_address = client_address
        self.directory = directory
        self.status = 0
        self.body: Iterator[bytes] | None = None
        self._wall = wall
        self._greeting = greeting
        self.rfile = BytesIO(head)
        self.wfile = BytesIO()
        self.close_connection = True
        line, _, self._fields = head.partition(b"\n")
        line = line.rstrip(b"\r")
        if fault is None and len(line) > MAX_LINE:
            fault = HTTPStatus.REQUEST_URI_TOO_LONG
        if fault is None:
            self.handle_one_request()
        else:
            self.command, self.request_version = "", self.protocol_version
            self.requestline = line[:MAX_LINE].decode("latin-1")
            self.send_error(fault)

    @property
    def answer(self) -> bytes:
        assert isinstance(self.wfile, BytesIO)
        return self.wfile.getvalue()

    def parse_request(self) -> bool:
        """Whether it is a request that is to be looked at; if not, it has been answered."""
        # curl sends a path in UTF-8 as it was typed, of which the library takes some bytes for blanks.
        self.raw_requestline = NOT_ASCII.sub(lambda m: b"%%%02X" % m[0][0], self.raw_requestline)
        if not super().parse_request():
            if not self.answer:  # a line of blanks, which the library says nothing to
                self.send_error(HTTPStatus.BAD_REQUEST)
            return False
        fault = fault_in_text(self.raw_requestline, self._fields)
        fault = fault or fault_in_header(self.headers, is_host_needed=self.request_version != "HTTP/1.0")
        if fault is None and self.command in ("GET", "HEAD"):  # the others get 501, whatever their target
            path = path_of(self.path)
            fault = "Bad request target" if path is None else None
            self.path = path or ""
        if fault is not None:
            self.send_error(HTTPStatus.BAD_REQUEST, fault)
        elif "close" in options(self.headers):  # the library knows it alone only
            self.close_connection = True
        return fault is None

    def do_GET(self) -> None:
        if self.directory is None:
            self._greet()
            return
        try:
            found = self.directory.find(self.path)
        except Refused as e:
            self._say(e.status)
            return
        if isinstance(found, Elsewhere):
            self._say(HTTPStatus.MOVED_PERMANENTLY, {"Location": found.location})
        elif isinstance(found, File):
            self._send(found)
        else:
            self._head(HTTPStatus.OK, {"Content-Type": "text/html; charset=utf-8"}, len(found.page))
            self._follow(iter([found.page]))

    do_HEAD = do_GET

    def _greet(self) -> None:
        path = self.path.partition("?")[0]
        download = DOWNLOAD.fullmatch(path)
        if path == "/":
            greeting = self._greeting(self.client_address).encode()
            self._head(HTTPStatus.OK, {"Content-Type": "text/plain; charset=utf-8"}, len(greeting))
            self._follow(iter([greeting]))
        elif download and int(download[1]) <= MAX_BYTES:
            self._head(HTTPStatus.OK, {"Content-Type": "application/octet-stream"}, int(download[1]))
            self._follow(characters(int(download[1])))
        else:
            self._say(HTTPStatus.NOT_FOUND)

    def _send(self, found: File) -> None:
        """A file, the part that was asked for, or the news that the client has it already."""
        part = decide(Joined(self.headers), found.validators, found.size)
        headers = {"Last-Modified": found.validators.date, "ETag": found.validators.tag, "Accept-Ranges": "bytes"}
        if part.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            headers["Content-Type"] = found.content_type
            if part.status == HTTPStatus.PARTIAL_CONTENT:
                headers["Content-Range"] = f"bytes {part.start}-{part.start + part.length - 1}/{found.size}"
            self._head(part.status, headers, part.length)
            self._follow(Body(found.file, part.start, part.length))
            return
        found.file.close()
        if part.status == HTTPStatus.NOT_MODIFIED:
            self._head(part.status, headers, None)
        else:
            is_range = part.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            self._say(part.status, {"Content-Range": f"bytes */{found.size}"} if is_range else {})

    # --- parts of an answer

    def _say(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        """A status and a line that says it."""
        line = f"{status.value} {status.phrase}\n".encode()
        self._head(status, {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}, len(line))
        self._follow(iter([line]))

    def _head(self, status: HTTPStatus, headers: dict[str, str], length: int | None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        # Where the body of a request ends is not our business, so the next request after one is not found.
        if has_body(self.headers):
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _follow(self, body: Iterator[bytes]) -> None:
        """The body after the head, unless only the head is wanted."""
        if self.command != "HEAD":
            self.body = body
        elif isinstance(body, Body):
            body.close()

    # --- what the library asks

    def handle_expect_100(self) -> bool:
        return True  # RFC 9110 10.1.1: the answer itself comes at once, and does not wait for a body

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.request_version = self.protocol_version  # or HTTP/0.9 would have no status line
        super().send_error(code, message, explain)

    def version_string(self) -> str:
        return self.server_version

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self._wall() if timestamp is None else timestamp, usegmt=True)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        self.status = int(code)

    def log_message(self, format: str, *args: Any) -> None:
        pass  # the service writes its log when it knows how much was sent

    def log_line(self, sent: int) -> str:
        """In the common log format, when `sent` bytes of the body have gone out. Times are in UTC."""
        at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(self._wall()))
        line = UNFIT.sub(lambda m: f"\\x{ord(m[0]) & 0xFF:02x}", self.requestline) or "-"
        return f'{self.client_address[0]} - - [{at}] "{line}" {self.status} {sent or "-"}'
