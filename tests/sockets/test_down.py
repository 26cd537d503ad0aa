"""A node that goes down: whoever waits is told so, and so is every call after it."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import select
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from apps.node import Node
from stack.sim import World
from stack.socket import SocketModule
from tests.hosts import Pair
from tests.patience import PATIENCE
from tests.sockets.outcome import errno_of
from tests.sockets.test_descriptor import connected


class Waiting:
    """A thread in a call that waits, and the errno that ends it."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.result: object = None
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], object]) -> None:
        try:
            self.result = call()
        except OSError as e:
            self.result = e.errno

    def end(self) -> object:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "stuck"
        return self.result


def test_whoever_waits_when_a_node_is_closed() -> None:
    """The goodbyes end every connection before the node is down: that is no end of the stream, and no success."""
    node = Node("10.0.0.2/24", link="sim", acd_probe_num=0)
    module = node.socket
    established = module.create_connection((node.peer, 7))
    unread = module.create_connection((node.peer, 7))
    unread.sendall(b"x")
    with module.create_server(("", 1)) as listener:
        waiting = [
            Waiting(lambda: module.create_connection(("10.0.0.77", 1))),
            Waiting(lambda: established.recv(1)),
            Waiting(listener.accept),
        ]
        with node.engine as engine:
            states = {"SYN_SENT", "ESTABLISHED"}
            connections = node.stack.tcp.connections.values()
            assert engine.wait(lambda: {c.state.name for c in connections} == states and unread.readable(), PATIENCE)
        node.close()
        assert [each.end() for each in waiting] == [errno.ENETDOWN] * 3
    for sock in (established, unread):
        for call in (lambda s=sock: s.recv(1), lambda s=sock: s.send(b"x"), lambda s=sock: s.sendall(b"x")):
            assert errno_of(call) == errno.ENETDOWN
        sock.close()


def test_every_call_on_a_host_that_is_down() -> None:
    with World() as world:
        host = world.host("10.0.0.1/24")
        here, there = SocketModule(host), SocketModule(world.host("10.0.0.2/24"))
        with there.create_server(("", 1)) as listener:
            stream = here.create_connection(("10.0.0.2", 1))
            child = listener.accept()[0]
            child.sendall(b"unread")
            world.sleep(1)
            datagrams = here.socket(here.AF_INET, here.SOCK_DGRAM)
            new, closed = here.socket(), here.socket()
            closed.close()
            stream.setsockopt(here.SOL_SOCKET, here.SO_LINGER, struct.pack("ii", 1, 5))
            host.close()
            calls: list[Callable[[], object]] = [
                lambda: stream.recv(1),
                lambda: stream.recv_into(bytearray(1)),
                lambda: stream.send(b"x"),
                lambda: stream.sendall(b"x"),
                lambda: stream.shutdown(here.SHUT_WR),
                lambda: datagrams.sendto(b"x", ("10.0.0.2", 1)),
                lambda: datagrams.recvfrom(1),
                lambda: new.connect(("10.0.0.2", 1)),
                new.listen,
                new.accept,
            ]
            assert [errno_of(call) for call in calls] == [errno.ENETDOWN] * len(calls)
            assert errno_of(closed.send, b"x") == errno.EBADF
            assert "10.0.0.1" in repr(stream)
            for sock in (stream, datagrams, new, child):
                sock.close()


def test_descriptors_of_a_node_that_goes_down() -> None:
    """select, poll and asyncio wait for nothing of ours: the descriptor must say it. Full or not, it hangs up."""
    with Pair() as pair:
        client, server = connected(pair)
        full, reader = connected(pair)
        full.setblocking(False)
        while select.select([], [full], [], 0.1)[1]:  # until the other end's buffer is full too
            with suppress(BlockingIOError):
                full.send(bytes(1 << 20))
        idle = pair.a.create_server(("", 9))
        waiting = [
            Waiting(lambda: select.select([client], [], [])[0]),
            Waiting(lambda: select.select([], [full], [])[1]),
            Waiting(lambda: select.select([idle], [], [])[0]),
        ]
        poll = select.poll()
        for sock in (client, full, idle):
            poll.register(sock, 0)
        detached = pair.a.socket().detach()

        async def receive() -> None:
            threading.Timer(0.05, pair.engines[0].close).start()
            await asyncio.get_running_loop().sock_recv(client, 1)

        client.setblocking(False)
        assert poll.poll(0) == []
        with pytest.raises(OSError) as e:
            asyncio.run(asyncio.wait_for(receive(), PATIENCE))
        assert e.value.errno == errno.ENETDOWN
        assert [each.end() for each in waiting] == [[client], [full], [idle]]
        events = poll.poll(0)
        assert len(events) == 3 and all(flags & select.POLLHUP for _, flags in events)
        for sock in (client, full, idle):
            with pytest.raises(OSError, match="Network is down"):
                sock.recv(1)
            assert select.select([sock], [], [], 0)[0] == [sock], "for ever"
        pair.a.close(detached)
        with pair.a.socket() as late:
            assert select.select([late], [late], [], 0) == ([late], [late], [])
        for sock in (client, server, full, reader, idle):
            sock.close()
        assert not pair.engines[0].at_close


@pytest.mark.filterwarnings("ignore:unclosed")
def test_sockets_dropped_after_the_end_leave_no_descriptors() -> None:
    with Pair() as pair:
        socks = [pair.a.socket() for _ in range(10)]
        numbers = [sock.fileno() for sock in socks]
        pair.engines[0].close()
        socks.clear()
        gc.collect()
        for number in numbers:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(number)
