"""Whole runs of ./node.py on a simulated link: what goes where, and the exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apps.registry import APPS

ROOT = Path(__file__).parents[2]
ON = "192.168.1.3/24 on sim: a second node at 192.168.1.1 on a simulated cable\n"


# Nobody else is on the cable: no address needs to be probed for, and the tests are done sooner.
SIM = ("--link", "sim", "--set", "acd_probe_num=0")


def run(*words: str, stdin: str = "", cwd: Path = ROOT, link: bool = True) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(ROOT / "node.py"), *(SIM if link else ()), *words]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, cwd=cwd)


def test_a_command_has_its_own_exit_code_and_output() -> None:
    done = run("ping", "-c1", "192.168.1.1")
    assert (done.returncode, done.stderr) == (0, ON)
    assert "1 packets transmitted, 1 received, 0% packet loss" in done.stdout
    done = run("-q", "ping", "-c1", "nosuch.invalid")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ping: nosuch.invalid: Temporary failure in name resolution\n"
    assert run("-q", "ping", "-c1", "-W0.1", "192.168.1.77").returncode == 1


def test_a_script_has_the_node_s_names(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom apps import ping as imported\n"
        "print(__name__, sys.argv[1:], __file__ == sys.argv[0])\n"
        "assert imported('192.168.1.1', count=1, quiet=True).received == 1\n"
        "with socket.create_connection(('192.168.1.1', 7)) as s:\n    s.sendall(b'hello')\n    print(s.recv(9))\n"
        "sys.exit(7)\n"
    )
    done = run(str(script), "a", "-b")
    assert done.returncode == 7
    lines = done.stdout.splitlines()
    assert lines[0] == "__main__ ['a', '-b'] True" and lines[-1] == "b'hello'"


def test_a_script_finds_the_modules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 42\n")
    (tmp_path / "script.py").write_text("import beside; print(beside.VALUE)\n")
    assert run("-q", str(tmp_path / "script.py"), cwd=tmp_path).stdout == "42\n"


@pytest.mark.parametrize("how", ["script", "stdin", "code"])
def test_an_uncaught_exception_is_exit_code_1_and_a_short_traceback(tmp_path: Path, how: str) -> None:
    source = "def f():\n    return 1 / 0\n\n\nprint('before')\nf()\n"
    script = tmp_path / "script.py"
    script.write_text(source)
    done = {
        "script": lambda: run("-q", str(script)),
        "stdin": lambda: run("-q", stdin=source),
        "code": lambda: run("-q", "-c", source),
    }[how]()
    assert (done.returncode, done.stdout) == (1, "before\n")
    lines = done.stderr.splitlines()
    assert (lines[0], lines[-1]) == ("Traceback (most recent call last):", "ZeroDivisionError: division by zero")
    assert sum(line.startswith("  File ") for line in lines) == 2
    assert "apps/" not in done.stderr and "runpy" not in done.stderr


@pytest.mark.parametrize("how", ["script", "stdin", "code"])
def test_a_syntax_error_shows_where_and_none_of_ours(tmp_path: Path, how: str) -> None:
    script = tmp_path / "script.py"
    script.write_text("x = = 1\n")
    done = {
        "script": lambda: run("-q", str(script)),
        "stdin": lambda: run("-q", stdin="x = = 1\n"),
        "code": lambda: run("-q", "-c", "x = = 1"),
    }[how]()
    assert done.returncode == 1
    assert done.stderr.endswith("SyntaxError: invalid syntax\n") and "x = = 1" in done.stderr
    assert "apps/" not in done.stderr and "Traceback" not in done.stderr


def test_standard_input_that_is_no_terminal_is_a_script_without_a_banner() -> None:
    done = run(stdin="print(node.address)\nimport sys\nsys.exit('the end')\n")
    assert (done.returncode, done.stdout, done.stderr) == (1, "192.168.1.3/24\n", ON + "the end\n")
    assert run("-q", "-", "x", "y", stdin="import sys; print(sys.argv)").stdout == "['-', 'x', 'y']\n"


def test_code_is_run_with_the_node_s_names() -> None:
    done = run("-q", "10.1.2.3/16", "-c", "print(node.address, node.peer, ping('10.1.0.1', count=1, quiet=True))")
    assert done.stdout.startswith("PING 10.1.0.1 (10.1.0.1) 56(84) bytes of data.\n")
    assert "10.1.2.3/16 10.1.0.1 <ping 10.1.0.1: 1 of 1 answered" in done.stdout


def test_the_trace_goes_to_standard_error() -> None:
    done = run("-q", "--trace", "icmp", "--color", "never", "ping", "-c1", "192.168.1.1")
    assert done.returncode == 0
    traced = [line for line in done.stderr.splitlines() if "ICMP" in line]
    assert len(traced) == 2 == len(done.stderr.splitlines())
    assert "request" in traced[0] and "reply" in traced[1] and "\x1b" not in done.stderr
    assert "ICMP" not in done.stdout
    assert "\x1b[" in run("-q", "--trace", "icmp", "--color", "always", "ping", "-c1", "192.168.1.1").stderr


def test_the_same_seed_has_the_same_identifier() -> None:
    code = "print(node.stack.config.rng.getrandbits(64))"
    first, second = (run("-q", "--seed", "5", "-c", code).stdout for _ in range(2))
    assert first == second != run("-q", "--seed", "6", "-c", code).stdout


def test_settings_are_set() -> None:
    code = "print(node.stack.config.tcp_msl, node.stack.config.acd_probe_num)"
    assert run("-q", "--set", "tcp_msl=1.5", "--set", "acd_probe_num=1", "-c", code).stdout == "1.5 1\n"


@pytest.mark.parametrize(
    "words, code, line",
    [
        (["-dhcp", "--link", "sim", "-g", "192.168.1.1"], 2, "the gateway 192.168.1.1: DHCP says what the gateway is"),
        (["pong"], 2, f"'pong' is no command, file or address; the commands are {', '.join(sorted(APPS))}"),
        (["missing.py"], 2, "there is no file 'missing.py'"),
        (["192.168.1.300"], 2, "'192.168.1.300' is not an IP address"),
        (["192.168.1.255/24"], 2, "192.168.1.255/24 is the broadcast address of its network"),
        (["127.0.0.1"], 2, "127.0.0.1/24 is a loopback address"),
        (["-g", "10.0.0.1"], 2, "the gateway 10.0.0.1 is not on the network of 192.168.1.3/24"),
        (["192.168.1.3/32"], 2, "192.168.1.3/32 has no room for another host"),
        (["--link", "bridge"], 2, "--link is tap:NAME, packet:INTERFACE, lab or sim, not 'bridge'"),
        (["--frobnicate"], 2, "there is no option --frobnicate; --help lists them"),
    ],
)
def test_a_line_that_makes_no_sense_is_one_clear_line(words: list[str], code: int, line: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"node.py: {line}\n")


def test_an_interface_that_is_not_there_is_one_clear_line() -> None:
    done = run("--link", "packet:nosuch0", "ping", "192.168.1.1", link=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("node.py: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words, code, line",
    [
        (["ecko"], 2, "serve: there is no service 'ecko'; there are "),
        ([], 2, "serve: which services? There are "),
        (["http:99999"], 2, "serve: http:99999: a port is a number from 0 to 65535, not '99999'"),
        (["echo:7007", "discard:7007"], 1, "serve: discard: port 7007 is in use"),
    ],
)
def test_what_cannot_be_served(words: list[str], code: int, line: str) -> None:
    done = run("-q", "serve", *words)
    assert done.returncode == code
    assert sum(text.startswith(line) for text in done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr


def test_serve_until_ctrl_c_says_whom_it_served() -> None:
    argv = [sys.executable, str(ROOT / "node.py"), "-q", *SIM, "serve", "echo", "http:8080"]
    program = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    lines = [program.stdout.readline() for _ in range(2)]
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 130
    assert [line.split(":")[0] for line in lines] == ["echo on 7/tcp 7/udp", "http on 8080/tcp"]
    assert "  exposes nothing but your bandwidth" in errors
    assert "http: 0 clients, 0 served, 0 bytes in, 0 out" in errors and "Traceback" not in errors


def test_ctrl_c_ends_ping_with_its_statistics_and_exit_code() -> None:
    argv = [sys.executable, str(ROOT / "node.py"), "-q", *SIM, "ping", "-i", "0.1", "192.168.1.1"]
    program = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    for _ in range(3):
        program.stdout.readline()
    program.send_signal(signal.SIGINT)
    out, errors = program.communicate(timeout=20)
    assert (program.returncode, errors) == (0, "")
    assert "--- 192.168.1.1 ping statistics ---" in out


def test_ctrl_c_ends_a_script_with_130() -> None:
    code = "print('up', flush=True)\nnode.engine.sleep(60)"
    argv = [sys.executable, str(ROOT / "node.py"), "-q", *SIM, "-c", code]
    program = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "up\n"
    program.send_signal(signal.SIGINT)
    assert program.communicate(timeout=20) == ("", "")
    assert program.returncode == 130


def test_a_reader_that_goes_away_is_no_reason_to_complain() -> None:
    ping = f"{sys.executable} {ROOT / 'node.py'} -q --link sim ping -i 0.05 192.168.1.1"
    script = f"{ping} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == str(128 + signal.SIGPIPE)


def test_help_needs_no_link() -> None:
    done = run("--help", link=False)
    assert done.returncode == 0 and done.stdout.startswith("usage: ./node.py [OPTION | ADDRESS]...")
    assert "  ping " in done.stdout and "  serve " in done.stdout
    assert run("help", link=False).stdout == done.stdout
    assert "stop after COUNT replies" in run("help", "ping", link=False).stdout
    assert run("--help", "ping", link=False).stdout == run("help", "ping", link=False).stdout
    assert run("help", "nonsense", link=False).returncode == 1
    assert run("--version", link=False).stdout == "glasstack 0.1.0\n"
