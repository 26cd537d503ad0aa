"""dns prints what dig 9.18 prints, with its exit codes, against a server of ours and liars, in virtual time."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.dns import command, dns
from apps.dns.query import NameFault, parse
from apps.usage import UsageError
from services import Services
from stack.resolver import Resolver
from stack.sim import SimEngine, World
from stack.socket import SocketModule
from stack.wire import dns as wire
from stack.wire.dns import Message, Opt, Record
from stack.wire.name import ROOT

ZONE = """\
lab. 60 SOA ns.lab. hostmaster.lab. 1 2 3 4 30
lab. 60 NS ns.lab.
lab. 60 MX 10 mail.lab.
ns.lab. 60 A 10.0.0.2
mail.lab. 60 A 10.0.0.2
www.lab. 60 A 10.0.0.80
alias.lab. 60 CNAME www.lab.
text.lab. 60 TXT "two words" more
""" + "".join(f"big.lab. A 10.1.{number // 200}.{number % 200 + 1}\n" for number in range(300))


class Near(NamedTuple):
    """10.0.0.1 as an app sees a node; a dns service is at 10.0.0.2, half a millisecond away."""

    engine: SimEngine
    socket: SocketModule
    resolver: Resolver
    world: World
    far: SimEngine


@pytest.fixture
def near(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Near]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    (tmp_path / "lab.zone").write_text(ZONE)
    with World(seed=4) as world:
        world.cable(delay=0.0005)
        engine, far = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
        module, theirs = SocketModule(engine), SocketModule(far)
        services = Services(theirs, theirs.selectors, far.spawn)
        services.start("dns", setting=str(tmp_path / "lab.zone"))
        host = Near(engine, module, Resolver(module, ["10.0.0.2"]), world, far)
        with module.socket(module.AF_INET, module.SOCK_DGRAM) as knock:
            knock.sendto(b"", ("10.0.0.2", 9))  # so that its MAC is known
            world.sleep(0.1)
        yield host
        services.close()


def run(near: Near, words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = command(near, words.split())
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, re.sub(r"id: \d+", "id: 7", captured.out)


MX = """
; <<>> glasstack dns <<>> lab MX @10.0.0.2
;; global options: +cmd
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 7
;; flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 2
;; WARNING: recursion requested but not available

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
;; QUESTION SECTION:
;lab.				IN	MX

;; ANSWER SECTION:
lab.			60	IN	MX	10 mail.lab.

;; ADDITIONAL SECTION:
mail.lab.		60	IN	A	10.0.0.2

;; Query time: 1 msec
;; SERVER: 10.0.0.2#53(10.0.0.2) (UDP)
;; WHEN: Thu Jan 01 00:00:00 UTC 1970
;; MSG SIZE  rcvd: 69

"""


def test_an_answer_to_the_letter(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(near, "lab MX @10.0.0.2", capsys) == (0, MX)
    result = dns("lab", "MX", "10.0.0.2", node=near)
    assert re.sub(r"id: \d+", "id: 7", capsys.readouterr().out) == MX
    assert result and result.status == "NOERROR" and result.values == ["10 mail.lab."]
    assert result.answers[0] == ("lab.", 60, "IN", "MX", "10 mail.lab.")
    assert [found.data for found in result.additional] == ["10.0.0.2"]
    assert (result.server, result.size, result.is_tcp, result.time) == ("10.0.0.2:53", 69, False, pytest.approx(0.001))
    assert repr(result) == "<dns lab. MX: NOERROR, 10 mail.lab.>"


@pytest.mark.parametrize(
    "words",
    ["www.lab +short", "+short www.lab", "-q www.lab +short", "a www.lab in +sho", "@10.0.0.2 -4 -t A +short www.lab",
     "-tA -cIN -p53 www.lab +short +time=1 +tries=1 +norecurse +noedns +nocookie", "+short +noshort +short www.lab",
     "+tcp www.lab +short", "TYPE1 CLASS1 www.lab. +short"],
)  # fmt: skip
def test_words_in_any_order(near: Near, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(near, words, capsys) == (0, "10.0.0.80\n")


@pytest.mark.parametrize(
    "words, lines",
    [
        ("www.lab +noall +answer", ["www.lab.\t\t60\tIN\tA\t10.0.0.80"]),
        ("www.lab +noall +question +answer", [";www.lab.\t\t\tIN\tA", "www.lab.\t\t60\tIN\tA\t10.0.0.80"]),
        ("www.lab +noall", []),
        ("alias.lab +short", ["www.lab.", "10.0.0.80"]),
        ("text.lab TXT +short", ['"two words" "more"']),
        ("nosuch.lab +short", []),
        ("-x 10.0.0.80 +noall +question", [";80.0.0.10.in-addr.arpa.\t\tIN\tPTR"]),
        ("-x 10.0 +noall +question", [";0.10.in-addr.arpa.\t\tIN\tPTR"]),
        ("+noall +answer www.lab mail.lab", ["www.lab.\t\t60\tIN\tA\t10.0.0.80", "mail.lab.\t\t60\tIN\tA\t10.0.0.2"]),
        ("mx lab +short text.lab txt +short", ["10 mail.lab.", '"two words" "more"']),
        ("+noall +question", [";.\t\t\t\tIN\tNS"]),
        ("b\u00fc.lab +noall +question", [";xn--b-eha.lab.\t\t\tIN\tA"]),
    ],
)
def test_what_is_shown(near: Near, words: str, lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(near, words, capsys) == (0, "".join(f"{line}\n" for line in lines))


def test_sections_without_comments_and_comments_without_sections(
    near: Near, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = run(near, "www.lab +nocmd +nocomments +nostats", capsys)
    assert out == ";www.lab.\t\t\tIN\tA\nwww.lab.\t\t60\tIN\tA\t10.0.0.80\n"
    _, out = run(near, "nosuch.lab +noall +comments", capsys)
    assert out == (
        ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 7\n"
        ";; flags: qr aa rd; QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 1\n"
        ";; WARNING: recursion requested but not available\n\n"
        ";; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: 1232\n"
    )


def test_what_is_truncated_is_asked_for_over_tcp(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(near, "big.lab", capsys)
    assert code == 0 and out.startswith(";; Truncated, retrying in TCP mode.\n\n; <<>> glasstack")
    assert out.count("\tIN\tA\t10.1.") == 300 and ";; SERVER: 10.0.0.2#53(10.0.0.2) (TCP)\n" in out
    code, out = run(near, "big.lab +short", capsys)
    assert (code, len(out.splitlines())) == (0, 300)
    assert run(near, "lab ANY +noall +stats", capsys)[1].splitlines()[1].endswith("(TCP)")
    assert run(near, "lab ANY +notcp +noall +stats", capsys)[1].splitlines()[1].endswith("(UDP)")


NOBODY = """\
;; communications error to 10.0.0.2#54: {0}
;; communications error to 10.0.0.2#54: {0}

; <<>> glasstack dns <<>> {1}
;; global options: +cmd
;; no servers could be reached
"""


def test_nobody_answers(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    words = "www.lab @10.0.0.2 -p 54 +tries=2"
    assert run(near, words, capsys) == (9, NOBODY.format("connection refused", words))
    silent = near.far.stack.udp.open()
    with near.far:
        silent.bind(bytes(4), 54, near.far.now())
    began = near.engine.now()
    words += " +time=4"
    assert run(near, words, capsys) == (9, NOBODY.format("timed out", words))
    assert near.engine.now() - began == pytest.approx(8.0)
    result = dns("www.lab", server="10.0.0.9", node=near)
    assert not result and (result.status, repr(result)) == ("", "<dns www.lab. A: no reply>")
    assert capsys.readouterr().out.count("#53: host unreachable\n") == 3


def test_servers_that_cannot_even_be_spoken_to(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    setup = ";; UDP setup with 10.7.0.2#53(10.7.0.2) for www.lab failed: network unreachable."
    code, out = run(near, "@10.7.0.2 www.lab +retry=1", capsys)
    assert (code, out) == (9, f"{setup}\n;; no servers could be reached\n" * 2)
    setup = ";; Connection to 10.0.0.2#54(10.0.0.2) for www.lab failed: connection refused."
    code, out = run(near, "www.lab +tcp -p 54 +tries=1", capsys)
    assert (code, out) == (9, f"{setup}\n;; no servers could be reached\n")


def test_the_next_server_is_asked_and_the_first_one_s_silence_told(
    near: Near, capsys: pytest.CaptureFixture[str]
) -> None:
    Resolver(near.socket, ["10.0.0.7", "10.0.0.2"])
    both = near._replace(resolver=near.socket.names.resolver)
    code, out = run(both, "www.lab +short", capsys)
    assert (code, out) == (0, ";; communications error to 10.0.0.7#53: host unreachable\n10.0.0.80\n")


def test_json(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(near, "lab MX +norec --json", capsys)
    document = json.loads(out)
    assert code == 0 and document.pop("id") < 65536
    assert document == {
        "question": {"name": "lab.", "type": "MX", "class": "IN"},
        "status": "NOERROR",
        "failures": [],
        "flags": ["qr", "aa"],
        "edns": {"version": 0, "udp": 1232},
        "answers": [{"name": "lab.", "ttl": 60, "class": "IN", "type": "MX", "data": "10 mail.lab."}],
        "authority": [],
        "additional": [{"name": "mail.lab.", "ttl": 60, "class": "IN", "type": "A", "data": "10.0.0.2"}],
        "server": "10.0.0.2",
        "port": 53,
        "protocol": "UDP",
        "time_ms": 1.0,
        "size": 69,
    }
    code, out = run(near, "--json www.lab nosuch.lab -p 54 +tries=1", capsys)
    first, second = json.loads(out)
    assert (code, first["status"]) == (9, "NOERROR")
    assert second == {
        "question": {"name": "nosuch.lab.", "type": "A", "class": "IN"},
        "status": None,
        "failures": [{"server": "10.0.0.2", "port": 54, "protocol": "UDP", "why": "connection refused"}],
        "error": "no servers could be reached",
    }


@pytest.mark.parametrize(
    "words, code, line",
    [
        ("+nosuch www.lab", 1, "dns: invalid option: +nosuch"),
        ("+a www.lab", 1, "dns: invalid option: +a"),  # adflag? answer? all?
        ("-Z www.lab", 1, "dns: invalid option: -Z"),
        ("www.lab -t", 1, "dns: -t needs a word after it"),
        ("-t NOSUCH www.lab", 1, "dns: -t: 'NOSUCH' is not a record type"),
        ("-t TYPE70000 www.lab", 1, "dns: -t: 'TYPE70000' is not a record type"),
        ("-c XX www.lab", 1, "dns: -c: 'XX' is not a class"),
        ("www.lab AXFR", 1, "dns: zone transfers are not asked for here"),
        ("-6 www.lab", 1, "dns: -6: there is no IPv6 here to ask over"),
        ("-p x www.lab", 1, "dns: -p: a whole number from 1 to 65535, not 'x'"),
        ("-p 65536 www.lab", 1, "dns: -p: a whole number from 1 to 65535, not '65536'"),
        ("+time=0 www.lab", 1, "dns: +time: a whole number from 1 to 3600, not '0'"),
        ("+tries www.lab", 1, "dns: +tries: a whole number from 1 to 100, not ''"),
        ("+short=1 www.lab", 1, "dns: +short takes no value"),
        ("www..lab", 10, "dns: 'www..lab' is not a legal name (a label is empty)"),
        ("-x 10.x", 10, "dns: -x: '10.x' is not an address"),
        ("@nosuch.invalid www.lab", 1, "dns: couldn't get address for 'nosuch.invalid': "),
        (f"{'x' * 64}.lab", 10, f"dns: '{'x' * 64}.lab' is not a legal name ("),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(
    near: Near, words: str, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(near, words.split()) == code
    captured = capsys.readouterr()
    said, _, options = captured.err.partition("\n")
    assert captured.out == "" and (said == line or (line.endswith((" ", "(")) and said.startswith(line)))
    assert options == "" or options.startswith("\nusage: dns ")


def test_a_node_without_a_name_server_says_what_to_do(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    lonely = near._replace(resolver=Resolver(near.socket))
    assert command(lonely, ["www.lab"]) == 9
    assert capsys.readouterr() == ("", "dns: this node knows no name server: name one, @192.168.1.1 say\n")
    with pytest.raises(OSError, match=r"^this node knows no name server"):
        dns("www.lab", node=lonely)
    with pytest.raises(ValueError, match=r"^'a\.\.b' is not a legal name"):
        dns("a..b", node=near)
    with pytest.raises(ValueError, match=r"^'NOSUCH' is not a record type$"):
        dns("www.lab", "NOSUCH", node=near)


def lie(near: Near, script: Callable[[Message], Message | bytes]) -> None:
    """A server at port 54 whose `script` makes the answer to each query."""
    module = SocketModule(near.far)

    def serve() -> None:
        with module.socket(module.AF_INET, module.SOCK_DGRAM) as sock:
            sock.bind(("", 54))
            for _ in range(3):
                data, source = sock.recvfrom(2000)
                reply = script(wire.parse(data))
                sock.sendto(reply if isinstance(reply, bytes) else wire.emit(reply), source)

    near.far.spawn(serve)


def test_extended_errors_are_told_in_words(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(query: Message) -> Message:
        opt = Record(ROOT, wire.OPT, 1232, 0, Opt(((15, b"\0\x12no"), (15, b"\xff\xff"), (15, b""), (65001, b"\1"))))
        return Message(query.id, wire.QR | wire.REFUSED, query.questions, additional=(opt,))

    lie(near, refuse)
    code, out = run(near, "www.lab -p 54 +noall +comments", capsys)
    assert code == 0
    assert out.splitlines()[-4:] == ["; EDE: 18 (Prohibited): (no)", "; EDE: 65535", "; EDE: ", "; OPT=65001: 01"]


def test_an_answer_that_is_damaged_is_one_line_for_each_try(near: Near, capsys: pytest.CaptureFixture[str]) -> None:
    lie(near, lambda query: wire.emit(Message(query.id, wire.QR, query.questions))[:-1] + b"\2xy")
    code, out = run(near, "www.lab -p 54 +tries=2 +time=1 +nocmd", capsys)
    *lines, last = out.splitlines()
    assert (code, last) == (9, ";; no servers could be reached")
    assert len(lines) == 2 and all(line.startswith(";; communications error to 10.0.0.2#54: ") for line in lines)


def test_control_characters_in_an_answer_do_not_reach_the_terminal(
    near: Near, capsys: pytest.CaptureFixture[str]
) -> None:
    def paint(query: Message) -> Message:
        text = wire.Txt((b"\x1b[31mred\x07\x00\xff",))
        name = query.questions[0].name
        return Message(query.id, wire.QR, query.questions, (Record(name, wire.TXT, wire.IN, 1, text),))

    lie(near, paint)
    assert run(near, "www.lab txt -p 54 +short", capsys) == (0, '"\\027[31mred\\007\\000\\255"\n')


WORDS = st.one_of(
    st.sampled_from(
        ["@", "@10.0.0.2", "-x", "10.0.0.1", "-t", "MX", "-p", "53", "+short", "+noall", "+time=1", "+no", "+", "-",
         "--json", "-h", "IN", "www.lab", "+bufsize=4096", "-q", "any", "\u00df.lab", "-c", "+time=\u0661"]
    ),
    st.text(max_size=12),
)  # fmt: skip


@given(st.lists(WORDS, max_size=6))
def test_whatever_the_words_there_is_a_query_for_each_name_or_one_clear_line(words: list[str]) -> None:
    try:
        wanted = parse(words)
    except (UsageError, NameFault) as e:
        assert str(e) and "\n" not in str(e).replace("\n", "", sum(word.count("\n") for word in words))
        return
    assert wanted.queries
    for query in wanted.queries:
        question = wire.query(1, wire.Question(query.name, query.type, query.cls), None)
        assert wire.parse(wire.emit(question)).questions[0].name == query.name
        assert 1 <= query.port <= 65535 and query.tries >= 1 and query.timeout > 0
