"""A command on a pseudo-terminal of its own, in a session of its own (pty(7), setsid(2)), as login shells have it.

What the command writes is read in packet mode (TIOCPKT), which also tells when it changes between raw and cooked and
when it throws away what it has written: in the very bits that rlogin sends to its client. It refuses nothing that the
kernel does not; it needs util-linux's setsid.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence

from stack.wire.rlogin import COOKED, DISCARD, RAW, WindowSize

READ = 65536  # bytes at once
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


class Terminal:
    """`fd` is the master side, which does not block. Raises OSError if there is no terminal or no such command."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.fd, slave = os.openpty()
        try:
            os.set_blocking(self.fd, False)
            fcntl.ioctl(self.fd, termios.TIOCPKT, struct.pack("i", 1))
            # setsid makes the terminal the controlling one, which Popen cannot without a hook that threads forbid.
            words = [*_heeding_signals(), "setsid", "--ctty", "--", *argv]
            self._process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd="/")
        except BaseException:
            os.close(self.fd)
            raise
        finally:
            os.close(slave)
        # Its end, to be waited for like anything else. Older kernels have none: there the terminal's end must do.
        self.pidfd = os.pidfd_open(self._process.pid) if hasattr(os, "pidfd_open") else -1

    @property
    def pid(self) -> int:
        return self._process.pid

    def read(self) -> tuple[bytes, int] | None:
        """What was written, and packet mode's bits; None at the end. Raises BlockingIOError."""
        try:
            data = os.read(self.fd, READ)
        except BlockingIOError:
            raise
        except OSError:
            return None  # EIO: nobody has it open any more
        if not data:
            return None
        return (data[1:], 0) if data[0] == 0 else (b"", data[0] & (DISCARD | RAW | COOKED))

    def write(self, data: bytes) -> int:
        """Type it; how much of it there was room for. Raises BlockingIOError, OSError at the end."""
        return os.write(self.fd, data)

    def resize(self, size: WindowSize) -> None:
        """Tell the command, by SIGWINCH, if that is news."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size))

    def has_exited(self) -> bool:
        """Whether the command is over; if so it has been reaped."""
        return self._process.poll() is not None

    def hang_up(self) -> None:
        """Close the terminal: the command's session gets SIGHUP. It still has to be ended."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            self._signal(signal.SIGHUP)

    def end(self, patience: float = 0.0) -> None:
        """See the command gone: reaped at once, or after `patience` seconds and SIGKILL. Again: nothing."""
        self.hang_up()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, number)
            except (ProcessLookupError, PermissionError):
                self._process.send_signal(number)  # it has not made its session yet, or is somebody else now


def _heeding_signals() -> list[str]:
    """The words before a command that undo what nohup, or a shell's `&` in a script, has made us ignore: a command
    would ignore it too, and Ctrl-C would do nothing in its session. coreutils' env(1) can, from 8.31 on."""
    ignored = [number.name[3:] for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN]
    return ["env", f"--default-signal={','.join(ignored)}"] if ignored else []
