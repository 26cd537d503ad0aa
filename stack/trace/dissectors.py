"""Who reads a payload: DNS and DHCP by their ports, HTTP by its first line, and before them what somebody has added.

A dissector of one's own is a function of the payload's bytes that returns what to say of them:

    'hello'                                     the words of the line
    ('CHAT', 'alice: hello')                    the protocol's name and the words
    ('CHAT', 'alice: hello', {'From': 'alice'}) and the fields of the tree, which may be nested
    None                                        this payload is none of its own

Whatever it raises is shown with that packet, and nothing else suffers; KeyboardInterrupt alone goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stack.trace import dhcp, dns, http
from stack.trace.layer import Application, Field, Layer, printable

Own = Callable[[bytes], Any]
PROTOCOLS = ("tcp", "udp")
DNS_PORT, DHCP_PORTS = 53, (67, 68)
MAX_DEPTH = 8  # of fields within fields
MAX_FAULT = 200  # characters


class Dissectors:
    """A trace's table of them; `own` by protocol and port."""

    def __init__(self) -> None:
        self.own: dict[tuple[str, int], Own] = {}

    def add(self, f: Own, port: int, protocol: str | None = None) -> None:
        """From now on `f` reads what goes to or comes from `port`. ValueError or TypeError for what makes no sense."""
        if not callable(f):
            raise TypeError(f"a dissector is a function of a payload's bytes, not {f!r}")
        for key in _keys(port, protocol):
            self.own[key] = f

    def check(self, port: int, protocol: str | None = None) -> None:
        """ValueError for a port or a protocol that makes no sense."""
        _keys(port, protocol)

    def remove(self, port: int, protocol: str | None = None) -> None:
        for key in _keys(port, protocol):
            self.own.pop(key, None)

    def read(
        self, protocol: str, src_port: int, dst_port: int, payload: bytes, start: int, is_judged: bool = True
    ) -> Application | None:
        """What is to be said of a payload that begins at `start` of its frame; None if nobody knows. Raises
        nothing but KeyboardInterrupt.

        What is not there whole, or in doubt, is not judged.
        """
        for port in (dst_port, src_port):
            f = self.own.get((protocol, port))
            found = None if f is None else _ask(f, protocol, port, payload, start)
            if found is not None:
                return found
        found = _built_in(protocol, src_port, dst_port, payload, start)
        if found is not None and not is_judged:
            for layer in found.layers:
                layer.fault = ""
        return found


BUILT_IN = Dissectors()


def _built_in(protocol: str, src_port: int, dst_port: int, payload: bytes, start: int) -> Application | None:
    if protocol == "udp":
        if DNS_PORT in (src_port, dst_port):
            return dns.over_udp(payload, start)
        is_dhcp = src_port in DHCP_PORTS and dst_port in DHCP_PORTS
        return dhcp.over_udp(payload, start) if is_dhcp else None
    return dns.over_tcp(payload, start) if DNS_PORT in (src_port, dst_port) else http.over_tcp(payload, start)


def _keys(port: int, protocol: str | None) -> Iterable[tuple[str, int]]:
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 0x10000:
        raise ValueError(f"a port is a number from 1 to 65535, not {port!r}")
    if protocol is not None and protocol not in PROTOCOLS:
        raise ValueError(f"protocol is 'tcp' or 'udp' (both, if it is left out), not {protocol!r}")
    return [(name, port) for name in ((protocol,) if protocol else PROTOCOLS)]


def _ask(f: Own, protocol: str, port: int, payload: bytes, start: int) -> Application | None:
    name = f"{protocol.upper()} port {port}"
    layer = Layer("own", name, start, start + len(payload))
    try:
        answer = f(payload)
        if answer is None:
            return None
        words, info, fields = _answer(answer, name)
        layer.title, layer.fields = name if isinstance(answer, str) else words, fields
        if info:
            layer.title += f", {info}"
        return Application(words, info, [layer])
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() in it is not the program's end
        layer.fault = printable(f"its dissector failed: {_said(error)}"[:MAX_FAULT])
        return Application(protocol.upper(), f"{len(payload)} bytes on port {port}", [layer])


def _said(error: BaseException) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:  # an exception's own __str__ may fail as well
        return name


def _answer(answer: Any, name: str) -> tuple[str, str, list[Field]]:
    """(protocol, info, fields) of what a dissector returned. TypeError."""
    if isinstance(answer, str):
        return name.split()[0], printable(answer), []
    if not isinstance(answer, tuple) or not 2 <= len(answer) <= 3 or not all(isinstance(a, str) for a in answer[:2]):
        raise TypeError(f"it returned {answer!r}, and not a text or (protocol, info) or (protocol, info, fields)")
    protocol, info = (printable(text) for text in answer[:2])
    fields = answer[2] if len(answer) == 3 else None
    return protocol or name, info, list(_fields(fields, MAX_DEPTH)) if fields else []


def _fields(value: Any, depth: int) -> Iterable[Field]:
    """A dict, or a list of pairs or values, as fields."""
    if isinstance(value, Mapping):
        pairs: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, (list, tuple)):
        pairs = [v if isinstance(v, tuple) and len(v) == 2 else (str(i), v) for i, v in enumerate(value)]
    else:
        raise TypeError(f"fields are a dict or a list, not {value!r}")
    for name, inner in pairs:
        if isinstance(inner, (Mapping, list, tuple)) and depth:
            yield Field(printable(str(name)), "", tuple(_fields(inner, depth - 1)))
        else:
            text = inner.hex(" ") if isinstance(inner, (bytes, bytearray, memoryview)) else str(inner)
            yield Field(printable(str(name)), printable(text))
