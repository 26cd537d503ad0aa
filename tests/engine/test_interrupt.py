"""Ctrl-C waits for the core and never longer; and the handler is only ever ours where it may be."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import interrupt
from stack.engine import Engine
from tests.hosts import engine as new_engine
from tests.patience import PATIENCE, eventually

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def node() -> Iterator[Engine]:
    there = new_engine()
    assert interrupt.install()
    yield there
    interrupt.uninstall()
    there.close()


def test_five_hundred_interrupts_at_random_instants() -> None:
    """In a process of its own, which checks after each one that all is whole and no lock is held."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.engine.interrupted", "500", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("500 interrupts")


def test_it_is_raised_when_the_lock_is_released(node: Engine) -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with node:
            with node:
                signal.raise_signal(signal.SIGINT)
                steps.append("inner")
            steps.append("outer")
        steps.append("never")
    assert steps == ["inner", "outer"]
    assert not node._lock.locked() and not interrupt.is_pending
    with node:
        pass  # and only once


def test_outside_it_is_raised_at_once(node: Engine) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with node:
        pass


def test_two_nodes_held_at_once(node: Engine) -> None:
    other = new_engine()
    steps = []
    with pytest.raises(KeyboardInterrupt), node:
        with other:
            signal.raise_signal(signal.SIGINT)
        steps.append("other released, node still held")
    assert steps
    other.close()


def test_it_ends_a_wait(node: Engine) -> None:
    threading.Timer(0.05, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt), node:
        node.wait(lambda: False)
    assert not node._waiters and not node._lock.locked()


def test_it_ends_a_wait_that_did_not_notice_it(node: Engine) -> None:
    """Python's own handler runs in another thread, as it does in the moment before the main thread sleeps: nothing
    interrupts its sleep."""
    threading.Timer(0.05, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt), node:
        node.wait(lambda: False)


def test_another_threads_wait_is_not_ended(node: Engine) -> None:
    results: list[bool] = []

    def waiter() -> None:
        with node:
            results.append(node.wait(is_over.is_set, PATIENCE))

    is_over = threading.Event()
    thread = threading.Thread(target=waiter)
    thread.start()
    assert eventually(lambda: node._waiters)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert node._waiters and not results
    with node:
        is_over.set()
    thread.join()
    assert results == [True]


def test_installing_nests_and_keeps_its_hands_off_others_handlers() -> None:
    default = signal.default_int_handler
    assert interrupt.install() and interrupt.install()
    interrupt.uninstall()
    assert signal.getsignal(signal.SIGINT) is interrupt.on_interrupt
    interrupt.uninstall()
    assert signal.getsignal(signal.SIGINT) is default
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert not interrupt.install()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, default)
    # A program that puts in its own while we are installed keeps it.
    assert interrupt.install()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt.uninstall()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, default)


def test_only_the_main_thread_installs() -> None:
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(interrupt.install()))
    thread.start()
    thread.join()
    assert results == [False]
