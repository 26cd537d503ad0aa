"""Every service there is, by name: what `help()`, completion, `serve` and the prompt go by. Names are registered here
only."""

from __future__ import annotations

from services.chargen import Chargen
from services.discard import Discard
from services.echo import Echo
from services.http import Http
from services.service import Service

KINDS: dict[str, type[Service]] = {kind.name: kind for kind in (Echo, Discard, Chargen, Http)}


def kind_of(name: str) -> type[Service]:
    """The class of a service by its name; ValueError with one clear line otherwise."""
    try:
        return KINDS[name]
    except KeyError:
        raise ValueError(f"there is no service {name!r}; there are {', '.join(KINDS)}") from None


def parse_name(name: str) -> tuple[type[Service], int | None]:
    """'echo' or 'echo:7007' as the class and the port asked for; ValueError with one clear line otherwise."""
    word, colon, port = name.partition(":")
    kind = kind_of(word)
    if colon and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"{name}: a port is a number from 0 to 65535, not {port!r}")
    return kind, int(port) if colon else None
