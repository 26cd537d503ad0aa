"""What is asked of nc and what comes of it, as data: netcat's options by their long names, ports tried, who came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from apps.usage import AppError

MAX_SECONDS = 86400 * 365


@dataclass
class Options:
    """netcat's, by their long names: times in seconds, None for none."""

    host: str = ""
    ports: list[int] = field(default_factory=list)
    listen: bool = False  # -l
    udp: bool = False  # -u
    scan: bool = False  # -z
    verbose: bool = False  # -v
    wait: float | None = None  # -w: for connections, and for silence
    keep: bool = False  # -k
    shutdown: bool = False  # -N
    numeric: bool = False  # -n
    source: str = ""  # -s
    source_port: int = 0  # -p
    quit_after: float | None = None  # -q
    crlf: bool = False  # -C
    broadcast: bool = False  # -b
    is_ours: bool = False  # at the prompt, or for --json: whether a UDP port is open is found out when it is scanned

    def check(self) -> None:
        """Raise NcError for what does not go together."""
        if self.scan and self.listen:
            raise NcError(None, "cannot use -z and -l")
        if self.keep and not self.listen:
            raise NcError(None, "must use -l with -k")
        if not self.ports:
            raise NcError(None, "missing port number")
        if not self.host and not self.listen:
            raise NcError(None, "missing host")
        if self.listen and self.source and self.source != self.host:
            raise NcError(None, f"cannot listen at both {self.host} and {self.source}")
        for what, seconds in (("timeout", self.wait), ("quit timer", self.quit_after)):
            if seconds is not None and not (isinstance(seconds, (int, float)) and 0 <= seconds <= MAX_SECONDS):
                raise NcError(None, f"{what} is from 0 to {MAX_SECONDS}, not {seconds!r}")

    @property
    def protocol(self) -> str:
        return "udp" if self.udp else "tcp"


class Attempt(NamedTuple):
    """One port that was connected to, or not: `error` is empty or why not."""

    host: str
    address: str
    port: int
    protocol: str
    error: str
    is_timeout: bool = False


@dataclass
class NcResult:
    """What came of it. True if a connection was made, or accepted, or a port that was scanned is open."""

    protocol: str = "tcp"
    sent: int = 0  # bytes
    received_bytes: int = 0
    received: bytes = b""  # only if data was given: otherwise it has been printed
    attempts: list[Attempt] = field(default_factory=list)
    peers: list[tuple[str, int]] = field(default_factory=list)  # who connected to us
    error: str = ""  # what broke the conversation, the last one if there were several
    is_scan: bool = False
    is_interrupted: bool = False
    is_streamed: bool = True  # it has been printed as it happened: the prompt need not show it again

    @property
    def open_ports(self) -> list[int]:
        return [a.port for a in self.attempts if not a.error]

    def __bool__(self) -> bool:
        return bool(self.open_ports or self.peers)

    def __repr__(self) -> str:
        if not self and len(self.attempts) == 1:
            return f"<nc {self.attempts[0].host}: {self.attempts[0].error}>"
        if not self and self.attempts:
            return f"<nc {self.attempts[0].host}: none of {len(self.attempts)} ports open>"
        if self.is_scan:
            ports = " ".join(map(str, self.open_ports))
            return f"<nc {self.attempts[0].host}: {len(self.open_ports)} of {len(self.attempts)} ports open: {ports}>"
        who = " ".join(f"{host} {port}" for host, port in self.peers[-1:])
        who = who or " ".join([a.host for a in self.attempts[:1]] + [str(port) for port in self.open_ports])
        why = f"; {self.error}" if self.error else ""
        return f"<nc {who or 'nobody'}: {self.sent} bytes sent, {self.received_bytes} received{why}>"


class NcError(AppError):
    """It cannot go on. The text is netcat's own, without its name, in one line whatever the words were."""

    def __str__(self) -> str:
        return one_line(super().__str__())


def one_line(text: str) -> str:
    """With what is not to be printed as Python writes it: a line end, a terminal's escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
