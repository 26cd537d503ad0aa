"""http (RFC 9110, RFC 9112, by the standard library's http.server): a directory, or without one a greeting at `/` and
`/bytes/N` for something to download.

The standard library parses the request and writes the answer's head; the bytes come and go through the loop, so that
a client costs no thread. GET and HEAD, ranges and conditions, connections kept alive and requests one after another. It
refuses what is huge or slow: a head of more than 16 KiB or that takes longer than 30 s, and clients that for a minute
neither ask nor read.
"""

from __future__ import annotations

import os
import re
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from services.http.directory import Directory
from services.http.request import Request
from services.service import Address, Conversation, Service

if TYPE_CHECKING:
    from services.loop import Loop

MAX_HEAD = 16384
LINGER = 1 << 20  # bytes thrown away after the last answer, so that a reset does not overtake it
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
HEAD_TIME = 30.0  # seconds for a request's head from its first byte, or from the connection's beginning
IDLE_TIME = 60.0  # seconds a connection is kept for the next request, or for reading what was sent
LOG = 1000  # lines kept


class Log(deque[str]):
    """The last lines of an access log, shown one below the other."""

    def __repr__(self) -> str:
        return "\n".join(self)


class HttpConversation(Conversation):
    def __init__(self, service: Service, sock: Any, peer: Address) -> None:
        self._input = b""
        self._is_last = False  # no request after this one
        self._is_shut = False
        self._thrown_away = 0
        self._request: Request | None = None  # the one that is being answered
        self._body_at = 0  # where its body begins in what is sent
        self._deadline_at = self._timer_at = float("inf")
        super().__init__(service, sock, peer)
        # A short body goes out behind its head at once, rather than when the head has been acknowledged.
        socket = service.loop.socket
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._allow(HEAD_TIME)

    def on_data(self, data: bytes) -> None:
        if self._is_last:
            self._thrown_away += len(data)
        else:
            before = len(self._input)
            self._input += data if before else data.lstrip(b"\r\n")  # RFC 9112 2.2: empty lines before a request
            if not before:
                self._allow(HEAD_TIME)
            self._next_request(max(0, before - 3))

    def on_sent(self) -> None:
        self._log()
        self._allow(HEAD_TIME if self._input else IDLE_TIME)
        if self._is_last and not self._is_shut:
            self._is_shut = True
            self.sock.shutdown(self.service.loop.socket.SHUT_WR)
        elif not self._is_last:
            self._next_request()

    def has_ended(self) -> bool:
        return self.is_at_eof or self._thrown_away > LINGER

    def close(self) -> None:
        if not self.is_closed:
            if self.source is not None and hasattr(self.source, "close"):
                self.source.close()
            self._log()
        super().close()

    def _write(self) -> None:
        super()._write()
        if self.pending or self.source is not None:
            self._allow(IDLE_TIME)  # it has read something

    def _next_request(self, start: int = 0) -> None:
        """Answer the next request, if its head is all there; its end is not before `start`."""
        end = BLANK_LINE.search(self._input, start)
        head = self._input[: end.end() if end else None]
        fault = None
        if len(head) > MAX_HEAD:
            is_line = b"\n" not in head[:MAX_HEAD]
            fault = HTTPStatus.REQUEST_URI_TOO_LONG if is_line else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        elif end is None:
            return
        self._input = self._input[len(head) :].lstrip(b"\r\n")
        self._answer(head, fault)

    def _answer(self, head: bytes, fault: HTTPStatus | None) -> None:
        service = self._http
        request = Request(head, self.peer, service.loop.wall, service.directory, service.greeting, fault)
        answer = request.answer
        self._request = request
        self._body_at = self.sent + len(self.pending) + answer.find(b"\r\n\r\n") + 4
        self.send(answer)
        self.source = request.body
        self._is_last = request.close_connection

    def _log(self) -> None:
        if self._request is not None:
            self._http.note(self._request.log_line(max(0, self.sent - self._body_at)))
        self._request = None

    # --- patience

    def _allow(self, seconds: float) -> None:
        """From now on it has so long for what it does next."""
        self._deadline_at = self.service.loop.now() + seconds
        if self._deadline_at < self._timer_at:
            self._set_timer()

    def _set_timer(self) -> None:
        at = self._timer_at = self._deadline_at
        self.service.loop.call_at(at, lambda: self._on_time(at))

    def _on_time(self, at: float) -> None:
        if self.is_closed or at != self._timer_at:
            return
        if self.service.loop.now() < self._deadline_at:
            self._set_timer()
        elif self._input and self._request is None and not self._is_last:
            self._allow(IDLE_TIME)
            head, self._input = self._input, b""
            self._answer(head, HTTPStatus.REQUEST_TIMEOUT)
            self.on_ready(0)
        else:
            self.close()

    @property
    def _http(self) -> Http:
        assert isinstance(self.service, Http)
        return self.service


class Http(Service):
    """`log` has the last lines of the access log; `on_line` is called with each."""

    name = "http"
    port = 80
    text = "a directory's files; a greeting, and N bytes at /bytes/N"
    takes = "DIR"
    exposes = "a greeting with the address it was asked from, and your bandwidth"
    conversation = HttpConversation
    has_udp = False

    def __init__(self, loop: Loop, address: str = "", port: int | None = None, setting: str = "") -> None:
        """`setting` is a directory's path. Raises ValueError if it is none, OSError for the port."""
        self.requests = 0
        self.log = Log(maxlen=LOG)
        self.directory: Directory | None = None
        if setting:
            try:
                self.directory = Directory(setting)
            except OSError as e:
                raise ValueError(f"http: {setting}: {e.strerror}") from None
        super().__init__(loop, address, port)
        if self.directory is not None:
            path = self.directory.path
            where = f"port {self.bound} of {address or 'this host'}"
            self.exposes = f"every file under {path}{os.sep * (path != os.sep)} to anyone who reaches {where}"

    def greeting(self, client: Address) -> str:
        self.requests += 1
        return (
            "Hello from glasstack, a TCP/IP host in Python.\n"
            f"You are {client[0]} port {client[1]}, and this is request {self.requests} since the service started.\n"
            "GET /bytes/1000000 sends a million bytes.\n"
        )

    def note(self, line: str) -> None:
        self.log.append(line)
        if self.on_line is not None:
            self.on_line(line)
