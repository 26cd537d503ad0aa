"""The trace as the prompt has it: `trace.on('tcp')`, `trace.off()`, `trace.show(12)`, `trace.last(20)`.

The lines are printed by a thread of their own, fed by the recorder's ring, at most every 0.05 s and within a budget of
lines a second, so neither a flood nor a slow terminal ever holds up the stack. It writes through a function, by default
to whatever `sys.stdout` is at that moment.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections.abc import Callable, Iterable

from rich.text import Text

from stack.trace import render
from stack.trace.choice import Wanted, choose
from stack.trace.color import is_coloured
from stack.trace.printer import RATE, ChoiceFailed, Printer, Reader
from stack.trace.recorder import Entry, Note, Recorder

INTERVAL = 0.05  # s between two writes
SETTLE = 0.02  # s: what the stack has to say of a frame it says well within
SHOWN_BYTES = 2048  # of a frame's bytes, by `show`


class Trace:
    """`write` takes a string; `color` is 'auto', 'always' or 'never'; `clock` gives seconds, for the budget alone."""

    def __init__(
        self,
        recorder: Recorder,
        clock: Callable[[], float] | None = None,
        write: Callable[[str], object] | None = None,
        color: str | bool | None = None,
    ) -> None:
        is_coloured(color)  # a wrong word is an error now and not in the printing thread
        self.recorder = recorder
        self.color = color
        self.rate = RATE
        self._clock = clock or time.monotonic
        self._write = write
        self._reader = Reader(recorder)
        self._lock = threading.RLock()  # of the reader and the printer; never held while writing
        self._printer: Printer | None = None
        self._wanted: Wanted = None
        self._wake = threading.Event()
        self._stop: threading.Event | None = None  # of the present printing thread
        self._thread: threading.Thread | None = None

    @property
    def is_on(self) -> bool:
        return self._printer is not None

    def on(self, wanted: Wanted = None) -> Trace:
        """Print each packet as it passes, from now on: all, or those a filter ('tcp', 'icmp or arp', 'port 80') or a
        function (lambda entry: entry.tcp and entry.tcp.dst_port == 80) lets through. ValueError for a filter that
        makes no sense."""
        test = choose(wanted)
        with self._lock:
            self._wanted = wanted
            if self._printer is not None:
                self._printer.test = test
                return self
            self._printer = printer = Printer(self._reader, test, self._clock(), self.rate)
            self._stop = stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(printer, stop), name="trace", daemon=True)
        self._thread.start()
        atexit.register(self.off)  # a daemon thread that is writing when the interpreter ends would take it down
        return self

    def off(self) -> Trace:
        """Stop printing, after what has passed until now."""
        atexit.unregister(self.off)
        thread, self._thread = self._thread, None
        if self._stop is not None:
            self._stop.set()
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)
        self._printer = None
        return self

    def show(self, number: int | None = None, limit: int | None = SHOWN_BYTES) -> None:
        """Print the tree of one frame: every field, and its bytes up to `limit`. Without a number it is the last frame;
        -1, -2 ... count from the end. ValueError if it is not kept."""
        with self._lock:
            items = self._reader.since(0)
        frames = [item for item in items if isinstance(item, Entry)]
        if not frames:
            raise ValueError("no frame has been recorded yet")
        if number is None:
            number = -1
        if number < 0:
            number += frames[-1].number + 1
        entry = next((frame for frame in frames if frame.number == number), None)
        if entry is None:
            raise ValueError(f"frame {number} is not kept; {frames[0].number} to {frames[-1].number} are")
        after = [item.event for item in items if isinstance(item, Note) and item.after == number]
        self._print([render.tree(entry, self._started(), after, limit)])

    def last(self, n: int = 20, wanted: Wanted = None) -> None:
        """Print the lines of the last `n` frames kept, of those `wanted` (as in `on`) lets through."""
        test = choose(wanted)
        with self._lock:
            items = self._reader.since(0)
        frames = [item for item in items if isinstance(item, Entry) and (test is None or test(item))]
        arrows = self._arrows()
        self._print([render.line(frame, self._started(), arrows) for frame in frames[max(0, len(frames) - n) :]])

    def events(self, n: int = 20) -> None:
        """Print the last `n` events that belong to no single frame: state changes, samples, neighbours, drops."""
        with self._lock:
            items = self._reader.since(0)
        notes = [item for item in items if isinstance(item, Note)]
        self._print([render.note_line(note, self._started()) for note in notes[max(0, len(notes) - n) :]])

    def __repr__(self) -> str:
        state = "off"
        if self.is_on:
            state = "on" if self._wanted is None else f"on, {self._wanted!r}"
        kept = self.recorder.number - self.recorder.evicted
        return f"<trace {state}: {kept} of {self.recorder.number} frames kept>"

    # --- the printing thread

    def _run(self, printer: Printer, stop: threading.Event) -> None:
        recorder = self.recorder
        try:
            while not stop.is_set():
                recorder.wake = self._wake.set
                if printer.position == recorder.serial and not printer.hidden:
                    self._wake.wait()
                self._wake.clear()
                upto = recorder.serial
                stop.wait(SETTLE)
                self._print(self._step(printer, upto))
                stop.wait(INTERVAL - SETTLE)
            self._print(self._step(printer, recorder.serial, last=True))
        except ChoiceFailed as failed:
            self._give_up(printer, f"trace is off: the function that chooses frames failed at {failed}")
        except (OSError, ValueError):
            self._give_up(printer, "")  # nobody reads any more: the pipe is broken or the stream closed

    def _step(self, printer: Printer, upto: int, last: bool = False) -> list[Text]:
        with self._lock:
            return printer.step(upto, self._clock(), self._arrows(), last)

    def _give_up(self, printer: Printer, words: str) -> None:
        if self._printer is printer:
            self._printer = None
        if words:
            try:
                self._print([Text(words, render.WRONG)])
            except (OSError, ValueError):
                pass

    # --- writing

    def _started(self) -> float:
        return self.recorder.started or 0.0

    def _stream(self) -> object:
        """Where the text goes, to ask whether it is a terminal and what it can encode; None if that is unknown."""
        return sys.stdout if self._write is None else getattr(self._write, "__self__", None)

    def _encoding(self) -> str:
        return getattr(self._stream(), "encoding", None) or "utf-8"

    def _arrows(self) -> render.Arrows:
        try:
            render.UNICODE.right.encode(self._encoding())
        except (UnicodeEncodeError, LookupError):
            return render.ASCII
        return render.UNICODE

    def _print(self, lines: Iterable[Text]) -> None:
        """All lines in one write."""
        color = is_coloured(self.color, self._stream())
        text = "".join(render.to_ansi(line, color) + ("" if line.plain.endswith("\n") else "\n") for line in lines)
        if not text:
            return
        if self._write is not None:
            self._write(text)
            return
        encoding = self._encoding()
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
