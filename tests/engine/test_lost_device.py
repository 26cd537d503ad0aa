"""A device that goes at a bad moment: the loop and the other devices live on."""

from __future__ import annotations

import errno
import threading
from typing import Any

import pytest

from stack.engine import Engine
from stack.events import Event, InterfaceDown
from stack.frame import OutFrame
from stack.interface import Interface
from stack.wire.drop import Drop
from tests.engine.devices import ScriptedDevice
from tests.hosts import engine as new_engine
from tests.patience import PATIENCE, eventually


class Watch:
    """An observer that says when an interface has gone, and when a frame has come."""

    def __init__(self) -> None:
        self.is_lost = threading.Event()
        self.has_come = threading.Event()

    def on_frame(self, *args: Any) -> None:
        self.has_come.set()

    def on_event(self, event: Event, now: float) -> None:
        if isinstance(event, InterfaceDown):
            self.is_lost.set()


def queue(node: Engine, interface: Interface, count: int) -> None:
    with node:
        for _ in range(count):
            node.stack._out.append(OutFrame(interface, b"head", bytes(60), None, None))


def test_lost_while_what_waited_is_written_and_somebody_wants_the_lock() -> None:
    node = new_engine()
    device, other = ScriptedDevice(), ScriptedDevice("dev1", 2)
    interface, _ = node.attach(device), node.attach(other)
    watch = Watch()
    device.block_writing()
    queue(node, interface, 1)

    def enter() -> None:
        with node:
            pass

    def write(frame: OutFrame, now: float) -> bool:
        threading.Thread(target=enter, daemon=True).start()
        eventually(node._gate.locked)
        raise OSError(errno.ENODEV, "No such device")

    device.write = write  # type: ignore[method-assign]
    with node:
        node.stack.observers.append(watch)
        device.unblock_writing()
    assert watch.is_lost.wait(PATIENCE)
    other.arrive(bytes(60))
    assert watch.has_come.wait(PATIENCE)
    node.close()


@pytest.mark.parametrize("way", ["reading", "writing"])
def test_what_waited_for_it_is_counted_once_each(way: str) -> None:
    node = new_engine()
    device = ScriptedDevice()
    interface = node.attach(device)
    watch = Watch()
    device.block_writing()
    queue(node, interface, 5)

    def write(frame: OutFrame, now: float) -> bool:
        raise OSError(errno.ENODEV, "No such device")

    with node:
        node.stack.observers.append(watch)
        if way == "reading":
            device.failure = OSError(errno.ENODEV, "No such device")
            device.arrive(b"")
        else:
            device.write = write  # type: ignore[method-assign]
            device.unblock_writing()
    assert watch.is_lost.wait(PATIENCE)
    with node:
        assert node.stack.drops == {Drop.INTERFACE_DOWN: 5}
    assert interface.counters.tx_dropped == 5
    node.close()
