"""The direction of dependencies, read from the import statements, and the sizes that keep an idea readable."""

from __future__ import annotations

import ast
import functools
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PURE_FORBIDDEN = {
    "time", "threading", "socket", "select", "selectors", "os", "random", "secrets", "logging", "asyncio", "queue",
    "fcntl",
}  # fmt: skip
ENGINES = ("stack.engine", "stack.sim", "stack.interrupt", "stack.hold", "stack.collector")
LINUX_ONLY = {"fcntl", "pty", "termios", "resource"}


@functools.cache
def modules() -> dict[str, Path]:
    """Our own modules by dotted name."""
    paths = [ROOT / "node.py", *(p for d in ("stack", "apps", "services") for p in (ROOT / d).rglob("*.py"))]
    names = {}
    for path in paths:
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imports(path: Path, with_types: bool = False) -> set[str]:
    """Dotted names a module imports at run time; what stands under `if TYPE_CHECKING` counts only if asked for."""
    tree = parsed(path)
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if not with_types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped.update(n for child in node.body for n in ast.walk(child))
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{a.name}" for a in node.names)
    return found


def room(name: str) -> str:
    """Which room of the house a module stands in."""
    parts = name.split(".")
    if parts[0] != "stack":
        return parts[0]
    second = parts[1] if len(parts) > 1 else ""
    if second in ("wire", "trace"):
        return second
    if name == "stack.link.offload":
        return "core"  # pure: the composition cuts what a device cannot
    if second == "link":
        return "link"
    if name in ENGINES:
        return "engine"
    if second in ("socket", "sockets", "selectors", "selector", "socketmodule", "resolver", "leases"):
        return "socket"
    return "composition" if name == "stack.stack" else "core"


MAY_IMPORT = {
    "wire": {"wire"},
    "core": {"wire", "core"},
    "trace": {"wire", "trace", "core:stack.events", "core:stack.interface"},
    "composition": {"wire", "core"},
    "link": {
        "wire", "link", "core:stack.frame", "core:stack.interface", "core:stack.link.offload", "core:stack.config",
    },
    "engine": {"wire", "core", "composition", "engine", "link"},
    "socket": {"wire", "core", "composition", "engine", "socket"},
    "services": {"services", "wire"},
    "apps": {"apps", "services", "socket", "engine", "composition", "core", "wire", "trace", "link"},
    "node": {"apps", "services", "socket", "engine", "composition", "core", "wire", "trace", "link", "node"},
}


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_point_one_way(name: str) -> None:
    known = modules()
    allowed = MAY_IMPORT[room(name)]
    for target in sorted(imports(known[name])):
        if target not in known or target in ("stack", "stack.link"):
            continue
        where = room(target)
        assert where in allowed or f"{where}:{target}" in allowed, f"{name} may not import {target}"


def test_nothing_knows_what_is_made_of_it() -> None:
    """No circles, not even of types; but the parts of TCP know each other, and so do those of the socket module."""

    def whole(name: str) -> str:
        if name.startswith("stack.tcp."):
            return "stack.tcp"
        return "stack.sockets" if name.startswith(("stack.socket", "stack.sockets.")) else name

    known = modules()
    needs: dict[str, set[str]] = {}
    for name, path in known.items():
        needed = {whole(target) for target in imports(path, with_types=True) if target in known}
        needs.setdefault(whole(name), set()).update(needed - {whole(name), "stack", "stack.link"})
    list(graphlib.TopologicalSorter(needs).static_order())  # raises CycleError


@pytest.mark.parametrize("name", sorted(n for n in modules() if room(n) in ("wire", "core", "composition")))
def test_core_is_pure(name: str) -> None:
    """No clock, thread, socket, descriptor or randomness below the engine."""
    bad = {t.split(".")[0] for t in imports(modules()[name]) if t not in modules()} & PURE_FORBIDDEN
    assert not bad, f"{name} imports {bad}"


def test_linux_stays_in_its_links() -> None:
    """`import stack` works where there is no Linux: only tap, packet and lab import what Linux alone has."""
    for name, path in modules().items():
        if LINUX_ONLY & imports(path):
            assert name.startswith(("stack.link.", "apps.shell", "apps.rlogin", "services.login.terminal")), name


def test_prompt_toolkit_stays_in_the_shell() -> None:
    for name, path in modules().items():
        if any(t.split(".")[0] == "prompt_toolkit" for t in imports(path)):
            assert name.startswith("apps.shell"), name


@pytest.mark.parametrize("path", sorted(modules().values()), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_one_idea(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 600, "cut along the idea"
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno <= 80, f"{node.name} does not fit on a screen"
