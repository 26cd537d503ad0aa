import pytest

from stack.events import AddressConflict, Dropped, StateChange
from stack.trace.choice import Choice, ChoiceFailed, Level, choose
from stack.trace.printer import Printer, Reader
from stack.trace.recorder import Recorder
from stack.wire import tcp
from stack.wire.drop import Drop
from tests.trace.frames import TAP, arp_frame, conversation, icmp_frame, record, tcp_frame, udp_frame
from tests.wire.samples import A, B

UDP = udp_frame(b"x")
ARP = arp_frame(1, A, B)


class Bench:
    """A recorder and a printer on it, with a time of its own."""

    def __init__(self, wanted=None, rate=200.0, limit=8 << 20):
        self.recorder = Recorder(limit)
        record(self.recorder, UDP)  # passed before: not shown
        self.now = 50.0
        self.printer = Printer(Reader(self.recorder), Choice().said(wanted, Level.LINE), self.now, rate)

    def flood(self, count, frame=UDP):
        for _ in range(count):
            record(self.recorder, frame)

    def step(self, after=0.05, upto=None, last=False):
        """The lines of the next step: frame numbers, or the words of a gap or an event."""
        self.now += after
        serial = self.recorder.serial if upto is None else upto
        texts = [text.plain.strip() for text in self.printer.step(serial, self.now, last=last)]
        return [int(t.split()[0]) if t[0].isdigit() else t for t in texts]


def test_frames_are_shown_once_and_in_order():
    bench = Bench()
    bench.flood(3)
    assert bench.step() == [2, 3, 4]
    assert bench.step() == []
    bench.flood(1)
    assert bench.step() == [5]


def test_what_came_after_the_mark_waits_for_the_next_step():
    bench = Bench()
    bench.flood(5)
    assert bench.step(upto=3) == [2, 3]
    assert bench.step() == [4, 5, 6]


def test_only_what_is_wanted():
    bench = Bench("arp")
    bench.flood(3)
    bench.flood(2, ARP)
    assert bench.step() == [5, 6]
    assert bench.printer.hidden == 0  # what nobody asked for is not missing


def test_a_function_of_an_entry_chooses_too():
    bench = Bench(lambda entry: entry.number % 2)
    bench.flood(4)
    assert bench.step() == [3, 5]


def test_a_function_that_raises_is_named_in_one_line():
    bench = Bench(lambda entry: 1 / 0)
    bench.flood(1)
    with pytest.raises(ChoiceFailed, match=r"^frame 2: ZeroDivisionError: division by zero$"):
        bench.step()


def test_a_burst_of_a_second_s_worth_is_shown_whole():
    bench = Bench()
    bench.flood(200)
    assert bench.step() == list(range(2, 202))


def test_the_trees_of_a_whole_conversation_are_shown_and_a_flood_of_trees_is_cut():
    bench = Bench()
    bench.printer.choice = Choice().said(None, Level.TREE)
    bench.flood(40)
    assert [words.split("\n")[0].split(":")[0] for words in bench.step()] == [f"Frame {n}" for n in range(2, 42)]
    bench.flood(1000)
    assert len(bench.step()) < 40 and bench.printer.hidden > 900


def test_as_long_as_there_is_budget_everything_is_shown():
    bench = Bench()
    bench.flood(160)
    assert len(bench.step()) == 160
    bench.flood(45)
    assert len(bench.step()) == 45


def test_a_flood_is_cut_and_the_number_left_out_is_said():
    bench = Bench()
    bench.flood(1000)
    assert bench.step() == list(range(2, 202))
    bench.flood(100)
    assert bench.step() == []  # spent
    assert bench.printer.hidden == 900
    bench.flood(3)
    assert bench.step(after=1.0) == ["+900 frames not shown", 1102, 1103, 1104]


def test_when_the_flood_ends_the_number_left_out_is_said_all_the_same():
    bench = Bench()
    bench.flood(312 + 200)
    assert len(bench.step()) == 200
    said = [words for _ in range(10) for words in bench.step()]
    assert said == ["+312 frames not shown"] and bench.printer.hidden == 0


def test_whatever_comes_the_lines_a_second_are_bounded_and_no_frame_is_unaccounted_for():
    bench = Bench()
    shown = hidden = lines = 0
    for i in range(200):  # ten seconds
        bench.flood(37 * (i % 7))
        for words in bench.step(last=i == 199):
            lines += 1
            if isinstance(words, int):
                shown += 1
            else:
                hidden += int(words.split()[0])
    assert shown + hidden == bench.recorder.number - 1
    assert 1500 < lines <= 200 + 10 * 200 + 1


def test_runs_between_gaps_are_long_enough_to_read():
    bench = Bench()
    bench.flood(5000)
    bench.step()
    runs = []
    for _ in range(100):
        bench.flood(500)
        lines = bench.step()
        if lines:
            runs.append(len(lines))
    assert len(runs) > 10 and min(runs) >= 50


def test_frames_the_ring_lost_before_they_were_looked_at_are_counted():
    bench = Bench(limit=100_000)
    bench.flood(1000)
    kept = len(bench.recorder.frames())
    lines = bench.step()
    assert lines[0] == f"+{1000 - kept} frames not shown"
    assert lines[1] == 1002 - kept


def test_the_last_step_says_what_it_leaves_out():
    bench = Bench()
    bench.flood(300)
    assert bench.step(last=True)[-2:] == [201, "+100 frames not shown"]


def test_news_stands_between_the_frames_and_the_rest_of_the_events_does_not():
    bench = Bench()
    bench.flood(1)
    bench.recorder.on_event(StateChange((A, 1), (B, 2), "LISTEN", "SYN-RECEIVED"), 1.0)
    bench.recorder.on_event(Dropped(Drop.NO_ROUTE, None, True), 1.0)
    bench.recorder.on_event(AddressConflict(TAP, A, bytes(6), False), 1.0)
    bench.flood(1)
    assert bench.step() == [
        2,
        "*   1.000000 dropped: no route to host",
        "*   1.000000 10.9.0.1 is in use by 00:00:00:00:00:00",
        3,
    ]


def test_a_filter_chooses_frames_and_no_events():
    bench = Bench("udp")
    bench.recorder.on_event(Dropped(Drop.NO_ROUTE, None, True), 1.0)
    bench.flood(1)
    assert bench.step() == [2]


def test_segments_are_followed_whether_they_are_shown_or_not():
    bench = Bench("tcp and port 44000 and len <= 60")
    for frame in conversation()[:3]:
        record(bench.recorder, frame)
    bench.now += 1
    (text,) = bench.printer.step(bench.recorder.serial, bench.now)
    assert text.plain.endswith("[ACK] Seq=1 Ack=1 Win=64256 Len=0")


def test_a_reader_follows_each_segment_once_whoever_asks_first():
    recorder = Recorder()
    reader = Reader(recorder)
    record(recorder, tcp_frame(A, B, 1, 2, 100, 0, tcp.SYN, 9))
    reader.since(0)
    record(recorder, tcp_frame(A, B, 1, 2, 105, 0, tcp.ACK, 9))
    assert len(reader.since(1)) == 1
    first, second = reader.since(0)
    assert first.flow is second.flow is not None


def test_a_reader_asked_for_the_newest_has_followed_all_before_and_never_again():
    recorder = Recorder()
    reader = Reader(recorder)
    for seq, flags in ((100, tcp.SYN), (105, tcp.ACK), (9000, tcp.SYN), (9001, tcp.ACK)):  # the ports are used again
        record(recorder, tcp_frame(A, B, 1, 2, seq, 0, flags, 9))
    (newest,) = reader.since(3)
    flows = [entry.flow for entry in recorder.frames()]
    assert flows[0] is flows[1] is not flows[2] is flows[3] is newest.flow is not None
    reader.since(0)
    assert [entry.flow for entry in recorder.frames()] == flows


@pytest.mark.parametrize(
    "wanted, kept",
    [("tcp", [2]), ("udp", [1]), ("icmp", [3]), ("arp", [4]), ("ip", [1, 2, 3]), ("arp or icmp", [3, 4]),
     (None, [1, 2, 3, 4]), ("", [1, 2, 3, 4]), ("dst port 40001", [1]), ("outbound", []), ("greater 70", [3])],
)  # fmt: skip
def test_words(wanted, kept):
    recorder = Recorder()
    for frame in (UDP, tcp_frame(A, B, 1, 2, 3, 4, 16, 5), icmp_frame(3, 3), ARP):
        record(recorder, frame)
    test = choose(wanted)
    assert [e.number for e in recorder.frames() if test is None or test(e)] == kept


def test_a_filter_sees_the_beginning_of_a_payload_kept_apart():
    recorder = Recorder()
    frame = tcp_frame(A, B, 1, 2, 3, 4, 16, 5, b"", b"GET /" + bytes(5000))
    recorder.on_frame(TAP, True, frame[:54], memoryview(frame)[54:], None, None, 0.0)
    (entry,) = recorder.frames()
    assert choose("tcp[20:4] = 0x47455420 and len = 5059")(entry)
    assert choose("outbound")(entry)


@pytest.mark.parametrize("wanted", ["nonsense", "tcp port", "host 1.2.3", 7, ["tcp"]])
def test_what_makes_no_sense_is_one_clear_error_that_says_what_exists(wanted):
    with pytest.raises(ValueError, match="'arp'") as caught:
        choose(wanted)
    assert type(caught.value) is ValueError
