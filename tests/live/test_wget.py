"""Our wget beside Debian's on the same targets, and alone with Debian's nginx: files, words and exit codes."""

from __future__ import annotations

import hashlib
import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.wget import command, wget
from tests.apps.http_script import ANSWERS, BODY
from tests.live.web import NGINX, SCRIPT, TEN, Web, contents
from tests.patience import PATIENCE, eventually

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    made = Web(tmp_path_factory.mktemp("web"))
    try:
        made.start_script()
        made.start_nginx()
        yield made
    finally:
        made.close()


# What differs from run to run, and the dots, which ours leaves out.
VARYING = [
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "AT"),
    (r"\([\d.]+ [KMG]?B/s\)", "(RATE)"),
    (r"clock time: .*", "clock time: T"),
    (r"(Downloaded: .*) in .* \(RATE\)", r"\1 in T (RATE)"),
    (r"(?m)^ *\d+K.*\n", ""),
    (r"(?m) +$", ""),
    (r"\n{3,}", "\n\n"),
    (r"Retrieving [^\n]*\n", ""),
]
STATUSES = [
    "/404",
    "/loop",
    "/moved/nowhere",
    "/moved/scheme",
    "/moved/port",
    "/403",
    "/304",
    "/500",
    "/bare404",
    "/401",
]
BEFORE = {
    "-c -t1 {}/big": ("big", BODY[:1000]),
    "-c {}/big?all": ("big?all", BODY),
    "-c {}/ok.txt": ("ok.txt", b"hello world\n"),
    "-c {}/ok.txt?longer": ("ok.txt?longer", b"hello world, and more"),
    "-c {}/ok.txt?start": ("ok.txt?start", b"hel"),
    "-c {}/nolength": ("nolength", b"he"),
    "-c -nv {}/noparts": ("noparts", b"\0\1\2"),
    "-c {}/403?": ("403?", b"old"),
    "-c -O x {}/big": ("x", BODY[:5]),
    "{}/ok.txt?again": ("ok.txt?again", b"not to be lost"),
}
CASES = [
    *(f"-t1 {{}}{path}" for path in ANSWERS if not path.startswith(("/loop", "/nopart"))),
    *(f"-t1 --max-redirect=3 {{}}{path}" for path in STATUSES),
    *(f"-nv -t1 {{}}{path}" for path in ("/ok.txt", "/moved", "/403", "/cut/all", "/nolength", "/loop")),
    *(f"-q -t1 {{}}{path}" for path in ("/ok.txt", "/cut", "/403")),
    *(f"-t1 {{}}{path}" for path in ("/cut", "/cut/all", "/noparts/cut", "/reset", "/big", "/noparts")),
    *(f"'{{}}{path}'" for path in ("/dir/a b", "/x/../ok.txt", "/ok.txt?x=y/z&a", "/a%2fb", "/ä", "/%2e%2e")),
    *("{}/#f", "{}/?q", "-t2 {}/halves", "-t1 -T1 {}/never", "-t1 -T1 {}/never/more", "--max-redirect=2 {}/loop"),
    *("--max-redirect=0 {}/moved", "-S {}/moved", "-S -nv {}/403", "-S -q {}/ok.txt", "-S -O /dev/null {}/charset"),
    *("-O - {}/ok.txt", "-qO- {}/chunked", "-O x {}/ok.txt {}/moved", "-O x {}/403", "-O x/y {}/ok.txt"),
    *("{}/ok.txt {}/403 {}/chunked", "-nv {}/ok.txt {}/empty", "http://192.168.1.1:9/", "-q http://192.168.1.1:9/"),
    *("http://10.9.9.9/", "http://nosuch.invalid/", "http://", "http:///x", "http://1.1.1.1:x/", "foo://bar/", "''"),
    *("http://1.1.1.1:99999/", "http://[::1/", "--header nonsense {}/", "-T x {}/", "-t -1 {}/"),
    "-qO- --header=X:y --header=Host:z --header=User-Agent:glasstack {}/request",
    *BEFORE,
]  # fmt: skip


def words(case: str) -> list[str]:
    return [word.replace("{}", SCRIPT) for word in shlex.split(case)]


def prepare(case: str, directory: Path) -> None:
    if case in BEFORE:
        name, data = BEFORE[case]
        (directory / name).write_bytes(data)


def normal(text: str) -> str:
    for pattern, replacement in VARYING:
        text = re.sub(pattern, replacement, text)
    return text.strip()


def test_the_same_words_files_and_exit_codes_as_debian_s(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    theirs = web.there({case: ["wget", *words(case)] for case in CASES}, prepare)
    assert len(theirs) == len(CASES) > 80
    for number, case in enumerate(CASES):
        directory = tmp_path / str(number)
        directory.mkdir()
        monkeypatch.chdir(directory)
        prepare(case, directory)
        code = command(web.node, words(case))
        out, err = capfd.readouterr()
        done = theirs[case]
        assert normal(err) == normal(done.err), case
        assert (code, out) == (done.code, done.out.decode()), case
        assert contents(directory) == contents(web.places[case]), case


def test_ten_megabytes_from_nginx(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = wget(f"{NGINX}/ten.bin", quiet=True, node=web.node)
    assert result and (result.length, result.headers["Server"].split("/")[0]) == (len(TEN), "nginx")
    assert hashlib.sha256(Path("ten.bin").read_bytes()).digest() == hashlib.sha256(TEN).digest()
    Path("ten.bin").write_bytes(TEN[:1_234_567])
    result = wget(f"{NGINX}/ten.bin", resume=True, quiet=True, node=web.node)
    assert (result.status, result.headers["Content-Range"]) == (206, "bytes 1234567-9999999/10000000")
    assert Path("ten.bin").read_bytes() == TEN
    assert wget(f"{NGINX}/ten.bin", resume=True, quiet=True, node=web.node).status == 416
    assert Path("ten.bin").read_bytes() == TEN
    result = wget(f"{NGINX}/moved", output=bytes, quiet=True, node=web.node)
    assert (result.body, result.redirects) == (TEN, [f"{NGINX}/ten.bin"])


def test_a_chunked_page_redirects_and_errors_from_nginx(web: Web) -> None:
    page = wget(f"{NGINX}/list/", output=bytes, quiet=True, node=web.node)
    assert page.headers["Transfer-Encoding"] == "chunked" and page.body is not None and b"something.txt" in page.body
    assert wget(f"{NGINX}/elsewhere", output=bytes, quiet=True, node=web.node).body == b"<h1>here</h1>\n"
    assert wget(f"{NGINX}/dir", output=bytes, quiet=True, node=web.node).body == b"<h1>here</h1>\n"
    for path, error in (
        ("loop", "20 redirections exceeded."),
        ("gone", "ERROR 410: Gone."),
        ("x", "ERROR 404: Not Found."),
    ):
        result = wget(f"{NGINX}/{path}", output=bytes, quiet=True, node=web.node)
        assert (result.exit_code, result.error) == (8, error)


def test_nginx_is_stopped_halfway_and_the_part_goes_on(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    part = Path("ten.bin")

    def stop() -> None:
        assert eventually(lambda: part.exists() and part.stat().st_size > 500_000)
        web.nginx.terminate()

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert command(web.node, ["-t1", f"{NGINX}/slowly/ten.bin"]) == 4
    stopper.join()
    size = part.stat().st_size
    said = capfd.readouterr().err
    assert re.search(
        rf" - (Connection closed at byte {size}|Read error at byte {size}/10000000 .*)\. Giving up\.\n\n$", said
    )
    assert 500_000 < size < len(TEN) and part.read_bytes() == TEN[:size]
    web.nginx.wait(PATIENCE)
    web.start_nginx()
    assert command(web.node, ["-c", f"{NGINX}/ten.bin"]) == 0
    assert part.read_bytes() == TEN
    assert f"Length: 10000000 (9.5M), {len(TEN) - size} (" in capfd.readouterr().err
