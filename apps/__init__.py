"""Apps: functions `app(..., node=None)` and the commands of the same names. `from apps import ping` means the current
node."""

from __future__ import annotations

from apps.ping import ping
from apps.registry import APPS, App

__all__ = ["APPS", "App", "ping"]
