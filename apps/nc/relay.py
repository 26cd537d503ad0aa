"""A conversation of nc's: what a source says goes to a socket, what comes from there to a sink, both ways at once.

Neither way holds more than one piece, so who is slow at one end slows the other end down. Time is the node's, and so is
the waiting. When it is over is netcat-openbsd's way, except where somebody sits at a terminal: Ctrl-D is told to the
other side there, and with the other side's last word it is over, for there is nobody left to type for. And a listener
that is to tell its end (-N) says all that it has to say before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.host import Host
from apps.nc.source import Source

PIECE = 1 << 18  # bytes that one receive takes at most
NEVER = float("inf")


@dataclass
class Manners:
    """How a conversation ends, in seconds."""

    is_stream: bool = True
    is_listener: bool = False  # the other side began, and ends it
    shuts_down: bool = False  # -N: tell the other side that the source has come to its end
    idle: float | None = None  # -w
    quit_after: float | None = None  # -q: after the source's end; 0 is like -N where there is a stream
    crlf: bool = False  # -C

    @property
    def tells_end(self) -> bool:
        return self.is_stream and (self.shuts_down or self.quit_after is not None)


class Relay:
    """One conversation over a connected socket. `sent` and `received` count bytes, `error` is what broke it."""

    def __init__(self, node: Host, sock: Any, source: Source, sink: Callable[[bytes], None], manners: Manners) -> None:
        self.node = node
        self.sock = sock
        self.source = source
        self.sink = sink
        self.manners = manners
        self.sent = 0
        self.received = 0
        self.error: OSError | None = None
        self._waiting = b""  # said by the source and not yet sent
        self._hears = True  # the other side has more to say
        self._has_source = not source.is_silent  # and so have we, to somebody who listens
        self._quit_at = NEVER

    def run(self) -> None:
        """To the end of the conversation. Raises what the sink raises, and KeyboardInterrupt."""
        engine, idle = self.node.engine, self.manners.idle
        self.sock.setblocking(False)
        self.source.begin()
        heard_at = engine.now()
        while not self._is_over():
            if engine.now() >= self._quit_at:
                return  # however much the other side still has to say
            if self._receive() | self._send():
                heard_at = engine.now()
                continue
            until = min(self._quit_at, NEVER if idle is None else heard_at + idle)
            with engine:
                if not engine.wait(self._is_news, None if until == NEVER else max(0.0, until - engine.now())):
                    return

    def _is_over(self) -> bool:
        if self._hears or self._waiting:
            return False
        if self.source.is_terminal or not self._has_source:
            return True
        return self.manners.is_listener and not self.manners.tells_end

    def _is_news(self) -> bool:
        if self._hears and self.sock.readable():
            return True
        if self._waiting:
            return bool(self.sock.writable())
        return self._has_source and (self.source.is_ready() or self._is_dead())

    def _is_dead(self) -> bool:
        """Whether it was reset after its last word: nothing more can be read or written."""
        return self.manners.is_stream and not self._hears and bool(self.sock.port.hung_up())

    # --- in

    def _receive(self) -> bool:
        """Pass on what has come; whether anything had."""
        if not self._hears:
            return False
        try:
            data = self.sock.recv(PIECE)
        except BlockingIOError:
            return False
        except OSError as e:  # refused or reset
            self.error = e
            self._hears = False
            self._deafen()
            return True
        if data:
            self.received += len(data)
            self.sink(data)
        elif self.manners.is_stream:
            self._hears = False
        return True

    # --- out

    def _send(self) -> bool:
        """Pass on what was said; whether anything was."""
        if not self._waiting and not self._take():
            return False
        while self._waiting:
            try:
                count = self.sock.send(self._waiting)
            except BlockingIOError:
                return False
            except OSError as e:
                if isinstance(e, ConnectionRefusedError):  # UDP's; whoever reset a stream may have said something
                    self.error = e
                    self._hears = False
                self._deafen()
                break
            self.sent += count
            self._waiting = self._waiting[count:]
        return True

    def _take(self) -> bool:
        """Have the source's next piece; whether there is something new."""
        if not self._has_source:
            return False
        if self._is_dead():
            self._deafen()
            return True
        with self.node.engine:
            if not self.source.is_ready():
                return False
        self._waiting = self.source.take()
        if self.manners.crlf:
            self._waiting = self._waiting.replace(b"\n", b"\r\n")
        if not self._waiting:
            self._end_of_source()
        return True

    def _end_of_source(self) -> None:
        self._has_source = False
        manners = self.manners
        if manners.quit_after is not None and (manners.quit_after or not manners.is_stream):
            self._quit_at = self.node.engine.now() + manners.quit_after
        if manners.tells_end or (manners.is_stream and self.source.is_terminal):
            try:
                self.sock.shutdown(self.node.socket.SHUT_WR)
            except OSError:
                pass  # there is nobody to tell

    def _deafen(self) -> None:
        """The other side takes no more: what there would be to say is of no interest."""
        self._waiting = b""
        self._has_source = False
