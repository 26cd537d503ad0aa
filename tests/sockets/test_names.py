"""Names and addresses without a name server: literals and localhost, in libc's words."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from stack.sim import World
from stack.socket import SocketModule
from stack.sockets.addresses import Resolved


@pytest.fixture
def ours() -> Iterator[SocketModule]:
    with World() as world:
        yield SocketModule(world.host("10.0.0.1/24"))


QUESTIONS: list[tuple[Any, ...]] = [
    ("127.0.0.1", 80),
    ("127.0.0.1", "80"),
    ("127.0.0.1", None),
    (b"127.0.0.1", b"80"),
    ("10.1", 80),
    ("0x7f.1", 80),
    ("127.0.0.1", 80, socket.AF_INET, socket.SOCK_STREAM),
    ("127.0.0.1", 80, 0, socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    ("127.0.0.1", 80, 0, socket.SOCK_STREAM, 0, socket.AI_CANONNAME),
    ("::1", 80, 0, socket.SOCK_STREAM),
    (None, 80, socket.AF_INET, socket.SOCK_STREAM),
    (None, 80, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_PASSIVE),
    ("localhost", 80, socket.AF_INET),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=repr)
def test_as_the_standard_library(ours: Any, question: tuple[Any, ...]) -> None:
    assert ours.getaddrinfo(*question) == socket.getaddrinfo(*question)


WRONG: list[tuple[Any, ...]] = [
    ("127.0.0.1", 80, socket.AF_INET6),
    ("::1", 80, socket.AF_INET),
    ("127.0.0.1", "nosuchservice"),
    ("nosuch.invalid", 80, 0, 0, 0, socket.AI_NUMERICHOST),
    ("localhost", 80, 0, 0, 0, socket.AI_NUMERICHOST),
    ("127.0.0.1", 80, 0, socket.SOCK_STREAM, socket.IPPROTO_UDP),
    ("127.0.0.1", 80, 77),
]


@pytest.mark.parametrize("question", WRONG, ids=repr)
def test_wrong_as_the_standard_library(ours: Any, question: tuple[Any, ...]) -> None:
    with pytest.raises(socket.gaierror) as theirs:
        socket.getaddrinfo(*question)
    with pytest.raises(socket.gaierror) as ourselves:
        ours.getaddrinfo(*question)
    assert ourselves.value.args == theirs.value.args


def test_localhost_in_all_its_spellings(ours: Any) -> None:
    for name in ("localhost", "LOCALHOST", "localhost.", "box.localhost", b"localhost"):
        (info,) = ours.getaddrinfo(name, 80, 0, ours.SOCK_STREAM)
        assert info[4] == ("127.0.0.1", 80)
    assert ours.gethostbyname("localhost") == "127.0.0.1"
    assert ours.gethostbyname_ex("localhost") == ("localhost", [], ["127.0.0.1"])


@pytest.mark.parametrize("name", ["nosuch.invalid", "a" * 64 + ".example", "x..y"])
def test_nobody_to_ask(ours: Any, name: str) -> None:
    with pytest.raises(socket.gaierror) as e:
        ours.create_connection((name, 80))
    assert e.value.args in (
        (socket.EAI_AGAIN, "Temporary failure in name resolution"),
        (socket.EAI_NONAME, "Name or service not known"),
    )
    with ours.socket() as sock, pytest.raises(socket.gaierror):
        sock.connect_ex((name, 80))


def test_a_resolver_plugs_in(ours: Any) -> None:
    asked = []
    addresses = [(socket.AF_INET, "10.0.0.1"), (socket.AF_INET, "10.0.0.9")]

    class Book:
        def forward(self, name: str, family: int) -> Resolved:
            asked.append((name, family))
            return Resolved("box.example", [name], addresses if name == "host.example" else [])

        def reverse(self, literal: str) -> Resolved | None:
            return Resolved("box.example", ["host.example"], []) if literal == "10.0.0.9" else None

    ours.names.resolver = Book()
    infos = ours.getaddrinfo("host.example", 80, 0, ours.SOCK_STREAM)
    assert [info[4] for info in infos] == [("10.0.0.1", 80), ("10.0.0.9", 80)]
    assert asked == [("host.example", 0)]
    with ours.socket(ours.AF_INET, ours.SOCK_DGRAM) as sock:
        sock.connect(("host.example", 7))
        assert sock.getpeername() == ("10.0.0.1", 7)
    with pytest.raises(socket.gaierror, match="Name or service not known"):
        ours.getaddrinfo("other.example", 80)
    ours.getaddrinfo("10.0.0.2", 80)
    assert len(asked) == 3, "nobody is asked about a literal"
    (info,) = ours.getaddrinfo("host.example", 80, 0, ours.SOCK_STREAM, 0, ours.AI_CANONNAME)[:1]
    assert info[3] == "box.example"
    both = ["10.0.0.1", "10.0.0.9"]
    assert ours.gethostbyname_ex("host.example") == ("box.example", ["host.example"], both)
    assert ours.gethostbyname_ex("10.0.0.2") == ("10.0.0.2", [], ["10.0.0.2"])
    assert ours.gethostbyaddr("10.0.0.9") == ("box.example", ["host.example"], ["10.0.0.9"])
    assert ours.getfqdn("host.example") == "host.example"  # its first address has no name
    assert ours.getnameinfo(("10.0.0.9", 80), 0) == ("box.example", "http")
    assert ours.getnameinfo(("10.0.0.8", 80), 0) == ("10.0.0.8", "http")


def test_backwards(ours: Any) -> None:
    assert ours.getnameinfo(("127.0.0.1", 80), 0) == ("localhost", "http")
    assert ours.getnameinfo(("10.0.0.7", 80), ours.NI_NUMERICSERV) == ("10.0.0.7", "80")
    assert ours.getnameinfo(("127.0.0.1", 53), ours.NI_NUMERICHOST | ours.NI_DGRAM) == ("127.0.0.1", "domain")
    with pytest.raises(socket.gaierror):
        ours.getnameinfo(("10.0.0.7", 80), ours.NI_NAMEREQD)
    assert ours.gethostbyaddr("127.0.0.1") == ("localhost", [], ["127.0.0.1"])
    with pytest.raises(socket.herror, match="Unknown host"):
        ours.gethostbyaddr("10.0.0.7")
    assert ours.getfqdn("10.0.0.7") == "10.0.0.7"
    assert ours.getfqdn() == ours.gethostname() == "glasstack"


def test_interfaces(ours: Any) -> None:
    assert ours.if_nameindex() == [(1, "lo"), (2, "eth0")]
    assert ours.if_nametoindex("eth0") == 2 and ours.if_indextoname(1) == "lo"
    for call, what in ((ours.if_nametoindex, "eth9"), (ours.if_indextoname, 9)):
        with pytest.raises(OSError):
            call(what)


def test_names_of_the_library_are_there(ours: Any) -> None:
    """Whatever `socket` offers on this platform for IPv4, minus what needs a kernel's descriptor."""
    missing = {name for name in socket.__all__ if not hasattr(ours, name)}
    kernels = {"CAPI", "SocketType", "dup", "recv_fds", "send_fds", "sethostname"}
    others = ("CAN_", "BT", "BDADDR_", "HCI_", "NETLINK_", "TIPC_", "VM", "J1939_", "HV_", "LOCAL_", "PF_", "ALG_",
                "ETH_", "ETHERTYPE_", "PACKET_", "RDS_", "SCM_", "IOCTL_", "UDPLITE_")  # fmt: skip
    assert {n for n in missing - kernels if not n.startswith(others)} == set()
    for shared in ("gaierror", "timeout", "error", "AF_INET", "inet_aton", "socketpair"):
        assert getattr(ours, shared) is getattr(socket, shared)
    star = {name: getattr(ours, name) for name in ours.__all__}
    assert {"socket", "AF_INET", "create_connection", "timeout"} <= set(star)
    assert not {"engine", "socket_of"} & set(star)
