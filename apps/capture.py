"""`--pcap FILE`, `-w FILE`: a capture of all the node sends and receives, from its first packet to the last.

What the file held stays until there is a node to capture from. Where it is standard output (`-w - | wireshark -k -i -`)
everything else that would be printed there goes to standard error. It refuses a terminal.
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

from stack.trace.save import cannot_write, is_regular, open_file

if TYPE_CHECKING:
    from apps.node import Node
    from stack.trace.live import LiveCapture

STANDARD_OUTPUT = "-"


class Capture:
    """Opened at once, so that a file which cannot be written is refused before anything else happens: OSError,
    ValueError with one clear line."""

    def __init__(self, name: str) -> None:
        self._live: LiveCapture | None = None
        self._file = _open(name)
        if name == STANDARD_OUTPUT:
            _print_to_standard_error()

    def start(self, node: Node) -> None:
        """Before the node's first packet."""
        if is_regular(self._file):
            self._file.truncate(0)
        self._live = node.trace.write_to(self._file)

    def close(self) -> bool:
        """After the last one. Whether all of it is there; what went wrong has been said."""
        live = self._live
        if live is not None:
            live.close()
        try:
            self._file.close()
        except OSError:  # of what was still to be written, and that it could not be has been said
            pass
        return live is None or not live.error


def _open(name: str) -> IO[bytes]:
    if name == STANDARD_OUTPUT:
        return open_file(name)
    try:
        return open(name, "ab")
    except OSError as e:
        raise cannot_write(name, e) from None


def _print_to_standard_error() -> None:
    """From here on: ourselves, and the programs we start."""
    sys.stdout.flush()
    os.dup2(2, 1)
    if sys.stdout.isatty() and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
