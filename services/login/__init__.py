"""login (RFC 1282): an rlogin server that runs one command for whoever may come, on a terminal of its own.

It asks nobody for a password, so it never starts without being told which command and for whom. A client of another
address, or from a port that is not privileged (RFC 1282), is turned away. The command runs as the user who runs the
node, on this machine, and not on the node's network; it ends with the connection. Only in real time.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from services.service import Address, Conversation, Service
from stack.wire import rlogin
from stack.wire.address import format_ip, in_prefix, network, parse_ip, parse_prefix
from stack.wire.rlogin import Hello, WindowSizes, parse_hello

if TYPE_CHECKING:
    from services.login.terminal import Terminal
    from services.loop import Loop

MAX_SESSIONS = 64
HELLO_TIME = 30.0  # seconds for a client's first words
ANSWER_TIME = 0.3  # for the window's size
GRACE = 1.0  # seconds between hanging up and the end of a command that ignores it
TYPED = 65536  # bytes typed and not yet read by the command, at which no more is taken from the client
SAFE_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")  # no option of a command's, no path
SAFE_TERMINAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ")
FORM = "COMMAND from NETWORK[,NETWORK]... [on ADDRESS]"
EXAMPLE = "login='/bin/sh from 192.168.1.0/24'"


class Setting(NamedTuple):
    argv: tuple[str, ...]
    networks: tuple[tuple[bytes, int], ...]  # address and prefix length of those who may come
    address: str  # of ours; "" for all

    @property
    def who(self) -> str:
        return ", ".join("anywhere" if length == 0 else f"{format_ip(a)}/{length}" for a, length in self.networks)


def parse_setting(text: str) -> Setting:
    """'/bin/sh -i from 192.168.1.0/24,10.0.0.7 on 192.168.1.3'. ValueError of one clear line otherwise."""
    command, _, rest = text.rpartition(" from ")
    who, _, address = rest.partition(" on ")
    if not command.strip() or not who.strip():
        raise ValueError(f"login: say which command to run and for whom: {EXAMPLE}")
    try:
        argv = shlex.split(command)
    except ValueError as e:
        raise ValueError(f"login: {command.strip()}: {str(e).lower()}") from None
    for needed in (argv[0], "setsid"):
        if shutil.which(needed) is None:
            raise ValueError(f"login: there is no command {needed!r} here")
    try:
        networks = tuple(_network(word.strip()) for word in who.split(","))
        address = format_ip(parse_ip(address.strip())) if address.strip() else ""
    except ValueError as e:
        raise ValueError(f"login: {e}") from None
    return Setting(tuple(argv), networks, address)


def _network(text: str) -> tuple[bytes, int]:
    """'anywhere', an address or a network."""
    if text == "anywhere":
        return bytes(4), 0
    address, length = parse_prefix(text)
    if network(address, length) != address:
        raise ValueError(f"{text} is not a network: its host part is not zero")
    return address, length


class LoginConversation(Conversation):
    """First words, then a session: what is typed goes to the terminal, and what is written there comes back.

    Both ways at once: whoever does not read may still press Ctrl-C.
    """

    def __init__(self, service: Service, sock: Any, peer: Address) -> None:
        assert isinstance(service, Login)
        self._login = service
        self._hello = b""
        self._sizes = WindowSizes()
        self._terminal: Terminal | None = None
        self._watched = 0  # what the terminal is watched for
        self._typed = b""  # and not yet taken by the terminal
        self._urgent = 0  # bits that are to be sent with urgency
        self._has_asked = False  # for the window's size
        self._has_sizes = False
        self._quiet_until = 0.0  # the terminal's modes are not urgent before
        self._is_exited = False  # the command
        self._is_over = False  # nothing more is to be sent than what is pending
        self._is_shut = False  # and that has been sent
        super().__init__(service, sock, peer)
        why = service.why_not(peer)
        if why is not None:
            service.refused += 1
            self._refuse(why)
            self.is_at_eof = not why  # he hears nothing, and is not listened to
        service.loop.call_at(service.loop.now() + HELLO_TIME, self._on_late)

    # --- the client's side

    def wants_data(self) -> bool:
        return not self.is_at_eof and (self._is_over or len(self._typed) < TYPED)

    def is_sending(self) -> bool:
        return super().is_sending() or self._may_urge()

    def on_ready(self, mask: int) -> None:
        super().on_ready(mask)
        if self._is_over and not self._is_shut and not self.is_closed and not self.is_sending():
            self._shut()
        self._watch()

    def on_data(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._terminal is None:
            self._hello += data
            self._greet()
        else:
            self._type(data)

    def on_eof(self) -> None:
        self._hang_up()

    def on_sent(self) -> None:
        if self._terminal is not None and not self._has_asked:
            self._has_asked = True
            self._urgent |= rlogin.WINDOW

    def close(self) -> None:
        self._hang_up()
        super().close()

    def _greet(self) -> None:
        """Begin the session, once the first words are all there."""
        try:
            found = parse_hello(self._hello)
            if found is None:
                return
            hello, rest = found
            self._terminal = self._login.open_terminal(hello, self.peer)
        except (OSError, ValueError) as e:
            self._refuse(getattr(e, "strerror", None) or str(e))
            return
        self.send(b"\0")
        if self._terminal.pidfd >= 0:
            self._login.loop.watch_file(self._terminal.pidfd, self._login.loop.READ, self._on_exit)
        self._type(rest)

    def _refuse(self, why: str) -> None:
        if why:
            self.send(b"\1login: " + why.encode() + b"\r\n")
        self._is_over = True

    def _shut(self) -> None:
        """Say that this was all, and let the client close: a reset would overtake the last words."""
        self._is_shut = True
        try:
            self.sock.shutdown(self._login.loop.socket.SHUT_WR)
        except OSError:
            self.close()
        else:
            self._login.loop.call_at(self._login.loop.now() + GRACE, self.close)

    def _on_late(self) -> None:
        if not self._has_asked and not self.is_closed:
            self.close()

    def _type(self, data: bytes) -> None:
        assert self._terminal is not None
        typed, sizes = self._sizes.feed(data)
        if sizes:
            self._has_sizes = True
            self._quiet_until = 0.0
            self._terminal.resize(sizes[-1])
        self._typed += typed
        self._push()

    def _write(self) -> None:
        if self._may_urge():
            self._urge()
        super()._write()

    def _may_urge(self) -> bool:
        is_pressing = self._urgent & rlogin.DISCARD or self._login.loop.now() >= self._quiet_until
        return self._urgent != 0 and bool(is_pressing)

    def _urge(self) -> None:
        """A client holds one urgent byte, and the next overtakes one that it has not read: the question for the
        window's size has time to be answered, and is in every byte until it is."""
        loop = self._login.loop
        if self._has_asked and not self._has_sizes:
            self._urgent |= rlogin.WINDOW
            self._quiet_until = loop.now() + ANSWER_TIME
            loop.call_at(self._quiet_until, self._on_quiet)
        self.sock.send(bytes((self._urgent,)), loop.socket.MSG_OOB)
        self._urgent = 0

    def _on_quiet(self) -> None:
        if not self.is_closed:
            self.on_ready(0)

    # --- the terminal's side

    def _watch(self) -> None:
        """Wait for what can be done on the terminal, if anything can."""
        if self._terminal is None:
            return
        loop = self._login.loop
        events = (0 if self.pending else loop.READ) | (loop.WRITE if self._typed else 0)
        if events == self._watched:
            return
        self._watched = events
        if events:
            loop.watch_file(self._terminal.fd, events, self._on_terminal)
        else:
            loop.forget_file(self._terminal.fd)

    def _on_terminal(self) -> None:
        """The terminal has something to say, or room for what was typed."""
        self._watched = 0
        if self._terminal is None:
            return
        self._push()
        if not self.pending:
            self._pull(self._terminal)
        self.on_ready(0)
        if self._is_exited and self._terminal is not None and not self.pending:
            self._login.loop.call_at(self._login.loop.now(), self._on_terminal)  # the rest, before it is closed

    def _push(self) -> None:
        assert self._terminal is not None
        try:
            if self._typed:
                self._typed = self._typed[self._terminal.write(self._typed) :]
        except BlockingIOError:
            pass
        except OSError:
            self._typed = b""  # nobody has it open any more; reading says so too

    def _pull(self, terminal: Terminal) -> None:
        try:
            got = terminal.read()
        except BlockingIOError:
            if self._is_exited:
                self._hang_up()  # somebody may still have the terminal open, but he is not who logged in
            return
        if got is None:
            self._hang_up()
            return
        data, bits = got
        if bits & (rlogin.RAW | rlogin.COOKED):
            self._urgent &= ~(rlogin.RAW | rlogin.COOKED)
        self._urgent |= bits
        self.send(data)

    def _on_exit(self) -> None:
        self._is_exited = self._terminal is not None and self._terminal.has_exited()
        self._on_terminal()

    def _hang_up(self) -> None:
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            self._is_over = True
            self._login.retire(terminal)


class Login(Service):
    name = "login"
    port = rlogin.PORT
    text = "runs a command for whoever may come (RFC 1282)"
    exposes = "the command it is given, to those it is given for"
    takes = FORM
    conversation = LoginConversation
    has_udp = False

    def __init__(self, loop: Loop, address: str = "", port: int | None = None, setting: str = "") -> None:
        """`setting` is COMMAND from NETWORKS [on ADDRESS]. Raises ValueError for one that makes no sense, OSError."""
        self.setting = parse_setting(setting)
        if loop.is_virtual:
            raise ValueError("login: a command runs in real time only")
        command = shlex.join(self.setting.argv)
        self.exposes = (
            f"{command}, run as {getpass.getuser()} on this machine, to whoever comes from {self.setting.who}: "
            "nobody is asked for a password"
        )
        self._retired: dict[Terminal, None] = {}
        super().__init__(loop, address or self.setting.address, port)

    def why_not(self, peer: Address) -> str | None:
        """Why a client may not come, '' for nothing to be said about it; None if it may."""
        address = parse_ip(peer[0])
        if not any(in_prefix(address, *network) for network in self.setting.networks):
            return ""
        if not rlogin.LOW_PORT <= peer[1] <= rlogin.HIGH_PORT:
            return f"a client has a port from {rlogin.LOW_PORT} to {rlogin.HIGH_PORT}"  # RFC 1282, "Connection"
        return "too many sessions" if len(self.clients) >= MAX_SESSIONS else None

    def open_terminal(self, hello: Hello, peer: Address) -> Terminal:
        """The command, begun. Raises ValueError for a user who cannot be one, OSError."""
        from services.login.terminal import Terminal  # only where there are terminals

        for user in (hello.client_user, hello.server_user):
            if not SAFE_USER.fullmatch(user):
                raise ValueError("that is no user's name")
        words = {"%h": peer[0], "%u": hello.server_user}
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment["TERM"] = hello.terminal if SAFE_TERMINAL.fullmatch(hello.terminal) else "dumb"
        environment["REMOTEHOST"] = peer[0]
        environment["REMOTEUSER"] = hello.client_user
        return Terminal([words.get(word, word) for word in self.setting.argv], environment)

    def retire(self, terminal: Terminal) -> None:
        """The connection is gone: hang up, and see to it that the command ends."""
        self.loop.forget_file(terminal.fd)
        if terminal.pidfd >= 0:
            self.loop.forget_file(terminal.pidfd)
        terminal.hang_up()
        self._retired[terminal] = None
        self.loop.call_at(self.loop.now() + GRACE, lambda: self._end(terminal, 0.0))

    def close(self) -> None:
        super().close()
        until = self.loop.now() + GRACE
        for terminal in list(self._retired):
            self._end(terminal, max(0.0, until - self.loop.now()))

    def _end(self, terminal: Terminal, patience: float) -> None:
        if terminal in self._retired:
            del self._retired[terminal]
            terminal.end(patience)
