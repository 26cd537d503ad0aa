"""What is asked of wget and what comes of it, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message


@dataclass
class Options:
    """wget(1)'s, by their long names: times in seconds."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    timeout: float = 900.0  # for connecting and for each read; 0 for none
    tries: int = 20  # 0 for no end
    max_redirect: int = 20
    resume: bool = False

    def check(self) -> None:
        """Raise ValueError, with one clear line, for what makes no sense."""
        limits = [
            ("timeout", self.timeout, 1e9),
            ("tries", self.tries, 2**31),
            ("max_redirect", self.max_redirect, 1e4),
        ]
        for name, value, high in limits:
            if not 0 <= value <= high:  # a NaN is in no range
                raise ValueError(f"{name} is from 0 to {high:.0f}, not {value}")
        for name, text in self.headers:
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[\x00\r\n]|[^\x00-\xff]", text):
                raise ValueError(f"a header that makes no sense: {name + ': ' + text!r}")


@dataclass
class WgetResult:
    """What a fetch came to. True if the body is there, all of it."""

    url: str  # as asked for
    status: int | None = None  # of the last answer; None if there was none
    reason: str = ""
    headers: Message = field(default_factory=Message)  # of the last answer: headers['content-type']
    path: str | None = None  # the file it was saved to, '-' for standard output, None if there is none
    received: int = 0  # bytes of the body that are there, with those that were there before
    length: int | None = None  # of the whole body, if the server said it
    duration: float = 0.0  # seconds
    tries: int = 0  # of the last URL
    redirects: list[str] = field(default_factory=list)  # the URLs that it was sent to
    exit_code: int = 0
    error: str = ""  # why it failed
    body: bytes | None = field(default=None, repr=False)  # with output=bytes
    is_streamed = True  # it has been printed as it happened: the prompt need not show it again

    def __bool__(self) -> bool:
        return self.exit_code == 0

    def __repr__(self) -> str:
        if self.error:
            return f"<wget {self.url}: {self.error}>"
        where = f" in {self.path}" if self.path is not None else ""
        return f"<wget {self.url}: {self.status} {self.reason}, {self.received:,} bytes{where}>"
