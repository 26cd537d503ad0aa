"""A directory over http: what is served, what is refused, and what is cut, on the kernel's sockets and on ours."""

from __future__ import annotations

import http.client
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.http import HEAD_TIME, IDLE_TIME
from services.http.directory import Directory, Elsewhere, File, Listing, Refused
from services.http.request import Request
from stack.sim import World
from stack.socket import SocketModule
from tests.streams import rest

BIG = bytes(range(256)) * 8192  # 2 MiB


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("outside") / "site"
    (root / "sub").mkdir(parents=True)
    (root / "page").mkdir()
    (root / "page" / "index.html").write_text("<h1>the page</h1>")
    (root / "big.bin").write_bytes(BIG)
    (root / "empty.txt").write_text("")
    (root / "a.tar.gz").write_bytes(b"\x1f\x8b")
    (root / '<b> & "c": d?#%.txt').write_text("odd")
    (root.parent / "secret").write_text("not for you")
    (root.parent / "site-too").mkdir()
    (root.parent / "site-too" / "secret").write_text("not for you")
    (root / "out").symlink_to("../secret")
    (root / "outside").symlink_to("..")
    (root / "too").symlink_to("../site-too")
    (root / "in").symlink_to("sub/../empty.txt")
    (root / "round").symlink_to("round")
    (root / "sub" / "index.html").symlink_to("../../secret")
    os.mkfifo(root / "pipe")
    return root


def ask(place: Any, service: Any, *requests: tuple[str, str, dict[str, str]]) -> list[tuple[Any, bytes]]:
    """Several requests on one connection: each answer with its body."""
    connection = http.client.HTTPConnection(place.address, service.bound)
    connection.sock = place.connect(service)
    answers = []
    for method, path, headers in requests:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answers.append((answer, answer.read()))
    return answers


def test_a_file_its_parts_and_that_it_has_not_changed(place: Any, site: Path) -> None:
    service = place.services.start("http", port=0, setting=str(site))
    get = ("GET", "/big.bin")
    answers = ask(place, service, (*get, {}), ("HEAD", "/big.bin", {}), (*get, {"Range": "bytes=1000-1999"}))
    whole, head, part = answers
    assert (whole[0].status, whole[1]) == (200, BIG)
    assert whole[0].headers["Content-Type"] == "application/octet-stream"
    assert (head[0].status, head[1], head[0].headers["Content-Length"]) == (200, b"", str(len(BIG)))
    assert (part[0].status, part[1]) == (206, BIG[1000:2000])
    assert part[0].headers["Content-Range"] == f"bytes 1000-1999/{len(BIG)}"
    tag, date = whole[0].headers["ETag"], whole[0].headers["Last-Modified"]
    for headers in ({"If-None-Match": tag}, {"If-Modified-Since": date}):
        (answer, body), (after, _) = ask(place, service, (*get, headers), ("GET", "/empty.txt", {}))
        assert (answer.status, body, answer.headers["ETag"], after.status) == (304, b"", tag, 200)
    (answer, _), (after, body) = ask(place, service, (*get, {"Range": f"bytes={len(BIG)}-"}), ("GET", "/empty.txt", {}))
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(BIG)}")
    assert (after.status, body, after.headers["Content-Type"]) == (200, b"", "text/plain")
    changed = {"Range": "bytes=5-", "If-Range": '"another"'}
    assert ask(place, service, (*get, changed))[0][1] == BIG
    assert place.eventually(lambda: len(service.log) == 10)
    assert re.fullmatch(r'\S+ - - \[.* \+0000\] "GET /big.bin HTTP/1.1" 200 2097152', service.log[0])
    assert re.fullmatch(r'\S+ - - \[.* \+0000\] "HEAD /big.bin HTTP/1.1" 200 -', service.log[1])
    assert repr(service.log).splitlines() == list(service.log)


def test_directories(place: Any, site: Path) -> None:
    service = place.services.start("http", port=0, setting=str(site))
    asked = [("GET", path, {}) for path in ("/", "/page/", "/page?x=y", "//page", "/in", "/a.tar.gz", "/sub")]
    listing, page, moved, also, link, archive, sub = ask(place, service, *asked)
    assert listing[0].headers["Content-Type"] == "text/html; charset=utf-8"
    links = re.findall('<li><a href="(.*)">(.*)</a>', listing[1].decode())
    assert links[0] == (
        "%3Cb%3E%20%26%20%22c%22%3A%20d%3F%23%25.txt", "&lt;b&gt; &amp; &quot;c&quot;: d?#%.txt"
    )  # fmt: skip
    assert [target for target, _ in links[1:4]] == ["a.tar.gz", "big.bin", "empty.txt"]
    assert ("page/", "page/") in links and links == sorted(links, key=lambda pair: pair[0].replace("%3C", "<"))
    assert ask(place, service, ("GET", "/" + links[0][0], {}))[0][1] == b"odd"
    assert (page[1], page[0].headers["Content-Type"]) == (b"<h1>the page</h1>", "text/html")
    assert (moved[0].status, moved[0].headers["Location"]) == (301, "/page/?x=y")
    assert (also[0].status, also[0].headers["Location"]) == (301, "/page/")  # and no host of that name
    assert (link[0].status, archive[0].headers["Content-Type"]) == (200, "application/gzip")
    assert sub[0].headers["Location"] == "/sub/"
    assert service.exposes == f"every file under {site}/ to anyone who reaches port {service.bound} of this host"


OUTSIDE = [
    "/..", "/../secret", "/%2e%2e/secret", "/%2E./secret", "/sub/../../secret", "/..%2fsecret", "/sub/../big.bin",
    "/sub%2f..%2f../secret",
    "/out", "/outside/secret", "/outside/", "/too/secret", "/sub/", "/pipe", "/big.bin%00.txt", "/%00",
    "http://anyone/../secret",
]  # fmt: skip
MISSING = ["/nothing", "/big.bin/", "/big.bin/x", "/round", "/" + "x" * 300, "/%ff%fe", "/secret", "/%252e%252e/secret"]


@pytest.mark.parametrize("path, status", [*((p, 403) for p in OUTSIDE), *((p, 404) for p in MISSING)])
def test_nothing_outside_is_reached(site: Path, path: str, status: int) -> None:
    with pytest.raises(Refused) as caught:
        Directory(str(site)).find(path)
    assert caught.value.status == status


@given(st.lists(st.sampled_from(["..", ".", "%2e", "%2f", "/", "sub", "outside", "secret", "page", "%00", "//", "?"])))
def test_fuzz_what_is_found_is_inside(site: Path, parts: list[str]) -> None:
    try:
        found = Directory(str(site)).find("/" + "".join(parts))
    except Refused:
        return
    if isinstance(found, File):
        with found.file as file:
            assert b"not for you" not in file.read()
    elif isinstance(found, Elsewhere):
        assert re.match("/[^/]", found.location)
    else:
        assert isinstance(found, Listing) and b"secret" not in found.page


@given(st.binary(max_size=200))
def test_fuzz_any_head_is_answered_with_a_status_line_and_an_end(site: Path, head: bytes) -> None:
    for text in (head, b"GET " + head + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + head + b"\r\n\r\n"):
        request = Request(text, ("1.2.3.4", 5), lambda: 0.0, Directory(str(site)), str)
        if request.answer:
            assert re.match(rb"HTTP/1\.1 \d\d\d .*\r\n(.*\r\n)*\r\n", request.answer)
            assert re.fullmatch(r'1\.2\.3\.4 - - \[[^]]*\] "[ -~]*" \d\d\d 7', request.log_line(7))
        if request.body is not None and hasattr(request.body, "close"):
            request.body.close()


def test_a_setting_that_is_no_directory_is_one_clear_line(place: Any, site: Path) -> None:
    for setting, words in ((site / "nosuch", "No such file or directory"), (site / "big.bin", "Not a directory")):
        with pytest.raises(ValueError) as caught:
            place.services.start("http", port=0, setting=str(setting))
        assert str(caught.value) == f"http: {setting}: {words}"


def test_a_client_that_does_not_read_costs_one_piece_and_the_others_nothing(place: Any, site: Path) -> None:
    service = place.services.start("http", port=0, setting=str(site))
    (site / "huge").touch()
    os.truncate(site / "huge", 1 << 34)
    idle = place.connect(service)
    idle.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
    assert place.eventually(lambda: service.bytes_out > 100_000)
    (client,) = service.clients
    assert ask(place, service, ("GET", "/big.bin", {}))[0][1] == BIG
    assert len(client.pending) <= 1 << 18
    body = client.source
    idle.setsockopt(place.socket.SOL_SOCKET, place.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    idle.close()
    assert place.eventually(lambda: client not in service.clients) and body._file.closed


def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(place: Any, site: Path) -> None:
    service = place.services.start("http", port=0, setting=str(site))
    path = site / "shrinks"
    path.touch()
    os.truncate(path, 1 << 30)
    sock = place.connect(service)
    sock.sendall(b"GET /shrinks HTTP/1.1\r\nHost: x\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: x\r\n\r\n")
    assert sock.recv(15) == b"HTTP/1.1 200 OK"
    os.truncate(path, 1 << 20)
    received, tail = 15, b""
    while data := sock.recv(1 << 20):
        received += len(data)
        tail = (tail + data)[-100:]
    assert received < 1 << 30 and b"HTTP" not in tail
    assert service.loop.last_fault == "" and place.eventually(lambda: len(service.log) == 1)


# --- time, which only a World can make pass


@pytest.fixture
def slow(site: Path) -> Any:
    from services import Services

    with World(seed=2) as world:
        world.cable(delay=0.0005)
        server, client = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
        module, visitor = SocketModule(server), SocketModule(client)
        services = Services(module, module.selectors, server.spawn)
        service = services.start("http", setting=str(site))
        sock = visitor.create_connection(("10.0.0.1", 80), 1000)
        yield world, service, sock
        sock.close()
        services.close()


def test_a_head_that_takes_too_long_is_told_so(slow: Any) -> None:
    world, service, sock = slow
    world.sleep(HEAD_TIME - 5)  # before the first byte it may wait as well
    for byte in b"GET / HTTP/1.1\r":
        sock.sendall(bytes([byte]))
        world.sleep(1)
    assert rest(sock).startswith(b"HTTP/1.1 408 ")
    assert world.now() == pytest.approx(2 * HEAD_TIME - 5, abs=0.1)  # counted from the first byte
    assert re.search(r'"GET / [^"]*" 408 \d+$', service.log[0])


def test_a_client_that_says_nothing_is_left(slow: Any) -> None:
    world, _, sock = slow
    assert sock.recv(100) == b""
    assert world.now() == pytest.approx(HEAD_TIME, abs=0.1)


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(slow: Any) -> None:
    world, service, sock = slow
    for _ in range(20):
        sock.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK")
        world.sleep(HEAD_TIME - 1)
    assert service.loop._timers and len(service.loop._timers) < 5
    began = world.now()
    assert sock.recv(100) == b""
    assert world.now() - began == pytest.approx(IDLE_TIME - HEAD_TIME + 1, abs=0.1)


def test_a_client_that_stops_reading_is_cut_and_one_that_reads_slowly_is_not(slow: Any) -> None:
    world, service, sock = slow
    sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    for _ in range(10):
        world.sleep(IDLE_TIME / 2)
        assert sock.recv(1 << 20)
    assert service.clients
    world.sleep(IDLE_TIME * 2)
    assert not service.clients
