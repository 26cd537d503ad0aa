"""Whatever a peer says and a user does, in whatever order, the TCB never contradicts itself: hypothesis writes both
parts, and `check` looks after every step."""

from __future__ import annotations

import contextlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stack.interface import Offload
from stack.stack import Stack
from stack.tcp import arrive
from stack.tcp.state import State
from stack.wire import ethernet, ipv4, tcp
from tests.drill.drill import Drill
from tests.drill.host import ADDRESS, MAC, PEER, PEER_MAC, Host

EXAMPLES = settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

near = st.sampled_from([-65_536, -1461, -2, -1, 0, 1, 2, 100, 536, 1460, 4096, 65_535, 65_536, 1 << 31, (1 << 31) + 1])
segments = st.tuples(
    st.just("segment"),
    st.sampled_from([0x02, 0x12, 0x10, 0x10, 0x10, 0x18, 0x18, 0x11, 0x19, 0x04, 0x14, 0x00, 0x01, 0x3F, 0xFF, 0x13]),
    near,  # of rcv_nxt
    near,  # of snd_una, or of snd_max if the next is true
    st.booleans(),
    st.sampled_from([0, 1, 100, 1000, 8192, 65_535]),
    st.sampled_from([0, 0, 0, 1, 2, 100, 1460, 3000]),
    st.sampled_from([b"", b"", b"\x02\x04\x05\xb4", b"\x02\x04\x00\x01", b"\x03\x03\x0e\x00", b"\x02\x00\x00\x00"]),
)
calls = st.one_of(
    st.tuples(st.just("write"), st.sampled_from([0, 1, 100, 1460, 5000, 100_000])),
    st.tuples(st.just("read"), st.sampled_from([1, 100, 1 << 20])),
    st.tuples(st.just("shutdown"), st.sampled_from([1, 2, 3])),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.04, 0.2, 1.0, 5.0, 70.0, 700.0])),
    st.tuples(st.sampled_from(["close", "abort", "nodelay", "rcvbuf", "keepalive", "smaller"]), st.just(0)),
)
script = st.lists(st.one_of(segments, segments, segments, calls), min_size=1, max_size=25)


def play(d: Drill, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    """One script; the host checks every connection after each step."""
    port = d.port
    for name, *values in steps:
        if name == "segment":
            d.host.receive(segment(d, *values))
        elif name == "wait":
            d.host.advance_to(d.now + values[0])
        elif port is not None:
            with contextlib.suppress(OSError):
                user(d, name, values[0])
        d.host.sent.clear()


def segment(d: Drill, flags: int, seq: int, ack: int, of_max: bool, window: int, length: int, options: bytes) -> bytes:
    """A segment near what the connection expects, as the TCB itself knows it."""
    tcb = d.find()
    base = (tcb.rcv_nxt, tcb.snd_max if of_max else tcb.snd_una) if tcb is not None else (d.iss, 0)
    payload = bytes(length)
    head = tcp.emit(
        PEER, ADDRESS, d.remote.port, d.local.port, (base[0] + seq) % (1 << 32), (base[1] + ack) % (1 << 32),
        flags, window, options, payload,
    )  # fmt: skip
    ip = ipv4.emit(PEER, ADDRESS, ipv4.PROTOCOL_TCP, len(head) + length)
    return ethernet.emit(MAC, PEER_MAC, ethernet.ETHERTYPE_IPV4) + ip + head + payload


def user(d: Drill, name: str, value: int) -> None:
    port = d.a_port
    if name == "write":
        d.host.do(lambda now: port.send(bytes(value), now))
    elif name == "read":
        d.host.do(lambda now: port.receive(value, now))
    elif name == "shutdown":
        d.host.do(lambda now: port.shutdown(bool(value & 1), bool(value & 2), now))
    elif name in ("close", "abort"):
        d.host.do(getattr(port, name))
    elif name == "smaller":
        d.host.do(lambda now: d.host.stack.tcp._smaller(port.connection, 600, now) if port.connection else None)
    else:
        if name == "nodelay":
            port.options.nodelay = True
        elif name == "rcvbuf":
            port.options.rcvbuf = 3000
        else:
            port.options.keepalive, port.options.keepalive_time = True, 2.0
        d.host.do(port.options_changed)


def goes_away(d: Drill) -> None:
    """Left alone by its peer and let go by its user, a connection ends, and leaves nothing."""
    if d.port is not None:
        d.host.do(d.port.close)
    if d.listener is not None:
        d.host.do(d.listener.close)
    d.host.advance_to(d.now + 4000)
    stack = d.host.stack
    assert not stack.tcp.connections and not stack.tcp.half_open
    assert no_timers(stack), d.host.trace()


def no_timers(stack: Stack) -> bool:
    busy = [timer for _, _, timer in stack.timers._heap if timer.at is not None]
    return len(busy) <= sum(1 for n in stack.neighbors if n.timer.at is not None)


SETTINGS = {"tcp_rcvbuf": 8192, "tcp_sndbuf": 20_000, "tcp_max_out_of_order": 5, "tcp_max_syn_backlog": 3}


@EXAMPLES
@given(script)
def test_from_established(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    d = Drill(**SETTINGS)
    d.passive()
    play(d, steps)
    goes_away(d)


@EXAMPLES
@given(script)
def test_from_syn_sent(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    d = Drill(**SETTINGS)
    d.connect()
    d.host.sent.clear()
    play(d, steps)
    goes_away(d)


@EXAMPLES
@given(script)
def test_from_listen(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    d = Drill(**SETTINGS)
    d.listen()
    play(d, [("segment", 0x02, 0, 0, False, 65_535, 0, b"\x02\x04\x05\xb4"), *steps])
    goes_away(d)


@EXAMPLES
@given(script, st.sampled_from(["close", "their fin", "both"]))
def test_from_the_closing_states(steps: list[tuple], how: str) -> None:  # type: ignore[type-arg]
    d = Drill(**SETTINGS)
    d.passive()
    d.write(5000)
    if how != "close":
        d.pour("F. 1:1 ack 1")
    if how != "their fin":
        d.shutdown()
    d.host.sent.clear()
    play(d, steps)
    goes_away(d)


@EXAMPLES
@given(script)
def test_across_the_edge_of_the_sequence_space(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    d = Drill(iss=(1 << 32) - 3, **SETTINGS)
    d.passive()
    play(d, steps)
    goes_away(d)


def spoken(steps: list[tuple]) -> list[bytes]:  # type: ignore[type-arg]
    """All that the stack has sent in a script."""
    d = Drill(tcp_rcvbuf=60_000)
    d.passive()
    play(d, steps)
    d.host.advance_to(d.now + 1.0)
    return [frame for _, mark, frame, _ in d.host._log if mark == "<"]


expected_segments = st.tuples(
    st.just("segment"), st.sampled_from([0x10, 0x10, 0x18, 0x11]), st.sampled_from([0, 0, 0, 0, 1460, -1460]),
    st.sampled_from([0, 0, 0, -1460, -1]), st.booleans(), st.sampled_from([8192, 8192, 8192, 100, 0]),
    st.sampled_from([0, 0, 1, 1460, 1460]), st.just(b""),
)  # fmt: skip


@EXAMPLES
@given(st.lists(st.one_of(expected_segments, expected_segments, calls), min_size=3, max_size=30))
def test_header_prediction_changes_nothing(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    """What the short way does for the next text and the next ACK, the long way would have done as well."""
    quick = spoken(steps)
    short_way = arrive.predicted
    arrive.predicted = lambda tcb, segment, now: False
    try:
        assert spoken(steps) == quick
    finally:
        arrive.predicted = short_way


@settings(max_examples=400)
@given(
    st.binary(max_size=120), st.sampled_from([b"", b"\x08\x00", b"\x08\x00E\x00", b"\x08\x06\x00\x01\x08\x00\x06\x04"])
)
def test_any_bytes_at_all(tail: bytes, start: bytes) -> None:
    host = HOST
    host.receive(MAC + PEER_MAC + start + tail, offload=Offload(verified=True) if len(tail) % 2 else None)
    host.sent.clear()


HOST = Host(arp_cache_size=16)


@settings(max_examples=300)
@given(st.binary(min_size=8, max_size=80), st.sampled_from([1, 6, 17, 99]))
def test_any_transport_bytes_in_a_sound_packet(body: bytes, protocol: int) -> None:
    frame = ethernet.emit(MAC, PEER_MAC, 0x800) + ipv4.emit(PEER, ADDRESS, protocol, len(body)) + body
    HOST.receive(frame, offload=Offload(needs_checksum=True, csum_start=34, csum_offset=16))
    HOST.sent.clear()


def test_the_script_reaches_what_it_should() -> None:
    """The segments above are near enough to the mark to move a connection."""
    d = Drill(**SETTINGS)
    d.passive()
    play(d, [("segment", 0x18, 0, 0, True, 65_535, 100, b""), ("segment", 0x11, 0, 0, True, 65_535, 0, b"")])
    assert d.state is State.CLOSE_WAIT and d.tcb.receive_queue.available == 100
