"""qotd (RFC 865), TCP and UDP: a quotation, the same for a whole day.

`qotd=FILE` reads one's own: quotations of at most 510 bytes, with a line `%` between two, as fortune(6) has them. A
file without any, or with one that is too long, is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.greeting import Greeter
from services.reading import read_text

if TYPE_CHECKING:
    from services.loop import Loop

MAX_QUOTE = 512  # bytes: RFC 865 has it "less than 512 characters"
DAY = 86400
QUOTES = (
    "A packet that was lost tells more about a network than a thousand that arrived.",
    "Whoever trusts a length field has not met its sender.",
    "Every timer was somebody's guess once.",
    "The checksum was right. So was the postman who delivered the wrong letter.",
    "Two hosts that both wait are one bug.",
    "First draw the state machine. Then find the arrow you forgot.",
    "Congestion is what good manners are for.",
)


class Qotd(Greeter):
    name = "qotd"
    port = 17
    text = "says the quotation of the day (RFC 865)"
    exposes = "one quotation a day"
    takes = "FILE"

    def __init__(self, loop: Loop, address: str = "", port: int | None = None, setting: str = "") -> None:
        """`setting` is the path of a file of quotations. Raises ValueError for one that is none, OSError."""
        self._quotes = [quote.encode() + b"\r\n" for quote in QUOTES]
        if setting:
            try:
                self._quotes = quotes(read_text(setting))
            except OSError as e:
                raise ValueError(f"qotd: {setting}: {e.strerror}") from None
            except ValueError as e:
                raise ValueError(f"qotd: {setting}: {e}") from None
        super().__init__(loop, address, port)

    def greeting(self) -> bytes:
        return self._quotes[int(self.loop.wall() // DAY) % len(self._quotes)]


def quotes(text: str) -> list[bytes]:
    """The quotations of a file, each with its lines ended as the network ends them. ValueError if there are none, or
    one is too long."""
    found: list[bytes] = []
    lines: list[str] = []
    first = 1
    for number, line in enumerate([*map(str.rstrip, text.splitlines()), "%"], 1):
        if line != "%":
            lines.append(line)
            continue
        quote = b"".join(each.encode() + b"\r\n" for each in lines)
        if len(quote) >= MAX_QUOTE:
            raise ValueError(f"line {first}: a quotation has less than {MAX_QUOTE} bytes, not {len(quote)}")
        if any(lines):
            found.append(quote)
        lines, first = [], number + 1
    if not found:
        raise ValueError("there is no quotation in it")
    return found
