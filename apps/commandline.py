"""The command line's grammar: options of ours and addresses, up to the first word that names a command or a file; the
rest is its own.

    node.py [OPTION | ADDRESS]... [COMMAND [ARGUMENT]... | FILE [ARGUMENT]...]

Pure: words in, a `CommandLine` out, or UsageError with one clear line. Long options take their value after `=` or as
the next word. It refuses abbreviations, because a new option would change what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from apps.settings import SETTINGS, Layer, SettingsError, check_tunable, meant
from apps.usage import UsageError

USAGE = """\
usage: ./node.py [OPTION | ADDRESS]... [COMMAND | SCRIPT.py] [ARGUMENT]...

A TCP/IP host with an address of its own. Without a command, and on a terminal, there is a prompt; otherwise standard
input is a script.

the node
  ADDRESS                192.168.1.3/24, with as many as you like (without one: 192.168.1.3/24)
  -dhcp                  an address from a DHCP server
  --link LINK            tap:NAME, packet:INTERFACE, lab (a Linux kernel of its own), sim (no kernel at all)
  -g, --gateway ADDRESS  where packets for other networks go
  --dns SERVER           a name server; several with commas between them
  --search DOMAIN        where names without a dot are sought
  --set NAME=VALUE       a setting of the stack: --set tcp_msl=1; ./node.py conf lists them
  --seed NUMBER          the same random numbers each time

what is seen
  --trace [FILTER]       show each packet, or those a filter lets through: tcp, 'host 10.0.0.1 and port 80' ...
  --trace-format FORMAT  columns as tshark has them, tcpdump, or tree for every field
  -w, --pcap FILE        write a capture of every packet; - is standard output, the rest is on standard error then
  --color WHEN           auto, always or never
  -q, --quiet            no banner

what is run
  -c CODE                run CODE
  -i                     stay at the prompt afterwards

settings
  --config FILE          read FILE, not ./glasstack.toml and ~/.config/glasstack/config.toml
  --no-config            read neither
  --print-config         an example of such a file, with every setting there is
  -V, --version          the version
  -h, --help             this; --help ping is about ping

examples
  ./node.py                                                       a prompt, beside a Linux kernel of its own
  ./node.py 192.168.1.3/24 -g 192.168.1.1 traceroute -n 10.7.0.9
  ./node.py --trace 'tcp port 80' --pcap x.pcapng -dhcp wget http://www.lab/
  ./node.py trace x.pcapng 'tcp port 80'                          show a capture
  ./node.py -w - ping 192.168.1.1 | wireshark -k -i -             watch in Wireshark
  ./node.py serve echo http                                       run services
"""


@dataclass
class CommandLine:
    node: dict[str, Any] = field(default_factory=dict)  # what is said of the node, by `apps.settings`' names
    stack: dict[str, Any] = field(default_factory=dict)  # and of its stack
    config: str | None = None  # the file to read instead of the usual ones
    reads_config: bool = True
    code: str | None = None
    stay: bool = False
    is_help: bool = False
    is_version: bool = False
    is_print_config: bool = False
    command: str | None = None  # a name of a command
    script: str | None = None  # a file, '-' for standard input
    arguments: list[str] = field(default_factory=list)

    @property
    def layer(self) -> Layer:
        return Layer(self.node, self.stack, dict.fromkeys([*self.node, *self.stack], "the command line"))


FLAGS = {
    "-i", "-q", "-h", "-V", "-dhcp", "--dhcp", "--help", "--version", "--quiet", "--no-config", "--print-config",
}  # fmt: skip
# Options that say something of the node, by the name of what they say.
SAYING = {
    "--link": "link",
    "-g": "gateway",
    "--gateway": "gateway",
    "--dns": "dns",
    "--search": "search",
    "--trace-format": "trace_format",
    "-w": "pcap",
    "--pcap": "pcap",
    "--color": "color",
    "--seed": "seed",
}
LISTS = ("dns", "search")  # said again, they go on
VALUES = {*SAYING, "-c", "--set", "--config"}
# The first word that is not an option is an address if it looks like one: digits and dots or hexadecimal and colons.
ADDRESS = re.compile(r"[0-9]+(\.[0-9]*)+(/.*)?|[0-9a-fA-F]*:[0-9a-fA-F:.]*(/.*)?|[0-9]+/.*|[0-9]+")


def parse(words: list[str], commands: Collection[str], is_file: Callable[[str], bool]) -> CommandLine:
    """`commands` are the names there are, `is_file` says whether a word names a file that is there. Raises
    UsageError."""
    return _Parser(words, commands, is_file).parse()


class _Parser:
    def __init__(self, words: list[str], commands: Collection[str], is_file: Callable[[str], bool]) -> None:
        self.rest = list(words)
        self.commands = commands
        self.is_file = is_file
        self.line = CommandLine()

    def parse(self) -> CommandLine:
        while self.rest:
            word = self.rest.pop(0)
            if word.startswith("-") and word not in ("-", "--"):
                self._option(word)
            elif word in self.commands or self.is_file(word) or not ADDRESS.fullmatch(word):
                if word == "--":
                    word = self.rest.pop(0) if self.rest else ""
                self._command(word)
                break
            else:
                self.line.node.setdefault("address", []).extend(_checked("address", word, word))
        return self.line

    def _command(self, word: str) -> None:
        """The first word that is not ours; the others are its arguments."""
        line, line.arguments = self.line, self.rest
        if word and line.code is not None:
            raise UsageError(f"-c CODE and {word!r}: one of them, please")
        if word in self.commands:
            line.command = word
        elif word == "-" or self.is_file(word):
            line.script = word
        elif word.endswith(".py") or "/" in word:
            raise UsageError(f"there is no file {word!r}")
        elif word:
            names = ", ".join(sorted(self.commands))
            quotes = "; a filter of several words stands in quotes" if "trace" in line.node else ""
            raise UsageError(f"{word!r} is no command, file or address; the commands are {names}{quotes}")

    def _option(self, word: str) -> None:
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name == "--trace":
            self.line.node["trace"] = value if equals or not self._is_trace_next() else self.rest.pop(0)
        elif name in FLAGS:
            if equals:
                raise UsageError(f"{name} takes no value")
            _flag(self.line, name)
        elif name in VALUES:
            if not equals and not self.rest:
                raise UsageError(f"{name} needs a value")
            _value(self.line, name, value if equals else self.rest.pop(0))
        elif name[:2] in VALUES:  # -g192.168.1.1
            _value(self.line, name[:2], word[2:])
        else:
            near = meant(name, [*FLAGS, *VALUES, "--trace"]) if name.startswith("--") else ""
            raise UsageError(f"there is no option {name}{near or ';'} --help lists them")

    def _is_trace_next(self) -> bool:
        """Whether the word after --trace says what to show, rather than being something of its own."""
        if not self.rest:
            return False
        word = self.rest[0]
        if word.startswith("-") or word in self.commands or ADDRESS.fullmatch(word):
            return False
        return not self.is_file(word) and not word.endswith(".py")


def _flag(line: CommandLine, name: str) -> None:
    if name == "-i":
        line.stay = True
    elif name in ("-q", "--quiet"):
        line.node["quiet"] = True
    elif name in ("-h", "--help"):
        line.is_help = True
    elif name in ("-V", "--version"):
        line.is_version = True
    elif name == "--print-config":
        line.is_print_config = True
    elif name == "--no-config":
        line.reads_config = False
    else:
        line.node["dhcp"] = True


def _value(line: CommandLine, name: str, value: str) -> None:
    if name == "-c":
        line.code = value
    elif name == "--config":
        line.config = value
    elif name == "--set":
        _set(line, value)
    else:
        key = SAYING[name]
        checked = _checked(key, name, value)
        line.node[key] = line.node.get(key, []) + checked if key in LISTS else checked


def _checked(name: str, label: str, value: str) -> Any:
    try:
        return SETTINGS[name].check(label, value)
    except SettingsError as e:
        raise UsageError(str(e)) from None


def _set(line: CommandLine, text: str) -> None:
    """'tcp_msl=1': a setting of the stack and a value that it allows."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set takes NAME=VALUE, not {text!r}")
    name = name.replace("-", "_")
    try:
        line.stack[name] = check_tunable(name, value)
    except ValueError as e:
        raise UsageError(f"--set {e}") from None
