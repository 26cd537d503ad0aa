"""Captures of a node beside a real kernel, as Wireshark and tcpdump read them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import Node
from stack.trace.recording import entries
from tests import needs
from tests.patience import PATIENCE
from tests.trace.clean import assert_clean, columns, tcpdump, tshark

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
NODE, KERNEL = "192.168.1.3", "192.168.1.1"


def there(node: Node, command: str) -> str:
    """A shell command on the kernel's host: what it says."""
    assert node.lab is not None
    process = node.lab.popen(("sh", "-c", command), stdin=None, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return process.communicate(timeout=PATIENCE)[0].decode()


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with live.pcapng, ring.pcapng and ring.pcap: a ping, a page, a closed port each of TCP and UDP, a SYN
    that was resent, a neighbour that is not there."""
    needs.programs("curl", "nc")
    path = tmp_path_factory.mktemp("captures")
    with needs.lab():
        node = Node(f"{NODE}/24", link="lab", arp_retrans_timer=0.1)
    with node, node.trace.write_to(path / "live.pcapng"):
        node.services.start("http")
        assert node.ping(KERNEL, count=1)
        assert there(node, f"curl -s http://{NODE}/bytes/200000 | wc -c").strip() == "200000"
        there(node, f"echo x | nc -u -w1 {NODE} 4711; nc -w1 {NODE} 99")
        there(node, f"ip route add blackhole {NODE}")
        for nobody in (KERNEL, "192.168.1.77"):  # answers that get lost, and a packet that never becomes a frame
            client = node.socket.socket()
            client.settimeout(1.3)
            with pytest.raises(OSError):
                client.connect((nobody, 81))
            client.close()
        node.trace.save(path / "ring.pcapng")
        node.trace.save(path / "ring.pcap", "tcp or icmp")
    yield path


def test_wireshark_reads_all_of_it(captures: Path) -> None:
    live, ring = (assert_clean(captures / f"{name}.pcapng") for name in ("live", "ring"))
    assert live >= ring > 20
    assert 20 < assert_clean(captures / "ring.pcap") < ring


def test_what_grew_is_what_was_kept(captures: Path) -> None:
    """From the probes for the address on; what was sent to say goodbye comes on top."""
    live, ring = tshark(captures / "live.pcapng"), tshark(captures / "ring.pcapng")
    assert "ARP Probe" in ring[0] and live[: len(ring)] == ring


def test_what_was_dropped_or_resent_says_why(captures: Path) -> None:
    said = columns(captures / "live.pcapng", "_ws.col.Protocol", "frame.packet_flags_direction", "frame.comment",
                   only="frame.comment")  # fmt: skip
    assert ["UDP", "0x00000001", "dropped: no socket on this UDP port"] in said
    assert ["TCP", "0x00000001", "dropped: no socket for this TCP segment"] in said
    # No frame of its own: told with the one before or behind it, whichever was still to be written.
    assert any(re.fullmatch("(then|before): dropped: neighbour did not answer.*", words) for _, _, words in said)
    (resent,) = [words for words in said if "resent" in words[2]]
    assert resent[:2] == ["TCP", "0x00000002"] and resent[2].startswith("resent: timeout, time 1, 1.0")


def test_our_eyes_and_theirs_see_the_same(captures: Path) -> None:
    """`trace FILE` beside tshark and tcpdump on the whole capture."""
    name = str(captures / "ring.pcapng")
    ours = node_py("trace", name)
    assert len(ours) == len(tshark(name))
    plain = [re.sub(r" \[(dropped|then|resent)[^]]*\]", "", text) for text in ours]
    theirs = ["ws.col.No.", "ws.col.Source", "ws.col.Destination", "ws.col.Protocol", "frame.len"]
    for text, (number, source, destination, protocol, length) in zip(
        plain, columns(name, *("_" + field if field.startswith("ws") else field for field in theirs)), strict=True
    ):
        words = text.split()
        assert [words[0], words[2], words[4]] == [number, source, destination]
        if protocol in ("ARP", "ICMP", "UDP"):
            assert words[5:7] == [protocol, length]
    ours = node_py("trace", "--tcpdump", name, "tcp or icmp or arp")
    theirs = [re.sub(r": HTTP$", "", text) for text in tcpdump(captures / "ring.pcapng", "tcp or icmp or arp")]
    assert [re.sub(r" \[(dropped|then|resent)[^]]*\]$|: HTTP$", "", text) for text in ours] == theirs


def node_py(*words: str) -> list[str]:
    command = [sys.executable, str(ROOT / "node.py"), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, env={"TZ": "UTC", "PATH": "/usr/bin", "LANG": "C.UTF-8"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_what_other_tools_write_is_read(captures: Path, tmp_path: Path) -> None:
    """tcpdump's and tshark's own files, in every format they have, hold the same packets."""
    from stack.trace.capture import read

    expected = None
    for number, words in enumerate(
        (
            ["tcpdump", "-r", "IN", "-w", "OUT"],
            ["tcpdump", "-r", "IN", "--time-stamp-precision=nano", "-w", "OUT"],
            ["tshark", "-r", "IN", "-F", "pcap", "-w", "OUT"],
            ["tshark", "-r", "IN", "-F", "nsecpcap", "-w", "OUT"],
            ["tshark", "-r", "IN", "-F", "pcapng", "-w", "OUT"],
        )
    ):
        needs.programs(words[0])
        out = tmp_path / str(number)
        names = {"IN": str(captures / "ring.pcapng"), "OUT": str(out)}
        subprocess.run([names.get(word, word) for word in words], check=True, capture_output=True, timeout=30)
        with out.open("rb") as file:
            found = [(e.data, e.size) for e in entries(read(file))]
        expected = expected or found
        assert found == expected and len(found) > 20


def test_a_pipe_feeds_wireshark(tmp_path: Path) -> None:
    """`-w -`: from the first packet, while it runs; the reader that has enough ends nothing else."""
    needs.programs("tshark")
    program = (
        "import sys; from node import Node\n"
        "with Node(link='lab') as node, node.trace.write_to('-'):\n"
        "    sys.stdout = sys.stderr\n"
        "    print(bool(node.ping('192.168.1.1', count=4, interval=0.2, quiet=True)))"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    reader = subprocess.run(
        ["tshark", "-i", "-", "-n", "-l", "-c", "6"], stdin=writer.stdout, capture_output=True, text=True, timeout=30
    )
    assert writer.stdout is not None
    writer.stdout.close()
    _, said = writer.communicate(timeout=PATIENCE)
    needs.lab_in(said)
    lines = reader.stdout.splitlines()
    assert "ARP Probe" in lines[0] and len(lines) == 6
    assert (writer.returncode, said.splitlines()[-1]) == (0, "True")
