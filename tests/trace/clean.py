"""What Wireshark makes of a capture of ours."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests import needs

QUIET = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC"}


def tshark(capture: str | os.PathLike[str], *options: str) -> list[str]:
    """The lines that `tshark -n -r capture` prints with these options; whatever it complains of fails the test."""
    needs.programs("tshark")
    command = ["tshark", "-n", "-r", os.fspath(capture), *options]
    done = subprocess.run(command, env=QUIET, capture_output=True, text=True, timeout=30)
    complaints = [line for line in done.stderr.splitlines() if line and not line.startswith("Running as user")]
    assert (done.returncode, complaints) == (0, [])
    return done.stdout.splitlines()


def columns(capture: str | os.PathLike[str], *fields: str, only: str = "") -> list[list[str]]:
    """tshark's fields of each frame that the display filter `only` lets through."""
    options = [word for field in fields for word in ("-e", field)]
    return [line.split("\t") for line in tshark(capture, "-T", "fields", *options, *(("-Y", only) if only else ()))]


def assert_clean(capture: str | os.PathLike[str]) -> int:
    """Wireshark reads all of it, finds nothing malformed, and (in pcapng) knows every frame's direction and interface.
    Returns how many frames there are."""
    assert tshark(capture, "-Y", "_ws.malformed") == []
    known = columns(capture, "frame.interface_name", "frame.packet_flags_direction")
    if not os.fspath(capture).endswith(".pcap"):
        assert all(name and int(direction, 16) in (1, 2) for name, direction in known)
    return len(known)


def tcpdump(capture: Path, *words: str) -> list[str]:
    """The lines that `tcpdump -n -r capture` prints."""
    needs.programs("tcpdump")
    command = ["tcpdump", "-n", "-r", capture, *words]
    done = subprocess.run(command, env=QUIET, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
