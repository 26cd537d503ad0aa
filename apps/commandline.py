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

from apps.usage import UsageError
from stack.config import Config, Tunable
from stack.wire.address import parse_ip, parse_prefix

COLORS = ("auto", "always", "never")
TRACE_WORDS = ("tcp", "udp", "icmp", "arp", "ip")

USAGE = """\
usage: ./node.py [OPTION | ADDRESS]... [COMMAND | SCRIPT.py] [ARGUMENT]...

  ADDRESS            192.168.1.3/24, with as many as you like (without one: 192.168.1.3/24)
  -dhcp              an address from a DHCP server
  --link LINK        tap:NAME, packet:INTERFACE, lab (a Linux kernel of its own), sim (no kernel at all)
  -g GATEWAY         where packets for other networks go
  --dns SERVER       a name server; --search DOMAIN: where names without a dot are sought
  --trace [PROTO]    show each packet, or those of tcp, udp, icmp, arp
  -c CODE            run CODE
  -i                 stay at the prompt afterwards
  -q                 no banner
  --color WHEN       auto, always or never
  --seed NUMBER      the same random numbers each time
  --set NAME=VALUE   a setting of the stack: --set tcp_msl=1
  --version, --help

Without a command, and on a terminal, there is a prompt; otherwise standard input is a script.
"""


@dataclass
class CommandLine:
    addresses: list[str] = field(default_factory=list)
    link: str | None = None
    dhcp: bool = False
    gateway: str | None = None
    dns: list[str] = field(default_factory=list)  # name servers
    search: list[str] = field(default_factory=list)  # domains
    trace: str | None = None  # what to show; '' everything, None nothing
    code: str | None = None
    stay: bool = False
    quiet: bool = False
    color: str = "auto"
    seed: int | None = None
    settings: dict[str, float | bool] = field(default_factory=dict)
    is_help: bool = False
    is_version: bool = False
    command: str | None = None  # a name of a command
    script: str | None = None  # a file, '-' for standard input
    arguments: list[str] = field(default_factory=list)


FLAGS = {"-i", "-q", "-h", "-V", "-dhcp", "--dhcp", "--help", "--version", "--quiet"}
VALUES = {"-g", "-c", "--gateway", "--link", "--color", "--seed", "--set", "--dns", "--search"}
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
                self.line.addresses.append(_address(word))
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
            raise UsageError(f"{word!r} is no command, file or address; the commands are {names}")

    def _option(self, word: str) -> None:
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name == "--trace":
            self.line.trace = value if equals or not self._is_trace_next() else self.rest.pop(0)
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
            raise UsageError(f"there is no option {name}; --help lists them")

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
        line.quiet = True
    elif name in ("-h", "--help"):
        line.is_help = True
    elif name in ("-V", "--version"):
        line.is_version = True
    else:
        line.dhcp = True


def _value(line: CommandLine, name: str, value: str) -> None:
    if name == "-c":
        line.code = value
    elif name == "--link":
        line.link = _link(value)
    elif name in ("-g", "--gateway"):
        line.gateway = _ipv4(name, value)
    elif name == "--dns":
        line.dns += [_ipv4(name, server) for server in value.split(",")]
    elif name == "--search":
        line.search += value.split(",")
    elif name == "--color":
        if value not in COLORS:
            raise UsageError(f"--color is one of {', '.join(COLORS)}, not {value!r}")
        line.color = value
    elif name == "--seed":
        if not re.fullmatch(r"-?[0-9]+", value):
            raise UsageError(f"--seed is a whole number, not {value!r}")
        line.seed = int(value)
    else:
        key, setting = _setting(value)
        line.settings[key] = setting


def _address(text: str) -> str:
    """With its prefix length: 24 if it has none."""
    try:
        address, _ = parse_prefix(text)
    except ValueError as e:
        raise UsageError(str(e)) from None
    if len(address) != 4:
        raise UsageError(f"{text}: IPv6 is not built yet")
    return text if "/" in text else f"{text}/24"


def _ipv4(option: str, text: str) -> str:
    try:
        address = parse_ip(text)
    except ValueError as e:
        raise UsageError(f"{option}: {e}") from None
    if len(address) != 4:
        raise UsageError(f"{option} {text}: IPv6 is not built yet")
    return text


def _link(text: str) -> str:
    kind, colon, name = text.partition(":")
    is_known = (kind in ("lab", "sim") and not colon) or (kind in ("tap", "packet") and bool(name))
    if not is_known:
        raise UsageError(f"--link is tap:NAME, packet:INTERFACE, lab or sim, not {text!r}")
    return text


def _setting(text: str) -> tuple[str, float | bool]:
    """'tcp_msl=1' as a name and a value that the setting allows."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set takes NAME=VALUE, not {text!r}")
    name = name.replace("-", "_")
    tunable = getattr(Config, name, None)
    if not isinstance(tunable, Tunable):
        raise UsageError(f"--set {text}: there is no setting {name!r}")
    words: dict[str, float | bool] = {"true": True, "yes": True, "false": False, "no": False}
    try:
        try:
            number = words[value.lower()] if value.lower() in words else float(value)
        except ValueError:
            raise ValueError(f"{name} is a number, not {value!r}") from None
        if isinstance(tunable.default, bool) and number in (0, 1):
            number = bool(number)
        checked: float | bool = tunable.check(number)
        return name, checked
    except ValueError as e:
        raise UsageError(f"--set {e}") from None
