"""DHCP options: what each code is called, how its data is laid out, and how it reads (RFC 2132, RFC 3442, RFC 3397).

`KINDS` is the table: the dissector prints by it, `parse_options` makes values by it. Data that is not laid out as its
code says is a WireError(DHCP_OPTIONS); a code that is not in the table stays bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from stack.wire.address import format_ip, format_mac, network
from stack.wire.drop import Drop, WireError
from stack.wire.name import Name, emit_name, read_name

PAD = 0
END = 255
OVERLOAD = 52
INFINITE = 0xFFFFFFFF  # a lease time: for ever (RFC 2131 3.3)

MESSAGE_TYPES = {
    1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM",
    9: "FORCERENEW", 10: "LEASEQUERY", 11: "LEASEUNASSIGNED", 12: "LEASEUNKNOWN", 13: "LEASEACTIVE",
}  # fmt: skip
OVERLOADED = {1: "file", 2: "sname", 3: "file and sname"}


class ClasslessRoute(NamedTuple):
    """RFC 3442: a router of 0.0.0.0 means that the network is on the link."""

    network: bytes
    prefixlen: int
    router: bytes


class Options(NamedTuple):
    """What a message's options say; None or empty where one is absent. Times in seconds."""

    message_type: int | None = None
    subnet_mask: bytes | None = None
    routers: tuple[bytes, ...] = ()
    dns_servers: tuple[bytes, ...] = ()
    hostname: str = ""
    domain: str = ""
    mtu: int | None = None
    broadcast: bytes | None = None
    static_routes: tuple[tuple[bytes, bytes], ...] = ()  # (destination, router), classful
    requested: bytes | None = None
    lease_time: int | None = None
    server_id: bytes | None = None
    parameters: tuple[int, ...] = ()  # the codes asked for
    message: str = ""
    max_size: int | None = None
    t1: int | None = None
    t2: int | None = None
    vendor_class: str = ""
    client_id: bytes = b""
    search: tuple[Name, ...] = ()
    routes: tuple[ClasslessRoute, ...] = ()
    others: tuple[tuple[int, bytes], ...] = ()


T = TypeVar("T")


class Format(Generic[T]):
    """One layout. `decode` raises WireError(DHCP_OPTIONS)."""

    def __init__(
        self, decode: Callable[[bytes], T], encode: Callable[[T], bytes], show: Callable[[T], str] = str
    ) -> None:
        self.decode = decode
        self.encode = encode
        self.show = show


class Kind(NamedTuple):
    name: str  # RFC 2132's, in lower case
    format: Format[Any]
    field: str = ""  # of Options


def describe(code: int, data: bytes) -> tuple[str, str]:
    """What an option is called and what it says, for people; data that makes no sense is shown in hexadecimal."""
    kind = KINDS.get(code, Kind(f"option {code}", BYTES))
    try:
        return kind.name, kind.format.show(kind.format.decode(data))
    except WireError:
        return kind.name, f"malformed: {data.hex()}"


def parameter_names(codes: tuple[int, ...]) -> str:
    return ", ".join(f"{code} {KINDS[code].name}" if code in KINDS else str(code) for code in codes)


# --- layouts


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise WireError(Drop.DHCP_OPTIONS)
    return data


def _each(data: bytes, length: int) -> list[bytes]:
    """One or more items of `length` bytes."""
    if not data or len(data) % length:
        raise WireError(Drop.DHCP_OPTIONS)
    return [data[at : at + length] for at in range(0, len(data), length)]


def _number(size: int, show: Callable[[int], str] = str, signed: bool = False) -> Format[int]:
    return Format(
        lambda data: int.from_bytes(_exactly(data, size), "big", signed=signed),
        lambda value: value.to_bytes(size, "big", signed=signed),
        show,
    )


def _named(names: dict[int, str]) -> Format[int]:
    return _number(1, lambda value: f"{names.get(value, 'unknown')} ({value})")


def _decode_text(data: bytes) -> str:
    # RFC 2132 2: some send a NUL at the end. What is not printable is escaped, for this text goes to terminals.
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02x}" for byte in data.rstrip(b"\0"))


def _decode_routes(data: bytes) -> tuple[ClasslessRoute, ...]:
    # RFC 3442: prefix length, as many bytes of the network as it needs, router.
    routes = []
    at = 0
    while at < len(data):
        prefixlen = data[at]
        end = at + 1 + (prefixlen + 7) // 8
        if prefixlen > 32 or end + 4 > len(data):
            raise WireError(Drop.DHCP_OPTIONS)
        # RFC 3442: bits behind the prefix are cleared rather than believed.
        routes.append(
            ClasslessRoute(network(data[at + 1 : end].ljust(4, b"\0"), prefixlen), prefixlen, data[end : end + 4])
        )
        at = end + 4
    if not routes:
        raise WireError(Drop.DHCP_OPTIONS)
    return tuple(routes)


def _encode_routes(routes: tuple[ClasslessRoute, ...]) -> bytes:
    return b"".join(bytes((p,)) + net[: (p + 7) // 8] + router for net, p, router in routes)


def _show_routes(routes: tuple[ClasslessRoute, ...]) -> str:
    return ", ".join(f"{format_ip(net)}/{p} via {format_ip(router)}" for net, p, router in routes)


def _decode_names(data: bytes) -> tuple[Name, ...]:
    # RFC 3397 2: compressed as in DNS, with pointers into this option's own data.
    names = []
    at = 0
    while at < len(data):
        try:
            name, at = read_name(data, at)
        except WireError:
            raise WireError(Drop.DHCP_OPTIONS) from None
        names.append(name)
    return tuple(names)


def _encode_names(names: tuple[Name, ...]) -> bytes:
    known: dict[tuple[bytes, ...], int] = {}
    out = b""
    for name in names:
        out += emit_name(name, known, len(out))
    return out


def _show_client_id(data: bytes) -> str:
    return format_mac(data[1:]) if len(data) == 7 and data[0] == 1 else data.hex()


def _show_seconds(seconds: int) -> str:
    return "for ever" if seconds == INFINITE else f"{seconds} s"


def _pair(data: bytes) -> tuple[bytes, bytes]:
    return data[:4], data[4:]


BYTES: Format[bytes] = Format(bytes, bytes, bytes.hex)
TEXT: Format[str] = Format(_decode_text, lambda text: text.encode("ascii"))
FLAG = _number(1, lambda value: {0: "off", 1: "on"}.get(value, str(value)))
U8 = _number(1)
U16 = _number(2)
I32 = _number(4, lambda value: f"{value} s", signed=True)
SECONDS = _number(4, _show_seconds)
ADDRESS: Format[bytes] = Format(lambda data: _exactly(data, 4), lambda data: _exactly(data, 4), format_ip)
ADDRESSES: Format[tuple[bytes, ...]] = Format(
    lambda data: tuple(_each(data, 4)), b"".join, lambda all: ", ".join(map(format_ip, all))
)
PAIRS: Format[tuple[tuple[bytes, bytes], ...]] = Format(
    lambda data: tuple(_pair(pair) for pair in _each(data, 8)),
    lambda pairs: b"".join(a + b for a, b in pairs),
    lambda pairs: ", ".join(f"{format_ip(a)} {format_ip(b)}" for a, b in pairs),
)
CODES: Format[tuple[int, ...]] = Format(tuple, bytes, parameter_names)
ROUTES = Format(_decode_routes, _encode_routes, _show_routes)
NAMES = Format(_decode_names, _encode_names, lambda names: ", ".join(map(str, names)))
CLIENT_ID: Format[bytes] = Format(bytes, bytes, _show_client_id)

KINDS = {
    1: Kind("subnet mask", ADDRESS, "subnet_mask"),
    2: Kind("time offset", I32),
    3: Kind("router", ADDRESSES, "routers"),
    4: Kind("time server", ADDRESSES),
    5: Kind("name server (IEN 116)", ADDRESSES),
    6: Kind("domain name server", ADDRESSES, "dns_servers"),
    7: Kind("log server", ADDRESSES),
    9: Kind("LPR server", ADDRESSES),
    12: Kind("host name", TEXT, "hostname"),
    13: Kind("boot file size", U16),
    15: Kind("domain name", TEXT, "domain"),
    16: Kind("swap server", ADDRESS),
    17: Kind("root path", TEXT),
    18: Kind("extensions path", TEXT),
    19: Kind("IP forwarding", FLAG),
    20: Kind("non-local source routing", FLAG),
    21: Kind("policy filter", PAIRS),
    22: Kind("maximum datagram reassembly size", U16),
    23: Kind("default IP time to live", U8),
    26: Kind("interface MTU", U16, "mtu"),
    27: Kind("all subnets are local", FLAG),
    28: Kind("broadcast address", ADDRESS, "broadcast"),
    31: Kind("perform router discovery", FLAG),
    32: Kind("router solicitation address", ADDRESS),
    33: Kind("static route", PAIRS, "static_routes"),
    35: Kind("ARP cache timeout", SECONDS),
    37: Kind("TCP default time to live", U8),
    38: Kind("TCP keepalive interval", SECONDS),
    40: Kind("NIS domain", TEXT),
    41: Kind("NIS servers", ADDRESSES),
    42: Kind("NTP servers", ADDRESSES),
    43: Kind("vendor specific information", BYTES),
    44: Kind("NetBIOS name server", ADDRESSES),
    46: Kind("NetBIOS node type", U8),
    47: Kind("NetBIOS scope", TEXT),
    50: Kind("requested IP address", ADDRESS, "requested"),
    51: Kind("IP address lease time", SECONDS, "lease_time"),
    OVERLOAD: Kind("option overload", _named(OVERLOADED)),
    53: Kind("DHCP message type", _named(MESSAGE_TYPES), "message_type"),
    54: Kind("server identifier", ADDRESS, "server_id"),
    55: Kind("parameter request list", CODES, "parameters"),
    56: Kind("message", TEXT, "message"),
    57: Kind("maximum DHCP message size", U16, "max_size"),
    58: Kind("renewal (T1) time", SECONDS, "t1"),
    59: Kind("rebinding (T2) time", SECONDS, "t2"),
    60: Kind("vendor class identifier", TEXT, "vendor_class"),
    61: Kind("client identifier", CLIENT_ID, "client_id"),
    66: Kind("TFTP server name", TEXT),
    67: Kind("bootfile name", TEXT),
    77: Kind("user class", BYTES),
    80: Kind("rapid commit", BYTES),
    81: Kind("client FQDN", BYTES),
    82: Kind("relay agent information", BYTES),
    93: Kind("client system architecture", U16),
    97: Kind("client machine identifier", BYTES),
    100: Kind("time zone (POSIX)", TEXT),
    101: Kind("time zone (TZ database)", TEXT),
    108: Kind("IPv6-only preferred", SECONDS),
    114: Kind("captive portal", TEXT),
    116: Kind("auto-configure", FLAG),
    118: Kind("subnet selection", ADDRESS),
    119: Kind("domain search", NAMES, "search"),
    121: Kind("classless static route", ROUTES, "routes"),
    249: Kind("classless static route (Microsoft)", ROUTES),
    252: Kind("web proxy auto-discovery", TEXT),
}
