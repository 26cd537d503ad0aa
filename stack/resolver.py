"""Names to addresses and back for one node: the blocking side of `stack.autoconf.resolver`, on the node's own sockets.

It plugs into `SocketModule.names`, so that getaddrinfo and its relatives ask it, and `query` is for who wants the
answer itself. It waits through the engine, so it works in virtual time. Errors are libc's: the same numbers, the same
words. Only what the node can speak is looked up unless IPv6 is asked for by name.
"""

from __future__ import annotations

import socket as standard
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

from stack.autoconf.lease import Lease
from stack.autoconf.resolver import Answer, Ask, Exchange, Lookups, Outcome, candidates, reverse_name
from stack.port import Endpoint
from stack.socket import SocketModule
from stack.sockets.addresses import Resolved
from stack.wire import dns
from stack.wire.address import format_ip, parse_ip
from stack.wire.dns import Message, Question
from stack.wire.name import Name, parse_name

T = TypeVar("T")

# RFC 3493 6.1 names most of them; EAI_NODATA is glibc's and BSD's. Which stands for what is as glibc has it.
EAI_NODATA = getattr(standard, "EAI_NODATA", standard.EAI_NONAME)
ERRORS = {
    Outcome.NXDOMAIN: (standard.EAI_NONAME, "Name or service not known"),
    Outcome.NODATA: (EAI_NODATA, "No address associated with hostname"),
    Outcome.NO_REPLY: (standard.EAI_AGAIN, "Temporary failure in name resolution"),
    Outcome.FAILED: (standard.EAI_AGAIN, "Temporary failure in name resolution"),
    Outcome.REFUSED: (standard.EAI_AGAIN, "Temporary failure in name resolution"),
    Outcome.ALIASES: (EAI_NODATA, "No address associated with hostname"),
}


class Reply(NamedTuple):
    """An answer as it came."""

    message: Message
    size: int  # bytes
    server: Endpoint
    is_tcp: bool
    seconds: float  # between the last query and it
    failures: list[tuple[Endpoint, str]]  # of the tries before


class NoReply(OSError):
    """Nobody answered; `failures` has what came of each try."""

    def __init__(self, failures: list[tuple[Endpoint, str]]) -> None:
        super().__init__("; ".join(f"{server}: {why}" for server, why in failures) or "there are no name servers")
        self.failures = failures


class Resolver:
    """One node's. `servers` and `search` are what the user said; where that is nothing, DHCP's leases say."""

    def __init__(self, module: SocketModule, servers: list[str] | None = None, search: list[str] | None = None) -> None:
        """`servers` are addresses, `search` domains. Raises ValueError for what is neither."""
        self._module = module
        self._engine = module.engine
        self._lookups = Lookups(module.engine.stack.config)
        self.own_servers = tuple(Endpoint(parse_ip(server), dns.PORT) for server in servers or ())
        self.own_search = tuple(parse_name(domain.rstrip(".") + ".") for domain in search or ())
        module.names.resolver = self

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """Who is asked, in this order."""
        if self.own_servers:
            return self.own_servers
        return tuple(Endpoint(server, dns.PORT) for lease in self._leases() for server in lease.dns_servers)

    @property
    def search(self) -> tuple[Name, ...]:
        """The domains in which names without dots are sought."""
        return self.own_search or tuple(name for lease in self._leases() for name in lease.search)

    def _leases(self) -> list[Lease]:
        with self._engine as engine:
            return [client.lease for client in engine.stack.dhcp if client.lease is not None]

    def flush(self) -> None:
        """Forget every answer."""
        with self._engine:
            self._lookups.cache.clear()

    # --- what getaddrinfo and its relatives ask

    def forward(self, name: str, family: int) -> Resolved:
        """The addresses of a name. Raises gaierror."""
        if family not in (0, standard.AF_INET, standard.AF_INET6):
            raise standard.gaierror(standard.EAI_FAMILY, "ai_family not supported")
        kind = dns.AAAA if family == standard.AF_INET6 else dns.A
        try:
            text = name if name.isascii() else name.encode("idna").decode("ascii")
            names = list(candidates(text, self.search, self._engine.stack.config.dns_ndots))
        except (ValueError, UnicodeError):
            raise standard.gaierror(*ERRORS[Outcome.NXDOMAIN]) from None
        answers = self._run(lambda now: self._lookups.search(names, (kind,), self.servers, now))
        (answer,) = answers
        if answer.outcome is not Outcome.FOUND:
            raise standard.gaierror(*ERRORS[answer.outcome])
        number: int = standard.AF_INET6 if kind == dns.AAAA else standard.AF_INET
        addresses = [(number, format_ip(r.data)) for r in answer.records if isinstance(r.data, bytes)]
        return Resolved(as_host(answer.name), [as_host(alias) for alias in answer.aliases], addresses)

    def reverse(self, literal: str) -> Resolved | None:
        """The names of an address; None if it has none or nobody can say."""
        question = Question(reverse_name(parse_ip(literal)), dns.PTR)
        answer: Answer = self._run(lambda now: self._lookups.lookup(question, self.servers, now))
        names = [as_host(record.data) for record in answer.records if isinstance(record.data, Name)]
        return Resolved(names[0], names[1:], []) if names else None

    # --- for who wants to see the answer itself

    def query(
        self,
        name: Name,
        kind: int = dns.A,
        cls: int = dns.IN,
        *,
        server: str | None = None,
        port: int = dns.PORT,
        is_tcp: bool = False,
        flags: int = dns.RD,
        edns_size: int | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> Reply:
        """Ask the node's servers, or `server` (a name or an address), and return the first answer, whatever it says.

        Nothing is remembered and no alias followed. `edns_size` 0 leaves EDNS out; seconds and rounds as in `Config`
        unless given. Raises NoReply; gaierror for a server that is not known; ValueError for a name that is too long.
        """
        servers = self.servers if server is None else (Endpoint(self._module.names.one(server), port),)
        with self._engine as engine:
            exchange = Exchange(
                Question(name, kind, cls), servers, engine.stack.config, engine.now(), flags=flags, is_tcp=is_tcp,
                edns_size=edns_size, takes_errors=True, timeout=timeout, attempts=attempts,
            )  # fmt: skip
        last, asked_at = self._carry_out(exchange)
        if exchange.reply is None or last is None:
            raise NoReply(exchange.failures)
        seconds = self._engine.now() - asked_at
        return Reply(exchange.reply, exchange.reply_size, last.server, last.is_tcp, seconds, exchange.failures)

    # --- carrying it out

    def _run(self, steps_from: Callable[[float], Generator[Exchange, float, T]]) -> T:
        """Resume the generator, under the lock, until it has its result; carry out its exchanges outside."""
        with self._engine as engine:
            steps = steps_from(engine.now())
        is_begun = False
        while True:
            try:
                with self._engine as engine:
                    exchange = steps.send(engine.now()) if is_begun else next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            is_begun = True
            self._carry_out(exchange)

    def _carry_out(self, exchange: Exchange) -> tuple[Ask | None, float]:
        """Send and receive until it is over; the last try, and when it was sent."""
        last: Ask | None = None
        asked_at = 0.0
        while exchange.ask is not None:
            last, asked_at = exchange.ask, self._engine.now()
            try:
                if last.is_tcp:
                    self._over_tcp(exchange, last)
                else:
                    self._over_udp(exchange, last)
            except TimeoutError:
                self._fail(exchange, "timed out")
            except OSError as e:
                self._fail(exchange, (e.strerror or str(e)).lower())
        return last, asked_at

    def _over_udp(self, exchange: Exchange, ask: Ask) -> None:
        # RFC 5452 9.2: a socket for each try, because its port is chosen at random; connected, so that nobody else's
        # datagrams or errors come in.
        with self._socket(ask, standard.SOCK_DGRAM) as sock:
            sock.connect(_sockaddr(ask.server))
            sock.send(ask.payload)
            while exchange.ask is ask:
                sock.settimeout(self._left(ask))
                self._give(exchange, sock.recv(65535))

    def _over_tcp(self, exchange: Exchange, ask: Ask) -> None:
        with self._socket(ask, standard.SOCK_STREAM) as sock:
            sock.settimeout(self._left(ask))
            sock.connect(_sockaddr(ask.server))
            # RFC 1035 4.2.2: two bytes of length in front; RFC 7766 8: in one piece.
            sock.sendall(len(ask.payload).to_bytes(2, "big") + ask.payload)
            length = int.from_bytes(self._exactly(sock, 2, ask), "big")
            self._give(exchange, self._exactly(sock, length, ask))
        if exchange.ask is ask:
            self._fail(exchange, "answered something else")

    def _exactly(self, sock: Any, length: int, ask: Ask) -> bytes:
        parts = []
        while length:
            sock.settimeout(self._left(ask))
            part = sock.recv(length)
            if not part:
                raise ConnectionResetError("end of file")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _socket(self, ask: Ask, kind: int) -> Any:
        if len(ask.server.address) != 4:
            raise OSError("IPv6 is not spoken here")
        return self._module.socket(standard.AF_INET, kind)

    def _left(self, ask: Ask) -> float:
        """Seconds until the try is given up. Raises TimeoutError when that has come."""
        left = ask.until - self._engine.now()
        if left <= 0:
            raise TimeoutError
        return left

    def _give(self, exchange: Exchange, data: bytes) -> None:
        with self._engine as engine:
            if exchange.ask is not None:
                exchange.on_reply(data, exchange.ask.server, engine.now())

    def _fail(self, exchange: Exchange, why: str) -> None:
        with self._engine as engine:
            exchange.on_failure(why, engine.now())


def _sockaddr(server: Endpoint) -> tuple[str, int]:
    return format_ip(server.address), server.port


def as_host(name: Name) -> str:
    """'www.lab', as libc gives names: without the dot at the end."""
    return str(name).removesuffix(".") or "."
