"""The command line and its commands as data, read from their usages as `apps.usage` has them: for the manual page and
the shells' completion.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import apps  # noqa: F401  registers the commands
from apps import commandline
from apps.help import OBJECTS
from apps.registry import APPS
from apps.settings import COLORS, FORMATS, SETTINGS, TUNABLES
from services import KINDS
from stack.trace.choice import OFFERED

ROOT = Path(__file__).resolve().parent.parent
ENTRY = re.compile(r"^  (?! )(\S.*?)(?:  +(\S.*))?$")
CONTINUED = re.compile(r"^ {6,}(\S.*)$")
WORD = re.compile(r"[-+@]\S*")  # an option, in whatever way the real tool has them
VALUE = re.compile(r"\[?[A-Z][A-Z0-9_]*([,:=|][A-Z0-9_]+)*\]?")
FILES = ("FILE", "SCRIPT.py")

# What may stand for a value, by what the usages call it.
CHOICES: dict[str, list[str]] = {
    "LINK": ["lab", "sim", "tap:", "packet:"],
    "WHEN": list(COLORS),
    "FORMAT": list(FORMATS),
    "FILTER": list(OFFERED),
    "NAME=VALUE": [f"{name}=" for name in TUNABLES],
}
# The words a command takes besides its options, where its usage does not tell them.
WORDS: dict[str, list[str]] = {
    "help": [*APPS, *(name for name in OBJECTS if name not in APPS), *(name for name in KINDS if name not in APPS)],
    "serve": list(KINDS),
    "conf": [*SETTINGS, *TUNABLES],
}


class Entry(NamedTuple):
    """One line of a usage: `words` that mean the same, the `value` they take ('' for none), whether it may be left out,
    whether it follows after a '=' in the same word."""

    words: tuple[str, ...]
    value: str
    is_optional: bool
    is_joined: bool
    text: str

    @property
    def is_option(self) -> bool:
        return WORD.match(self.words[0]) is not None and self.words[0] != "@SERVER"

    @property
    def takes_file(self) -> bool:
        return self.value in FILES

    @property
    def choices(self) -> list[str]:
        return CHOICES.get(self.value, [])


class Command(NamedTuple):
    """`usage` is the part of its first line after the name; `sections` are its entries by heading, '' for none."""

    name: str
    text: str
    usage: str
    sections: dict[str, list[Entry]]
    words: list[str]
    takes_files: bool

    @property
    def entries(self) -> list[Entry]:
        return [entry for section in self.sections.values() for entry in section]

    @property
    def options(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.is_option]


def read_usage(usage: str) -> tuple[str, dict[str, list[Entry]]]:
    """The words after the command's name in the first line, and the entries by the headings they stand under."""
    first, *rest = usage.splitlines() or [""]
    sections: dict[str, list[Entry]] = {}
    heading = ""
    for line in rest:
        entry, continued = ENTRY.match(line), CONTINUED.match(line)
        if entry:
            sections.setdefault(heading, []).append(_entry(entry[1], entry[2] or ""))
        elif continued and sections.get(heading):
            last = sections[heading][-1]
            sections[heading][-1] = last._replace(text=f"{last.text} {continued[1]}")
        elif line and not line.startswith(" "):
            heading = line
    return " ".join(first.split()[2:]), sections


def _entry(spec: str, text: str) -> Entry:
    parts = spec.replace(",", " ").split()
    if not text:  # the words were too long for their column
        count = next((n for n, part in enumerate(parts) if not (WORD.match(part) or VALUE.fullmatch(part))), len(parts))
        text = " ".join(spec.split()[count:])
        parts = parts[:count]
    words = [part for part in parts if WORD.match(part)]
    values = [part for part in parts if not WORD.match(part)]
    if not words:
        return Entry((spec,), "", False, False, text)
    first, equals, value = words[0].partition("=")
    if equals:
        return Entry((first,), value, False, True, text)
    value = values[0] if values else ""
    return Entry(tuple(words), value.strip("[]"), value.startswith("["), False, text)


def commands() -> list[Command]:
    """Every command that can be given on the command line, in the order of their names."""
    found = []
    for name, app in sorted(APPS.items()):
        if app.command is None:
            continue
        usage, sections = read_usage(app.usage)
        takes_files = any(word.strip("[].") in FILES for word in usage.split())
        found.append(Command(name, app.text, usage, sections, WORDS.get(name, []), takes_files))
    return found


def main() -> Command:
    """The command line itself. Its examples are no entries."""
    usage, sections = read_usage(commandline.USAGE)
    options = {heading: entries for heading, entries in sections.items() if heading != "examples"}
    return Command("node.py", "", usage, options, [command.name for command in commands()], True)


def examples() -> list[tuple[str, str]]:
    """Command lines of the usage with what they do, '' where they speak for themselves."""
    _, _, text = commandline.USAGE.partition("\nexamples\n")
    pairs = (re.split(r"  +", line.strip(), maxsplit=1) for line in text.splitlines() if line.strip())
    return [(pair[0], pair[1] if len(pair) > 1 else "") for pair in pairs]


def write(pages: Mapping[str, str]) -> None:
    """Write files below docs/, or with --check exit 1 if one is not what it should be."""
    for name, text in pages.items():
        path = ROOT / "docs" / name
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"docs/{name} is out of date: run make docs")
