"""A server that answers as it is told, right or wrong: what each path gets, byte for byte.

On any socket module; as a program, on the kernel's: `python -m tests.apps.http_script PORT`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

BODY = bytes(range(256)) * 512  # 128 KiB
SMALL = BODY[:1000]
OK = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n"
MOVED = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
# What is sent; then the connection is kept if the answer came to its end, else it is closed.
ANSWERS: dict[str, str] = {
    "/": OK + "Content-Length: 12\r\n\r\nhello world\n",
    "/ok.txt": OK + "Content-Length: 12\r\n\r\nhello world\n",
    "/dir/a%20b": OK + "Content-Length: 12\r\n\r\nhello world\n",
    "/charset": "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello",
    "/notype": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "/empty": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "/nolength": OK + "Connection: close\r\n\r\nhello",
    "/http10": "HTTP/1.0 200 OK\r\n\r\nhello",
    "/noreason": "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
    "/folded": "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
    "/long": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello and more",
    "/chunked": CHUNKED + "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n",
    "/interim": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "/204": "HTTP/1.1 204 No Content\r\n\r\n",
    "/304": "HTTP/1.1 304 Not Modified\r\n\r\n",
    "/403": "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\noops",
    "/401": "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 4\r\n\r\noops",
    "/500": "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
    "/bare404": "HTTP/1.1 404\r\nContent-Length: 4\r\n\r\noops",
    "/moved": MOVED + "/ok.txt\r\n\r\n",
    "/moved/up": MOVED + "../dir/a%20b\r\n\r\n",
    "/loop": MOVED + "/loop\r\n\r\n",
    "/moved/scheme": MOVED + "gopher://x/\r\n\r\n",
    "/moved/port": MOVED + "http://a:99999/\r\n\r\n",
    "/moved/nowhere": "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "/300": "HTTP/1.1 300 Multiple Choices\r\nLocation: /ok.txt\r\nContent-Length: 0\r\n\r\n",
    "/307": "HTTP/1.1 307 Temporary Redirect\r\nLocation: ok.txt?a=b#part\r\nContent-Length: 0\r\n\r\n",
    "/wrongpart": "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 0-4/5\r\n\r\nhello",
    "/nopart": "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\nhello",
}
# The connection is closed after these, early or not.
BROKEN: dict[str, str] = {
    "/cut": OK + "Content-Length: 100\r\n\r\nhello",
    "/cut/chunk": CHUNKED + "5\r\nhello\r\n60\r\n world",
    "/cut/head": "HTTP/1.1 200 OK\r\nContent-Le",
    "/cut/all": "",
    "/lie/short": CHUNKED + "3\r\nhello\r\n0\r\n\r\n",
    "/lie/word": CHUNKED + "5\r\nhello\r\nzz\r\n",
    "/lie/negative": CHUNKED + "-5\r\nhello\r\n0\r\n\r\n",
    "/lie/length": "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nhello",
    "/lie/lengths": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "/lie/coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "/lie/line": "HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 5\r\n\r\nhello",
    "/lie/status": "HTTP/1.1 abc OK\r\n\r\nhello",
    "/nonsense": "what do you want\r\n\r\nhello",
    "/http2": "HTTP/2.0 200 OK\r\n\r\nhello",
}


class Server:
    """`socket` is a module; `spawn` starts a thread; `sleep` is where time passes. `requests` is what it was asked."""

    def __init__(self, socket: Any, port: int, spawn: Callable[..., Any], sleep: Callable[[float], None]) -> None:
        self.socket = socket
        self.spawn = spawn
        self.sleep = sleep
        self.requests: list[str] = []
        self.listener = socket.create_server(("", port))

    def run(self) -> None:
        while True:
            sock, _ = self.listener.accept()
            self.spawn(self.talk, sock)

    def talk(self, sock: Any) -> None:
        try:
            while (request := self.receive(sock)) and self.reply(sock, request):
                pass
        except OSError:
            pass
        finally:
            sock.close()

    def receive(self, sock: Any) -> str:
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            data = sock.recv(65536)
            if not data:
                return ""
            got += data
        self.requests.append(got.decode("latin-1"))
        return self.requests[-1]

    def reply(self, sock: Any, request: str) -> bool:
        """Whether to keep the connection."""
        path = request.split(" ")[1].partition("?")[0]
        said = re.search(r"^Range: bytes=(\d+)-", request, re.MULTILINE)
        start = int(said[1]) if said else 0
        if path in ANSWERS:
            sock.sendall(ANSWERS[path].encode())
            return not re.search("Connection: close|HTTP/1.0", ANSWERS[path])
        if path in BROKEN:
            sock.sendall(BROKEN[path].encode())
        elif path == "/big":
            return self.part(sock, BODY, start)
        elif path == "/halves":  # never more than 400 bytes at once
            self.part(sock, SMALL, start, 400)
        elif path == "/noparts":
            self.part(sock, SMALL, 0)
        elif path == "/noparts/cut":
            self.part(sock, SMALL, 0, 400)
        elif path == "/once":  # half of it the first time, all of it later
            first = sum(line.startswith("GET /once") for line in self.requests) == 1
            self.part(sock, SMALL, 0, 400 if first else None)
        elif path == "/reset":
            sock.sendall(BROKEN["/cut"].encode())
            self.sleep(0.1)
            sock.setsockopt(self.socket.SOL_SOCKET, self.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif path == "/never":
            self.sleep(5)
        elif path == "/never/more":
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            self.sleep(5)
        elif path in ("/endless", "/endless/interim"):
            sock.sendall(b"HTTP/1.1 200 OK\r\n" if path == "/endless" else b"")
            line = b"X: " + b"a" * 60000 + b"\r\n" if path == "/endless" else b"HTTP/1.1 100 Continue\r\n\r\n" * 2000
            for _ in range(100):
                sock.sendall(line)
        elif path == "/slow":
            length = 0 if "?length" not in request else 1_000_000
            sock.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: %d\r\n\r\n" % length if length else b"\r\n"))
            for _ in range(40):
                sock.sendall(bytes(25_000))
                self.sleep(0.2)
        elif path == "/request":
            text = request.encode("latin-1")
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        else:
            sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\noops")
            return True
        return False

    def part(self, sock: Any, body: bytes, start: int, limit: int | None = None) -> bool:
        """Send `body` from `start`, `limit` bytes of it at most, with a head that speaks of all of it."""
        if start >= len(body):
            sock.sendall(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n")
            return True
        head = "HTTP/1.1 200 OK\r\n"
        if start:
            head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{len(body) - 1}/{len(body)}\r\n"
        sock.sendall(f"{head}Content-Length: {len(body) - start}\r\n\r\n".encode() + body[start:][:limit])
        return limit is None


if __name__ == "__main__":
    import socket
    import threading
    import time

    def start(function: Callable[..., object], *args: Any) -> None:
        threading.Thread(target=function, args=args, daemon=True).start()

    server = Server(socket, int(sys.argv[1]), start, time.sleep)
    print("ready", flush=True)
    start(server.run)
    sys.stdin.read()
