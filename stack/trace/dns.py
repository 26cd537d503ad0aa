"""DNS messages in words (RFC 1035): tshark's line, and a tree to the last record and EDNS option.

It reads with `stack.wire.dns`, so what is malformed here is what the resolver refuses. Over TCP a message is read where
its length and all of it lie in one segment (RFC 1035 4.2.2); nothing is put together.
"""

from __future__ import annotations

from stack.trace.layer import Application, Field, Layer, data_layer
from stack.wire import dns, dns_text
from stack.wire.dns import Message, Mx, Record, Soa, Srv
from stack.wire.drop import WireError
from stack.wire.name import Name

KINDS = {
    0: "Standard query", 1: "Inverse query", 2: "Server status request", 4: "Zone change notification",
    5: "Dynamic update", 6: "DNS Stateful operations (DSO)",
}  # fmt: skip
REFUSALS = {
    1: "Format error", 2: "Server failure", 3: "No such name", 4: "Not implemented", 5: "Refused", 6: "Name exists",
    7: "RRset exists", 8: "RRset does not exist", 9: "Not authoritative", 10: "Name out of zone",
    11: "DSO-Type not implemented",
}  # fmt: skip
TITLE = "Domain Name System"


def over_udp(payload: bytes, start: int) -> Application:
    """A datagram's message, whatever its bytes."""
    return _message(payload, start)


def over_tcp(payload: bytes, start: int) -> Application | None:
    """The messages that lie whole in a segment; None if the first does not."""
    layers: list[Layer] = []
    said: list[str] = []
    at = 0
    while at + 2 <= len(payload):
        length = int.from_bytes(payload[at : at + 2], "big")
        if length < dns.HEADER_LENGTH or at + 2 + length > len(payload):
            break
        message = _message(payload[at + 2 : at + 2 + length], start + at + 2)
        message.layers[0].start = start + at
        message.layers[0].fields.insert(0, Field("Length", str(length)))
        layers += message.layers
        said.append(message.info)
        at += 2 + length
    if not layers:
        return None
    layers += data_layer("Part of a message", payload[at:], start + at)
    return Application("DNS", ", ".join(said), layers)


def _message(payload: bytes, start: int) -> Application:
    try:
        message = dns.fields(payload)
    except WireError as error:
        layer = Layer("dns", f"{TITLE}, cut after {len(payload)} bytes", start, start + len(payload))
        layer.fault = error.reason.value
        return Application("DNS", f"{len(payload)} bytes", [layer])
    kind = "response" if message.is_response else "query"
    layer = Layer("dns", f"{TITLE} ({kind})", start, start + len(payload), _fields(message, payload))
    layer.fault = _fault(payload)
    return Application("DNS", info(message), [layer])


def _fault(payload: bytes) -> str:
    """Why the resolver refuses it, nothing if it does not."""
    try:
        dns.parse(payload)
    except WireError as error:
        return error.reason.value
    return ""


# --- one line


def info(message: Message) -> str:
    """As tshark has it: what is asked, and all that is answered."""
    kind = KINDS.get(message.opcode, f"Unknown operation ({message.opcode})")
    words = [kind, "response"] if message.is_response else [kind]
    words.append(f"0x{message.id:04x}")
    rcode = message.flags & 15
    if message.is_response and rcode:
        words.append(REFUSALS.get(rcode, f"Unknown error ({rcode})"))
    words += [f"{_type(question.type)} {_name(question.name)}" for question in message.questions]
    for section in (message.answers, message.authority, message.additional):
        words += [_record(record) for record in section]
    return " ".join(words)


def _type(number: int) -> str:
    return dns_text.TYPES.get(number, f"Unknown ({number})")


def _name(name: Name) -> str:
    return str(name).removesuffix(".") or "<Root>"


def _record(record: Record) -> str:
    kind, data = _type(record.type), record.data
    if isinstance(data, bytes):
        return f"{kind} {dns_text.format_data(data, record.type)}" if record.type in (dns.A, dns.AAAA) else kind
    if isinstance(data, Name):
        return f"{kind} {_name(data)}"
    if isinstance(data, Mx):
        return f"{kind} {data.preference} {_name(data.exchange)}"
    if isinstance(data, Srv):
        return f"{kind} {data.priority} {data.weight} {data.port} {_name(data.target)}"
    return f"{kind} {_name(data.mname)}" if isinstance(data, Soa) else kind


# --- the tree


def _fields(message: Message, payload: bytes) -> list[Field]:
    flags = " ".join(name for bit, name in dns_text.FLAGS.items() if message.flags & bit) or "none"
    opcode = dns_text.OPCODES.get(message.opcode, str(message.opcode))
    shown = [
        Field("Identifier", f"0x{message.id:04x} ({message.id})"),
        Field("Flags", f"0x{message.flags:04x} ({flags})"),
        Field("Operation", f"{opcode} ({message.opcode})"),
    ]
    if message.is_response:
        shown.append(Field("Status", f"{dns_text.rcode_name(message.rcode)} ({message.rcode})"))
    counts = [int.from_bytes(payload[at : at + 2], "big") for at in (4, 6, 8, 10)]
    questions = tuple(
        Field(str(q.name), f"{dns_text.class_name(q.cls)} {dns_text.type_name(q.type)}") for q in message.questions
    )
    shown.append(Field("Questions", _count(counts[0], len(questions)), questions))
    sections = (message.answers, message.authority, message.additional)
    for name, count, section in zip(("Answers", "Authority", "Additional"), counts[1:], sections, strict=True):
        if count:
            shown.append(Field(name, _count(count, len(section)), tuple(map(_record_field, section))))
    return shown


def _count(claimed: int, read: int) -> str:
    return str(claimed) if claimed == read else f"{claimed}, of which {read} can be read"


def _record_field(record: Record) -> Field:
    edns = Message(0, 0, additional=(record,)).edns
    if edns is None:
        kind = f"{dns_text.class_name(record.cls)} {dns_text.type_name(record.type)}"
        return Field(str(record.name), f"{record.ttl} {kind} {dns_text.format_data(record.data, record.type)}".rstrip())
    inner = [
        Field("UDP payload size", f"{edns.payload_size} bytes"),
        Field("Extended status", str(edns.extended_rcode)),
        Field("Version", str(edns.version)),
        Field("Flags", f"0x{edns.flags:04x} ({'do' if edns.flags & dns.EDNS_DO else 'none'})"),
    ]
    for code, value in edns.options:
        inner.append(Field(f"Option {code} {dns_text.EDNS_OPTIONS.get(code, 'unknown')}", value.hex(" ") or "empty"))
    return Field("EDNS", "what the sender of the message can do (OPT)", tuple(inner))
