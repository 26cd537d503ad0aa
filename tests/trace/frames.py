"""Frames for the trace's tests: hosts A (10.9.0.1) and B (10.9.0.9) talking, and a recorder to put them in."""

from __future__ import annotations

from stack.events import Event
from stack.interface import Interface, Offload
from stack.trace.recorder import Entry, Recorder
from stack.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from tests.wire.samples import MAC_A, MAC_B, UDP_HELLO, A, B

TAP = Interface("tap0", MAC_A)
QUOTE = UDP_HELLO[14:42]  # an IP header and eight bytes
SYN_OPTIONS = tcp.emit_options(tcp.Options(mss=1460, window_scale=7, sack_permitted=True, timestamps=(1, 0)))


def eth(payload: bytes, ethertype: int = ethernet.ETHERTYPE_IPV4, dst: bytes = MAC_B) -> bytes:
    return ethernet.emit(dst, MAC_A, ethertype) + payload


def ip(protocol: int, payload: bytes, src: bytes = A, dst: bytes = B, **fields: int) -> bytes:
    return eth(ipv4.emit(src, dst, protocol, len(payload), **fields) + payload)


def tcp_frame(
    src: bytes, dst: bytes, src_port: int, dst_port: int, seq: int, ack: int, flags: int, window: int,
    options: bytes = b"", payload: bytes = b"", urgent: int = 0, partial: bool = False,
) -> bytes:  # fmt: skip
    header = tcp.emit(src, dst, src_port, dst_port, seq, ack, flags, window, options, payload, urgent, partial)
    return ip(ipv4.PROTOCOL_TCP, header + payload, src, dst)


def udp_frame(payload: bytes) -> bytes:
    return ip(ipv4.PROTOCOL_UDP, udp.emit(A, B, 40000, 40001, payload) + payload)


def icmp_frame(type: int, code: int, rest: bytes = bytes(4), payload: bytes = QUOTE) -> bytes:
    return ip(ipv4.PROTOCOL_ICMP, icmpv4.emit(type, code, rest, payload), B, A)


def arp_frame(op: int, spa: bytes, tpa: bytes) -> bytes:
    return eth(arp.emit(op, MAC_A, spa, bytes(6), tpa), ethernet.ETHERTYPE_ARP, b"\xff" * 6)


def conversation() -> list[bytes]:
    """A TCP connection from its first SYN to its last ACK, sequence numbers wrapping on the way."""
    a, b = (A, B, 44000, 40001), (B, A, 40001, 44000)
    x, y = 0xFFFFFFFE, 5000
    stamps = tcp.emit_options(tcp.Options(timestamps=(7, 8)))
    return [
        tcp_frame(*a, x, 0, tcp.SYN, 64240, SYN_OPTIONS),
        tcp_frame(*b, y, x + 1, tcp.SYN | tcp.ACK, 65160, SYN_OPTIONS),
        tcp_frame(*a, x + 1, y + 1, tcp.ACK, 502),
        tcp_frame(*a, x + 1, y + 1, tcp.PSH | tcp.ACK, 502, stamps, b"hello"),
        tcp_frame(*b, y + 1, 4, tcp.ACK, 509, stamps),
        tcp_frame(*b, y + 1, 4, tcp.PSH | tcp.ACK, 509, b"", b"hi"),
        tcp_frame(*a, 4, y + 3, tcp.ACK | tcp.URG, 502, b"", b"x", 1),
        tcp_frame(*b, y + 3, 5, tcp.FIN | tcp.ACK, 509),
        tcp_frame(*a, 5, y + 4, tcp.FIN | tcp.ACK, 502),
        tcp_frame(*b, y + 4, 6, tcp.ACK, 509),
        tcp_frame(*b, y + 4, 0, tcp.RST, 0),
    ]


def record(recorder: Recorder, frame: bytes, now: float = 0.0, outgoing: bool = False, **more: object) -> None:
    """One frame; `offload` and `why` by keyword."""
    offload, why = more.get("offload"), more.get("why")
    assert offload is None or isinstance(offload, Offload)
    recorder.on_frame(TAP, outgoing, frame, b"", offload, why, now)  # type: ignore[arg-type]


def entry(frame: bytes, offload: Offload | None = None, why: Event | None = None, outgoing: bool = False) -> Entry:
    """A frame as the first of a recording."""
    recorder = Recorder()
    recorder.on_frame(TAP, outgoing, frame, b"", offload, why, 0.0)
    return recorder.frames()[0]
