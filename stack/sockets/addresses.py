"""Names to endpoints: what the socket calls take as an address, and getaddrinfo with its relatives (RFC 3493 6.1).

Literals and `localhost` are answered here; any other name is asked of the `resolver` that somebody plugged in.
Without one the answer is libc's for a host that has no name server. The conversions of literals are the standard
library's, which ask nobody.
"""

from __future__ import annotations

import socket as standard
from typing import Any, NamedTuple, Protocol

from stack.port import Endpoint

AddressInfo = tuple[int, int, int, str, Any]

LOCALHOST = "localhost"
UNKNOWN_HOST = (1, "Unknown host")


class Resolved(NamedTuple):
    """What a resolver found: the host's canonical name, the other names that led to it, its addresses."""

    name: str
    aliases: list[str]
    addresses: list[tuple[int, str]]  # (family, literal) each


class Resolver(Protocol):
    """Whom `Names` asks about names and addresses that are not this host's own."""

    def forward(self, name: str, family: int) -> Resolved:
        """The addresses of a name; `family` 0 for whatever this host can speak. Raises socket.gaierror."""

    def reverse(self, literal: str) -> Resolved | None:
        """The names of an address; None if nobody knows any."""


def no_name(number: int = standard.EAI_NONAME) -> standard.gaierror:
    """The error in libc's words."""
    words = {
        standard.EAI_NONAME: "Name or service not known",
        standard.EAI_AGAIN: "Temporary failure in name resolution",
        standard.EAI_FAMILY: "ai_family not supported",
    }
    return standard.gaierror(number, words[number])


def is_localhost(name: str) -> bool:
    """RFC 6761 6.3: localhost and whatever ends in .localhost mean this host."""
    name = name.lower().rstrip(".")
    return name == LOCALHOST or name.endswith("." + LOCALHOST)


def to_endpoint(address: object, caller: str, names: Names) -> Endpoint:
    """An AF_INET address as the socket calls take it: (host, port). Raises TypeError, OverflowError, gaierror."""
    if not isinstance(address, tuple):
        raise TypeError(f"{caller}(): AF_INET address must be tuple, not {type(address).__name__}")
    if len(address) != 2:
        raise TypeError("AF_INET address must be a pair (host, port)")
    host, port = address
    if not hasattr(port, "__index__"):
        raise TypeError(f"'{type(port).__name__}' object cannot be interpreted as an integer")
    if not 0 <= port.__index__() <= 65535:
        raise OverflowError(f"{caller}(): port must be 0-65535.")
    return Endpoint(names.one(host), port.__index__())


def from_endpoint(endpoint: Endpoint | None) -> tuple[str, int]:
    """The (host, port) that getsockname and its like return."""
    if endpoint is None:
        return ("0.0.0.0", 0)
    return (standard.inet_ntop(standard.AF_INET, endpoint.address), endpoint.port)


class Names:
    """Name resolution of one node. `resolver` is None until somebody plugs one in; `hostname` is the node's own."""

    def __init__(self) -> None:
        self.resolver: Resolver | None = None
        self.hostname = "glasstack"

    def one(self, host: object) -> bytes:
        """An AF_INET host as four bytes: '' is any address, '<broadcast>' the limited broadcast."""
        if isinstance(host, (bytes, bytearray)):
            host = bytes(host).decode("ascii")
        if not isinstance(host, str):
            raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
        if host == "":
            return bytes(4)
        if host == "<broadcast>":
            return b"\xff\xff\xff\xff"
        try:
            return standard.inet_pton(standard.AF_INET, host)
        except OSError:
            sockaddr = self.getaddrinfo(host, 0, standard.AF_INET, standard.SOCK_STREAM)[0][4]
            return standard.inet_pton(standard.AF_INET, sockaddr[0])

    def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """As the standard library's. Raises gaierror."""
        if host is None:
            # Only what this host can speak: no AF_INET6 yet.
            family = family or standard.AF_INET
            return self._literal(None, port, family, type, proto, flags)
        name = host.decode("ascii") if isinstance(host, bytes) else host
        is_numeric = bool(flags & standard.AI_NUMERICHOST)
        literal = "127.0.0.1" if is_localhost(name) and not is_numeric else name
        try:
            found = self._literal(literal, port, family, type, proto, flags)
            if literal != name and flags & standard.AI_CANONNAME:
                found[0] = (*found[0][:3], name, found[0][4])
            return found
        except standard.gaierror as e:
            if e.errno != standard.EAI_NONAME or is_numeric:
                raise
        except UnicodeError:
            raise no_name() from None  # a label too long or empty: no host is called that
        resolved = self._resolve(name, family)
        found = [
            info
            for answer_family, answer in resolved.addresses
            for info in self._literal(answer, port, answer_family, type, proto, flags & ~standard.AI_CANONNAME)
        ]
        if flags & standard.AI_CANONNAME:
            found[0] = (*found[0][:3], resolved.name, found[0][4])
        return found

    @staticmethod
    def _literal(
        host: str | None, port: bytes | str | int | None, family: int, type: int, proto: int, flags: int
    ) -> list[AddressInfo]:
        numeric = flags | standard.AI_NUMERICHOST if host is not None else flags
        return list(standard.getaddrinfo(host, port, family, type, proto, numeric))

    def _resolve(self, name: str, family: int) -> Resolved:
        if not name or len(name) > 253 or any(c.isspace() for c in name):
            raise no_name()
        if self.resolver is None:
            raise no_name(standard.EAI_AGAIN)
        resolved = self.resolver.forward(name, family)
        if not resolved.addresses:
            raise no_name()
        return resolved

    def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int) -> tuple[str, str]:
        """As the standard library's."""
        host = sockaddr[0]
        if not flags & standard.NI_NUMERICHOST:
            known = self._names_of(host)
            if known is None and flags & standard.NI_NAMEREQD:
                raise no_name()
            host = known.name if known is not None else host
        service = standard.getnameinfo(("127.0.0.1", sockaddr[1]), flags | standard.NI_NUMERICHOST)[1]
        return host, service

    def gethostbyname(self, name: str) -> str:
        return standard.inet_ntop(standard.AF_INET, self.one(name))

    def gethostbyname_ex(self, name: str) -> tuple[str, list[str], list[str]]:
        """(canonical name, the other names, addresses). Raises gaierror."""
        try:
            self._literal(name, 0, standard.AF_INET, standard.SOCK_STREAM, 0, 0)
            is_ours = True
        except (standard.gaierror, UnicodeError):
            is_ours = is_localhost(name)
        if is_ours:
            return name, [], [self.gethostbyname(name)]
        resolved = self._resolve(name, standard.AF_INET)
        return resolved.name, resolved.aliases, [literal for _, literal in resolved.addresses]

    def gethostbyaddr(self, address: str) -> tuple[str, list[str], list[str]]:
        """(name, aliases, addresses); herror for an address that has no name."""
        literal = self.gethostbyname(address)
        known = self._names_of(literal)
        if known is None:
            raise standard.herror(*UNKNOWN_HOST)
        return known.name, known.aliases, [literal]

    def gethostname(self) -> str:
        return self.hostname

    def getfqdn(self, name: str = "") -> str:
        """The full name of a host, or what was given when none is known."""
        name = name.strip()
        if name in ("", "0.0.0.0", "::"):
            name = self.hostname
        try:
            full, aliases, _ = self.gethostbyaddr(name)
        except OSError:
            return name
        return next((n for n in (full, *aliases) if "." in n), full)

    def _names_of(self, literal: str) -> Resolved | None:
        try:
            is_loopback = standard.inet_pton(standard.AF_INET, literal)[0] == 127
        except OSError:
            return None
        if is_loopback:
            return Resolved(LOCALHOST, [], [(standard.AF_INET, literal)])
        return self.resolver.reverse(literal) if self.resolver is not None else None
