"""http (RFC 9112, by the standard library's http.server): a greeting at `/`, and `/bytes/N` for something to download.

The standard library parses the request and writes the answer's head; the bytes come and go through the loop, so that
a client costs no thread. GET and HEAD, connections kept alive and requests one after another. It refuses a head of
more than 16 KiB, and bodies: a request that brings one is answered and the connection closed.
"""

from __future__ import annotations

import http.server
import re
from collections.abc import Iterator
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any

from services.chargen import characters
from services.service import Address, Conversation, Service

if TYPE_CHECKING:
    from services.loop import Loop

MAX_HEAD = 16384
MAX_BYTES = 10**12
LINGER = 1 << 20  # bytes thrown away after the last answer, so that a reset does not overtake it
BLANK_LINE = re.compile(rb"\r?\n\r?\n")


class Request(http.server.BaseHTTPRequestHandler):
    """One request whose head is all there; `wfile` has the answer's head (and an error's page), `body` the rest."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # an error is answered with a status line, whatever was wrong
    server_version = "glasstack"
    sys_version = ""

    def __init__(self, service: Http, head: bytes, client_address: Address) -> None:
        self.service = service
        self.client_address = client_address
        self.rfile = BytesIO(head)
        self.wfile = BytesIO()
        self.close_connection = True
        self.body: Iterator[bytes] | None = None
        if len(head) <= MAX_HEAD:
            self.handle_one_request()
        else:
            self.command, self.requestline, self.request_version = "", "", self.protocol_version
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    @property
    def answer(self) -> bytes:
        assert isinstance(self.wfile, BytesIO)
        return self.wfile.getvalue()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        download = re.fullmatch(r"/bytes/(\d{1,15})", path, re.ASCII)
        if path == "/":
            greeting = self.service.greeting(self.client_address).encode()
            self._ok("text/plain; charset=utf-8", len(greeting), iter([greeting]))
        elif download and int(download[1]) <= MAX_BYTES:
            self._ok("application/octet-stream", int(download[1]), characters(int(download[1])))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def _ok(self, content_type: str, length: int, body: Iterator[bytes]) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        # Where the body of a request ends is not our business, so the next request after one is not found.
        if self.headers.get("Transfer-Encoding") or self.headers.get("Content-Length", "0").strip() != "0":
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.body = body

    def version_string(self) -> str:
        return self.server_version

    def log_message(self, format: str, *args: Any) -> None:
        pass  # standard error belongs to whoever runs the service


class HttpConversation(Conversation):
    def __init__(self, service: Service, sock: Any, peer: Address) -> None:
        self._input = b""
        self._is_last = False  # no request after this one
        self._is_shut = False
        self._thrown_away = 0
        super().__init__(service, sock, peer)

    def on_data(self, data: bytes) -> None:
        if self._is_last:
            self._thrown_away += len(data)
        else:
            before = len(self._input)
            self._input += data if before else data.lstrip(b"\r\n")  # RFC 9112 2.2: empty lines before a request
            self._next_request(max(0, before - 3))

    def on_sent(self) -> None:
        if self._is_last and not self._is_shut:
            self._is_shut = True
            self.sock.shutdown(self.service.loop.socket.SHUT_WR)
        elif not self._is_last:
            self._next_request()

    def has_ended(self) -> bool:
        return self.is_at_eof or self._thrown_away > LINGER

    def _next_request(self, start: int = 0) -> None:
        """Answer the next request, if its head is all there; its end is not before `start`."""
        end = BLANK_LINE.search(self._input, start)
        if end is None and len(self._input) <= MAX_HEAD:
            return
        head = self._input[: end.end() if end else None]
        self._input = self._input[len(head) :].lstrip(b"\r\n")
        request = Request(self._http, head, self.peer)
        self.send(request.answer)
        self.source = request.body
        self._is_last = request.close_connection

    @property
    def _http(self) -> Http:
        assert isinstance(self.service, Http)
        return self.service


class Http(Service):
    name = "http"
    port = 80
    text = "a greeting at /, N bytes at /bytes/N"
    exposes = "a greeting with the address it was asked from, and your bandwidth"
    conversation = HttpConversation
    has_udp = False

    def __init__(self, loop: Loop, address: str = "", port: int | None = None) -> None:
        self.requests = 0
        super().__init__(loop, address, port)

    def greeting(self, client: Address) -> str:
        self.requests += 1
        return (
            "Hello from glasstack, a TCP/IP host in Python.\n"
            f"You are {client[0]} port {client[1]}, and this is request {self.requests} since the service started.\n"
            "GET /bytes/1000000 sends a million bytes.\n"
        )
