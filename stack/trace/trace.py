"""The trace as the prompt has it: `trace.on('tcp')`, `trace.off()`, `trace.show(12)`, `trace.last(20)`,
`trace.save('x.pcapng')`, `trace.read('x.pcapng')`.

The lines are printed by a thread of their own, fed by the recorder's ring, at most every 0.05 s and within a budget of
lines a second, so neither a flood nor a slow terminal ever holds up the stack. It writes through a function, by default
to whatever `sys.stdout` is at that moment.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from rich.text import Text

from stack.trace import render, save
from stack.trace.capture import BILLION, CaptureError
from stack.trace.choice import OFFERED, Choice, ChoiceFailed, Level, Wanted, choose
from stack.trace.dissectors import Dissectors, Own
from stack.trace.live import LiveCapture
from stack.trace.picture import COLUMNS, Picture, checked_format
from stack.trace.printer import RATE, Printer, Reader
from stack.trace.recorder import SETTLE, Entry, Note, Recorder
from stack.trace.recording import SHOWN_BYTES, Recording, open_capture, saved_line
from stack.trace.render import Widths
from stack.trace.screen import Screen

INTERVAL = 0.05  # s between two writes
LAST_WORDS = 1.0  # s that a screen which takes nothing holds up whoever turns the trace off


class Trace:
    """`write` takes a string; `color` is 'auto', 'always' or 'never'. `clock` is the recorder's, in seconds, and `wall`
    seconds since 1970.

    What is said last about a frame holds:

        trace.on(); trace.also('tcp', tree=True); trace.off('arp')

    shows a line for everything, the whole tree of each TCP segment, and nothing of ARP.
    """

    def __init__(
        self,
        recorder: Recorder,
        clock: Callable[[], float] | None = None,
        write: Callable[[str], object] | None = None,
        color: str | bool | None = None,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self.recorder = recorder
        self.rate = RATE
        self._screen = Screen(write, color)
        self._clock = clock or time.monotonic
        # Fixed here once, so that all captures of one run go by one clock.
        self._zero = round(((wall or time.time)() - self._clock()) * BILLION)
        self.dissectors = Dissectors()
        self._format = COLUMNS
        self._widths = Widths()  # of what is printed as it passes
        self._reader = Reader(recorder)
        self._lock = threading.RLock()  # of the reader and the printer; never held while writing
        self._printer: Printer | None = None
        self._wake = threading.Event()
        self._stop: threading.Event | None = None  # of the present printing thread
        self._thread: threading.Thread | None = None

    @property
    def is_on(self) -> bool:
        return self._printer is not None

    @property
    def format(self) -> str:
        """How lines are laid out: 'columns', as tshark has them, or 'tcpdump'."""
        return self._format

    @format.setter
    def format(self, name: str) -> None:
        self._format = checked_format(name)

    # --- as it passes

    def on(self, wanted: Wanted = None, tree: bool = False) -> Trace:
        """Print each packet as it passes, from now on: all, or those a filter ('tcp', 'icmp or arp', 'port 80') or a
        function (lambda entry: entry.tcp and entry.tcp.dst_port == 80) lets through; a line for each, or with `tree`
        every field. ValueError for a filter that makes no sense."""
        return self._watch(Choice().said(wanted, Level.TREE if tree else Level.LINE))

    def also(self, wanted: Wanted = None, tree: bool = False) -> Trace:
        """Print these too, or these as trees rather than lines: `trace.on(); trace.also('udp port 53', tree=True)`."""
        return self._watch(self._choice().said(wanted, Level.TREE if tree else Level.LINE))

    def off(self, wanted: Wanted = None) -> Trace:
        """Stop printing, after what has passed until now; or leave out from now on what `wanted` lets through."""
        if wanted:
            if not self.is_on:
                raise ValueError("the trace is off: say trace.on() first, and then what to leave out")
            return self._watch(self._choice().said(wanted, Level.NOTHING))
        atexit.unregister(self.off)
        thread, self._thread = self._thread, None
        if self._stop is not None:
            self._stop.set()
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(LAST_WORDS)
        self._printer = None
        return self

    def _choice(self) -> Choice:
        printer = self._printer
        return Choice() if printer is None else printer.choice

    def _watch(self, choice: Choice) -> Trace:
        with self._lock:
            if self._printer is not None:
                self._printer.choice = choice
                return self
            self._printer = printer = Printer(self._reader, choice, self._clock(), self.rate)
            self._stop = stop = threading.Event()
            self._widths = Widths()
        self._thread = threading.Thread(target=self._run, args=(printer, stop), name="trace", daemon=True)
        self._thread.start()
        atexit.register(self.off)  # a daemon thread that is writing when the interpreter ends would take it down
        return self

    # --- what has passed

    def show(self, number: int | None = None, limit: int | None = SHOWN_BYTES) -> None:
        """Print the tree of one frame: every field, and its bytes up to `limit`. Without a number it is the last frame;
        -1, -2 ... count from the end. ValueError if it is not kept."""
        items = self._items()
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
        self._screen.print([self._picture().tree(entry, after, limit)])

    def last(self, n: int = 20, wanted: Wanted = None) -> None:
        """Print the lines of the last `n` frames kept, of those `wanted` (as in `on`) lets through."""
        test = choose(wanted)
        frames = [item for item in self._items() if isinstance(item, Entry) and (test is None or test(item))]
        picture = self._picture()
        shown = frames[max(0, len(frames) - n) :]
        picture.fit(shown)
        self._screen.print([picture.line(frame) for frame in shown])

    def events(self, n: int = 20) -> None:
        """Print the last `n` events that belong to no single frame: state changes, samples, neighbours, drops."""
        notes = [item for item in self._items() if isinstance(item, Note)]
        picture = self._picture()
        self._screen.print([picture.note(note) for note in notes[max(0, len(notes) - n) :]])

    def _items(self) -> list[Entry | Note]:
        with self._lock:
            return self._reader.since(0)

    # --- files

    def save(self, path: str | os.PathLike[str], wanted: Wanted = None) -> None:
        """Write what is kept, of that what `wanted` lets through, to a file: pcap if its name ends so, else pcapng,
        where each packet's comment says why it was resent or dropped. OSError, ValueError."""
        count = save.save(self._items(), path, self._zero, choose(wanted))
        self._screen.print([saved_line(count, path)])

    def write_to(self, target: str | os.PathLike[str] | IO[bytes], wanted: Wanted = None) -> LiveCapture:
        """Write what is kept and then each packet as it passes, until `.close()` of what this returns: to a file, '-'
        for standard output (to wireshark -k -i -), or a binary file. OSError, ValueError."""
        return LiveCapture(self.recorder, target, self._zero, choose(wanted), lambda text: sys.stderr.write(text))

    def read(self, path: str | os.PathLike[str], wanted: Wanted = None) -> Recording:
        """Print the lines of a capture file, any tool's, of what `wanted` lets through; returns what it holds, to
        `.show(3)`, `.lines('tcp')`, iterate over. OSError; ValueError if it is no capture. A damaged one is shown as
        far as it goes."""
        test = choose(wanted)
        picture = Picture(0.0, self._screen.arrows, self._format, self.dissectors)
        name = os.fspath(path)
        recording = Recording(name, self._screen.print, picture)
        with open_capture(path) as file:
            try:
                for _ in recording.load(file):
                    pass
            except CaptureError as e:
                raise CaptureError(f"{name}: {e}") from None
        recording.entries = [entry for entry in recording.entries if test is None or test(entry)]
        recording.lines()
        return recording

    # --- protocols of one's own

    def dissector(self, f: Own | None = None, port: int = 0, protocol: str | None = None) -> Any:
        """Have `f` read what goes to or comes from a port, over TCP and UDP or only one `protocol` of them: f(bytes)
        returns the line's words, or (protocol, words), or (protocol, words, fields of the tree as a dict), or None.
        A decorator, if `f` is left out. ValueError, TypeError."""
        if f is None:
            self.dissectors.check(port, protocol)
            return lambda f: self.dissector(f, port, protocol)
        self.dissectors.add(f, port, protocol)
        return f

    def __repr__(self) -> str:
        state = f"on{self._choice()}" if self.is_on else "off"
        kept = self.recorder.number - self.recorder.evicted
        return f"<trace {state}: {kept} of {self.recorder.number} frames kept>"

    @property
    def completions(self) -> dict[str, list[str]]:
        """What the prompt offers inside the quotes of `trace.on('...')`."""
        words = [*OFFERED, "port ", "host ", "net "]
        return dict.fromkeys(("on", "also", "off"), words)

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
                self._screen.print(self._step(printer, upto))
                stop.wait(INTERVAL - SETTLE)
            self._screen.print(self._step(printer, recorder.serial, last=True))
        except ChoiceFailed as failed:
            self._give_up(printer, f"trace is off: the function that chooses frames failed at {failed}")
        except (OSError, ValueError):
            self._give_up(printer, "")  # nobody reads any more: the pipe is broken or the stream closed

    def _step(self, printer: Printer, upto: int, last: bool = False) -> list[Text]:
        with self._lock:
            return printer.step(upto, self._clock(), self._picture(self._widths), last)

    def _give_up(self, printer: Printer, words: str) -> None:
        if self._printer is printer:
            self._printer = None
        if words:
            try:
                self._screen.print([Text(words, render.WRONG)])
            except (OSError, ValueError):
                pass

    def _picture(self, widths: Widths | None = None) -> Picture:
        started = self.recorder.started or 0.0
        return Picture(started, self._screen.arrows, self._format, self.dissectors, widths, self._zero)
