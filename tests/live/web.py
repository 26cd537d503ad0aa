"""A node and a lab's kernel with programs of the web on it: Debian's nginx, and a server that answers as it is told.

Many commands are run on the kernel's host at once, for each way into it costs more than the command itself.
"""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from node import Node
from tests import needs
from tests.patience import PATIENCE, eventually

ROOT = Path(__file__).parents[2]
NODE, KERNEL = "192.168.1.3", "192.168.1.1"
SCRIPT, NGINX = f"http://{KERNEL}:8080", f"http://{KERNEL}:8081"
TEN = random.Random(1).randbytes(10_000_000)

CONFIG = """
daemon off;
master_process off;
pid {0}/nginx.pid;
error_log {0}/error.log;
events {{}}
http {{
    access_log {0}/access.log;
    client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d;
    scgi_temp_path {0}/e;
    types {{ text/plain txt; text/html html; }}
    default_type application/octet-stream;
    server {{
        listen 8081;
        root {0}/site;
        location /moved {{ return 302 /ten.bin; }}
        location /elsewhere {{ return 301 http://{1}:8081/dir/; }}
        location = /loop {{ return 302 /loop; }}
        location /gone {{ return 410; }}
        location /list/ {{ autoindex on; }}
        location /slowly/ {{ alias {0}/site/; limit_rate 1m; limit_rate_after 1m; }}
    }}
}}
"""


class Done(NamedTuple):
    code: int
    out: bytes
    err: str


class Web:
    """`site` is a directory that nginx serves; `files` another, for whatever a test needs."""

    def __init__(self, files: Path) -> None:
        with needs.lab():
            self.node = Node(f"{NODE}/24", link="lab")
        self.files = files
        self.site = files / "site"
        (self.site / "dir").mkdir(parents=True)
        (self.site / "ten.bin").write_bytes(TEN)
        (self.site / "small.txt").write_text("hello world\n")
        (self.site / "empty.txt").write_text("")
        (self.site / "dir" / "index.html").write_text("<h1>here</h1>\n")
        (self.site / "list").mkdir()
        (self.site / "list" / "something.txt").write_text("")
        for path in (files, *files.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.programs: list[subprocess.Popen[Any]] = []
        self.places: dict[str, Path] = {}  # where each command of the last batch ran
        self._batches = 0

    def close(self) -> None:
        for program in self.programs:
            program.terminate()
            program.wait(PATIENCE)
        self.node.close()

    def popen(self, *argv: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a program on the kernel's host, to be ended with us."""
        needs.programs(argv[0])
        assert self.node.lab is not None
        options["env"] = {**os.environ, "PATH": needs.PATHS}
        program = self.node.lab.popen(argv, **options)
        self.programs.append(program)
        return program

    def start_nginx(self) -> None:
        path = self.files / "nginx.conf"
        path.write_text(CONFIG.format(self.files, KERNEL))
        self.nginx = self.popen("nginx", "-c", str(path), "-e", str(self.files / "error.log"))
        assert eventually(lambda: self.is_open(8081)), (self.files / "error.log").read_text()

    def start_script(self) -> None:
        words = [sys.executable, "-m", "tests.apps.http_script", "8080"]
        program = self.popen(*words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert program.stdout is not None and program.stdout.readline() == b"ready\n"
        program.stdout.close()

    def is_open(self, port: int) -> bool:
        try:
            self.node.socket.create_connection((KERNEL, port), 5).close()
            return True
        except OSError:
            return False

    def there(
        self, cases: dict[str, list[str]], prepare: Callable[[str, Path], object] = lambda *_: None
    ) -> dict[str, Done]:
        """Run commands on the kernel's host, all at the same time, each in a directory of its own."""
        self._batches += 1
        lines = []
        for number, (name, words) in enumerate(cases.items()):
            needs.programs(words[0])
            directory = self.files / f"there{self._batches}.{number}"
            (directory / "w").mkdir(parents=True)
            prepare(name, directory / "w")
            lines.append(f"(cd {directory}/w; {shlex.join(words)} >../out 2>../err; echo $? >../code) &")
        script = self.files / f"there{self._batches}.sh"
        script.write_text("\n".join([*lines, "wait", ""]))
        assert self.popen("sh", str(script), stdin=subprocess.DEVNULL).wait(PATIENCE) == 0
        found = {}
        for number, name in enumerate(cases):
            directory = self.files / f"there{self._batches}.{number}"
            out, err = (directory / "out").read_bytes(), (directory / "err").read_text("utf-8", "replace")
            found[name] = Done(int((directory / "code").read_text()), out, err)
            self.places[name] = directory / "w"
        return found


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file()}
