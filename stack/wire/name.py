"""Domain names: labels on the wire, with compression, and as text (RFC 1035 3.1, 4.1.4, 5.1; RFC 4343; RFC 1123 2.1).

A name is its labels, any bytes at all; it keeps the case it came in, and `key` is what to compare and look up by.
Refuses labels over 63 bytes, names over 255, the label types nobody uses any more, and compression pointers that do
not point backwards, so that no name can be read for ever.
"""

from __future__ import annotations

from typing import NamedTuple

from stack.wire.drop import Drop, WireError

MAX_LABEL = 63
MAX_NAME = 255  # bytes on the wire, length bytes and the root's included
MAX_POINTERS = 127  # as many as a name can have labels
POINTER = 0xC0
REACH = 0x4000  # offsets that a pointer can name

_QUOTED = frozenset(b'."\\();@$')


class Name(NamedTuple):
    labels: tuple[bytes, ...]  # the root's empty one left out, so that the root is ()

    def __str__(self) -> str:
        """RFC 1035 5.1: 'www.lab.', special characters as \\. and others than printable ASCII as \\DDD."""
        return "".join(_escaped(label) + "." for label in self.labels) or "."

    @property
    def key(self) -> tuple[bytes, ...]:
        """RFC 4343 3: names are the same when they differ only in the case of ASCII letters."""
        return tuple(label.lower() for label in self.labels)

    def is_within(self, zone: Name) -> bool:
        """Whether it is `zone` or below it."""
        count = len(zone.labels)
        return count == 0 or self.key[-count:] == zone.key

    @property
    def parent(self) -> Name:
        """Without its first label; the root's is the root."""
        return Name(self.labels[1:])

    def under(self, domain: Name) -> Name:
        """This name in front of `domain`'s. ValueError if that is too long."""
        return checked(Name(self.labels + domain.labels))


ROOT = Name(())


def checked(name: Name) -> Name:
    """`name`, or ValueError if it does not fit the limits."""
    if any(not 1 <= len(label) <= MAX_LABEL for label in name.labels):
        raise ValueError(f"{shown(name)}: a label of a name has 1 to {MAX_LABEL} bytes")
    if wire_length(name) > MAX_NAME:
        raise ValueError(f"{shown(name)}: a name has at most {MAX_NAME} bytes")
    return name


def shown(name: Name) -> str:
    """The name for an error's text, not longer than a line."""
    text = str(name)
    return repr(text if len(text) <= 60 else text[:57] + "...")


def wire_length(name: Name) -> int:
    return sum(len(label) + 1 for label in name.labels) + 1


def parse_name(text: str, origin: Name = ROOT) -> Name:
    """'www.lab.' or, relative to `origin`, 'www'; escapes as RFC 1035 5.1. ValueError of one clear line otherwise."""
    if text == ".":
        return ROOT
    labels = [bytearray()]
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == ".":
            labels.append(bytearray())
        elif character != "\\":
            if not character.isascii():
                raise ValueError(f"{text!r}: a name is written in ASCII")
            labels[-1] += character.encode()
        elif text[at : at + 3].isdigit() and len(text[at : at + 3]) == 3 and text[at : at + 3].isascii():
            number = int(text[at : at + 3])
            if number > 255:
                raise ValueError(f"{text!r}: \\{number} is not a byte")
            labels[-1].append(number)
            at += 3
        elif at < len(text) and text[at].isascii() and not text[at].isdigit():
            labels[-1] += text[at].encode()
            at += 1
        else:
            raise ValueError(f"{text!r}: a backslash stands before a character or three digits")
    is_absolute = not labels[-1]
    if is_absolute:
        labels.pop()
    if not all(labels) or not labels:
        raise ValueError(f"{text!r} is not a name: a label is empty")
    name = Name(tuple(bytes(label) for label in labels))
    return checked(name) if is_absolute else name.under(origin)


def _escaped(label: bytes) -> str:
    return "".join(
        f"\\{byte:03}" if not 0x21 <= byte <= 0x7E else ("\\" if byte in _QUOTED else "") + chr(byte) for byte in label
    )


def read_name(data: bytes, at: int) -> tuple[Name, int]:
    """The name at offset `at` of a message, and where what follows it begins. WireError(DNS_NAME)."""
    labels: list[bytes] = []
    length = 1
    after: int | None = None  # where the name itself ended: behind the first pointer
    pointers = 0
    lowest = at
    try:
        while (size := data[at]) != 0:
            if size < POINTER:
                # RFC 1035 4.1.4: 01 and 10 are reserved; RFC 6891 5 took 01 back.
                length += 1 + size
                if size > MAX_LABEL or length > MAX_NAME or at + 1 + size > len(data):
                    raise WireError(Drop.DNS_NAME)
                labels.append(data[at + 1 : at + 1 + size])
                at += 1 + size
                continue
            target = (size & 0x3F) << 8 | data[at + 1]
            if after is None:
                after = at + 2
            # RFC 1035 4.1.4: to a *prior* occurrence. Each must point before the last, so it ends.
            pointers += 1
            if target >= lowest or pointers > MAX_POINTERS:
                raise WireError(Drop.DNS_NAME)
            at = lowest = target
    except IndexError:
        raise WireError(Drop.DNS_NAME) from None
    return Name(tuple(labels)), at + 1 if after is None else after


def emit_name(name: Name, known: dict[tuple[bytes, ...], int] | None = None, at: int = 0) -> bytes:
    """The name's bytes. With `known` (suffix -> offset, added to) it is compressed, standing at offset `at` of its
    message. ValueError if it exceeds the limits."""
    checked(name)
    out = bytearray()
    for index, label in enumerate(name.labels):
        if known is not None:
            # Case and all: what is read back is what was meant.
            suffix = name.labels[index:]
            if suffix in known:
                out += (POINTER << 8 | known[suffix]).to_bytes(2, "big")
                return bytes(out)
            if at + len(out) < REACH:
                known[suffix] = at + len(out)
        out.append(len(label))
        out += label
    out.append(0)
    return bytes(out)
