"""`./node.py --print-config`: every setting there is, as a file that sets none of them yet.

Each line is a comment: taking its `#` away sets what the line says, which for the stack's settings is the default.
"""

from __future__ import annotations

from typing import Any

from apps.settings import SETTINGS
from stack.config import Config, Tunable

HEAD = """\
# Settings of ./node.py. They are read from ~/.config/glasstack/config.toml (in $XDG_CONFIG_HOME, if that is set) and
# from glasstack.toml in the directory where ./node.py is started, which is the stronger of the two. Stronger than both
# are the environment (GLASSTACK_LINK=sim, GLASSTACK_TCP_MSL=1) and, strongest of all, the command line.
# ./node.py conf shows what holds, and who has said so.
"""
STACK = """\
# The stack's settings, with their defaults: --set tcp_msl=1 on the command line, conf.tcp_msl = 1 at the prompt.
[stack]
"""


def text() -> str:
    node = (f"# {s.text}; default: {s.default}\n#{s.name} = {s.example}\n" for s in SETTINGS.values())
    stack = (f"# {describe(t)}\n#{t.name} = {literal(t.default)}\n" for t in Config.tunables())
    return "\n".join([HEAD, *node, STACK, *stack])


def describe(tunable: Tunable[Any]) -> str:
    """What it is, its unit and bounds, where it comes from and what Linux calls it."""
    parts = [tunable.text]
    if not isinstance(tunable.default, bool):
        parts.append(f"from {literal(tunable.low)} to {literal(tunable.high)} {tunable.unit}".rstrip())
    parts.append(tunable.source)
    if tunable.sysctl:
        parts.append(f"{tunable.sysctl} in Linux")
    return "; ".join(parts)


def literal(value: Any) -> str:
    """As TOML has it, and as short as it can be: 30, 0.04, true."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)
