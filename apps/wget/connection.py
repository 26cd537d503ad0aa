"""One connection to an http server: the standard library's http.client on a socket that is there already.

What is added is what the library does not look after: interim answers other than 100, a head that goes on for ever or
is cut short, header lines that are none, and whether a connection that was kept may be used again.
"""

from __future__ import annotations

import email.errors
import http.client
import io
from collections.abc import Iterable
from typing import Any

from apps.wget.body import ProtocolError
from apps.wget.url import Url

MAX_HEAD = 1 << 18  # bytes of an answer's heads: http.client bounds a line and the lines of one head, and no more
DAMAGE = (email.errors.MissingHeaderBodySeparatorDefect, email.errors.FirstHeaderLineIsContinuationDefect)


class Answer(http.client.HTTPResponse):
    """The library's, past every interim answer (RFC 9110 15.2) and not only past 100 Continue."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:
            self.headers = None  # type: ignore[assignment]  # it reads another head only if it has none
            super().begin()


class Incoming(io.RawIOBase):
    """What the server sends, and while a head is awaited no more than `MAX_HEAD` of it."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._left = MAX_HEAD
        self.is_head = True
        self.has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.is_head and self._left <= 0:
            raise ProtocolError("the header has no end")
        count: int = self._sock.recv_into(buffer)
        self._left -= count
        self.has_ended = count == 0
        return count


class Line:
    """A socket as http.client wants one. When it is closed is not the library's business."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.incoming = Incoming(sock)

    def sendall(self, data: Any) -> None:
        self.sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        self.incoming = Incoming(self.sock)
        return io.BufferedReader(self.incoming, 1 << 16)

    def close(self) -> None:
        """The library calls it where no request may follow: the answer is still to be read."""


class Connection(http.client.HTTPConnection):
    """`key` is what it is connected to, `address` where that is. Raises OSError, as all of its methods."""

    response_class = Answer

    def __init__(self, url: Url, address: str, sock: Any, timeout: float | None) -> None:
        super().__init__(url.host, url.port)
        self.key = (url.scheme, url.host, url.port)
        self.address = address
        self._timeout = timeout
        self._line = self.sock = Line(sock)

    def connect(self) -> None:
        """The library would open one of the kernel's sockets."""
        raise http.client.NotConnected

    def ask(self, target: str, headers: Iterable[tuple[str, str]]) -> None:
        """Send a request, whose answer is to be read next."""
        self.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        for name, text in headers:
            self.putheader(name, text.encode("latin-1"))
        self.endheaders()

    def answer(self) -> http.client.HTTPResponse:
        """The head of the answer; its body is to be read from `fp`. Raises HTTPException and ProtocolError too."""
        answer = self.getresponse()
        if self._line.incoming.has_ended:
            raise EOFError("the header was cut short")
        if any(isinstance(defect, DAMAGE) for defect in answer.headers.defects):
            raise ProtocolError("a header line makes no sense")
        self._line.incoming.is_head = False
        return answer

    def is_idle(self) -> bool:
        """Whether it may be used again: nothing has come that nobody asked for, its end least of all."""
        sock = self._line.sock
        sock.settimeout(0)
        try:
            sock.recv_into(bytearray(1))
        except BlockingIOError:
            sock.settimeout(self._timeout)
            return True
        except OSError:
            pass
        return False

    def hang_up(self) -> None:
        self._line.sock.close()
