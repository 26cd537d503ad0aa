"""Linux's calls about namespaces, mounts and capabilities that Python's library lacks (namespaces(7),
capabilities(7)).

Imports nothing else of ours. Refuses nothing: what the kernel refuses is an OSError with its errno.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND = 2, 4, 8, 4096
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
_UNSIGNED = ctypes.c_uint32

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    _check(_libc.unshare(flags), "unshare")


def enter(fd: int, flags: int) -> None:
    """Move this process into the namespaces `flags` of the process a pidfd speaks of, or into the one `fd` is of."""
    _check(_libc.setns(fd, flags), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()), target)


def unmount(target: str) -> None:
    """Take the topmost mount off `target`; what still uses it keeps it."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), target)


def die_with_parent(signal: int) -> None:
    """Have the kernel send us `signal` when the process that started us ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")


def keep_capabilities() -> None:
    """Have programs started from here keep every capability we have, whoever the user is (ambient capabilities)."""
    header = (_UNSIGNED * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (_UNSIGNED * 6)()  # effective, permitted and inheritable, for capabilities 0 to 31 and then 32 to 63
    _check(_libc.capget(header, sets), "capget")
    sets[2], sets[5] = sets[1], sets[4]
    _check(_libc.capset(header, sets), "capset")
    permitted = sets[1] | sets[4] << 32
    for capability in range(64):
        if permitted >> capability & 1:
            _check(_libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl")
