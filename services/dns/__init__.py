"""dns (RFC 1035, RFC 2308, RFC 6891), TCP and UDP: the answers of one zone, with authority.

It forwards nothing and knows nothing but its zone: a name outside is REFUSED, one that does not exist is NXDOMAIN with
the zone's SOA. What is too long for UDP is truncated, and whole over TCP. Zone transfers and updates are refused.
Without a zone file it makes one up, `lab.`, in which every host is itself, at the address by which the client reaches
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.dns.zone import Found, Zone
from services.service import Address, Conversation, Service
from stack.wire import dns
from stack.wire.dns import Message
from stack.wire.drop import WireError

if TYPE_CHECKING:
    from services.loop import Loop

UDP_SIZE = 1232  # bytes: what passes unfragmented nearly everywhere


class DnsConversation(Conversation):
    """Queries over TCP: each, and each answer, behind its length (RFC 1035 4.2.2)."""

    def __init__(self, service: Service, sock: Any, peer: Address) -> None:
        self._input = b""
        super().__init__(service, sock, peer)

    def on_data(self, data: bytes) -> None:
        self._input += data
        self._next_query()

    def on_sent(self) -> None:
        self._next_query()  # RFC 7766 6.2.1.1: several may come at once

    def _next_query(self) -> None:
        length = int.from_bytes(self._input[:2], "big")
        if len(self._input) < 2 or len(self._input) < 2 + length or self.pending:
            return
        query, self._input = self._input[2 : 2 + length], self._input[2 + length :]
        assert isinstance(self.service, Dns)
        reply = self.service.reply_to(query, self.peer, 0xFFFF)
        if reply is None:
            self.close()  # not a query: whoever this is does not speak DNS
        else:
            self.send(len(reply).to_bytes(2, "big") + reply)


class Dns(Service):
    name = "dns"
    port = 53
    text = "answers for one zone, lab. if there is no file"
    takes = "FILE"
    exposes = "every name in its zone, to whoever asks for it"
    conversation = DnsConversation

    def __init__(self, loop: Loop, address: str = "", port: int | None = None, setting: str = "") -> None:
        """`setting` is the path of a zone file. Raises ValueError for a zone that is none, OSError."""
        self._zone: Zone | None = None
        if setting:
            try:
                self._zone = Zone.from_file(setting)
            except OSError as e:
                raise ValueError(f"dns: {setting}: {e.strerror}") from None
        self._made_up: dict[str, Zone] = {}
        super().__init__(loop, address, port)

    def answer(self, data: bytes, source: Address) -> bytes | None:
        return self.reply_to(data, source, UDP_SIZE)

    def reply_to(self, data: bytes, source: Address, limit: int) -> bytes | None:
        """The answer to one message, of at most `limit` bytes; None for what is no query."""
        try:
            query = dns.fields(data)
        except WireError:
            return None
        if query.is_response:
            return None  # two servers that answered answers would never stop
        fault = self._fault(query, data)
        edns = query.edns
        found = Found(fault) if fault is not None else self.zone_for(source).answer(query.questions[0])
        opt = () if edns is None else (dns.opt_record(UDP_SIZE, found.rcode >> 4),)
        is_ours = fault is None and found.rcode != dns.REFUSED
        flags = dns.QR | query.flags & (dns.RD | dns.CD) | query.opcode << 11 | found.rcode & 15 | is_ours * dns.AA
        questions = query.questions[:1]
        reply = dns.emit(Message(query.id, flags, questions, found.answers, found.authority, found.additional + opt))
        if limit < 0xFFFF:
            # RFC 6891 6.2.3: no more than the client says it takes; less than 512 counts as 512.
            limit = min(limit, max(dns.MAX_UDP, edns.payload_size if edns is not None else 0))
        if len(reply) > limit and found.additional:
            # RFC 2181 9: additional records may be left out without a word.
            reply = dns.emit(Message(query.id, flags, questions, found.answers, found.authority, opt))
        if len(reply) > limit:
            reply = dns.emit(Message(query.id, flags | dns.TC, questions, additional=opt))
        return reply

    @staticmethod
    def _fault(query: Message, data: bytes) -> int | None:
        """The response code for a query that cannot be answered, whatever the zone."""
        if query.opcode != dns.QUERY:
            return dns.NOTIMP
        edns = query.edns
        if edns is not None and edns.version > 0:
            return dns.BADVERS  # RFC 6891 6.1.3
        try:
            dns.parse(data)
        except WireError:
            return dns.FORMERR
        if len(query.questions) != 1 or query.answers or query.authority:
            return dns.FORMERR
        return dns.REFUSED if query.questions[0].type in (dns.AXFR, 251) else None

    def zone_for(self, source: Address) -> Zone:
        """The zone that this client sees."""
        if self._zone is not None:
            return self._zone
        address = self.address or self._address_towards(source)
        if address not in self._made_up:
            self._made_up[address] = Zone.of_host(address)
        return self._made_up[address]

    def _address_towards(self, source: Address) -> str:
        """Our address as the client reaches it: the one we would speak from. Nothing is sent."""
        socket = self.loop.socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((source[0], self.bound))
            except OSError:
                return "127.0.0.1"
            host: str = sock.getsockname()[0]
            return host
