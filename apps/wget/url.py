"""A URL as wget takes it from its command line and from a redirect (RFC 3986), and the file it is saved to.

What must be escaped is escaped, `.` and `..` are taken out, a scheme that is missing is http. It refuses other schemes
than http and https, and names and passwords in a URL.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urljoin

PORTS = {"http": 80, "https": 443}
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# What a request line may not hold as it stands, and a per cent sign that escapes nothing.
UNSAFE = re.compile(r"%(?![0-9A-Fa-f]{2})|[^!$-;=?-\[\]_a-z~]")
# What a file's name may not hold: a slash, and what a terminal takes for a command.
UNFIT = re.compile("[/\x00-\x1f\x7f-\x9f]")
MAX_NAME = 236  # bytes: room is left for what is appended to it
INDEX = "index.html"


class Url(NamedTuple):
    """`target` is what the request asks for, a path and perhaps a query; `name` the file to save it to."""

    scheme: str
    host: str  # as names are looked up: lower case, IDNA, an IPv6 address without its brackets
    port: int
    target: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """The host, and the port if it is not the scheme's own: what Host says (RFC 9110 7.2)."""
        return bracketed(self.host) + (f":{self.port}" if self.port != PORTS[self.scheme] else "")

    def join(self, location: str) -> Url:
        """Where a redirect leads (RFC 9110 10.2.2); ValueError. It is saved under the name of the first URL."""
        return parse_url(urljoin(str(self), location))._replace(name=self.name)


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def parse_url(text: str) -> Url:
    """Raises ValueError with wget's own line."""
    text = text if SCHEME.match(text) else f"http://{text}"
    scheme, rest = text.split("://", 1)
    scheme = scheme.lower()
    if scheme not in PORTS:
        raise ValueError(f"{text}: Unsupported scheme ‘{scheme}’.")
    rest = rest.partition("#")[0]
    length = next((i for i, c in enumerate(rest) if c in "/?"), len(rest))
    host, port = _authority(text, rest[:length], PORTS[scheme])
    path, mark, query = rest[length:].partition("?")
    path = _without_dots(path)
    return Url(scheme, host, port, _escaped(path + mark + query), _name(path, mark + query))


def _authority(text: str, authority: str, default: int) -> tuple[str, int]:
    if "@" in authority:
        raise ValueError(f"{text}: a name and a password in a URL are not supported; --header 'Authorization: ...' is.")
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        if not bracket:
            raise ValueError(f"{text}: Unterminated IPv6 numeric address.")
        if not re.fullmatch(r"[0-9A-Fa-f:.]+", host) or port[:1] not in ("", ":"):
            raise ValueError(f"{text}: Invalid IPv6 numeric address.")
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
        try:
            host = host.encode("idna").decode() if not host.isascii() else host
        except UnicodeError:
            host = ""
    if not host or not re.fullmatch(r"[!-~]+", host):
        raise ValueError(f"{text}: Invalid host name.")
    if port and not (re.fullmatch(r"[0-9]{1,5}", port) and int(port) < 65536):
        raise ValueError(f"{text}: Bad port number.")
    return host.lower(), int(port) if port else default


def _without_dots(path: str) -> str:
    """RFC 3986 5.2.4: '/a/./b/../c' is '/a/c'."""
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _escaped(target: str) -> str:
    return UNSAFE.sub(lambda m: "".join(f"%{byte:02X}" for byte in m[0].encode("utf-8", "surrogateescape")), target)


def _name(path: str, query: str) -> str:
    """The last segment, unescaped as far as a file's name may be, with the query after it."""
    last = unquote(path.rpartition("/")[2], errors="surrogateescape") or INDEX
    query = unquote(query, errors="surrogateescape")
    name = UNFIT.sub(lambda m: "".join(f"%{byte:02X}" for byte in m[0].encode()), last + query)
    if name in (".", ".."):
        name = name.replace(".", "%2E")
    raw = name.encode("utf-8", "surrogateescape")[:MAX_NAME]
    return raw.decode("utf-8", "surrogateescape")
