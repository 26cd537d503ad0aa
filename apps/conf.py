"""conf: every setting of the stack with its value, unit, default, source and meaning; to be looked at and to be set.

`conf`, `conf('tcp')`, `conf.tcp_msl = 1` and `conf(tcp_msl=1)` at the prompt speak of the running node, whose
connections go by the new value from their next use of it on. The command `./node.py conf` needs no node: it shows what
the command line, the environment and the files say, and who says it. It refuses to set some of what it is told to set
and not the rest.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from inspect import Parameter, Signature
from typing import Any

from apps.host import Host, current_host
from apps.registry import App, register
from apps.settings import SETTINGS, TUNABLES, Settings, check_together, check_tunable, find_tunable, meant, named
from apps.settings.example import literal
from apps.usage import UsageError, complain, split
from stack.config import Config, Tunable

USAGE = """\
usage: conf [NAME | NAME=VALUE]...
  NAME          show the settings with NAME in their names, or what they mean; without one all
  NAME=VALUE    set it on the running node (only at the prompt; ./node.py --set does so before)
  --json        one JSON document instead of text"""

MANUAL = """\
conf                every setting of the stack; * marks those that are not at their default
conf('tcp')         those with tcp in their names; conf('time-wait'): or in what they mean
conf.tcp_msl        the value of one
conf.tcp_msl = 1    set it; conf(tcp_msl=1, tcp_retries=3) sets several and shows them

./node.py conf shows what the command line, the environment and the files say before a node is there."""


@dataclass
class Row:
    """One setting of the stack. `rfc` is its source, `origin` who has said so, if it is known."""

    name: str
    value: Any
    unit: str
    default: Any
    low: Any
    high: Any
    rfc: str
    text: str
    sysctl: str
    origin: str

    @property
    def is_changed(self) -> bool:
        return bool(self.value != self.default)


class Table(list[Row]):
    """Settings, shown as a table: on a terminal that is too narrow for it, on two lines each."""

    def __repr__(self) -> str:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        return "\n".join(lines(self, width))


def lines(rows: Iterable[Row], width: int | None = None) -> list[str]:
    """The table; `width` is the most characters a line is to have, if there is a most."""
    cells = [("", "name", "value", "default", "source", "")]
    for row in rows:
        mark = "*" if row.is_changed else ""
        text = row.text + (f" ({row.origin})" if row.origin else "")
        value = f"{literal(row.value)} {row.unit}".rstrip()
        cells.append((mark, row.name, value, literal(row.default), row.rfc, text))
    widths = [max(map(len, column)) for column in zip(*cells)]
    wide = ["  ".join(f"{cell:{width}}" for cell, width in zip(line, widths)).rstrip() for line in cells]
    if width is None or max(map(len, wide)) <= width:
        return wide
    found = []
    for mark, name, value, default, source, text in cells[1:]:
        found.append(f"{mark:{widths[0]}}  {name:{widths[1]}}  {value:{widths[2]}}  (default {default})".rstrip())
        found.append(f"{'':{widths[0]}}    {text}; {source}")
    return found


def table(values: Mapping[str, Any], origins: Mapping[str, str], wanted: Iterable[str] = ()) -> Table:
    """The settings that `wanted` speaks of, all if it is empty. ValueError for a word that speaks of none."""
    return Table(
        Row(
            t.name, values.get(t.name, t.default), t.unit, t.default, t.low, t.high, t.source, t.text, t.sysctl,
            origins.get(t.name, ""),
        )
        for t in _choose(list(wanted))
    )  # fmt: skip


def _choose(wanted: list[str]) -> list[Tunable[Any]]:
    if not wanted:
        return list(TUNABLES.values())
    chosen: set[str] = set()
    for word in wanted:
        chosen |= _matching(word)
    return [tunable for name, tunable in TUNABLES.items() if name in chosen]


def _matching(word: str) -> set[str]:
    if not isinstance(word, str):
        raise ValueError(f"a setting has a name, and {word!r} is none")
    if word in TUNABLES:
        return {word}
    for key in (lambda t: t.name, lambda t: t.sysctl, lambda t: f"{t.text} {t.source}"):
        found = {t.name for t in TUNABLES.values() if word.lower() in key(t).lower()}
        if found:
            return found
    raise ValueError(f"there is no setting {word!r}{meant(word, TUNABLES)}")


# --- of a running node


def conf(*names: str, node: Host | None = None, **settings: int | float | bool) -> Table:
    """The settings of `node`'s stack (the current one's) with `names` in theirs, all without any. With `settings`, set
    those first, and return them as well; 'name=value' among the names is such a setting too. ValueError, with nothing
    set, for a name there is none of or a value that is not allowed."""
    host = node or current_host()
    said = [name.partition("=") for name in names if isinstance(name, str) and "=" in name]
    names = tuple(name for name in names if not isinstance(name, str) or "=" not in name)
    settings |= {name.strip(): check_tunable(name.strip(), value.strip()) for name, _, value in said}
    with host.engine as engine:
        config: Config = engine.stack.config
        checked = {name: find_tunable(name).check(value) for name, value in settings.items()}
        check_together(values_of(config) | checked)
        shown = table(values_of(config), {}, [*names, *settings])
        for name, value in checked.items():
            config.set(name, value)
    for row in shown:
        row.value = checked.get(row.name, row.value)
    return shown


def values_of(config: Config) -> dict[str, Any]:
    return {name: getattr(config, name) for name in TUNABLES}


class Conf:
    """`conf` at the prompt. Its attributes are the settings."""

    def __init__(self, node: Host) -> None:
        object.__setattr__(self, "_node", node)

    def __call__(self, *names: str, **settings: int | float | bool) -> Table:
        """conf('tcp') shows, conf(tcp_msl=1) sets."""
        return conf(*names, node=self._node, **settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            find_tunable(name)
        except ValueError as e:
            raise AttributeError(str(e)) from None
        return getattr(self._node.engine.stack.config, name)

    def __setattr__(self, name: str, value: Any) -> None:
        conf(node=self._node, **{name: value})

    def __dir__(self) -> list[str]:
        return list(TUNABLES)

    def __repr__(self) -> str:
        return repr(conf(node=self._node))

    @property
    def __signature__(self) -> Signature:
        """For completion of what stands before a `=`."""
        named = [Parameter(name, Parameter.KEYWORD_ONLY) for name in TUNABLES]
        return Signature([Parameter("names", Parameter.VAR_POSITIONAL), *named])

    @property
    def completions(self) -> dict[str, list[str]]:
        """What the prompt offers inside the quotes of conf('...')."""
        return {"__call__": list(TUNABLES)}


# --- as a command


def typed(node: Host, arguments: list[str]) -> int:
    """The command at the prompt."""

    def show(names: list[str], changes: dict[str, str]) -> tuple[Table, None]:
        return conf(*names, node=node, **{name: check_tunable(name, text) for name, text in changes.items()}), None

    return _run(arguments, show)


def command(settings: Settings, arguments: list[str]) -> int:
    """The command where there is no node: what it would start with."""

    def show(names: list[str], changes: dict[str, str]) -> tuple[Table, Settings | None]:
        if changes:
            raise ValueError(f"no node is running on which to set {', '.join(changes)}; ./node.py --set starts one so")
        of_node = [name for name in names if name in SETTINGS]
        of_stack = [name for name in names if name not in SETTINGS]
        shown = Table() if of_node and not of_stack else table(settings.stack, settings.origins, of_stack)
        return shown, settings if of_node or not names else None

    return _run(arguments, show)


def _run(arguments: list[str], show: Any) -> int:
    try:
        found, words = split(arguments, "h", ["json", "help"])
        options = [option for option, _ in found]
        if "-h" in options or "--help" in options:
            print(USAGE)
            return 0
        changes = dict(word.split("=", 1) for word in words if "=" in word)
        names = [word for word in words if "=" not in word]
        rows, settings = show(names, changes)
    except UsageError as e:
        complain("conf", e, USAGE)
        return 2
    except ValueError as e:
        print(f"conf: {e}", file=sys.stderr)
        return 2
    wanted = [name for name in names if name in SETTINGS] or list(SETTINGS)
    if "--json" in options:
        print(json.dumps(_document(rows, settings, wanted), indent=2))
        return 0
    parts = [] if settings is None else [_node_lines(settings, wanted)]
    if rows:
        parts.append(repr(rows))
    print("\n\n".join(parts))
    return 0


def _node_lines(settings: Settings, wanted: list[str]) -> str:
    """The settings that are the node's own."""
    rows = []
    values = named(settings)
    for name in wanted:
        origin = settings.origins.get(name)
        value = json.dumps(values[name], ensure_ascii=False) if origin else SETTINGS[name].default
        rows.append((name, value, f"({origin})" if origin else ""))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(f"{c:{w}}" for c, w in zip(row, widths)).rstrip() for row in rows)


def _document(rows: Table, settings: Settings | None, wanted: list[str]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if settings is not None:
        values = named(settings)
        document["node"] = {n: {"value": values[n], "origin": settings.origins.get(n, "")} for n in wanted}
    if rows or settings is None:
        document["stack"] = [asdict(row) for row in rows]
    return document


register(App("conf", conf, command, "every setting of the stack, to look at and to set", MANUAL, typed, USAGE, False))
