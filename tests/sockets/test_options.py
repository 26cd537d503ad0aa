"""Options, kinds of socket and what each refuses, the same on the kernel's sockets and on ours."""

from __future__ import annotations

import errno
import pickle
import struct
from decimal import Decimal
from typing import Any

import pytest

from tests.sockets.conftest import Net
from tests.sockets.outcome import errno_of


def test_flags(net: Net) -> None:
    sock = net.keep(net.here.socket())
    so, tcp = net.here.SOL_SOCKET, net.here.IPPROTO_TCP
    for level, name in ((so, "SO_REUSEADDR"), (so, "SO_BROADCAST"), (so, "SO_KEEPALIVE"), (tcp, "TCP_NODELAY")):
        option = getattr(net.here, name)
        assert sock.getsockopt(level, option) == 0
        sock.setsockopt(level, option, 7)
        assert sock.getsockopt(level, option) == 1
        assert sock.getsockopt(level, option, 4) == struct.pack("i", 1)
        sock.setsockopt(level, option, struct.pack("i", 0))
        assert sock.getsockopt(level, option) == 0


def test_what_it_is(net: Net) -> None:
    for kind, proto in ((net.here.SOCK_STREAM, net.here.IPPROTO_TCP), (net.here.SOCK_DGRAM, net.here.IPPROTO_UDP)):
        with net.here.socket(net.here.AF_INET, kind, proto) as sock:
            so = net.here.SOL_SOCKET
            assert sock.getsockopt(so, net.here.SO_TYPE) == kind
            assert sock.getsockopt(so, net.here.SO_PROTOCOL) == proto == sock.proto
            assert sock.getsockopt(so, net.here.SO_DOMAIN) == net.here.AF_INET
            assert sock.getsockopt(so, net.here.SO_ACCEPTCONN) == 0
            assert errno_of(sock.setsockopt, so, net.here.SO_TYPE, 1) == errno.ENOPROTOOPT
            assert (sock.family, sock.type) == (net.here.AddressFamily.AF_INET, net.here.SocketKind(kind))


def test_the_protocol_that_was_chosen(net: Net) -> None:
    """As in Linux: the object keeps the 0 it was made with, and SO_PROTOCOL says what became of it."""
    so = net.here.SOL_SOCKET
    for kind, number in ((net.here.SOCK_STREAM, net.here.IPPROTO_TCP), (net.here.SOCK_DGRAM, net.here.IPPROTO_UDP)):
        with net.here.socket(net.here.AF_INET, kind) as sock:
            assert (sock.proto, sock.getsockopt(so, net.here.SO_PROTOCOL)) == (0, number)
            assert (sock.getsockopt(so, net.here.SO_TYPE), sock.getsockopt(so, net.here.SO_DOMAIN)) == (kind, 2)
    child = net.pair()[1]
    assert child.getsockopt(so, net.there.SO_PROTOCOL) == net.there.IPPROTO_TCP


def test_buffers(net: Net) -> None:
    sock = net.keep(net.here.socket())
    for name in ("SO_RCVBUF", "SO_SNDBUF"):
        option = getattr(net.here, name)
        sock.setsockopt(net.here.SOL_SOCKET, option, 10_000)
        assert sock.getsockopt(net.here.SOL_SOCKET, option) == 20_000, "Linux keeps twice what was asked for"
        sock.setsockopt(net.here.SOL_SOCKET, option, 0)
        assert sock.getsockopt(net.here.SOL_SOCKET, option) in (2304, 4608)


def test_ip(net: Net) -> None:
    sock = net.keep(net.here.socket(net.here.AF_INET, net.here.SOCK_DGRAM))
    ip = net.here.IPPROTO_IP
    assert sock.getsockopt(ip, net.here.IP_TTL) == 64
    sock.setsockopt(ip, net.here.IP_TTL, 3)
    assert sock.getsockopt(ip, net.here.IP_TTL) == 3
    for bad in (0, 256, -2):
        assert errno_of(sock.setsockopt, ip, net.here.IP_TTL, bad) == errno.EINVAL
    sock.setsockopt(ip, net.here.IP_TTL, -1)
    assert sock.getsockopt(ip, net.here.IP_TTL) == 64
    sock.setsockopt(ip, net.here.IP_TOS, b"\x10")
    assert sock.getsockopt(ip, net.here.IP_TOS) == 0x10
    stream = net.keep(net.here.socket())
    stream.setsockopt(ip, net.here.IP_TOS, 0x13)
    assert stream.getsockopt(ip, net.here.IP_TOS) == 0x10, "the ECN bits are TCP's"
    assert errno_of(stream.setsockopt, ip, net.here.IP_HDRINCL, 1) == errno.ENOPROTOOPT


def test_keepalive(net: Net) -> None:
    sock = net.keep(net.here.socket())
    tcp = net.here.IPPROTO_TCP
    for name, default, value in (("TCP_KEEPIDLE", 7200, 60), ("TCP_KEEPINTVL", 75, 5), ("TCP_KEEPCNT", 9, 3)):
        option = getattr(net.here, name)
        assert sock.getsockopt(tcp, option) == default
        sock.setsockopt(tcp, option, value)
        assert sock.getsockopt(tcp, option) == value
        assert errno_of(sock.setsockopt, tcp, option, 0) == errno.EINVAL
    sock.setsockopt(tcp, net.here.TCP_USER_TIMEOUT, 1500)
    assert sock.getsockopt(tcp, net.here.TCP_USER_TIMEOUT) == 1500
    assert sock.getsockopt(tcp, net.here.TCP_MAXSEG) == 536


def test_unknown(net: Net) -> None:
    sock = net.keep(net.here.socket())
    for level in (net.here.SOL_SOCKET, net.here.IPPROTO_TCP):
        assert errno_of(sock.setsockopt, level, 999, 1) == errno.ENOPROTOOPT
        assert errno_of(sock.getsockopt, level, 999) == errno.ENOPROTOOPT
    udp = net.keep(net.here.socket(net.here.AF_INET, net.here.SOCK_DGRAM))
    assert errno_of(udp.setsockopt, net.here.IPPROTO_TCP, net.here.TCP_NODELAY, 1) == errno.ENOPROTOOPT
    assert errno_of(sock.setsockopt, net.here.SOL_SOCKET, net.here.SO_LINGER, 1) == errno.EINVAL


@pytest.mark.parametrize(
    ("family", "kind", "proto", "number"),
    [
        ("AF_INET", "SOCK_STREAM", 17, errno.EPROTONOSUPPORT),
        ("AF_INET", "SOCK_DGRAM", 6, errno.EPROTONOSUPPORT),
        ("AF_INET", "SOCK_SEQPACKET", 0, errno.ESOCKTNOSUPPORT),
        ("AF_APPLETALK", "SOCK_STREAM", 0, errno.EAFNOSUPPORT),
    ],
)
def test_kinds_that_are_not(net: Net, family: str, kind: str, proto: int, number: int) -> None:
    assert errno_of(net.here.socket, getattr(net.here, family), getattr(net.here, kind), proto) == number


@pytest.mark.parametrize("net", ["world"], indirect=True)
def test_no_ipv6_yet(net: Net) -> None:
    assert errno_of(net.here.socket, net.here.AF_INET6) == errno.EAFNOSUPPORT
    assert not net.here.has_ipv6 and not net.here.has_dualstack_ipv6()
    for options in ({"dualstack_ipv6": True}, {"reuse_port": True}):
        with pytest.raises(ValueError):
            net.there.create_server((net.address, 0), **options)


def test_default_timeout(net: Net) -> None:
    assert net.here.getdefaulttimeout() is None
    net.here.setdefaulttimeout(3)
    try:
        with net.here.socket() as sock:
            assert sock.gettimeout() == sock.timeout == 3.0
            sock.setblocking(True)
            assert sock.gettimeout() is None and sock.getblocking()
        with net.here.socket(type=net.here.SOCK_STREAM | net.here.SOCK_NONBLOCK) as sock:
            assert sock.gettimeout() == 0.0 and sock.type == net.here.SOCK_STREAM
    finally:
        net.here.setdefaulttimeout(None)
    with pytest.raises(ValueError):
        net.here.setdefaulttimeout(-1)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (float("nan"), ValueError),
        (-1, ValueError),
        (-0.001, ValueError),
        (float("inf"), OverflowError),
        (float("-inf"), OverflowError),
        (1e300, OverflowError),
        (-1e300, OverflowError),
        (9_223_372_037, OverflowError),
        (1 << 80, OverflowError),
        ("1", TypeError),
        (b"1", TypeError),
        (Decimal(1), TypeError),
        ([], TypeError),
    ],
)
def test_timeouts_that_are_none(net: Net, value: Any, kind: type[Exception]) -> None:
    with net.here.socket() as sock:
        sock.settimeout(3)
        for call in (sock.settimeout, net.here.setdefaulttimeout):
            with pytest.raises(kind) as e:
                call(value)
            assert type(e.value) is kind
        assert (sock.gettimeout(), net.here.getdefaulttimeout()) == (3.0, None), "nothing has changed"


def test_timeouts_of_every_kind(net: Net) -> None:
    with net.here.socket() as sock:
        for value, seconds in (
            (True, 1.0),
            (9_223_372_036, 9_223_372_036.0),
            (0, 0.0),
            (-0.0, 0.0),
            (0.25, 0.25),
            (None, None),
        ):
            sock.settimeout(value)
            assert sock.gettimeout() == seconds


def test_odds_and_ends(net: Net) -> None:
    sock = net.keep(net.here.socket())
    assert sock.get_inheritable() is False
    sock.set_inheritable(False)
    with pytest.raises(TypeError):
        pickle.dumps(sock)
    with sock as same:
        assert same is sock
    assert errno_of(sock.getsockopt, net.here.SOL_SOCKET, net.here.SO_ERROR) == errno.EBADF


def test_accepted_sockets_inherit_options(net: Net) -> None:
    listener = net.listener()
    listener.setsockopt(net.there.IPPROTO_TCP, net.there.TCP_NODELAY, 1)
    net.keep(net.here.create_connection(listener.getsockname(), 10))
    child: Any = net.keep(listener.accept()[0])
    assert child.getsockopt(net.there.IPPROTO_TCP, net.there.TCP_NODELAY) == 1
