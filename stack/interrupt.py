"""Ctrl-C that waits for the core: SIGINT while the main thread is inside a node's lock is raised on the way out.

Python runs a signal's handler between any two instructions of the main thread, and one instruction of a TCP
connection's update is not a place to stop: measured, a third of interrupts leave a control block half changed. So the
handler only sets a flag while the main thread is inside, wakes it if it is blocked there, and KeyboardInterrupt is
raised when the lock is released. Signals belong to the process, so this module's state does too. It refuses to
replace a handler that is not Python's own.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

main_thread = threading.main_thread().ident
is_pending = False
_depth = 0  # how many locks the main thread holds or is about to take
_wake: Callable[[], object] | None = None  # ends the main thread's blocking call
_installed = 0


def install() -> bool:
    """Take over SIGINT; False, and nothing done, outside the main thread or where the program has a handler of its own.

    Calls nest: each one that returned True is undone by one `uninstall`.
    """
    global _installed
    if threading.get_ident() != main_thread:
        return False
    if _installed == 0:
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return False
        signal.signal(signal.SIGINT, on_interrupt)
    _installed += 1
    return True


def uninstall() -> None:
    """Undo one `install` that returned True. From another thread the handler stays, which does no harm."""
    global _installed
    _installed -= 1
    if _installed == 0 and threading.get_ident() == main_thread and signal.getsignal(signal.SIGINT) is on_interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def on_interrupt(number: int, frame: FrameType | None) -> None:
    """The handler: raise at once outside the core, else take a note and wake whoever sleeps."""
    global is_pending
    if _depth == 0:
        is_pending = False
        raise KeyboardInterrupt
    is_pending = True
    if _wake is not None:
        try:
            _wake()
        except RuntimeError:
            pass  # released already: it is waking up


def enter() -> None:
    """The main thread is about to take a lock: from here on SIGINT waits."""
    global _depth
    _depth += 1


def leave() -> None:
    """The main thread has released it. Raises the KeyboardInterrupt that waited, once no other lock is held."""
    global _depth
    _depth -= 1
    if is_pending and _depth == 0:
        take()


def take() -> None:
    """Raise the KeyboardInterrupt that waits, if one does; a blocking call does it where the core is whole."""
    global is_pending
    if is_pending:
        is_pending = False
        raise KeyboardInterrupt


def blocking(wake: Callable[[], object] | None) -> None:
    """The main thread is about to block and `wake` would end that; None once it has stopped blocking."""
    global _wake
    _wake = wake
    if is_pending and wake is not None:
        try:
            wake()
        except RuntimeError:
            pass  # the handler came between and did it
