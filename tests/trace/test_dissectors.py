"""Protocols of one's own in lines and trees, and what their authors may get wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.trace.dissectors import Dissectors
from stack.trace.recorder import Recorder
from stack.trace.render import line, tree
from stack.trace.trace import Trace
from tests.trace.frames import entry, record
from tests.trace.payloads import datagram, segment

HELLO = datagram(b"hello", 4000, 4711)


def said(answer, frame=HELLO):
    """The line from the protocol on, and the tree's part, with a dissector that answers so."""
    dissectors = Dissectors()
    dissectors.add(lambda data: answer, 4711)
    words = line(entry(frame), 0.0, dissectors=dissectors).plain.split("10.9.0.9     ", 1)[1]
    text = tree(entry(frame), 0.0, limit=0, dissectors=dissectors).plain
    return words, text[text.index("Protocol, Src Port") :].partition("\n")[2].partition("\nData")[0]


def test_words_alone():
    words, text = said("says hello")
    assert words == "UDP 47 says hello" and text.endswith("\nUDP port 4711, says hello\n")


def test_a_name_words_and_fields():
    words, text = said(
        ("CHAT", "alice: hi", {"From": "alice", "Bytes": b"hi", "Flags": {"urgent": True}, "To": ["b", "c"]})
    )
    assert words == "CHAT 47 alice: hi"
    assert text.endswith(
        "CHAT, alice: hi\n    From: alice\n    Bytes: 68 69\n    Flags\n        urgent: True\n"
        "    To\n        0: b\n        1: c\n"
    )


def test_over_tcp_too_and_either_way():
    assert said(("CHAT", "x"), segment(b"abc", 4711))[0] == "CHAT 57 x"
    dissectors = Dissectors()
    dissectors.add(lambda data: ("CHAT", data.decode()), 4711, "udp")
    assert " CHAT 45 abc" in line(entry(datagram(b"abc", 4711, 9)), 0.0, dissectors=dissectors).plain
    assert " TCP 57 " in line(entry(segment(b"abc", 4711)), 0.0, dissectors=dissectors).plain


def test_none_leaves_it_to_the_others():
    assert said(None)[0] == "UDP 47 4000 → 4711 Len=5"
    assert said(None, segment(b"GET / HTTP/1.1\r\n\r\n", 4711))[0] == "HTTP 72 GET / HTTP/1.1"


def test_it_goes_before_what_is_built_in():
    dissectors = Dissectors()
    dissectors.add(lambda data: "mine", 53)
    assert line(entry(datagram(b"x", 4, 53)), 0.0, dissectors=dissectors).plain.endswith("UDP 43 mine")
    dissectors.remove(53)
    assert line(entry(datagram(b"x", 4, 53)), 0.0, dissectors=dissectors).plain.split()[5] == "DNS"


def test_what_it_raises_is_shown_with_the_packet():
    dissectors = Dissectors()
    dissectors.add(lambda data: {}[data], 4711)
    text = line(entry(HELLO), 0.0, dissectors=dissectors).plain
    assert text.endswith("UDP 47 5 bytes on port 4711 [its dissector failed: KeyError: b'hello']")
    shown = tree(entry(HELLO), 0.0, limit=0, dissectors=dissectors).plain
    assert shown.endswith("UDP port 4711 [its dissector failed: KeyError: b'hello']\n")


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize(
    ("error", "shown"),
    [(SystemExit(3), "SystemExit: 3"), (GeneratorExit(), "GeneratorExit: "), (Unspeakable(), "Unspeakable")],
)
def test_one_that_wants_to_end_the_program_ends_only_itself(error, shown):
    def f(data):
        raise error

    written, recorder = [], Recorder()
    trace = Trace(recorder, write=written.append)
    trace.dissector(f, port=4711)
    record(recorder, HELLO)
    trace.last()
    assert written.pop().endswith(f"UDP 47 5 bytes on port 4711 [its dissector failed: {shown}]\n")


def test_ctrl_c_while_one_works_is_not_its_failure():
    def f(data):
        raise KeyboardInterrupt

    dissectors = Dissectors()
    dissectors.add(f, 4711)
    with pytest.raises(KeyboardInterrupt):
        line(entry(HELLO), 0.0, dissectors=dissectors)


@pytest.mark.parametrize("answer", [5, ("x",), ("a", "b", "c"), (1, 2), {"a": 1}, ("a", "b", {}, 4)])
def test_an_answer_that_makes_no_sense_says_what_would(answer):
    assert "[its dissector failed: TypeError: " in said(answer)[0]


def test_a_text_that_would_disturb_the_terminal_is_escaped():
    words, text = said(("C\x1b[m", "a\nb", {"\x1b": "\x07"}))
    assert words == "C\\x1b[m 47 a\\nb" and "\x1b" not in text and "\x07" not in text


@given(
    st.recursive(
        st.one_of(st.none(), st.text(max_size=9), st.integers(), st.binary(max_size=9)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.text(max_size=5), inner, max_size=3),
            st.tuples(st.text(max_size=5), st.text(max_size=5), inner),
        ),
    )
)
def test_any_answer_is_shown(answer):
    """Whatever a dissector returns, the packet has one line and a tree."""
    words, text = said(answer)
    assert words.isprintable() and all(c.isprintable() or c == "\n" for c in text)


def test_fields_within_themselves_end():
    fields = {}
    fields["again"] = fields
    words, _ = said(("LOOP", "x", fields))
    assert words.startswith("LOOP")


def test_the_trace_takes_a_function_or_decorates_one():
    written = []
    recorder = Recorder()
    trace = Trace(recorder, write=written.append)

    @trace.dissector(port=4711)
    def chat(data):
        return "CHAT", data.decode()

    assert chat(b"x") == ("CHAT", "x")
    record(recorder, HELLO)
    trace.last()
    assert written.pop().endswith("CHAT 47 hello\n")
    trace.dissector(lambda data: "udp only", port=4711, protocol="udp")
    trace.last()
    assert written.pop().endswith("UDP 47 udp only\n")
    Trace(recorder, write=written.append).last()
    assert written.pop().endswith("4000 → 4711 Len=5\n")  # another trace knows nothing of it


@pytest.mark.parametrize(
    "arguments", [{}, {"port": 0}, {"port": 70000}, {"port": "80"}, {"port": 5, "protocol": "icmp"}]
)
def test_a_port_or_protocol_that_makes_no_sense_is_refused_at_once(arguments):
    trace = Trace(Recorder())
    with pytest.raises(ValueError, match=r"port is a number|protocol is"):
        trace.dissector(**arguments)
    with pytest.raises(ValueError, match=r"port is a number|protocol is"):
        trace.dissector(str, **arguments)
    with pytest.raises(TypeError, match="a dissector is a function"):
        trace.dissector("str", port=5)
