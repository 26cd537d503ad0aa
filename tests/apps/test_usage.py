"""Options' numbers: what the real tools take, and nothing that only Python does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.dns.query import parse as dns
from apps.nc import parse as nc
from apps.ping import parse as ping
from apps.traceroute import parse as traceroute
from apps.usage import AppError, UsageError, number
from apps.wget import CommandLine as Wget
from services.registry import parse_name

Parse = Callable[[list[str]], object]
ODD = ["1_000", "2 ", " 2", "\u0663", "0b11", "9" * 5000 + "x", "-", "0x"]
HUGE = "9" * 5000  # more digits than Python makes an int of


@given(st.text(max_size=8) | st.from_regex(r"[-+]?[0-9_ \u0663]{1,4}", fullmatch=True))
def test_a_number_is_of_plain_digits_or_a_usage_error(text: str) -> None:
    try:
        found = number("-c", text, int)
    except UsageError as e:
        assert str(e) == f"-c: invalid argument: '{text}'"
    else:
        assert found == int(text) and text.isascii() and text.lstrip("+-").isdigit()


@pytest.mark.parametrize("text", [*ODD, HUGE], ids=lambda text: ascii(text[:8]))
@pytest.mark.parametrize(
    ("parse", "words"),
    [
        (ping, "-c {} a"), (traceroute, "-m {} a"), (nc, "-w {} a 7"), (nc, "-q {} a 7"), (Wget, "-t {} a"),
        (Wget, "--max-redirect={} a"), (dns, "-p {} a"), (dns, "+time={} a"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_in_one_line(parse: Parse, words: str, text: str) -> None:
    parse([word.format(3) for word in words.split()])
    with pytest.raises((UsageError, AppError)) as caught:
        parse([word.format(text) for word in words.split()])
    assert "sys." not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["1_000", "\u0663", " 2", "1e", "0b11"])
@pytest.mark.parametrize(("parse", "option"), [(ping, "-i"), (traceroute, "-w"), (Wget, "-T")])
def test_seconds_are_of_plain_digits_as_well(parse: Parse, option: str, text: str) -> None:
    with pytest.raises(UsageError):
        parse([option, text, "10.0.0.2"])


@pytest.mark.parametrize(("text", "hops"), [("10", 10), ("010", 8), ("0x10", 16), ("0X1f", 31)])
def test_traceroute_s_numbers_are_strtoul_s(text: str, hops: int) -> None:
    assert traceroute(["-m", text, "10.0.0.2"])[0].max_hops == hops


@pytest.mark.parametrize("port", ["99999", HUGE, "\u0663", "1_0", " 7", ""])
def test_a_service_s_port_is_one(port: str) -> None:
    with pytest.raises(ValueError, match="a port is a number from 0 to 65535"):
        parse_name(f"echo:{port}")
