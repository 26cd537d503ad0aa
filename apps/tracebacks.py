"""Exceptions of the user's code, shown without a frame of ours: what went wrong is in what was typed or written.

Only our own bugs, which raise where no code of the user's is, are shown whole.
"""

from __future__ import annotations

import ast
from pathlib import Path
from traceback import TracebackException

ROOT = Path(__file__).resolve().parent.parent
OURS = (*(str(ROOT / name) for name in ("apps", "stack", "services", "node.py")), ast.__file__)  # we parse with it
PACKAGES = ("apps", "stack", "services")
PROMPT = "<prompt"  # what the names of sources typed at the prompt or given by -c begin with


def _is_ours(filename: str) -> bool:
    return filename.startswith(OURS) or filename.startswith("<frozen ")


def render(error: BaseException) -> str:
    """The traceback's text, with its line end. One line if the error came straight out of a line that was typed."""
    trace = TracebackException.from_exception(error)
    if isinstance(error, SyntaxError) and all(_is_ours(frame.filename) for frame in trace.stack):
        trace.stack.clear()
        return "".join(trace.format())
    _shorten(trace)
    typed = [frame for frame in trace.stack if frame.filename.startswith(PROMPT) and frame.name == "<module>"]
    is_one_line = len(typed) == len(trace.stack) == 1 and trace.__cause__ is None
    if is_one_line and (trace.__context__ is None or trace.__suppress_context__):
        module = type(error).__module__
        text = "".join(trace.format_exception_only())
        return text.removeprefix(f"{module}.") if module.partition(".")[0] in PACKAGES else text
    return "".join(trace.format())


def _shorten(trace: TracebackException | None) -> None:
    """Take our frames out, of the causes too, unless there are no others."""
    if trace is None:
        return
    kept = [frame for frame in trace.stack if not _is_ours(frame.filename)]
    if kept:
        trace.stack[:] = kept
    _shorten(trace.__cause__)
    _shorten(trace.__context__)
