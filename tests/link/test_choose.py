"""Choosing a link where no kernel is needed: bad words, the simulated cable, and what happens when there is no lab."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from stack.frame import OutFrame
from stack.link.choose import Opened, open_link
from stack.wire.address import parse_ip
from tests.link.frames import INTERFACE

ROOT = Path(__file__).parents[2]
OURS = parse_ip("192.168.1.3")


def close(opened: Opened) -> None:
    for end in opened.extras.ends:
        end.close()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ethernet", "there is no link 'ethernet'; a link is tap:NAME, packet:INTERFACE, lab or sim"),
        ("", "there is no link ''"),
        ("lab:x", "there is no link 'lab:x'"),
        ("sim:", "there is no link 'sim:'"),
        ("tap", "tap needs an interface's name: tap:tap0"),
        ("tap:", "tap needs an interface's name: tap:tap0"),
        ("packet", "packet needs an interface's name: packet:eth0"),
        ("tap:a name", "'a name' is not an interface's name"),
        ("tap:tap%d", "'tap%d' is not an interface's name"),
    ],
)
def test_a_bad_link_is_refused_in_one_line(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"link|name") as caught:
        open_link(spec, OURS, 24)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_interface_that_is_not_there_is_an_error_not_another_link() -> None:
    with pytest.raises(OSError, match="nosuch0"):
        open_link("packet:nosuch0", OURS, 24)


def test_sim_is_a_cable_with_a_peer_on_the_subnet() -> None:
    opened = open_link("sim", OURS, 24, rng=Random(1))
    device, description, extras = opened
    assert description == "sim: a second node at 192.168.1.1 on a simulated cable"
    assert extras.peer == parse_ip("192.168.1.1")
    assert device is extras.ends[0]
    assert device.name == "sim"
    assert extras.lab is None
    assert extras.cable is not None
    device.write(OutFrame(INTERFACE, b"hello", b"", None, None), 1.0)
    assert extras.ends[1].read(2.0) == (b"hello", None)
    extras.cable.loss = 1.0
    device.write(OutFrame(INTERFACE, b"gone", b"", None, None), 2.0)
    assert extras.ends[1].next_at() is None
    close(opened)


def test_a_subnet_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"192\.168\.1\.3/32 has no room for another host"):
        open_link("sim", OURS, 32)


def test_without_a_lab_the_default_is_sim_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tap = pytest.importorskip("stack.link.tap")
    monkeypatch.setattr(tap, "may_open", lambda name: False)
    monkeypatch.setattr("stack.link.lab.SYSTEM_PATHS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    opened = open_link(None, OURS, 24)
    assert opened.description == (
        "sim: a second node at 192.168.1.1 on a simulated cable "
        "(the lab needs unshare; install it: sudo apt install util-linux)"
    )
    close(opened)
    with pytest.raises(OSError, match="the lab needs unshare"):
        open_link("lab", OURS, 24)


def test_where_there_is_no_linux_the_default_is_sim_and_the_others_say_so() -> None:
    """Windows has neither fcntl nor termios; the library imports all the same."""
    code = """
import sys
sys.modules.update(fcntl=None, termios=None, pwd=None, resource=None)
from stack.link.choose import open_link
print(open_link(None, bytes((192, 168, 1, 3)), 24).description)
for spec in ("lab", "tap:tap0", "packet:eth0"):
    try:
        open_link(spec, bytes((192, 168, 1, 3)), 24)
    except OSError as e:
        print(e.strerror)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "sim: a second node at 192.168.1.1 on a simulated cable (the lab needs Linux)",
        "the lab needs Linux; use --link sim",
        "tap:tap0 needs Linux; use --link sim",
        "packet:eth0 needs Linux; use --link sim",
    ], done.stderr
