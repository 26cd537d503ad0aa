"""The filter language of libpcap, as pcap-filter(7) describes it, compiled to a Python function.

    host net port portrange src dst ether ip ip6 arp tcp udp icmp icmp6 proto broadcast multicast less greater len
    inbound outbound, tcp[tcpflags] & tcp-syn != 0, and or not && || !, parentheses

As there: `and` and `or` bind equally and from the left, a bare value takes the qualifiers of the one before it (`port
80 or 443`), what lies beyond the packet's end makes the whole filter false, and fields of TCP, UDP and ICMP are
looked at in unfragmented packets and first fragments only. Names of hosts and gateways are not looked up: addresses
and port numbers, and the port names everybody knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple

from stack.trace.frame import Frame, Test
from stack.trace.primitives import (
    CONSTANTS,
    PROTOCOLS,
    compare,
    field,
    host_test,
    mac_test,
    net_test,
    port_test,
    protocol_test,
    word_test,
)
from stack.wire.address import parse_ip, parse_mac

_SYMBOLS = r"(?P<symbol>&&|\|\||<<|>>|<=|>=|==|!=|[()\[\]:+\-*/%&|^<>=!])"
TOKEN = re.compile(rf"\s*(?:\\?(?P<word>[A-Za-z0-9_][A-Za-z0-9_.:/-]*|::[A-Za-z0-9_.:/-]*)|{_SYMBOLS})")
INDEX = re.compile(rf"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_-]*|[0-9][A-Za-z0-9]*)|{_SYMBOLS})")  # within [ ]
DIRECTIONS = ("src", "dst")
TYPES = ("host", "net", "port", "portrange", "proto")
RELATIONS = ("<", ">", "<=", ">=", "=", "==", "!=")
ARITHMETIC = (("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "/", "%"))  # loosest first
FIELD_PROTOCOLS = ("ether", "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6")
PORT_NAMES = {
    "echo": 7, "discard": 9, "daytime": 13, "qotd": 17, "chargen": 19, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25,
    "time": 37, "domain": 53, "bootps": 67, "bootpc": 68, "tftp": 69, "http": 80, "ntp": 123, "snmp": 161, "https": 443,
    "login": 513,
}  # fmt: skip


WORDS = (*PROTOCOLS, *DIRECTIONS, *TYPES, "and", "or", "not", "less", "greater", "len", "mask", "broadcast",
         "multicast", "inbound", "outbound")  # fmt: skip


class FilterError(ValueError):
    """A filter that makes no sense; the text points at the word."""

    def __init__(self, why: str, text: str, start: int, end: int) -> None:
        super().__init__(f"{why}\n    {text}\n    {' ' * start}{'^' * max(1, end - start)}")
        self.why = why
        self.start = start


class Token(NamedTuple):
    text: str
    start: int
    end: int


class Qualifiers(NamedTuple):
    """What stands before a value: `tcp src port`."""

    protocol: str = ""
    direction: str = ""
    type: str = ""


Expression = Callable[[Frame], int]


def compile_filter(text: str) -> Test:
    """The filter as a function of a frame; an empty one is always true. Raises FilterError."""
    if not text.strip():
        return lambda frame: True
    test = Parser(text).parse()

    def run(frame: Frame) -> bool:
        try:
            return test(frame)
        except IndexError:
            return False  # beyond the end of the packet: as BPF, nothing matches

    return run


class Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan(text)
        self._at = 0
        self._last = Qualifiers()  # for a bare value

    def _scan(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        at = depth = 0
        while text[at:].strip():
            match = (INDEX if depth else TOKEN).match(text, at)
            if match is None:
                start = at + len(text[at:]) - len(text[at:].lstrip())
                raise FilterError(f"{text[start]!r} has no meaning in a filter", text, start, start + 1)
            kind = match.lastgroup or "word"
            tokens.append(Token(match[kind], match.start(kind), match.end(kind)))
            depth += {"[": 1, "]": -1}.get(match[kind], 0)
            at = match.end()
        return tokens

    # --- the stream of words

    def _peek(self, ahead: int = 0) -> str:
        return self._tokens[self._at + ahead].text if self._at + ahead < len(self._tokens) else ""

    def _next(self) -> Token:
        if self._at >= len(self._tokens):
            self._fail("something is missing at the end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, *words: str) -> str:
        if self._peek() in words and self._peek():
            return self._next().text
        return ""

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            self._fail(f"{word!r} is missing here")

    def _fail(self, why: str, token: Token | None = None) -> None:
        if token is None:
            token = self._tokens[self._at] if self._at < len(self._tokens) else None
        end = len(self._text)
        raise FilterError(why, self._text, token.start if token else end, token.end if token else end + 1)

    # --- and, or, not

    def parse(self) -> Test:
        test = self._alternatives()
        if self._at < len(self._tokens):
            self._fail(_misplaced(self._peek()))
        return test

    def _alternatives(self) -> Test:
        test = self._term()
        while True:
            word = self._accept("and", "&&", "or", "||")
            if not word:
                return test
            test = _joined(test, self._term(), word in ("and", "&&"))

    def _term(self) -> Test:
        if self._accept("not", "!"):
            test = self._term()
            return lambda frame: not test(frame)
        if self._peek() == "(" and not self._is_arithmetic():
            self._next()
            test = self._alternatives()
            self._expect(")")
            return test
        if self._is_arithmetic():
            return self._relation()
        return self._primitive()

    def _is_arithmetic(self) -> bool:
        """Whether a comparison of numbers begins here, rather than a primitive or a parenthesis of them."""
        word, after = self._peek(), self._peek(1)
        if word == "(":
            # Numbers, if something is done with what is in them.
            after = self._peek(self._closing())
            return after in RELATIONS or any(after in level for level in ARITHMETIC)
        if word == "len" or word == "-" or (word in FIELD_PROTOCOLS and after == "["):
            return True
        signs = (*RELATIONS, *(sign for level in ARITHMETIC for sign in level))
        return (_number(word) is not None or word in CONSTANTS) and after in signs

    def _closing(self) -> int:
        """How far ahead the word behind the parenthesis is that opens here."""
        depth = ahead = 0
        while self._peek(ahead):
            depth += {"(": 1, ")": -1}.get(self._peek(ahead), 0)
            ahead += 1
            if depth == 0:
                break
        return ahead

    # --- comparisons of numbers

    def _relation(self) -> Test:
        left = self._arithmetic(0)
        sign = self._accept(*RELATIONS)
        if not sign:
            self._fail("a comparison (=, !=, <, ...) is missing here")
        return compare(left, sign, self._arithmetic(0))

    def _arithmetic(self, level: int) -> Expression:
        if level == len(ARITHMETIC):
            return self._operand()
        left = self._arithmetic(level + 1)
        while True:
            sign = self._accept(*ARITHMETIC[level])
            if not sign:
                return left
            left = _calculated(left, sign, self._arithmetic(level + 1))

    def _operand(self) -> Expression:
        token = self._next()
        if token.text == "(":
            inner = self._arithmetic(0)
            self._expect(")")
            return inner
        if token.text == "-":
            operand = self._operand()
            return lambda frame: -operand(frame) & 0xFFFFFFFF
        if token.text == "len":
            return lambda frame: frame.length
        if token.text in FIELD_PROTOCOLS:
            return self._field(token.text)
        number = CONSTANTS.get(token.text, _number(token.text))
        if number is None:
            self._fail(f"{token.text!r} is not a number", token)
            raise AssertionError
        constant = number
        return lambda frame: constant

    def _field(self, protocol: str) -> Expression:
        """proto[offset:size]"""
        self._expect("[")
        offset = self._arithmetic(0)
        size = 1
        if self._accept(":"):
            token = self._next()
            if token.text not in ("1", "2", "4"):
                self._fail("a field is 1, 2 or 4 bytes", token)
            size = int(token.text)
        self._expect("]")
        return field(protocol, offset, size)

    # --- primitives

    def _primitive(self) -> Test:
        token = self._next()
        simple = word_test(token.text)
        if simple is not None:
            return simple
        if token.text in ("less", "greater"):
            limit = self._value_number(self._next())
            if token.text == "less":
                return lambda frame: frame.length <= limit
            return lambda frame: frame.length >= limit
        self._at -= 1
        protocol = self._accept(*PROTOCOLS)
        if protocol and self._peek() in ("broadcast", "multicast"):
            test = word_test(f"{protocol} {self._peek()}")
            if test is None:
                self._fail(f"{protocol!r} has no {self._peek()}")
                raise AssertionError
            self._next()
            return test
        direction = self._direction()
        kind = self._accept(*TYPES)
        if not (direction or kind) and protocol and not self._is_value():
            return protocol_test(protocol)
        given = Qualifiers(protocol, direction, kind)
        if not any(given):
            if not self._last.type and not _is_address(self._peek()):
                self._fail(_misplaced(self._peek()))
            given = self._last
        self._last = given
        return self._value(given)

    def _direction(self) -> str:
        """src, dst, `src or dst`, `src and dst`."""
        first = self._accept(*DIRECTIONS)
        if first and self._peek() in ("or", "and") and self._peek(1) in DIRECTIONS and self._peek(1) != first:
            joined = self._next().text
            self._next()
            return f"src {joined} dst"
        return first

    def _is_value(self) -> bool:
        """Whether `tcp 80`-like: a value follows the protocol at once."""
        word = self._peek()
        return bool(word) and (_is_address(word) or _is_mac(word))

    def _value(self, given: Qualifiers) -> Test:
        token = self._next()
        kind = given.type or "host"
        if kind == "proto":
            number = PROTOCOLS.get(token.text, _number(token.text))
            if number is None:
                self._fail(f"{token.text!r} is not a protocol", token)
                raise AssertionError
            return protocol_test(given.protocol or "ip", number)
        if kind in ("port", "portrange"):
            if given.protocol not in ("", "tcp", "udp"):
                self._fail(f"{given.protocol!r} has no ports", token)
            low, high = self._ports(token, kind)
            return port_test(given.protocol, given.direction, low, high)
        if given.protocol == "ether":
            if not _is_mac(token.text):
                self._fail(f"{token.text!r} is not a MAC address", token)
            return mac_test(given.direction, parse_mac(token.text))
        if given.protocol not in ("", "ip", "ip6", "arp"):
            self._fail(f"{given.protocol!r} has no {kind}s: that is IP's", token)
        if kind == "net":
            return self._net(given, token)
        return host_test(given.protocol, given.direction, self._address(token))

    def _address(self, token: Token) -> bytes:
        try:
            return parse_ip(token.text)
        except ValueError:
            self._fail(f"{token.text!r} is not an address", token)
            raise AssertionError from None

    def _net(self, given: Qualifiers, token: Token) -> Test:
        text, slash, length = token.text.partition("/")
        parts = text.split(".")
        if ":" not in text and 1 <= len(parts) < 4 and all(p.isdigit() for p in parts):
            # `net 10.7` is 10.7.0.0/16.
            default = 8 * len(parts)
            text = ".".join(parts + ["0"] * (4 - len(parts)))
        else:
            default = 128 if ":" in text else 32
        network = self._address(Token(text, token.start, token.end))
        prefixlen = default
        if slash:
            if not length.isdigit() or int(length) > 8 * len(network):
                self._fail(f"a prefix length is from 0 to {8 * len(network)}", token)
            prefixlen = int(length)
        elif self._accept("mask"):
            mask_token = self._next()
            mask = int.from_bytes(self._address(mask_token), "big")
            prefixlen = mask.bit_count()
            if mask != (0xFFFFFFFF << (32 - prefixlen)) & 0xFFFFFFFF:
                self._fail("a mask is ones and then zeros", mask_token)
        return net_test(given.protocol, given.direction, network, prefixlen)

    def _ports(self, token: Token, kind: str) -> tuple[int, int]:
        low, dash, high = token.text.partition("-") if kind == "portrange" else (token.text, "", "")
        if kind == "portrange" and not dash:
            self._fail("a range is two ports: 6000-6063", token)
        numbers = [PORT_NAMES.get(name, _number(name)) for name in ([low, high] if dash else [low])]
        for number in numbers:
            if number is None or number > 65_535:
                self._fail(f"{token.text!r} is not a port", token)
        known = [n for n in numbers if n is not None]
        return known[0], known[-1]

    def _value_number(self, token: Token) -> int:
        number = _number(token.text)
        if number is None:
            self._fail(f"{token.text!r} is not a number", token)
            raise AssertionError
        return number


def _misplaced(word: str) -> str:
    """What is wrong with a word where none of its kind can stand."""
    if word in WORDS or not word.isidentifier():
        return f"{word!r} does not belong here"
    close = get_close_matches(word, WORDS, 1)
    return f"{word!r} is not a word of the filter language" + (f": {close[0]!r}?" if close else "")


def _joined(left: Test, right: Test, both: bool) -> Test:
    if both:
        return lambda frame: left(frame) and right(frame)
    return lambda frame: left(frame) or right(frame)


def _calculated(left: Expression, sign: str, right: Expression) -> Expression:
    def run(frame: Frame) -> int:
        a, b = left(frame), right(frame)
        if sign in ("/", "%"):
            if b == 0:
                raise IndexError  # as BPF: a division by zero matches nothing
            return a // b if sign == "/" else a % b
        value = {
            "+": a + b, "-": a - b, "*": a * b, "&": a & b, "|": a | b, "^": a ^ b,
            "<<": a << min(b, 32), ">>": a >> min(b, 32),
        }[sign]  # fmt: skip
        return value & 0xFFFFFFFF

    return run


def _number(word: str) -> int | None:
    try:
        return int(word, 0) if not word.startswith("-") else None
    except ValueError:
        return int(word) if word.isdecimal() else None


def _is_mac(word: str) -> bool:
    try:
        parse_mac(word)
    except ValueError:
        return False
    return True


def _is_address(word: str) -> bool:
    try:
        parse_ip(word.partition("/")[0])
    except ValueError:
        return False
    return True
