"""The few calls by which Linux is asked for a TAP, or about an interface (tun(4), netdevice(7)).

Imports nothing else of ours, so that the lab's host process starts quickly. Refuses nothing: errors are the kernel's
own OSErrors, and those who call say what they mean.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import socket
import struct
from typing import NamedTuple

TUN_PATH = "/dev/net/tun"
NAME_LENGTH = 15

TUNSETIFF = 0x400454CA
TUNSETOFFLOAD = 0x400454D0
TUNSETVNETHDRSZ = 0x400454D8
IFF_TAP = 0x0002
IFF_MULTI_QUEUE = 0x0100
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_TSO_ECN = 1, 2, 4, 8

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCGIFMTU = 0x8921
SIOCGIFHWADDR = 0x8927
SIOCGIFINDEX = 0x8933
SIOCGIFTXQLEN = 0x8942
SIOCETHTOOL = 0x8946
ETHTOOL_GLINK = 0x0A
IFF_UP = 0x1
IFF_RUNNING = 0x40
IFF_NOARP = 0x80
ARPHRD_ETHER = 1
SO_ATTACH_FILTER = 26

# Up to here one copy is cheaper than a second buffer in the system call.
JOIN_LENGTH = 4096
SENT, FULL, LOST = range(3)
_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM})
_LOST = frozenset({errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.ENETDOWN})

# struct ifreq is 40 bytes: the name, padded to 16, and a union.
_REQUEST = "16s24s"


def attach_tap(name: str) -> int:
    """Attach to the TAP `name`, made if need be, with virtio headers; a non-blocking descriptor.

    OSError EPERM (it is not ours, or may not be made), EBUSY (another program has it), EINVAL (not a TAP).
    """
    fd = os.open(TUN_PATH, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
    try:
        try:
            _set_interface(fd, name, flags)
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
            _set_interface(fd, name, flags | IFF_MULTI_QUEUE)  # made so, it can only be opened so
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", 10))
        fcntl.ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _set_interface(fd: int, name: str, flags: int) -> None:
    fcntl.ioctl(fd, TUNSETIFF, struct.pack(_REQUEST, name.encode(), struct.pack("H", flags)))


class Facts(NamedTuple):
    """What an interface says of itself. `mac` is empty unless it is an Ethernet interface."""

    is_up: bool
    mtu: int
    txqueuelen: int  # frames
    mac: bytes
    ifindex: int


def facts(name: str, via: socket.socket | None = None) -> Facts:
    """Of interface `name` in our network namespace, or in that of the socket `via`; OSError ENODEV if there is none."""
    if via is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            return facts(name, ours)
    (flags,) = struct.unpack_from("H", _ask(via, SIOCGIFFLAGS, name))
    (mtu,) = struct.unpack_from("i", _ask(via, SIOCGIFMTU, name))
    (txqueuelen,) = struct.unpack_from("i", _ask(via, SIOCGIFTXQLEN, name))
    family, mac = struct.unpack_from("H6s", _ask(via, SIOCGIFHWADDR, name))
    (ifindex,) = struct.unpack_from("i", _ask(via, SIOCGIFINDEX, name))
    return Facts(bool(flags & IFF_UP), mtu, txqueuelen, mac if family == ARPHRD_ETHER else b"", ifindex)


def is_running(name: str, via: socket.socket) -> bool:
    """Whether an interface has noticed its carrier, and so may send."""
    # Asking for the link's state has the kernel look at once; by itself it may take a second.
    value = array.array("I", [ETHTOOL_GLINK, 0])
    _ask(via, SIOCETHTOOL, name, struct.pack("P", value.buffer_info()[0]))
    (flags,) = struct.unpack_from("H", _ask(via, SIOCGIFFLAGS, name))
    return bool(flags & IFF_RUNNING)


def add_flags(name: str, flags: int, via: socket.socket | None = None) -> None:
    """Set interface flags (IFF_UP, IFF_NOARP); OSError EPERM without the capability."""
    if via is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            return add_flags(name, flags, ours)
    (before,) = struct.unpack_from("H", _ask(via, SIOCGIFFLAGS, name))
    _ask(via, SIOCSIFFLAGS, name, struct.pack("H", before | flags))


def _ask(via: socket.socket, request: int, name: str, value: bytes = b"") -> bytes:
    """An ioctl about an interface; the union as the kernel leaves it."""
    return fcntl.ioctl(via.fileno(), request, struct.pack(_REQUEST, name.encode(), value))[16:]


def attach_filter(sock: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    """Give the socket a classic BPF program: (code, jump if true, jump if false, k) an instruction."""
    code = array.array("B", b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    address, _ = code.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), address))


def write(fd: int, head: bytes, payload: bytes | memoryview) -> int:
    """Write one frame: SENT; FULL, offer it again; or LOST, as the link is down or the kernel refuses such a frame.

    OSError when the interface is gone.
    """
    try:
        if len(payload) > JOIN_LENGTH:
            os.writev(fd, (head, payload))
        else:
            os.write(fd, head + payload)
    except OSError as e:
        if e.errno in _FULL:
            return FULL
        if e.errno in _LOST:
            return LOST
        raise
    return SENT
