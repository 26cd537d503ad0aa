"""One run of `node.py`: understand the command line, bring the node up, hand over to a command, a script or the
prompt, and end with the right exit code.

Results go to standard output, everything said about them to standard error. Exit: the command's own code; 2 for a
command line that makes no sense; 1 if the node cannot be brought up or a script raises; 130 after Ctrl-C. It refuses
to show a traceback of ours for what somebody else did wrong.
"""

from __future__ import annotations

import os
import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any

from apps import commandline, streams
from apps.capture import Capture
from apps.commandline import CommandLine
from apps.namespace import names
from apps.node import Node
from apps.registry import APPS
from apps.settings import Settings, example, merge, sources
from apps.tracebacks import render
from apps.usage import UsageError
from stack.trace.choice import choose
from stack.trace.color import is_coloured
from stack.trace.trace import Trace

# Seconds a busy thread keeps the interpreter from the others. Beside one, a socket's reads fall from 632,000 to 2,700 a
# second at Python's own 5 ms, and to 86,000 at this.
SWITCH_INTERVAL = 0.0001
HELP = ("-h", "--help")
INTERRUPTED = 130  # 128 and SIGINT's number, as a shell has it


def main(words: list[str]) -> int:
    """The program. Returns its exit code."""
    try:
        code = _main(words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return streams.end_as_a_broken_pipe()
    except OSError as e:
        if not streams.is_full(e):
            raise
        streams.discard()
        return _complain(f"cannot print: {e.strerror}", 1)


def _main(words: list[str]) -> int:
    try:
        line = commandline.parse(words, APPS, os.path.isfile)
    except UsageError as e:
        return _complain(str(e), 2)
    if line.is_version:
        print(f"glasstack {version()}")
        return 0
    if line.is_print_config:
        print(example.text(), end="")
        return 0
    if line.is_help or line.command == "help":  # which must work, whatever the files say
        about = line.arguments if line.command == "help" else [line.command] if line.command else []
        return _run_command(None, "help", [name for name in about if name not in HELP])
    if line.command is not None and len(line.arguments) == 1 and line.arguments[0] in HELP:
        return _usage(line.command)
    try:
        settings = _settings(line)
    except ValueError as e:
        return _complain(str(e), 2)
    sys.setswitchinterval(SWITCH_INTERVAL)
    _choose_color(settings.color)
    if line.command is not None and not APPS[line.command].needs_node:
        return _run_command(settings, line.command, line.arguments)
    try:
        _check_trace(settings)  # a filter that makes no sense is said so before anything is opened
        capture = None if settings.pcap is None else Capture(settings.pcap)
    except ValueError as e:
        return _complain(str(e), 2)
    except OSError as e:
        return _complain(e.strerror or str(e), 1)
    try:
        code = _run_node(line, settings, capture)
    finally:
        is_whole = capture is None or capture.close()
    return code if is_whole else code or 1


def _usage(name: str) -> int:
    """What `ping -h` prints, for which no node is needed."""
    usage = APPS[name].usage
    if "\n" not in usage:
        return _run_command(None, "help", [name])
    print(usage)
    return 0


def _run_node(line: CommandLine, settings: Settings, capture: Capture | None) -> int:
    try:
        node = _node(settings, _is_prompt(line), capture)
    except ValueError as e:
        return _complain(str(e), 2)
    except OSError as e:
        return _complain(e.strerror or str(e), 1)
    with node:
        code = _run(node, line, settings)
        sys.stdout.flush()
    return code


def _settings(line: CommandLine) -> Settings:
    """What the command line, the environment and the files say together, having told where it comes from. Raises
    ValueError."""
    found = sources.find(os.environ, line.config, line.reads_config)
    settings = merge([line.layer, *found.layers])
    if found.names and not settings.quiet and (line.command is None or APPS[line.command].needs_node):
        found.warnings.insert(0, f"settings from {', '.join(found.names)}")
    for text in found.warnings:
        print(text, file=sys.stderr)
    return settings


def _check_trace(settings: Settings) -> None:
    """ValueError, saying where it is from, for a filter that makes no sense."""
    try:
        choose(settings.trace)
    except ValueError as e:
        raise ValueError(f"{settings.origins['trace']}: trace: {e}") from None


def _node(settings: Settings, is_prompt: bool, capture: Capture | None) -> Node:
    """The node that the settings describe. Raises ValueError, OSError."""

    def watch(node: Node) -> None:
        if not is_prompt:
            # Standard output is for results, so packets go to standard error.
            color = is_coloured(settings.color, sys.stderr)
            node.trace = Trace(node.recorder, node.engine.now, sys.stderr.write, color)
        if capture is not None:
            capture.start(node)
        if settings.trace_format != "tree":
            node.trace.format = settings.trace_format
        if settings.trace is not None:
            node.trace.on(settings.trace, tree=settings.trace_format == "tree")

    def say(text: str) -> None:
        print(text, file=None if is_prompt else sys.stderr, flush=True)

    return Node(
        *settings.address,
        link=settings.link,
        dhcp=settings.dhcp,
        gateway=settings.gateway,
        dns=settings.dns,
        search=settings.search,
        seed=settings.seed,
        watch=watch,
        say=None if settings.quiet and not is_prompt else say,
        **settings.stack,
    )


def _run(node: Node, line: CommandLine, settings: Settings) -> int:
    """What the command line asks for, with the node up."""
    is_prompt = _is_prompt(line)
    if not is_prompt and not settings.quiet:
        print(f"{node.address} on {node.description}", file=sys.stderr)
    node.services.tell = lambda text: print(text, file=sys.stderr)
    namespace = names(node)
    code = 0
    if line.command is not None:
        code = _run_command(node, line.command, line.arguments)
    elif line.script is not None and line.script != "-":
        code = _run_script(line.script, line.arguments, namespace)
    elif line.code is not None:
        code = _run_source(line.code, "<prompt -c>", ["-c", *line.arguments], namespace)
    elif not is_prompt:
        code = _run_source(getattr(sys.stdin, "buffer", sys.stdin).read(), "<stdin>", ["-", *line.arguments], namespace)
    if is_prompt or line.stay:
        from apps.shell import run

        banner = _banner(node) if is_prompt and not settings.quiet else ""
        return run(node, namespace, banner, settings.history)
    return code


def _banner(node: Node) -> str:
    """Three lines: who we are, what to try, how to get on."""
    peer = node.peer or "192.168.1.1"
    tries = [f"ping {peer}", "trace.on()", "services.start('echo')"]
    if node.lab is not None:
        tries.append(f"!nc {node.address.partition('/')[0]} 7")
    elif node.cable is not None:
        tries.append("cable.loss = 0.05")
    return (
        f"glasstack {version()}: {node.address} on {node.description}\n"
        f"{'    '.join(tries)}\n"
        "help() lists every command, Tab completes, Ctrl-C stops a command, Ctrl-D leaves"
    )


def _is_prompt(line: CommandLine) -> bool:
    return line.command is None and line.script is None and line.code is None and sys.stdin.isatty()


def _run_command(node: Node | Settings | None, name: str, arguments: list[str]) -> int:
    command = APPS[name].command
    assert command is not None
    return command(node, arguments)


def _run_script(path: str, arguments: list[str], namespace: dict[str, Any]) -> int:
    """A Python program as `python path` would run it, with the node's names. `namespace` has its names afterwards."""
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).resolve().parent))
    return _guard(lambda: namespace.update(runpy.run_path(path, init_globals=namespace, run_name="__main__")))


def _run_source(source: str | bytes, filename: str, argv: list[str], namespace: dict[str, Any]) -> int:
    sys.argv = argv
    sys.path.insert(0, "")
    namespace["__name__"] = "__main__"
    return _guard(lambda: exec(compile(source, filename, "exec"), namespace))


def _guard(run: Any) -> int:
    """Run the user's code: its exit code, and a short traceback if it raises."""
    try:
        run()
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except BaseException as e:
        sys.stdout.flush()
        print(render(e), end="", file=sys.stderr)
        return 1
    return 0


def _choose_color(when: str) -> None:
    """Let the choice made on the command line be everybody's: rich, and our own, read these."""
    if when == "always":
        os.environ.pop("NO_COLOR", None)
        os.environ["FORCE_COLOR"] = "1"
    elif when == "never":
        os.environ.pop("FORCE_COLOR", None)
        os.environ["NO_COLOR"] = "1"


def _complain(text: str, code: int) -> int:
    print(f"node.py: {text}", file=sys.stderr)
    return code


def version() -> str:
    """The project's version, as pyproject.toml has it."""
    with open(Path(__file__).resolve().parent.parent / "pyproject.toml", "rb") as file:
        found: str = tomllib.load(file)["project"]["version"]
    return found
