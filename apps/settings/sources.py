"""Where settings come from beside the command line: GLASSTACK_* in the environment, ./glasstack.toml, and config.toml
in $XDG_CONFIG_HOME/glasstack.

    GLASSTACK_LINK=sim GLASSTACK_TCP_MSL=1 ./node.py        link = "sim"
                                                            [stack]
                                                            tcp_msl = 1

A file in the current directory came with that directory, from whomever. So it sets the node and nothing else: it names
no file to write to, and it counts only if it belongs to who reads it, or to root. It refuses (SettingsError, one line
with file, line and name) what it does not know: names, values, and files it cannot read.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from apps.settings import (
    SETTINGS,
    TUNABLES,
    Layer,
    SettingsError,
    check_tunable,
    find_tunable,
    meant,
)

LOCAL = "glasstack.toml"
PREFIX = "GLASSTACK_"
STACK = "stack"  # the table of the stack's settings
# Names that are none of settings: what node.py tells itself, and the test suite.
OTHERS = frozenset({"GLASSTACK_RESTARTED", "GLASSTACK_NO_SKIP"})
LONGEST = 1 << 20  # bytes of a file


class Found(NamedTuple):
    """`layers`, the strongest first, `names` of what was read, and `warnings` in a line each."""

    layers: list[Layer]
    names: list[str]
    warnings: list[str]


def find(environ: Mapping[str, str], file: str | None = None, reads_files: bool = True) -> Found:
    """All there is to find: `file` instead of the usual two, or none at all. SettingsError."""
    layer = from_environment(environ)
    found = Found([layer], sorted(set(layer.origins.values())), [])
    if file is not None:
        _add(found, _read(file), file)
    elif reads_files:
        local = _read_local(found.warnings)
        if local is not None:
            _add(found, local, f"./{LOCAL}", is_local=True)
        path = user_file(environ)
        shown = _with_tilde(path, environ)
        text = _read(str(path), shown, may_be_missing=True)
        if text is not None:
            _add(found, text, shown)
    return found


def _add(found: Found, text: bytes | None, shown: str, is_local: bool = False) -> None:
    found.layers.append(from_file(text or b"", shown, is_local))
    found.names.append(shown)


def user_file(environ: Mapping[str, str]) -> Path:
    """The user's own file, whether it is there or not."""
    base = environ.get("XDG_CONFIG_HOME", "")
    # The XDG Base Directory Specification has relative ones ignored.
    directory = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~")) / ".config"
    return directory / "glasstack" / "config.toml"


def _with_tilde(path: Path, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "")
    return f"~/{path.relative_to(home)}" if home and path.is_relative_to(home) else str(path)


# --- the environment


def from_environment(environ: Mapping[str, str]) -> Layer:
    """An empty variable is one that is not set. SettingsError for a name or a value that makes no sense."""
    layer = Layer({}, {}, {})
    for variable in sorted(environ):
        text = environ[variable]
        if not variable.startswith(PREFIX) or variable in OTHERS or not text:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in SETTINGS:
            layer.node[name] = _expanded(name, SETTINGS[name].check(variable, text))
        elif name in TUNABLES:
            try:
                layer.stack[name] = check_tunable(name, text)
            except ValueError as e:
                raise SettingsError(f"{variable}: {e}") from None
        else:
            known = [PREFIX + one.upper() for one in (*SETTINGS, *TUNABLES)]
            raise SettingsError(f"{variable} in the environment: there is no such setting{meant(variable, known)}")
        layer.origins[name] = variable
    return layer


def _expanded(name: str, value: Any) -> Any:
    return os.path.expanduser(value) if SETTINGS[name].names_file and value else value


# --- files


def _read_local(warnings: list[str]) -> bytes | None:
    """The file in the current directory, None if there is none that counts."""
    try:
        owner = os.stat(LOCAL).st_uid
    except OSError:
        return None
    if owner not in (os.getuid(), 0) and str(owner) != os.environ.get("SUDO_UID"):
        warnings.append(f"./{LOCAL} is not read, for it belongs to somebody else; to have it read: --config {LOCAL}")
        return None
    return _read(LOCAL, f"./{LOCAL}", may_be_missing=True)


def _read(path: str, shown: str = "", may_be_missing: bool = False) -> bytes | None:
    shown = shown or path
    try:
        # Without waiting for somebody to open a pipe's other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if may_be_missing and stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                raise SettingsError(f"{shown} is a pipe, and nobody would end it")
            os.set_blocking(descriptor, True)
            data = file.read(LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        if may_be_missing:
            return None
        raise SettingsError(f"there is no file {shown!r}") from None
    except OSError as e:
        raise SettingsError(f"cannot read {shown}: {e.strerror or e}") from None
    if len(data) > LONGEST:
        raise SettingsError(f"{shown} is longer than settings are")
    return data


def from_file(data: bytes, shown: str, is_local: bool = False) -> Layer:
    """The settings in a file's `data`, which complaints call `shown`. SettingsError."""
    text, table = _toml(data, shown)
    layer = Layer({}, {}, {})
    for name, value in table.items():
        if name == STACK:
            _stack(layer, value, text, shown)
            continue
        where = f"{shown}{_line(text, name)}"
        setting = SETTINGS.get(name)
        if setting is None:
            words = f"; {name} belongs under [{STACK}]" if name in TUNABLES else meant(name, [*SETTINGS, STACK])
            raise SettingsError(f"{where}: there is no setting {name!r}{words}")
        if is_local and setting.names_file:
            raise SettingsError(f"{where}: {name} names a file to write, which is not for a file in here to say")
        try:
            layer.node[name] = _expanded(name, setting.check(name, value))
        except ValueError as e:
            raise SettingsError(f"{where}: {e}") from None
        layer.origins[name] = shown
    return layer


def _toml(data: bytes, shown: str) -> tuple[str, dict[str, Any]]:
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        raise SettingsError(f"{shown}:{data.count(10, 0, e.start) + 1}: this is not UTF-8") from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        at = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(e))
        line = (at and at[1]) or str(text.count("\n") + 1)
        words = str(e)[: at.start()] if at else str(e)
        if words == "Invalid value":
            words += "; text stands in quotes"
        raise SettingsError(f"{shown}:{line}: {words[:1].lower()}{words[1:]}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits; thousands of brackets
        raise SettingsError(f"{shown}: these are no settings") from None


def _stack(layer: Layer, table: Any, text: str, shown: str) -> None:
    if not isinstance(table, dict):
        raise SettingsError(f"{shown}{_line(text, STACK)}: {STACK} is a table: [{STACK}]")
    for name, value in table.items():
        where = f"{shown}{_line(text, name)}"
        if name in SETTINGS:
            raise SettingsError(f"{where}: {name} belongs above [{STACK}]")
        try:
            tunable = find_tunable(name)
            layer.stack[name] = tunable.check(value)
        except ValueError as e:
            raise SettingsError(f"{where}: {e}") from None
        layer.origins[name] = shown


def _line(text: str, name: str) -> str:
    """':3' if `name` is set in line 3, for all we can see: the parser does not say."""
    pattern = rf"""^[ \t]*\[?[ \t]*(?:{STACK}[ \t]*\.[ \t]*)?(["']?){re.escape(name)}\1[ \t]*[]=.]"""
    match = re.search(pattern, text, re.MULTILINE)
    return f":{text.count(chr(10), 0, match.start()) + 1}" if match else ""
