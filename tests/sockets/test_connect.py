"""How connections come to be, and what is said when they do not: the same on the kernel's sockets and on ours."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from tests.patience import PATIENCE
from tests.sockets.conftest import Net
from tests.sockets.outcome import errno_of, until


def test_names_of_both_ends(net: Net) -> None:
    client, server = net.pair()
    assert client.getpeername() == server.getsockname()
    assert server.getpeername() == client.getsockname()
    assert client.getpeername()[0] == net.address
    assert (client.family, client.type) == (net.here.AF_INET, net.here.SOCK_STREAM)


def test_accept_blocks_until_somebody_comes(net: Net) -> None:
    listener = net.listener()
    heard = []

    def serve() -> None:
        sock, address = listener.accept()
        with sock:
            heard.append((sock.recv(10), address, sock.gettimeout()))

    task = net.spawn(serve)
    net.sleep(0.02)
    client = net.keep(net.here.create_connection(listener.getsockname()))
    client.sendall(b"hello")
    task.join()
    assert heard == [(b"hello", client.getsockname(), None)]


def test_closed_port_refuses(net: Net) -> None:
    address = net.closed_port()
    with pytest.raises(ConnectionRefusedError) as e:
        net.here.create_connection(address, PATIENCE)
    assert e.value.errno == errno.ECONNREFUSED
    assert e.value.strerror == "Connection refused"
    sock = net.keep(net.here.socket())
    assert sock.connect_ex(address) == errno.ECONNREFUSED
    # As Linux: after a refusal the same socket may try again.
    listener = net.listener()
    sock.settimeout(PATIENCE)
    sock.connect(listener.getsockname())


def test_all_errors_come_as_a_group(net: Net) -> None:
    with pytest.raises(ExceptionGroup) as e:
        net.here.create_connection(net.closed_port(), PATIENCE, all_errors=True)
    assert [type(x) for x in e.value.exceptions] == [ConnectionRefusedError]


def test_connect_again_says_so(net: Net) -> None:
    listener = net.listener()
    client = net.keep(net.here.create_connection(listener.getsockname()))
    assert errno_of(client.connect, listener.getsockname()) == errno.EISCONN
    assert client.connect_ex(listener.getsockname()) == errno.EISCONN


def test_non_blocking_connect(net: Net) -> None:
    listener = net.listener()
    sock = net.keep(net.here.socket())
    sock.setblocking(False)
    assert sock.connect_ex(listener.getsockname()) == errno.EINPROGRESS
    if net.name == "world":  # elsewhere it may be done by now
        assert sock.connect_ex(listener.getsockname()) == errno.EALREADY
    listener.accept()[0].close()
    found: list[int] = []
    until(net, lambda: found.append(sock.connect_ex(listener.getsockname())) or found[-1] != errno.EALREADY)
    assert found[-1] == 0, "the first to ask is told that it went well"
    assert sock.connect_ex(listener.getsockname()) == errno.EISCONN
    assert sock.getsockopt(net.here.SOL_SOCKET, net.here.SO_ERROR) == 0
    assert sock.getpeername() == listener.getsockname()


@pytest.mark.parametrize("net", ["world"], indirect=True)
def test_nobody_answers(net: Net) -> None:
    """Within the timeout nothing is known; after three unanswered ARP requests it is."""
    world, nowhere = net.here.engine.world, ("10.0.0.77", 80)
    with pytest.raises(TimeoutError, match="timed out"):
        net.here.create_connection(nowhere, 0.5)
    assert world.now() == 0.5
    sock = net.keep(net.here.socket())
    sock.settimeout(0.5)
    assert sock.connect_ex(nowhere) == errno.EAGAIN
    world.sleep(10)
    began = world.now()
    with pytest.raises(OSError, match="No route to host") as e:
        net.here.create_connection(nowhere)
    assert e.value.errno == errno.EHOSTUNREACH
    assert world.now() - began == pytest.approx(3.0)


def test_a_refused_connect_leaves_no_address(net: Net) -> None:
    for again in ("connect", "bind", "listen"):
        sock = net.keep(net.here.socket())
        with pytest.raises(ConnectionRefusedError):
            sock.connect(("127.0.0.1", 1))
        assert sock.getsockname()[0] == "0.0.0.0"
        if again == "connect":
            sock.connect(net.listener().getsockname())
        elif again == "listen":
            sock.bind(("127.0.0.1", 0))
            sock.listen()
        else:
            sock.bind(("127.0.0.1", 0))
            assert sock.getsockname()[0] == "127.0.0.1"


def test_non_blocking_connect_that_is_refused(net: Net) -> None:
    sock = net.keep(net.here.socket())
    sock.setblocking(False)
    address = net.closed_port()
    with pytest.raises(BlockingIOError) as e:
        sock.connect(address)
    assert e.value.errno == errno.EINPROGRESS
    found: list[int] = []
    until(net, lambda: found.append(sock.getsockopt(net.here.SOL_SOCKET, net.here.SO_ERROR)) or found[-1])
    assert found[-1] == errno.ECONNREFUSED
    assert sock.getsockopt(net.here.SOL_SOCKET, net.here.SO_ERROR) == 0, "asking clears it"


def test_bind_in_use(net: Net) -> None:
    listener = net.listener()
    other = net.keep(net.there.socket())
    assert errno_of(other.bind, listener.getsockname()) == errno.EADDRINUSE
    with pytest.raises(OSError, match="while attempting to bind on address") as e:
        net.there.create_server(listener.getsockname())
    assert e.value.errno == errno.EADDRINUSE


def test_bind_to_what_is_not_ours(net: Net) -> None:
    sock = net.keep(net.there.socket())
    assert errno_of(sock.bind, ("203.0.113.7", 0)) == errno.EADDRNOTAVAIL
    sock.bind((net.address, 0))
    assert errno_of(sock.bind, (net.address, 0)) == errno.EINVAL


def test_listen_gives_a_port(net: Net) -> None:
    sock = net.keep(net.there.socket())
    sock.listen()
    assert sock.getsockname()[0] == "0.0.0.0" and sock.getsockname()[1] > 0
    assert sock.getsockopt(net.there.SOL_SOCKET, net.there.SO_ACCEPTCONN) == 1
    client, _ = net.pair()
    assert errno_of(client.listen) == errno.EINVAL


def test_source_address(net: Net) -> None:
    listener = net.listener()
    mine = net.keep(net.here.socket())
    mine.bind(("", 0))
    port = mine.getsockname()[1]
    mine.close()
    client = net.keep(net.here.create_connection(listener.getsockname(), PATIENCE, ("", port)))
    assert client.getsockname()[1] == port
    assert net.keep(listener.accept()[0]).getpeername() == client.getsockname()


@pytest.mark.parametrize(
    ("address", "failure", "text"),
    [
        ("10.0.0.1", TypeError, "AF_INET address must be tuple, not str"),
        (("10.0.0.1",), TypeError, "AF_INET address must be a pair"),
        (("10.0.0.1", "80"), TypeError, "cannot be interpreted as an integer"),
        (("10.0.0.1", 65536), OverflowError, r"connect\(\): port must be 0-65535\."),
        ((None, 80), TypeError, "str, bytes or bytearray expected|"),
    ],
)
def test_wrong_addresses(net: Net, address: Any, failure: type[Exception], text: str) -> None:
    sock = net.keep(net.here.socket())
    with pytest.raises(failure, match=text):
        sock.connect(address)


def test_many_connections_at_once(net: Net) -> None:
    listener = net.listener(backlog=100)

    def serve() -> None:
        for _ in range(40):
            sock, _ = listener.accept()
            with sock:
                sock.sendall(sock.recv(100))

    task = net.spawn(serve)
    clients = [net.keep(net.here.create_connection(listener.getsockname(), PATIENCE)) for _ in range(40)]
    for number, client in enumerate(clients):
        client.sendall(str(number).encode())
    assert [client.recv(100) for client in clients] == [str(n).encode() for n in range(40)]
    task.join()


# --- an attempt under way


def connecting(net: Net) -> tuple[Any, Any]:
    """(socket, address) of an attempt that nobody answers: the listener's queue is full."""
    listener = net.listener(backlog=0)
    address = listener.getsockname()
    net.keep(net.here.create_connection(address, 5))
    sock = net.keep(net.here.socket())
    sock.setblocking(False)
    assert sock.connect_ex(address) == errno.EINPROGRESS
    return sock, address


def test_an_attempt_is_under_way(net: Net) -> None:
    sock, address = connecting(net)
    assert sock.connect_ex(address) == errno.EALREADY
    assert sock.getsockopt(net.here.SOL_SOCKET, net.here.SO_ERROR) == 0


@pytest.mark.parametrize("how", ["SHUT_RD", "SHUT_WR", "SHUT_RDWR"])
def test_shutdown_ends_the_attempt(net: Net, how: str) -> None:
    sock, _ = connecting(net)
    sock.shutdown(getattr(net.here, how))
    assert sock.getsockopt(net.here.SOL_SOCKET, net.here.SO_ERROR) == errno.ECONNRESET
    assert errno_of(sock.getpeername) == errno.ENOTCONN


def test_shutdown_wakes_a_connect(net: Net) -> None:
    _, address = connecting(net)
    sock = net.keep(net.here.socket())
    found: list[int] = []
    task = net.spawn(lambda: found.append(sock.connect_ex(address)))

    def is_connecting() -> bool:
        try:
            sock.shutdown(net.here.SHUT_RDWR)
        except OSError as e:
            assert e.errno == errno.ENOTCONN
            return False
        return True

    until(net, is_connecting)
    task.join()
    assert found == [errno.ECONNRESET]


def test_an_error_that_was_taken_makes_no_connection(net: Net) -> None:
    """As Linux: the attempt that SO_ERROR has told the end of was aborted, and the next call is a new one."""
    address = net.closed_port()
    sock = net.keep(net.here.socket())
    sock.setblocking(False)
    assert sock.connect_ex(address) in (errno.EINPROGRESS, errno.ECONNREFUSED)
    until(net, lambda: sock.getsockopt(net.here.SOL_SOCKET, net.here.SO_ERROR) == errno.ECONNREFUSED)
    assert sock.connect_ex(address) == errno.ECONNABORTED
    assert sock.connect_ex(address) == errno.EINPROGRESS
