"""A TAP: an Ethernet whose other station is this machine's kernel (Linux's tun driver, tuntap.rst).

It is opened with virtio headers and every offload, so that the kernel hands over and takes whole TCP super-segments
without their checksums. The node is a station of its own on that Ethernet: its MAC address is not the one `ip link`
shows, which is the kernel's. Refuses, with one line that says what to do, a TAP that is busy, somebody else's, down,
or no TAP.
"""

from __future__ import annotations

import errno
import os
import pwd

from stack.frame import OutFrame
from stack.interface import Abilities, Offload
from stack.link import kernel, virtio
from stack.link.addressing import station_mac

ABILITIES = Abilities(checksum=True, tso4=True, tso6=True)


class Tap:
    """The Device on a TAP's descriptor, which it owns."""

    def __init__(self, fd: int, name: str, mac: bytes, mtu: int, receive_limit: int, description: str = "") -> None:
        self.name = name
        self.description = description or name
        self.mac = mac
        self.mtu = mtu
        self.abilities = ABILITIES
        self.receive_limit: int | None = receive_limit
        self._fd = fd

    def __repr__(self) -> str:
        return f"<Tap {self.name}>"

    def fileno(self) -> int:
        return self._fd

    def read(self, now: float) -> tuple[bytes, Offload | None] | None:
        try:
            data = os.read(self._fd, virtio.READ_LENGTH)
        except BlockingIOError:
            return None
        return data[virtio.HEADER_LENGTH :], virtio.parse(data[: virtio.HEADER_LENGTH])

    def write(self, frame: OutFrame, now: float) -> bool:
        head = virtio.emit(frame.offload) + frame.head
        outcome = kernel.write(self._fd, head, frame.payload)
        if outcome == kernel.LOST:
            frame.interface.counters.tx_dropped += 1
        return outcome != kernel.FULL

    def next_at(self) -> float | None:
        return None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def open_tap(name: str, mac: bytes | None = None) -> Tap:
    """The TAP `name`, made if it is not there and we may; its MAC address is made from its name and this host's.

    Raises ValueError for a name no interface can have, OSError with one clear line if it is not to be had.
    """
    if not 0 < len(name.encode()) <= kernel.NAME_LENGTH or any(c.isspace() or c in "/%" for c in name):
        raise ValueError(
            f"{name!r} is not an interface's name: 1 to {kernel.NAME_LENGTH} characters, no space, slash or %"
        )
    was_there = _is_there(name)
    try:
        fd = kernel.attach_tap(name)
    except OSError as e:
        raise OSError(e.errno, _explain(name, was_there, e)) from None
    try:
        _bring_up(name)
        facts = kernel.facts(name)
    except BaseException:
        os.close(fd)
        raise
    mac = mac or station_mac(os.uname().nodename, name)
    return Tap(fd, name, mac, facts.mtu, facts.txqueuelen * facts.mtu)


def may_open(name: str) -> bool:
    """Whether `name` is there and the device that TAPs are opened by is ours to use."""
    return _is_there(name) and os.access(kernel.TUN_PATH, os.R_OK | os.W_OK)


def _is_there(name: str) -> bool:
    try:
        kernel.facts(name)
    except OSError:
        return False
    return True


def _bring_up(name: str) -> None:
    if kernel.facts(name).is_up:
        return
    try:
        kernel.add_flags(name, kernel.IFF_UP)
    except PermissionError:
        raise OSError(errno.ENETDOWN, f"{name} is down; bring it up: sudo ip link set {name} up") from None


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _explain(name: str, was_there: bool, error: OSError) -> str:
    """One line: what is wrong, and what to do about it."""
    user = _user()
    if error.filename == kernel.TUN_PATH:
        if error.errno in (errno.EACCES, errno.EPERM):
            return f"{kernel.TUN_PATH} is not ours to open; allow it: sudo chmod 666 {kernel.TUN_PATH}"
        return f"{kernel.TUN_PATH} is not there ({error.strerror}); load its driver: sudo modprobe tun"
    if error.errno == errno.EBUSY:
        return f"{name} is in use by another program; end that one, or use another TAP"
    if error.errno == errno.EPERM and was_there:
        return f"{name} belongs to another user; make one of yours: sudo ip tuntap add NAME mode tap user {user}"
    if error.errno == errno.EPERM:
        make = f"sudo ip tuntap add {name} mode tap user {user} && sudo ip link set {name} up"
        return f"there is no interface {name}; make it: {make}"
    if error.errno == errno.EINVAL:
        return f"{name} is not a TAP; one is made by: sudo ip tuntap add NAME mode tap user {user}"
    return f"cannot open {name}: {error.strerror}"
