"""The prompt in a lab: commands on the other host, and typing while thousands of packets a second are traced."""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.patience import eventually
from tests.shell.terminal import Terminal

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
RATE = 5000  # packets a second
# A sender that keeps its pace.
FLOOD = f"""
import socket, sys, time
sock, began, sent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.monotonic(), 0
sock.connect(("192.168.1.3", 9))
while time.monotonic() < began + float(sys.argv[1]):
    while sent < (time.monotonic() - began) * {RATE}:
        sock.send(b"flood %d" % sent)
        sent += 1
    time.sleep(0.001)
"""
PACKET = re.compile(r" *\d+ +\d+\.\d{6} +([\d.]+ → [\d.]+|[\da-f:]+ → [\da-f:]+) +(UDP|ARP|ICMP) \d+ \S.*")


@pytest.fixture
def prompt(tmp_path: Path) -> Iterator[Terminal]:
    (tmp_path / "flood.py").write_text(FLOOD)
    flood = f"{sys.executable} {tmp_path / 'flood.py'} 40"
    argv = [sys.executable, str(ROOT / "node.py"), "--link", "lab", "-q"]
    terminal = Terminal(argv, {"XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1", "FLOOD": flood}, columns=120, rows=40)
    terminal.until(lambda: terminal.has_ended() or terminal.is_waiting())
    needs.lab_in(terminal.text())
    yield terminal
    terminal.close()


def test_commands_run_on_the_other_host(prompt: Terminal) -> None:
    prompt.ask("services.start('echo')")
    assert prompt.ask("!true") == []
    assert prompt.ask("!ip -br addr show dev lab0 | grep -o 192.168.1.1/24") == ["192.168.1.1/24"]
    assert prompt.ask("!echo to the node and back | nc -N 192.168.1.3 7") == ["to the node and back"]
    assert prompt.ask("!nosuchcommand 2>/dev/null || echo $?") == ["127"]


def test_ctrl_c_ends_a_command_on_the_other_host(prompt: Terminal) -> None:
    prompt.until(prompt.is_waiting)
    prompt.enter("!ping -i 0.2 192.168.1.3")
    prompt.expect(r"icmp_seq=2 ttl=64")
    prompt.type("\x03")
    prompt.expect(r"packets transmitted, \d+ received, 0% packet loss")
    assert prompt.ask("1 + 1") == ["2"]


def test_a_shell_on_the_other_host(prompt: Terminal) -> None:
    prompt.until(prompt.is_waiting)
    prompt.enter("!")
    prompt.expect(r"[#$] ?\Z")
    prompt.enter("echo the other host has $(hostname -I)")
    prompt.expect(r"^the other host has 192\.168\.1\.1\b[^#$]*[#$] ?\Z")
    prompt.type("\x04")
    assert prompt.ask("1 + 1") == ["2"]


@pytest.mark.alone
def test_typing_while_thousands_of_packets_are_traced(prompt: Terminal) -> None:
    """Nothing is garbled, lines are answered within 100 ms (once the machine does nothing else for a moment), and the
    printer says what it left out."""
    prompt.ask("services.start('discard')")
    prompt.ask("flood = node.lab.popen(['sh', '-c', '$FLOOD'])")
    prompt.enter("trace.on()")
    prompt.expect(r"UDP.*flood|UDP \d+")
    waits: list[list[float]] = []

    def is_prompt() -> bool:
        before = passed(prompt, len(waits) * 2)
        began = time.monotonic()
        answers = range(len(waits) * 20, len(waits) * 20 + 20)
        waits.append([reply(prompt, f"'answer', {n}, 40 + 2", rf"^\('answer', {n}, 42\)$") for n in answers])
        count = passed(prompt, len(waits) * 2 - 1) - before
        rate = count / (time.monotonic() - began)
        return rate > 4000 and statistics.median(waits[-1]) < 0.1 and sorted(waits[-1])[-2] < 0.25

    assert eventually(is_prompt), waits
    reply(prompt, "flood.terminate(); trace.off()", r"^<trace off")
    lines = prompt.screen.lines()
    assert any("not shown" in line for line in lines)
    left = [line for line in lines if not re.match(r">>>|\('answer', |\('passed', |<|discard on", line)]
    strange = [line for line in left[:-1] if line and not PACKET.fullmatch(line) and "not shown" not in line]
    assert not strange, strange[:10]
    assert sum(bool(PACKET.fullmatch(line)) for line in lines) > 100
    assert [int(n) for n in re.findall(r"^\('answer', (\d+), 42\)$", prompt.text(), re.MULTILINE)] == list(
        range(len(waits) * 20)
    )


def passed(prompt: Terminal, number: int) -> int:
    """How many packets the node has got; `number` tells the questions apart."""
    pattern = rf"^\('passed', {number}, (\d+)\)$"
    reply(prompt, f"'passed', {number}, node.interface.counters.rx_packets", pattern)
    return int(prompt.expect(pattern)[1])


def reply(prompt: Terminal, line: str, pattern: str) -> float:
    """Type a line and have it answered; the seconds from Enter to the answer."""
    prompt.type(line)
    prompt.expect("^>>> " + re.escape(line) + "$")
    began = time.monotonic()
    prompt.type("\r")
    prompt.expect(pattern)
    return time.monotonic() - began
