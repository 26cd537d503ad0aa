"""A capture file that grows with every frame that passes, from what the ring holds to `close`.

The recorder calls it inside the core with each item, and it appends the reference to a queue: no copy, no formatting,
a fraction of a microsecond. A thread turns the queue into bytes a moment later, when the stack has said what it has to
say of a frame (a drop comes as an event behind its frame), and writes them at once, so that Wireshark at the end of a
pipe sees packets as they pass. A reader of the ring alone would lose frames whenever the ring, 8 MiB or a tenth of a
second of bulk, turns faster than the thread; a writer in the core would format under its lock.

When the queue has grown to its limit, a regular file is written from inside the core: a disk that is too slow makes
the stack slow, for a capture with holes misleads. A pipe's reader may never read again, so there frames are left out
instead, and the comment of the next one that is written says how many. It refuses to raise into the core: a write
that fails ends the capture, and `error` says why; a closed pipe ends it quietly.
"""

from __future__ import annotations

import atexit
import io
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO

from stack.trace.capture import writer_for
from stack.trace.choice import Test
from stack.trace.recorder import OVERHEAD, SETTLE, Entry, Note, Recorder
from stack.trace.save import Composer, Gap, cannot_write, is_regular, open_file, write_all

QUEUE_BYTES = 32 << 20
CHUNK = 1 << 20  # bytes of one write
PATIENCE = 2.0  # s that the core waits for a file, and `close` for a pipe's reader


class LiveCapture:
    """`target` is a file's name, '-' for standard output, or a binary file, which stays open. `zero` and `test` are
    `Composer`'s; `say` takes one line should writing fail. Raises OSError, ValueError.

    name count lost error    frames written and left out so far, and why it ended before it was closed
    """

    def __init__(
        self,
        recorder: Recorder,
        target: str | os.PathLike[str] | IO[bytes],
        zero: int = 0,
        test: Test | None = None,
        say: Callable[[str], object] | None = None,
        limit: int = QUEUE_BYTES,
    ) -> None:
        self._is_ours = isinstance(target, (str, os.PathLike))
        if isinstance(target, (str, os.PathLike)):
            self.name = os.fspath(target)
            self._file = open_file(self.name)
        else:
            self.name, self._file = str(getattr(target, "name", "a file")), target
        self.count = self.lost = 0
        self.error = ""
        self._is_regular = is_regular(self._file)
        self._composer = Composer(zero, test)
        self._say = say
        self._limit = limit
        self._queue: deque[Entry | Note | Gap] = deque()
        self._in = self._out = 0  # bytes that came into the queue, and left it
        self._gap = 0  # frames left out since the last that had room
        self._written = 0  # serial of the last item written
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._is_open = True
        self._is_closing = False
        self._buffer = io.BytesIO()
        self._writer = writer_for(self.name, self._buffer)
        self._recorder = recorder
        recorder.takers += (self._take,)
        self._backlog: list[Entry | Note] = recorder.items()  # the queue may begin with some of them
        self._wake.set()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> LiveCapture:
        """Write what has passed until now, and end. Again: nothing."""
        atexit.unregister(self.close)
        self._detach()
        self._is_closing = True
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(None if self._is_regular else PATIENCE)
        return self

    def __enter__(self) -> LiveCapture:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        lost = f", {self.lost} left out" if self.lost else ""
        return f"<capture {self.name}: {self.count} frames{lost}{self.error and ', ' + self.error}>"

    def _detach(self) -> None:
        self._recorder.takers = tuple(take for take in self._recorder.takers if take != self._take)

    # --- inside the core

    def _take(self, item: Entry | Note) -> None:
        size = OVERHEAD
        if isinstance(item, Entry):
            size += item.size
            if self._in - self._out + size > self._limit and not self._make_room(item.serial):
                self.lost += 1
                self._gap += 1
                return
            if self._gap:
                self._queue.append(Gap(item.serial, self._gap))
                self._gap = 0
        self._queue.append(item)
        self._in += size
        if not self._wake.is_set():
            self._wake.set()

    def _make_room(self, serial: int) -> bool:
        """Whether there is room again for a frame. When it passes, all has been said of those before it."""
        return self._is_regular and self._write(serial - 1, PATIENCE)

    # --- writing

    def _run(self) -> None:
        pause = threading.Event()
        while self._is_open:
            self._wake.wait()
            self._wake.clear()
            is_last = self._is_closing
            upto = self._recorder.serial
            if not is_last:
                pause.wait(SETTLE)
            self._write(upto)
            if is_last:
                break
        if self.error and self._say is not None:
            self._say(f"{self.error}; the capture has ended after {self.count} frames\n")
        if self._is_ours:
            self._file.close()

    def _write(self, upto: int, timeout: float = -1) -> bool:
        """Write what has come up to serial `upto`, and see that it gets there. False if the file is taken for longer
        than `timeout`, or has failed."""
        if not self._writing.acquire(timeout=timeout):
            return False
        try:
            if self._is_open:
                for packet in self._composer.packets(self._until(upto)):
                    self._writer.write(packet)
                    self.count += 1
                    if self._buffer.tell() >= CHUNK:
                        self._put()
                self._put()
        except BrokenPipeError:
            self._fail("")
        except OSError as e:
            self._fail(str(cannot_write(self.name, e).strerror))
        except (Exception, SystemExit) as e:
            self._fail(f"{self.name}: {type(e).__name__}: {e}")  # a function of the user's that chooses frames, say
        finally:
            self._writing.release()
        return self._is_open

    def _put(self) -> None:
        with self._buffer.getbuffer() as data:
            write_all(self._file, data)
        self._buffer.seek(0)
        self._buffer.truncate()

    def _fail(self, why: str) -> None:
        self.error = why
        self._is_open = False
        self._detach()
        self._queue.clear()
        self._wake.set()

    def _until(self, upto: int) -> Iterator[Entry | Note | Gap]:
        """What is to be written up to serial `upto`, in order and once."""
        backlog, self._backlog = self._backlog, []
        for item in backlog:
            self._written = item.serial
            yield item
        while self._queue and self._queue[0].serial <= upto:
            item_or_gap = self._queue.popleft()
            if isinstance(item_or_gap, Gap):
                yield item_or_gap
                continue
            self._out += OVERHEAD + (item_or_gap.size if isinstance(item_or_gap, Entry) else 0)
            if item_or_gap.serial > self._written:
                self._written = item_or_gap.serial
                yield item_or_gap
