from stack.trace.flow import Flows, segment_of
from stack.wire import ipv4, tcp
from tests.trace.frames import SYN_OPTIONS, conversation, eth, ip, tcp_frame, udp_frame
from tests.wire.samples import A, B

AB = (A, B, 44000, 80)
BA = (B, A, 80, 44000)


def views(frames, flows=None):
    """(seq, ack, window) of each frame, looked at after all have passed."""
    flows = Flows() if flows is None else flows
    followed = [(flows.follow(frame), *segment_of(frame)) for frame in frames]
    return [flow.view(src, segment)[:3] for flow, src, _, segment in followed]


def test_a_whole_conversation_across_the_wrap():
    assert views(conversation()) == [
        (0, 0, 64240), (0, 1, 65160), (1, 1, 64256), (1, 1, 64256), (1, 6, 65152), (1, 6, 65152), (6, 3, 64256),
        (3, 7, 65152), (7, 4, 64256), (4, 8, 65152), (4, 0, 0),
    ]  # fmt: skip


def test_without_the_syn_numbers_begin_at_one_and_windows_are_as_sent():
    assert views(conversation()[3:6]) == [(1, 1, 502), (1, 6, 509), (1, 6, 509)]


def test_one_syn_without_the_option_turns_scaling_off_both_ways():
    frames = [
        tcp_frame(*AB, 100, 0, tcp.SYN, 64240, SYN_OPTIONS),
        tcp_frame(*BA, 200, 101, tcp.SYN | tcp.ACK, 65160),
        tcp_frame(*AB, 101, 201, tcp.ACK, 502),
        tcp_frame(*BA, 201, 101, tcp.ACK, 509),
    ]
    assert [window for _, _, window in views(frames)] == [64240, 65160, 502, 509]


def test_each_side_has_its_own_shift():
    small = tcp.emit_options(tcp.Options(window_scale=1))
    frames = [
        tcp_frame(*AB, 100, 0, tcp.SYN, 1000, SYN_OPTIONS),
        tcp_frame(*BA, 200, 101, tcp.SYN | tcp.ACK, 1000, small),
        tcp_frame(*AB, 101, 201, tcp.ACK, 10),
        tcp_frame(*BA, 201, 101, tcp.ACK, 10),
    ]
    assert [window for _, _, window in views(frames)] == [1000, 1000, 1280, 20]


def test_ports_used_again_begin_a_new_conversation_and_leave_the_old_as_it_was():
    frames = [
        tcp_frame(*AB, 100, 0, tcp.SYN, 1000),
        tcp_frame(*AB, 111, 0, tcp.ACK, 1000),
        tcp_frame(*AB, 9000, 0, tcp.SYN, 1000),
        tcp_frame(*AB, 9005, 0, tcp.ACK, 1000),
    ]
    assert [seq for seq, _, _ in views(frames)] == [0, 11, 0, 5]


def test_a_resent_syn_is_the_same_conversation():
    frames = [
        tcp_frame(*AB, 100, 0, tcp.SYN, 1000),
        tcp_frame(*AB, 100, 0, tcp.SYN, 1000),
        tcp_frame(*BA, 7, 101, tcp.SYN | tcp.ACK, 1000),
        tcp_frame(*BA, 7, 101, tcp.SYN | tcp.ACK, 1000),
        tcp_frame(*AB, 101, 8, tcp.ACK, 1000),
    ]
    flows = Flows()
    assert [v[:2] for v in views(frames, flows)] == [(0, 0), (0, 0), (0, 1), (0, 1), (1, 1)]
    assert len({id(flows.follow(frame)) for frame in frames}) == 1


def test_the_number_of_conversations_is_bounded_and_the_busy_one_stays():
    flows = Flows(limit=10)
    busy = flows.follow(tcp_frame(*AB, 100, 0, tcp.SYN, 1000))
    flows.follow(tcp_frame(*BA, 200, 101, tcp.SYN | tcp.ACK, 1000))
    for port in range(1, 500):
        flows.follow(tcp_frame(A, B, port, 80, 1, 0, tcp.SYN, 1000))
        assert flows.follow(tcp_frame(*AB, 101, 201, tcp.ACK, 1000)) is busy
        assert flows.follow(tcp_frame(*BA, 201, 101, tcp.ACK, 1000)) is busy
        assert len(flows) <= 10
    assert views([tcp_frame(A, B, 1, 80, 50, 0, tcp.ACK, 1000)], flows) == [(1, 1, 1000)]  # forgotten: begins at 1


def test_what_is_no_whole_tcp_segment_is_not_followed():
    segment = tcp_frame(*AB, 100, 0, tcp.ACK, 1000)
    fragment = bytearray(segment)
    fragment[20] = 0x20
    later = bytearray(segment)
    later[20:22] = b"\x00\x05"
    flows = Flows()
    flows.follow(tcp_frame(*AB, 99, 0, tcp.SYN, 1000))
    flows.follow(tcp_frame(*BA, 99, 100, tcp.SYN | tcp.ACK, 1000))
    assert flows.follow(segment) is not None
    same_ports = ip(17, bytes.fromhex("abe0005000300000") + bytes(40))
    for frame in (
        same_ports,
        udp_frame(b"x" * 40),
        bytes(fragment),
        bytes(later),
        segment[:50],
        segment[:20],
        b"",
        eth(b"", 0x86DD),
    ):
        assert flows.follow(frame) is None
    assert len(flows) == 1


def test_a_header_with_options_is_followed_too():
    header = tcp.emit(A, B, 44000, 80, 150, 0, tcp.ACK, 1000)
    frame = eth(ipv4.emit(A, B, 6, len(header), options=b"\x94\x04\0\0") + header)
    flows = Flows()
    syn = flows.follow(tcp_frame(*AB, 100, 0, tcp.SYN, 1000))
    flows.follow(tcp_frame(*BA, 7, 101, tcp.SYN | tcp.ACK, 1000))
    assert flows.follow(frame) is syn
    header = tcp.emit(A, B, 1, 2, 150, 0, tcp.ACK, 1000)
    ports_where_options_lie = b"\xab\xe0\0\x50"
    frame = eth(ipv4.emit(A, B, 6, len(header), options=ports_where_options_lie) + header)
    assert flows.follow(frame) is not syn
