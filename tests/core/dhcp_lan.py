"""A LAN in virtual time with a host that wants an address and a DHCP server that does what its script says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from stack.autoconf.dhcpv4 import Client
from stack.autoconf.lease import Known
from stack.sim import SimEngine, World
from stack.socket import SocketModule
from stack.wire import dhcpv4, ethernet, ipv4, udp
from stack.wire.address import parse_ip
from stack.wire.dhcpv4 import ACK, BOOTREPLY, NAK, OFFER, Dhcp
from stack.wire.dhcpv4_options import MESSAGE_TYPES, Options

MASK = parse_ip("255.255.255.0")
SERVER = parse_ip("10.0.0.1")
GIVEN = parse_ip("10.0.0.50")


class Heard(NamedTuple):
    """What the server got, when and from whom."""

    at: float
    kind: str
    message: Dhcp
    options: Options
    source: str


class Reply(NamedTuple):
    kind: int
    options: Options
    yiaddr: bytes
    to: str = "255.255.255.255"
    changes: dict[str, Any] = {}  # noqa: RUF012 - of emit's arguments


Script = Callable[[Heard], list[Reply]]


def giving(address: str, server: str = "10.0.0.1", lease: int = 3600, **more: Any) -> Script:
    """A server as it should be: it offers and acknowledges one address."""
    options = Options(subnet_mask=MASK, server_id=parse_ip(server), lease_time=lease)._replace(**more)

    def script(heard: Heard) -> list[Reply]:
        kind = {"DISCOVER": OFFER, "REQUEST": ACK}.get(heard.kind)
        for_whom = heard.options.server_id
        if kind is None or (for_whom is not None and for_whom != options.server_id):
            return []
        return [Reply(kind, options._replace(message_type=kind), parse_ip(address))]

    return script


def silent(heard: Heard) -> list[Reply]:
    return []


def refusing(heard: Heard) -> list[Reply]:
    """Offers, and then takes it back."""
    (reply,) = giving("10.0.0.50")(heard)
    if heard.kind == "REQUEST":
        reply = Reply(NAK, Options(message_type=NAK, server_id=parse_ip("10.0.0.1"), message="not today"), bytes(4))
    return [reply]


class Server:
    """A DHCP server on a host's own sockets, in a thread of the World's."""

    def __init__(self, host: SimEngine, script: Script) -> None:
        self.host = host
        self.script = script
        self.heard: list[Heard] = []
        host.spawn(self._serve, name="dhcp server")

    def _serve(self) -> None:
        socket = SocketModule(self.host)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.bind(("", 67))
        while True:
            try:
                data, source = sock.recvfrom(2000)
            except OSError:
                return  # the World is closed
            message = dhcpv4.parse(data)
            options = dhcpv4.parse_options(message)
            heard = Heard(self.host.now(), MESSAGE_TYPES[options.message_type or 0], message, options, source[0])
            self.heard.append(heard)
            for reply in self.script(heard):
                sock.sendto(encoded(heard.message, reply), (reply.to, 68))

    def kinds(self) -> list[str]:
        return [heard.kind for heard in self.heard]


def encoded(request: Dhcp, reply: Reply) -> bytes:
    arguments: dict[str, Any] = {"op": BOOTREPLY, "xid": request.xid, "hardware": request.hardware, **reply.changes}
    return dhcpv4.emit(
        arguments.pop("op"), arguments.pop("xid"), arguments.pop("hardware"), reply.options,
        **{"yiaddr": reply.yiaddr, **arguments},
    )  # fmt: skip


class Lan:
    """`node` has no address; `server` is 10.0.0.1. Settings are the node's."""

    def __init__(self, script: Script = silent, seed: int = 1, **settings: Any) -> None:
        self.world = World(seed=seed)
        self.cable = self.world.cable(delay=0.0005)
        self.node = self.world.host(**{"acd_probe_num": 2, **settings})
        self.server = Server(self.world.host("10.0.0.1/24"), script)
        self.events: list[tuple[float, Any]] = []
        self.node.stack.observers.append(self)

    def __enter__(self) -> Lan:
        return self

    def __exit__(self, *exc: object) -> None:
        self.world.close()

    def on_frame(self, *frame: Any) -> None:
        pass

    def on_event(self, event: Any, now: float) -> None:
        self.events.append((now, event))

    def another(self, script: Script, address: str = "10.0.0.2/24") -> Server:
        return Server(self.world.host(address), script)

    def start(self, known: Known | None = None, **options: Any) -> Client:
        with self.node as node:
            return node.stack.dhcp.start(node.interface, node.now(), known=known, **options)

    def release(self) -> None:
        with self.node as node:
            node.stack.dhcp.release(node.interface, node.now())

    def sleep_until(self, at: float) -> None:
        self.world.sleep(at - self.world.now())

    def wait_for(self, client: Client, state: str, timeout: float = 1000.0) -> None:
        """Until the client is in a state; AssertionError if it never is."""
        with self.node:
            assert self.node.wait(lambda: client.state.value == state, timeout), client.state

    def lines(self) -> list[str]:
        """What happened to the lease, as it is printed."""
        return [str(event) for _, event in self.events if type(event).__name__.startswith("Lease")]

    def states(self) -> list[str]:
        return [event.new for _, event in self.events if type(event).__name__ == "LeaseState"]

    @property
    def addresses(self) -> list[str]:
        return [str(address) for address in self.node.interface.addresses]

    @property
    def routes(self) -> list[str]:
        return [str(route) for route in self.node.stack.routes if not route.interface.is_loopback]


def frame_to(mac: bytes, source: bytes, destination: bytes, payload: bytes) -> bytes:
    """A whole frame with a datagram from port 67 to port 68."""
    head = udp.emit(source, destination, 67, 68, payload)
    packet = ipv4.emit(source, destination, ipv4.PROTOCOL_UDP, len(head) + len(payload)) + head + payload
    return ethernet.emit(mac, b"\x02\0\0\0\0\x99", ethernet.ETHERTYPE_IPV4) + packet
