import threading

from hypothesis import given
from hypothesis import strategies as st

from stack.events import AddressReady, Dropped, StateChange
from stack.interface import Interface
from stack.trace.recorder import OVERHEAD, Entry, Note, Recorder
from stack.wire.drop import Drop
from tests.trace.frames import TAP, arp_frame, entry, icmp_frame, record, tcp_frame, udp_frame
from tests.wire.samples import A, B

READY = AddressReady(TAP, A, 24)


def test_frames_are_numbered_from_one_and_keep_their_parts():
    recorder = Recorder()
    offload, payload = None, memoryview(b"payload")
    recorder.on_frame(TAP, True, b"head", payload, offload, None, 1.5)
    recorder.on_frame(TAP, False, b"next", b"", None, None, 2.5)
    first, second = recorder.frames()
    assert (first.number, first.time, first.interface, first.outgoing) == (1, 1.5, "tap0", True)
    assert first.head == b"head" and first.payload is payload and first.size == 11 and first.data == b"headpayload"
    assert (second.number, second.outgoing, second.data) == (2, False, b"next")
    assert recorder.started == 1.5 and recorder.number == 2 and recorder.evicted == 0


def test_the_ring_is_bounded_in_bytes_and_counts_what_it_lost():
    recorder = Recorder(limit=10_000)
    for i in range(1000):
        record(recorder, bytes(100), float(i))
        if i % 3 == 0:
            recorder.on_event(READY, float(i))
        assert recorder.bytes <= 10_000
    items = recorder.items()
    frames = recorder.frames()
    assert recorder.bytes == sum(OVERHEAD + (i.size if isinstance(i, Entry) else 0) for i in items) > 9_000
    assert [f.number for f in frames] == list(range(recorder.evicted + 1, 1001))
    assert recorder.started == 0.0  # of the first frame ever


def test_a_frame_larger_than_the_ring_is_counted_and_not_kept():
    recorder = Recorder(limit=1000)
    record(recorder, bytes(2000))
    assert recorder.frames() == [] and recorder.number == recorder.evicted == 1 and recorder.bytes == 0


def test_a_drop_belongs_to_the_frame_being_received():
    recorder = Recorder()
    record(recorder, b"first", 1.0)
    record(recorder, b"sent meanwhile", 1.0, outgoing=True)
    recorder.on_event(Dropped(Drop.TCP_CHECKSUM, TAP), 1.0)
    recorder.on_event(Dropped(Drop.RECEIVE_BUFFER_FULL, None), 1.0)
    first, sent = recorder.frames()
    assert [note.reason for note in first.notes] == [Drop.TCP_CHECKSUM, Drop.RECEIVE_BUFFER_FULL]
    assert sent.notes == () and len(recorder.items()) == 2


def test_a_drop_that_is_not_of_the_frame_received_last_stands_by_itself():
    other = Interface("tap1", bytes(6))
    outgoing = Dropped(Drop.NO_ROUTE, None, True)
    later = Dropped(Drop.INTERFACE_DOWN, TAP)
    elsewhere = Dropped(Drop.INTERFACE_DOWN, other)
    recorder = Recorder()
    recorder.on_event(Dropped(Drop.INTERNAL, None), 0.0)  # nothing was received yet
    record(recorder, b"frame", 1.0)
    recorder.on_event(outgoing, 1.0)
    recorder.on_event(later, 2.0)
    recorder.on_event(elsewhere, 1.0)
    notes = [item for item in recorder.items() if isinstance(item, Note)]
    assert [note.event for note in notes][1:] == [outgoing, later, elsewhere]
    assert [note.after for note in notes] == [0, 1, 1, 1]
    assert recorder.frames()[0].notes == ()


def test_a_drop_of_a_frame_that_is_gone_already_is_kept_as_an_event():
    recorder = Recorder(limit=2 * OVERHEAD)
    record(recorder, bytes(OVERHEAD * 2), 1.0)
    recorder.on_event(Dropped(Drop.TRUNCATED, TAP), 1.0)
    assert [type(item) for item in recorder.items()] == [Note]


def test_events_stand_between_the_frames_with_the_number_of_the_one_before():
    recorder = Recorder()
    change = StateChange((A, 1), (B, 2), "SYN-SENT", "ESTABLISHED")
    record(recorder, b"1")
    recorder.on_event(change, 0.5)
    record(recorder, b"2")
    first, note, second = recorder.items()
    assert isinstance(note, Note) and (note.after, note.event, note.time) == (1, change, 0.5)
    assert [first.serial, note.serial, second.serial] == [1, 2, 3]


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 70), st.integers(1000, 9000))
def test_since_gives_exactly_the_kept_items_after_a_serial(kinds, serial, limit):
    recorder = Recorder(limit)
    for is_frame in kinds:
        if is_frame:
            record(recorder, bytes(50))
        else:
            recorder.on_event(READY, 0.0)
    kept = recorder.items()
    assert [i.serial for i in kept] == list(range(len(kinds) - len(kept) + 1, len(kinds) + 1))
    assert recorder.since(serial) == [i for i in kept if i.serial > serial]


def test_wake_is_called_once():
    calls = []
    recorder = Recorder()
    recorder.wake = lambda: calls.append(recorder.serial)
    record(recorder, b"1")
    record(recorder, b"2")
    assert calls == [1]
    recorder.wake = lambda: calls.append(recorder.serial)
    recorder.on_event(READY, 0.0)
    assert calls == [1, 3]


def test_clear_forgets_the_frames_and_not_the_numbers():
    recorder = Recorder()
    record(recorder, b"1", 1.0)
    recorder.clear()
    recorder.on_event(Dropped(Drop.TRUNCATED, TAP), 1.0)
    record(recorder, b"2", 2.0)
    assert [f.number for f in recorder.frames()] == [2] and recorder.evicted == 1
    assert len(recorder.items()) == 2 and recorder.bytes == 2 * OVERHEAD + 1


def test_another_thread_reads_whole_runs_while_frames_are_recorded():
    recorder = Recorder(limit=40_000)
    frame = udp_frame(b"x")
    writer = threading.Thread(target=lambda: [record(recorder, frame) for _ in range(30_000)])
    seen = 0
    writer.start()
    while seen < 30_000:
        items = recorder.since(seen)
        if items:
            serials = [i.serial for i in items]
            assert serials == list(range(serials[0], serials[-1] + 1)) and serials[0] > seen
            seen = serials[-1]
    writer.join()


def test_an_entry_s_headers_are_read_when_asked_for():
    segment = entry(tcp_frame(A, B, 1, 80, 3, 4, 16, 5, b"", b"data"))
    assert segment.tcp and segment.tcp.dst_port == 80 and segment.tcp.payload == b"data"
    assert segment.ip and segment.ip.dst == B and segment.ethernet and segment.ethernet.ethertype == 0x0800
    assert segment.udp is segment.icmp is segment.arp is None
    datagram, message, request = entry(udp_frame(b"x")), entry(icmp_frame(3, 1)), entry(arp_frame(1, A, B))
    assert datagram.udp and datagram.udp.payload == b"x" and datagram.tcp is None
    assert message.icmp and (message.icmp.type, message.icmp.code) == (3, 1)
    assert request.arp and request.arp.tpa == B and request.ip is request.tcp is None
    later = bytearray(tcp_frame(A, B, 1, 80, 3, 4, 16, 5))
    later[21] = 1
    assert entry(bytes(later)).tcp is None
    for length in range(54):
        assert entry(bytes(later)[:length]).tcp is None


def test_reprs_are_one_quiet_line():
    recorder = Recorder()
    record(recorder, bytes(60))
    recorder.on_event(READY, 0.0)
    frame, note = recorder.items()
    assert repr(recorder) == "<recorder: 1 of 1 frames kept, 0.0 MiB>"
    assert repr(frame) == "<frame 1: 60 bytes in on tap0>"
    assert repr(note) == "<note after frame 1: 10.9.0.1/24 is ours on tap0>"
