"""Real time: one thread, one lock, one epoll, one clock between a stack and its devices.

Application threads run the core themselves inside the lock; this thread brings frames and time in. Frames are taken
and written under the lock, or two threads would put them out of order. A lock of `threading` is not fair, so whoever
wants this one first takes the gate: the loop sees a closed gate, ends its hold, and cannot pass until the one before
it is in. `wait` is the only place that blocks. It refuses to know a protocol, and to die of a fault in the core: that
is reported, and the loop goes on.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from threading import get_ident
from types import TracebackType
from typing import Any

from stack import collector, interrupt
from stack.events import Dropped
from stack.frame import OutFrame
from stack.hold import Hold, Task
from stack.interface import Interface
from stack.link.device import Device
from stack.stack import Stack
from stack.wire.drop import Drop

HOLD_FRAMES = 64  # the most one hold of the lock reads,
HOLD_BYTES = 1 << 20  # in either measure
QUEUE_FRAMES = 4096  # the most that waits for a device that is full, after which frames are dropped
QUEUE_BYTES = 4 << 20
RETRY = 0.001  # seconds: when a device says it can be written to and then is full again
# Seconds. Python may note a signal in the moment before the main thread sleeps on a lock, and has it heard only when it
# wakes: so it never sleeps for longer.
DEAF = 0.25
ALWAYS = float("-inf")
NEVER = float("inf")


class Waiter:
    """A blocked thread. It sleeps on a lock of its own, which is released when what it waits for has happened."""

    __slots__ = ("is_woken", "lock", "predicate")

    def __init__(self, predicate: Callable[[], object]) -> None:
        self.predicate = predicate
        self.lock = threading.Lock()
        self.lock.acquire()
        self.is_woken = False

    def is_due(self) -> bool:
        try:
            return bool(self.predicate())
        except Exception:
            return True  # raised again where it belongs: in its own thread

    def wake(self) -> None:
        self.is_woken = True
        try:
            self.lock.release()
        except RuntimeError:
            pass  # the interrupt's handler came first


class Link:
    """A device, its interface, and the frames that it had no room for."""

    __slots__ = ("device", "interface", "is_watched", "queue", "queued", "retry_at")

    def __init__(self, device: Device, interface: Interface) -> None:
        self.device = device
        self.interface = interface
        self.queue: deque[OutFrame] = deque()
        self.queued = 0  # bytes
        self.is_watched = False  # for becoming writable
        self.retry_at = NEVER


class Engine(Hold):
    """`with engine:` holds the core; threads may nest it. `AnyEngine` has the words of the calls both engines have."""

    is_virtual = False

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self._lock = threading.Lock()
        self._gate = threading.Lock()
        self._owner = 0
        self._depth = 0
        self._waiters: dict[Waiter, None] = {}
        self._links: dict[Interface, Link] = {}
        self._ear, self._mouth = socket.socketpair()  # a byte here ends the loop's sleep
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ear, selectors.EVENT_READ)
        # Until when the loop sleeps; ALWAYS while it is awake, and will look for itself.
        self._sleeps_until = ALWAYS
        self._thread = threading.Thread(target=self._run, name="glasstack engine", daemon=True)
        self._thread.start()

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    # --- the lock

    def __enter__(self) -> Engine:
        me = get_ident()
        if collector.thread == me:
            raise RuntimeError("a finalizer called by the garbage collector may not enter the node; use engine.defer")
        if self._owner == me:
            self._depth += 1
            return self
        if me == interrupt.main_thread:
            interrupt.enter()
        self._take(me, 1)
        if self._deferred:
            self._drain()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._depth > 1:
            self._depth -= 1
            return
        try:
            self._finish()
        finally:
            self._release()
            if get_ident() == interrupt.main_thread:
                interrupt.leave()

    def is_held(self) -> bool:
        me = get_ident()
        return self._owner == me or collector.thread == me

    def _take(self, me: int, depth: int) -> None:
        with self._gate:
            self._lock.acquire()
        self._owner = me
        self._depth = depth

    def _release(self) -> None:
        self._owner = 0
        self._depth = 0
        self._lock.release()

    def pause(self) -> None:
        self._finish()
        if self._depth == 1 and self._gate.locked():
            me = self._owner
            self._release()
            self._take(me, 1)

    def defer(self, function: Callable[[], object]) -> None:
        self._deferred.append(function)
        if self._sleeps_until > ALWAYS:
            self._poke()

    # --- waiting

    def wait(self, predicate: Callable[[], object], timeout: float | None = None) -> bool:
        if self._owner != get_ident() or self._is_finishing:
            raise RuntimeError("wait only inside `with engine`, and not in a watcher or a finalizer")
        deadline = None if timeout is None else time.monotonic() + timeout
        is_main = self._owner == interrupt.main_thread
        while True:
            if is_main:
                interrupt.take()
            if self.is_closed:
                raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
            if predicate():
                return True
            remaining = -1.0 if deadline is None else min(deadline - time.monotonic(), threading.TIMEOUT_MAX)
            if deadline is not None and remaining <= 0:
                return False
            if is_main and not 0 <= remaining < DEAF:
                remaining = DEAF
            self._block(Waiter(predicate), remaining, is_main)

    def _block(self, waiter: Waiter, seconds: float, is_main: bool) -> None:
        """Sleep without the lock until woken, or for `seconds` (-1 is for ever)."""
        me, depth = self._owner, self._depth
        self._waiters[waiter] = None
        self._finish()
        self._release()
        try:
            if is_main:
                interrupt.blocking(waiter.lock.release)
            waiter.lock.acquire(True, seconds)
        finally:
            if is_main:
                interrupt.blocking(None)
            self._take(me, depth)
            self._waiters.pop(waiter, None)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def spawn(self, function: Callable[..., object], *args: Any, name: str = "") -> Task:
        context = copy_context()

        def body() -> None:
            try:
                context.run(function, *args)
            except OSError:
                if not self.is_closed:
                    raise
                # The node went down under it: that is how a service ends.

        thread = threading.Thread(target=body, name=name or getattr(function, "__name__", "task"), daemon=True)
        thread.start()
        return thread

    # --- leaving the core

    def _finish(self) -> None:
        """The end of a batch: run finalizers, tell the watchers, write the frames, wake those whose wait is over."""
        self._is_finishing = True
        try:
            self._tell_watchers()
            frames = self.stack.take_frames()
            if frames:
                self._write(frames)
            if self._waiters:
                self._wake_waiters()
            self._note_deadline()
        finally:
            self._is_finishing = False

    def _wake_waiters(self) -> None:
        for waiter in [w for w in self._waiters if self.is_closed or w.is_due()]:
            del self._waiters[waiter]
            waiter.wake()

    def _note_deadline(self) -> None:
        """End the loop's sleep if something is due before it would wake."""
        if self._owner != self._thread.ident and self._sleeps_until > ALWAYS:
            deadline = self._next_deadline()
            if deadline < self._sleeps_until:
                self._sleeps_until = deadline
                self._poke()

    def _next_deadline(self) -> float:
        at = self.stack.next_timeout()
        deadline = NEVER if at is None else at
        for link in self._links.values():
            deadline = min(deadline, link.retry_at)
            arrival = link.device.next_at()
            if arrival is not None:
                deadline = min(deadline, arrival)
        return deadline

    def _poke(self) -> None:
        try:
            self._mouth.send(b"\0")
        except OSError:
            pass  # full: it will wake anyway; or closed: there is nobody to wake

    # --- the loop

    def _run(self) -> None:
        me = get_ident()
        is_more = False
        while not self.is_closed:
            if not is_more:
                self._sleep()
            self._take(me, 1)
            try:
                self._sleeps_until = ALWAYS
                is_more = self._work()
                self._finish()
                if not is_more:
                    self._sleeps_until = self._next_deadline()
                    if self._deferred:
                        self._sleeps_until = ALWAYS  # it came before anybody could see that we sleep
            finally:
                self._release()

    def _sleep(self) -> None:
        until = self._sleeps_until
        timeout = None if until == NEVER else max(0.0, until - time.monotonic())
        for key, mask in self._selector.select(timeout):
            if key.data is None:
                self._hear()
            elif mask & selectors.EVENT_WRITE:
                key.data.retry_at = ALWAYS

    def _hear(self) -> None:
        try:
            self._ear.recv(4096)
        except OSError:
            pass  # another byte's wake took them all

    def _work(self) -> bool:
        """One hold: timers that are due, then frames while nobody waits; whether there is more to do at once."""
        now = time.monotonic()
        stack = self.stack
        at = stack.next_timeout()
        if at is not None and at <= now:
            try:
                stack.advance(now)
            except Exception:
                self._on_fault()
            at = stack.next_timeout()
        frames, octets = HOLD_FRAMES, HOLD_BYTES
        for link in list(self._links.values()):
            if link.retry_at <= now:
                self._retry(link, now)
                if link.interface not in self._links:
                    continue  # it was lost in writing
            while frames > 0 and octets > 0 and not self._gate.locked():
                size = self._read(link)
                if size < 0:
                    break
                frames -= 1
                octets -= size
            else:
                self._links[link.interface] = self._links.pop(link.interface)  # another device is the first next time
                return True
        return at is not None and at <= now

    def _read(self, link: Link) -> int:
        """One frame from a device into the core; its length, or -1 if there is none."""
        now = time.monotonic()
        try:
            got = link.device.read(now)
        except OSError as e:
            self._lose(link, e)
            return -1
        if got is None:
            return -1
        frame, offload = got
        try:
            self.stack.receive(link.interface, frame, now, offload)
        except Exception:
            self._on_fault()
        return len(frame)

    # --- devices

    def attach(self, device: Device) -> Interface:
        """Give the stack an interface on `device` and start reading it. The device is closed with the engine."""
        interface = Interface(device.name, device.mac, device.mtu, device.abilities, device.receive_limit)
        with self:
            self.stack.attach(interface, self.now())
            link = self._links[interface] = Link(device, interface)
            self._selector.register(device.fileno(), selectors.EVENT_READ, link)
            self._poke()
        return interface

    def _write(self, frames: list[OutFrame]) -> None:
        now = time.monotonic()
        for frame in frames:
            link = self._links.get(frame.interface)
            if link is None:
                self._drop(frame, Drop.INTERFACE_DOWN, now)
            elif link.queue or not self._offer(link, frame, now):
                self._queue(link, frame, now)

    def _offer(self, link: Link, frame: OutFrame, now: float) -> bool:
        """Write one frame, or lose the device; False only if the device is full."""
        try:
            return link.device.write(frame, now)
        except OSError as e:
            self._lose(link, e)
            self._drop(frame, Drop.INTERFACE_DOWN, now)
            return True

    def _queue(self, link: Link, frame: OutFrame, now: float) -> None:
        if len(link.queue) >= QUEUE_FRAMES or link.queued + frame.size > QUEUE_BYTES:
            self._drop(frame, Drop.DEVICE_FULL, now)
            return
        link.queue.append(frame)
        link.queued += frame.size
        if len(link.queue) == 1:
            self._watch(link, True)

    def _retry(self, link: Link, now: float) -> None:
        """The device has room again, or says so: write what waited, in order."""
        link.retry_at = NEVER
        before = len(link.queue)
        while link.queue:
            frame = link.queue.popleft()
            if not self._offer(link, frame, now):
                link.queue.appendleft(frame)
                break
            link.queued -= frame.size
        if not link.queue:
            self._watch(link, False)
        elif len(link.queue) == before:
            self._watch(link, False)  # it lies: ask again in a while rather than at once, for ever
            link.retry_at = now + RETRY
        else:
            self._watch(link, True)

    def _watch(self, link: Link, is_on: bool) -> None:
        if link.is_watched == is_on or link.interface not in self._links:
            return
        link.is_watched = is_on
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if is_on else 0)
        self._selector.modify(link.device.fileno(), events, link)
        self._poke()

    def _lose(self, link: Link, error: OSError) -> None:
        """The device is gone (deleted, unplugged): the interface is down from now on; what waited for it is lost."""
        if self._links.pop(link.interface, None) is None:
            return
        self._forget(link.device)
        now = self.now()
        self.stack.take_down(link.interface, error.strerror or str(error), now)
        while link.queue:
            self._drop(link.queue.popleft(), Drop.INTERFACE_DOWN, now)

    def _drop(self, frame: OutFrame, reason: Drop, now: float) -> None:
        self.stack.drop(Dropped(reason, frame.interface, True), now)

    def _forget(self, device: Device) -> None:
        for undo in (lambda: self._selector.unregister(device.fileno()), device.close):
            try:
                undo()
            except (OSError, KeyError, ValueError):
                pass  # it was the device that went first

    def close(self) -> None:
        """Stop the thread, close the devices, and wake every waiter with ENETDOWN. Again: nothing."""
        with self:
            if self.is_closed:
                return
            self._finish()
            self._go_down()
        self._poke()
        if get_ident() != self._thread.ident:
            self._thread.join()
        with self:
            for link in list(self._links.values()):
                self._forget(link.device)
            self._links.clear()
        self._selector.close()
        self._ear.close()
        self._mouth.close()
