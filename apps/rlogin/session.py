"""An rlogin session (RFC 1282) from the first words on: keys to the server, its output to the screen, its urgent bytes
obeyed.

It knows no terminal: `Keyboard` is who sits there. Waiting is the node's, so that it runs in virtual time too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from apps.host import Host
from apps.usage import AppError
from stack.wire import rlogin
from stack.wire.rlogin import Hello, WindowSize, emit_hello, emit_size

CHUNK = 65536  # bytes
ASKED = bytes((rlogin.WINDOW,))
END_OF_FILE = b"\x04"  # what stands for the end of what is typed


class Keyboard(Protocol):
    """Who sits there. Its methods are called under the engine's lock, but for `set_flow`."""

    is_over: bool  # nothing more will be typed

    def is_ready(self) -> bool:
        """Whether something was typed, or the window has another size, or it is over and nobody knows yet."""

    def take(self) -> bytes:
        """What was typed."""

    def take_resized(self) -> bool:
        """Whether the window has another size since this was last asked."""

    def size(self) -> WindowSize: ...
    def set_flow(self, is_local: bool) -> None:
        """Whether Ctrl-S and Ctrl-Q are acted on here or are keys like others."""


class Refused(AppError):
    """The server has answered, but with words. They are the text."""


class Escapes:
    """`~.` at the beginning of a line ends the session; `~~` there is one tilde."""

    def __init__(self) -> None:
        self._is_line_start = True
        self._is_held = False  # a tilde that may be the beginning of one

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What to send of what was typed, and whether the session is to end there."""
        out = bytearray()
        for byte in data:
            key = bytes((byte,))
            if self._is_held:
                self._is_held = False
                if key == b".":
                    return bytes(out), True
                if key != b"~":
                    out += b"~"
            elif key == b"~" and self._is_line_start:
                self._is_held = True
                continue
            out += key
            self._is_line_start = key in b"\r\n\x03\x04\x1a"
        return bytes(out), False


class Session:
    """One connection. `show` writes to the screen. `received` and `sent` count bytes; `is_open` says that it came
    about, `is_escaped` that it was ended by ~."""

    def __init__(self, node: Host, sock: Any, keyboard: Keyboard, show: Callable[[bytes], object]) -> None:
        self.received = self.sent = 0
        self.is_open = self.is_escaped = False
        self._node = node
        self._sock = sock
        self._keyboard = keyboard
        self._show = show
        self._out = b""  # to be sent
        self._escapes = Escapes()
        self._is_size_wanted = False
        self._has_said_eof = self._has_shown = False

    def greet(self, hello: Hello) -> None:
        """Say who we are and have it accepted. Raises Refused, OSError."""
        first = said = b""
        try:
            self._sock.sendall(emit_hello(hello))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it would not hear us out; it may have said why
        try:
            first = self._sock.recv(1)
            if first == b"\0":
                self.is_open = True
                return
            said = first.strip(b"\1")
            while first and len(said) < 1024 and (more := self._sock.recv(1024)):
                said += more
        except (BrokenPipeError, ConnectionResetError):
            pass  # what it has said it has said
        words = "".join(c if c.isprintable() else " " for c in said.decode(errors="replace")).strip()
        raise Refused(0, words or "the server has closed the connection without a word")

    def run(self) -> None:
        """Until either side ends it. Raises OSError if the connection breaks."""
        self._sock.setblocking(False)
        while True:
            with self._node.engine as engine:
                engine.wait(self._is_due)
                typed, is_over = self._keyboard.take() if not self._out else b"", self._keyboard.is_over
                is_resized = self._keyboard.take_resized()
            if self._sock.exceptional():
                self._obey(self._sock.recv(1, self._node.socket.MSG_OOB)[0])
            if is_resized and self._is_size_wanted:
                self._out += emit_size(self._keyboard.size())
            typed, is_end = self._escapes.feed(typed)
            self._out += typed
            if is_over and not self._has_said_eof:
                self._has_said_eof = True
                self._out += END_OF_FILE
            self.is_escaped = is_end
            if is_end or not self._exchange():
                return

    def _is_due(self) -> bool:
        sock = self._sock
        if sock.readable() or sock.exceptional():
            return True
        if self._out:
            return bool(sock.writable())
        return self._keyboard.is_ready() or (self._keyboard.is_over and not self._has_said_eof)

    def _exchange(self) -> bool:
        """Send and receive what is possible at once; False at the end."""
        try:
            if self._out:
                count = self._sock.send(self._out)
                self.sent += count
                self._out = self._out[count:]
        except BlockingIOError:
            pass
        try:
            data = self._sock.recv(CHUNK)
        except BlockingIOError:
            return True
        # Debian's server asks for the window twice, before anything else, and of two marks only the last counts: the
        # other byte stays in the stream.
        shown = data if self._has_shown else data.lstrip(ASKED)
        self.received += len(data)
        if shown:
            self._has_shown = True
            self._show(shown)
        return bool(data)

    def _obey(self, bits: int) -> None:
        """The server's urgent byte (RFC 1282, "Control Byte")."""
        if bits & rlogin.DISCARD:
            self._discard()
        if bits & rlogin.RAW:
            self._keyboard.set_flow(False)
        if bits & rlogin.COOKED:
            self._keyboard.set_flow(True)
        if bits & rlogin.WINDOW:
            self._is_size_wanted = True
            self._out += emit_size(self._keyboard.size())

    def _discard(self) -> None:
        """Throw away what came before the urgent byte: it is here, because a read ends there."""
        try:
            while not self._sock.at_mark() and self._sock.recv(CHUNK):
                pass
        except BlockingIOError:
            pass  # another one is on its way, and another mark with it
