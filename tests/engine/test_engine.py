"""The real engine on a device whose every move the test decides: faults, full queues, lost devices, waiting."""

from __future__ import annotations

import contextvars
import errno
import gc
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from stack import engine as engine_module
from stack.engine import Engine
from stack.events import Event, Fault
from stack.frame import OutFrame
from stack.interface import Interface
from stack.wire.drop import Drop
from tests.engine.devices import ScriptedDevice
from tests.hosts import engine as new_engine
from tests.hosts import give_address
from tests.patience import PATIENCE, eventually


@pytest.fixture
def node() -> Iterator[Engine]:
    there = new_engine()
    yield there
    there.close()


class Notes:
    """An observer that keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_frame(self, *args: Any) -> None:
        pass

    def on_event(self, event: Event, now: float) -> None:
        self.events.append(event)


def frame(interface: Interface, number: int, size: int = 64) -> OutFrame:
    return OutFrame(interface, number.to_bytes(4, "big"), bytes(size - 4), None, None)


def send(node: Engine, interface: Interface, numbers: range, size: int = 64) -> None:
    with node:
        for number in numbers:
            node.stack._out.append(frame(interface, number, size))


def numbers(device: ScriptedDevice) -> list[int]:
    return [int.from_bytes(f.head, "big") for f in device.written]


# --- devices


def test_a_full_device_keeps_the_order(node: Engine) -> None:
    device = ScriptedDevice()
    interface = node.attach(device)
    device.block_writing()
    device.room = 3
    send(node, interface, range(10))
    send(node, interface, range(10, 20))
    assert numbers(device) == [0, 1, 2]
    device.unblock_writing(room=4)
    assert eventually(lambda: len(device.written) == 7)
    send(node, interface, range(20, 25))
    with node:  # there is room before the loop has noticed: what waits still goes first
        device.room = 1 << 30
        node.stack._out.append(frame(interface, 25))
    assert len(device.written) == 7
    device.unblock_writing()
    assert eventually(lambda: len(device.written) == 26)
    assert numbers(device) == list(range(26))
    assert Drop.DEVICE_FULL not in node.stack.drops


def test_a_full_devices_queue_is_bounded(node: Engine) -> None:
    device = ScriptedDevice()
    interface = node.attach(device)
    device.block_writing()
    send(node, interface, range(engine_module.QUEUE_FRAMES + 10))
    assert node.stack.drops == {Drop.DEVICE_FULL: 10}
    assert interface.counters.tx_dropped == 10
    device.unblock_writing()
    assert eventually(lambda: len(device.written) == engine_module.QUEUE_FRAMES)
    device.block_writing()
    send(node, interface, range(100), size=60_000)
    assert node.stack.drops[Drop.DEVICE_FULL] == 10 + 100 - engine_module.QUEUE_BYTES // 60_000


def test_a_device_that_lies_about_room_does_not_keep_us_busy(node: Engine) -> None:
    """Its descriptor says it can be written to, and then it is full: as AF_PACKET does with ENOBUFS."""
    device = ScriptedDevice()
    interface = node.attach(device)
    device.room = 0
    send(node, interface, range(5))
    began = time.monotonic()
    assert eventually(lambda: device.offers > 40)
    assert device.offers < 100 + 2000 * (time.monotonic() - began), "tried again, but not all the time"
    device.room = 1 << 30
    assert eventually(lambda: numbers(device) == [0, 1, 2, 3, 4])


def test_a_lost_device_takes_its_interface_down(node: Engine) -> None:
    device, other = ScriptedDevice(), ScriptedDevice("dev1", 2)
    interface, second = node.attach(device), node.attach(other)
    far = bytes((10, 0, 0, 9))
    with node:
        node.stack.routes.add(bytes((10, 0, 0, 0)), 8, None, interface, source=bytes((10, 0, 0, 1)))
        assert node.stack.route_to(far) is not None
    notes = Notes()
    node.stack.observers.append(notes)
    with node:
        device.failure = OSError(errno.ENODEV, "No such device")
        device.arrive(b"")
    assert eventually(lambda: not interface.is_up)
    assert device.is_closed and str(notes.events[0]) == "dev0 is gone: No such device"
    with node:
        assert node.stack.route_to(far) is None
    other.arrive(bytes(10))
    assert eventually(lambda: second.counters.rx_packets == 1)
    send(node, interface, range(2))
    send(node, second, range(2))
    assert numbers(other) == [0, 1] and not device.written
    assert second.is_up


def test_a_device_lost_while_writing(node: Engine) -> None:
    device = ScriptedDevice()
    interface = node.attach(device)
    device.failure = OSError(errno.EIO, "I/O error")
    send(node, interface, range(3))
    assert not interface.is_up and device.is_closed
    with node:
        pass


# --- faults


def test_a_fault_in_the_core_is_told_and_survived(node: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    device = ScriptedDevice()
    interface = node.attach(device)
    notes = Notes()
    node.stack.observers.append(notes)
    real = node.stack.receive

    def fails(interface: Interface, frame: bytes, now: float, offload: Any = None) -> None:
        if frame == b"bad":
            raise ZeroDivisionError("a bug")
        real(interface, frame, now, offload)

    monkeypatch.setattr(node.stack, "receive", fails)
    for data in (b"bad", bytes(60), b"bad"):
        device.arrive(data)
    assert eventually(lambda: len([e for e in notes.events if isinstance(e, Fault)]) == 2)
    assert eventually(lambda: interface.counters.rx_packets == 1)
    assert node.stack.drops[Drop.INTERNAL] == 2
    faults = [e for e in notes.events if isinstance(e, Fault)]
    assert "ZeroDivisionError: a bug" in faults[0].traceback
    assert str(faults[0]) == "fault in the stack: ZeroDivisionError: a bug"


def test_a_fault_in_a_timer_a_watcher_and_a_finalizer(node: Engine) -> None:
    fired: list[float] = []
    with node:
        bad, good = node.stack.timers.timer(lambda now: 1 // 0), node.stack.timers.timer(fired.append)  # type: ignore[arg-type]
        bad.set(node.now() + 0.01)
        good.set(node.now() + 0.02)
        port = node.stack.udp.open()
        port.watchers.append(lambda: 1 // 0)  # type: ignore[arg-type]
        port.ready_changed()
    node.defer(lambda: 1 // 0)
    assert eventually(lambda: fired)
    assert eventually(lambda: node.stack.drops.get(Drop.INTERNAL) == 3)


def test_an_observer_that_fails_does_not_end_the_loop(node: Engine) -> None:
    class Broken(Notes):
        def on_event(self, event: Event, now: float) -> None:
            raise RuntimeError("broken")

    node.stack.observers.append(Broken())
    device = ScriptedDevice()
    interface = node.attach(device)
    for _ in range(3):
        device.arrive(b"x")
    assert eventually(lambda: interface.counters.rx_packets == 3)
    assert node.stack.drops[Drop.INTERNAL] == 3


# --- time


def test_a_nearer_deadline_ends_the_loops_sleep(node: Engine) -> None:
    fired: list[float] = []
    with node:
        timer = node.stack.timers.timer(fired.append)
        timer.set(node.now() + 100)
    assert eventually(lambda: node._sleeps_until > engine_module.ALWAYS)
    with node:
        due = node.now() + 0.03
        node.stack.timers.timer(fired.append).set(due)
    assert eventually(lambda: fired)
    assert fired[0] >= due


def test_an_idle_engine_sleeps(node: Engine) -> None:
    device = ScriptedDevice()
    node.attach(device)
    assert eventually(lambda: node._sleeps_until > engine_module.ALWAYS)
    before = device.reads
    used = time.process_time()
    time.sleep(0.3)
    assert device.reads - before <= 1
    assert time.process_time() - used < 0.1


# --- waiting


def test_wait(node: Engine) -> None:
    with node:
        assert node.wait(lambda: True) is True
        began = time.monotonic()
        assert node.wait(lambda: False, 0.05) is False
        assert time.monotonic() - began >= 0.05
        assert node.wait(lambda: False, 0) is False
        assert node.wait(lambda: False, -1) is False
    for call in (lambda: node.wait(lambda: True), lambda: node.wait(lambda: True, 1)):
        with pytest.raises(RuntimeError, match="only inside"):
            call()


def test_wait_lets_go_of_every_depth_and_only_whose_condition_is_true_wakes(node: Engine) -> None:
    state: dict[str, int] = {}
    asked: list[str] = []
    woken: list[str] = []

    def waiter(name: str) -> None:
        def condition() -> bool:
            asked.append(name)
            return name in state

        with node, node, node:
            node.wait(condition)
            assert node._depth == 3
        woken.append(name)

    threads = [threading.Thread(target=waiter, args=(name,), daemon=True) for name in "abc"]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(node._waiters) == 3)
    for name in "bca":
        with node:
            state[name] = 1
        assert eventually(lambda: name in woken)  # noqa: B023
        assert len(woken) == len(state)
    for thread in threads:
        thread.join(PATIENCE)


def test_a_condition_that_raises_does_so_in_its_own_thread(node: Engine) -> None:
    found: list[Exception] = []
    fuse: list[int] = []

    def condition() -> bool:
        if fuse:
            raise KeyError("mine")
        return False

    def waiter() -> None:
        try:
            with node:
                node.wait(condition)
        except KeyError as e:
            found.append(e)

    thread = threading.Thread(target=waiter, daemon=True)
    thread.start()
    assert eventually(lambda: node._waiters)
    with node:
        fuse.append(1)
    thread.join(PATIENCE)
    assert len(found) == 1 and Drop.INTERNAL not in node.stack.drops


def test_no_waiting_in_a_watcher(node: Engine) -> None:
    found: list[str] = []

    def watcher() -> None:
        with node:  # nesting is allowed
            try:
                node.wait(lambda: False, 1)
            except RuntimeError as e:
                found.append(str(e))

    with node:
        port = node.stack.udp.open()
        port.watchers.append(watcher)
        port.ready_changed()
    assert found and "watcher" in found[0]


def test_watchers_and_finalizers_may_make_work_for_each_other(node: Engine) -> None:
    order: list[str] = []
    with node:
        port = node.stack.udp.open()

        def watcher() -> None:
            order.append("watcher")
            if len(order) < 5:
                node.defer(lambda: (order.append("finalizer"), port.ready_changed()))

        port.watchers.append(watcher)
        port.ready_changed()
    assert order == ["watcher", "finalizer", "watcher", "finalizer", "watcher"]


# --- sharing the lock


def taking_turns(node: Engine, seconds: float) -> list[float]:
    """How long a thread that wants the lock every millisecond waits for it: sorted seconds."""
    waits = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        with node:
            waits.append(time.perf_counter() - began)
        time.sleep(0.001)
    return sorted(waits)


P99 = 0.005  # seconds


def best_p99(node: Engine, bound: float = P99) -> float:
    """The first below `bound`, or the least there was: that a machine does something else for a while is not what is
    measured."""
    found: list[float] = []

    def is_below() -> bool:
        waits = taking_turns(node, 0.7)
        found.append(waits[int(len(waits) * 0.99)])
        return found[-1] < bound

    eventually(is_below)
    return min(found)


@pytest.mark.alone
def test_the_lock_is_to_be_had_during_a_flood(node: Engine) -> None:
    device = ScriptedDevice()
    interface = node.attach(device)
    device.pour(itertools.repeat(bytes(60_000)))
    assert eventually(lambda: interface.counters.rx_packets > 100)
    assert best_p99(node) < P99
    device.pour(iter(()))


class WatchedGate:
    """The engine's gate, which notes how much had been read when somebody else than the loop closed it."""

    def __init__(self, node: Engine, device: ScriptedDevice) -> None:
        self.node = node
        self.device = device
        self.inner = node._gate
        self.reads = 0

    def __enter__(self) -> None:
        self.inner.acquire()
        if threading.current_thread() is not self.node._thread:
            self.reads = self.device.reads

    def __exit__(self, *exc: object) -> None:
        self.inner.release()

    def locked(self) -> bool:
        return self.inner.locked()


def test_whoever_waits_is_next(node: Engine) -> None:
    """The loop ends its hold with the frame in hand and does not take the lock again before the one who waits."""
    device = ScriptedDevice()
    node.attach(device)
    with node:
        gate: Any = WatchedGate(node, device)
        node._gate = gate
    device.pour(itertools.repeat(bytes(60)))
    assert eventually(lambda: device.reads > 100)
    late = []
    for _ in range(300):
        gate.reads = -1
        with node:
            assert gate.reads >= 0, "the gate was not used"
            late.append(device.reads - gate.reads)
        time.sleep(0.0005)
    assert max(late) <= 1
    device.pour(iter(()))


def test_a_flood_on_one_device_does_not_starve_another(node: Engine) -> None:
    loud, quiet = ScriptedDevice(), ScriptedDevice("dev1", 2)
    node.attach(loud)
    interface = node.attach(quiet)
    loud.pour(itertools.repeat(bytes(60)))
    assert eventually(lambda: loud.reads > 100)
    for count in range(1, 20):
        quiet.arrive(bytes(60))
        assert eventually(lambda: interface.counters.rx_packets == count)  # noqa: B023
    loud.pour(iter(()))


def test_a_hold_is_bounded(node: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 64 frames or 1 MiB before frames are written and waiters looked at."""
    for size, most in ((60, engine_module.HOLD_FRAMES), (60_000, engine_module.HOLD_BYTES // 60_000 + 1)):
        device = ScriptedDevice()
        holds: list[int] = []
        real = node._finish
        monkeypatch.setattr(node, "_finish", lambda d=device, r=real, h=holds: (h.append(d.reads), r()))
        node.attach(device)
        device.pour(itertools.repeat(bytes(size), 1000))
        assert eventually(lambda: device.reads > 1000)  # noqa: B023
        monkeypatch.setattr(node, "_finish", real)
        steps = [after - before for before, after in itertools.pairwise(holds)]
        assert most - 1 <= max(steps) <= most


# --- threads and the end


def test_spawn_carries_the_context(node: Engine) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="lost")
    variable.set("carried")
    found: list[str] = []
    task = node.spawn(lambda word: found.append(variable.get() + word), "!", name="x")
    task.join(PATIENCE)
    assert found == ["carried!"] and not task.is_alive()


def test_close(node: Engine) -> None:
    device = ScriptedDevice()
    interface = node.attach(device)
    failures: list[OSError] = []

    def service() -> None:
        with node:
            try:
                node.wait(lambda: False)
            except OSError as e:
                failures.append(e)
                raise  # ends the service, and nobody prints a traceback

    tasks = [node.spawn(service) for _ in range(3)]
    assert eventually(lambda: len(node._waiters) == 3)
    send(node, interface, range(3))
    node.close()
    for task in tasks:
        task.join(PATIENCE)
        assert not task.is_alive()
    assert [e.errno for e in failures] == [errno.ENETDOWN] * 3
    assert device.is_closed and numbers(device) == [0, 1, 2]
    assert not node._thread.is_alive()
    node.close()
    with node:
        port = node.stack.udp.open()
        port.close(node.now())
        with pytest.raises(OSError, match="Network is down"):
            node.wait(lambda: True)
    node.defer(lambda: None)
    gc.collect()


def test_close_under_a_flood(node: Engine) -> None:
    device = ScriptedDevice()
    node.attach(device)
    device.pour(itertools.repeat(bytes(1000)))
    assert eventually(lambda: device.reads > 100)
    node.close()
    assert device.is_closed and not node._thread.is_alive()


def test_many_threads_at_once(node: Engine) -> None:
    """The lock keeps a plain counter whole, and nobody is left behind."""
    device = ScriptedDevice()
    interface = node.attach(device)
    give_address(node, interface, "10.0.0.1")
    device.pour(itertools.repeat(bytes(60)))
    counts = [0]

    def worker() -> None:
        for turn in range(200):
            with node:
                value = counts[0]
                if turn % 10 == 0:
                    node.pause()
                    value = counts[0]
                counts[0] = value + 1

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert counts == [1600]
    device.pour(iter(()))
