"""Virtual time: a World of hosts on cables, whose clock jumps to whatever happens next.

Blocking code runs in threads, but only the one that holds the baton runs, and the baton moves only where a thread
waits: so the same seed gives the same frames at the same times, in any process. When every thread waits, the earliest
of the frames on their way, the stacks' timers and the threads' own deadlines happens. When there is none, that is a
deadlock, and every thread is told. It refuses threads that it did not start (`spawn`), because nothing could say when
they run.
"""

from __future__ import annotations

import errno
import gc
import os
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from random import Random
from threading import get_ident
from types import TracebackType
from typing import Any

from stack import collector, interrupt
from stack.config import Config
from stack.frame import OutFrame
from stack.hold import Hold
from stack.interface import Abilities, Interface
from stack.link.cable import Cable
from stack.stack import Stack
from stack.wire.address import ANY4, parse_ip, parse_prefix

NEVER = float("inf")
NO_ABILITIES = Abilities()


class Deadlock(RuntimeError):
    """Every thread waits, and no frame and no timer is left that could end it. The text says who waits for what."""


class Baton(threading.local):
    """Which of a World's threads this one is."""

    task: SimTask | None = None


class SimTask:
    """A thread of a World. It runs while it has the baton."""

    def __init__(self, world: World, name: str, is_service: bool) -> None:
        self.world = world
        self.name = name
        self.is_service = is_service  # may still wait when the run is over
        self.is_done = False
        self.failure: BaseException | None = None  # what ended it
        self.turn = threading.Lock()
        self.turn.acquire()
        self.predicate: Callable[[], object] | None = None
        self.deadline = NEVER
        self.engine: SimEngine | None = None  # the host it waits at
        self.order: BaseException | None = None  # to be raised where it waits

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, or for `timeout` virtual seconds."""
        self.world.wait(lambda: self.is_done, timeout)

    def is_alive(self) -> bool:
        return not self.is_done

    def is_due(self, now: float) -> bool:
        if self.order is not None or self.deadline <= now or (self.engine is not None and self.engine.is_closed):
            return True
        assert self.predicate is not None
        try:
            return bool(self.predicate())
        except Exception:
            return True  # raised again where it belongs: in its own thread

    def describe(self) -> str:
        """Who waits for what, for a Deadlock."""
        predicate = self.predicate
        what = getattr(predicate, "__qualname__", repr(predicate))
        owner = getattr(predicate, "__self__", None)
        where = f" at {self.engine.name}" if self.engine is not None else ""
        return f"{self.name} waits{where} for {what}" + (f" of {owner!r}" if owner is not None else "")


class SimLink:
    """An interface of a host at one end of a cable."""

    __slots__ = ("cable", "end", "host", "interface")

    def __init__(self, host: SimEngine, interface: Interface, cable: Cable, end: int) -> None:
        self.host = host
        self.interface = interface
        self.cable = cable
        self.end = end


class World:
    """Hosts, cables and threads under one clock. The thread that makes it holds the baton first.

    `observers` are called with (now, host, frame) for every frame sent, before the cable decides what becomes of it.
    As a context manager it is closed at the end, and raises what a thread died of if nobody has seen it yet.
    """

    def __init__(self, seed: int | str = 0) -> None:
        self.seed = seed
        self.hosts: list[SimEngine] = []
        self.cables: list[Cable] = []
        self.observers: list[Callable[[float, SimEngine, OutFrame], None]] = []
        self.is_closed = False
        self._now = 0.0
        self._links: list[SimLink] = []
        self._tasks: list[SimTask] = []
        self._ready: deque[SimTask] = deque()
        self._blocked: list[SimTask] = []
        self._baton = Baton()
        main = SimTask(self, "the main thread", False)
        self._baton.task = self._main = self._running = main
        self._hears_interrupts = get_ident() == interrupt.main_thread

    def now(self) -> float:
        """Virtual seconds since the World began."""
        return self._now

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            self._raise_failure()

    # --- making it

    def cable(self, **conditions: Any) -> Cable:
        """A cable of its own random numbers; conditions as `Cable` has them: delay, loss, duplicate, reorder, ..."""
        cable = Cable(Random(f"{self.seed} cable {len(self.cables)}"), ends=0, **conditions)
        self.cables.append(cable)
        return cable

    def host(
        self,
        *addresses: str,
        cable: Cable | None = None,
        gateway: str | None = None,
        name: str = "",
        mtu: int = 1500,
        abilities: Abilities = NO_ABILITIES,
        **settings: int | float | bool,
    ) -> SimEngine:
        """A host with `addresses` ('10.0.0.1/24') on `cable`, by default the World's first; settings as `Config`'s.

        Addresses are taken unprobed unless `acd_probe_num` says otherwise. Raises ValueError.
        """
        number = len(self.hosts) + 1
        origin = Random(f"{self.seed} host {number}")
        config = Config(origin, origin.randbytes(16), **{"acd_probe_num": 0, **settings})
        host = SimEngine(self, Stack(config), name or f"host {number}")
        self.hosts.append(host)
        if cable is None:
            cable = self.cables[0] if self.cables else self.cable()
        interface = host.attach(cable, mtu=mtu, abilities=abilities)
        with host:
            for text in addresses:
                host.stack.add_address(interface, *parse_prefix(text), self._now)
            if gateway is not None:
                host.stack.routes.add(ANY4, 0, parse_ip(gateway), interface)
        return host

    # --- threads

    def spawn(
        self, function: Callable[..., object], *args: Any, name: str = "", is_service: bool = False
    ) -> SimTask:
        """A thread of this World; it begins when the baton first comes to it. `run` does not wait for a service."""
        task = SimTask(self, name or getattr(function, "__name__", "task"), is_service)
        context = copy_context()

        def body() -> None:
            task.turn.acquire()
            self._baton.task = task
            try:
                if not self.is_closed:
                    context.run(function, *args)
            except BaseException as e:
                if not (self.is_closed and isinstance(e, OSError)):
                    task.failure = e
            self._end(task)

        thread = threading.Thread(target=body, name=task.name, daemon=True)
        self._tasks.append(task)
        self._ready.append(task)
        thread.start()
        return task

    def run(self, until: float | None = None) -> None:
        """Let the world run until every spawned thread has ended, services apart; or else exactly until that time.

        Raises what a thread died of, and Deadlock.
        """
        if until is None:
            self.wait(lambda: all(t.is_done or t.is_service for t in self._tasks))
        else:
            self.sleep(until - self._now)
        self._raise_failure()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass."""
        self.wait(lambda: False, max(0.0, seconds), is_yielding=True)

    def wait(
        self,
        predicate: Callable[[], object],
        timeout: float | None = None,
        engine: SimEngine | None = None,
        is_yielding: bool = False,
    ) -> bool:
        """Pass the baton on until `predicate()` is true; False if `timeout` virtual seconds passed first.

        With `is_yielding` it moves at least once. Raises ENETDOWN when the World, or `engine`, is closed.
        """
        task = self._holder()
        task.engine = engine
        deadline = NEVER if timeout is None else self._now + timeout
        is_main = get_ident() == interrupt.main_thread
        if is_main:
            interrupt.enter()
        try:
            while True:
                if task.order is not None:
                    order, task.order = task.order, None
                    raise order
                if is_main:
                    interrupt.take()
                if self.is_closed or (engine is not None and engine.is_closed):
                    raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
                if predicate():
                    return True
                if deadline <= self._now and not is_yielding:
                    return False
                is_yielding = False
                self._block(task, predicate, deadline)
        finally:
            task.predicate = None  # it may be all that keeps a socket alive
            if is_main:
                interrupt.leave()

    def _holder(self) -> SimTask:
        task = self._baton.task
        if task is None or task is not self._running:
            raise RuntimeError("this thread is not of the World: start threads with spawn(), and wait through it")
        return task

    def _block(self, task: SimTask, predicate: Callable[[], object], deadline: float) -> None:
        """Give the baton away until it comes back."""
        task.predicate, task.deadline = predicate, deadline
        self._blocked.append(task)
        successor = self._choose()
        if successor is not task:
            self._running = successor
            successor.turn.release()
            try:
                task.turn.acquire()
            except BaseException:
                self.is_closed = True  # a signal's handler raised: there is no baton any more, so nobody may go on
                raise

    def _end(self, task: SimTask) -> None:
        """The last act of a thread: the baton goes to another."""
        task.is_done = True
        successor = self._choose()
        self._running = successor
        successor.turn.release()

    def _choose(self) -> SimTask:
        """Who runs next; time passes until somebody can."""
        while True:
            if interrupt.is_pending and self._hears_interrupts and self._main in self._blocked:
                self._blocked.remove(self._main)
                return self._main
            if self._ready:
                return self._ready.popleft()
            self._settle()
            self._wake_due()
            if not self._ready and self.is_closed:
                return self._main
            if not self._ready and not self._step():
                self._on_standstill()

    def _wake_due(self) -> None:
        still = []
        for task in self._blocked:
            if self.is_closed or task.is_due(self._now):
                self._ready.append(task)
            else:
                still.append(task)
        self._blocked = still

    def _on_standstill(self) -> None:
        """Nothing will ever happen, unless what has leaked holds it up: collect, and only then call it a deadlock."""
        if self._collect():
            return
        waiting = "; ".join(t.describe() for t in self._blocked)
        for task in self._blocked:
            task.order = Deadlock(f"at {self._now:.6f} s nothing is left that could happen: {waiting}")

    def _collect(self) -> bool:
        """Run the finalizers of what leaked, at a moment that the seed decides; whether there were any."""
        gc.collect()
        leaked = [host.take_late() for host in self.hosts]
        return any(leaked)

    def _raise_failure(self) -> None:
        failures = [t for t in self._tasks if t.failure is not None]
        if failures:
            failure = failures[0].failure
            assert failure is not None
            for task in failures:
                task.failure = None
            raise failure

    # --- time

    def _settle(self) -> None:
        """Finalizers may have left work at any host."""
        for host in self.hosts:
            host.finish()

    def _step(self) -> bool:
        """Jump to what happens next and let it happen; False if nothing will."""
        at = min((t.deadline for t in self._blocked), default=NEVER)
        for link in self._links:
            arrival = link.cable.next_at(link.end)
            if arrival is not None and arrival < at:
                at = arrival
        for host in self.hosts:
            timeout = host.stack.next_timeout()
            if timeout is not None and timeout < at:
                at = timeout
        if at == NEVER:
            return False
        self._now = max(self._now, at)
        for link in self._links:
            link.host.receive(link)
        for host in self.hosts:
            host.advance()
        return True

    def send(self, host: SimEngine, frame: OutFrame) -> None:
        """A host's stack wrote a frame: put it on the cable it names."""
        for observer in self.observers:
            observer(self._now, host, frame)
        link = host.links[frame.interface]
        link.cable.send(link.end, frame.head, frame.payload, self._now, frame.offload)

    def plug(self, host: SimEngine, cable: Cable, mtu: int, abilities: Abilities) -> SimLink:
        """A new interface of `host` at a new end of `cable`."""
        mac = b"\x02\0\0" + (len(self._links) + 1).to_bytes(3, "big")
        interface = Interface(f"eth{len(host.links)}", mac, mtu, abilities)
        link = SimLink(host, interface, cable, cable.add_end())
        self._links.append(link)
        return link

    def close(self) -> None:
        """The end: every thread that waits is woken with ENETDOWN and runs to its end. Again: nothing."""
        if self.is_closed:
            return
        self._holder()
        self._collect()
        self._settle()
        self.is_closed = True
        for host in self.hosts:
            host.close()
        while any(not t.is_done for t in self._tasks):
            self._main_turn()

    def _main_turn(self) -> None:
        """Let every other thread have the baton once more."""
        task = self._holder()
        self._ready.extend(self._blocked)
        self._blocked.clear()
        self._ready.append(task)
        successor = self._ready.popleft()
        self._running = successor
        successor.turn.release()
        task.turn.acquire()


class SimEngine(Hold):
    """One host of a World: the same face as `Engine`. `interface` is its first link."""

    is_virtual = True

    def __init__(self, world: World, stack: Stack, name: str) -> None:
        super().__init__(stack)
        self.world = world
        self.name = name
        self.links: dict[Interface, SimLink] = {}
        self._depth = 0
        self._late: list[Callable[[], object]] = []

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def interface(self) -> Interface:
        return next(iter(self.links))

    def now(self) -> float:
        return self.world._now

    wall = now

    def __enter__(self) -> SimEngine:
        if collector.is_running_here():
            raise RuntimeError("a finalizer called by the garbage collector may not enter the node; use engine.defer")
        self.world._holder()
        if get_ident() == interrupt.main_thread:
            interrupt.enter()
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._depth == 1:
                self.finish()
        finally:
            self._depth -= 1
            if get_ident() == interrupt.main_thread:
                interrupt.leave()

    def is_held(self) -> bool:
        return self._depth > 0 or collector.is_running_here()

    def wait(self, predicate: Callable[[], object], timeout: float | None = None) -> bool:
        if self._depth == 0 or self._is_finishing:
            raise RuntimeError("wait only inside `with engine`, and not in a watcher or a finalizer")
        self.finish()
        depth, self._depth = self._depth, 0
        try:
            return self.world.wait(predicate, timeout, self)
        finally:
            self._depth = depth

    def pause(self) -> None:
        self.finish()

    def sleep(self, seconds: float) -> None:
        self.world.sleep(seconds)

    def spawn(self, function: Callable[..., object], *args: Any, name: str = "") -> SimTask:
        """A service's thread: `World.run` does not wait for it."""
        return self.world.spawn(function, *args, name=name, is_service=True)

    def defer(self, function: Callable[[], object]) -> None:
        if collector.is_running_here():
            self._late.append(function)  # when the collector runs depends on more than the seed
        else:
            self._deferred.append(function)

    def take_late(self) -> bool:
        """Move the finalizers that the collector found to the next entry; whether there were any."""
        late, self._late = self._late, []
        self._deferred.extend(late)
        return bool(late)

    def attach(self, cable: Cable, *, mtu: int = 1500, abilities: Abilities = NO_ABILITIES) -> Interface:
        """One more interface, at a new end of `cable`."""
        link = self.world.plug(self, cable, mtu, abilities)
        self.links[link.interface] = link
        return self.stack.attach(link.interface, self.now())

    def finish(self) -> None:
        """The end of a batch: finalizers, watchers, frames onto the cable. Waiters come when the baton moves."""
        self._is_finishing = True
        try:
            self._tell_watchers()
            for frame in self.stack.take_frames():
                self.world.send(self, frame)
        finally:
            self._is_finishing = False

    def receive(self, link: SimLink) -> None:
        """Everything that has arrived at one of our interfaces by now."""
        now = self.now()
        while (arrived := link.cable.take(link.end, now)) is not None:
            if not self.is_closed:
                self._guard(partial(self.stack.receive, link.interface, arrived[0], now, arrived[1]))
            self.finish()

    def advance(self) -> None:
        """The timers that are due."""
        now = self.now()
        at = self.stack.next_timeout()
        if at is not None and at <= now:
            self._guard(partial(self.stack.advance, now))
            self.finish()

    def close(self) -> None:
        """The host goes down: whoever waits at it is told ENETDOWN when the baton comes to him."""
        self.finish()
        self._go_down()
