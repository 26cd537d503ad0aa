"""For every test: hypothesis without a stopwatch or a dice, no silent skips where GLASSTACK_NO_SKIP forbids them, and
nobody beside a test marked `alone` when several workers share the suite."""

from __future__ import annotations

import fcntl
import functools
import gc
import os
import signal
import tempfile
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

# A slow machine is not a fault in the code: pytest-timeout stops what hangs. The examples are the same each run, so
# that a change fails for its own faults; `--hypothesis-profile=explore` looks for new ones.
hypothesis.settings.register_profile("glasstack", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile("glasstack")

# The settings of whoever runs the tests are none of theirs.
os.environ["XDG_CONFIG_HOME"] = os.devnull

# What begins in the background of a script is to ignore Ctrl-C, and so would all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NO_SKIP = os.environ.get("GLASSTACK_NO_SKIP", "") not in ("", "0")


def fail_if_skipped(report: Any) -> None:
    """Turn a skip into a failure that says what it was skipped for; an expected failure is none."""
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped here (GLASSTACK_NO_SKIP is set), but this was: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    fail_if_skipped(report)
    return report


class Room:
    """Where the workers test: any number at once, or one whose test is marked `alone`, for whom the others wait at
    the door. The door and the room are locks on two bytes of one file, which the kernel releases for who dies."""

    DOOR, INSIDE = 0, 1

    def __init__(self, path: str) -> None:
        self.file = open(path, "r+b")  # noqa: SIM115  # open as long as the worker lives

    def enter(self, alone: bool) -> None:
        fcntl.lockf(self.file, fcntl.LOCK_EX, 1, self.DOOR)
        fcntl.lockf(self.file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, 1, self.INSIDE)
        if not alone:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, self.DOOR)

    def leave(self) -> None:
        fcntl.lockf(self.file, fcntl.LOCK_UN)


@functools.cache
def file_of_the_room() -> Any:
    return tempfile.NamedTemporaryFile(prefix="glasstack-tests-")  # gone when pytest ends


ROOM = pytest.StashKey[Room]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two a core, for many tests wait for other processes; what each costs to start bounds them."""
    return min(2 * (os.cpu_count() or 1), 8)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["room"] = file_of_the_room().name


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        config.stash[ROOM] = Room(config.workerinput["room"])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Outermost, for a test's time limit does not include the wait at the door."""
    room = item.config.stash.get(ROOM, None)
    if room is None:
        return (yield)
    room.enter(alone=item.get_closest_marker("alone") is not None)
    try:
        return (yield)
    finally:
        room.leave()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The lonely ones first and in a row, while the other workers are only coming in."""
    items.sort(key=lambda item: item.get_closest_marker("alone") is None)


def pytest_collection_finish() -> None:
    """Each World collects garbage before it begins, and need not look through all the tests there are for it."""
    gc.collect()
    gc.freeze()
