"""Descriptors of the operating system in a service's loop, beside a node's sockets, which have none.

No selector waits for both: a thread polls the descriptors, however many there are, and rings the loop's bell. Each is
watched once and then has to be asked for again, so that nothing is read that nobody has room for. It lives in real
time only.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class Watch(NamedTuple):
    fd: int
    events: int
    callback: Callable[[], object]


class Files:
    """`ring` is called, from a thread of its own, when `take_ready` has something."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._watched: dict[int, Watch] = {}
        self._ready: deque[Watch] = deque()
        self._is_closed = False
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._mouth, False)
        self._thread = threading.Thread(target=self._run, name="glasstack files", daemon=True)
        self._thread.start()

    def watch(self, fd: int, for_reading: bool, for_writing: bool, callback: Callable[[], object]) -> None:
        """Have `take_ready` give out `callback` once, when the descriptor is ready or at its end."""
        events = (select.POLLIN if for_reading else 0) | (select.POLLOUT if for_writing else 0)
        with self._lock:
            self._forget(fd)
            self._watched[fd] = Watch(fd, events, callback)
        self._wake()

    def forget(self, fd: int) -> None:
        """Give out nothing for it any more: it may be closed now."""
        with self._lock:
            self._forget(fd)
        self._wake()

    def take_ready(self) -> Callable[[], object] | None:
        with self._lock:
            return self._ready.popleft().callback if self._ready else None

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
        self._wake()
        self._thread.join()
        os.close(self._ear)
        os.close(self._mouth)

    def _forget(self, fd: int) -> None:
        self._watched.pop(fd, None)
        self._ready = deque(watch for watch in self._ready if watch.fd != fd)

    def _wake(self) -> None:
        try:
            os.write(self._mouth, b"\0")
        except BlockingIOError:
            pass  # there is enough in it to wake the thread

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._is_closed:
                    return
                watched = list(self._watched.values())
            poll = select.poll()
            poll.register(self._ear, select.POLLIN)
            for watch in watched:
                poll.register(watch.fd, watch.events)
            found = {fd for fd, _ in poll.poll()}
            if self._ear in found:
                os.read(self._ear, 4096)
            if self._note([watch for watch in watched if watch.fd in found]):
                self._ring()

    def _note(self, ready: list[Watch]) -> bool:
        """Whether any of them is still asked for: it may have been forgotten, or asked for anew, meanwhile."""
        with self._lock:
            ready = [watch for watch in ready if self._watched.get(watch.fd) is watch]
            for watch in ready:
                self._ready.append(self._watched.pop(watch.fd))
        return bool(ready)
