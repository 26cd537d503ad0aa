"""Whole runs of ./node.py on a simulated link: what goes where, and the exit code."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.registry import APPS
from apps.session import main
from stack.trace import capture
from stack.trace.capture import Captured
from tests.patience import PATIENCE
from tests.shell.terminal import Terminal

ROOT = Path(__file__).parents[2]
ON = "192.168.1.3/24 on sim: a second node at 192.168.1.1 on a simulated cable\n"


# Nobody else is on the cable: no address needs to be probed for, and the tests are done sooner.
SIM = ("--link", "sim", "--set", "acd_probe_num=0")


def run(
    *words: str, stdin: str = "", cwd: Path = ROOT, link: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(ROOT / "node.py"), *(SIM if link else ()), *words]
    environ = {**os.environ, **(env or {})}
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, cwd=cwd, env=environ)


Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Said]:
    """said(*words) is what a run in this process comes to: for those that end before there is a node."""
    interval = sys.getswitchinterval()

    def run_here(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        return code, *capsys.readouterr()

    yield run_here
    sys.setswitchinterval(interval)


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
def test_a_line_that_makes_no_sense_is_one_clear_line(said: Said, words: list[str], code: int, line: str) -> None:
    assert said("--link", "sim", *words) == (code, "", f"node.py: {line}\n")


def test_an_interface_that_is_not_there_is_one_clear_line(said: Said) -> None:
    code, out, err = said("--link", "packet:nosuch0", "ping", "192.168.1.1")
    assert (code, out) == (1, "")
    assert err.startswith("node.py: ") and err.count("\n") == 1


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
    _, errors = program.communicate(timeout=PATIENCE)
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
    out, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (0, "")
    assert "--- 192.168.1.1 ping statistics ---" in out


def test_ctrl_c_ends_a_script_with_130() -> None:
    code = "print('up', flush=True)\nnode.engine.sleep(60)"
    argv = [sys.executable, str(ROOT / "node.py"), "-q", *SIM, "-c", code]
    program = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "up\n"
    program.send_signal(signal.SIGINT)
    assert program.communicate(timeout=PATIENCE) == ("", "")
    assert program.returncode == 130


def test_a_reader_that_goes_away_is_no_reason_to_complain() -> None:
    ping = f"{sys.executable} {ROOT / 'node.py'} -q --link sim ping -i 0.05 192.168.1.1"
    script = f"{ping} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == str(128 + signal.SIGPIPE)


def test_help_needs_no_link(said: Said) -> None:
    code, out, err = said("--help")
    assert (code, err) == (0, "") and out.startswith("usage: ./node.py [OPTION | ADDRESS]...")
    assert "  ping " in out and "  serve " in out
    assert said("help") == (code, out, err)
    assert "stop after COUNT replies" in said("help", "ping")[1]
    assert said("--help", "ping") == said("help", "ping")
    assert said("help", "nonsense")[0] == 1
    assert run("--version", link=False).stdout == "glasstack 0.1.0\n"


# --- settings from elsewhere


def test_files_and_the_environment_make_the_node(tmp_path: Path) -> None:
    (tmp_path / "glasstack.toml").write_text(
        'link = "sim"\naddress = "10.0.0.2/24"\n[stack]\ntcp_msl = 1\ntcp_retries = 2\nacd_probe_num = 0\n'
    )
    code = "print(node.address, node.stack.config.tcp_msl, node.stack.config.tcp_retries)"
    env = {"GLASSTACK_TCP_RETRIES": "3"}
    done = run("-c", code, cwd=tmp_path, link=False, env=env)
    assert done.stdout == "10.0.0.2/24 1.0 3\n"
    assert done.stderr.splitlines()[0] == "settings from GLASSTACK_TCP_RETRIES, ./glasstack.toml"
    done = run("-q", "--set", "tcp_msl=2", "10.0.0.3/24", "-c", code, cwd=tmp_path, link=False, env=env)
    assert (done.stdout, done.stderr) == ("10.0.0.3/24 2.0 3\n", "")


def test_a_file_that_makes_no_sense_stops_everything_but_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("glasstack.toml").write_text('links = "sim"\n')
    for words in (["ping", "192.168.1.1"], ["conf"], ["-c", "1"]):
        line = "node.py: ./glasstack.toml:1: there is no setting 'links'; did you mean link?\n"
        assert said(*words) == (2, "", line)
    for words in (["--help"], ["help"], ["--help", "ping"], ["--version"], ["--print-config"]):
        code, out, err = said(*words)
        assert (code, err) == (0, "") and out
    Path("glasstack.toml").write_text('trace = "tcp prt 80"\n')
    code, _, err = said("ping", "192.168.1.1")
    assert code == 2 and err.splitlines()[1].startswith("node.py: ./glasstack.toml: trace: ")


def test_conf_says_who_has_said_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    monkeypatch.chdir(tmp_path)
    Path("glasstack.toml").write_text("seed = 5\n")
    code, out, err = said("--set", "tcp_msl=2", "conf", "seed", "link", "tcp_msl")
    assert (code, err) == (0, "")
    assert out == (
        "seed  5                                            (./glasstack.toml)\n"
        "link  tap:tap0 if it is there, else lab, else sim\n\n"
        "   name     value  default  source\n"
        "*  tcp_msl  2 s    30       RFC 9293 3.4.1 (there 120)  TIME-WAIT is twice this (the command line)\n"
    )


# --- captures


def packets(data: bytes) -> list[Captured]:
    return list(capture.read(io.BytesIO(data)))


def test_a_capture_has_every_packet_from_the_first_to_the_last(tmp_path: Path) -> None:
    file = tmp_path / "x.pcapng"
    file.write_bytes(b"what was there before" * 1000)
    done = run("-dhcp", "--pcap", str(file), "ping", "-c1", "192.168.1.1")
    assert done.returncode == 0, done.stderr
    found = packets(file.read_bytes())
    ours = [packet.data for packet in found if packet.outgoing]
    assert b"c\x82Sc5\x01\x01" in ours[0] and b"c\x82Sc5\x01\x07" in ours[-1]  # from DISCOVER to RELEASE
    assert sum(p.data[23:24] == b"\x01" and p.data[34:35] in b"\x00\x08" for p in found) == 2  # echo and reply


def test_w_to_standard_output_leaves_it_to_the_capture() -> None:
    argv = [sys.executable, str(ROOT / "node.py"), *SIM, "-w", "-", "ping", "-c1", "192.168.1.1"]
    done = subprocess.run(argv, capture_output=True, timeout=30)
    assert done.returncode == 0
    assert len(packets(done.stdout)) >= 4
    assert b"64 bytes from 192.168.1.1" in done.stderr and b"64 bytes from" not in done.stdout


def test_a_reader_of_the_capture_who_leaves_stops_nobody() -> None:
    node = f"{sys.executable} {ROOT / 'node.py'} -q {' '.join(SIM)} -w - ping -c3 -i 0.1 192.168.1.1"
    line = node + " | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "3 packets transmitted, 3 received" in done.stderr


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_opened(tmp_path: Path, said: Said) -> None:
    line = f"node.py: cannot write {tmp_path}: Is a directory\n"
    assert said("-w", str(tmp_path), "--link", "packet:nosuch0", "ping", "192.168.1.1") == (1, "", line)


def test_what_a_file_holds_stays_where_no_node_comes_up(tmp_path: Path, said: Said) -> None:
    file = tmp_path / "x.pcapng"
    file.write_bytes(b"precious")
    assert said("-w", str(file), "--link", "packet:nosuch0", "ping", "192.168.1.1")[0] == 1
    assert file.read_bytes() == b"precious"


def test_a_full_disk_ends_the_capture_and_is_told() -> None:
    done = run("-q", "-w", "/dev/full", "ping", "-c1", "192.168.1.1")
    assert done.returncode == 1 and "1 packets transmitted, 1 received" in done.stdout
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr


def test_a_capture_is_not_for_a_terminal_s_eyes() -> None:
    terminal = Terminal([sys.executable, str(ROOT / "node.py"), *SIM, "-w", "-", "ping", "192.168.1.1"])
    assert terminal.wait() == 2
    assert re.search("^node.py: a capture is not for a terminal's eyes", terminal.text())
    terminal.close()


def test_the_prompt_moves_to_standard_error_for_a_capture(tmp_path: Path) -> None:
    file = tmp_path / "x.pcapng"
    line = f"{sys.executable} {ROOT / 'node.py'} {' '.join(SIM)} -w - | cat >{file}"
    terminal = Terminal(["bash", "-c", line], {"XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1"})
    assert any("1 received" in said for said in terminal.ask("ping('192.168.1.1', count=1)"))
    terminal.enter("exit")
    assert terminal.wait() == 0
    terminal.close()
    assert len(packets(file.read_bytes())) >= 4


def test_the_format_of_the_trace() -> None:
    done = run("-q", "--trace", "icmp", "--trace-format", "tcpdump", "ping", "-c1", "192.168.1.1")
    assert "IP 192.168.1.3 > 192.168.1.1: ICMP echo request" in done.stderr
    done = run("-q", "--trace", "icmp", "--trace-format", "tree", "ping", "-c1", "192.168.1.1")
    assert re.search("^ +(Time to Live|TTL): 64", done.stderr, re.MULTILINE | re.IGNORECASE), done.stderr


def test_where_the_history_goes(tmp_path: Path) -> None:
    for value, kept in ((str(tmp_path / "deep" / "h"), True), ("no", False)):
        argv = [sys.executable, str(ROOT / "node.py"), *SIM]
        terminal = Terminal(argv, {"XDG_STATE_HOME": str(tmp_path / "state"), "GLASSTACK_HISTORY": value})
        terminal.ask("6 * 7")
        terminal.enter("exit")
        assert terminal.wait() == 0
        terminal.close()
        assert (tmp_path / "deep" / "h").exists() and not (tmp_path / "state").exists()
        assert "6 * 7" in (tmp_path / "deep" / "h").read_text() or not kept
