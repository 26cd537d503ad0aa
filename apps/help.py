"""`help()`: every command with one line; `help('ping')` or `help(ping)`: the rest of it.

Anything that is none of ours is left to the standard library's help.
"""

from __future__ import annotations

import sys
from textwrap import shorten
from typing import Any

from apps.commandline import USAGE
from apps.registry import APPS, App, register
from services import KINDS

# What is in the namespace beside the apps, by what is typed.
OBJECTS = {
    "services": "what runs here, and for whom: services.start('echo'), services.stop('echo')",
    "trace": "every packet: trace.on('tcp'), trace.off(), trace.show(1), trace.save('x.pcap')",
    "node": "this host: node.address, node.interface, node.stack ...",
    "socket": "Python's socket module, on this host: socket.create_connection(('192.168.1.1', 80))",
    "cable": "with --link sim, the wire: cable.loss = 0.05, cable.delay, cable.rate ...",
    "help": "this; help('ping') has more",
}
KEYS = {
    "!COMMAND": "run COMMAND on the lab's Linux host; ! alone is a shell there",
    "Ctrl-C": "stop the command; Ctrl-D leaves",
}


def overview() -> str:
    """Every command with one line."""
    return _rows({name: APPS[name].text for name in sorted(APPS) if name not in OBJECTS} | OBJECTS | KEYS)


def _rows(rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"  {name:{width}}  {text}" for name, text in rows.items())


def _of_command_line() -> str:
    """What can be given on the command line, and what there is at the prompt beside it."""
    commands = {name: app.text for name, app in sorted(APPS.items()) if app.command is not None}
    others = {name: text for name, text in (OBJECTS | KEYS).items() if name != "help"}
    return f"{USAGE}\ncommands\n{_rows(commands)}\n\nat the prompt also\n{_rows(others)}"


def about(name: str) -> str | None:
    """All there is to say about one name, None if it is none of ours."""
    app = APPS.get(name)
    if app is not None:
        parts = [f"{app.name}: {app.text}", app.manual, app.usage and f"As a command:\n\n{app.usage}"]
        return "\n\n".join(part for part in parts if part)
    kind = KINDS.get(name)
    if kind is not None:
        ports = f"{kind.port}/tcp" + (f" {kind.port}/udp" if kind.has_udp else "")
        setting = f", setting='{kind.takes}'" if kind.takes else ""
        return (
            f"{name}, a service on {ports}: {kind.text}\nIt exposes {kind.exposes}.\n\n"
            f"services.start('{name}'{setting})"
        )
    if name in OBJECTS:
        return f"{name}: {OBJECTS[name]}"
    return None


class Help:
    """`help` at the prompt. `namespace` is where its objects' names are found."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def __call__(self, what: Any = None) -> None:
        if what is None:
            print(overview())
            return
        name = what if isinstance(what, str) else self._name_of(what)
        text = about(name) if name is not None else None
        if text is not None:
            print(text)
            if name in OBJECTS and name in self._namespace and name != "help":
                print(_members(self._namespace[name]))
        elif isinstance(what, str) and what not in self._namespace:
            print(f"nothing here is called {what!r}; help() lists what there is")
        else:
            import pydoc  # only here, for it takes a while

            pydoc.help(self._namespace[what] if isinstance(what, str) else what)

    def __repr__(self) -> str:
        return overview()

    def _name_of(self, what: Any) -> str | None:
        return next((name for name, value in self._namespace.items() if value is what), None)

    @property
    def completions(self) -> dict[str, list[str]]:
        """What the prompt offers inside the quotes of help('...')."""
        return {"__call__": [*APPS, *OBJECTS, *KINDS]}


def _members(value: Any) -> str:
    """The public methods and attributes of one of our objects, with the first line of what each says of itself."""
    lines = []
    for name in dir(type(value)):
        member = getattr(type(value), name, None)
        text = (getattr(member, "__doc__", None) or "").strip().split("\n")[0]
        if name.startswith("_") or name == "completions" or not text:
            continue
        if callable(member) or isinstance(member, property):
            lines.append(f"  {name:12}  {shorten(text, 64, placeholder=' ...')}")
    return "\n".join(lines)


def command(node: Any, arguments: list[str]) -> int:
    if not arguments:
        print(_of_command_line() if node is None else overview())
        return 0
    for name in arguments:
        text = about(name)
        if text is None:
            print(f"help: nothing here is called {name!r}", file=sys.stderr)
            return 1
        print(text)
    return 0


register(App("help", None, command, "this list; help ping has more about ping", "", needs_node=False))
