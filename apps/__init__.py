"""Apps: functions `app(..., node=None)` and the commands of the same names.

`from apps import ping` means the current node.
"""

from __future__ import annotations

from apps import help as _help  # noqa: F401  registers itself, as the next
from apps import serve as _serve  # noqa: F401
from apps import trace as _trace  # noqa: F401
from apps.conf import conf
from apps.dns import dns
from apps.nc import nc
from apps.ping import ping
from apps.registry import APPS, App
from apps.rlogin import rlogin
from apps.traceroute import traceroute
from apps.wget import wget

__all__ = ["APPS", "App", "conf", "dns", "nc", "ping", "rlogin", "traceroute", "wget"]
