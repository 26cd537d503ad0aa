"""Whether to write in colour: `--color` before NO_COLOR before FORCE_COLOR before whether it is a terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

CHOICES = ("auto", "always", "never")


def is_coloured(choice: str | bool | None, stream: Any = None, environ: Mapping[str, str] | None = None) -> bool:
    """`choice` is 'always' or True, 'never' or False; 'auto' or None asks the environment, then `stream.isatty()`.

    ValueError for anything else.
    """
    if choice in (True, "always"):
        return True
    if choice in (False, "never"):
        return False
    if choice not in (None, "auto"):
        raise ValueError(f"colour is one of {', '.join(CHOICES)}, not {choice!r}")
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # no stream of that kind, or a closed one
        return False
