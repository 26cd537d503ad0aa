"""dhcp (RFC 2131 4.3, RFC 2132): addresses from a pool, leased, with the options that a network needs.

One subnet, on the link that the server's own address is on; relays are not answered. Whom to give what, `pool`
decides. A client without an address is answered by broadcast whether it asks for that or not, because the sockets API
cannot send to a hardware address (RFC 2131 4.1 allows it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.dhcp.pool import Network, Pool, Reply
from services.service import DATAGRAMS, RECEIVE, Address, Service
from stack.wire import dhcpv4
from stack.wire.address import ANY4, format_ip
from stack.wire.dhcpv4 import ACK, BOOTREPLY, BOOTREQUEST, CLIENT_PORT, NAK, SERVER_PORT, Dhcp
from stack.wire.drop import WireError

if TYPE_CHECKING:
    from services.loop import Loop

EVERYBODY = "255.255.255.255"


class DhcpServer(Service):
    name = "dhcp"
    port = SERVER_PORT
    text = "gives out addresses (RFC 2131)"
    takes = "ADDRESS/LENGTH[,pool=A-B,lease=S,router=A,dns=A,domain=D,mtu=N]"
    exposes = "addresses of your network, and itself as router and name server, to everybody on the link"

    def __init__(self, loop: Loop, address: str = "", port: int | None = None, setting: str = "") -> None:
        """`setting` is what it gives, as `Network.parse` has it. Raises ValueError, OSError."""
        self.pool = Pool(Network.parse(setting or address))
        self._sender: Any = None
        super().__init__(loop, format_ip(self.pool.network.address), port)

    def _open(self, port: int) -> None:
        socket = self.loop.socket
        datagrams = self._datagrams = self._socket()
        datagrams.bind(("", port))  # fails if anybody has the port; only we may share it, from here on
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bound = datagrams.getsockname()[1]
        self.loop.watch(datagrams, self.loop.READ, self._on_broadcasts)
        # Bound to our address it finds the right link for a broadcast, which a route may not know, and what is sent to
        # that address comes in here. On the loopback of a test there is no such address, and no need.
        sender = self._socket()
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sender.bind((format_ip(self.pool.network.address), self.bound))
        except OSError:
            sender.close()
            if port == SERVER_PORT:
                raise
        else:
            self._sender = sender
            self.loop.watch(sender, self.loop.READ, self._on_unicasts)

    def _socket(self) -> Any:
        socket = self.loop.socket
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setblocking(False)
        return sock

    def _on_broadcasts(self, mask: int) -> None:
        self._receive(self._datagrams)

    def _on_unicasts(self, mask: int) -> None:
        self._receive(self._sender)

    def close(self) -> None:
        super().close()
        if self._sender is not None:
            self.loop.forget(self._sender)
            self._sender.close()
            self._sender = None

    def _receive(self, sock: Any) -> None:
        for _ in range(DATAGRAMS):
            try:
                data, source = sock.recvfrom(RECEIVE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an error about something sent before
            self.bytes_in += len(data)
            self._on_message(data, source[:2])

    def _on_message(self, data: bytes, source: Address) -> None:
        try:
            message = dhcpv4.parse(data)
        except WireError:
            self.refused += 1
            return
        if message.op != BOOTREQUEST or message.giaddr != ANY4:
            self.refused += 1
            return
        options = dhcpv4.parse_options(message)
        reply = self.pool.reply_to(message, options, self.loop.now())
        if reply is None:
            return
        # RFC 2131 4.1: to the client port, unless this is a test on ports of its own.
        port = CLIENT_PORT if self.bound == SERVER_PORT else source[1]
        encoded = self._encoded(message, reply)
        try:
            self.bytes_out += (self._sender or self._datagrams).sendto(
                encoded, (self._whom(message, reply, source), port)
            )
            self.datagrams += 1
        except OSError:
            pass  # datagrams get lost

    def _whom(self, message: Dhcp, reply: Reply, source: Address) -> str:
        """RFC 2131 4.1: a NAK to everybody; else to the address that the client has; else to everybody."""
        if self._sender is None:
            return source[0]
        if message.ciaddr != ANY4 and reply.options.message_type != NAK:
            return format_ip(message.ciaddr)
        return EVERYBODY

    @staticmethod
    def _encoded(message: Dhcp, reply: Reply) -> bytes:
        is_ack = reply.options.message_type == ACK  # RFC 2131 4.3.1, table 3
        return dhcpv4.emit(
            BOOTREPLY, message.xid, message.hardware, reply.options, flags=message.flags,
            ciaddr=message.ciaddr if is_ack else ANY4, yiaddr=reply.yiaddr,
        )  # fmt: skip

    @property
    def ports(self) -> str:
        return f"{self.bound}/udp"

    def counts(self) -> str:
        """'2 leases (192.168.1.128 02:... alice, ...), 4 datagrams answered'"""
        leases = self.pool.bound(self.loop.now())
        who = ", ".join(map(repr, leases[:3])) + (", ..." if len(leases) > 3 else "")
        now = f"{len(leases)} lease{'' if len(leases) == 1 else 's'}" + (f" ({who})" if who else "")
        refused = f", {self.refused} refused" if self.refused else ""
        return f"{now}, {self.datagrams} datagrams answered{refused}"
