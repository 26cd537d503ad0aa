"""Leases kept between runs; the file may be anything."""

import os
import stat

import pytest

from stack.autoconf.lease import NEVER, Known, Lease
from stack.leases import Leases, state_directory
from stack.wire.address import parse_ip

MAC = b"\2\0\0\0\0\1"
LEASE = Lease(parse_ip("10.0.0.50"), 24, parse_ip("10.0.0.1"), (), (), "", (), None, "", 100.0, 600.0, 900.0, 1100.0)


def keep(tmp_path, wall=5000.0):
    said = []
    return Leases(tmp_path / "leases", lambda: wall, said.append), said


def test_a_lease_is_known_again_with_the_time_that_is_left(tmp_path):
    store, said = keep(tmp_path)
    assert store.load(MAC, 0.0) is None
    store.save(MAC, LEASE, 200.0)  # 900 s are left
    later, _ = keep(tmp_path, wall=5400.0)
    assert later.load(MAC, 7.0) == Known(LEASE.address, 7.0 + 500.0)
    assert later.load(b"\2\0\0\0\0\2", 7.0) is None
    store.save(MAC, LEASE._replace(expires_at=NEVER), 200.0)
    assert later.load(MAC, 7.0) == Known(LEASE.address, NEVER)
    store.save(MAC, LEASE, 200.0, is_released=True)
    assert later.load(MAC, 7.0) == Known(LEASE.address, 7.0 - 5400.0)
    assert said == []
    assert os.listdir(tmp_path / "leases") == ["02-00-00-00-00-01.json"]
    assert stat.S_IMODE((tmp_path / "leases").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"7",
        b"{}",
        b'{"address": "10.0.0.50"}',
        b'{"address": "10.0.0.50", "expires": "soon"}',
        b'{"address": "10.0.0.50", "expires": NaN}',
        b'{"address": "10.0.0.50", "expires": []}',
        b'{"address": "10.0.0", "expires": 5}',
        b'{"address": "fd00::1", "expires": 5}',
        b'{"address": "224.0.0.1", "expires": 5}',
        b'{"address": 7, "expires": 5}',
        b'{"address": null, "expires": 5}',
        b"[" * 60000,
        b"\0" * 100_000,
    ],
)
def test_a_damaged_file_is_ignored_with_a_warning(tmp_path, text):
    store, said = keep(tmp_path)
    store.path(MAC).parent.mkdir()
    store.path(MAC).write_bytes(text)
    assert store.load(MAC, 0.0) is None
    assert len(said) == 1 and "is damaged and ignored" in said[0] and "\n" not in said[0]
    store.save(MAC, LEASE, 200.0)
    assert store.load(MAC, 0.0) is not None


def test_places_where_nothing_can_be_read_or_kept(tmp_path):
    (tmp_path / "leases").write_text("a file where the directory should be")
    store, said = keep(tmp_path)
    assert store.load(MAC, 0.0) is None
    store.save(MAC, LEASE, 200.0)
    assert len(said) == 2 and all("could not be" in line for line in said)
    with pytest.warns(RuntimeWarning, match="could not be kept"):
        Leases(tmp_path / "leases").save(MAC, LEASE, 0.0)


def test_where_state_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "glasstack"
    assert Leases().path(MAC) == tmp_path / "glasstack" / "leases" / "02-00-00-00-00-01.json"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/path")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(state_directory()) == "/home/someone/.local/state/glasstack"
