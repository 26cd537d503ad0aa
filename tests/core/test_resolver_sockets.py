"""The resolver on the node's sockets, in virtual time: what getaddrinfo says, against servers good and bad."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services import Services
from stack.resolver import NoReply, Resolver
from stack.sim import World
from stack.socket import SocketModule
from stack.wire import dns
from stack.wire.address import parse_ip
from stack.wire.dns import Message, Question, Record
from stack.wire.name import parse_name

ZONE = """\
lab. 60 SOA ns.lab. hostmaster.lab. 1 2 3 4 30
lab. NS ns.lab.
ns.lab. A 10.0.0.1
www.lab. 60 A 10.0.0.80
www.lab. 60 A 10.0.0.81
www.lab. 60 AAAA fd00::80
alias.lab. CNAME www.lab.
empty.lab. TXT nothing
away.lab. CNAME www.elsewhere.
round.lab. CNAME round.lab.
""" + "".join(f"big.lab. A 10.1.{number // 200}.{number % 200 + 1}\n" for number in range(300))
REVERSE = """\
0.0.10.in-addr.arpa. SOA ns.lab. hostmaster.lab. 1 2 3 4 30
80.0.0.10.in-addr.arpa. PTR www.lab.
80.0.0.10.in-addr.arpa. PTR web.lab.
"""


class Lan:
    """`ours` is the node's socket module; 10.0.0.1 and 10.0.0.2 are other hosts."""

    def __init__(self, tmp_path: Any, **settings: Any) -> None:
        self.world = World(seed=2)
        self.world.cable(delay=0.0005)
        self.node = self.world.host("10.0.0.9/24", **settings)
        self.hosts = [self.world.host(f"10.0.0.{number}/24") for number in (1, 2)]
        self.ours = SocketModule(self.node)
        self.queries: list[tuple[float, int, int, bytes]] = []  # when, to which host, from which port, what
        self.world.observers.append(self.on_sent)
        self.files = tmp_path

    def on_sent(self, now: float, host: Any, frame: Any) -> None:
        packet = frame.head + bytes(frame.payload)
        if host is self.node and packet[12:14] == b"\x08\x00" and packet[23] == 17 and packet[36:38] == b"\0\x35":
            self.queries.append((now, packet[33], int.from_bytes(packet[34:36], "big"), packet[42:]))

    def serve(self, number: int, zone: str) -> Any:
        path = self.files / f"{number}.zone"
        path.write_text(zone)
        module = SocketModule(self.hosts[number - 1])
        services = Services(module, module.selectors, self.hosts[number - 1].spawn)
        return services.start("dns", setting=str(path))

    def lie(self, number: int, script: Callable[[Any, bytes, Any], None], kind: int = socket.SOCK_DGRAM) -> None:
        """A server whose `script(socket, data, source)` does what it likes with each datagram, or connection."""
        host = self.hosts[number - 1]
        module = SocketModule(host)

        def datagrams() -> None:
            with module.socket(module.AF_INET, module.SOCK_DGRAM) as sock:
                sock.bind(("", 53))
                while True:
                    script(sock, *sock.recvfrom(2000))

        def connections() -> None:
            with module.create_server(("", 53)) as listener:
                while True:
                    sock, source = listener.accept()
                    with sock:
                        script(sock, sock.recv(2000), source)

        def run() -> None:
            try:
                datagrams() if kind == socket.SOCK_DGRAM else connections()
            except OSError:
                pass  # the World is closed

        host.spawn(run, name="a liar")


@pytest.fixture
def lan(tmp_path: Any) -> Iterator[Lan]:
    lan = Lan(tmp_path)
    yield lan
    lan.world.close()


def literals(infos: Any) -> list[str]:
    return [info[4][0] for info in infos]


def answer_to(data: bytes, *records: Record, flags: int = dns.RA, **changes: Any) -> bytes:
    query = dns.parse(data)
    message = Message(query.id, dns.QR | dns.RD | flags, query.questions, records)
    return dns.emit(message._replace(**changes))


def a(address: str, name: str = "www.lab.") -> Record:
    return Record(parse_name(name), dns.A, dns.IN, 60, parse_ip(address))


def gaierror(lan: Lan, name: str, family: int = 0) -> tuple[int, str]:
    with pytest.raises(socket.gaierror) as caught:
        lan.ours.getaddrinfo(name, 80, family)
    return caught.value.args  # type: ignore[return-value]


# --- what libc's functions say


def test_names_and_addresses(lan: Lan) -> None:
    lan.serve(1, ZONE)
    ours = lan.ours
    Resolver(ours, ["10.0.0.1"], ["lab"])
    for name in ("www.lab", "www", "WWW.Lab.", b"www.lab"):
        assert literals(ours.getaddrinfo(name, 80, 0, ours.SOCK_STREAM)) == ["10.0.0.80", "10.0.0.81"]
    assert literals(ours.getaddrinfo("www", 80, ours.AF_INET6, ours.SOCK_STREAM)) == ["fd00::80"]
    assert ours.gethostbyname("alias.lab") == "10.0.0.80"
    assert ours.gethostbyname_ex("alias") == ("www.lab", ["alias.lab"], ["10.0.0.80", "10.0.0.81"])
    (info, _) = ours.getaddrinfo("alias", 80, 0, ours.SOCK_STREAM, 0, ours.AI_CANONNAME)
    assert info[3] == "www.lab"
    assert ours.gethostbyname("localhost") == "127.0.0.1" and ours.gethostbyname("10.9.9.9") == "10.9.9.9"
    questions = [dns.parse(data).questions[0] for *_, data in lan.queries]
    assert [(str(q.name), q.type) for q in questions] == [("www.lab.", 1), ("www.lab.", 28), ("alias.lab.", 1)]


def test_addresses_and_their_names(lan: Lan) -> None:
    lan.serve(1, REVERSE)
    ours = lan.ours
    Resolver(ours, ["10.0.0.1"])
    assert ours.gethostbyaddr("10.0.0.80") == ("www.lab", ["web.lab"], ["10.0.0.80"])
    assert ours.getnameinfo(("10.0.0.80", 80), 0) == ("www.lab", "http")
    assert ours.getnameinfo(("10.0.0.80", 80), ours.NI_NUMERICHOST) == ("10.0.0.80", "http")
    assert ours.getnameinfo(("10.0.0.81", 80), 0) == ("10.0.0.81", "http")
    assert ours.getfqdn("10.0.0.80") == "www.lab"
    with pytest.raises(socket.herror, match="Unknown host"):
        ours.gethostbyaddr("10.0.0.81")
    assert ours.gethostbyaddr("127.0.0.1")[0] == "localhost"
    assert len(lan.queries) == 2


def test_errors_are_libc_s(lan: Lan) -> None:
    lan.serve(1, ZONE)
    Resolver(lan.ours, ["10.0.0.1"])
    assert gaierror(lan, "nosuch.lab") == (socket.EAI_NONAME, "Name or service not known")
    assert gaierror(lan, "empty.lab") == (socket.EAI_NODATA, "No address associated with hostname")
    assert gaierror(lan, "www.elsewhere") == (socket.EAI_AGAIN, "Temporary failure in name resolution")
    assert gaierror(lan, "round.lab") == (socket.EAI_NODATA, "No address associated with hostname")
    for name in ("a..b", "x" * 64, "with space", "", "ä" * 70):
        assert gaierror(lan, name) == (socket.EAI_NONAME, "Name or service not known")
    assert gaierror(lan, "www.lab", 77)[0] == socket.EAI_FAMILY
    Resolver(lan.ours, ["10.0.0.7"])
    assert gaierror(lan, "www.lab") == (socket.EAI_AGAIN, "Temporary failure in name resolution")
    Resolver(lan.ours, [])
    assert gaierror(lan, "www.lab") == (socket.EAI_AGAIN, "Temporary failure in name resolution")


def test_connect_takes_names(lan: Lan) -> None:
    lan.serve(1, ZONE)
    Resolver(lan.ours, ["10.0.0.1"])
    with lan.ours.create_connection(("ns.lab", 53), 5) as sock:
        assert sock.getpeername() == ("10.0.0.1", 53)
    with lan.ours.socket() as sock, pytest.raises(socket.gaierror):
        sock.connect(("nosuch.lab", 53))


def test_servers_and_domain_from_dhcp(lan: Lan) -> None:
    lan.serve(1, ZONE)
    module = SocketModule(lan.hosts[0])
    services = Services(module, module.selectors, lan.hosts[0].spawn)
    services.start("dhcp", setting="10.0.0.1/24 pool=10.0.0.50 domain=lab")
    node = lan.world.host()
    ours = SocketModule(node)
    resolver = Resolver(ours)
    with node:
        client = node.stack.dhcp.start(node.interface, node.now())
        assert node.wait(lambda: client.lease is not None, 10)
    assert resolver.servers == ((parse_ip("10.0.0.1"), 53),) and resolver.search == (parse_name("lab."),)
    assert ours.gethostbyname("www") == "10.0.0.80"
    with node:
        node.stack.dhcp.stop(node.interface, node.now())
    assert resolver.servers == ()


def test_answers_are_remembered_until_they_expire_or_are_forgotten(lan: Lan) -> None:
    lan.serve(1, ZONE)
    resolver = Resolver(lan.ours, ["10.0.0.1"])
    for _ in range(3):
        lan.ours.gethostbyname("www.lab")
    assert len(lan.queries) == 1
    lan.world.sleep(61)
    lan.ours.gethostbyname("www.lab")
    assert len(lan.queries) == 2
    resolver.flush()
    lan.ours.gethostbyname("www.lab")
    assert len(lan.queries) == 3
    ports = {port for _, _, port, _ in lan.queries}
    numbers = {data[:2] for *_, data in lan.queries}
    assert len(ports) == len(numbers) == 3  # RFC 5452: another port and number for each


# --- servers


def test_a_long_answer_comes_over_tcp(lan: Lan) -> None:
    server = lan.serve(1, ZONE)
    Resolver(lan.ours, ["10.0.0.1"])
    assert len(lan.ours.gethostbyname_ex("big.lab")[2]) == 300
    assert (server.served, len(lan.queries)) == (1, 1)


def test_the_next_server_when_the_first_is_silent_absent_or_refuses(lan: Lan) -> None:
    lan.serve(2, ZONE)
    Resolver(lan.ours, ["10.0.0.1", "10.0.0.2"])
    began = lan.world.now()
    assert lan.ours.gethostbyname("www.lab") == "10.0.0.80"
    assert lan.world.now() - began < 0.1  # port unreachable says so at once
    lan.lie(1, lambda sock, data, source: None)
    began = lan.world.now()
    assert lan.ours.gethostbyname("ns.lab") == "10.0.0.1"
    assert 3.0 <= lan.world.now() - began < 3.1
    assert [host for _, host, _, _ in lan.queries] == [1, 2, 1, 2]


def test_nobody_answers_at_all(lan: Lan) -> None:
    lan.lie(1, lambda sock, data, source: None)
    Resolver(lan.ours, ["10.0.0.1"])
    began = lan.world.now()
    assert gaierror(lan, "www.lab")[0] == socket.EAI_AGAIN
    assert 9.0 <= lan.world.now() - began < 9.1  # 3 s and then 6


def test_answers_that_are_forged_late_twice_or_for_others(lan: Lan) -> None:
    other = SocketModule(lan.hosts[1])

    def script(sock: Any, data: bytes, source: Any) -> None:
        forged = answer_to(data, a("6.6.6.6"))
        with other.socket(other.AF_INET, other.SOCK_DGRAM) as elsewhere:
            elsewhere.bind(("", 0))
            elsewhere.sendto(forged, source)  # from another host
        with SocketModule(lan.hosts[0]).socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
            port.sendto(forged, source)  # from another port
        number = int.from_bytes(data[:2], "big")
        sock.sendto(answer_to(data, a("6.6.6.6"), id=number ^ 1), source)
        wrong = (Question(parse_name("other.lab."), dns.A),)
        sock.sendto(answer_to(data, a("6.6.6.6"), questions=wrong), source)
        sock.sendto(data, source)  # the query itself
        sock.sendto(b"garbage", source)
        sock.sendto(answer_to(data, a("10.0.0.80")), source)
        sock.sendto(answer_to(data, a("6.6.6.6")), source)

    lan.lie(1, script)
    Resolver(lan.ours, ["10.0.0.1"])
    for _ in range(2):
        assert lan.ours.gethostbyname("www.lab") == "10.0.0.80"
    assert len(lan.queries) == 1


@pytest.mark.parametrize(
    "cut", [lambda reply: reply[:-1], lambda reply: reply + b"x", lambda reply: reply[:7] + b"\x09" + reply[8:]]
)
def test_a_server_that_lies_about_lengths(lan: Lan, cut: Any) -> None:
    lan.lie(1, lambda sock, data, source: sock.sendto(cut(answer_to(data, a("6.6.6.6"))), source))
    lan.serve(2, ZONE)
    Resolver(lan.ours, ["10.0.0.1", "10.0.0.2"])
    assert lan.ours.gethostbyname("www.lab") == "10.0.0.80"


def test_a_name_that_points_at_itself(lan: Lan) -> None:
    def script(sock: Any, data: bytes, source: Any) -> None:
        looped = data[:2] + b"\x81\x80" + data[4:6] + b"\0\1\0\0\0\0" + data[12:25] + b"\xc0\x19" + bytes(14)
        sock.sendto(looped, source)

    lan.lie(1, script)
    resolver = Resolver(lan.ours, ["10.0.0.1"])
    with pytest.raises(NoReply) as caught:
        resolver.query(parse_name("www.lab."), attempts=1)
    assert str(caught.value) == "10.0.0.1:53: malformed DNS name"


TRUNCATED = dns.RA | dns.TC


@pytest.mark.parametrize(
    "over_tcp, why",
    [
        (lambda sock, data: None, "end of file"),
        (lambda sock, data: sock.sendall(b"\x10\x00abc"), "end of file"),
        (lambda sock, data: sock.sendall(b"\0"), "end of file"),
        (lambda sock, data: sock.sendall(b"\0\0"), "answered something else"),
        (lambda sock, data: sock.sendall(b"\0\x0c" + bytes(12)), "answered something else"),
        (lambda sock, data: (sock.sendall(b"\x10\x00abc"), sock.recv(1)), "timed out"),
    ],
)
def test_a_server_whose_tcp_is_no_good(lan: Lan, over_tcp: Any, why: str) -> None:
    lan.lie(1, lambda sock, data, source: sock.sendto(answer_to(data, flags=TRUNCATED), source))
    lan.lie(1, lambda sock, data, source: over_tcp(sock, data), socket.SOCK_STREAM)
    resolver = Resolver(lan.ours, ["10.0.0.1"])
    with pytest.raises(NoReply) as caught:
        resolver.query(parse_name("www.lab."), attempts=1)
    assert [what for _, what in caught.value.failures] == ["truncated", why]


def test_edns_that_is_not_understood(lan: Lan) -> None:
    def script(sock: Any, data: bytes, source: Any) -> None:
        if dns.parse(data).edns is not None:
            sock.sendto(data[:2] + b"\x81\x81" + bytes(8), source)  # FORMERR, and nothing else
        else:
            sock.sendto(answer_to(data, a("10.0.0.80")), source)

    lan.lie(1, script)
    Resolver(lan.ours, ["10.0.0.1"])
    assert lan.ours.gethostbyname("www.lab") == "10.0.0.80"
    assert len(lan.queries) == 2


# --- the answer itself


def test_a_query_shows_what_came(lan: Lan) -> None:
    lan.serve(1, ZONE)
    resolver = Resolver(lan.ours, ["10.0.0.2", "10.0.0.1"])
    reply = resolver.query(parse_name("www.lab."), dns.A)
    assert [record.data for record in reply.message.answers] == [parse_ip("10.0.0.80"), parse_ip("10.0.0.81")]
    assert (str(reply.server), reply.is_tcp, reply.size) == ("10.0.0.1:53", False, 68)
    assert 0.001 <= reply.seconds < 0.01
    assert [(str(server), why) for server, why in reply.failures] == [("10.0.0.2:53", "connection refused")]
    refused = resolver.query(parse_name("www.elsewhere."), server="10.0.0.1", edns_size=0, is_tcp=True)
    assert (refused.message.rcode, refused.is_tcp, refused.message.edns) == (dns.REFUSED, True, None)
    nosuch = resolver.query(parse_name("nosuch.lab."), server="10.0.0.1")
    assert nosuch.message.rcode == dns.NXDOMAIN
    big = resolver.query(parse_name("big.lab."), server="10.0.0.1")
    assert big.is_tcp and len(big.message.answers) == 300 and [why for _, why in big.failures] == ["truncated"]
    with pytest.raises(NoReply, match=r"^10\.0\.0\.1:54: connection refused$"):
        resolver.query(parse_name("www.lab."), server="10.0.0.1", port=54, attempts=1)
    with pytest.raises(NoReply, match=r"^there are no name servers$"):
        Resolver(lan.ours).query(parse_name("www.lab."))
    assert resolver.query(parse_name("www.lab."), server="10.0.0.1").message.answers


def test_settings_that_make_no_sense(lan: Lan) -> None:
    for servers, search in ([["10.0.0"], []], [["ns.lab"], []], [[], ["a..b"]]):
        with pytest.raises(ValueError):
            Resolver(lan.ours, servers, search)


def test_several_threads_ask_at_once(lan: Lan) -> None:
    lan.serve(1, ZONE)
    Resolver(lan.ours, ["10.0.0.1"])
    found: list[str] = []
    tasks = [
        lan.world.spawn(lambda name=name: found.append(lan.ours.gethostbyname(name)))
        for name in ("www.lab", "ns.lab", "alias.lab") * 3
    ]
    lan.world.run()
    assert sorted(found) == ["10.0.0.1"] * 3 + ["10.0.0.80"] * 6 and len(tasks) == 9
