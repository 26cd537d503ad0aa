"""rlogin both ways with Debian's rsh-redone: its client with our service, our client with its server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from node import Node
from tests import needs
from tests.patience import PATIENCE
from tests.shell.terminal import Terminal

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
ROWS, COLUMNS = 24, 90
NUMBERS = count(11)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs.programs("rsh-redone-rlogin", "in.rlogind")
    with needs.lab():
        Node(link="lab").close()
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def prompt(state: Path) -> Iterator[Terminal]:
    """The prompt of a node in a lab."""
    argv = [sys.executable, str(ROOT / "node.py"), "-q", "192.168.1.3/24", "--link", "lab"]
    terminal = Terminal(argv, {"XDG_STATE_HOME": str(state), "PS1": "$ "}, columns=COLUMNS, rows=ROWS)
    terminal.ask("import subprocess, sys")
    yield terminal
    terminal.close()


def talk(terminal: Terminal, line: str, keys: str = "\x13\x11x", seen: str = "023 021   x") -> None:
    """Log in by `line` and do what people do; then the prompt is back.

    Each answer has a number of its own, because what has scrolled away is still there to be found. Ctrl-S and Ctrl-Q
    are keys once the terminal there is raw.
    """
    terminal.until(terminal.is_waiting)
    number = next(NUMBERS)
    terminal.enter(line)
    terminal.until(lambda: "".join(terminal.screen.cells[terminal.screen.y]).rstrip() in ("#", "$"))
    terminal.enter(f"echo $(({number} * 1000)) $TERM $(stty size)")
    terminal.expect(f"^{number}000 xterm-256color {ROWS} {COLUMNS}$")
    terminal.enter(f"sleep 60 || echo stopped $(({number} * 1001))")
    terminal.settle()
    terminal.type("\x03")
    terminal.settle()
    raw = f"echo raw $(({number} * 1002)); head -c 3 | od -An -c"
    terminal.enter(f"stty raw; {raw}; stty -raw; echo $(({number} * 1003))")
    terminal.expect(f"raw {number * 1002}$")
    terminal.settle()
    terminal.type(keys)
    terminal.expect(f"{number * 1003}$")
    assert seen in terminal.text()
    terminal.enter(f"head -c 20000 /dev/zero | tr '\\0' x; echo; echo $(({number} * 1004))")
    terminal.expect(f"^{number * 1004}$")
    terminal.enter("exit")
    terminal.until(terminal.is_waiting)
    assert terminal.ask("'still ' + 'here'") == ["'still here'"]


def test_debian_s_client_and_our_service(prompt: Terminal) -> None:
    said = prompt.ask("s = services.start('login', setting='/bin/sh from 192.168.1.0/24')")
    assert "".join(said).startswith("login exposes /bin/sh, run as ")
    talk(prompt, "!rsh-redone-rlogin -l visitor 192.168.1.3")
    assert prompt.ask("s.served, len(s.clients), s.loop.last_fault") == ["(1, 0, '')"]
    prompt.ask("services.stop('login')")


def test_our_client_and_our_service_on_the_kernel_s_sockets(prompt: Terminal) -> None:
    argv = [sys.executable, "-m", "services", "login=/bin/sh from 192.168.1.0/24"]
    prompt.ask(
        f"p = node.lab.popen({argv!r}, cwd={str(ROOT)!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, "
        "stderr=subprocess.PIPE)"
    )
    assert prompt.ask("p.stdout.readline()") == [r"b'login on 513/tcp\n'"]
    talk(prompt, "rlogin -l visitor 192.168.1.1")
    talk(prompt, "rlogin('192.168.1.1')")
    assert prompt.ask("p.stdin.close(); p.wait(10)") == ["0"]


if os.geteuid() == 0:
    # In an ordinary user's namespace nobody but he exists: in.rlogind may not call setgroups(2), and gives up.

    def test_our_client_and_debian_s_server(prompt: Terminal, tmp_path: Path) -> None:
        argv = [sys.executable, str(ROOT / "tests/live/rlogind.py"), str(tmp_path)]
        prompt.ask(f"p = node.lab.popen({argv!r}, stdout=subprocess.PIPE)")
        assert prompt.ask("p.stdout.readline()") == [r"b'ready\n'"]
        # It never says that its terminal is raw, so Ctrl-S stays here, as RFC 1282 has it.
        talk(prompt, "rlogin -l root 192.168.1.1", "\x13\x11xyz", "x   y   z")
        talk(prompt, "rlogin('192.168.1.1', user='root')", "xyz", "x   y   z")
        prompt.ask("p.terminate(); p.wait(10)")


def test_one_shot_and_a_stranger(state: Path) -> None:
    """A client of another network, and one whose port anybody may have."""
    with Node("192.168.1.3/24", link="lab") as node:
        assert node.lab is not None
        node.services.start("login", setting="/bin/sh from 10.0.0.0/8")
        pipe = subprocess.PIPE
        stranger = node.lab.popen(["nc", "-p", "1000", "192.168.1.3", "513"], stdin=pipe, stdout=pipe)
        assert stranger.communicate(b"\0a\0b\0c/9\0", timeout=PATIENCE)[0] == b""
        node.services.stop("login")
        node.services.start("login", setting="/bin/sh from 192.168.1.0/24")
        anybody = node.lab.popen(["nc", "192.168.1.3", "513"], stdin=pipe, stdout=pipe)
        said, _ = anybody.communicate(b"\0a\0b\0c/9\0", timeout=PATIENCE)
        assert said == b"\1login: a client has a port from 512 to 1023\r\n"
