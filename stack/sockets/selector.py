"""Waiting for many sockets at once: the standard library's selectors on the engine's own wait, without descriptors.

Each registered socket has a watcher that the engine calls when its readiness may have changed, and which puts it
among the candidates; `select` looks at the candidates only, so its cost is that of what is ready and not of what is
registered. It refuses files that are not this node's sockets, because nothing here could wait for both.
"""

from __future__ import annotations

import selectors as standard
from collections import deque
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from stack.sockets.sock import Socket

if TYPE_CHECKING:
    from stack.socket import SocketModule

EVENT_READ = standard.EVENT_READ
EVENT_WRITE = standard.EVENT_WRITE


class Entry:
    """One registered socket."""

    __slots__ = ("candidates", "is_candidate", "key", "sock")

    def __init__(self, sock: Socket, key: standard.SelectorKey, candidates: deque[Entry]) -> None:
        self.sock = sock
        self.key = key
        self.candidates = candidates
        self.is_candidate = False

    def changed(self) -> None:
        """The watcher: the socket may be ready."""
        if not self.is_candidate:
            self.is_candidate = True
            self.candidates.append(self)

    def ready(self) -> int:
        """Which of the events waited for are there now. An error or a hang-up is both."""
        if self.sock.is_closed:
            return 0
        wanted, port = self.key.events, self.sock.port
        ready = EVENT_READ if wanted & EVENT_READ and port.readable() else 0
        return ready | (EVENT_WRITE if wanted & EVENT_WRITE and port.writable() else 0)


class Registered(Mapping[Any, standard.SelectorKey]):
    """What is registered, by file object: what `get_map` returns."""

    def __init__(self, selector: Selector) -> None:
        self._selector = selector

    def __len__(self) -> int:
        return len(self._selector.entries)

    def __getitem__(self, fileobj: Any) -> standard.SelectorKey:
        entry = self._selector.find(fileobj)
        if entry is None:
            raise KeyError(f"{fileobj!r} is not registered")
        return entry.key

    def __iter__(self) -> Iterator[Any]:
        return iter([entry.key.fileobj for entry in self._selector.entries.values()])


class Selector(standard.BaseSelector):
    """`SelectorsModule.DefaultSelector` is this class with the node filled in. A key's `fd` is only a serial number."""

    _module: ClassVar[SocketModule]

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}  # by the id of the socket, in the order they were registered
        self._engine = self._module.engine
        self._candidates: deque[Entry] = deque()
        self._serial = 0
        self._is_woken = False
        self._is_closed = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> standard.SelectorKey:
        """`fileobj` is a socket of this node, its descriptor, or has a `fileno()` that asks one.

        Raises ValueError if it is not, KeyError if it is registered already.
        """
        if not events or events & ~(EVENT_READ | EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        with self._engine:
            if self._is_closed:
                raise RuntimeError("the selector is closed")
            sock = self._module.socket_of(fileobj)
            if id(sock) in self.entries:
                raise KeyError(f"{fileobj!r} is already registered")
            self._serial += 1
            key = standard.SelectorKey(fileobj, self._serial, events, data)
            entry = self.entries[id(sock)] = Entry(sock, key, self._candidates)
            sock.port.watchers.append(entry.changed)
            entry.changed()
        return key

    def unregister(self, fileobj: Any) -> standard.SelectorKey:
        """Raises KeyError if it is not registered. A socket may be closed already."""
        with self._engine:
            entry = self.find(fileobj)
            if entry is None:
                raise KeyError(f"{fileobj!r} is not registered")
            del self.entries[id(entry.sock)]
            self._unwatch(entry)
        return entry.key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> standard.SelectorKey:
        if not events or events & ~(EVENT_READ | EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        with self._engine:
            entry = self.find(fileobj)
            if entry is None:
                raise KeyError(f"{fileobj!r} is not registered")
            entry.key = entry.key._replace(events=events, data=data)
            entry.changed()
            return entry.key

    def select(self, timeout: float | None = None) -> list[tuple[standard.SelectorKey, int]]:
        """[(key, events)] of what is ready, in the order it became so; [] after `timeout` seconds or `wakeup`."""
        with self._engine as engine:
            engine.wait(self._is_over, None if timeout is None else max(0.0, timeout))
            self._is_woken = False
            return self._collect()

    def wakeup(self) -> None:
        """From any thread: make the present or the next `select` return at once."""
        with self._engine:
            self._is_woken = True

    def close(self) -> None:
        with self._engine:
            for entry in self.entries.values():
                self._unwatch(entry)
            self.entries.clear()
            self._candidates.clear()
            self._is_closed = self._is_woken = True

    def get_map(self) -> Mapping[Any, standard.SelectorKey]:
        return Registered(self)

    def get_key(self, fileobj: Any) -> standard.SelectorKey:
        if self._is_closed:
            raise RuntimeError("the selector is closed")
        return self.get_map()[fileobj]

    def find(self, fileobj: Any) -> Entry | None:
        """The entry of a file object, by its socket or, if that has been closed, by itself."""
        try:
            return self.entries.get(id(self._module.socket_of(fileobj)))
        except ValueError:
            return next((e for e in self.entries.values() if e.key.fileobj is fileobj), None)

    def _is_over(self) -> bool:
        """Whether `select` has something to say. Candidates that are not ready stop being candidates."""
        candidates = self._candidates
        while candidates:
            if candidates[0].ready():
                return True
            candidates.popleft().is_candidate = False
        return self._is_woken

    def _collect(self) -> list[tuple[standard.SelectorKey, int]]:
        candidates = self._candidates
        found = []
        for _ in range(len(candidates)):
            entry = candidates.popleft()
            ready = entry.ready()
            if ready:
                found.append((entry.key, ready))
                candidates.append(entry)  # it may still be ready next time: nobody will say so again
            else:
                entry.is_candidate = False
        return found

    @staticmethod
    def _unwatch(entry: Entry) -> None:
        watchers = entry.sock.port.watchers
        if entry.changed in watchers:
            watchers.remove(entry.changed)
        if entry.is_candidate:
            entry.candidates.remove(entry)
            entry.is_candidate = False


class SelectorsModule(ModuleType):
    """The selectors module of one node. All of its selectors are the same: there are no descriptors to choose by."""

    def __init__(self, module: SocketModule) -> None:
        super().__init__("selectors", self.__doc__)
        self.EVENT_READ = EVENT_READ
        self.EVENT_WRITE = EVENT_WRITE
        self.BaseSelector = standard.BaseSelector
        self.SelectorKey = standard.SelectorKey
        bound: type[Selector] = type("DefaultSelector", (Selector,), {"_module": module, "__doc__": Selector.__doc__})
        self.DefaultSelector = self.SelectSelector = self.PollSelector = self.Selector = bound
