"""What nc does for one command: connect, listen or scan, and hold the conversations that come of it.

It says what happens to a report; what is printed of that is in `apps.nc.report`. The words of errors are those of
Debian's netcat-openbsd. It refuses IPv6, proxies, Unix domain sockets and TLS.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from apps.address_names import Names
from apps.host import Host
from apps.nc.relay import Manners, Relay
from apps.nc.report import Report
from apps.nc.result import Attempt, NcError, NcResult, Options
from apps.nc.source import Source
from apps.usage import in_few_words

Comers = Generator[tuple[Any, tuple[str, int] | None], None, None]  # a socket and who is at its other end

SCAN = 3  # seconds that a UDP port has to say that it is closed, unless -w says otherwise
# Closing waits this long for what was sent to be acknowledged: the node may go down right after.
LINGER = struct.pack("ii", 1, 5)


class Session:
    def __init__(
        self, options: Options, node: Host, source: Source, sink: Callable[[bytes], None], report: Report
    ) -> None:
        self.options = options
        self.node = node
        self.source = source
        self.sink = sink
        self.report = report
        self.result = NcResult(options.protocol, is_scan=options.scan)
        self.names = Names(node, options.numeric)
        self._relay: Relay | None = None

    def run(self) -> NcResult:
        """To the end. Raises NcError, and KeyboardInterrupt after the result is complete."""
        try:
            if self.options.listen:
                self._listen()
            else:
                for port in self.options.ports:
                    self._try(port)
        except KeyboardInterrupt:
            self.result.is_interrupted = True
            raise
        finally:
            self._count()
        return self.result

    def _count(self) -> None:
        relay, self._relay = self._relay, None
        if relay is not None:
            self.result.sent += relay.sent
            self.result.received_bytes += relay.received

    def _talk(self, sock: Any) -> None:
        options = self.options
        manners = Manners(
            not options.udp, options.listen, options.shutdown, options.wait, options.quit_after, options.crlf
        )
        self._relay = relay = Relay(self.node, sock, self.source, self.sink, manners)
        relay.run()
        self._count()
        if relay.error is not None:
            self.result.error = in_few_words(relay.error)
            self.report.broken(self.result.error)
        if not options.udp:
            sock.setsockopt(self.node.socket.SOL_SOCKET, self.node.socket.SO_LINGER, LINGER)

    # --- connecting

    def _try(self, port: int) -> None:
        """Connect to one port and do there what is to be done."""
        sock, attempt = self._connect(port)
        try:
            if sock is not None and self._is_probing() and (error := self._udp_error(sock)):
                attempt = attempt._replace(error=error)
                self.result.attempts.append(attempt)
                self.report.closed(attempt)
                return
            self.result.attempts.append(attempt)
            self.report.tried(attempt)
            if sock is not None and not self.options.scan:
                self._talk(sock)
        finally:
            if sock is not None:
                sock.close()

    def _connect(self, port: int) -> tuple[Any, Attempt]:
        """A connected socket, or None, and how it went. Each address of the host is tried. Raises NcError."""
        attempt = Attempt(self.options.host, "", port, self.options.protocol, "no address")
        for address in self._addresses(self.options.host, port):
            sock = self._open()
            error, is_timeout = "", False
            try:
                if self.options.source or self.options.source_port:
                    self._bind(sock, self.options.source, self.options.source_port)
                sock.settimeout(self.options.wait or None)
                sock.connect((address, port))
            except NcError:
                sock.close()
                raise
            except TimeoutError as e:
                is_timeout = e.errno is None
                error = os.strerror(errno.EINPROGRESS if is_timeout else errno.ETIMEDOUT)
            except OSError as e:
                error = in_few_words(e)
            except BaseException:
                sock.close()
                raise
            attempt = Attempt(self.options.host, address, port, self.options.protocol, error, is_timeout)
            if not error:
                return sock, attempt
            sock.close()
        return None, attempt

    def _open(self) -> Any:
        socket = self.node.socket
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if self.options.udp else socket.SOCK_STREAM)
        if self.options.broadcast:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return sock

    def _bind(self, sock: Any, host: str, port: int) -> None:
        address = self._literal(host)
        try:
            sock.bind((address, port))
        except OSError as e:
            raise NcError(e.errno, f"bind failed: {in_few_words(e)}") from None

    def _literal(self, host: str) -> str:
        """An address of ours as the user named it. Raises NcError."""
        try:
            return str(self._lookup(host, 0)[0]) if host else ""
        except (OSError, UnicodeError) as e:
            raise NcError(getattr(e, "errno", None), f"getaddrinfo: {in_few_words(e)}") from None

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return self._lookup(host, port)
        except (OSError, UnicodeError) as e:
            text = f'getaddrinfo for host "{host}" port {port}: {in_few_words(e)}'
            raise NcError(getattr(e, "errno", None), text) from None

    def _lookup(self, host: str, port: int) -> list[str]:
        socket = self.node.socket
        flags = socket.AI_NUMERICHOST if self.options.numeric else 0
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM, 0, flags)
        return [info[4][0] for info in found]

    def _is_probing(self) -> bool:
        """As netcat: a UDP port is probed only if somebody wants to read of it. At the prompt it is if it is scanned:
        whoever talks to it would only wait for that, and learns of it soon."""
        options = self.options
        return options.udp and (options.scan if options.is_ours else options.verbose)

    def _udp_error(self, sock: Any) -> str:
        """Send a UDP port a few bytes: empty if its host does not say that nobody is there, else why it is closed."""
        wait = self.options.wait
        try:
            sock.send(b"X")
            sock.send(b"X")
            for _ in range(SCAN if wait is None else int(wait)):
                self.node.engine.sleep(1.0)
                sock.send(b"X")
        except OSError as e:
            return in_few_words(e)
        return ""

    # --- listening

    def _listen(self) -> None:
        """Hold one conversation, or one after the other."""
        with closing(self._datagrams() if self.options.udp else self._accepted()) as comers:
            for sock, peer in comers:
                try:
                    if peer is not None:
                        self.result.peers.append(peer)
                        self.report.accepted(self._name(peer[0]), peer[1])
                    self._talk(sock)
                finally:
                    sock.close()

    def _bound(self) -> Any:
        options = self.options
        sock = self._open()
        if not options.udp:
            sock.setsockopt(self.node.socket.SOL_SOCKET, self.node.socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self._literal(options.host), options.ports[0]))
            if not options.udp:
                sock.listen(1)
        except NcError:
            sock.close()
            raise
        except OSError as e:
            sock.close()
            raise NcError(e.errno, in_few_words(e)) from None
        host, port = sock.getsockname()
        self.report.listening(self._name(host), port)
        return sock

    def _accepted(self) -> Comers:
        listener = self._bound()
        try:
            while True:
                sock, peer = listener.accept()
                if not self.options.keep:
                    listener.close()  # whoever comes now is refused
                yield sock, peer
                if not self.options.keep:
                    return
        finally:
            listener.close()

    def _datagrams(self) -> Comers:
        """With -k whoever sends is heard; otherwise the first who does is the only one, and is answered."""
        sock = self._bound()
        try:
            if self.options.keep:
                yield sock, None
                return
            _, peer = sock.recvfrom(1, self.node.socket.MSG_PEEK)
            sock.connect(peer)
            yield sock, peer
        finally:
            sock.close()

    def _name(self, address: str) -> str:
        """An address's name, unless -n; as long as that takes no long time."""
        if self.options.numeric or not self.options.verbose or address == "0.0.0.0":
            return address
        self.names.wait_for(address)
        return self.names.name(address) or address
