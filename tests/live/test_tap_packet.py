"""TAPs and packet sockets, in the lab's namespaces, where interfaces can be made and unmade (the checks are in
`inside`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.link.kernel import TUN_PATH
from stack.link.lab import Lab
from tests.live import inside
from tests.patience import PATIENCE

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
HAS_TUN = os.access(TUN_PATH, os.R_OK | os.W_OK)
POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
WITHOUT = [name for name in vars(inside) if name.endswith(("without_capabilities", "without_capabilities_is_refused"))]
TUN_REFUSED = "tun_device_may_not_be_opened"
TAP = [name for name in vars(inside) if name.startswith("tap_") and name not in WITHOUT]
PACKET = [name for name in vars(inside) if name.startswith("packet_") and name not in WITHOUT]


def check(lab: Lab, name: str, *prefix: str) -> None:
    done = lab.popen(
        [*prefix, sys.executable, "-m", "tests.live.inside", name], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    _, said = done.communicate(timeout=PATIENCE)
    assert done.returncode == 0, said


@pytest.mark.parametrize("name", TAP if HAS_TUN else [TUN_REFUSED])
def test_tap(any_lab: Lab, name: str) -> None:
    check(any_lab, name)


@pytest.mark.parametrize("name", PACKET)
def test_packet(any_lab: Lab, name: str) -> None:
    check(any_lab, name)


def test_packet_without_capabilities(any_lab: Lab) -> None:
    check(any_lab, "packet_without_capabilities_is_refused", *POWERLESS)


if HAS_TUN:

    def test_tap_without_capabilities(any_lab: Lab) -> None:
        assert any_lab.run(f"ip tuntap add theirs mode tap user {1 if os.getuid() == 0 else os.getuid()}") == 0
        assert any_lab.run(f"ip tuntap add ours mode tap user {os.getuid()}") == 0
        check(any_lab, "tap_of_others_is_refused_without_capabilities", *POWERLESS)
