"""What a request may look like (RFC 9112), as far as the standard library does not look.

It refuses whatever two readers could take for two different things: that is how one request is smuggled in another. A
line may end with a LF alone (2.2); all else stands as the grammar has it.
"""

from __future__ import annotations

import re
from email.message import Message

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
LINE = re.compile(TOKEN + rb" [!-~]+ HTTP/[1-9]\.[0-9]\r?\n")  # RFC 9112 3
FIELD = re.compile(TOKEN + rb":[\t -~\x80-\xff]*")  # RFC 9112 5, without the lines of 5.2 that continue others
HOST = r"(?:\[[0-9A-Za-z:.%_~-]+\]|[0-9A-Za-z!$%&'()*+,;=._~\x80-\xff-]+)"  # RFC 3986 3.2.2, or a name in UTF-8
AUTHORITY = rf"{HOST}(?::[0-9]*)?"
URL = re.compile(rf"[A-Za-z][0-9A-Za-z+.-]*://{AUTHORITY}((?:[/?#].*)?)")


def fault_in_text(line: bytes, fields: bytes) -> str | None:
    """What is wrong with a request's first line or the lines of its header, which an empty one ends."""
    if not LINE.fullmatch(line):
        return "Bad request line"
    for field in fields.split(b"\n"):
        field = field.removesuffix(b"\r")
        if not field:
            break
        if not FIELD.fullmatch(field):
            return "Bad header field"
    return None


def fault_in_header(header: Message, is_host_needed: bool) -> str | None:
    """What is wrong with what the header says about the host and the body."""
    hosts = header.get_all("Host", [])
    # RFC 9112 3.2: one, and empty only if the URL has none.
    if len(hosts) > 1 or (is_host_needed and not hosts):
        return "One Host is needed"
    if hosts and not re.fullmatch(rf"(?:{AUTHORITY})?", hosts[0].strip(" \t")):
        return "Bad Host"
    lengths, codings = header.get_all("Content-Length", []), header.get_all("Transfer-Encoding", [])
    # RFC 9112 6.3: a length is one number, and chunks are what a body of no known length comes in.
    if len(lengths) + bool(codings) > 1 or not all(re.fullmatch("[0-9]+", each.strip(" \t")) for each in lengths):
        return "Bad Content-Length"
    if codings and codings[-1].rpartition(",")[2].strip(" \t").lower() != "chunked":
        return "Bad Transfer-Encoding"
    return None


def has_body(header: Message) -> bool:
    """Whether something follows a header in which there is no fault."""
    return "Transfer-Encoding" in header or header.get("Content-Length", "").strip(" \t0") != ""


def options(header: Message) -> list[str]:
    """What the client wants of the connection, in lower case (RFC 9110 7.6.1)."""
    return [word.strip(" \t").lower() for line in header.get_all("Connection", []) for word in line.split(",")]


def path_of(target: str) -> str | None:
    """Path and query of a request's target, which is a path (RFC 9112 3.2.1) or a whole URL (3.2.2). None if it is
    neither."""
    if target.startswith("/"):
        return target
    match = URL.fullmatch(target)
    if match is None:
        return None
    return match[1] if match[1].startswith("/") else "/" + match[1]
