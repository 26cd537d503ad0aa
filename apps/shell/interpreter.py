"""What becomes of a line typed at the prompt: Python, a command as a shell would have it, or `!` for the lab's host.

Knows nothing of terminals. A line that begins with a command's name and is not Python is that command's, so that
`ping -c 3 192.168.1.1` works for hands that a shell has trained. It refuses to let an exception out, except the one
that ends the session.
"""

from __future__ import annotations

import ast
import codeop
import linecache
import re
import shlex
import warnings
from typing import TYPE_CHECKING, Any

from apps.conf import Conf
from apps.help import Help
from apps.namespace import Bound
from apps.registry import APPS
from apps.tracebacks import PROMPT, render
from stack.trace.trace import Trace

if TYPE_CHECKING:
    from apps.node import Node

LEAVE = frozenset({"exit", "quit", "exit()", "quit()"})
OPTION = re.compile(r"\s+--?[A-Za-z]")  # after a command's name: as Python it would be a subtraction of no use


class Interpreter:
    """`namespace` is where Python runs; `_` in it is the last result."""

    def __init__(self, node: Node, namespace: dict[str, Any]) -> None:
        self.node = node
        self.namespace = namespace
        self._number = 0

    def is_complete(self, text: str) -> bool:
        """Whether Enter means "run this" rather than "one more line"."""
        lines = text.split("\n")
        if len(lines) > 1 and not lines[-1].strip():
            return True
        if text.lstrip().startswith("!") or not text.strip() or self._is_command(text):
            return True
        try:
            with warnings.catch_warnings(action="ignore"):
                return codeop.compile_command(text, PROMPT, "single") is not None
        except (SyntaxError, ValueError, OverflowError):
            return not (_is_python(text) and lines[-1][:1].isspace())  # more than one statement, if it is pasted

    def run(self, text: str) -> None:
        """Run what was typed and print what comes of it. Raises SystemExit to leave."""
        stripped = text.strip()
        try:
            if not stripped:
                return
            if stripped in LEAVE:
                raise SystemExit(0)
            if stripped.startswith("!"):
                self._elsewhere(stripped[1:].strip())
            elif self._is_command(stripped):
                self._command(stripped)
            else:
                self._python(text)
        except KeyboardInterrupt as e:
            if not getattr(e, "is_reported", False):
                print("\nKeyboardInterrupt")
        except SystemExit:
            raise
        except BaseException as e:
            print(render(e), end="")

    def _is_command(self, text: str) -> bool:
        """Whether a line is a command's rather than Python's."""
        words = text.split(None, 1)
        if "\n" in text or not words or words[0] not in APPS or APPS[words[0]].command is None:
            return False
        if words[0] in self.namespace and not isinstance(self.namespace[words[0]], (Bound, Conf, Help, Trace)):
            return False  # the user has made it a name of his own
        if len(words) == 1:
            return words[0] not in self.namespace
        return OPTION.match(text.strip()[len(words[0]) :]) is not None or not _is_python(text)

    def _elsewhere(self, command: str) -> None:
        """`!`: on the lab's host."""
        try:
            self.node.run(command)
        except (RuntimeError, OSError) as e:
            print(e)

    def _command(self, text: str) -> None:
        try:
            name, *arguments = shlex.split(text)
        except ValueError as e:
            print(f"{text.split()[0]}: {e}".lower())
            return
        app = APPS[name]
        command = app.typed or app.command
        assert command is not None
        command(self.node, arguments)

    def _python(self, text: str) -> None:
        self._number += 1
        filename = f"{PROMPT} {self._number}>"
        # So that a traceback through a function that was defined here shows its lines.
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        tree = ast.parse(text, filename)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        if tree.body:
            exec(compile(tree, filename, "exec"), self.namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), filename, "eval"), self.namespace)
            self._display(value, isinstance(last.value, ast.Call))

    def _display(self, value: Any, was_called: bool) -> None:
        """Show a result, unless it has been printed while it came about: then only asking for it again does."""
        if value is None:
            return
        self.namespace["_"] = value
        if not (was_called and getattr(value, "is_streamed", False)):
            print(repr(value))


def _is_python(text: str) -> bool:
    """Whether it is Python, or may become so with more lines."""
    try:
        with warnings.catch_warnings(action="ignore"):
            codeop.compile_command(text, PROMPT, "exec")
    except (SyntaxError, ValueError, OverflowError):
        return False
    return True
