"""daytime (RFC 867), TCP and UDP: the date and time of day in words, in UTC."""

from __future__ import annotations

import time

from services.greeting import Greeter


class Daytime(Greeter):
    name = "daytime"
    port = 13
    text = "says what time it is (RFC 867)"
    exposes = "the time of day that this host believes in"

    def greeting(self) -> bytes:
        # RFC 867's first form. The names are C's: nobody calls setlocale.
        return time.strftime("%A, %B %d, %Y %H:%M:%S-UTC\r\n", time.gmtime(self.loop.wall())).encode()
