"""DNS as text: record data as master files have it, both ways (RFC 1035 5, RFC 3597), and messages as dig prints them.

Names of types, classes and codes are the registry's; what has none is TYPE123 or CLASS123. Refuses nothing on the way
out; on the way in, a fault is a ValueError of one clear line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from stack.wire import dns
from stack.wire.address import format_ip, parse_ip
from stack.wire.dns import Data, Edns, Message, Mx, Opt, Question, Record, Soa, Srv, Txt
from stack.wire.name import ROOT, Name, parse_name

TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB",
    24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 39: "DNAME", 41: "OPT", 43: "DS",
    44: "SSHFP", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 59: "CDS",
    60: "CDNSKEY", 64: "SVCB", 65: "HTTPS", 99: "SPF", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR",
    255: "ANY", 256: "URI", 257: "CAA",
}  # fmt: skip
CLASSES = {1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}
OPCODES = {0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE"}
RCODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
    8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 16: "BADVERS", 23: "BADCOOKIE",
}  # fmt: skip
FLAGS = {dns.QR: "qr", dns.AA: "aa", dns.TC: "tc", dns.RD: "rd", dns.RA: "ra", dns.AD: "ad", dns.CD: "cd"}
TYPE_NUMBERS = {name: number for number, name in TYPES.items()}
CLASS_NUMBERS = {name: number for number, name in CLASSES.items()}

OWNER_COLUMN, TTL_COLUMN, CLASS_COLUMN, TYPE_COLUMN, DATA_COLUMN = 0, 24, 32, 40, 48  # dig's
TAB = 8
HEX_WORD = 56


def type_name(number: int) -> str:
    return TYPES.get(number, f"TYPE{number}")  # RFC 3597 5


def class_name(number: int) -> str:
    return CLASSES.get(number, f"CLASS{number}")


def rcode_name(number: int) -> str:
    return RCODES.get(number, f"RESERVED{number}")


def type_number(text: str) -> int:
    """'MX', 'mx' or 'TYPE15'. ValueError for what is no type."""
    return _number(text, TYPE_NUMBERS, "TYPE", "a record type")


def class_number(text: str) -> int:
    """'IN', 'in' or 'CLASS1'. ValueError for what is no class."""
    return _number(text, CLASS_NUMBERS, "CLASS", "a class")


def _number(text: str, known: dict[str, int], prefix: str, what: str) -> int:
    word = text.upper()
    digits = word.removeprefix(prefix)
    if word in known:
        return known[word]
    if digits != word and digits.isascii() and digits.isdigit() and int(digits) <= 0xFFFF:
        return int(digits)
    raise ValueError(f"{text!r} is not {what}")


# --- record data out


def format_data(data: Data, kind: int) -> str:
    """A record's data in one line, as in a master file and in dig's answers."""
    if isinstance(data, bytes):
        if (kind, len(data)) in ((dns.A, 4), (dns.AAAA, 16)):
            return format_ip(data)
        digits = data.hex().upper()  # RFC 3597 5; in words as long as dig's
        return " ".join((f"\\# {len(data)}", *(digits[at : at + HEX_WORD] for at in range(0, len(digits), HEX_WORD))))
    if isinstance(data, Name):
        return str(data)
    if isinstance(data, Txt):
        return " ".join(quoted(string) for string in data.strings)
    if isinstance(data, Opt):
        return " ".join(f"{code}:{value.hex()}" for code, value in data.options)
    return " ".join(str(field) for field in data)


def quoted(string: bytes) -> str:
    """A character string in quotes, with \\DDD for what is not printable ASCII (RFC 1035 5.1)."""
    return '"' + printable(string) + '"'


def printable(string: bytes) -> str:
    return "".join(
        ("\\" if byte in b'"\\' else "") + chr(byte) if 0x20 <= byte <= 0x7E else f"\\{byte:03}" for byte in string
    )


def format_record(record: Record) -> str:
    """In dig's columns: 'www.lab.\\t\\t300\\tIN\\tA\\t10.9.0.1'."""
    return _columns(
        (OWNER_COLUMN, str(record.name)),
        (TTL_COLUMN, str(record.ttl)),
        (CLASS_COLUMN, class_name(record.cls)),
        (TYPE_COLUMN, type_name(record.type)),
        (DATA_COLUMN, format_data(record.data, record.type)),
    )


def format_question(question: Question) -> str:
    return ";" + _columns(
        (OWNER_COLUMN, str(question.name)),
        (CLASS_COLUMN, class_name(question.cls)),
        (TYPE_COLUMN, type_name(question.type)),
    )


def _columns(*words: tuple[int, str]) -> str:
    """Each word at its column, by tabs; behind the one before, with a space, where that reaches too far."""
    line = ""
    at = 0
    for column, word in words:
        if line:
            column = max(column, at + 1)
            tabs = column // TAB - at // TAB
            if tabs:
                line += "\t" * tabs
                at = column // TAB * TAB
            line += " " * (column - at)
        line += word
        at = column + len(word)
    return line


# --- messages out


PARTS = ("comments", "question", "answer", "authority", "additional")  # of a message, by dig's names for them


def format_message(message: Message, parts: Collection[str] = PARTS) -> Iterator[str]:
    """Lines from '->>HEADER<<-' to the last section, as `dig` prints an answer: an empty line behind each section.

    Without "comments" nothing but the questions and records of the sections among `parts`.
    """
    has_comments = "comments" in parts
    if has_comments:
        yield from _format_header(message)
        if message.edns is not None:
            yield from _format_edns(message.edns)
    if "question" in parts and message.questions:
        yield from _section("QUESTION", map(format_question, message.questions), has_comments)
    for title, section in (
        ("ANSWER", message.answers),
        ("AUTHORITY", message.authority),
        ("ADDITIONAL", message.additional),
    ):
        records = [record for record in section if not isinstance(record.data, Opt)]
        if records and title.lower() in parts:
            yield from _section(title, map(format_record, records), has_comments)


def _section(title: str, lines: Iterable[str], has_comments: bool) -> Iterator[str]:
    if has_comments:
        yield f";; {title} SECTION:"
    yield from lines
    if has_comments:
        yield ""


def _format_header(message: Message) -> Iterator[str]:
    yield (
        f";; ->>HEADER<<- opcode: {OPCODES.get(message.opcode, f'RESERVED{message.opcode}')}, "
        f"status: {rcode_name(message.rcode)}, id: {message.id}"
    )
    counts = (message.questions, message.answers, message.authority, message.additional)
    names = ("QUERY", "ANSWER", "AUTHORITY", "ADDITIONAL")
    flags = "".join(f" {name}" for name in flag_names(message))
    yield f";; flags:{flags}; " + ", ".join(f"{name}: {len(section)}" for name, section in zip(names, counts))
    if message.is_response and message.flags & dns.RD and not message.flags & dns.RA:
        yield ";; WARNING: recursion requested but not available"
    yield ""


def flag_names(message: Message) -> list[str]:
    """['qr', 'aa', 'rd']"""
    return [name for bit, name in FLAGS.items() if message.flags & bit]


def _format_edns(edns: Edns) -> Iterator[str]:
    yield ";; OPT PSEUDOSECTION:"
    do = " do" if edns.flags & dns.EDNS_DO else ""
    yield f"; EDNS: version: {edns.version}, flags:{do}; udp: {edns.payload_size}"
    for code, value in edns.options:
        text = _format_ede(value) if code == EDE and len(value) >= 2 else value.hex()
        yield f"; {EDNS_OPTIONS.get(code, f'OPT={code}')}: {text}"


def _format_ede(value: bytes) -> str:
    """RFC 8914 2: a code, and perhaps words."""
    code = int.from_bytes(value[:2], "big")
    name = f" ({EDE_CODES[code]})" if code in EDE_CODES else ""
    return f"{code}{name}" + (f": ({printable(value[2:])})" if value[2:] else "")


EDE = 15
EDNS_OPTIONS = {3: "NSID", 8: "CLIENT-SUBNET", 10: "COOKIE", 12: "PAD", EDE: "EDE"}
EDE_CODES = {  # RFC 8914 5.2
    0: "Other", 1: "Unsupported DNSKEY Algorithm", 2: "Unsupported DS Digest Type", 3: "Stale Answer",
    4: "Forged Answer", 5: "DNSSEC Indeterminate", 6: "DNSSEC Bogus", 7: "Signature Expired",
    8: "Signature Not Yet Valid", 9: "DNSKEY Missing", 10: "RRSIGs Missing", 11: "No Zone Key Bit Set",
    12: "NSEC Missing", 13: "Cached Error", 14: "Not Ready", 15: "Blocked", 16: "Censored", 17: "Filtered",
    18: "Prohibited", 19: "Stale NXDOMAIN Answer", 20: "Not Authoritative", 21: "Not Supported",
    22: "No Reachable Authority", 23: "Network Error", 24: "Invalid Data",
}  # fmt: skip


# --- record data in


def parse_data(kind: int, words: list[str], origin: Name = ROOT) -> Data:
    """The data of a master file's record from its words (strings without their quotes, escapes still in).

    Names are relative to `origin`, and '@' is the origin. ValueError of one clear line.
    """
    if words and words[0] == "\\#":
        return _parse_unknown(kind, words[1:])
    if kind not in _PARSERS:
        raise ValueError(f"{type_name(kind)} data is written as \\# LENGTH HEX")
    shape, parse = _PARSERS[kind]
    if not words or (kind != dns.TXT and len(words) != len(shape.split())):
        raise ValueError(f"{type_name(kind)} is followed by {shape}, not {' '.join(words) or 'nothing'}")
    return parse(words, origin)


def _parse_unknown(kind: int, words: list[str]) -> Data:
    """RFC 3597 5: \\# 4 0A000001. A type that is known is read as what it is."""
    try:
        data = bytes.fromhex("".join(words[1:]))
        is_right = len(data) == int(words[0])
    except (ValueError, IndexError):
        is_right = False
    if not is_right:
        raise ValueError(f"\\# is followed by the data's length and the data in hexadecimal, not {' '.join(words)}")
    record = b"\0" + kind.to_bytes(2, "big") + b"\0\1" + bytes(4) + len(data).to_bytes(2, "big") + data
    return dns.parse(bytes(6) + b"\0\1" + bytes(4) + record).answers[0].data


def parse_in(text: str, origin: Name) -> Name:
    """A name as a master file has it."""
    return origin if text == "@" else parse_name(text, origin)


def _address(words: list[str], length: int, what: str) -> bytes:
    address = parse_ip(words[0])
    if len(address) != length:
        raise ValueError(f"{words[0]!r} is not {what} address")
    return address


def _whole(text: str, bits: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) >> bits:
        raise ValueError(f"{text!r} is not a whole number below {1 << bits}")
    return int(text)


def seconds(text: str) -> int:
    """'3600', or as BIND has it '1h', '1d12h'. ValueError otherwise."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    total = 0
    digits = ""
    for character in text.lower():
        if character.isascii() and character.isdigit():
            digits += character
        elif digits and character in units:
            total += int(digits) * units[character]
            digits = ""
        else:
            raise ValueError(f"{text!r} is not a time")
    total += int(digits or 0)
    if not text or total >> 31:
        raise ValueError(f"{text!r} is not a time")  # RFC 2181 8: 31 bits
    return total


def unescaped(text: str) -> bytes:
    """A character string of a master file as bytes: \\DDD and \\X undone. At most 255."""
    out = bytearray()
    at = 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 4].isdigit() and len(text[at + 1 : at + 4]) == 3:
            out += _whole(text[at + 1 : at + 4], 8).to_bytes(1, "big")
            at += 4
            continue
        at += text[at] == "\\"
        out += text[at : at + 1].encode()
        at += 1
    if len(out) > 255:
        raise ValueError(f"a string has at most 255 bytes, not {len(out)}")
    return bytes(out)


def _parse_soa(words: list[str], origin: Name) -> Data:
    times = [seconds(word) for word in words[3:]]
    return Soa(parse_in(words[0], origin), parse_in(words[1], origin), _whole(words[2], 32), *times)


def _parse_srv(words: list[str], origin: Name) -> Data:
    priority, weight, port = (_whole(word, 16) for word in words[:3])
    return Srv(priority, weight, port, parse_in(words[3], origin))


_PARSERS: dict[int, tuple[str, Callable[[list[str], Name], Data]]] = {
    dns.A: ("ADDRESS", lambda words, origin: _address(words, 4, "an IPv4")),
    dns.AAAA: ("ADDRESS", lambda words, origin: _address(words, 16, "an IPv6")),
    dns.NS: ("NAME", lambda words, origin: parse_in(words[0], origin)),
    dns.CNAME: ("NAME", lambda words, origin: parse_in(words[0], origin)),
    dns.PTR: ("NAME", lambda words, origin: parse_in(words[0], origin)),
    dns.MX: ("PREFERENCE NAME", lambda words, origin: Mx(_whole(words[0], 16), parse_in(words[1], origin))),
    dns.SOA: ("MNAME RNAME SERIAL REFRESH RETRY EXPIRE MINIMUM", _parse_soa),
    dns.TXT: ("STRING...", lambda words, origin: Txt(tuple(unescaped(word) for word in words))),
    dns.SRV: ("PRIORITY WEIGHT PORT NAME", _parse_srv),
}
