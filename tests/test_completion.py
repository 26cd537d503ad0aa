"""Completion in the shells themselves: what Tab makes of a line in bash and in zsh, and what fish offers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.registry import APPS
from docs import commands
from docs.commands import Entry, read_usage
from services import KINDS
from tests import needs
from tests.shell.terminal import Terminal

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "docs" / "completion"
# A line, and what one Tab makes of it.
LINES = [
    ("./node.py pin", "./node.py ping"),
    ("./node.py --li", "./node.py --link"),
    ("./node.py --link si", "./node.py --link sim"),
    ("./node.py --link=si", "./node.py --link=sim"),
    ("./node.py --link packet:l", "./node.py --link packet:lo"),
    ("./node.py --color al", "./node.py --color always"),
    ("./node.py --set tcp_ms", "./node.py --set tcp_msl="),
    ("./node.py --trace ic", "./node.py --trace icmp"),
    ("./node.py --trace 'tcp port 80' tracer", "./node.py --trace 'tcp port 80' traceroute"),
    ("./node.py --trace tcp --pcap READ", "./node.py --trace tcp --pcap README.md"),
    ("./node.py 10.0.0.1/24 -g 10.0.0.2 serve cha", "./node.py 10.0.0.1/24 -g 10.0.0.2 serve chargen"),
    ("./node.py -dhcp wget --outp", "./node.py -dhcp wget --output-document"),
    ("./node.py wget -O READ", "./node.py wget -O README.md"),
    ("./node.py dns +sh", "./node.py dns +short"),
    ("./node.py dns @10.0.0.1 +bufs", "./node.py dns @10.0.0.1 +bufsize="),
    ("./node.py conf tcp_ms", "./node.py conf tcp_msl"),
    ("./node.py help traceroute wge", "./node.py help traceroute wget"),
    ("./node.py trace READ", "./node.py trace README.md"),
    ("./node.py node", "./node.py node.py"),
    ("./node.py node.py READ", "./node.py node.py README.md"),
    ("./node.py -c 1 --sea", "./node.py -c 1 --search"),
    ("./node.py ping --li", "./node.py ping --li"),  # ping has no such option
    ("node.py --pri", "node.py --print-config"),
]
IDS = [line.replace("./node.py ", "") for line, _ in LINES]


def test_the_scripts_are_up_to_date() -> None:
    argv = [sys.executable, "-m", "docs.completion", "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_the_shells_language(shell: str) -> None:
    needs.programs(shell)
    done = subprocess.run([shell, "-n", SCRIPTS / f"node.{shell}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


SETUP = {
    "bash": "source docs/completion/node.bash; PS1='$ '",
    "zsh": "PROMPT='$ ' PROMPT_EOL_MARK=; autoload -Uz compinit; compinit -D -u; source docs/completion/node.zsh",
}


@pytest.fixture(scope="module", params=SETUP)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A shell on a terminal, with the script read."""
    needs.programs(request.param)
    argv = {"bash": ["bash", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}[request.param]
    home = str(tmp_path_factory.mktemp("home"))
    terminal = Terminal(argv, {"HOME": home, "PS1": "$ ", "LC_ALL": "C.UTF-8", "PWD": str(ROOT)}, columns=100, rows=50)
    terminal.type(f"cd {ROOT}; {SETUP[request.param]}; clear; echo re''ady\r")
    terminal.expect("^ready")
    terminal.expect(r"^\$$")
    yield terminal
    terminal.close()


CTRL_U = "\x15"


@pytest.mark.parametrize("line, expected", LINES, ids=IDS)
def test_what_tab_makes_of_a_line(shell: Terminal, line: str, expected: str) -> None:
    shell.type(CTRL_U)
    shell.until(lambda: shell.text().endswith("$") or shell.text().splitlines()[-1] == "$")
    shell.type(line + "\t#")  # what comes behind shows that Tab is done
    shell.expect(rf"^\$ {re.escape(expected)} *#$|^\$ {re.escape(line)}.*#$")
    assert re.sub(" *#$", "", shell.text().splitlines()[-1]) == f"$ {expected}"


def test_what_fish_offers() -> None:
    needs.programs("fish")
    lines = [(line, expected) for line, expected in LINES if line != expected and "=si" not in line]
    asked = "; ".join(f'echo "> {line}"; complete -C "{line}"' for line, _ in lines)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source docs/completion/node.fish; {asked}"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    answers = dict(part.split("\n", 1) for part in done.stdout.split("> ")[1:])
    for line, expected in lines:
        offered = [answer.split("\t")[0] for answer in answers[line].splitlines()]
        assert offered == [expected.split(" ")[-1]], line
    descriptions = dict(answer.split("\t") for answer in answers["./node.py pin"].splitlines())
    assert descriptions == {"ping": APPS["ping"].text}


# --- usages as data


def test_every_option_of_every_usage_is_found() -> None:
    """A line of a usage that begins with an option is one of the entries, with its text."""
    for command in commands.commands():
        for line in APPS[command.name].usage.splitlines():
            option = re.match(r"  ([-+]\S+?)(=\S*|,)?(?: |$)", line)
            if option:
                entry = next((entry for entry in command.options if option[1] in entry.words), None)
                assert entry is not None and entry.text, line
    line = commands.main()
    assert {"-dhcp", "--link", "-w", "--pcap", "--print-config"} <= {w for entry in line.options for w in entry.words}
    assert set(line.sections) == {"the node", "what is seen", "what is run", "settings"}


@pytest.mark.parametrize(
    "line, expected",
    [
        ("  -c COUNT   stop", Entry(("-c",), "COUNT", False, False, "stop")),
        ("  -q         only", Entry(("-q",), "", False, False, "only")),
        ("  -O, --out FILE  where", Entry(("-O", "--out"), "FILE", False, False, "where")),
        ("  --trace [FILTER]   show", Entry(("--trace",), "FILTER", True, False, "show")),
        ("  +time=S    wait", Entry(("+time",), "S", False, True, "wait")),
        ("  +noall +answer show it", Entry(("+noall", "+answer"), "", False, False, "show it")),
        ("  --very-long-option FILE what it is", Entry(("--very-long-option",), "FILE", False, False, "what it is")),
        ("  @SERVER    ask it", Entry(("@SERVER",), "", False, False, "ask it")),
        ("  -w MAX     wait\n             so long", Entry(("-w",), "MAX", False, False, "wait so long")),
    ],
)
def test_a_line_of_a_usage(line: str, expected: Entry) -> None:
    assert read_usage(f"usage: x [options] HOST\n{line}") == ("[options] HOST", {"": [expected]})


@given(st.text())
def test_any_text_is_read_as_a_usage(text: str) -> None:
    usage, sections = read_usage(text)
    assert isinstance(usage, str) and all(entry.words for entries in sections.values() for entry in entries)


def test_services_are_what_serve_takes() -> None:
    serve = next(command for command in commands.commands() if command.name == "serve")
    assert serve.words == list(KINDS)
