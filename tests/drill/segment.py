"""The one-line language of a drill: `S. 0:0 ack 1 win 65535 <mss 1460,wscale 7>` to a Line and back.

    FLAGS [FIRST:LAST] [ack N] [win N] [urg N] [<option,...>]

FLAGS are letters of FSRPUEC, and a dot for ACK. FIRST:LAST are the payload's bytes, LAST not included; SYN and FIN take
no place in them. Numbers are relative: the sender's SYN is its number 0, its first byte number 1, and `ack` counts in
the other end's numbers. `win` is the field as it stands in the header. Options: `mss N`, `wscale N`, `sackok`,
`raw HEX`; `<>` says that there are none, and without brackets an expectation does not look.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stack.wire import tcp

FLAGS = {
    "F": tcp.FIN, "S": tcp.SYN, "R": tcp.RST, "P": tcp.PSH,
    ".": tcp.ACK, "U": tcp.URG, "E": tcp.ECE, "C": tcp.CWR,
}  # fmt: skip
MODULUS = 1 << 32
_LINE = re.compile(
    r"(?P<flags>[FSRPUEC.]+)(?: (?P<first>-?\d+):(?P<last>-?\d+))?(?: ack (?P<ack>-?\d+))?"
    r"(?: win (?P<win>\d+))?(?: urg (?P<urg>\d+))?(?: <(?P<options>[^>]*)>)?"
)


@dataclass
class Line:
    """A segment as a drill speaks of it; None is what was not said."""

    flags: int
    first: int = 0
    last: int = 0
    has_range: bool = False
    ack: int | None = None
    win: int | None = None
    urg: int = 0
    options: bytes | None = None

    @property
    def length(self) -> int:
        return self.last - self.first

    def __str__(self) -> str:
        words = ["".join(letter for letter, bit in FLAGS.items() if self.flags & bit) or "none"]
        words.append(f"{self.first}:{self.last}")
        if self.ack is not None:
            words.append(f"ack {self.ack}")
        if self.win is not None:
            words.append(f"win {self.win}")
        if self.urg:
            words.append(f"urg {self.urg}")
        if self.options:
            words.append(f"<{format_options(self.options)}>")
        return " ".join(words)


def parse(text: str) -> Line:
    """A Line of the language above; ValueError if it is none."""
    match = _LINE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a drill's line: {text!r}")
    flags = sum(FLAGS[letter] for letter in set(match["flags"]))
    options = None if match["options"] is None else parse_options(match["options"])
    return Line(
        flags,
        int(match["first"] or 0),
        int(match["last"] or 0),
        match["first"] is not None,
        None if match["ack"] is None else int(match["ack"]),
        None if match["win"] is None else int(match["win"]),
        int(match["urg"] or 0),
        options,
    )


def parse_options(text: str) -> bytes:
    packed = b""
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = word.partition(" ")
        if name == "mss":
            packed += b"\x02\x04" + int(value).to_bytes(2, "big")
        elif name == "wscale":
            packed += b"\x01\x03\x03" + bytes([int(value)])
        elif name == "sackok":
            packed += b"\x01\x01\x04\x02"
        elif name == "raw":
            packed += bytes.fromhex(value)
        else:
            raise ValueError(f"not an option of a drill's line: {word!r}")
    return packed + bytes(-len(packed) % 4)


def format_options(options: bytes) -> str:
    parsed = tcp.parse_options(options)
    words = []
    if parsed.mss is not None:
        words.append(f"mss {parsed.mss}")
    if parsed.window_scale is not None:
        words.append(f"wscale {parsed.window_scale}")
    if parsed.sack_permitted:
        words.append("sackok")
    return ",".join(words) or f"raw {options.hex()}"


def relative(number: int, base: int) -> int:
    """A sequence number as counted from `base`, the nearer way round."""
    distance = (number - base) % MODULUS
    return distance - MODULUS if distance >= 1 << 31 else distance
