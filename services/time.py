"""time (RFC 868), TCP and UDP: the seconds since 1900 as a 32-bit number, big-endian.

The number ends on 7 February 2036. From then on it says nothing, rather than something wrong.
"""

from __future__ import annotations

from services.greeting import Greeter

SINCE_1900 = 2_208_988_800  # seconds from 1900 to 1970


class Time(Greeter):
    name = "time"
    port = 37
    text = "says what time it is, in 4 bytes (RFC 868)"
    exposes = "the time of day that this host believes in"

    def greeting(self) -> bytes | None:
        seconds = int(self.loop.wall()) + SINCE_1900
        return seconds.to_bytes(4, "big") if 0 <= seconds < 1 << 32 else None
