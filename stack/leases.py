"""DHCP leases kept between runs, so that a client can ask for its old address (RFC 2131 3.2): one small JSON file for
each hardware address, under $XDG_STATE_HOME/glasstack/leases.

The only part of the client that touches files and the wall clock. A damaged file is ignored with a warning, and a
lease that cannot be written is no reason to do without one: neither ever raises.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from stack.autoconf.lease import NEVER, Known, Lease, is_host
from stack.wire.address import format_ip, format_mac, parse_ip

MAX_SIZE = 65536  # bytes; a file of ours has about 200


def state_directory() -> Path:
    """Where state that outlives a run is kept (XDG Base Directory Specification)."""
    # The specification: a relative path is invalid and ignored.
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "glasstack"


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=3)


class Leases:
    """`clock` gives wall-clock seconds; `warn` is told in one line what went wrong."""

    def __init__(
        self,
        directory: Path | None = None,
        clock: Callable[[], float] = time.time,
        warn: Callable[[str], object] = _warn,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._warn = warn

    def path(self, mac: bytes) -> Path:
        directory = self._directory if self._directory is not None else state_directory() / "leases"
        return directory / f"{format_mac(mac).replace(':', '-')}.json"

    def load(self, mac: bytes, now: float) -> Known | None:
        """What this hardware address had; `now` is the stack's clock, on which the answer's time counts."""
        try:
            path = self.path(mac)
            with path.open("rb") as file:
                text = file.read(MAX_SIZE)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError) as e:  # RuntimeError: there is no home directory
            self._warn(f"the lease of {format_mac(mac)} could not be read: {e}")
            return None
        try:
            kept = json.loads(text)
            address = parse_ip(kept["address"])
            expires = NEVER if kept["expires"] is None else float(kept["expires"])
            if len(address) != 4 or not is_host(address) or expires != expires:
                raise ValueError(f"{kept['address']} until {kept['expires']} is no lease")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
            self._warn(f"{path} is damaged and ignored ({type(e).__name__}: {e})")
            return None
        return Known(address, now + (expires - self._clock()))

    def save(self, mac: bytes, lease: Lease, now: float, is_released: bool = False) -> None:
        """Keep a lease; one that was given back is kept as a wish, which has expired."""
        expires = 0.0 if is_released else self._clock() + (lease.expires_at - now)
        kept = {
            "address": format_ip(lease.address),
            "server": format_ip(lease.server),
            "expires": None if expires == NEVER else expires,  # seconds since 1970
        }
        try:
            path = self.path(mac)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Written beside and moved over: whoever reads finds the old or the new, never half of one.
            beside = path.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps(kept) + "\n")
            beside.replace(path)
        except (OSError, RuntimeError) as e:
            self._warn(f"the lease of {format_mac(mac)} could not be kept: {e}")
