"""Frames for tests, made with stack.wire: TCP segments, super-segments and datagrams, finished or left to a device."""

from __future__ import annotations

from stack.frame import OutFrame
from stack.interface import GSO_TCPV4, Interface, Offload
from stack.wire import ethernet, ipv4, tcp, udp

MAC_A = b"\x02\0\0\0\0\x0a"
MAC_B = b"\x02\0\0\0\0\x0b"
A = bytes((192, 168, 1, 3))
B = bytes((192, 168, 1, 1))
INTERFACE = Interface("test", MAC_A)


def tcp_frame(
    payload: bytes,
    *,
    seq: int = 1000,
    ack: int = 2000,
    flags: int = tcp.ACK,
    urgent: int = 0,
    options: bytes = b"",
    ip_options: bytes = b"",
    identification: int = 7,
    gso_size: int = 0,
    partial: bool = True,
    joined: int = 0,
    src: bytes = A,
    dst: bytes = B,
    macs: tuple[bytes, bytes] = (MAC_B, MAC_A),
    ports: tuple[int, int] = (40000, 80),
    window: int = 65535,
) -> OutFrame:
    """A TCP segment from A to B as the core writes it; `joined` bytes of its payload stand in the head."""
    segment = tcp.emit(
        src, dst, *ports, seq, ack, flags, window, options=options, payload=payload, urgent=urgent, partial=partial
    )
    header = ipv4.emit(
        src, dst, ipv4.PROTOCOL_TCP, len(segment) + len(payload), identification=identification, options=ip_options
    )
    head = ethernet.emit(*macs, ethernet.ETHERTYPE_IPV4) + header + segment
    offload = None
    if partial:
        offload = Offload(
            needs_checksum=True,
            csum_start=14 + len(header),
            csum_offset=16,
            gso_type=GSO_TCPV4 if gso_size else 0,
            gso_size=gso_size,
            hdr_len=len(head),
        )
    return OutFrame(INTERFACE, head + payload[:joined], memoryview(payload)[joined:], offload, None)


def udp_frame(payload: bytes, partial: bool = True) -> OutFrame:
    """A datagram from A to B."""
    header = udp.emit(A, B, 1111, 2222, payload, partial=partial)
    packet = ipv4.emit(A, B, ipv4.PROTOCOL_UDP, len(header) + len(payload))
    head = ethernet.emit(MAC_B, MAC_A, ethernet.ETHERTYPE_IPV4) + packet + header
    offload = Offload(needs_checksum=True, csum_start=34, csum_offset=6, hdr_len=len(head)) if partial else None
    return OutFrame(INTERFACE, head, payload, offload, None)


def whole(frame: OutFrame) -> bytes:
    return frame.head + frame.payload


def take_apart(data: bytes, verified: bool = False) -> tuple[ipv4.Ipv4, tcp.Tcp]:
    """The IP and TCP of a frame, parsed strictly: a wrong checksum or length raises WireError."""
    packet = ipv4.parse(ethernet.parse(data).payload)
    return packet, tcp.parse(packet.payload, packet.src, packet.dst, verified=verified)
