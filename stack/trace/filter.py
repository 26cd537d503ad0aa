"""The filter language of libpcap, as pcap-filter(7) describes it, compiled to a Python function.

    host net port portrange src dst ether ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp proto vlan broadcast multicast
    less greater len inbound outbound, tcp[tcpflags] & tcp-syn != 0, and or not && || !, parentheses

As there: `and` and `or` bind equally and from the left, a bare value takes the qualifiers of the one before it (`port
80 or 443`), what lies beyond the packet's end makes the whole filter false, and fields of TCP, UDP and ICMP are
looked at in unfragmented packets and first fragments of IPv4 only. What a VLAN tag wraps is not seen, until `vlan` or
`vlan 7` moves all that is written after it behind the tag: `tcp or (vlan and tcp)`; this stack drops tagged frames, so
`tcp` shows what it may take.

Other than there: a bare address is a host's wherever it stands, the backslash before a protocol's name may be left
out, and a value no packet can have (`ip proto 300`) is refused. A mask is ones and then zeros, `ip broadcast` knows no
subnets, and `%` and `^` bind as in C. Names of hosts and gateways are not looked up: addresses and port numbers, and
the port names everybody knows. There are no words for links other than Ethernet, for LLC, MPLS, PPPoE and Geneve.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import NamedTuple

from stack.trace.arithmetic import begins_number, relation
from stack.trace.filter_names import PORTS
from stack.trace.frame import Frame, Test
from stack.trace.primitives import (
    ALONE,
    ETHERTYPES,
    IP_PROTOCOLS,
    PROTOCOLS,
    ethertype_test,
    host_test,
    ip_test,
    mac_test,
    net_test,
    port_test,
    protocol_test,
    vlan_test,
)
from stack.trace.words import FilterError, Token, Words, is_number, quoted
from stack.wire.address import parse_ip, parse_mac

__all__ = ["FilterError", "compile_filter"]

DIRECTIONS = ("src", "dst")
TYPES = ("host", "net", "port", "portrange", "proto")
WORDS = (*PROTOCOLS, *DIRECTIONS, *TYPES, "and", "or", "not", "less", "greater", "len", "mask", "vlan", "broadcast",
         "multicast", "inbound", "outbound")  # fmt: skip
SPOKEN = {"dhcp": "port 67 or 68", "bootp": "port 67 or 68", "dns": "port 53", "ping": "icmp", "rlogin": "port 513"}
HOSTS = {4: ("", "ip", "arp", "rarp"), 16: ("", "ip6")}  # by an address's size: whose it may be


class Qualifiers(NamedTuple):
    """What stands before a value: `tcp src port`."""

    protocol: str = ""
    direction: str = ""
    type: str = ""


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
        self._words = Words(text)
        self._last = Qualifiers()  # for a bare value
        self._tags = 0  # VLANs that have been asked for so far

    # --- and, or, not

    def parse(self) -> Test:
        test = self._alternatives()
        if self._words.here():
            self._words.fail(_misplaced(self._words.peek()))
        return test

    def _alternatives(self) -> Test:
        first, rest = self._term(), []
        while word := self._words.accept("and", "&&", "or", "||"):
            rest.append((word in ("and", "&&"), self._term()))
        return _joined(first, rest) if rest else first

    def _term(self) -> Test:
        is_not = False
        while self._words.accept("not", "!"):
            is_not = not is_not
        test = self._affirmed()
        return (lambda frame: not test(frame)) if is_not else test

    def _affirmed(self) -> Test:
        words, tags = self._words, self._tags
        if begins_number(words):
            return _behind(tags, relation(words))
        if words.peek() != "(":
            return _behind(tags, self._primitive())
        with words.deeper(words.next()):
            test = self._alternatives()
        words.expect(")")
        return test

    # --- primitives

    def _primitive(self) -> Test:
        words = self._words
        alone = ALONE.get(words.peek())
        if alone is not None:
            words.next()
            return alone
        if words.accept("vlan"):
            return self._vlan()
        if word := words.accept("less", "greater"):
            limit = words.number(words.next())
            return (lambda frame: frame.length <= limit) if word == "less" else (lambda frame: frame.length >= limit)
        protocol_token = words.here()
        protocol = words.accept(*PROTOCOLS)
        if protocol and words.peek() in ("broadcast", "multicast"):
            test = ALONE.get(f"{protocol} {words.peek()}")
            if test is None:
                words.fail(f"{protocol!r} has no {words.peek()}")
            words.next()
            return test
        given = Qualifiers(protocol, self._direction(), words.accept(*TYPES))
        if protocol and given == Qualifiers(protocol) and not self._is_value():
            if protocol == "ether":
                words.fail("'ether' alone is every frame: 'ether host', 'ether proto' or 'ether[0]'", protocol_token)
            return protocol_test(protocol)
        if not any(given):
            if not self._last.type and not _is_address(words.peek()):
                words.fail(_misplaced(words.peek()))
            given = self._last
        self._last = given
        if words.peek() in ("(", "not", "!"):
            return self._term()  # `port (80 or 443)`, `port not 80`: what stands there takes the qualifiers
        return self._value(given)

    def _vlan(self) -> Test:
        number = None
        token = self._words.here()
        if token and is_number(token.text):
            number = self._words.number(self._words.next(), "a VLAN's number", 0xFFF)
        self._tags += 1
        return vlan_test(number)

    def _direction(self) -> str:
        """src, dst, `src or dst`, `src and dst`."""
        words = self._words
        first = words.accept(*DIRECTIONS)
        if first and words.peek() in ("or", "and") and words.peek(1) in DIRECTIONS and words.peek(1) != first:
            joined = words.next().text
            words.next()
            return f"src {joined} dst"
        return first

    def _is_value(self) -> bool:
        """Whether a value follows the protocol at once: `ip 10.0.0.1`."""
        word = self._words.peek()
        return bool(word) and (_is_address(word) or _is_mac(word))

    def _value(self, given: Qualifiers) -> Test:
        words = self._words
        token = words.next()
        kind = given.type or "host"
        if kind == "proto":
            return self._proto(given, token)
        if kind in ("port", "portrange"):
            return self._port(given, token)
        if given.protocol == "ether":
            if not _is_mac(token.text) or kind != "host":
                words.fail(f"{quoted(token.text)} is not a MAC address", token)
            return mac_test(given.direction, parse_mac(token.text))
        if given.protocol not in ("", *ETHERTYPES):
            words.fail(f"{given.protocol!r} has no {kind}s: that is IP's", token)
        if kind == "net":
            return self._net(given, token)
        if words.peek() == "/":
            words.fail(f"a host has no prefix length: 'net {token.text}/...'")
        return host_test(given.protocol, given.direction, self._address(given, token))

    def _proto(self, given: Qualifiers, token: Token) -> Test:
        if given.protocol == "ether":
            known, highest = ETHERTYPES, 0xFFFF
        elif given.protocol in ("", "ip", "ip6"):
            known, highest = IP_PROTOCOLS, 0xFF
        else:
            self._words.fail(f"{given.protocol!r} has no 'proto': 'ip proto', 'ip6 proto', 'ether proto'", token)
        if given.direction:
            self._words.fail(f"a protocol has no {given.direction!r}", token)
        number = known.get(token.text)
        if number is None:
            what = "an Ethernet type" if given.protocol == "ether" else "an IP protocol"
            number = self._words.number(token, what, highest)
        return ethertype_test(number) if given.protocol == "ether" else ip_test(given.protocol, number)

    # --- addresses

    def _address(self, given: Qualifiers, token: Token) -> bytes:
        try:
            address = parse_ip(token.text)
        except ValueError:
            self._words.fail(f"{quoted(token.text)} is not an address", token)
        if given.protocol not in HOSTS[len(address)]:
            self._words.fail(f"{given.protocol!r} has no address like {token.text}", token)
        return address

    def _net(self, given: Qualifiers, token: Token) -> Test:
        words, text = self._words, token.text
        parts = text.split(".")
        if ":" not in text and len(parts) < 4 and all(part.isdigit() for part in parts):
            # `net 10.7` is 10.7.0.0/16.
            prefixlen = 8 * len(parts)
            text = ".".join(parts + ["0"] * (4 - len(parts)))
        else:
            prefixlen = 128 if ":" in text else 32
        network = self._address(given, Token(text, token.start, token.end))
        if words.accept("/"):
            prefixlen = words.number(words.next(), "a prefix length", 8 * len(network))
        elif words.accept("mask"):
            mask_token = words.next()
            mask = int.from_bytes(self._address(Qualifiers("ip"), mask_token), "big")
            prefixlen = mask.bit_count()
            if len(network) != 4 or mask != (0xFFFFFFFF << (32 - prefixlen)) & 0xFFFFFFFF:
                words.fail("a mask is IPv4's, ones and then zeros", mask_token)
        if int.from_bytes(network, "big") & ((1 << (8 * len(network) - prefixlen)) - 1):
            words.fail(
                f"{quoted(token.text)} has bits set beyond /{prefixlen}: a network has none", token
            )
        return net_test(given.protocol, given.direction, network, prefixlen)

    # --- ports

    def _port(self, given: Qualifiers, token: Token) -> Test:
        words = self._words
        if given.protocol not in ("", "tcp", "udp", "sctp"):
            words.fail(f"{given.protocol!r} has no ports", token)
        names = [token.text]
        if given.type == "portrange":
            low, dash, high = token.text.partition("-")
            if not dash:
                words.fail("a range is two ports: 6000-6063", token)
            names = [low, high]
        numbers, protocols = [], []
        for name in names:
            if name in PORTS:
                number, named = PORTS[name]
            elif is_number(name):
                number, named = words.number(token._replace(text=name), "a port", 0xFFFF), ()
            else:
                words.fail(f"{quoted(token.text)} is not a port", token)
            if given.protocol and named and given.protocol not in named:
                words.fail(f"{name!r} is a port of {' and '.join(named)}", token)
            numbers.append(number)
            protocols.append(named)
        # As libpcap: a name with one protocol is looked for in that only.
        is_bound = len(protocols[0]) == 1 and protocols[0] == protocols[-1]
        wanted = (given.protocol,) if given.protocol else protocols[0] if is_bound else ()
        return port_test(wanted, given.direction, min(numbers), max(numbers))


def _misplaced(word: str) -> str:
    """What is wrong with a word where none of its kind can stand."""
    if word in WORDS or not word.isidentifier():
        return f"{quoted(word)} does not belong here"
    close = get_close_matches(word, WORDS, 1) if len(word) < 2 * max(map(len, WORDS)) else []
    meant = SPOKEN.get(word) or (f"port {word}" if word in PORTS else next(iter(close), ""))
    return f"{quoted(word)} is not a word of the filter language" + (f": {meant!r}?" if meant else "")


def _joined(first: Test, rest: list[tuple[bool, Test]]) -> Test:
    """All of them from the left: `and` (True) asks the next if so far it is so, `or` if it is not."""

    def run(frame: Frame) -> bool:
        found = first(frame)
        for is_and, test in rest:
            if found == is_and:
                found = test(frame)
        return found

    return run


def _behind(tags: int, test: Test) -> Test:
    return (lambda frame: test(frame.inside(tags))) if tags else test


def _is_mac(word: str) -> bool:
    try:
        parse_mac(word)
    except ValueError:
        return False
    return True


def _is_address(word: str) -> bool:
    try:
        parse_ip(word)
    except ValueError:
        return False
    return True
