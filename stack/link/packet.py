"""An AF_PACKET socket: the node as one more station on an interface this machine already has (packet(7)).

With PACKET_VNET_HDR the kernel hands over and takes TCP super-segments without their checksums, as it does between
its own interfaces. The node has a MAC address of its own, so the interface listens to all; a filter in the kernel
passes on only what is for the node. What the machine itself sends on the interface is not seen, and it does not see
us: the two are separate stations that cannot talk on one interface. Refuses, with one line, an interface that is not
there, is down or is not an Ethernet. VLAN-tagged frames are not ours and are left out.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from stack.frame import OutFrame
from stack.interface import Abilities, Offload
from stack.link import kernel, virtio
from stack.link.addressing import station_mac

BUFFER_LENGTH = 16 << 20  # asked for; the kernel gives an ordinary user net.core.rmem_max
ABILITIES = Abilities(checksum=True, tso4=True, tso6=True)

SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_AUXDATA = 8
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
PACKET_MR_PROMISC = 1
PACKET_OUTGOING = 4
ETH_P_ALL = 0x0003
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
TP_STATUS_CSUMNOTREADY = 0x08
TP_STATUS_CSUM_VALID = 0x80

# Classic BPF: load word, half, byte at an offset; jump if equal, if a bit is set; return.
LDW, LDH, LDB, JEQ, JSET, RET = 0x20, 0x28, 0x30, 0x15, 0x45, 0x06
PACKET_TYPE = 0xFFFFF000 + 4
VLAN_TAG_PRESENT = 0xFFFFF000 + 48


class PacketSocket:
    """The Device on a packet socket, which it owns."""

    def __init__(
        self,
        sock: socket.socket,
        name: str,
        mac: bytes,
        has_virtio: bool = True,
        far_end: tuple[socket.socket, str] | None = None,
    ) -> None:
        """Set up and bind `sock`, open for no protocol yet, to the interface `name` of its own network namespace.

        Without `has_virtio`, or where the kernel refuses it, frames carry no virtio header. `far_end` is for a veth
        pair whose near end is a kernel's own interface: another such socket, and the name of the end to write to. Then
        what is read is what the kernel sends on the near end, because on its way to the far one it may fall out of
        order: each processor has a queue of its own there.
        """
        facts = _usable(name, sock)
        self.name = name
        self.description = name
        self.mac = mac
        self.mtu = facts.mtu
        self._socket = sock
        self._fd = sock.fileno()
        self._has_virtio = has_virtio and _try_option(sock, SOL_PACKET, PACKET_VNET_HDR, 1)
        if not self._has_virtio:
            _try_option(sock, SOL_PACKET, PACKET_AUXDATA, 1)
        self.abilities = ABILITIES if self._has_virtio else Abilities()
        sock.setblocking(False)
        self.receive_limit: int | None = _enlarge(sock, SO_RCVBUFFORCE, socket.SO_RCVBUF)
        self._writer = sock if far_end is None else far_end[0]
        _enlarge(self._writer, SO_SNDBUFFORCE, socket.SO_SNDBUF)
        kernel.attach_filter(sock, _for_station(mac, sent_here=far_end is not None))
        if far_end is None:
            _try_option(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)  # the filter does too, but later
        else:
            self._prepare_far_end(*far_end)
        sock.bind((name, ETH_P_ALL))
        if far_end is None and facts.mac != mac:
            request = struct.pack("iHH8s", facts.ifindex, PACKET_MR_PROMISC, 0, b"")
            sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)

    def _prepare_far_end(self, sock: socket.socket, name: str) -> None:
        sock.setblocking(False)
        if self._has_virtio:
            sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        kernel.attach_filter(sock, [(RET, 0, 0, 0)])  # it is written to only
        sock.bind((name, ETH_P_ALL))

    def __repr__(self) -> str:
        return f"<PacketSocket {self.name}>"

    def fileno(self) -> int:
        return self._fd

    def read(self, now: float) -> tuple[bytes, Offload | None] | None:
        try:
            if not self._has_virtio:
                return self._read_plain()
            data = os.read(self._fd, virtio.READ_LENGTH)
        except BlockingIOError:
            return None
        except OSError as e:
            if e.errno == errno.ENETDOWN and self._is_there():
                return None  # said once when the interface goes down; it may come up again
            raise
        return data[virtio.HEADER_LENGTH :], virtio.parse(data[: virtio.HEADER_LENGTH])

    def _read_plain(self) -> tuple[bytes, Offload | None]:
        data, ancillary, _, _ = self._socket.recvmsg(virtio.READ_LENGTH, 64)
        for level, kind, value in ancillary:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                (status,) = struct.unpack_from("I", value)
                if status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID):
                    return data, Offload(verified=True)
        return data, None

    def write(self, frame: OutFrame, now: float) -> bool:
        head = virtio.emit(frame.offload) + frame.head if self._has_virtio else frame.head
        outcome = kernel.write(self._writer.fileno(), head, frame.payload)
        if outcome == kernel.LOST:
            frame.interface.counters.tx_dropped += 1
        return outcome != kernel.FULL

    def next_at(self) -> float | None:
        return None

    def close(self) -> None:
        self._socket.close()
        self._writer.close()
        self._fd = -1

    def _is_there(self) -> bool:
        try:
            kernel.facts(self.name, self._socket)
        except OSError:
            return False
        return True


def open_packet(name: str, mac: bytes | None = None) -> PacketSocket:
    """The interface `name`; the MAC address is made from its name and this host's unless given.

    Raises OSError with one clear line if it is not to be had.
    """
    mac = mac or station_mac(os.uname().nodename, name, "packet")
    try:
        # Protocol 0 receives nothing: otherwise frames of every interface would arrive before it is bound to one.
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    except PermissionError:
        raise OSError(
            errno.EPERM, f"packet:{name} needs root or the capability CAP_NET_RAW; --link lab does not"
        ) from None
    try:
        return PacketSocket(sock, name, mac)
    except BaseException:
        sock.close()
        raise


def _usable(name: str, sock: socket.socket) -> kernel.Facts:
    try:
        facts = kernel.facts(name, sock)
    except OSError:
        raise OSError(errno.ENODEV, f"there is no interface {name}; those there are: {_interfaces()}") from None
    if not facts.mac:
        raise OSError(errno.EOPNOTSUPP, f"{name} is not an Ethernet interface")
    if not facts.is_up:
        raise OSError(errno.ENETDOWN, f"{name} is down; bring it up: sudo ip link set {name} up")
    return facts


def _interfaces() -> str:
    return ", ".join(name for _, name in socket.if_nameindex()) or "none"


def _try_option(sock: socket.socket, level: int, option: int, value: int) -> bool:
    try:
        sock.setsockopt(level, option, value)
    except OSError:
        return False
    return True


def _enlarge(sock: socket.socket, forced: int, plain: int) -> int:
    """Make a buffer as large as we may; the bytes of frames it holds."""
    if not _try_option(sock, socket.SOL_SOCKET, forced, BUFFER_LENGTH):
        _try_option(sock, socket.SOL_SOCKET, plain, BUFFER_LENGTH)
    # socket(7): the kernel doubles what was asked for, the half of it for its own bookkeeping.
    return sock.getsockopt(socket.SOL_SOCKET, plain) // 2


def _for_station(mac: bytes, sent_here: bool) -> list[tuple[int, int, int, int]]:
    """A filter that passes frames to `mac` and to groups, and none with a VLAN tag; those that this machine's kernel
    sends on the interface, or those that come in."""
    high, low = struct.unpack("!HI", mac)
    return [
        (LDB, 0, 0, PACKET_TYPE),
        (JEQ, 0, 9, PACKET_OUTGOING) if sent_here else (JEQ, 9, 0, PACKET_OUTGOING),
        (LDB, 0, 0, VLAN_TAG_PRESENT),
        (JEQ, 0, 7, 0),
        (LDB, 0, 0, 0),
        (JSET, 4, 0, 1),
        (LDW, 0, 0, 2),
        (JEQ, 0, 3, low),
        (LDH, 0, 0, 0),
        (JEQ, 0, 1, high),
        (RET, 0, 0, 0xFFFFFFFF),
        (RET, 0, 0, 0),
    ]
