"""DHCP messages in words (RFC 2131, RFC 2132): tshark's line, and a tree to the last option.

It reads with `stack.wire.dhcpv4`, so what is malformed here is what client and server refuse.
"""

from __future__ import annotations

from stack.trace.layer import Application, Field, Layer
from stack.wire import dhcpv4
from stack.wire.address import format_ip, format_mac
from stack.wire.dhcpv4 import Dhcp
from stack.wire.dhcpv4_options import describe
from stack.wire.dns_text import printable
from stack.wire.drop import WireError

TITLE = "Dynamic Host Configuration Protocol"
TYPE = 53  # the option with the message's type
TYPES = {
    1: "Discover", 2: "Offer", 3: "Request", 4: "Decline", 5: "ACK", 6: "NAK", 7: "Release", 8: "Inform",
    9: "Force Renew", 10: "Lease query", 11: "Lease Unassigned", 12: "Lease Unknown", 13: "Lease Active",
}  # fmt: skip
OPERATIONS = {dhcpv4.BOOTREQUEST: "Boot Request", dhcpv4.BOOTREPLY: "Boot Reply"}


def over_udp(payload: bytes, start: int) -> Application:
    """A datagram's message, whatever its bytes."""
    try:
        message = dhcpv4.fields(payload)
    except WireError as error:
        layer = Layer("dhcp", f"{TITLE}, cut after {len(payload)} bytes", start, start + len(payload))
        layer.fault = error.reason.value
        return Application("BOOTP", f"{len(payload)} bytes", [layer])
    kind = _type(message)
    words = f"{TYPES.get(kind, f'type {kind}')}" if kind is not None else OPERATIONS.get(message.op, "unknown")
    layer = Layer("dhcp", f"{TITLE} ({words})", start, start + len(payload), _fields(message))
    try:
        dhcpv4.parse(payload)
    except WireError as error:
        layer.fault = error.reason.value
    return Application("BOOTP" if kind is None else "DHCP", info(message), [layer])


def _type(message: Dhcp) -> int | None:
    """The message's type, None if it is none of DHCP's."""
    data = dhcpv4.joined_options(message).get(TYPE, b"") if message.cookie == dhcpv4.COOKIE else b""
    return data[0] if len(data) == 1 else None


def info(message: Dhcp) -> str:
    """As tshark has it."""
    kind = _type(message)
    if kind is not None:
        word = TYPES.get(kind, f"Unknown Message Type (0x{kind:02x})")
        return f"DHCP {word:<8} - Transaction ID 0x{message.xid:x}"
    if message.op == dhcpv4.BOOTREQUEST:
        return f"Boot Request from {_hardware(message)} ({_hardware(message)})"
    return OPERATIONS.get(message.op, f"Unknown BOOTP message type ({message.op})")


def _hardware(message: Dhcp) -> str:
    return format_mac(message.hardware) if message.hlen == 6 else message.hardware.hex(":")


def _fields(message: Dhcp) -> list[Field]:
    unicast = "the answer may be unicast" if not message.flags & dhcpv4.BROADCAST else "the answer is to be broadcast"
    shown = [
        Field("Operation", f"{OPERATIONS.get(message.op, 'unknown')} ({message.op})"),
        Field("Hardware type", f"{'Ethernet' if message.htype == dhcpv4.HARDWARE_ETHERNET else 'unknown'} "
                               f"({message.htype})"),
        Field("Hardware address length", str(message.hlen)),
        Field("Hops", str(message.hops)),
        Field("Transaction ID", f"0x{message.xid:08x}"),
        Field("Seconds elapsed", str(message.secs)),
        Field("Flags", f"0x{message.flags:04x} ({unicast})"),
        Field("Client address", format_ip(message.ciaddr)),
        Field("Your address", format_ip(message.yiaddr)),
        Field("Next server address", format_ip(message.siaddr)),
        Field("Relay address", format_ip(message.giaddr)),
        Field("Client hardware address", _hardware(message)),
        Field("Server host name", _text(message.sname)),
        Field("Boot file name", _text(message.file)),
        Field("Magic cookie", message.cookie.hex() + (" (DHCP)" if message.cookie == dhcpv4.COOKIE else "")),
    ]  # fmt: skip
    return shown + _options(message) if message.cookie == dhcpv4.COOKIE else shown


def _options(message: Dhcp) -> list[Field]:
    """Each option where its first part stands; RFC 3396 7: what comes more than once is one long option."""
    joined = dhcpv4.joined_options(message)
    shown = []
    for code, data in joined.items():
        name, value = describe(code, data)
        shown.append(Field(f"Option {code} {name}", value))
    try:
        for _ in dhcpv4.each_option(message):
            pass
    except WireError as error:
        shown.append(Field("Malformed", error.reason.value))
    return shown


def _text(data: bytes) -> str:
    """A name in a field of fixed length, up to its NUL."""
    return printable(data.split(b"\0", 1)[0]) or "none"
