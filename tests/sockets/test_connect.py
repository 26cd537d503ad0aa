"""Connections that never come to be: whoever waits for one is told, on the kernel's sockets and on ours."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from tests.sockets.conftest import Net
from tests.sockets.test_stream import errno_of, until


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
    net.sleep(0.05)
    sock.shutdown(net.here.SHUT_RDWR)
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
