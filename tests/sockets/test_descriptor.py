"""`fileno()`: a real descriptor in step with readiness, for select, poll and asyncio; and none in virtual time."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import select
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from stack.sim import World
from stack.socket import SocketModule
from tests.hosts import Pair
from tests.patience import PATIENCE


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair() as there:
        yield there


def connected(pair: Pair) -> tuple[Any, Any]:
    with pair.b.create_server(("", 0)) as listener:
        client = pair.a.create_connection(("10.0.0.2", listener.getsockname()[1]), PATIENCE)
        return client, listener.accept()[0]


def test_select_sees_what_the_socket_sees(pair: Pair) -> None:
    client, server = connected(pair)
    with client, server:
        assert client.fileno() == client.fileno() > 2
        assert select.select([server], [server], [], 0) == ([], [server], [])
        client.sendall(b"x")
        assert select.select([server], [], [], PATIENCE) == ([server], [], [])
        server.recv(1)
        assert select.select([server], [], [], 0) == ([], [], []), "taking the last byte is seen at once"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                server.send(bytes(1 << 20))
        assert select.select([], [server], [], 0) == ([], [], [])
        client.setblocking(True)
        while not select.select([], [server], [], 0)[1]:
            assert client.recv(1 << 20)
    assert client.fileno() == -1


def test_poll_and_the_end(pair: Pair) -> None:
    client, server = connected(pair)
    poll = select.poll()
    poll.register(server, select.POLLIN)
    assert poll.poll(0) == []
    client.close()
    assert poll.poll(PATIENCE * 1000) == [(server.fileno(), select.POLLIN)]
    assert server.recv(1) == b""
    server.close()


def test_a_listener_and_a_failure(pair: Pair) -> None:
    with pair.b.create_server(("", 5)) as listener:
        assert select.select([listener], [], [], 0) == ([], [], [])
        client = pair.a.create_connection(("10.0.0.2", 5))
        assert select.select([listener], [], [], PATIENCE)[0] == [listener]
        listener.accept()[0].close()
        assert select.select([listener], [], [], 0)[0] == []
        client.close()
    with pair.a.socket() as sock:
        sock.setblocking(False)
        assert sock.connect_ex(("10.0.0.2", 6)) == errno.EINPROGRESS
        assert select.select([], [sock], [], PATIENCE)[1] == [sock]
        assert sock.getsockopt(pair.a.SOL_SOCKET, pair.a.SO_ERROR) == errno.ECONNREFUSED


def test_no_descriptor_until_asked(pair: Pair) -> None:
    before = len(os.listdir("/dev/fd"))
    socks = [pair.a.socket() for _ in range(50)]
    assert len(os.listdir("/dev/fd")) == before
    socks[0].fileno()
    assert len(os.listdir("/dev/fd")) == before + 2
    for sock in socks:
        sock.close()
    assert len(os.listdir("/dev/fd")) == before


def test_detach_and_take_up_again(pair: Pair) -> None:
    client, server = connected(pair)
    number = client.detach()
    assert client.fileno() == -1 and number >= 0
    with pytest.raises(OSError):
        client.send(b"x")
    again = pair.a.socket(fileno=number)
    again.sendall(b"still here")
    server.settimeout(PATIENCE)
    assert server.recv(100) == b"still here"
    assert again.fileno() == number
    with pair.a.selectors.DefaultSelector() as selector:
        assert selector.register(number, 1).fileobj == number
    pair.a.close(again.detach())
    assert server.recv(100) == b""
    with pytest.raises(OSError) as e:
        pair.a.socket(fileno=number)
    assert e.value.errno == errno.EBADF
    server.close()


def test_register_a_number(pair: Pair) -> None:
    client, server = connected(pair)
    with client, server, pair.b.selectors.DefaultSelector() as selector:
        key = selector.register(server.fileno(), pair.b.selectors.EVENT_READ)
        client.sendall(b"x")
        assert selector.select(PATIENCE) == [(key, pair.b.selectors.EVENT_READ)]


def test_asyncio(pair: Pair) -> None:
    """An asyncio client and server, both on our sockets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def main() -> None:
        listener = pair.b.create_server(("", 7))
        server = await asyncio.start_server(echo, sock=listener)
        sock: Any = pair.a.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("10.0.0.2", 7))
        reader, writer = await asyncio.open_connection(sock=sock)
        data = bytes(range(256)) * 8192

        async def send() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        assert await reader.read(-1) == data
        await sending
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(main(), 30))


def anonymous(protocol: int) -> ssl.SSLContext:
    """TLS without certificates."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context


def test_tls_over_the_descriptor_is_refused(pair: Pair) -> None:
    """An SSLSocket would speak into the descriptor, and wait for an answer for ever."""
    client, server = connected(pair)
    client.fileno()
    with client, server:
        for sock in (client, server):
            with pytest.raises(io.UnsupportedOperation, match=r"^TLS .* ssl\.MemoryBIO .*$"):
                anonymous(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(sock)
        client.sendall(b"as before")
        assert select.select([server], [], [], PATIENCE)[0] == [server]
        assert server.recv(100) == b"as before"
    context = anonymous(ssl.PROTOCOL_TLS_CLIENT)
    with (
        World() as world,
        SocketModule(world.host("10.0.0.1/24")).socket() as sock,
        pytest.raises(OSError, match="BIO"),
    ):
        context.wrap_socket(sock)


def test_tls_of_asyncio(pair: Pair) -> None:
    """It is done in memory, and the socket carries it like anything else."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello " + await reader.readline())
        writer.close()

    async def main() -> None:
        listener = pair.b.create_server(("", 7))
        server = await asyncio.start_server(greet, sock=listener, ssl=anonymous(ssl.PROTOCOL_TLS_SERVER))
        sock: Any = pair.a.create_connection(("10.0.0.2", 7))
        sock.setblocking(False)
        context = anonymous(ssl.PROTOCOL_TLS_CLIENT)
        reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname="there")
        writer.write(b"world\n")
        assert await reader.read() == b"hello world\n"
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"
        writer.close()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_none_in_virtual_time() -> None:
    with World() as world:
        module = SocketModule(world.host("10.0.0.1/24"))
        with module.socket() as sock:
            with pytest.raises(io.UnsupportedOperation):
                sock.fileno()
            with pytest.raises(io.UnsupportedOperation):
                sock.detach()
            assert "fd=" not in repr(sock)
        assert sock.fileno() == -1
