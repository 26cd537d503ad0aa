"""What each service tells its clients, on the kernel's sockets and on ours: the same code, the same answers."""

from __future__ import annotations

import hashlib
import http.client
from typing import Any

import pytest

from services.chargen import ROWS
from services.service import RECEIVE
from tests.patience import PATIENCE
from tests.streams import exactly, rest

KILOBYTE = bytes(range(256)) * 4


def test_echo_returns_what_it_gets_and_closes_after_the_client(place: Any) -> None:
    sock = place.connect(place.services.start("echo", port=0))
    sock.sendall(b"hello")
    assert exactly(sock, 5) == b"hello"
    sock.sendall(KILOBYTE)
    sock.shutdown(place.socket.SHUT_WR)
    assert rest(sock) == KILOBYTE


def test_a_thousand_clients_at_once_each_get_their_kilobyte(place: Any) -> None:
    echo = place.services.start("echo", port=0)
    clients = [place.connect(echo) for _ in range(1000)]
    for number, sock in enumerate(clients):
        sock.sendall(number.to_bytes(4, "big") * 256)
    for number, sock in enumerate(clients):
        assert exactly(sock, 1024) == number.to_bytes(4, "big") * 256
    assert place.eventually(lambda: echo.bytes_out == 1024 * 1000)
    assert (len(echo.clients), echo.served) == (1000, 1000)


def test_echo_stops_reading_from_a_client_that_does_not_read(place: Any) -> None:
    echo = place.services.start("echo", port=0)
    sock = place.connect(echo)
    sock.setblocking(False)
    sent = 0
    selector_rounds = 0
    while selector_rounds < 2000:  # until the buffers of both ends are full, with time for the echo in between
        try:
            sent += sock.send(bytes(65536))
            selector_rounds = 0
        except BlockingIOError:
            selector_rounds += 1
            other = place.connect(echo) if selector_rounds % 500 == 0 else None
            if other is not None:
                other.sendall(b"still there?")
                assert exactly(other, 12) == b"still there?"
    (client,) = [c for c in echo.clients if c.received > RECEIVE]
    assert len(client.pending) <= RECEIVE
    sock.settimeout(PATIENCE)
    sock.shutdown(place.socket.SHUT_WR)
    assert len(rest(sock)) == sent


def test_discard_says_nothing(place: Any) -> None:
    discard = place.services.start("discard", port=0)
    sock = place.connect(discard)
    sock.sendall(KILOBYTE * 100)
    sock.shutdown(place.socket.SHUT_WR)
    assert rest(sock) == b""
    assert discard.bytes_in == len(KILOBYTE) * 100


def test_chargen_sends_the_pattern_for_as_long_as_the_client_reads(place: Any) -> None:
    chargen = place.services.start("chargen", port=0)
    sock = place.connect(chargen)
    sock.sendall(b"anything")
    assert exactly(sock, len(ROWS) * 40 + 10) == ROWS * 40 + ROWS[:10]
    assert ROWS[:75] == bytes(range(32, 104)) + b"\r\n!"
    other = place.connect(chargen)  # while the first does not read
    assert exactly(other, 10) == ROWS[:10]
    sock.close()
    other.close()


def test_a_service_goes_on_after_a_client_was_reset(place: Any) -> None:
    chargen = place.services.start("chargen", port=0)
    rude = place.connect(chargen)
    rude.setsockopt(place.socket.SOL_SOCKET, place.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    exactly(rude, 1000)
    rude.close()
    polite = place.connect(chargen)
    assert exactly(polite, 10) == ROWS[:10]
    assert place.eventually(lambda: len(chargen.clients) == 1)
    assert chargen.loop.last_fault == ""  # that clients vanish is no fault of ours


def test_udp_echo_and_chargen_answer_a_datagram_each(place: Any) -> None:
    sock = place.datagrams()
    echo, chargen = place.services.start("echo", port=0), place.services.start("chargen", port=0)
    sock.sendto(b"ping", (place.address, echo.bound))
    assert sock.recvfrom(2000) == (b"ping", (place.address, echo.bound))
    sock.sendto(b"", (place.address, echo.bound))
    assert sock.recvfrom(2000)[0] == b""
    sock.sendto(bytes(1000), (place.address, chargen.bound))
    assert sock.recvfrom(2000)[0] == ROWS[:512]
    sock.sendto(b"x", (place.address, chargen.bound))
    assert len(sock.recvfrom(2000)[0]) == 1  # no more than was asked with


def test_udp_discard_is_silent_and_counts(place: Any) -> None:
    sock = place.datagrams()
    discard, echo = place.services.start("discard", port=0), place.services.start("echo", port=0)
    sock.sendto(b"nothing", (place.address, discard.bound))
    sock.sendto(b"something", (place.address, echo.bound))
    assert sock.recvfrom(2000)[0] == b"something"
    assert place.eventually(lambda: discard.bytes_in == 7)
    assert discard.datagrams == 0


def test_two_echoes_do_not_talk_to_each_other(place: Any) -> None:
    """A datagram that claims to come from an echo port would go round for ever."""
    echo = place.services.start("echo", port=0)
    if place.address == "127.0.0.1":
        forged = place.datagrams()
        echo.bound = forged.getsockname()[1]  # the visitor cannot have the echo's own port: they share a host
        target = echo._datagrams.getsockname()
    else:
        forged = place.datagrams(echo.bound)
        target = (place.address, echo.bound)
    forged.sendto(b"again", target)
    honest = place.datagrams()
    honest.sendto(b"once", target)
    assert honest.recvfrom(2000)[0] == b"once"
    forged.setblocking(False)
    with pytest.raises(BlockingIOError):
        forged.recvfrom(2000)  # it would be there: the honest one came later
    assert echo.refused == 1


def test_http_greets_and_serves_bytes_on_one_connection(place: Any) -> None:
    http_service = place.services.start("http", port=0)
    connection = http.client.HTTPConnection(place.address, http_service.bound)
    connection.sock = place.connect(http_service)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert (response.status, response.headers.get_content_type()) == (200, "text/plain")
    assert b"Hello from glasstack" in response.read()
    connection.request("GET", "/bytes/1000000")
    body = connection.getresponse().read()
    assert hashlib.sha256(body).digest() == hashlib.sha256((ROWS * 143)[:1000000]).digest()
    connection.request("HEAD", "/bytes/123456789")
    response = connection.getresponse()
    assert (response.headers["Content-Length"], response.read()) == ("123456789", b"")
    connection.request("GET", "/nothing/here")
    response = connection.getresponse()
    assert response.status == 404
    response.read()
    assert http_service.served == 1


def exchange(place: Any, request: bytes) -> bytes:
    sock = place.connect(next(iter(place.services)))
    sock.sendall(request)
    sock.shutdown(place.socket.SHUT_WR)
    return rest(sock)


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
        (b"\r\n\r\nGET / HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /bytes/10?x=y HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", b"501"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /bytes/99999999999999 HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20000, b"431"),
        (b"GET /" + b"a" * 70000, b"414"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_http_answers_every_request_with_a_status(place: Any, request_bytes: bytes, status: bytes) -> None:
    place.services.start("http", port=0)
    answer = exchange(place, request_bytes)
    assert answer.split(b"\r\n")[0].split(b" ")[:2] == [b"HTTP/1.1", status]


def test_http_pipelined_requests_are_answered_in_order(place: Any) -> None:
    place.services.start("http", port=0)
    answer = exchange(place, b"".join(b"GET /bytes/%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in (5, 200000, 7)))
    lengths = [line for line in answer.split(b"\r\n") if line.startswith(b"Content-Length")]
    assert lengths == [b"Content-Length: 5", b"Content-Length: 200000", b"Content-Length: 7"]
    assert answer.endswith(b"\r\n\r\n" + ROWS[:7])


def test_http_a_request_byte_by_byte(place: Any) -> None:
    sock = place.connect(place.services.start("http", port=0))
    for byte in b"GET /bytes/3 HTTP/1.0\r\n\r\n":
        sock.sendall(bytes([byte]))
    assert rest(sock).endswith(b"\r\n\r\n" + ROWS[:3])
