"""What a device can't do for us: cut TCP super-segments and fill in checksums.

TCP emits up to 64 KiB at once whatever the device. `prepare` turns such a frame into what this device takes: itself,
untouched, when the device does the work, else frames of `gso_size` bytes of payload each (RFC 9293 3.7.1 knows only
these) with sequence numbers, IP lengths and identifications of their own and checksums as far as the device wants
them. Refuses, with a ValueError, segmentation other than TCP over IPv4 and frames whose note does not fit them: both
are faults of whoever made the frame.
"""

from __future__ import annotations

from struct import Struct

from stack.frame import OutFrame
from stack.interface import GSO_ECN, GSO_NONE, GSO_TCPV4, Abilities, Offload
from stack.wire.checksum import ones_sum, pseudo_header_sum

ETHERNET_LENGTH = 14
TCP = 6
TCP_CHECKSUM_OFFSET = 16
FIN, PSH, URG, CWR = 0x01, 0x08, 0x20, 0x80

_U16 = Struct("!H")
_U32 = Struct("!I")


def prepare(frame: OutFrame, abilities: Abilities) -> list[OutFrame]:
    """`frame` as the frames a device with `abilities` takes, in order; each keeps `interface` and `why`."""
    offload = frame.offload
    if offload is None:
        return [frame]
    if offload.gso_type != GSO_NONE:
        can_cut = abilities.tso4 and abilities.checksum and offload.gso_type & ~GSO_ECN == GSO_TCPV4
        if not can_cut or frame.size - ETHERNET_LENGTH > abilities.gso_max:
            return segment(frame, offload, abilities.checksum)
    elif offload.needs_checksum and not abilities.checksum:
        return [finish(frame, offload)]
    return [frame]


def finish(frame: OutFrame, offload: Offload) -> OutFrame:
    """The frame with the checksum that `offload` speaks of filled in, and nothing left to do."""
    head, payload = frame.head, frame.payload
    field = offload.csum_start + offload.csum_offset
    if len(head) < field + 2 or (len(head) - offload.csum_start) & 1:
        head, payload = head + payload, b""
    if len(head) < field + 2:
        raise ValueError(f"a checksum at {field} is beyond the frame's {len(head)} bytes")
    # The field holds the pseudo header's sum already, so the sum over everything includes it.
    total = ones_sum(payload, ones_sum(memoryview(head)[offload.csum_start :]))
    # RFC 768: a sum of zero is sent as all ones. TCP does not mind: both are zero to it.
    head = head[:field] + _U16.pack(~total & 0xFFFF or 0xFFFF) + head[field + 2 :]
    return frame._replace(head=head, payload=payload, offload=None)


def segment(frame: OutFrame, offload: Offload, partial: bool) -> list[OutFrame]:
    """A TCP/IPv4 super-segment as ordinary segments; with `partial` their checksums are left to the device."""
    if offload.gso_type & ~GSO_ECN != GSO_TCPV4 or offload.gso_size <= 0:
        raise ValueError(f"cannot cut segmentation type {offload.gso_type:#x} to {offload.gso_size} bytes")
    head, payload = _split(frame)
    size = offload.gso_size
    template = _Template(head, partial)
    view = memoryview(payload)
    starts = range(0, len(view) or 1, size)
    return [
        template.piece(frame, index, start, view[start : start + size], is_last=start == starts[-1])
        for index, start in enumerate(starts)
    ]


def _split(frame: OutFrame) -> tuple[bytes, bytes | memoryview]:
    """The frame as all of its headers and all of its TCP payload; ValueError unless it is a TCP/IPv4 one."""
    head, payload = frame.head, frame.payload
    if len(head) < ETHERNET_LENGTH + 20 or head[ETHERNET_LENGTH] >> 4 != 4 or head[ETHERNET_LENGTH + 9] != TCP:
        raise ValueError("a super-segment's head is not TCP over IPv4")
    transport = ETHERNET_LENGTH + (head[ETHERNET_LENGTH] & 15) * 4
    if len(head) < transport + 20:
        head, payload = head + payload, b""
    if len(head) < transport + 20:
        raise ValueError("a super-segment's head is cut short")
    length = transport + (head[transport + 12] >> 4) * 4
    if len(head) == length:
        return head, payload
    whole = head + payload
    if len(whole) < length:
        raise ValueError("a super-segment's head is cut short")
    return whole[:length], memoryview(whole)[length:]


class _Template:
    """The headers of a super-segment, and what is common to the sums of all its pieces."""

    def __init__(self, head: bytes, partial: bool) -> None:
        self.head = head
        self.partial = partial
        self.transport = ETHERNET_LENGTH + (head[ETHERNET_LENGTH] & 15) * 4
        self.ip_length = len(head) - ETHERNET_LENGTH
        self.identification = _U16.unpack_from(head, ETHERNET_LENGTH + 4)[0]
        self.seq = _U32.unpack_from(head, self.transport + 4)[0]
        self.flags = head[self.transport + 13]
        self.urgent = _U16.unpack_from(head, self.transport + 18)[0]
        self.src = head[ETHERNET_LENGTH + 12 : ETHERNET_LENGTH + 16]
        self.dst = head[ETHERNET_LENGTH + 16 : ETHERNET_LENGTH + 20]

    def piece(self, frame: OutFrame, index: int, start: int, payload: memoryview, is_last: bool) -> OutFrame:
        """The frame for piece number `index`, whose `payload` begins `start` bytes into the whole."""
        head = bytearray(self.head)
        self._ip(head, index, len(payload))
        self._tcp(head, start, is_last)
        offload = self._checksum(head, payload)
        return OutFrame(frame.interface, bytes(head), payload, offload, frame.why)

    def _ip(self, head: bytearray, index: int, length: int) -> None:
        ip = ETHERNET_LENGTH
        _U16.pack_into(head, ip + 2, self.ip_length + length)
        _U16.pack_into(head, ip + 4, (self.identification + index) & 0xFFFF)
        _U16.pack_into(head, ip + 10, 0)
        _U16.pack_into(head, ip + 10, ~ones_sum(memoryview(head)[ip : self.transport]) & 0xFFFF)

    def _tcp(self, head: bytearray, start: int, is_last: bool) -> None:
        flags = self.flags
        if start:
            flags &= ~CWR  # RFC 3168 6.1.2: said once, on the first new segment
        if not is_last:
            flags &= ~(FIN | PSH)
        if start and flags & URG:
            # RFC 9293 3.1: the pointer counts from the segment's own sequence number.
            urgent = max(self.urgent - start, 0)
            _U16.pack_into(head, self.transport + 18, urgent)
            if not urgent:
                flags &= ~URG
        _U32.pack_into(head, self.transport + 4, (self.seq + start) & 0xFFFFFFFF)
        head[self.transport + 13] = flags

    def _checksum(self, head: bytearray, payload: memoryview) -> Offload | None:
        transport, field = self.transport, self.transport + TCP_CHECKSUM_OFFSET
        total = pseudo_header_sum(self.src, self.dst, TCP, len(head) - transport + len(payload))
        if self.partial:
            _U16.pack_into(head, field, total)
            return Offload(needs_checksum=True, csum_start=transport, csum_offset=TCP_CHECKSUM_OFFSET)
        _U16.pack_into(head, field, 0)
        total = ones_sum(payload, ones_sum(memoryview(head)[transport:], total))
        _U16.pack_into(head, field, ~total & 0xFFFF)
        return None
