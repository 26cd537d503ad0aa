"""`trace FILE [FILTER]`: what goes where, and every exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps.trace import command, typed
from stack.trace.capture import Captured, PcapngWriter
from stack.trace.recorder import Recorder
from stack.trace.trace import Trace
from tests.trace.frames import conversation, udp_frame
from tests.trace.payloads import question
from tests.wire.samples import UDP_HELLO

ROOT = Path(__file__).parents[2]
NS = 1_700_000_000_000_000_000


@pytest.fixture
def capture(tmp_path):
    """Three frames: a SYN, a question, a datagram dropped."""
    buffer = io.BytesIO()
    writer = PcapngWriter(buffer)
    writer.write(Captured(NS + 7, conversation()[0], 74, "tap0", True))
    writer.write(Captured(NS + 250_000_000, question(), 67, "tap0", True))
    writer.write(Captured(NS + 500_000_000, udp_frame(b"x"), 43, "tap0", False, "dropped: no socket on this UDP port"))
    path = tmp_path / "x.pcapng"
    path.write_bytes(buffer.getvalue())
    return str(path)


def run(capsys, *words):
    """(exit code, standard output, standard error)"""
    code = command(None, list(words))
    return code, *capsys.readouterr()


LINES = """\
    1   0.000000     10.9.0.1 → 10.9.0.9     TCP 74 44000 → 40001 [SYN] Seq=0 Win=64240 Len=0 MSS=1460 SACK_PERM \
TSval=1 TSecr=0 WS=128
    2   0.250000     10.9.0.1 → 10.9.0.9     DNS 67 Standard query 0x1234 A www.lab
    3   0.500000     10.9.0.1 → 10.9.0.9     UDP 43 40000 → 40001 Len=1 [dropped: no socket on this UDP port]
"""


def test_lines(capsys, capture):
    assert run(capsys, capture) == (0, LINES, "")
    assert run(capsys, "-n", "-r", capture) == (0, LINES, "")


def test_a_filter_of_one_word_or_many(capsys, capture):
    second = LINES.splitlines(keepends=True)[1]
    assert run(capsys, capture, "udp port 53") == (0, second, "")
    assert run(capsys, capture, "udp", "port", "53") == (0, second, "")
    assert run(capsys, "-r", capture, "icmp") == (0, "", "")
    assert run(capsys, "-c", "1", capture, "udp") == (0, second, "")


def test_trees(capsys, capture):
    code, out, _ = run(capsys, "-V", capture)
    assert code == 0 and out.startswith("Frame 1") and out.count("\n\nFrame ") == 2 and "\n0000  " not in out
    code, out, _ = run(capsys, "-x", capture, "tcp")
    assert code == 0 and out.count("Frame ") == 1 and "\n0000  02 00" in out
    code, out, _ = run(capsys, "-f", "3", capture)
    assert out.startswith("Frame 3: 43 bytes received on tap0 at 0.500000 s\n    [dropped: no socket")


def test_tcpdump_s_lines(capsys, capture):
    code, out, _ = run(capsys, "--tcpdump", capture, "port 53")
    assert code == 0 and out.endswith(":20.250000 IP 10.9.0.1.40000 > 10.9.0.9.53: 4660+ A? www.lab. (25)\n")


JSON = [
    {
        "number": 2, "time": 0.249999993, "epoch": "1700000000.250000000", "interface": "tap0", "direction": "out",
        "length": 67, "captured": 67, "source": "10.9.0.1", "destination": "10.9.0.9", "protocol": "DNS",
        "info": "Standard query 0x1234 A www.lab", "comments": [], "malformed": [],
    },
    {
        "number": 3, "time": 0.499999993, "epoch": "1700000000.500000000", "interface": "tap0", "direction": "in",
        "length": 43, "captured": 43, "source": "10.9.0.1", "destination": "10.9.0.9", "protocol": "UDP",
        "info": "40000 → 40001 Len=1", "comments": ["dropped: no socket on this UDP port"], "malformed": [],
    },
]  # fmt: skip


def test_json(capsys, capture):
    code, out, err = run(capsys, "--json", capture, "udp")
    assert (code, json.loads(out), err) == (0, JSON, "")
    assert out.count("\n") == 4  # an object a line
    assert json.loads(run(capsys, "--json", "-c", "1", capture)[1])[0]["epoch"] == "1700000000.000000007"
    assert run(capsys, "--json", capture, "icmp") == (0, "[]\n", "")


def test_json_with_fields(capsys, capture):
    code, out, _ = run(capsys, "--json", "-f", "2", capture)
    (frame,) = json.loads(out)
    layers = frame.pop("layers")
    assert code == 0 and frame == JSON[0]
    assert [(layer["name"], layer["start"], layer["end"]) for layer in layers] == [
        ("ethernet", 0, 14), ("ip", 14, 34), ("udp", 34, 42), ("dns", 42, 67),
    ]  # fmt: skip
    assert layers[3]["fields"][-1] == {
        "name": "Questions", "value": "1", "fields": [{"name": "www.lab.", "value": "IN A"}],
    }  # fmt: skip


def test_what_is_malformed_is_in_the_json(capsys, tmp_path):
    buffer = io.BytesIO()
    PcapngWriter(buffer).write(Captured(NS, UDP_HELLO[:24] + b"\0\0" + UDP_HELLO[26:], 47))
    (tmp_path / "x").write_bytes(buffer.getvalue())
    (frame,) = json.loads(run(capsys, "--json", str(tmp_path / "x"))[1])
    assert frame["malformed"] == ["IP header checksum is wrong"]
    assert (frame["interface"], frame["direction"]) == (None, None)


def test_a_damaged_file_is_shown_as_far_as_it_goes(capsys, capture):
    data = Path(capture).read_bytes()
    Path(capture).write_bytes(data[:-5])
    first_two = "".join(LINES.splitlines(keepends=True)[:2])
    assert run(capsys, capture) == (1, first_two, f"trace: {capture}: the file ends in the middle of a block\n")
    code, out, err = run(capsys, "--json", capture)
    assert code == 1 and [frame["number"] for frame in json.loads(out)] == [1, 2] and err.count("\n") == 1
    assert run(capsys, "-c", "2", capture) == (0, first_two, "")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "trace: which file?\n\nusage: trace "),
        (["-z"], 2, "trace: invalid option -- 'z'\n\nusage: trace "),
        (["-c", "many", "x"], 2, "trace: -c: invalid argument: 'many'\n"),
        (["-f", "0", "x"], 2, "trace: -f: invalid argument: '0'\n"),
        (
            ["FILE", "tcp prot 80"],
            2,
            "trace: 'prot' is not a word of the filter language: 'proto'?\n    tcp prot 80\n        ^^^^\n",
        ),
        (["/nowhere"], 1, "trace: cannot read /nowhere: No such file or directory\n"),
        (["/"], 1, "trace: cannot read /: Is a directory\n"),
        (["/dev/null"], 1, "trace: /dev/null: the file is empty\n"),
        (["-f", "9", "FILE"], 1, "there is no frame 9\n"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(capsys, capture, words, code, said):
    found, out, err = run(capsys, *(capture if word == "FILE" else word for word in words))
    assert (found, out) == (code, "") and (err.startswith(said) or err.endswith(said))


def test_help(capsys):
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, "") and out.startswith("usage: trace [options] FILE [FILTER]\n  -V  ")


def test_the_program_needs_no_node_and_reads_standard_input(capture):
    """The whole program, its input a pipe, and a reader that has enough after one line."""
    words = [sys.executable, str(ROOT / "node.py"), "trace", "-", "udp"]
    done = subprocess.run(words, input=Path(capture).read_bytes(), capture_output=True, timeout=30)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, "".join(LINES.splitlines(True)[1:]), b"")
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        done = subprocess.run([*words[:-2], capture], stdout=closed, stderr=subprocess.PIPE, timeout=30)
    assert done.stderr == b"" and done.returncode == -13


def test_what_a_node_would_show_of_its_own_is_none_of_a_file_s(capture):
    words = [sys.executable, str(ROOT / "node.py"), "--trace=tcp", "trace", capture, "udp"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, "".join(LINES.splitlines(True)[1:]), b"")


def test_at_the_prompt_a_dissector_of_one_s_own_reads_too(capsys, capture):
    node = SimpleNamespace(trace=Trace(Recorder()))
    node.trace.dissector(lambda data: ("MINE", "hello"), port=40001)
    assert typed(node, [capture, "udp port 40001"]) == 0
    assert " MINE 43 hello [dropped" in capsys.readouterr().out
