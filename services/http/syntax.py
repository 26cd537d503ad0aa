"""What a request may look like (RFC 9112), as far as the standard library does not look: the target."""

from __future__ import annotations

import re

HOST = r"(?:\[[0-9A-Za-z:.%_~-]+\]|[0-9A-Za-z!$%&'()*+,;=._~-]+)"  # RFC 3986 3.2.2
URL = re.compile(rf"[A-Za-z][0-9A-Za-z+.-]*://{HOST}(?::[0-9]*)?((?:[/?#].*)?)")


def path_of(target: str) -> str | None:
    """Path and query of a request's target, which is a path (RFC 9112 3.2.1) or a whole URL (3.2.2). None if it is
    neither."""
    if target.startswith("/"):
        return target
    match = URL.fullmatch(target)
    if match is None:
        return None
    return match[1] if match[1].startswith("/") else "/" + match[1]
