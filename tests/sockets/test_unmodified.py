"""The standard library's own servers and clients, imported anew over our `socket` and `selectors`, unchanged."""

from __future__ import annotations

import hashlib
import importlib
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from stack.sim import World
from stack.socket import SocketModule
from tests.hosts import Pair
from tests.patience import PATIENCE

FRESH = ("socketserver", "http.client", "http.server", "urllib.request", "xmlrpc.client", "xmlrpc.server", "ftplib")
BODY = hashlib.sha256(b"seed").digest() * (10 * (1 << 20) // 32)  # 10 MB


def fresh(module: Any) -> SimpleNamespace:
    """The library's modules as they are if `module` is what `import socket` finds."""
    saved = dict(sys.modules)
    try:
        for name in (*FRESH, "http", "urllib", "xmlrpc"):
            for known in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
                del sys.modules[known]
        sys.modules["socket"] = module
        sys.modules["selectors"] = module.selectors
        found: dict[str, ModuleType] = {name: importlib.import_module(name) for name in FRESH}
    finally:
        sys.modules.clear()
        sys.modules.update(saved)
    return SimpleNamespace(**{name.replace(".", "_"): m for name, m in found.items()})


def handler(library: SimpleNamespace) -> Any:
    class Handler(library.http_server.BaseHTTPRequestHandler):  # type: ignore[name-defined,misc]
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = hashlib.sha256(body).hexdigest().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


def fetch(library: SimpleNamespace) -> None:
    """10 MB down with urllib, and up and down on one connection with http.client."""
    opener = library.urllib_request.build_opener(library.urllib_request.ProxyHandler({}))
    with opener.open("http://10.0.0.2:8080/", timeout=30) as answer:
        assert answer.status == 200
        assert answer.read() == BODY
    connection = library.http_client.HTTPConnection("10.0.0.2", 8080, timeout=30)
    for body in (BODY, b"and a little more"):
        connection.request("POST", "/", body)
        assert connection.getresponse().read() == hashlib.sha256(body).hexdigest().encode()
    connection.request("GET", "/")
    assert connection.getresponse().read() == BODY
    connection.close()


def test_modules_are_really_fresh() -> None:
    with World() as world:
        module = SocketModule(world.host("10.0.0.1/24"))
        library = fresh(module)
        assert library.http_client.socket is library.socketserver.socket is module
        assert library.socketserver.selectors is module.selectors
    assert sys.modules["socket"] is not module


def test_http_in_virtual_time() -> None:
    with World(3) as world:
        a, b = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
        server = fresh(SocketModule(b))
        httpd = server.http_server.HTTPServer(("", 8080), handler(server))
        b.spawn(httpd.serve_forever)
        fetch(fresh(SocketModule(a)))
        httpd.server_close()


@pytest.mark.parametrize("kind", ["HTTPServer", "ThreadingHTTPServer"])
def test_http_in_real_time(kind: str) -> None:
    with Pair(super_segments=True) as pair:
        server = fresh(pair.b)
        httpd = getattr(server.http_server, kind)(("", 8080), handler(server))
        thread = threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        fetch(fresh(pair.a))
        httpd.shutdown()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        httpd.server_close()


def test_datagrams_and_threads_of_socketserver() -> None:
    with Pair() as pair:
        library = fresh(pair.b)

        class Upper(library.socketserver.BaseRequestHandler):  # type: ignore[name-defined,misc]
            def handle(self) -> None:
                data, sock = self.request
                sock.sendto(data.upper(), self.client_address)

        server = library.socketserver.ThreadingUDPServer(("", 7), Upper)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        with pair.a.socket(pair.a.AF_INET, pair.a.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE)
            sock.sendto(b"hello", ("10.0.0.2", 7))
            assert sock.recv(100) == b"HELLO"
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def test_xmlrpc() -> None:
    with World(3) as world:
        a, b = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
        library = fresh(SocketModule(b))
        server = library.xmlrpc_server.SimpleXMLRPCServer(("", 8000), logRequests=False)
        server.register_function(pow)
        b.spawn(server.serve_forever)
        proxy = fresh(SocketModule(a)).xmlrpc_client.ServerProxy("http://10.0.0.2:8000/")
        assert proxy.pow(2, 10) == 1024
        proxy("close")()
        server.server_close()
