"""Makes docs/node.1, the manual page: `man docs/node.1`.

`make docs` writes it; `python -m docs.man --check` exits 1 if it is not up to date. It has the usages of the command
line and its commands, the services and the settings, in man(7)'s macros.
"""

from __future__ import annotations

import re

from apps.session import version
from apps.settings import SETTINGS
from apps.settings.example import literal
from docs.commands import Command, Entry, commands, examples, main, write
from services import KINDS
from stack.config import Config

DESCRIPTION = """\
Brings up a TCP/IP host that is written in Python and has a MAC and an IP address of its own, on a link of its own: it
answers ping, opens and accepts TCP connections and runs services, and every packet in and out can be seen. The kernel
of the machine it runs on neither answers for it nor sends anything behind its back.

Without a command, and on a terminal, there is a prompt: Python with the node's names, where help() lists all there is.
Otherwise standard input is a script.

Unless a link is named it is tap:tap0 where that may be opened, else lab, where that can be made, else sim.
"""
FILES = (
    ("./glasstack.toml", "settings; read if it belongs to who runs ./node.py, or to root, and names no file to write"),
    ("$XDG_CONFIG_HOME/glasstack/config.toml", "settings, in ~/.config if that is not set"),
    ("$XDG_STATE_HOME/glasstack/history", "what was typed at the prompt, in ~/.local/state if that is not set"),
    ("$XDG_STATE_HOME/glasstack/leases", "what DHCP servers have given, to be asked for again"),
)
EXITS = (
    ("0", "all went well"),
    ("1", "the node could not be brought up, a script raised an exception, or a capture could not be written"),
    ("2", "a command line, an environment or a file of settings that makes no sense"),
    ("130", "Ctrl-C"),
)


ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", '"': r"\(dq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
)  # fmt: skip


def page() -> str:
    line = main()
    parts = [
        f'.TH NODE.PY 1 "" "glasstack {version()}"',
        *_section("NAME"),
        f"node.py {_text('-')} a TCP/IP host in Python that people can watch",
        *_section("SYNOPSIS"),
        f".B ./node.py\n{_marked(line.usage)}",
        *_section("DESCRIPTION"),
        _paragraphs(DESCRIPTION),
        *_section("OPTIONS"),
    ]
    for heading, entries in line.sections.items():
        parts += [f'.SS "{heading.capitalize()}"', *map(_entry, entries)]
    parts += [*_section("COMMANDS"), _text("Each has its own exit code: that of the tool whose name it bears.")]
    for command in commands():
        parts += _command(command)
    parts += [*_section("SERVICES"), _text("What serve runs, and services.start(...) at the prompt."), *_services()]
    parts += [*_section("SETTINGS"), *_settings()]
    parts += [*_section("ENVIRONMENT"), *_environment()]
    parts += [*_section("FILES"), *(_item(f".I {_text(name)}", text) for name, text in FILES)]
    parts += [*_section("EXIT STATUS"), *(_item(f".B {code}", text) for code, text in EXITS)]
    parts += [*_section("EXAMPLES")]
    for example, text in examples():
        if text:
            parts.append(_text(f"{text[0].upper()}{text[1:]}:"))
        parts += [".RS 4", ".nf", _text(example), ".fi", ".RE", ".PP"]
    parts.pop()
    parts += [*_section("SEE ALSO"), _references("ping(8)", "traceroute(8)", "wget(1)", "dig(1)", "pcap-filter(7)")]
    return "\n".join(parts) + "\n"


def _references(*names: str) -> str:
    pages = (_text(name).partition("(") for name in names)
    return " ,\n".join(f".BR {name} ({section}" for name, _, section in pages).replace(" ,", ",")


def _section(name: str) -> list[str]:
    return [f'.SH "{name}"' if " " in name else f".SH {name}"]


def _command(command: Command) -> list[str]:
    parts = [f'.SS "{command.name}: {_text(command.text)}"']
    if command.usage:
        parts.append(f".B {_text(command.name)}\n{_marked(command.usage)}")
    return parts + [_entry(entry) for entry in command.entries]


def _entry(entry: Entry) -> str:
    value = f"[{entry.value}]" if entry.is_optional else entry.value
    tag = ", ".join(rf"\fB{_text(word)}\fP" for word in entry.words)
    if value:
        tag += ("=" if entry.is_joined else " ") + rf"\fI{_text(value)}\fP"
    return _item(tag, entry.text)


def _services() -> list[str]:
    items = []
    for kind in KINDS.values():
        setting = rf"[=\fI{_text(kind.takes)}\fP]" if kind.takes else ""
        text = f"{kind.text}, on port {kind.port}; exposes {kind.exposes}"
        items.append(_item(rf"\fB{kind.name}\fP{setting}", text))
    return items


def _settings() -> list[str]:
    parts = [
        _paragraphs(
            "A file of settings is TOML. ./node.py --print-config prints one with every setting; ./node.py conf shows"
            " what holds and who has said so. The command line is stronger than the environment, which is stronger"
            " than ./glasstack.toml, which is stronger than the user's own file. What they are not told is refused."
        )
    ]
    parts += [_item(rf"\fB{s.name}\fP", f"{s.text} (default: {s.default})") for s in SETTINGS.values()]
    parts.append('.SS "Of the stack: [stack] in a file, \\-\\-set on the command line"')
    for tunable in Config.tunables():
        value = f"{literal(tunable.default)} {tunable.unit}".rstrip()
        parts.append(_item(rf"\fB{tunable.name}\fP = {_text(value)}", f"{tunable.text}; {tunable.source}"))
    return parts


def _environment() -> list[str]:
    return [
        _item(r"\fBGLASSTACK_\fP\fINAME\fP", "any of the settings: GLASSTACK_LINK=sim, GLASSTACK_TCP_MSL=1"),
        _item(r"\fBNO_COLOR\fP, \fBFORCE_COLOR\fP", "as --color never and --color always, which are stronger"),
    ]


def _item(tag: str, text: str) -> str:
    return f".TP\n{tag}\n{_text(text)}"


def _paragraphs(text: str) -> str:
    return "\n.PP\n".join(_text(" ".join(part.split())) for part in text.strip().split("\n\n"))


def _marked(usage: str) -> str:
    r"""The words of a usage: what stands for something in italics."""
    return re.sub(r"[A-Z][A-Z0-9_.]*[A-Z0-9]|\b[A-Z]\b", lambda found: rf"\fI{found[0]}\fP", _text(usage))


def _text(text: str) -> str:
    """As it stands: no character of it is roff's."""
    text = text.translate(ESCAPES)
    return rf"\&{text}" if text.startswith(".") else text


if __name__ == "__main__":
    write({"node.1": page()})
