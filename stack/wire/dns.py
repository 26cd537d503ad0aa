"""DNS messages (RFC 1035 4; AAAA RFC 3596, SRV RFC 2782, OPT RFC 6891, other types as bytes RFC 3597).

`fields` reads as far as the message makes sense, `parse` refuses one that does not to its last byte: a record cut or
longer than its data, two OPTs, bytes behind the end. Names in record data are decompressed in the types that may have
them so. What a message means, and whether it answers anything, is for the resolver.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from struct import error as struct_error
from typing import NamedTuple

from stack.wire.drop import Drop, WireError
from stack.wire.name import ROOT, Name, emit_name, read_name

PORT = 53
HEADER_LENGTH = 12
MAX_UDP = 512  # RFC 1035 4.2.1: without EDNS

# Flags
QR = 0x8000  # a response
AA = 0x0400
TC = 0x0200
RD = 0x0100
RA = 0x0080
AD = 0x0020  # RFC 4035 3.2.3
CD = 0x0010
EDNS_DO = 0x8000  # in an OPT's own flags

# Opcodes
QUERY = 0
NOTIFY = 4
UPDATE = 5

# Response codes
NOERROR = 0
FORMERR = 1
SERVFAIL = 2
NXDOMAIN = 3
NOTIMP = 4
REFUSED = 5
BADVERS = 16

# Types
A = 1
NS = 2
CNAME = 5
SOA = 6
PTR = 12
MX = 15
TXT = 16
AAAA = 28
SRV = 33
OPT = 41
AXFR = 252
ANY = 255

IN = 1  # the class
CH = 3
CLASS_NONE = 254
CLASS_ANY = 255
IN_ONLY = frozenset({A, AAAA, SRV})

_HEADER = Struct("!HHHHHH")
_TWO = Struct("!HH")
_RECORD = Struct("!HHIH")
_SOA = Struct("!IIIII")
_SRV = Struct("!HHH")


class Mx(NamedTuple):
    preference: int
    exchange: Name


class Soa(NamedTuple):
    """Times in seconds. `minimum` is how long a negative answer may be kept (RFC 2308 4)."""

    mname: Name
    rname: Name
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int


class Srv(NamedTuple):
    priority: int
    weight: int
    port: int
    target: Name


class Txt(NamedTuple):
    strings: tuple[bytes, ...]  # at most 255 bytes each, at least one


class Opt(NamedTuple):
    options: tuple[tuple[int, bytes], ...]  # (code, data) each


# NS, CNAME and PTR: Name. A: 4 bytes, AAAA: 16. Any other type: bytes as they came.
Data = bytes | Name | Mx | Soa | Srv | Txt | Opt


class Question(NamedTuple):
    name: Name
    type: int
    cls: int = IN


class Record(NamedTuple):
    name: Name
    type: int
    cls: int  # of an OPT: the sender's UDP payload size
    ttl: int  # seconds; of an OPT: extended response code, version, flags
    data: Data


class Edns(NamedTuple):
    """What an OPT record says (RFC 6891 6.1.3)."""

    payload_size: int  # bytes the sender takes over UDP
    extended_rcode: int  # the upper 8 bits
    version: int
    flags: int
    options: tuple[tuple[int, bytes], ...]


class Message(NamedTuple):
    id: int
    flags: int
    questions: tuple[Question, ...] = ()
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()  # an OPT included

    @property
    def is_response(self) -> bool:
        return bool(self.flags & QR)

    @property
    def is_truncated(self) -> bool:
        return bool(self.flags & TC)

    @property
    def opcode(self) -> int:
        return self.flags >> 11 & 15

    @property
    def rcode(self) -> int:
        """RFC 6891 6.1.3: 12 bits where there is an OPT."""
        edns = self.edns
        return self.flags & 15 | (edns.extended_rcode << 4 if edns else 0)

    @property
    def edns(self) -> Edns | None:
        for record in self.additional:
            if record.type == OPT and isinstance(record.data, Opt):
                ttl = record.ttl
                return Edns(record.cls, ttl >> 24, ttl >> 16 & 0xFF, ttl & 0xFFFF, record.data.options)
        return None


def opt_record(payload_size: int, extended_rcode: int = 0, flags: int = 0, version: int = 0) -> Record:
    """The pseudo-record that speaks EDNS (RFC 6891 6.1.2)."""
    return Record(ROOT, OPT, payload_size, extended_rcode << 24 | version << 16 | flags, Opt(()))


def query(number: int, question: Question, payload_size: int | None, flags: int = RD) -> Message:
    """One question; with EDNS if `payload_size` says how many bytes of UDP are welcome."""
    return Message(number, flags, (question,), additional=() if payload_size is None else (opt_record(payload_size),))


# --- bytes to messages


def fields(data: bytes | memoryview) -> Message:
    """What can be read, up to the first record that is malformed. WireError(TRUNCATED) below 12 bytes."""
    return _read(bytes(data))[0]


def parse(data: bytes | memoryview) -> Message:
    """A whole message. WireError: TRUNCATED, DNS_NAME, DNS_RECORD, DNS_TRAILING."""
    message, fault = _read(bytes(data))
    if fault is not None:
        raise WireError(fault)
    return message


def _read(data: bytes) -> tuple[Message, Drop | None]:
    """The message, and why it is not all of it."""
    if len(data) < HEADER_LENGTH:
        raise WireError(Drop.TRUNCATED)
    number, flags, *counts = _HEADER.unpack_from(data)
    questions: list[Question] = []
    sections: tuple[list[Record], ...] = ([], [], [])
    fault: Drop | None = None
    at = HEADER_LENGTH
    try:
        for _ in range(counts[0]):
            question, at = _read_question(data, at)
            questions.append(question)
        for section, count in zip(sections, counts[1:], strict=True):
            for _ in range(count):
                record, at = _read_record(data, at)
                # RFC 6891 6.1.1: one OPT at most, and among the additional records.
                if record.type == OPT and (section is not sections[2] or any(r.type == OPT for r in section)):
                    raise WireError(Drop.DNS_RECORD)
                section.append(record)
        if at != len(data):
            fault = Drop.DNS_TRAILING
    except WireError as e:
        fault = e.reason
    return Message(number, flags, tuple(questions), *(tuple(section) for section in sections)), fault


def _read_question(data: bytes, at: int) -> tuple[Question, int]:
    name, at = read_name(data, at)
    if at + 4 > len(data):
        raise WireError(Drop.DNS_RECORD)
    return Question(name, *_TWO.unpack_from(data, at)), at + 4


def _read_record(data: bytes, at: int) -> tuple[Record, int]:
    name, at = read_name(data, at)
    if at + 10 > len(data):
        raise WireError(Drop.DNS_RECORD)
    kind, cls, ttl, length = _RECORD.unpack_from(data, at)
    start, end = at + 10, at + 10 + length
    if end > len(data):
        raise WireError(Drop.DNS_RECORD)
    read = _READERS.get(kind)
    # RFC 1035 3.4: an address is laid out so in the Internet's class only.
    if read is None or (kind in IN_ONLY and cls != IN):
        return Record(name, kind, cls, ttl, data[start:end]), end
    # RFC 2136 2.4: in an UPDATE the classes ANY and NONE may have no data.
    if length == 0 and cls in (CLASS_NONE, CLASS_ANY) and kind != OPT:
        return Record(name, kind, cls, ttl, b""), end
    return Record(name, kind, cls, ttl, read(data, start, end)), end


def _read_address4(data: bytes, at: int, end: int) -> Data:
    return _exactly(data[at:end], 4)


def _read_address6(data: bytes, at: int, end: int) -> Data:
    return _exactly(data[at:end], 16)


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise WireError(Drop.DNS_RECORD)
    return data


def _read_last_name(data: bytes, at: int, end: int) -> Name:
    """The name that the record's data ends with."""
    name, after = read_name(data, at)
    if after != end:
        raise WireError(Drop.DNS_RECORD)
    return name


def _read_mx(data: bytes, at: int, end: int) -> Data:
    if end - at < 3:
        raise WireError(Drop.DNS_RECORD)
    return Mx(int.from_bytes(data[at : at + 2], "big"), _read_last_name(data, at + 2, end))


def _read_soa(data: bytes, at: int, end: int) -> Data:
    mname, at = read_name(data, at)
    rname, at = read_name(data, at)
    if at + _SOA.size != end:
        raise WireError(Drop.DNS_RECORD)
    return Soa(mname, rname, *_SOA.unpack_from(data, at))


def _read_srv(data: bytes, at: int, end: int) -> Data:
    if end - at < 7:
        raise WireError(Drop.DNS_RECORD)
    priority, weight, port = _SRV.unpack_from(data, at)
    return Srv(priority, weight, port, _read_last_name(data, at + 6, end))


def _read_txt(data: bytes, at: int, end: int) -> Data:
    strings = []
    while at < end:
        length = data[at]
        if at + 1 + length > end:
            raise WireError(Drop.DNS_RECORD)
        strings.append(data[at + 1 : at + 1 + length])
        at += 1 + length
    if not strings:
        raise WireError(Drop.DNS_RECORD)
    return Txt(tuple(strings))


def _read_opt(data: bytes, at: int, end: int) -> Data:
    options = []
    while at < end:
        if at + 4 > end:
            raise WireError(Drop.DNS_RECORD)
        code, length = _TWO.unpack_from(data, at)
        if at + 4 + length > end:
            raise WireError(Drop.DNS_RECORD)
        options.append((code, data[at + 4 : at + 4 + length]))
        at += 4 + length
    return Opt(tuple(options))


_READERS: dict[int, Callable[[bytes, int, int], Data]] = {
    A: _read_address4,
    AAAA: _read_address6,
    NS: _read_last_name,
    CNAME: _read_last_name,
    PTR: _read_last_name,
    SOA: _read_soa,
    MX: _read_mx,
    TXT: _read_txt,
    SRV: _read_srv,
    OPT: _read_opt,
}


# --- messages to bytes


def emit(message: Message) -> bytes:
    """The message's bytes, names compressed. ValueError for what does not fit its field."""
    try:
        return _emit(message)
    except (struct_error, OverflowError) as e:
        raise ValueError(f"a DNS message cannot hold this: {e}") from None


def _emit(message: Message) -> bytes:
    known: dict[tuple[bytes, ...], int] = {}
    sections = (message.answers, message.authority, message.additional)
    out = bytearray(_HEADER.pack(message.id, message.flags, len(message.questions), *map(len, sections)))
    for question in message.questions:
        out += emit_name(question.name, known, len(out)) + _TWO.pack(question.type, question.cls)
    for section in sections:
        for record in section:
            out += emit_name(record.name, known, len(out))
            head = len(out)
            data = emit_data(record.data, known, head + 10)
            if len(data) > 0xFFFF:
                raise ValueError(f"a record holds at most 65535 bytes, not {len(data)}")
            out += _RECORD.pack(record.type, record.cls, record.ttl, len(data)) + data
    if len(out) > 0xFFFF:
        raise ValueError(f"a DNS message has at most 65535 bytes, not {len(out)}")
    return bytes(out)


def emit_data(data: Data, known: dict[tuple[bytes, ...], int] | None = None, at: int = 0) -> bytes:
    """A record's data, standing at offset `at` of its message; names compressed if `known` is given."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, Name):
        return emit_name(data, known, at)
    if isinstance(data, Mx):
        return data.preference.to_bytes(2, "big") + emit_name(data.exchange, known, at + 2)
    if isinstance(data, Soa):
        mname = emit_name(data.mname, known, at)
        return mname + emit_name(data.rname, known, at + len(mname)) + _SOA.pack(*data[2:])
    if isinstance(data, Srv):
        # RFC 2782: no compression of the target.
        return _SRV.pack(*data[:3]) + emit_name(data.target)
    if isinstance(data, Txt):
        if not data.strings or any(len(s) > 255 for s in data.strings):
            raise ValueError("a TXT record has one or more strings of at most 255 bytes")
        return b"".join(bytes((len(s),)) + s for s in data.strings)
    return b"".join(_TWO.pack(code, len(value)) + value for code, value in data.options)
