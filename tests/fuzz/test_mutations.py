"""Whatever frame arrives, the stack neither raises nor hangs nor grows without bound: recorded frames, spoilt."""

from __future__ import annotations

import random
from typing import Any

import pytest

from stack.interface import Offload
from stack.stack import Stack
from stack.wire import icmpv4, ipv4
from tests.drill.drill import Drill
from tests.drill.host import ADDRESS, MAC, PEER, Host
from tests.fuzz.mutate import IP, mend, mutate
from tests.fuzz.pipe import ADDRESSES, MACS, Pipe
from tests.fuzz.session import recorded, talk
from tests.tcp.test_transitions import SCRIPTS

STATES = {
    "LISTEN": (), "SYN-SENT": ("connect",), "SYN-RECEIVED": ("listen", "S 0:0"), "ESTABLISHED": ("open",),
    "FIN-WAIT-1": ("open", "close"), "FIN-WAIT-2": ("open", "close", ". ack 2"),
    "CLOSE-WAIT": ("open", "F. 1:1"), "CLOSING": ("open", "close", "F. 1:1 ack 1"),
    "LAST-ACK": ("open", "F. 1:1", "close"), "TIME-WAIT": ("open", "close", "F. 1:1 ack 2"),
}  # fmt: skip


def bring_to(state: str) -> Drill:
    """A connection in that state, with data in flight and out of order where there can be any."""
    d = Drill(tcp_max_out_of_order=16, tcp_rcvbuf=20_000, arp_cache_size=16, tcp_max_syn_backlog=8)
    if state != "SYN-SENT":
        d.listen()
    for step in STATES[state]:
        if step == "connect":
            d.connect()
        elif step == "open":
            d.pour("S 0:0 win 65535 <mss 1460,wscale 7>", ". 1:1 ack 1")
            d.ack = 1
            d.accept()
            if state in ("ESTABLISHED", "FIN-WAIT-1"):
                d.write(4000)
                d.pour("P. 101:201", ". 301:302")
        elif step == "close":
            d.shutdown()
        elif step != "listen":
            d.pour(step)
    d.take_all()
    assert d.state.value == state or state == "LISTEN"
    return d


def segments(d: Drill) -> list[bytes]:
    """Frames of the conversation that a state may meet."""
    lines = [
        "S 0:0 <mss 1460,wscale 7>",
        "S. 0:0 ack 1 <mss 1460>",
        ". ack 1",
        ". ack 2",
        "R",
        "F. ack 1",
        f"P. {d.seq}:{d.seq + 100}",
    ]
    return [d.frame(line) for line in lines]


def still_alive(host: Host) -> None:
    """It answers, and it comes to rest."""
    host.sent.clear()
    host.receive_icmp(icmpv4.echo_request(9, 9, b"alive"))
    assert any(s.ethernet.ethertype == 0x800 and s.ip.protocol == 1 for s in host.take_all())
    host.advance_to(host.now + 400)
    host.sent.clear()


@pytest.mark.parametrize("state", STATES)
def test_mutations_in_every_state(state: str) -> None:
    for seed in range(3):
        rng = random.Random(f"{state} {seed}")
        d = bring_to(state)
        bait = segments(d)
        for _ in range(250):
            d.host.receive(mutate(rng.choice(bait), rng))
            d.host.sent.clear()
            if rng.random() < 0.02:
                d.host.advance_to(d.now + rng.choice((0.1, 1.0, 10.0)))
            if d.find() is None:
                d = bring_to(state)
                bait = segments(d)
        still_alive(d.host)


@pytest.mark.parametrize("state", STATES)
def test_truncation_at_every_offset(state: str) -> None:
    d = bring_to(state)
    for frame in segments(d):
        for length in range(len(frame)):
            d.host.receive(frame[:length])
            d.host.receive(mend(frame[:length]))
            d.host.receive(mend(frame[:length], lengths=False))
            d.host.sent.clear()
            if d.find() is None:
                d = bring_to(state)
    still_alive(d.host)


@pytest.mark.parametrize("state", STATES)
def test_every_header_byte_with_every_telling_value(state: str) -> None:
    d = bring_to(state)
    for frame in segments(d):
        for at in range(IP, IP + 40):
            for value in (0, 1, 4, 0x0F, 0x40, 0x50, 0x7F, 0x80, 0xF0, 0xFF):
                if at in (IP + 22, IP + 23, IP + 20, IP + 21):  # the ports: that would be another connection
                    continue
                spoilt = bytearray(frame)
                spoilt[at] = value
                d.host.receive(mend(bytes(spoilt), lengths=False))
                d.host.sent.clear()
                if d.find() is None:
                    d = bring_to(state)
    still_alive(d.host)


def test_every_recorded_frame_cut_and_spoilt() -> None:
    """The whole session's frames, both ways, at a host with no connections and at one with all."""
    rng = random.Random(3)
    host = Host(arp_cache_size=16)
    host.stack.tcp.open()
    frames = {frame for _, frame in recorded()}
    for frame in sorted(frames)[::2]:
        ours = bytearray(MAC + frame[6:])
        if ours[12:14] == b"\x08\x00":
            ours[IP + 12 : IP + 20] = PEER + ADDRESS
        for _ in range(6):
            host.receive(mutate(bytes(ours), rng))
        host.sent.clear()
    still_alive(host)


def test_short_frames_of_every_length_and_ethertype() -> None:
    host = Host()
    rng = random.Random(4)
    for length in range(100):
        for ethertype in (0x0800, 0x0806, 0x86DD, 0x8100, 0):
            body = rng.randbytes(max(0, length - 14))
            host.receive((MAC + MAC + ethertype.to_bytes(2, "big") + body)[:length])
    host.sent.clear()
    still_alive(host)


@pytest.mark.parametrize(
    "offload", [Offload(True, 34, 16), Offload(verified=True), Offload(True, 60_000, 60_000, 1, 1)]
)
def test_what_the_device_vouches_for(offload: Offload) -> None:
    """Checksums are not looked at then: everything else still is."""
    rng = random.Random(5)
    d = bring_to("ESTABLISHED")
    for _ in range(1500):
        frame = mutate(rng.choice(segments(d)), rng)
        d.host.receive(frame, offload=offload)
        d.host.sent.clear()
        if d.find() is None:
            d = bring_to("ESTABLISHED")
    still_alive(d.host)


def test_icmp_errors_that_quote_anything() -> None:
    rng = random.Random(6)
    d = bring_to("ESTABLISHED")
    for _ in range(1500):
        own = bytearray(ipv4.emit(ADDRESS, PEER, rng.choice((1, 6, 17, 99)), rng.choice((0, 8, 40, 1480))))
        own += d.local.port.to_bytes(2, "big") + d.remote.port.to_bytes(2, "big")
        own += ((d.tcb.snd_una + rng.choice((-1, 0, 1, 4000, 4001))) % (1 << 32)).to_bytes(4, "big") + bytes(12)
        for _ in range(rng.randrange(3)):
            own[rng.randrange(len(own))] = rng.getrandbits(8)
        message = icmpv4.emit(
            rng.choice((3, 3, 3, 4, 5, 11, 12)), rng.randrange(16), rng.randbytes(4), own[: rng.randrange(48)]
        )
        d.host.receive_icmp(message)
        d.host.sent.clear()
    assert d.tcb.mss >= 512
    still_alive(d.host)


def size(stack: Stack) -> dict[str, int]:
    """How much the stack remembers."""
    connections = list(stack.tcp.connections.values())
    return {
        "connections": len(connections),
        "half open": len(stack.tcp.half_open),
        "received": sum(c.receive_queue.available + c.receive_queue.held for c in connections),
        "pieces": sum(len(c.receive_queue._held) for c in connections),
        "neighbours": len(stack.neighbors),
        "timers": len(stack.timers._heap),
        "owing": len(stack.tcp.owing),
        "ready": len(stack.take_ready()),
    }


def test_nothing_grows_without_bound() -> None:
    """Thousands of frames from thousands of forged places."""
    rng = random.Random(7)
    d = bring_to("ESTABLISHED")
    udp = d.host.stack.udp.open()
    d.host.do(lambda now: udp.bind(bytes(4), 7, now))
    raw = d.host.stack.raw.open(1)
    bait = [bytes(MAC + frame[6:]) for frame in sorted({f for _, f in recorded()})[::7]]
    for n in range(6000):
        frame = bytearray(rng.choice(bait))
        if frame[12:14] == b"\x08\x00":
            frame[IP + 12 : IP + 20] = bytes((192, 168, 1, rng.randrange(4, 255))) + ADDRESS
            frame[IP + 20 : IP + 22] = rng.randbytes(2)
        else:
            frame[28:32] = bytes((192, 168, 1, rng.randrange(4, 255)))
            frame[38:42] = ADDRESS
        d.host.stack.receive(d.host.interface, mend(bytes(frame)) if n % 2 else mutate(bytes(frame), rng), d.host.clock)
        if n % 50 == 0:
            d.host.settle()
            d.host.sent.clear()
    d.host.settle()
    grown = size(d.host.stack)
    assert grown["connections"] <= 1 + 8 + 9 and grown["half open"] <= 8  # the backlog of eight, and one more
    assert grown["received"] <= 20_000 * grown["connections"] and grown["pieces"] <= 16 * grown["connections"]
    assert grown["neighbours"] <= 16 and grown["timers"] < 500 and grown["owing"] == 0
    assert raw._queued + udp._queued <= 2 * (udp.options.rcvbuf + 2048)
    still_alive(d.host)


@pytest.mark.parametrize("seed", range(6))
def test_a_whole_session_over_a_line_that_lies(seed: int) -> None:
    """A tenth of all frames are spoilt and yet have right checksums; in the end nothing is left of it."""
    rng = random.Random(seed)

    def spoil(frame: bytes, to: int) -> bytes | None:
        return mutate(frame, rng) if rng.random() < 0.1 else frame

    pipe = Pipe(seed, loss=0.02, duplicate=0.02, reorder=0.1, spoil=spoil, tcp_rcvbuf=30_000, tcp_msl=1.0)
    talk(pipe)
    pipe.spoil = None
    pipe.loss = 0.0
    for stack in pipe.stacks:
        for tcb in list(stack.tcp.connections.values()):
            if tcb.port is not None:
                tcb.port.close(pipe.now)
    pipe.run(pipe.now + 3000)
    assert [len(stack.tcp.connections) for stack in pipe.stacks] == [0, 0]


def test_the_session_is_what_it_says() -> None:
    """Or the fuzzer would have nothing to bite on."""
    kinds: dict[str, int] = {}
    for to, frame in recorded():
        assert frame[:6] in (MACS[to], b"\xff" * 6)
        kind = "arp" if frame[12:14] == b"\x08\x06" else {1: "icmp", 6: "tcp", 17: "udp"}[frame[IP + 9]]
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind == "tcp":
            kinds[f"flags {frame[IP + 33]:#x}"] = 1
            assert frame[IP + 12 : IP + 16] == ADDRESSES[1 - to]
    assert kinds["arp"] >= 2 and kinds["icmp"] >= 3 and kinds["udp"] >= 2 and kinds["tcp"] > 100
    assert {"flags 0x2", "flags 0x12", "flags 0x10", "flags 0x18", "flags 0x11", "flags 0x14"} <= set(kinds)


def test_mending_makes_every_checksum_right() -> None:
    rng = random.Random(8)
    for _, frame in recorded()[:200]:
        assert mend(frame) == frame
        spoilt = bytearray(frame)
        spoilt[-1] ^= rng.randrange(1, 256)
        if frame[12:14] == b"\x08\x00":
            assert mend(bytes(spoilt)) != bytes(spoilt)


@pytest.mark.parametrize("script", SCRIPTS[:10])
def test_duplicates_and_reordering_of_a_scripts_own_frames(script: Any) -> None:
    """Every frame of a conversation again, in any order, after it."""
    d = Drill()
    seen: list[bytes] = []
    receive = d.host.stack.receive

    def note(interface: Any, frame: bytes, now: float, offload: Offload | None = None) -> None:
        seen.append(frame)
        receive(interface, frame, now, offload)

    d.host.stack.receive = note  # type: ignore[method-assign]
    script(d)
    d.host.stack.receive = receive  # type: ignore[method-assign]
    rng = random.Random(9)
    for _ in range(100):
        d.host.receive(rng.choice(seen))
        d.host.sent.clear()
    still_alive(d.host)
