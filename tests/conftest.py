"""For every test: hypothesis without a stopwatch, and no silent skips where GLASSTACK_NO_SKIP forbids them."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

# A slow machine is not a fault in the code; pytest-timeout stops what hangs.
hypothesis.settings.register_profile("glasstack", deadline=None)
hypothesis.settings.load_profile("glasstack")

# Nor are the settings of whoever runs the tests any of theirs.
os.environ["XDG_CONFIG_HOME"] = os.devnull

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
