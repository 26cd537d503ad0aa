"""The prompt: a thin loop of our own on prompt_toolkit, which nothing else imports.

History is kept in $XDG_STATE_HOME/glasstack/history. Ctrl-C stops the command and not the node, Ctrl-D ends the
session; whatever the node prints meanwhile appears above the line being typed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.filters import is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from apps.registry import APPS
from apps.shell import toolbar
from apps.shell.completion import columns, common_start, complete
from apps.shell.interpreter import Interpreter
from apps.shell.screen import Screen
from apps.shell.typeahead import TypeAhead, width
from stack.leases import state_directory

if TYPE_CHECKING:
    from apps.node import Node

PROMPT = ">>> "
CONTINUATION = "... "
REFRESH = 0.5  # seconds between two looks at the counters in the toolbar
INDENT = "    "


def run(node: Node, namespace: dict[str, Any], banner: str = "", history: str | None = None) -> int:
    """The session, until Ctrl-D or exit: its exit code. `history` is a file for it, '' if none is to be kept."""
    screen = Screen(sys.stdout)
    interpreter = Interpreter(node, namespace)
    session = _session(node, interpreter, _history(history))
    type_ahead = TypeAhead()
    with screen.installed():
        if banner:
            print(banner)
        try:
            return _loop(session, screen, interpreter, type_ahead)
        finally:
            type_ahead.restore()


def _loop(session: PromptSession[str], screen: Screen, interpreter: Interpreter, type_ahead: TypeAhead) -> int:
    while True:
        try:
            sys.stdout.write(type_ahead.fresh_line())
            text = screen.ask(session, PROMPT)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        try:
            with type_ahead.running(at_once=_talks(text)):
                interpreter.run(text)
        except SystemExit as e:
            if e.code is None or isinstance(e.code, int):
                return e.code or 0
            print(e.code)
            return 1


def _talks(text: str) -> bool:
    """Whether a line is for something that is typed to: a program on the lab's host, or an app like it."""
    word = re.match(r"\s*(?:\w+\s*=\s*)?(!|\w+)", text)
    return word is not None and (word[1] == "!" or (word[1] in APPS and APPS[word[1]].talks))


def _session(node: Node, interpreter: Interpreter, history: History) -> PromptSession[str]:
    return PromptSession(
        history=history,
        reserve_space_for_menu=0,
        multiline=True,
        prompt_continuation=lambda width, line, is_wrapped: "" if is_wrapped else CONTINUATION,
        key_bindings=_keys(interpreter),
        bottom_toolbar=lambda: FormattedText([("", toolbar.text(node))]),
        refresh_interval=REFRESH,
        enable_open_in_editor=False,
        enable_suspend=True,
    )


def _history(path: str | None) -> History:
    """The file, or that of ours in a directory nobody else may look into; only in memory if it is not to be had."""
    if path == "":
        return InMemoryHistory()
    try:
        if path is not None:
            file = Path(path)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            directory = state_directory()
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
            file = directory / "history"
        file.touch(mode=0o600)
        return FileHistory(str(file))
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        return InMemoryHistory()


def _keys(interpreter: Interpreter) -> KeyBindings:
    """Enter runs what is complete and else begins a line; Tab completes, lists, or indents an empty line."""
    keys = KeyBindings()

    @keys.add("enter", filter=~is_searching)
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        document = buffer.document
        is_at_end = not document.text_after_cursor.strip()
        if (is_at_end or "\n" not in buffer.text) and interpreter.is_complete(buffer.text):
            buffer.validate_and_handle()
            return
        line = document.current_line_before_cursor
        indent = line[: len(line) - len(line.lstrip())] + (INDENT if line.rstrip().endswith(":") else "")
        buffer.insert_text("\n" + indent)

    @keys.add("tab")
    def tab(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.line_count > 1 and not buffer.document.current_line_before_cursor.strip():
            buffer.insert_text(INDENT)
            return
        found = complete(buffer.document.text_before_cursor, interpreter.namespace, interpreter.node)
        common = common_start(found.words)
        if len(common) > found.length:
            buffer.insert_text(common[found.length :])
        elif len(found.words) > 1:
            # Above the line, as a shell lists them: a menu below it would need room kept free there at all times.
            print(columns(found.words, width()))

    return keys
