"""rlogin: a terminal on another host, as rlogin(1) has it (RFC 1282).

Nothing is encrypted and nobody is asked who he is: for a lab, and for seeing urgent data at work.
"""

from __future__ import annotations

import errno
import getpass
import os
import sys
from dataclasses import dataclass
from typing import Any

from apps.host import Host, current_host
from apps.registry import App, register
from apps.rlogin.session import Session
from apps.usage import AppError, UsageError, complain, in_words, number, split
from stack.wire.rlogin import HIGH_PORT, LOW_PORT, PORT, Hello

USAGE = """\
usage: rlogin [options] [USER@]HOST
  -l USER        log in as USER
  -p PORT        the server's port, without which it is 513
~. at the beginning of a line ends the session."""

MANUAL = """\
rlogin(host, user=None, port=513)

A terminal on another host, until its command ends or you type ~. at the beginning of a line."""


@dataclass
class RloginResult:
    """A session that is over; bytes of it."""

    host: str
    user: str
    received: int = 0
    sent: int = 0
    is_streamed = True  # it has been seen as it happened

    def __repr__(self) -> str:
        return f"<rlogin {self.user}@{self.host}: {self.received:,} bytes received, {self.sent:,} sent>"


class RloginError(AppError):
    """There was no session, or it broke off. The text is one line."""


def rlogin(host: str, user: str | None = None, port: int = PORT, node: Host | None = None) -> RloginResult:
    """Hold a session with the rlogin server of `host` at this terminal, and return when it is over.

    `user` is who to be there, without it who you are here; `node` is the current one. Raises RloginError (an OSError)
    if there is no session or it breaks off, ValueError for a user or a port that cannot be, or in virtual time.
    """
    name, at, rest = host.rpartition("@")
    if at:
        host, user = rest, user or name
    user = user or getpass.getuser()
    if not 0 < port < 65536:
        raise ValueError(f"a port is a number from 1 to 65535, not {port}")
    node = node or current_host()
    if node.engine.is_virtual:
        raise ValueError("there is no terminal in virtual time")
    from apps.rlogin.terminal import Terminal  # only where there are terminals

    result = RloginResult(host, user)
    with connect(node, host, port) as sock:
        terminal = Terminal(node)
        session = Session(node, sock, terminal, terminal.show)
        try:
            hello = Hello(getpass.getuser(), user, os.environ.get("TERM", "dumb"), terminal.speed())
            session.greet(hello)
            with terminal:
                session.run()
        except OSError as e:
            raise RloginError(e.errno, f"{host}: {e.strerror or e}") from None
        finally:
            result.received, result.sent = session.received, session.sent
    print("\n" * session.is_escaped + "rlogin: connection closed", file=sys.stderr)
    return result


def connect(node: Host, host: str, port: int) -> Any:
    """A connection from a privileged port, without which a server listens to nobody. Raises RloginError."""
    socket = node.socket
    try:
        address = socket.gethostbyname(host)
    except (OSError, UnicodeError) as e:
        raise RloginError(getattr(e, "errno", None), f"{host}: {in_words(e)}") from None
    for local in range(HIGH_PORT, LOW_PORT - 1, -1):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.bind(("", local))
            sock.connect((address, port))
            return sock
        except OSError as e:
            sock.close()
            if e.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                raise RloginError(e.errno, f"{host}: {e.strerror or e}") from None
        except BaseException:
            sock.close()
            raise
    raise RloginError(errno.EADDRINUSE, f"every port from {LOW_PORT} to {HIGH_PORT} is in use")


def command(node: Host, arguments: list[str]) -> int:
    """The command: its exit code."""
    try:
        found, rest = split(arguments, "l:p:h4", ["help"])
        options = dict(found)
        if "-h" in options or "--help" in options:
            print(USAGE)
            return 0
        if len(rest) != 1:
            raise UsageError("one host, please" if rest else "which host?", shows_usage=True)
        port = number("-p", options["-p"], int) if "-p" in options else PORT
        rlogin(rest[0], options.get("-l"), port, node)
    except UsageError as e:
        complain("rlogin", e, USAGE)
        return 2
    except ValueError as e:
        print(f"rlogin: {e}", file=sys.stderr)
        return 2
    except RloginError as e:
        print(f"rlogin: {e}", file=sys.stderr)
        return 1
    return 0


register(App("rlogin", rlogin, command, "a terminal on another host (RFC 1282)", MANUAL, None, USAGE, talks=True))
