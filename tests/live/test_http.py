"""Our http service for a directory: what Debian's curl and wget make of it, and beside nginx on the same files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.web import KERNEL, NGINX, NODE, ROOT, TEN, Web, contents
from tests.patience import PATIENCE, eventually

pytestmark = pytest.mark.live
OURS = f"http://{NODE}:8080"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    made = Web(tmp_path_factory.mktemp("web"))
    try:
        made.start_nginx()
        (made.files / "secret").write_text("not for you")
        (made.site / "out").symlink_to("../secret")
        made.node.services.start("http", 8080, setting=str(made.site))
        yield made
    finally:
        made.close()


# What both answer alike: the status, and those headers that say what the body is. They differ, as RFC 9110 14.2 lets
# them, about a range that runs backwards (nginx: 416) and about one of an empty file (nginx: the whole of it).
ASKED = {
    "whole": ["small.txt"],
    "head": ["-I", "ten.bin"],
    "first": ["-r", "0-99", "ten.bin"],
    "middle": ["-r", "5000000-5000999", "ten.bin"],
    "tail": ["-r", "-100", "ten.bin"],
    "rest": ["-r", "9999000-", "ten.bin"],
    "beyond": ["-r", "10000000-", "ten.bin"],
    "nonsense": ["-H", "Range: lines=1-2", "small.txt"],
    "empty": ["empty.txt"],
    "missing": ["nothing"],
    "below a file": ["small.txt/x"],
    "directory": ["dir"],
    "index": ["dir/"],
    "changed since": ["-z", "1 Jan 2000", "small.txt"],
    "not changed since": ["-z", "1 Jan 2035", "small.txt"],
    "another tag": ["-H", 'If-None-Match: "x"', "small.txt"],
    "any tag": ["-H", "If-None-Match: *", "small.txt"],
    "if match": ["-H", 'If-Match: "x"', "small.txt"],
    "if range": ["-r", "0-3", "-H", 'If-Range: "x"', "small.txt"],
    "unmodified": ["-H", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", "small.txt"],
    "1.0": ["--http1.0", "small.txt"],
}
HEADERS = ("content-length", "content-type", "content-range", "accept-ranges", "last-modified", "location")


def facts(text: str, status: int) -> list[str]:
    """Of a head that curl wrote down: the status, and the headers that matter with it."""
    found = {name.lower(): value for name, value in re.findall(r"^([\w-]+): (.*?)\r?$", text, re.MULTILINE)}
    if "location" in found:
        found["location"] = re.sub("^http://[^/]*", "", found["location"])
    if status == 206:
        found.pop("accept-ranges", None)  # nginx says it with the whole only
    kept = [f"{name}: {found[name]}" for name in HEADERS if name in found and status < 300]
    return [str(status), *kept, found.get("location", ""), found.get("content-range", "")]


def test_beside_nginx(web: Web) -> None:
    curl = ["curl", "-s", "-D", "head", "-o", "body", "-w", "%{http_code}"]
    cases = {
        f"{who} {name}": [*curl, *words[:-1], f"{root}/{words[-1]}"]
        for who, root in (("ours", OURS), ("nginx", NGINX))
        for name, words in ASKED.items()
    }
    done = web.there(cases)
    for name in ASKED:
        found = []
        for who in ("ours", "nginx"):
            status, files = int(done[f"{who} {name}"].out), contents(web.places[f"{who} {name}"])
            has_body = status < 300 and name != "head"
            found.append((facts(files["head"].decode(), status), files.get("body", b"") if has_body else b""))
        assert found[0] == found[1], name
    assert {int(done[f"ours {name}"].out) for name in ASKED} == {200, 206, 301, 304, 404, 412, 416}


ESCAPES = [
    "/../secret", "/%2e%2e/secret", "/.%2E/secret", "/dir/../../secret", "/..%2fsecret", "/out", "/small.txt%00",
]  # fmt: skip


def test_nothing_outside_is_had(web: Web) -> None:
    cases = {path: ["curl", "-s", "-w", "%{http_code}", "--path-as-is", OURS + path] for path in ESCAPES}
    cases |= {f"wget {path}": ["wget", "-q", "-O-", OURS + path] for path in ESCAPES if "/../" not in path}
    for name, done in web.there(cases).items():
        assert b"not for you" not in done.out
        assert done.out.endswith(b"403") or done.code == 8, name


# What nginx refuses, we refuse, and what it takes we take.
RAW = {
    "plain": b"GET /small.txt HTTP/1.1\r\nHost: x\r\n",
    "LF alone": b"GET /small.txt HTTP/1.1\nHost: x\n",
    "a URL": b"GET http://x/small.txt HTTP/1.1\r\nHost: x\r\n",
    "1.0": b"GET /small.txt HTTP/1.0\r\n",
    "UTF-8": b"GET /caf\xc3\xa0 HTTP/1.1\r\nHost: caf\xc3\xa9.lab\r\n",
    "lower case": b"GET /small.txt HTTP/1.1\r\nhost: x\r\nrange: bytes=0-1\r\n",
    "no Host": b"GET /small.txt HTTP/1.1\r\n",
    "two Hosts": b"GET /small.txt HTTP/1.1\r\nHost: x\r\nHost: x\r\n",
    "a blank before the colon": b"GET /small.txt HTTP/1.1\r\nHost: x\r\nX : y\r\n",
    "a Host that is none": b"GET /small.txt HTTP/1.1\r\nHost: x/y\r\n",
    "two lengths": b"GET /small.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n",
    "length and chunks": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    "NUL": b"GET /small.txt HTTP/1.1\r\nHost: x\r\nX: \0\r\n",
    "0.9": b"GET /small.txt HTTP/0.9\r\n",
    "a target that is none": b"GET http://[bad/ HTTP/1.1\r\nHost: x\r\n",
    "no target": b"GET small.txt HTTP/1.1\r\nHost: x\r\n",
}
ASK = """
import socket, sys
for request in {0!r}:
    with socket.create_connection(({1!r}, {2}), 10) as sock:
        sock.sendall(request + b"Connection: close\\r\\n\\r\\n")
        print(sock.makefile("rb").read(12))
"""


def test_what_is_no_request_to_nginx_is_none_to_us(web: Web) -> None:
    at = {"ours": (NODE, 8080), "nginx": (KERNEL, 8081)}
    done = web.there({who: [sys.executable, "-c", ASK.format([*RAW.values()], *where)] for who, where in at.items()})
    ours, nginx = (dict(zip(RAW, done[who].out.decode().splitlines(), strict=True)) for who in at)
    assert ours == nginx
    assert set(ours.values()) == {f"b'HTTP/1.1 {status}'" for status in (200, 206, 400, 404)}


def test_resuming_and_asking_again(web: Web) -> None:
    def prepare(name: str, directory: Path) -> None:
        if not name.startswith("new"):
            (directory / "ten.bin").write_bytes(TEN[:7_654_321])
        if name == "tag":
            (directory / "tag").write_text('"another"')

    done = web.there(
        {
            "curl": ["curl", "-s", "-C", "-", "-o", "ten.bin", f"{OURS}/ten.bin"],
            "wget": ["wget", "-q", "-S", "-c", f"{OURS}/ten.bin"],
            "new curl": ["curl", "-s", "-O", f"{OURS}/ten.bin"],
            "new wget": ["wget", "-q", f"{OURS}/ten.bin"],
            "tag": ["curl", "-s", "--etag-compare", "tag", "--etag-save", "new", "-o", "ten.bin", f"{OURS}/ten.bin"],
            "newer": ["wget", "-nv", "-N", f"{OURS}/small.txt"],
        },
        prepare,
    )
    for name in ("curl", "wget", "new curl", "new wget", "tag"):
        assert done[name].code == 0, name
        assert (web.places[name] / "ten.bin").read_bytes() == TEN, name
    assert "Content-Range: bytes 7654321-9999999/10000000" in done["wget"].err
    place = web.places["tag"]
    assert (place / "new").read_text().startswith('"')
    again = web.there(
        {
            "tag": ["curl", "-s", "-w", "%{http_code}", "--etag-compare", f"{place}/new", f"{OURS}/ten.bin"],
            "time": ["curl", "-s", "-w", "%{http_code}", "-z", f"{web.site}/ten.bin", f"{OURS}/ten.bin"],
            "wget": ["wget", "-N", "-P", str(web.places["newer"]), f"{OURS}/small.txt"],
        }
    )
    assert (again["tag"].out, again["time"].out) == (b"304", b"304")
    assert "304 Not Modified" in again["wget"].err or "not retrieving" in again["wget"].err


def test_many_requests_on_one_connection_and_the_log(web: Web) -> None:
    (service,) = web.node.services
    served, before = service.served, len(service.log)
    urls = [f"{OURS}/small.txt?[1-20]", f"{OURS}/nothing?[1-20]", f"{OURS}/dir/"]
    done = web.there({"curl": ["curl", "-s", *urls], "wget": ["wget", "-qO-", f"{OURS}/small.txt", f"{OURS}/nothing"]})
    assert done["curl"].out == b"hello world\n" * 20 + b"404 Not Found\n" * 20 + b"<h1>here</h1>\n"
    assert done["wget"] == (8, b"hello world\n", "")
    assert eventually(lambda: len(service.log) == before + 43)
    assert service.served == served + 2
    logged = "\n".join(list(service.log)[before:])
    assert (
        len(re.findall(rf'^{KERNEL} - - \[.*\] "GET /small\.txt\?\d+ HTTP/1\.1" 200 12$', logged, re.MULTILINE)) == 20
    )
    assert logged.count('HTTP/1.1" 404 14') == 21


def test_the_program_on_the_kernel_s_sockets_says_what_it_exposes_and_logs(web: Web) -> None:
    words = [sys.executable, "-m", "services", f"http:8082={web.site}"]
    pipe = subprocess.PIPE
    program = web.popen(*words, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert program.stdout is not None and program.stderr is not None and program.stdin is not None
    assert program.stdout.readline() == "http on 8082/tcp\n"
    where = f"every file under {os.path.realpath(web.site)}/ to anyone who reaches port 8082 of this host"
    assert program.stderr.readline() == f"  exposes {where}\n"
    result = web.node.wget(f"http://{KERNEL}:8082/ten.bin", output=bytes, quiet=True)
    assert result.body == TEN
    line = program.stdout.readline()
    assert re.fullmatch(NODE + r' - - \[.*\] "GET /ten\.bin HTTP/1\.1" 200 10000000\n', line)
    for stream in (program.stdin, program.stdout, program.stderr):
        stream.close()
    assert program.wait(PATIENCE) == 0
