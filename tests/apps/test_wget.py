"""wget's text, files and exit codes, against a server that does as it is told, in virtual time."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.wget import command, wget
from apps.wget.result import WgetResult
from stack.link.cable import Cable
from stack.sim import SimEngine, World
from stack.socket import SocketModule
from tests.apps.http_script import BODY, SMALL, Server
from tests.apps.terminal import Terminal


class Near(NamedTuple):
    """A host of a World as an app sees a node."""

    engine: SimEngine
    socket: SocketModule
    cable: Cable
    server: Server
    world: World


@pytest.fixture(scope="module")
def shared() -> Iterator[Near]:
    """10.0.0.1, and the server on port 80 of 10.0.0.2."""
    with World(seed=4) as world:
        cable = world.cable(delay=0.0005)
        engine, far = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")

        def spawn(function: Any, *args: Any) -> Any:
            return far.spawn(function, *args)

        server = Server(SocketModule(far), 80, spawn, far.sleep)
        far.spawn(server.run)
        yield Near(engine, SocketModule(engine), cable, server, world)


@pytest.fixture
def near(shared: Near, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Near:
    """In an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    shared.server.requests.clear()
    return shared


def run(near: Near, capsys: pytest.CaptureFixture[str], arguments: str) -> tuple[int, str]:
    """The exit code and standard error, with S for the time and R for a rate; `/path` is the server's."""
    words = [f"http://10.0.0.2{w}" if re.match("/(?!dev/[fn])", w) else w for w in arguments.split()]
    code = command(near, words)
    said = capsys.readouterr()
    assert said.out == ""
    return code, normal(said.err)


def normal(text: str) -> str:
    text = re.sub(r"1970-01-01 00:\d\d:\d\d", "S", text)
    return re.sub(r"\([\d.]+ [KMG]?B/s\)", "(R)", text)


def files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path().iterdir())}


CONNECT = "Connecting to 10.0.0.2:80... connected.\n"
SENT = "HTTP request sent, awaiting response... "
BEGIN = CONNECT + SENT


def test_a_file_is_saved_under_its_name(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    result = wget("http://10.0.0.2/ok.txt", node=near)
    said = capsys.readouterr()
    assert (said.out, normal(said.err)) == (
        "",
        (
            f"--S--  http://10.0.0.2/ok.txt\n{BEGIN}200 OK\nLength: 12 [text/plain]\nSaving to: ‘ok.txt’\n\n"
            "S (R) - ‘ok.txt’ saved [12/12]\n\n"
        ),
    )
    assert result and (result.status, result.path, result.received, result.length) == (200, "ok.txt", 12, 12)
    assert result.headers["content-type"] == "text/plain" and result.body is None
    assert repr(result) == "<wget http://10.0.0.2/ok.txt: 200 OK, 12 bytes in ok.txt>"
    assert files() == {"ok.txt": b"hello world\n"}
    (request,) = near.server.requests
    assert request == (
        "GET /ok.txt HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: glasstack\r\nAccept: */*\r\n"
        "Accept-Encoding: identity\r\nConnection: Keep-Alive\r\n\r\n"
    )


def test_nothing_that_is_there_is_overwritten_unless_it_was_named(near: Near) -> None:
    for _ in range(3):
        wget("http://10.0.0.2/", quiet=True, node=near)
    assert list(files()) == ["index.html", "index.html.1", "index.html.2"]
    Path("index.html").write_text("something longer than what comes")
    assert wget("http://10.0.0.2/", output="index.html", quiet=True, node=near).path == "index.html"
    assert files()["index.html"] == b"hello world\n"


def test_where_it_goes(near: Near, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    result = wget("10.0.0.2/ok.txt", output=bytes, quiet=True, node=near)
    assert (result.body, result.path, files()) == (b"hello world\n", None, {})
    assert command(near, ["-qO-", "http://10.0.0.2/big"]) == 0
    assert (capfdbinary.readouterr(), files()) == ((BODY, b""), {})
    assert command(near, ["-qO", "two", "http://10.0.0.2/ok.txt", "http://10.0.0.2/chunked"]) == 0
    assert files() == {"two": b"hello world\nhello world"}


def test_bodies_of_every_kind(near: Near) -> None:
    for path, body in (
        ("/nolength", b"hello"), ("/http10", b"hello"), ("/chunked", b"hello world"), ("/empty", b""), ("/204", b""),
        ("/interim", b"hello"), ("/noreason", b"hello"), ("/folded", b"hello"), ("/long", b"hello"), ("/big", BODY),
    ):  # fmt: skip
        result = wget(f"http://10.0.0.2{path}", output=bytes, quiet=True, node=near)
        assert (bool(result), result.body) == (True, body), path


def test_redirects_are_followed_on_the_same_connection(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(near, capsys, "/moved")
    assert code == 0
    assert said == (
        f"--S--  http://10.0.0.2/moved\n{BEGIN}302 Found\nLocation: /ok.txt [following]\n"
        "--S--  http://10.0.0.2/ok.txt\nReusing existing connection to 10.0.0.2:80.\n"
        f"{SENT}200 OK\nLength: 12 [text/plain]\nSaving to: ‘moved’\n\nS (R) - ‘moved’ saved [12/12]\n\n"
    )
    result = wget("http://10.0.0.2/moved/up", quiet=True, node=near)
    assert (result.path, result.redirects) == ("up", ["http://10.0.0.2/dir/a%20b"])
    assert not wget("http://10.0.0.2/loop", max_redirect=2, quiet=True, node=near)
    assert sum(request.startswith("GET /loop") for request in near.server.requests) == 3
    wget("http://10.0.0.2/307", quiet=True, node=near)
    assert near.server.requests[-1].startswith("GET /ok.txt?a=b HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "arguments, code, last",
    [
        ("--max-redirect=2 /loop", 8, "Location: /loop [following]\n2 redirections exceeded.\n"),
        ("/moved/nowhere", 8, "302 Found\nLocation: unspecified\nERROR: Redirection (302) without location.\n"),
        ("/moved/scheme", 1, "gopher://x/: Unsupported scheme ‘gopher’.\n"),
        ("/moved/port", 1, "http://a:99999/: Bad port number.\n"),
        ("/403", 8, "403 Forbidden\nS ERROR 403: Forbidden.\n\n"),
        ("/304", 8, "S ERROR 304: Not Modified.\n\n"),
        ("/500", 8, "S ERROR 500: Internal Server Error.\n\n"),
        ("/bare404", 8, "404 \nS ERROR 404: (no description).\n\n"),
        ("/401", 6, "401 Unauthorized\n\nUsername/Password Authentication Failed.\n"),
        ("-nv /403", 8, "http://10.0.0.2/403:\nS ERROR 403: Forbidden.\n"),
        ("-nv -t2 /cut/all", 4, "No data received.\nNo data received.\n"),
        ("-q /403", 8, ""),
        ("http://10.0.0.2:9/", 4, "Connecting to 10.0.0.2:9... failed: Connection refused.\n"),
        ("http://10.9.9.9/", 4, "Connecting to 10.9.9.9:80... failed: Network is unreachable.\n"),
        ("http://10.0.0.77/", 4, "Connecting to 10.0.0.77:80... failed: No route to host.\n"),
        (
            "http://nosuch.invalid/",
            4,
            "failed: Temporary failure in name resolution.\nwget: unable to resolve host address ‘nosuch.invalid’\n",
        ),
        ("/nonsense", 7, "awaiting response... -1\nS ERROR -1: Malformed status line.\n\n"),
        ("/lie/status", 7, "awaiting response... -1\nS ERROR -1: Malformed status line.\n\n"),
        ("/http2", 7, "awaiting response... -1\nS ERROR -1: Malformed status line.\n\n"),
        ("/endless", 7, "awaiting response... Read error (the header has no end) in headers.\n"),
        ("/endless/interim", 7, "awaiting response... Read error (the header has no end) in headers.\n"),
        ("/lie/line", 7, "awaiting response... Read error (a header line makes no sense) in headers.\n"),
        ("/lie/length", 7, "S ERROR -1: Content-Length makes no sense: 'abc'.\n\n"),
        ("/lie/lengths", 7, "S ERROR -1: Content-Length makes no sense: '5, 6'.\n\n"),
        ("/lie/coding", 7, "S ERROR -1: unknown transfer coding 'gzip'.\n\n"),
        ("/lie/short", 7, "S (R) - Read error at byte 3 (a chunk is longer than it says). "),
        ("/lie/word", 7, "S (R) - Read error at byte 5 (a chunk's size is no number). "),
        ("/lie/negative", 7, "S (R) - Read error at byte 0 (a chunk's size is no number). "),
        ("-t1 /cut", 4, "S (R) - Connection closed at byte 5. Giving up.\n\n"),
        ("-t1 /cut/chunk", 4, "S (R) - Connection closed at byte 11. Giving up.\n\n"),
        ("-t1 /cut/head", 4, "awaiting response... Read error (the header was cut short) in headers.\nGiving up.\n\n"),
        ("-t1 /cut/all", 4, "awaiting response... No data received.\nGiving up.\n\n"),
        ("-t1 /reset", 4, "S (R) - Read error at byte 5/100 (Connection reset by peer). Giving up.\n\n"),
        ("-t1 -T2 /never", 4, "awaiting response... Read error (Connection timed out) in headers.\nGiving up.\n\n"),
        ("-t1 -T2 /never/more", 4, "S (R) - Read error at byte 5/10 (Connection timed out). Giving up.\n\n"),
        ("https://10.0.0.2/", 1, "https://10.0.0.2/: https is not built yet; http is.\n"),
    ],
)
def test_what_goes_wrong_is_said_in_wget_s_words(
    near: Near, arguments: str, code: int, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, said = run(near, capsys, arguments)
    assert (found, said[len(said) - len(last) :]) == (code, last)
    assert "Traceback" not in said


def test_another_try_goes_on_where_the_last_one_ended(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    began = near.engine.now()
    code, said = run(near, capsys, "/halves")
    assert (code, files()) == (0, {"halves": SMALL})
    assert re.findall("^S[ -].*", said, re.MULTILINE) == [
        "S (R) - Connection closed at byte 400. Retrying.",
        "S (R) - Connection closed at byte 800. Retrying.",
        "S (R) - ‘halves’ saved [1000/1000]",
    ]
    assert re.findall("S--.*", said)[1:] == [
        "S--  (try: 2)  http://10.0.0.2/halves",
        "S--  (try: 3)  http://10.0.0.2/halves",
    ]
    assert "Length: 1000, 600 remaining\nSaving to: ‘halves’\n" in said
    assert 3 <= near.engine.now() - began < 3.1  # one second, then two
    assert [re.findall("Range: (.*)\r", text) for text in near.server.requests] == [[], ["bytes=400-"], ["bytes=800-"]]


def test_a_server_that_knows_no_ranges_sends_it_again_and_nothing_is_twice(near: Near) -> None:
    for output in (None, "named", bytes):
        near.server.requests.clear()
        result = wget("http://10.0.0.2/once", output=output, quiet=True, node=near)
        assert result and result.tries == 2
    assert (files(), result.body) == ({"once": SMALL, "named": SMALL}, SMALL)


def test_waiting_between_tries_ends_at_ten_seconds_and_the_part_is_kept(near: Near) -> None:
    began = near.engine.now()
    result = wget("http://10.0.0.2/noparts/cut", tries=13, quiet=True, node=near)
    assert not result and (result.exit_code, result.error) == (4, "Connection closed at byte 400.")
    assert near.engine.now() - began == pytest.approx(sum(range(1, 11)) + 10 + 10, abs=0.5)
    assert (files(), result.received) == ({"cut": SMALL[:400]}, 400)


@pytest.mark.parametrize(
    "path, before, code, last, after",
    [
        ("/big", BODY[:1000], 0, "‘big’ saved [131072/131072]\n\n", BODY),
        ("/big", BODY, 0, "\n    The file is already fully retrieved; nothing to do.\n\n", BODY),
        ("/ok.txt", b"hello world!", 0, "    The file is already fully retrieved; nothing to do.\n\n", b"hello world!"),
        ("/ok.txt", b"hel", 0, "‘ok.txt’ saved [12/12]\n\n", b"hello world\n"),
        ("/nolength", b"he", 0, "‘nolength’ saved [5]\n\n", b"hello"),
        ("/ok.txt", None, 0, "‘ok.txt’ saved [12/12]\n\n", b"hello world\n"),
        ("/403", b"old", 8, "S ERROR 403: Forbidden.\n\n", b"old"),
        ("/wrongpart", b"he", 4, "The server sends another part than it was asked for.\nGiving up.\n\n", b"he"),
        ("/nopart", b"he", 4, "The server sends another part than it was asked for.\nGiving up.\n\n", b"he"),
    ],
)  # fmt: skip
def test_continuing(
    near: Near, path: str, before: bytes | None, code: int, last: str, after: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    name = path[1:]
    if before is not None:
        Path(name).write_bytes(before)
    found, said = run(near, capsys, f"-c -t1 {path}")
    assert (found, said[len(said) - len(last) :], files()) == (code, last, {name: after})


def test_continuing_the_file_that_was_named(near: Near) -> None:
    Path("x").write_bytes(BODY[:1000])
    result = wget("http://10.0.0.2/big", output="x", resume=True, quiet=True, node=near)
    assert (result.status, files()) == (206, {"x": BODY})


def test_headers_are_shown_and_sent(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    shown = "\n  HTTP/1.1 302 Found\n  Content-Length: 0\n  Location: /ok.txt\nLocation: /ok.txt [following]\n"
    assert shown in run(near, capsys, "-S /moved")[1]
    assert run(near, capsys, "-q -S -O /dev/null /folded")[1] == "  HTTP/1.1 200 OK\n  X: a  b\n  Content-Length: 5\n"
    words = ["-qO-", "--header=X: y", "--header", "Host: other", "--header=Accept:", "http://10.0.0.2/request"]
    assert command(near, words) == 0
    assert capsys.readouterr().out.split("\r\n")[1:] == [
        "Host: other", "User-Agent: glasstack", "Accept: ", "Accept-Encoding: identity", "Connection: Keep-Alive",
        "X: y", "", "",
    ]  # fmt: skip
    assert wget("10.0.0.2/request", bytes, True, headers={"User-Agent": "me"}, node=near).body.count(b"User-Agent: me")


def test_what_a_server_says_does_not_move_the_cursor(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.apps import http_script

    bad = "HTTP/1.1 404 No\x1b[2J\r\nContent-Length: 0\r\nX: \x9b\x07\r\n\r\n"
    http_script.ANSWERS["/escape"] = bad
    _, said = run(near, capsys, "-S /escape")
    assert "No\\033[2J" in said and not re.search("[^ -~\n‘’\xa0-\U0010ffff]", said)


def test_verbose_shows_both_sides_as_curl_does(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    wget("http://10.0.0.2/ok.txt", verbose=True, node=near)
    assert normal(capsys.readouterr().err) == (
        "* GET http://10.0.0.2/ok.txt\n*   Trying 10.0.0.2:80...\n* Connected to 10.0.0.2 (10.0.0.2) port 80\n"
        "> GET /ok.txt HTTP/1.1\n> Host: 10.0.0.2\n> User-Agent: glasstack\n> Accept: */*\n"
        "> Accept-Encoding: identity\n> Connection: Keep-Alive\n> \n"
        "< HTTP/1.1 200 OK\n< Content-Type: text/plain\n< Content-Length: 12\n< \n"
        "* Saving to ok.txt\n* 12 bytes in 0s (R), 12 are there\n"
    )
    assert run(near, capsys, "-v -t2 /cut/all")[1].splitlines()[-1] == "* No data received. Giving up."


def test_json_is_one_document_and_nothing_else(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(near, ["--json", "http://10.0.0.2/moved"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert said.err == "" and document.pop("time_ms") > 0
    assert document == {
        "url": "http://10.0.0.2/moved",
        "redirects": ["http://10.0.0.2/ok.txt"],
        "status": 200,
        "reason": "OK",
        "headers": [["Content-Type", "text/plain"], ["Content-Length", "12"]],
        "path": "moved",
        "received": 12,
        "length": 12,
        "tries": 1,
        "error": None,
        "exit_code": 0,
    }
    assert command(near, ["--json", "-q", "http://10.0.0.2/ok.txt", "http://10.0.0.2/403"]) == 8
    good, bad = json.loads(capsys.readouterr().out)
    assert (good["error"], bad["error"], bad["path"]) == (None, "ERROR 403: Forbidden.", None)


def test_several_urls_and_what_they_came_to(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(near, capsys, "/ok.txt /403 http:///x /chunked")
    assert code == 1 and "http:///x: Invalid host name.\n" in said
    assert said.count("Reusing existing connection") == 2
    assert re.search(r"FINISHED --S--\nTotal wall clock time: .*s\nDownloaded: 2 files, 23 in .*s \(R\)\n$", said)


@pytest.mark.parametrize(
    "arguments, code, line",
    [
        (["-t", "x", "/"], 2, "wget: --tries: Invalid number ‘x’."),
        (["-T", "x", "/"], 2, "wget: --timeout: Invalid time period ‘x’"),
        (["-T", "-1", "/"], 2, "wget: --timeout: Negative time period ‘-1’"),
        (["-T", "nan", "/"], 2, "wget: timeout is from 0 to 1000000000, not nan"),
        (["--max-redirect=-1", "/"], 2, "wget: --max-redirect: Invalid number ‘-1’."),
        (["--header", "nonsense", "/"], 2, "wget: --header: Invalid header ‘nonsense’."),
        (["--header", "X: y\nZ: w", "/"], 2, "wget: --header: Invalid header ‘X: y"),
        (["--header", "a b: c", "/"], 2, "wget: a header that makes no sense: 'a b: c'"),
        (["--json", "-O", "-", "/"], 2, "wget: --json and -O - would both go to standard output"),
        (["--nosuch", "/"], 2, "wget: invalid option -- 'nosuch'"),
        (["-nx", "/"], 2, "wget: invalid option -- 'nx'"),
        (["-O"], 2, "wget: option requires an argument -- 'O'"),
        ([], 1, "wget: missing URL"),
        (["-O", "no/such", "/"], 1, "no/such: No such file or directory"),
        (["http://"], 1, "http://: Invalid host name."),
        ([""], 1, "http://: Invalid host name."),
        (["http://1.1.1.1:x/"], 1, "http://1.1.1.1:x/: Bad port number."),
        (["foo://bar/"], 1, "foo://bar/: Unsupported scheme ‘foo’."),
        (["http://[::1/"], 1, "http://[::1/: Unterminated IPv6 numeric address."),
        (["http://\x00/"], 1, "http://\\000/: Invalid host name."),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(
    near: Near, arguments: list[str], code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(near, arguments) == code
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()[0]) == ("", line)
    assert near.server.requests == []


def test_help_is_on_standard_output(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(near, ["-h"]) == 0
    assert capsys.readouterr().out.startswith("usage: wget [options] URL...\n  -O, --output-document FILE")


def test_a_file_that_cannot_be_written(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ok.txt").mkdir()
    assert run(near, capsys, "/ok.txt")[0] == 3
    code, said = run(near, capsys, "-O /dev/full /big")
    assert code == 3 and said.endswith("Cannot write to ‘/dev/full’ (No space left on device).\n")
    assert near.server.requests[-1].startswith("GET /big")


# --- the progress bar


def test_the_bar_of_a_slow_body(near: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    assert command(near, ["http://10.0.0.2/slow?length"]) == 0
    bars = terminal.bars
    assert {len(bar) for bar in bars} == {79} and 20 < len(bars) < 45
    assert bars[0] == "slow?length           0%[                    ]       0  --.-KB/s".ljust(79)
    (half,) = [bar for bar in bars if " 50%" in bar]
    assert half == "slow?length          50%[=========>          ] 488.28K   122KB/s    eta 4s".ljust(79)
    assert bars[-1] == "slow?length         100%[===================>] 976.56K   125KB/s    in 7.8s".ljust(79)
    assert "1000000 (977K)" in terminal.getvalue() and "(125 KB/s) - ‘slow?length’ saved" in terminal.getvalue()


def test_ctrl_c_keeps_the_part_and_ends_the_line(near: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient(Terminal):
        def write(self, text: str) -> int:
            if len(self.bars) == 5:
                monkeypatch.setattr(Impatient, "write", Terminal.write)
                raise KeyboardInterrupt
            return super().write(text)

    monkeypatch.setattr("sys.stderr", Impatient())
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(KeyboardInterrupt):
        wget("http://10.0.0.2/slow", node=near)
    assert sys.stderr.getvalue().endswith("KB/s               \n")  # type: ignore[attr-defined]
    assert 50_000 < len(files()["slow"]) < 500_000 and not any(files()["slow"])


def test_the_bar_goes_on_from_what_was_there_and_moves_without_a_length(
    near: Near, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    Path("big").write_bytes(BODY[: len(BODY) // 2])
    command(near, ["-c", "http://10.0.0.2/big"])
    assert terminal.bars[0].startswith("big                  50%[++++++++++          ]  64.00K  --.-KB/s")
    assert terminal.bars[-1].startswith("big                 100%[++++++++++=========>] 128.00K  --.-KB/s    in ")
    terminal.truncate(0)
    command(near, ["-T1", "http://10.0.0.2/slow"])
    assert terminal.bars[0].startswith("slow                    [<=>                 ]       0  --.-KB/s")
    assert re.match(r"slow                    \[  <=>               \]  ..\...K   ...KB/s", terminal.bars[2])
    assert re.match(r"slow                    \[ *<=> *\] 976\.56K   122KB/s    in 8s", terminal.bars[-1])


@settings(max_examples=15)
@given(st.binary(max_size=300))
def test_fuzz_any_answer_at_all_is_a_result(data: bytes) -> None:
    """Whatever a server sends, there is a result with one of wget's exit codes."""
    for answer in (data, b"HTTP/1.1 200 OK\r\n" + data, b"HTTP/1.1 302 Found\r\nLocation: " + data):
        with World() as world:
            world.cable(delay=0.0005)
            engine, far = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
            listener = SocketModule(far).create_server(("", 80))

            def serve(listener: Any = listener, answer: bytes = answer) -> None:
                sock, _ = listener.accept()
                listener.close()
                sock.recv(65536)
                sock.sendall(answer)
                sock.close()

            far.spawn(serve)
            host = Near(engine, SocketModule(engine), world.cables[0], None, world)  # type: ignore[arg-type]
            result = wget("http://10.0.0.2/", output=bytes, quiet=True, tries=1, max_redirect=1, node=host)
            assert isinstance(result, WgetResult)
            assert result.exit_code in (0, 1, 4, 6, 7, 8) and bool(result.error) is not bool(result)
