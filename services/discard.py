"""discard (RFC 863), TCP and UDP: what comes in is counted and thrown away."""

from __future__ import annotations

from services.service import Service


class Discard(Service):
    name = "discard"
    port = 9
    text = "throws away what it gets (RFC 863)"
    exposes = "nothing: whoever reaches it can make you receive bytes"
    is_greeting = True
