"""What goes over a stream and how it ends, the same on the kernel's sockets and on ours."""

from __future__ import annotations

import errno
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE
from tests.sockets.conftest import Net
from tests.sockets.outcome import errno_of, until


def test_bytes_go_both_ways_and_end(net: Net) -> None:
    client, server = net.pair()
    client.sendall(b"question")
    assert server.recv(100) == b"question"
    server.sendall(b"answer")
    assert client.recv(3) == b"ans"
    assert client.recv(100) == b"wer"
    client.shutdown(net.here.SHUT_WR)
    assert server.recv(100) == b""
    assert server.recv(100) == b""
    server.sendall(b"still open this way")
    server.close()
    assert client.recv(100) == b"still open this way"
    assert client.recv(100) == b""


def test_the_end_stays_the_end_whatever_comes_of_a_write(net: Net) -> None:
    """What was written after their end draws a reset: a reader has had the end, and goes on having it."""
    client, server = net.pair()
    server.close()
    assert client.recv(1) == b""
    client.send(b"x")

    def is_reset() -> bool:
        assert client.recv(1) == b""
        try:
            client.send(b"x")
        except BrokenPipeError:
            return True
        return False

    until(net, is_reset)
    assert client.recv(1) == b""


def test_reading_shut_down_waits_for_nobody_and_loses_nothing(net: Net) -> None:
    client, server = net.pair()
    server.sendall(b"before")
    assert client.recv(100, net.here.MSG_PEEK) == b"before"
    client.shutdown(net.here.SHUT_RD)
    assert client.recv(100) == b"before" and client.recv(100) == b""
    server.sendall(b"after")
    until(net, lambda: client.recv(100, net.here.MSG_PEEK) == b"after")
    assert client.recv(100) == b"after" and client.recv(100) == b""


def test_non_blocking_says_so(net: Net) -> None:
    client, _ = net.pair()
    client.setblocking(False)
    assert client.gettimeout() == 0.0 and not client.getblocking()
    with pytest.raises(BlockingIOError) as e:
        client.recv(1)
    assert e.value.errno == errno.EAGAIN
    listener = net.listener()
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_timeout(net: Net) -> None:
    client, _ = net.pair()
    client.settimeout(0.02)
    with pytest.raises(TimeoutError) as e:
        client.recv(1)
    assert str(e.value) == "timed out" and e.value.errno is None
    listener = net.listener()
    listener.settimeout(0.02)
    with pytest.raises(TimeoutError, match="timed out"):
        listener.accept()
    with pytest.raises(ValueError, match="Timeout value out of range"):
        client.settimeout(-1)


def test_sendall_times_out_as_a_whole(net: Net) -> None:
    client, server = net.pair()
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.sendall(bytes(64 << 20))  # nobody reads
    server.settimeout(PATIENCE)
    assert server.recv(1) == b"\0"


def test_receive_timeout_option(net: Net) -> None:
    client, _ = net.pair()
    client.settimeout(None)
    client.setsockopt(net.here.SOL_SOCKET, net.here.SO_RCVTIMEO, struct.pack("ll", 0, 20_000))
    with pytest.raises(BlockingIOError):
        client.recv(1)
    assert client.getsockopt(net.here.SOL_SOCKET, net.here.SO_RCVTIMEO, 16) == struct.pack("ll", 0, 20_000)


def test_send_gives_a_short_count_when_full(net: Net) -> None:
    client, server = net.pair()
    client.setblocking(False)
    block = bytes(range(256)) * 4096
    sent = 0
    with pytest.raises(BlockingIOError):
        while True:
            sent += client.send(block)
    received = bytearray()
    while len(received) < sent:
        received += server.recv(1 << 20)
    assert bytes(received) == (block * (sent // len(block) + 1))[:sent]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_sendall_moves_megabytes(net: Net, kind: Any) -> None:
    client, server = net.pair()
    data = bytes(range(251)) * 12_000
    task = net.spawn(client.sendall, kind(data))
    received = bytearray()
    while len(received) < len(data):
        part = server.recv(1 << 20)
        assert part
        received += part
    task.join()
    assert bytes(received) == data


def test_blocking_send_takes_everything(net: Net) -> None:
    client, server = net.pair()
    client.settimeout(None)
    counts: list[int] = []
    task = net.spawn(lambda: counts.append(client.send(bytes(20 << 20))))
    left = 20 << 20
    while left:
        left -= len(server.recv(1 << 20))
    task.join()
    assert counts == [20 << 20]


def test_what_can_still_change_is_copied(net: Net) -> None:
    client, server = net.pair()
    data = bytearray(b"before")
    client.sendall(data)
    data[:] = b"after!"
    server.settimeout(None)
    assert server.recv(6, net.there.MSG_WAITALL) == b"before"


def test_recv_into(net: Net) -> None:
    client, server = net.pair()
    client.sendall(b"abcdefgh")
    buffer = bytearray(6)
    server.settimeout(None)
    assert server.recv_into(buffer, 4, net.there.MSG_WAITALL) == 4
    assert bytes(buffer) == b"abcd\0\0"
    assert server.recv_into(memoryview(buffer)[4:]) == 2
    assert bytes(buffer) == b"abcdef"
    assert server.recvfrom_into(buffer) == (2, None)
    with pytest.raises(ValueError):
        server.recv_into(buffer, 100)
    with pytest.raises(ValueError):
        server.recv_into(buffer, -1)
    with pytest.raises(ValueError):
        server.recv(-1)
    with pytest.raises(TypeError):
        server.recv_into(b"read only")


def test_peek_and_waitall(net: Net) -> None:
    client, server = net.pair()
    client.sendall(b"abc")
    assert server.recv(2, net.there.MSG_PEEK) == b"ab"
    assert server.recv(100, net.there.MSG_PEEK) == b"abc"
    assert server.recv(100, net.there.MSG_PEEK | net.there.MSG_WAITALL) == b"abc", "not where there is a timeout"
    server.settimeout(None)

    def more() -> None:
        net.sleep(0.02)
        client.sendall(b"def")
        net.sleep(0.02)
        client.sendall(b"ghi")
        client.close()

    task = net.spawn(more)
    assert server.recv(8, net.there.MSG_WAITALL) == b"abcdefgh"
    assert server.recv(8, net.there.MSG_WAITALL) == b"i", "the end ends it"
    task.join()


def test_dontwait_flag(net: Net) -> None:
    client, _ = net.pair()
    client.settimeout(0.02)
    with pytest.raises(TimeoutError):
        client.recv(1, net.here.MSG_DONTWAIT)
    client.settimeout(None)
    with pytest.raises(BlockingIOError):
        client.recv(1, net.here.MSG_DONTWAIT)


def test_messages(net: Net) -> None:
    client, server = net.pair()
    assert client.sendmsg([b"ab", bytearray(b"cd"), memoryview(b"ef")]) == 6
    data, ancillary, flags, address = server.recvmsg(100)
    assert (data, ancillary, flags & net.there.MSG_TRUNC, address) == (b"abcdef", [], 0, None)
    client.sendall(b"0123456789")
    views = [bytearray(4), bytearray(100)]
    assert server.recvmsg_into(views)[0] == 10
    assert bytes(views[0]) + bytes(views[1][:6]) == b"0123456789"


def test_zero_bytes(net: Net) -> None:
    client, server = net.pair()
    assert client.send(b"") == 0
    client.sendall(b"")
    assert server.recv(0) == b""
    client.sendall(b"x")
    assert server.recv(10) == b"x"


def test_what_is_not_connected(net: Net) -> None:
    sock = net.keep(net.here.socket())
    assert errno_of(sock.recv, 1) == errno.ENOTCONN
    assert errno_of(sock.send, b"x") == errno.EPIPE
    assert errno_of(sock.getpeername) == errno.ENOTCONN
    assert errno_of(sock.shutdown, net.here.SHUT_WR) == errno.ENOTCONN
    assert errno_of(sock.accept) == errno.EINVAL
    assert sock.getsockname() == ("0.0.0.0", 0)


def test_sending_after_shutdown(net: Net) -> None:
    client, _ = net.pair()
    client.shutdown(net.here.SHUT_WR)
    with pytest.raises(BrokenPipeError) as e:
        client.send(b"x")
    assert e.value.errno == errno.EPIPE
    assert errno_of(client.shutdown, 17) == errno.EINVAL


def test_reset_by_an_abortive_close(net: Net) -> None:
    client, server = net.pair()
    server.setsockopt(net.there.SOL_SOCKET, net.there.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    with pytest.raises(ConnectionResetError) as e:
        client.recv(1)
    assert e.value.errno == errno.ECONNRESET
    assert client.recv(1) == b"", "the error is told once"
    with pytest.raises(BrokenPipeError):
        client.send(b"x")


def test_close_with_unread_data_resets(net: Net) -> None:
    client, server = net.pair()
    client.sendall(b"never read")
    until(net, lambda: server.recv(1, net.there.MSG_PEEK))
    server.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_send_to_one_who_has_gone(net: Net) -> None:
    client, server = net.pair()
    server.close()
    assert client.recv(1) == b""
    client.send(b"first")  # draws a reset
    found: list[int | None] = []

    def fails() -> bool:
        try:
            client.send(b"more")
        except OSError as e:
            found.append(e.errno)
        return bool(found)

    until(net, fails)
    assert found[0] in (errno.ECONNRESET, errno.EPIPE)
    assert errno_of(client.send, b"again") == errno.EPIPE


def test_data_before_a_reset_can_still_be_read(net: Net) -> None:
    client, server = net.pair()
    server.sendall(b"last words")
    until(net, lambda: client.recv(1, net.here.MSG_PEEK))
    client.settimeout(PATIENCE)
    assert client.recv(100) == b"last words"


def test_close_is_the_end_and_again_nothing(net: Net) -> None:
    client, _ = net.pair()
    client.close()
    client.close()
    assert client.fileno() == -1
    assert errno_of(client.recv, 1) == errno.EBADF
    assert errno_of(client.send, b"") == errno.EBADF
    assert errno_of(client.getsockname) == errno.EBADF
    assert "[closed]" in repr(client)


def test_linger_waits_for_the_other_end(net: Net) -> None:
    client, server = net.pair()
    client.setsockopt(net.here.SOL_SOCKET, net.here.SO_LINGER, struct.pack("ii", 1, 5))
    assert client.getsockopt(net.here.SOL_SOCKET, net.here.SO_LINGER, 8) == struct.pack("ii", 1, 5)
    client.sendall(b"x" * 100_000)
    task = net.spawn(client.close)
    received = 0
    while part := server.recv(1 << 16):
        received += len(part)
    assert received == 100_000
    task.join()


@pytest.mark.parametrize("net", ["world"], indirect=True)
def test_how_long_linger_waits(net: Net) -> None:
    """Until the FIN is acknowledged, or for so many seconds; without the option not at all."""
    world, cable = net.here.engine.world, net.here.engine.world.cables[0]
    for option, loss, least, most in (((0, 0), 0.0, 0.0, 0.0), ((1, 5), 0.0, 0.99, 1.1), ((1, 5), 1.0, 4.99, 5.01)):
        client, _ = net.pair()
        client.setsockopt(net.here.SOL_SOCKET, net.here.SO_LINGER, struct.pack("ii", *option))
        cable.delay, cable.loss = 0.5, loss
        began = world.now()
        client.close()
        assert least <= world.now() - began <= most
        cable.delay, cable.loss = 0.0005, 0.0


@pytest.mark.parametrize("net", ["world"], indirect=True)
def test_a_trickle_does_not_extend_sendalls_timeout(net: Net) -> None:
    world = net.here.engine.world
    client, server = net.pair()

    def trickle() -> None:
        for _ in range(40):
            net.sleep(0.5)
            with suppress(BlockingIOError):
                server.recv(1 << 19)

    server.setblocking(False)
    task = net.spawn(trickle)
    client.settimeout(10.0)
    began = world.now()
    with pytest.raises(TimeoutError):
        client.sendall(bytes(64 << 20))
    assert world.now() - began == pytest.approx(10.0, abs=0.5)
    task.join()


def test_makefile(net: Net) -> None:
    client, server = net.pair()
    with client.makefile("rw", newline="\n", encoding="utf-8") as file:
        assert file.mode == "rw"
        file.write("näme?\n")
        file.flush()
        with server.makefile("rwb") as theirs:
            assert theirs.readline() == "näme?\n".encode()
            theirs.write(b"one\ntwo\n")
            theirs.flush()
        assert [file.readline(), file.readline()] == ["one\n", "two\n"]
    raw = client.makefile("rb", buffering=0)
    server.sendall(b"raw")
    assert raw.read(10) == b"raw"
    raw.close()
    for mode, buffering in (("x", None), ("r", 0)):
        with pytest.raises(ValueError):
            client.makefile(mode, buffering)


def test_a_file_keeps_the_connection(net: Net) -> None:
    client, server = net.pair()
    file = client.makefile("wb")
    client.close()
    file.write(b"after close")
    file.close()
    assert server.recv(100) == b"after close"
    assert server.recv(100) == b""


def test_a_file_with_a_timeout(net: Net) -> None:
    client, server = net.pair()
    client.settimeout(0.02)
    file = net.keep(client.makefile("rb"))
    with pytest.raises(TimeoutError):
        file.read(1)
    server.sendall(b"x")
    with pytest.raises(OSError, match="cannot read from timed out object"):
        file.read(1)


def test_sendfile(net: Net, tmp_path: Path) -> None:
    client, server = net.pair()
    server.settimeout(None)
    path = tmp_path / "digits"
    path.write_bytes(b"0123456789" * 1000)
    with path.open("rb") as file:
        assert client.sendfile(file, 10, 500) == 500
        assert file.tell() == 510
        assert server.recv(500, net.there.MSG_WAITALL) == b"0123456789" * 50
        with pytest.raises(ValueError, match="count must be a positive integer"):
            client.sendfile(file, 0, 0)


def test_unknown_flags_are_refused_by_ours(net: Net) -> None:
    client, _ = net.pair()
    if net.is_ours:
        assert errno_of(client.send, b"x", net.here.MSG_CTRUNC) == errno.EOPNOTSUPP
        assert errno_of(client.recv, 1, net.here.MSG_CTRUNC) == errno.EOPNOTSUPP


def test_repr(net: Net) -> None:
    client, server = net.pair()
    ends = f"laddr={client.getsockname()}, raddr={server.getsockname()}>"
    for words in ("socket.socket", "family=2, type=1, proto=", ends):
        assert words in repr(client)
