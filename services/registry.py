"""Every service there is, by name: what `help()`, completion, `serve` and the prompt go by. Names are registered here
only."""

from __future__ import annotations

import re
from os import PathLike
from typing import NamedTuple

from services.chargen import Chargen
from services.daytime import Daytime
from services.dhcp import DhcpServer
from services.discard import Discard
from services.dns import Dns
from services.echo import Echo
from services.http import Http
from services.login import Login
from services.loop import Loop
from services.qotd import Qotd
from services.service import Service
from services.time import Time

KINDS: dict[str, type[Service]] = {
    kind.name: kind for kind in (Echo, Discard, Chargen, Daytime, Time, Qotd, Http, DhcpServer, Dns, Login)
}


def kind_of(name: str) -> type[Service]:
    """The class of a service by its name; ValueError with one clear line otherwise."""
    try:
        return KINDS[name]
    except KeyError:
        raise ValueError(f"there is no service {name!r}; there are {', '.join(KINDS)}") from None


class Wanted(NamedTuple):
    kind: type[Service]
    port: int | None  # None: its own
    setting: str  # "" if there is none


def parse_name(text: str) -> Wanted:
    """'echo', 'echo:7007' or 'dns=lab.zone' as what is asked for; ValueError with one clear line otherwise."""
    name, equals, setting = str(text).partition("=")
    word, colon, port = name.partition(":")
    kind = kind_of(word)
    if colon and not (re.fullmatch("[0-9]{1,5}", port) and int(port) < 65536):
        raise ValueError(f"{text}: a port is a number from 0 to 65535, not {port!r}")
    if equals and not kind.takes:
        raise ValueError(f"{text}: {word} has nothing to be set")
    return Wanted(kind, int(port) if colon else None, setting)


def wanted(name: str, port: int | None, address: str, setting: str | PathLike[str]) -> Wanted:
    """The same, of a `name` that may leave to the others what it does not say. ValueError with one clear line."""
    found = parse_name(name)
    if port is not None and not (type(port) is int and 0 <= port < 65536):
        raise ValueError(f"a port is a number from 0 to 65535, not {port!r}")
    if not isinstance(address, str):
        raise ValueError(f"an address is text, as '192.168.1.3', not {address!r}")
    if not isinstance(setting, (str, PathLike)):
        raise ValueError(f"a setting is text, as {found.kind.takes or 'FILE'}, not {setting!r}")
    if port is not None and found.port not in (None, port):
        raise ValueError(f"{name}: the port is {found.port} and {port}")
    text = str(setting)
    if text and found.setting not in ("", text):
        raise ValueError(f"{name}: the setting is {found.setting!r} and {text!r}")
    return Wanted(found.kind, found.port if port is None else port, text or found.setting)


def open_service(kind: type[Service], loop: Loop, address: str, port: int | None, setting: str) -> Service:
    """A running service. Raises ValueError for a setting that makes no sense, OSError for a port."""
    if not kind.takes:
        if setting:
            raise ValueError(f"{kind.name} has nothing to be set")
        return kind(loop, address, port)
    return kind(loop, address, port, setting)  # type: ignore[call-arg]
