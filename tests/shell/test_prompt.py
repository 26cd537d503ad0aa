"""The prompt as a person has it: typed into, in a pseudo-terminal, on a simulated link."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

import pytest

from services import KINDS
from tests.shell.conftest import ROOT, SIM, Starter
from tests.shell.terminal import Terminal

CTRL_A, CTRL_C, CTRL_D, TAB, UP = "\x01", "\x03", "\x04", "\t", "\x1b[A"


def test_the_banner_is_at_most_four_lines(start: Starter) -> None:
    terminal = start("192.168.1.3/24")
    terminal.until(terminal.is_waiting)
    lines = terminal.screen.lines()
    banner = lines[: lines.index(">>>")]
    assert 1 <= len(banner) <= 4
    assert re.match(r"glasstack \S+: 192\.168\.1\.3/24 on sim: a second node at 192\.168\.1\.1", banner[0])
    assert "help()" in "".join(banner) and "ping 192.168.1.1" in "".join(banner)


def test_q_has_no_banner_and_ctrl_d_ends_the_session(start: Starter) -> None:
    terminal = start("-q")
    terminal.until(terminal.is_waiting)
    assert terminal.screen.lines()[0] == ">>>"
    terminal.type(CTRL_D)
    assert terminal.wait() == 0


@pytest.mark.parametrize("line, code", [("exit", 0), ("quit()", 0), ("import sys; sys.exit(3)", 3)])
def test_leaving(start: Starter, line: str, code: int) -> None:
    terminal = start("-q")
    terminal.until(terminal.is_waiting)
    terminal.enter(line)
    assert terminal.wait() == code


def test_results_are_shown_and_remembered(prompt: Terminal) -> None:
    assert prompt.ask("6 * 7") == ["42"]
    assert prompt.ask("_ + 1") == ["43"]
    assert prompt.ask("x = 5") == []
    assert prompt.ask("x; None") == []
    assert prompt.ask("_") == ["43"]


def test_ping_as_a_function_and_as_a_shell_has_it(prompt: Terminal) -> None:
    as_function = prompt.ask("ping('192.168.1.1', count=2, interval=0.1)")
    as_command = prompt.ask("ping -c 2 -i 0.1 192.168.1.1")
    for lines in (as_function, as_command):
        assert lines[0] == "PING 192.168.1.1 (192.168.1.1) 56(84) bytes of data."
        assert re.fullmatch(r"64 bytes from 192\.168\.1\.1: icmp_seq=2 ttl=64 time=[\d.]+ ms", lines[2])
        assert re.fullmatch(r"2 packets transmitted, 2 received, 0% packet loss, time \d+ms", lines[5])
        assert len(lines) == 7  # the result says nothing again
    assert re.fullmatch(r"<ping 192\.168\.1\.1: 2 of 2 answered, .* ms on average>", prompt.ask("_")[0])


def test_a_command_typed_without_parentheses_ends_by_itself(prompt: Terminal) -> None:
    assert prompt.ask("ping -i 0.1 192.168.1.1")[-2].startswith("3 packets transmitted, 3 received")
    assert prompt.ask("ping nosuch.invalid") == ["ping: nosuch.invalid: Temporary failure in name resolution"]
    assert "".join(prompt.ask("serve ecko")) == f"serve: there is no service 'ecko'; there are {', '.join(KINDS)}"
    assert prompt.ask("ping 'a") == ["ping: no closing quotation"]
    assert prompt.ask("serve = 3") == [] and prompt.ask("serve") == ["3"]  # a name of Python's like any other
    assert prompt.ask("del serve") == []


def test_a_block_of_several_lines(prompt: Terminal) -> None:
    assert prompt.ask("def inverse(n):", "return 1 / n", "") == []
    assert prompt.ask("inverse(4)") == ["0.25"]
    assert prompt.ask("for i in range(3):", "print(i)", "") == ["0", "1", "2"]
    assert prompt.ask("(1,", "2)") == ["(1, 2)"]


def test_tracebacks_show_the_user_s_code_and_none_of_ours(prompt: Terminal) -> None:
    assert prompt.ask("1/0") == ["ZeroDivisionError: division by zero"]
    assert prompt.ask("ping('nosuch.invalid')") == ["PingError: nosuch.invalid: Temporary failure in name resolution"]
    prompt.ask("def outer():", "return ping(None)", "")
    lines = prompt.ask("outer()")
    assert lines[0] == "Traceback (most recent call last):"
    assert "    return ping(None)" in lines and lines[-1].startswith("TypeError: ")
    assert not any("apps/" in line or "stack/" in line for line in lines)
    lines = prompt.ask("1 +* 2")
    assert lines[-1].startswith("SyntaxError: invalid syntax") and not any(".py" in line for line in lines)


def test_errors_of_services_are_one_line(prompt: Terminal) -> None:
    assert prompt.ask("services.start('echo')") == ["echo on 7/tcp 7/udp: 0 clients, 0 served, 0 bytes in, 0 out"]
    assert prompt.ask("services.start('echo')") == ["OSError: [Errno 98] echo: port 7 is in use"]
    assert prompt.ask("services.start('ecko')")[0].startswith("ValueError: there is no service 'ecko'")
    assert prompt.ask("services.stop('echo')") == []
    assert prompt.ask("services") == [f"none runs; there are {', '.join(KINDS)}"]


def test_the_other_node_runs_echo_and_http(prompt: Terminal) -> None:
    prompt.ask("s = socket.create_connection(('192.168.1.1', 7)); s.sendall(b'hello')")
    assert prompt.ask("s.recv(9)") == ["b'hello'"]
    assert prompt.ask("s.close()") == []
    prompt.ask("w = socket.create_connection(('192.168.1.1', 80)); w.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')")
    assert prompt.ask("w.makefile().read(15)") == ["'HTTP/1.1 200 OK'"]


def test_the_cable_s_loss_counts_at_once(prompt: Terminal) -> None:
    prompt.ask("cable.loss = 1.0")
    lines = prompt.ask("ping -c2 -i0.1 -W0.2 192.168.1.1")
    assert "2 packets transmitted, 0 received, 100% packet loss" in " ".join(lines)
    assert prompt.ask("cable.loss = 2")[0].startswith("ValueError: loss is")
    prompt.ask("cable.loss = 0.0")
    assert "1 packets transmitted, 1 received, 0% packet loss" in " ".join(prompt.ask("ping -c1 192.168.1.1"))


def test_commands_for_another_host_need_one(prompt: Terminal) -> None:
    assert prompt.ask("!true") == ["there is no other host to run commands on: only --link lab has one"]


@pytest.mark.parametrize(
    "line",
    ["import time; time.sleep(60)", "node.engine.sleep(60)", "socket.create_connection(('192.168.1.1', 7)).recv(1)"],
)
def test_ctrl_c_stops_the_command_and_not_the_node(prompt: Terminal, line: str) -> None:
    prompt.until(prompt.is_waiting)
    asked = prompt.prompts()[-1]
    prompt.enter(line)
    prompt.settle(0.4)
    prompt.type(CTRL_C)
    prompt.until(lambda: prompt.prompts()[-1] > asked and prompt.is_waiting())
    assert prompt.screen.lines()[asked + 1 : prompt.prompts()[-1]] == ["^C", "KeyboardInterrupt"]
    assert "1 received" in " ".join(prompt.ask("ping -c1 192.168.1.1"))


def test_ctrl_c_ends_a_ping_with_its_statistics(prompt: Terminal) -> None:
    prompt.until(prompt.is_waiting)
    asked = prompt.prompts()[-1]
    prompt.enter("r = ping('192.168.1.1', count=None, interval=0.1)")
    prompt.expect(r"PING[^>]*icmp_seq=3 [^>]*\Z")
    prompt.type(CTRL_C)
    prompt.until(lambda: prompt.prompts()[-1] > asked and prompt.is_waiting())
    lines = prompt.screen.lines()[asked + 1 : prompt.prompts()[-1]]
    assert "--- 192.168.1.1 ping statistics ---" in lines and "KeyboardInterrupt" not in lines
    assert prompt.ask("r.is_interrupted, r.received > 2") == ["(True, True)"]


def test_ctrl_c_at_the_prompt_drops_the_line(prompt: Terminal) -> None:
    prompt.until(prompt.is_waiting)
    prompt.type("this is nothing")
    prompt.expect("^>>> this is nothing$")
    prompt.type(CTRL_C)
    prompt.until(prompt.is_waiting)
    assert prompt.ask("1 + 1") == ["2"]


def test_what_is_printed_meanwhile_leaves_the_line_alone(prompt: Terminal) -> None:
    prompt.ask("def chatter():", "for n in range(60):", "print(f'background {n:02}'); node.engine.sleep(0.02)", "", "")
    prompt.ask("t = node.engine.spawn(chatter)")
    for character in "'typed while others talk'":
        prompt.type(character)
        prompt.read(0.05)
    prompt.expect(r"^background 59$")
    prompt.expect(r"^>>> 'typed while others talk'$")
    lines = [line for line in prompt.screen.lines() if "background" in line and "print" not in line]
    assert lines == [f"background {n:02}" for n in range(60)]
    prompt.type("\r")
    prompt.expect(r"^'typed while others talk'$")


def test_what_is_typed_too_early_is_kept_and_not_echoed_twice(prompt: Terminal) -> None:
    prompt.until(prompt.is_waiting)
    first = prompt.prompts()[-1]
    prompt.type("'one'\r'two'\r'three'\r'four' # not entered")
    prompt.expect(r"^>>> 'four' # not entered$")
    lines = prompt.screen.lines()[first:]
    assert lines[:6] == [">>> 'one'", "'one'", ">>> 'two'", "'two'", ">>> 'three'", "'three'"]
    prompt.type(CTRL_C)


def test_output_without_a_line_end_is_not_drawn_over(prompt: Terminal) -> None:
    assert prompt.ask("print('no newline', end='')") == ["no newline"]
    assert prompt.ask("import os; _ = os.system('printf straight')") == ["straight"]


def test_a_program_can_ask_back(prompt: Terminal) -> None:
    prompt.until(prompt.is_waiting)
    prompt.enter("'hello ' + input('who? ')")
    prompt.expect(r"^who\?")
    prompt.settle(0.3)  # until the terminal echoes
    prompt.enter("you")
    prompt.expect(r"^who\? you$\n^'hello you'$")


def test_tab_completes_from_what_is_there(prompt: Terminal) -> None:
    def press(text: str, completed: str) -> None:
        prompt.until(prompt.is_waiting)
        prompt.type(text)
        prompt.type(TAB)
        prompt.expect("^>>> " + re.escape(completed) + "$", 3)
        prompt.type(CTRL_C)

    press("servi", "services")
    press("services.sta", "services.start(")
    press("services.start('ec", "services.start('echo")
    press("services.start('e", "services.start('echo")
    press("trace.on('ic", "trace.on('icmp")
    press("help('disc", "help('discard")
    press("pi", "ping(")
    press("ping 192", "ping 192.168.1.1")
    press("ping('loc", "ping('localhost")
    press("ping('x', dead", "ping('x', deadline=")
    press("serve cha", "serve chargen")
    press("cable.los", "cable.loss")
    press("impo", "import")
    press("isinst", "isinstance(")
    prompt.ask("import collections")
    press("collections.Ordered", "collections.OrderedDict(")


def test_tab_lists_what_it_may_be(prompt: Terminal) -> None:
    prompt.until(prompt.is_waiting)
    prompt.type("services.st")
    prompt.type(TAB)
    prompt.expect(r"^start\(  stop\($\n>>> services\.st$")
    prompt.type(CTRL_C)


def test_help_lists_every_command_with_one_line(prompt: Terminal) -> None:
    lines = prompt.ask("help()")
    names = [line.split()[0] for line in lines]
    assert {"ping", "serve", "services", "trace", "node", "socket", "cable", "help"} <= set(names)
    assert len(names) == len(set(names)) and all(len(line) < 100 for line in lines)
    assert prompt.ask("help") == lines
    assert prompt.ask("help('ping')")[0] == "ping: send ICMP echo requests to a host"
    assert "echo, a service on 7/tcp 7/udp: sends back what it gets (RFC 862)" in prompt.ask("help('echo')")
    assert prompt.ask("help('nonsense')") == ["nothing here is called 'nonsense'; help() lists what there is"]


def test_the_toolbar_counts(prompt: Terminal) -> None:
    prompt.ask("ping -c1 192.168.1.1")
    prompt.expect(r"^ sim 192\.168\.1\.3/24  rx \d+ [\d.]+ k?B  tx \d+ [\d.]+ k?B  connections \d+  drops \d+$")
    before = int(prompt.expect(r"rx (\d+) ")[1])
    prompt.ask("ping -c3 -i0.1 192.168.1.1")
    prompt.until(lambda: int(prompt.expect(r"rx (\d+) ")[1]) >= before + 3, 3)


def test_history_is_kept_for_the_next_session_and_nobody_else(start: Starter, tmp_path: Path) -> None:
    first = start("-q")
    assert first.ask("'remember this'") == ["'remember this'"]
    first.type(CTRL_D)
    first.wait()
    directory = tmp_path / "glasstack"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert "'remember this'" in (directory / "history").read_text()
    second = start("-q")
    second.until(second.is_waiting)
    second.type(UP)
    second.expect("^>>> 'remember this'$")


def test_an_unwritable_state_directory_is_no_reason_to_fail(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "glasstack").write_text("a file where the directory would be")
    terminal = start("-q")
    assert terminal.ask("1 + 1") == ["2"]


def test_a_user_without_a_home_has_a_history_in_memory(tmp_path: Path) -> None:
    # XDG Base Directory Specification: a relative path is ignored.
    homeless = (
        "import os, pwd, runpy, sys\n"
        "def getpwuid(number):\n"
        "    raise KeyError(number)\n"
        "pwd.getpwuid = getpwuid\n"
        "os.environ.pop('HOME', None)\n"
        "sys.argv.pop(0)\n"
        "sys.path.insert(0, os.path.dirname(sys.argv[0]))\n"
        "os.chdir(sys.argv.pop())\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    argv = [sys.executable, "-c", homeless, str(ROOT / "node.py"), *SIM, "-q", str(tmp_path)]
    terminal = Terminal(argv, {"XDG_STATE_HOME": "relative", "NO_COLOR": "1"})
    try:
        assert terminal.ask("1 + 1") == ["2"]
        terminal.type(UP)
        terminal.expect(r"^>>> 1 \+ 1$")
        assert not list(tmp_path.iterdir())
    finally:
        terminal.close()
