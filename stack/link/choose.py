"""Which link: `tap:NAME`, `packet:IFNAME`, `lab` or `sim`, or the best there is when nobody says.

The devices that need Linux are imported only when they are asked for. A link asked for by name is opened or the error
raised; only when none was asked for does the next one down take its place, and the description says why.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stack.config import Random
from stack.link.addressing import other_address
from stack.link.cable import Cable
from stack.link.cable_end import CableEnd, connect
from stack.link.device import Device
from stack.wire.address import format_ip

if TYPE_CHECKING:
    from stack.link.lab import Lab

KINDS = "tap:NAME, packet:INTERFACE, lab or sim"
DEFAULT_TAP = "tap0"
INSTEAD = "; use --link sim"

# The names of the services that a host of this address and prefix length is to run.
Services = Callable[[bytes, int], Sequence[str]]


class Extras(NamedTuple):
    """What came with the device, to be closed after it. `peer` is the address the other host has or is to be given."""

    lab: Lab | None = None
    cable: Cable | None = None
    ends: tuple[CableEnd, ...] = ()  # of `cable`; the device is the first
    peer: bytes | None = None


class Opened(NamedTuple):
    """`description` is one line for the banner."""

    device: Device
    description: str
    extras: Extras


def open_link(
    spec: str | None,
    address: bytes,
    prefixlen: int,
    *,
    mac: bytes | None = None,
    rng: Random | None = None,
    super_segments: bool = False,
    services: Services = lambda address, prefixlen: (),
) -> Opened:
    """Open the link that `spec` names, or the best for None, for a node at `address`.

    `rng` decides what a simulated cable loses; a lab's host runs the `services` of its address and prefix length.
    Raises ValueError for a spec that is none, OSError if the link is not to be had; both with one clear line.
    """
    if spec is None:
        return _best(address, prefixlen, mac, rng, super_segments, services)
    kind, colon, name = spec.partition(":")
    if kind in ("tap", "packet"):
        if not name:
            raise ValueError(f"{kind} needs an interface's name: {kind}:{DEFAULT_TAP if kind == 'tap' else 'eth0'}")
        return _named(kind, name, mac)
    if colon or kind not in ("lab", "sim"):
        raise ValueError(f"there is no link {spec!r}; a link is {KINDS}")
    if kind == "lab":
        return _lab(address, prefixlen, mac, services)
    return _sim(address, prefixlen, rng, super_segments)


def _best(
    address: bytes,
    prefixlen: int,
    mac: bytes | None,
    rng: Random | None,
    super_segments: bool,
    services: Services,
) -> Opened:
    try:
        return _named("tap", DEFAULT_TAP, mac, only_if_there=True)
    except OSError:
        pass  # no such TAP, or not for us
    try:
        return _lab(address, prefixlen, mac, services)
    except OSError as e:
        device, description, extras = _sim(address, prefixlen, rng, super_segments)
        return Opened(device, f"{description} ({(e.strerror or '').removesuffix(INSTEAD)})", extras)


def _named(kind: str, name: str, mac: bytes | None, only_if_there: bool = False) -> Opened:
    try:
        from stack.link import packet, tap
    except ImportError:
        raise OSError(errno.ENOSYS, f"{kind}:{name} needs Linux{INSTEAD}") from None
    if only_if_there and not tap.may_open(name):
        raise OSError(errno.ENODEV, f"there is no interface {name}")
    device = tap.open_tap(name, mac) if kind == "tap" else packet.open_packet(name, mac)
    return Opened(device, device.description, Extras())


def _lab(address: bytes, prefixlen: int, mac: bytes | None, services: Services) -> Opened:
    try:
        from stack.link.lab import open_lab
    except ImportError:
        raise OSError(errno.ENOSYS, f"the lab needs Linux{INSTEAD}") from None
    lab = open_lab(address, prefixlen, services(other_address(address, prefixlen), prefixlen), mac=mac)
    return Opened(lab.device, lab.device.description, Extras(lab=lab, peer=lab.peer))


def _sim(address: bytes, prefixlen: int, rng: Random | None, super_segments: bool) -> Opened:
    peer = other_address(address, prefixlen)
    cable = Cable(rng or random.Random())
    ends = connect(cable, super_segments=super_segments)
    description = f"sim: a second node at {format_ip(peer)} on a simulated cable"
    return Opened(ends[0], description, Extras(cable=cable, ends=tuple(ends), peer=peer))
