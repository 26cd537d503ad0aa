"""The OSErrors that a socket call raises by itself, in the operating system's words."""

from __future__ import annotations

import os


def error(number: int) -> OSError:
    """The OSError subclass for an errno, as the kernel's sockets raise it."""
    return OSError(number, os.strerror(number))
