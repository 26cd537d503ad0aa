"""What can be set about a node and its stack, wherever it is said: the names, what each may be, and who has the last
word.

A source (the command line, the environment, a file) is a `Layer`; `merge` makes `Settings` of them, the strongest
first. Pure: `apps.settings.sources` reads files. It refuses names there are none of, with the nearest there is, because
a typo that is passed over is looked for in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, NamedTuple

from stack.config import Config, Tunable
from stack.wire.address import parse_ip, parse_prefix
from stack.wire.name import parse_name

COLORS = ("auto", "always", "never")
FORMATS = ("columns", "tcpdump", "tree")
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
TUNABLES: dict[str, Tunable[Any]] = {tunable.name: tunable for tunable in Config.tunables()}
# The first is not to be above the second.
ORDERED = (("port_low", "port_high"), ("tcp_min_rto", "tcp_max_rto"), ("dhcp_retry", "dhcp_retry_max"))
# These say together where the node is: whoever says where its address comes from has answered for the others as well.
PLACE = ("address", "dhcp", "gateway")


class SettingsError(ValueError):
    """A setting that makes no sense, or a file that cannot be read: one clear line."""


# --- what a value may be: each takes what to call it in a complaint, and the value


def check_address(label: str, value: Any) -> str:
    """'192.168.1.3/24': with its prefix length, 24 if it has none."""
    if not isinstance(value, str):
        raise SettingsError(f"{label} is an address like 192.168.1.3/24, not {value!r}")
    said = "" if label == value else f"{label}: "  # the word of a command line speaks for itself
    try:
        address, _ = parse_prefix(value)
    except ValueError as e:
        raise SettingsError(f"{said}{e}") from None
    if len(address) != 4:
        raise SettingsError(f"{said}{value}: IPv6 is not built yet")
    return value if "/" in value else f"{value}/24"


def check_ipv4(label: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{label} is an address like 192.168.1.1, not {value!r}")
    try:
        address = parse_ip(value)
    except ValueError as e:
        raise SettingsError(f"{label}: {e}") from None
    if len(address) != 4:
        raise SettingsError(f"{label} {value}: IPv6 is not built yet")
    return value


def check_link(label: str, value: Any) -> str:
    kind, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not ((kind in ("lab", "sim") and not colon) or (kind in ("tap", "packet") and name)):
        raise SettingsError(f"{label} is tap:NAME, packet:INTERFACE, lab or sim, not {value!r}")
    return f"{kind}{colon}{name}"


def one_of(words: tuple[str, ...]) -> Callable[[str, Any], str]:
    def check_word(label: str, value: Any) -> str:
        if value not in words:
            raise SettingsError(f"{label} is one of {', '.join(words)}, not {value!r}")
        return str(value)

    return check_word


def check_seed(label: str, value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value.bit_length() > 64:
        raise SettingsError(f"{label} is a whole number of at most 64 bits, not {value!r}")
    return value


def check_flag(label: str, value: Any) -> bool:
    if isinstance(value, str) and value.lower() in WORDS:
        return WORDS[value.lower()]
    if not isinstance(value, bool):
        raise SettingsError(f"{label} is true or false, not {value!r}")
    return value


def check_trace(label: str, value: Any) -> str | None:
    """A filter, '' for everything, None for nothing. Whether the filter makes sense is for `stack.trace` to say."""
    if isinstance(value, str) and value.lower() in WORDS:
        value = WORDS[value.lower()]
    if isinstance(value, bool):
        return "" if value else None
    return check_text(label, value, "true, false or a filter like 'tcp port 80'")


def check_history(label: str, value: Any) -> str:
    """A file's name, '' to keep none."""
    if value is False or (isinstance(value, str) and WORDS.get(value.lower()) is False):
        return ""
    return check_text(label, value, "a file, or false to keep none")


def check_file(label: str, value: Any) -> str:
    if value == "":
        raise SettingsError(f"{label} is a file, and has no name")
    return check_text(label, value, "a file")


def check_domain(label: str, value: Any) -> str:
    text = check_text(label, value, "a domain")
    try:
        parse_name(text.rstrip(".") + ".")
    except ValueError:
        raise SettingsError(f"{label} is a domain like lab.example, not {text!r}") from None
    return text


def check_text(label: str, value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{label} is {what}, not {value!r}")
    return value


def each(check: Callable[[str, Any], str]) -> Callable[[str, Any], list[str]]:
    """Of one or of several: a list, or a text with commas or blanks between them."""

    def check_each(label: str, value: Any) -> list[str]:
        values = re.split(r"[\s,]+", value.strip(", \t")) if isinstance(value, str) else value
        if not isinstance(values, list):
            values = [values]
        return [check(label, one) for one in values]

    return check_each


class Setting(NamedTuple):
    """One of the node's. `example` is what it could be, as TOML; `default` what it is if nobody says."""

    name: str
    check: Callable[[str, Any], Any]
    example: str
    default: str
    text: str
    names_file: bool = False  # that is written: nothing for a file which came with a directory to say


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("address", each(check_address), '["192.168.1.3/24"]', "192.168.1.3/24", "the node's addresses"),
        Setting("dhcp", check_flag, "true", "false", "an address from a DHCP server"),
        Setting(
            "link", check_link, '"lab"', "tap:tap0 if it is there, else lab, else sim",
            "what it is attached to: tap:NAME, packet:INTERFACE, lab or sim",
        ),
        Setting("gateway", check_ipv4, '"192.168.1.1"', "none, or DHCP's", "where packets for other networks go"),
        Setting("dns", each(check_ipv4), '["192.168.1.1"]', "DHCP's, or the link's other host", "name servers"),
        Setting("search", each(check_domain), '["lab"]', "DHCP's", "domains where names without a dot are sought"),
        Setting("trace", check_trace, '"tcp port 80"', "false", "packets that are shown; true for all"),
        Setting("trace_format", one_of(FORMATS), '"columns"', "columns", "how they are: columns, tcpdump or tree"),
        Setting("pcap", check_file, '"~/last.pcapng"', "none", "a capture of every packet goes there", True),
        Setting("color", one_of(COLORS), '"auto"', "auto", "auto, always or never"),
        Setting("seed", check_seed, "1", "none", "the same random numbers each time"),
        Setting("quiet", check_flag, "false", "false", "no banner"),
        Setting(
            "history", check_history, '"~/.local/state/glasstack/history"', "$XDG_STATE_HOME/glasstack/history",
            "what was typed at the prompt; false to keep none", True,
        ),
    )
}  # fmt: skip


# --- the stack's


def find_tunable(name: str) -> Tunable[Any]:
    """ValueError, with the nearest name there is, if there is none."""
    tunable = TUNABLES.get(name)
    if tunable is None:
        linux = next((t.name for t in TUNABLES.values() if t.sysctl == name), None)
        words = f"; what Linux calls so is {linux} here" if linux else meant(name, TUNABLES)
        raise SettingsError(f"there is no setting {name!r}{words}")
    return tunable


def check_tunable(name: str, value: Any) -> Any:
    """A value for the stack's setting `name`, which may be text; ValueError with one clear line otherwise."""
    tunable = find_tunable(name)
    if isinstance(value, str):
        if isinstance(tunable.default, bool):
            value = WORDS.get(value.lower(), value)
        else:
            try:
                value = float(value)
            except ValueError:
                raise SettingsError(f"{name} is a number, not {value!r}") from None
    return tunable.check(value)


def check_together(values: Mapping[str, Any], origins: Mapping[str, str] | None = None) -> None:
    """ValueError if settings contradict one another; those not in `values` have their defaults."""
    for low, high in ORDERED:
        least, most = (values.get(name, TUNABLES[name].default) for name in (low, high))
        if least > most:
            where = dict.fromkeys(f"{origins[name]}: " for name in (low, high) if origins and name in origins)
            raise SettingsError(f"{''.join(where)}{low} {least} is above {high} {most}")


def meant(name: str, known: Collection[str]) -> str:
    """'; did you mean link?' if something like `name` is known, else nothing."""
    by_lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_lower, 1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


# --- who says what


class Layer(NamedTuple):
    """What one source says, checked. `origins` says by name where exactly."""

    node: dict[str, Any]
    stack: dict[str, Any]
    origins: dict[str, str]


@dataclass
class Settings:
    """What all sources together say. None and empty: nobody has said anything."""

    address: list[str] = field(default_factory=list)
    dhcp: bool = False
    link: str | None = None
    gateway: str | None = None
    dns: list[str] = field(default_factory=list)
    search: list[str] = field(default_factory=list)
    trace: str | None = None  # what to show; '' everything, None nothing
    trace_format: str = "columns"
    pcap: str | None = None
    color: str = "auto"
    seed: int | None = None
    quiet: bool = False
    history: str | None = None  # '': none is kept
    stack: dict[str, Any] = field(default_factory=dict)  # the stack's settings that are not left at their defaults
    origins: dict[str, str] = field(default_factory=dict)  # who has said it, by name


def merge(layers: Iterable[Layer]) -> Settings:
    """The strongest first. ValueError if what they say does not go together."""
    settings = Settings()
    has_place = False
    for layer in layers:
        for name, value in layer.node.items():
            if name not in settings.origins and not (has_place and name in PLACE):
                setattr(settings, name, value)
                settings.origins[name] = layer.origins[name]
        for name, value in layer.stack.items():
            if name not in settings.stack:
                settings.stack[name] = value
                settings.origins[name] = layer.origins[name]
        has_place = has_place or settings.dhcp or bool(settings.address)
    check_together(settings.stack, settings.origins)
    return settings


def named(settings: Settings) -> dict[str, Any]:
    """The node's settings by name."""
    return {f.name: getattr(settings, f.name) for f in fields(settings) if f.name in SETTINGS}
