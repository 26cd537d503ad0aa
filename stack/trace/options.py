"""The options of IPv4 and TCP headers in words, up to where the list stops making sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stack.trace import names
from stack.wire import ipv4, tcp
from stack.wire.address import format_ip
from stack.wire.drop import WireError
from stack.wire.option import Option


def ip_options(options: bytes) -> Iterator[tuple[str, str]]:
    """(name, value) of each option of an IPv4 header, and a last pair that says so if the list is malformed."""
    try:
        for option in ipv4.each_option(options):
            yield names.IP_OPTIONS.get(option.kind, f"Option {option.kind}"), _ip_value(option)
    except WireError as error:
        yield "Malformed", error.reason.value


def _ip_value(option: Option) -> str:
    routes = (ipv4.OPTION_RECORD_ROUTE, ipv4.OPTION_LOOSE_SOURCE_ROUTE, ipv4.OPTION_STRICT_SOURCE_ROUTE)
    if option.kind not in routes or len(option.data) % 4 != 1:
        return option.data.hex()
    # RFC 791 3.1: a pointer counted from the option's first byte, from 1, and the addresses.
    route = [format_ip(option.data[i : i + 4]) for i in range(1, len(option.data), 4)]
    return f"pointer {option.data[0]}: " + " ".join(route)


def tcp_options(options: bytes) -> Iterator[tuple[str, str]]:
    """The same for a TCP header."""
    try:
        for option in tcp.each_option(options):
            name = tcp.OPTION_NAMES.get(option.kind, f"Option {option.kind}")
            say = _TCP_VALUES.get((option.kind, len(option.data)))
            if option.kind == tcp.OPTION_SACK and option.data and len(option.data) % 8 == 0:
                say = _sack
            yield name, say(option.data) if say else option.data.hex()
    except WireError as error:
        yield "Malformed", error.reason.value


def tcp_summary(options: bytes, base: int = 0) -> str:
    """' MSS=1460 SACK_PERM TSval=1 TSecr=0 WS=128': what the one-line summary says of them, in the order they come.

    SACK blocks are counted from `base`, the other side's first sequence number.
    """
    words = []
    try:
        for option in tcp.each_option(options):
            data = option.data
            if option.kind == tcp.OPTION_MSS and len(data) == 2:
                words.append(f"MSS={_number(data)}")
            elif option.kind == tcp.OPTION_WINDOW_SCALE and len(data) == 1:
                words.append(f"WS={1 << min(data[0], tcp.MAX_WINDOW_SCALE)}")
            elif option.kind == tcp.OPTION_SACK_PERMITTED and not data:
                words.append("SACK_PERM")
            elif option.kind == tcp.OPTION_TIMESTAMPS and len(data) == 8:
                words.append(f"TSval={_number(data[:4])} TSecr={_number(data[4:])}")
            elif option.kind == tcp.OPTION_SACK and data and len(data) % 8 == 0:
                edges = [_number(data[i : i + 4]) - base & 0xFFFFFFFF for i in range(0, len(data), 4)]
                words.extend(f"{'SR' if i % 2 else 'SL'}E={edge}" for i, edge in enumerate(edges))
    except WireError:
        pass
    return "".join(" " + word for word in words)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _sack(data: bytes) -> str:
    return ", ".join(f"{_number(data[i : i + 4])} to {_number(data[i + 4 : i + 8])}" for i in range(0, len(data), 8))


_TCP_VALUES: dict[tuple[int, int], Callable[[bytes], str]] = {
    (tcp.OPTION_MSS, 2): lambda data: f"{_number(data)} bytes",
    (tcp.OPTION_WINDOW_SCALE, 1): lambda data: f"{data[0]} (multiply by {1 << min(data[0], tcp.MAX_WINDOW_SCALE)})",
    (tcp.OPTION_TIMESTAMPS, 8): lambda data: f"TSval {_number(data[:4])}, TSecr {_number(data[4:])}",
}
