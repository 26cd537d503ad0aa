"""Files that a setting names: what is read of them, and what is refused before it costs anything."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from services import reading

ZONE = "lab. SOA ns.lab. a.lab. 1 2 3 4 5\n"


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / name for name in ("fifo", "directory", "socket", "sparse", "mine")}
    os.mkfifo(made["fifo"])
    made["directory"].mkdir()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(made["socket"]))
    made["sparse"].touch()
    os.truncate(made["sparse"], 1 << 40)
    return {**made, "zero": Path("/dev/zero"), "terminal": Path("/dev/tty"), "nul": Path("a\0b")}


@pytest.mark.parametrize("name", ["dns", "qotd"])
@pytest.mark.parametrize(
    "path, fault",
    [
        ("zero", "not a regular file"),
        ("fifo", "not a regular file"),
        ("socket", "not a regular file|No such device or address"),
        ("directory", "Is a directory"),
        ("terminal", "not a regular file|No such device or address"),
        ("sparse", "longer than 16 MiB"),
        ("mine", "No such file or directory"),
        ("nul", "not the name of a file"),
    ],
)
def test_what_is_no_file_to_read_is_one_clear_line(
    place: Any, paths: dict[str, Path], name: str, path: str, fault: str
) -> None:
    with pytest.raises(ValueError) as caught:
        place.services.start(name, port=0, setting=str(paths[path]))
    assert re.fullmatch(f"{name}: {re.escape(str(paths[path]))}: ({fault})", str(caught.value))


def test_a_file_is_read_to_its_end_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes("Dr\u00fcei\r\n".encode() + b"\xff" * 100_000)
    text = reading.read_text(path)
    assert text == "Dr\u00fcei\r\n" + "\ufffd" * 100_000
    monkeypatch.setattr(reading, "LONGEST", 100_008)
    assert reading.read_text(str(path)) == text
    monkeypatch.setattr(reading, "LONGEST", 100_007)
    with pytest.raises(OSError, match="longer than"):
        reading.read_text(path)
