"""The dns service on the kernel's sockets and on ours: UDP, TCP, EDNS, truncation, and queries that are none."""

from __future__ import annotations

from typing import Any

import pytest

from stack.wire import dns
from stack.wire.dns import Message, Question, Record, Txt
from stack.wire.name import ROOT, parse_name
from tests.streams import exactly

ZONE = """\
lab. 60 SOA ns.lab. hostmaster.lab. 1 2 3 4 30
lab. NS ns.lab.
www.lab. 60 A 10.0.0.80
""" + "".join(f'big.lab. TXT "{number:050}"\n' for number in range(20))  # 1,200 bytes and more
ZONE += "".join(f'mid.lab. TXT "{number:050}"\n' for number in range(12))  # 750 or so
WWW = Question(parse_name("www.lab."), dns.A)
BIG = Question(parse_name("big.lab."), dns.TXT)
MID = Question(parse_name("mid.lab."), dns.TXT)


@pytest.fixture
def server(place: Any, tmp_path: Any) -> Any:
    path = tmp_path / "lab.zone"
    path.write_text(ZONE)
    return place.services.start("dns", port=0, setting=str(path))


def ask(place: Any, server: Any, data: bytes) -> bytes:
    sock = place.datagrams()
    sock.sendto(data, (place.address, server.bound))
    reply: bytes = sock.recv(65535)
    return reply


def test_an_answer_with_authority(place: Any, server: Any) -> None:
    reply = dns.parse(ask(place, server, dns.emit(dns.query(77, WWW, None))))
    assert reply == Message(
        77, dns.QR | dns.AA | dns.RD, (WWW,), (Record(WWW.name, dns.A, dns.IN, 60, bytes((10, 0, 0, 80))),)
    )


def test_edns_is_answered_with_edns(place: Any, server: Any) -> None:
    reply = dns.parse(ask(place, server, dns.emit(dns.query(77, WWW, 4096))))
    assert reply.edns == (1232, 0, 0, 0, ())
    newer = dns.query(77, WWW, 4096)._replace(additional=(dns.opt_record(4096, version=1),))
    reply = dns.parse(ask(place, server, dns.emit(newer)))
    assert (reply.rcode, reply.answers) == (dns.BADVERS, ())


@pytest.mark.parametrize(
    "question, size, count",
    [(MID, None, 0), (MID, 0, 0), (MID, 512, 0), (MID, 1232, 12), (MID, 65535, 12), (BIG, 1232, 0), (BIG, 65535, 0)],
)
def test_what_is_too_long_for_udp_is_truncated(
    place: Any, server: Any, question: Question, size: int | None, count: int
) -> None:
    data = ask(place, server, dns.emit(dns.query(77, question, size)))
    reply = dns.parse(data)
    assert (reply.is_truncated, len(reply.answers), reply.questions) == (not count, count, (question,))
    assert len(data) < (1232 if count else 60)


def test_tcp_gives_it_whole_and_one_after_another(place: Any, server: Any) -> None:
    sock = place.connect(server)
    queries = [dns.emit(dns.query(number, question, 1232)) for number, question in ((1, BIG), (2, WWW), (3, BIG))]
    data = b"".join(len(query).to_bytes(2, "big") + query for query in queries)
    sock.sendall(data[:5])
    sock.sendall(data[5:])
    replies = []
    for _ in queries:
        length = int.from_bytes(exactly(sock, 2), "big")
        replies.append(dns.parse(exactly(sock, length)))
    assert [reply.id for reply in replies] == [1, 2, 3]
    assert [len(reply.answers) for reply in replies] == [20, 1, 20]
    assert replies[0].answers[7].data == Txt((b"%050d" % 7,)) and not replies[0].is_truncated
    sock.shutdown(place.socket.SHUT_WR)
    assert sock.recv(1) == b""


def test_no_such_name_and_names_of_others(place: Any, server: Any) -> None:
    nosuch = dns.parse(ask(place, server, dns.emit(dns.query(1, Question(parse_name("nosuch.lab."), dns.A), None))))
    assert (nosuch.rcode, nosuch.flags & dns.AA, nosuch.authority[0].ttl) == (dns.NXDOMAIN, dns.AA, 30)
    other = dns.parse(ask(place, server, dns.emit(dns.query(1, Question(parse_name("www.example."), dns.A), None))))
    assert (other.rcode, other.flags & (dns.AA | dns.RA)) == (dns.REFUSED, 0)
    transfer = dns.parse(ask(place, server, dns.emit(dns.query(1, Question(parse_name("lab."), dns.AXFR), None))))
    assert transfer.rcode == dns.REFUSED


GOOD = dns.emit(dns.query(0x1234, WWW, None))


@pytest.mark.parametrize(
    "query, rcode",
    [
        (GOOD[:12], dns.FORMERR),
        (GOOD[:-1], dns.FORMERR),
        (GOOD + b"\0", dns.FORMERR),
        (GOOD[:12] + b"\xc0\x0c" + GOOD[-4:], dns.FORMERR),  # a name that points at itself
        (GOOD[:4] + b"\0\2" + GOOD[6:] + GOOD[12:], dns.FORMERR),  # two questions
        (GOOD[:4] + b"\0\0" + GOOD[6:12], dns.FORMERR),
        (GOOD[:2] + b"\x28\0" + GOOD[4:], dns.NOTIMP),  # UPDATE
        (dns.emit(dns.query(0x1234, WWW, None)._replace(answers=(Record(ROOT, 99, 1, 0, b""),))), dns.FORMERR),
    ],
)
def test_queries_that_make_no_sense(place: Any, server: Any, query: bytes, rcode: int) -> None:
    reply = dns.parse(ask(place, server, query))
    assert (reply.id, reply.rcode, reply.is_response, reply.answers) == (0x1234, rcode, True, ())


def test_what_is_no_query_is_not_answered(place: Any, server: Any) -> None:
    sock = place.datagrams()
    for data in (b"", b"\0" * 11, GOOD[:2] + b"\x81\x80" + GOOD[4:]):
        sock.sendto(data, (place.address, server.bound))
    sock.sendto(GOOD, (place.address, server.bound))
    assert dns.parse(sock.recv(2000)).answers
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(2000)
    tcp = place.connect(server)
    tcp.sendall(b"\0\x0c\x12\x34\x81\x80" + bytes(8))
    assert tcp.recv(100) == b""


def test_whatever_the_bytes_a_query_gets_its_own_number_back_or_nothing(place: Any, server: Any) -> None:
    good = dns.emit(dns.query(0x1234, WWW, 1232))
    for offset in range(2, len(good)):
        for value in (0, 1, 0xFF, good[offset] ^ 0x80):
            reply = server.reply_to(good[:offset] + bytes((value,)) + good[offset + 1 :], (place.address, 9), 1232)
            assert reply is None or (dns.parse(reply).id == 0x1234 and len(reply) <= 1232)


def test_without_a_file_the_host_is_its_own_zone(place: Any) -> None:
    server = place.services.start("dns", port=0)
    reply = dns.parse(ask(place, server, dns.emit(dns.query(1, WWW, 1232))))
    assert [record.data for record in reply.answers][1] == place.socket.inet_aton(place.address)


def test_files_that_are_not_there_or_make_no_sense(place: Any, tmp_path: Any) -> None:
    with pytest.raises(ValueError, match=r"^dns: /nosuch/lab\.zone: No such file or directory$"):
        place.services.start("dns", port=0, setting="/nosuch/lab.zone")
    bad = tmp_path / "bad.zone"
    bad.write_text("lab. SOA\n")
    with pytest.raises(ValueError, match=r"bad\.zone:1: SOA is followed by MNAME RNAME"):
        place.services.start("dns", port=0, setting=str(bad))
    with pytest.raises(ValueError, match=r"^echo has nothing to be set$"):
        place.services.start("echo", port=0, setting="x")
    assert place.services.running == []
