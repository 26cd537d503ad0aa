"""daytime, time and qotd, and what is told of a service that exposes more than they do."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import qotd
from services.service import CHATTERBOXES
from services.time import SINCE_1900
from tests.streams import rest

ROOT = Path(__file__).parents[2]
WORDS = rb"(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, [A-Z][a-z]+ \d\d, \d{4} \d\d:\d\d:\d\d-UTC\r\n"


def is_virtual(place: Any) -> bool:
    return hasattr(place.socket, "engine")


def ask(place: Any, service: Any) -> bytes:
    """What a datagram of nothing is answered with."""
    sock = place.datagrams()
    sock.sendto(b"", (place.address, service.bound))
    data, source = sock.recvfrom(2000)
    assert source == (place.address, service.bound)
    return bytes(data)


def test_daytime_in_words(place: Any) -> None:
    service = place.services.start("daytime", port=0)
    for said in (rest(place.connect(service)), ask(place, service)):
        assert re.fullmatch(WORDS, said)
        if is_virtual(place):
            assert said == b"Thursday, January 01, 1970 00:00:00-UTC\r\n"
        else:
            then = time.strptime(said.decode().strip(), "%A, %B %d, %Y %H:%M:%S-UTC")
            assert time.mktime(time.gmtime()) - time.mktime(then) in (0, 1, 2)


def test_time_in_four_bytes(place: Any) -> None:
    service = place.services.start("time", port=0)
    for said in (rest(place.connect(service)), ask(place, service)):
        assert len(said) == 4
        seconds = int.from_bytes(said, "big") - SINCE_1900
        assert seconds == 0 if is_virtual(place) else 0 <= time.time() - seconds < 3
    # RFC 868's own examples: 1970, 1 January 1980, and the last second there is.
    for wall, number in ((0.9, 2_208_988_800), (315_532_800, 2_524_521_600), (2_085_978_495.5, 0xFFFFFFFF)):
        service.loop.wall = lambda wall=wall: wall
        assert ask(place, service) == number.to_bytes(4, "big")
    service.loop.wall = lambda: 2_085_978_496.0
    assert rest(place.connect(service)) == b""
    assert place.eventually(lambda: len(service.clients) == 1)  # the first one, who has not closed yet
    sock = place.datagrams()
    sock.sendto(b"?", (place.address, service.bound))
    service.loop.wall = lambda: -SINCE_1900
    sock.sendto(b"?", (place.address, service.bound))
    assert sock.recv(9) == bytes(4)  # and nothing for the first


def test_a_quotation_for_each_day(place: Any, tmp_path: Path) -> None:
    file = tmp_path / "quotes"
    file.write_text("%\nOne.\n%\nTwo,\nin two lines. \n\n%\n%\nDr\u00fcei\n")
    service = place.services.start("qotd", port=0, setting=str(file))
    said = []
    for day in (0, 0.999, 1, 2, 3):
        service.loop.wall = lambda day=day: day * qotd.DAY
        said.append(ask(place, service))
    one, two, three = b"One.\r\n", b"Two,\r\nin two lines.\r\n\r\n", "Dr\u00fcei\r\n".encode()
    assert said == [one, one, two, three, one]
    assert rest(place.connect(service)) == one


def test_without_a_file_there_are_quotations_all_the_same(place: Any) -> None:
    service = place.services.start("qotd", port=0)
    assert ask(place, service) == rest(place.connect(service))
    assert all(len(quote) < qotd.MAX_QUOTE and quote.isascii() for quote in qotd.QUOTES)


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", "there is no quotation in it"),
        ("%\n \n%\n", "there is no quotation in it"),
        ("fine\n%\n" + "x" * 510 + "\n", "line 3: a quotation has less than 512 bytes, not 512"),
        ("x" * 509 + "\u00fc\n", "line 1: a quotation has less than 512 bytes, not 513"),
        (None, "No such file or directory"),
    ],
)
def test_files_that_are_no_quotations_are_one_clear_line(
    place: Any, tmp_path: Path, text: str | None, fault: str
) -> None:
    file = tmp_path / "quotes"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=rf"^qotd: {re.escape(str(file))}: {fault}$"):
        place.services.start("qotd", port=0, setting=str(file))
    assert place.services.running == []


@given(st.text(alphabet=st.one_of(st.sampled_from("%\n\r a"), st.characters()), max_size=600))
def test_whatever_the_file_each_quotation_fits_and_ends_its_lines(text: str) -> None:
    try:
        found = qotd.quotes(text.encode("utf-8", "replace").decode())
    except ValueError as e:
        assert str(e)
        return
    assert found
    for quote in found:
        assert 2 < len(quote) < qotd.MAX_QUOTE and quote.endswith(b"\r\n") and b"%\r\n" not in b"\n" + quote[:3]
        assert quote.count(b"\n") == quote.count(b"\r\n")


@pytest.mark.parametrize("name", ["daytime", "time", "qotd"])
def test_a_client_that_talks_first_still_hears_the_greeting(place: Any, name: str) -> None:
    service = place.services.start(name, port=0)
    sock = place.connect(service)
    sock.sendall(bytes(5000))
    assert rest(sock)
    assert place.eventually(lambda: service.bytes_in == 5000)
    (client,) = service.clients
    assert client.peer == sock.getsockname() and service.counts().startswith("1 client (")
    sock.close()
    assert place.eventually(lambda: not service.clients)


def test_a_client_that_does_not_stop_talking_is_cut_off(place: Any) -> None:
    service = place.services.start("daytime", port=0)
    sock = place.connect(service)
    with pytest.raises(ConnectionError):
        for _ in range(10_000):
            sock.sendall(bytes(65536))
    assert place.eventually(lambda: not service.clients)


@pytest.mark.parametrize("name", ["daytime", "time", "qotd"])
def test_a_port_in_use_and_the_ports_that_are_never_answered(place: Any, name: str) -> None:
    service = place.services.start(name, port=0)
    with pytest.raises(OSError, match=rf"{name}: port {service.bound} is in use"):
        place.services.start(name, port=service.bound)
    assert type(service).port in CHATTERBOXES
    if is_virtual(place):
        place.datagrams(13).sendto(b"", (place.address, service.bound))
        assert place.eventually(lambda: service.refused == 1)
        assert service.datagrams == 0
    place.services.stop(name)
    with pytest.raises(ConnectionRefusedError):
        place.connect(service)


def test_what_exposes_more_than_a_greeting_is_told(place: Any) -> None:
    told: list[str] = []
    place.services.tell = told.append
    for name in ("echo", "discard", "daytime", "time", "qotd"):
        place.services.start(name, port=0)
    assert told == []
    place.services.start("dns", port=0, quiet=True)
    place.services.start("dns", port=0)
    place.services.start("chargen", port=0)
    assert told == [
        "dns exposes every name in its zone, to whoever asks for it",
        "chargen exposes your bandwidth: whoever reaches it can have you send as fast as he reads",
    ]


def test_a_script_is_told_on_standard_error() -> None:
    code = "print(services.start('chargen', port=9)); services.start('daytime')"
    argv = [sys.executable, str(ROOT / "node.py"), "-q", "--link", "sim", "--set", "acd_probe_num=0", "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.stdout == "chargen on 9/tcp 9/udp: 0 clients, 0 served, 0 bytes in, 0 out\n"
    assert done.stderr.startswith("chargen exposes your bandwidth: ") and done.stderr.count("\n") == 1


def test_on_this_machine_s_own_sockets() -> None:
    argv = [sys.executable, "-m", "services", "daytime:0", "qotd:0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as program:
        assert program.stdin is not None and program.stdout is not None
        lines = [program.stdout.readline() for _ in range(2)]
        program.stdin.close()
        assert [re.sub(r"\d+", "N", line) for line in lines] == ["daytime on N/tcp N/udp\n", "qotd on N/tcp N/udp\n"]
    assert program.returncode == 0
