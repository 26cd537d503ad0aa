"""The lab: a Linux kernel of one's own as the other host, without root and without set-up (unshare(1),
namespaces(7)).

A process enters user, network, pid and mount namespaces and makes the link there; its kernel has the other address of
the subnet, answers ping and runs echo and http on its own sockets. The link is a TAP where /dev/net/tun may be
opened, else a veth pair between packet sockets. `run` and `popen` start commands on that host, as ourselves but with
every capability over it. Everything ends with the control socket, so nothing is left however the node ended. Refuses,
as `LabUnavailable`, where namespaces are forbidden.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from stack.link.addressing import other_address, station_mac
from stack.link.lab_host import python
from stack.link.packet import PacketSocket
from stack.link.tap import Tap
from stack.wire.address import format_ip, format_mac

SERVICES = ("echo", "http")
MTU = 1500
START_TIMEOUT = 30.0  # seconds: a busy machine takes many times the usual tenth
SYSTEM_PATHS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # an ordinary user's PATH may lack ip and tcpdump
NAMESPACES = ("--user", "--keep-caps", "--net", "--pid", "--mount", "--fork", "--kill-child")
PROGRAMS = {"unshare": "util-linux", "ip": "iproute2"}
PERMISSIONS = (
    # where it says so, what it says, what allows it
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=10000"),
)
ELSEWHERE = "run the container with --privileged, or use a machine that is not one"


class LabUnavailable(OSError):
    """There can be no lab here; `strerror` says why, and which command would allow it."""


class Lab:
    """A running host; `open_lab` makes it. Closed by `close`, as a context manager, or by this process's end.

    device    the node's end of the link
    peer      the host's address, 4 bytes
    via       "tap" or "veth"
    services  the names of the project's services that run on the host's sockets
    trouble   what kept them from running, "" if nothing
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        control: socket.socket,
        device: Tap | PacketSocket,
        pidfd: int,
        peer: bytes,
    ) -> None:
        self.device = device
        self.peer = peer
        self.via = "tap" if isinstance(device, Tap) else "veth"
        self.services: tuple[str, ...] = ()
        self.trouble = ""
        self._process = process
        self._control = control
        self._pidfd = pidfd

    def __repr__(self) -> str:
        return f"<Lab {format_ip(self.peer)} over {self.via}>"

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program on the host; options are subprocess.Popen's. Signals sent to it reach the program."""
        return self._start(argv, False, **options)

    def run(self, command: str | Sequence[str] = "") -> int:
        """Run a shell's command line, a program's arguments, or a shell if there is neither, at our terminal.

        Returns the exit code as a shell has it: 128 and the signal's number if it died of one, 127 if it is not there.
        """
        shell = os.environ.get("SHELL") or "/bin/sh"
        argv = [shell] if not command else ["/bin/sh", "-c", command] if isinstance(command, str) else command
        sys.stdout.flush()
        terminal = _Terminal() if _has_terminal() else None
        process = self._start(argv, terminal is not None)
        try:
            code = _outcome(process)
        finally:
            if terminal is not None:
                terminal.take_back()
        return 128 - code if code < 0 else code

    def close(self) -> None:
        """End the host and everything on it. Again: nothing."""
        if self._pidfd < 0:
            return
        self._control.close()
        os.close(self._pidfd)
        self._pidfd = -1
        self.device.close()
        _bury(self._process)

    def _start(self, argv: Sequence[str], is_foreground: bool, **options: Any) -> subprocess.Popen[Any]:
        if self._pidfd < 0:
            raise OSError(errno.ENETDOWN, "the lab is closed")
        options["env"] = _environment(options.get("env"))
        options["pass_fds"] = (*options.get("pass_fds", ()), self._pidfd)
        code = f"from stack.link.lab_enter import main; main({self._pidfd}, {is_foreground}, sys.argv[1:])"
        return subprocess.Popen([*python(code), *argv], **options)

    def _await_services(self, names: tuple[str, ...]) -> None:
        try:
            self.trouble = json.loads(self._control.recv(65536) or "{}").get("services", "the lab ended")
        except TimeoutError:
            self.trouble = "they did not start in time"
        self.services = () if self.trouble else tuple(name.partition("=")[0] for name in names)


def open_lab(
    address: bytes,
    prefixlen: int,
    services: Sequence[str] = SERVICES,
    via: str | None = None,
    mac: bytes | None = None,
) -> Lab:
    """A lab for a node at `address`: its host has the first other address of the subnet and runs `services`.

    `via` "tap" or "veth" insists on that link. Raises LabUnavailable; ValueError if the subnet has no other address.
    """
    peer = other_address(address, prefixlen)
    host = os.uname().nodename
    settings = {
        "address": format_ip(peer),
        "prefixlen": prefixlen,
        "mac": format_mac(station_mac(host, "lab", format_ip(peer), "kernel")),
        "services": list(services),
        "via": via,
        "outside": _network_namespace(),
        "is_mapped": os.geteuid() != 0,
    }
    process, control = _start_host(settings)
    try:
        if not settings["is_mapped"]:
            _map_everyone(process, control)
        answer, fds = _hear(process, control)
        mac = mac or station_mac(host, "lab", format_ip(address))
        device = _device(answer, fds[1:], mac, f"lab: a Linux kernel of its own at {format_ip(peer)}")
        lab = Lab(process, control, device, fds[0], peer)
        lab._await_services(tuple(services))
    except TimeoutError:
        control.close()
        process.kill()
        _bury(process)
        raise LabUnavailable(errno.ETIMEDOUT, "no lab: it did not start in time; try again") from None
    except BaseException:
        control.close()
        _bury(process)
        raise
    return lab


def _start_host(settings: dict[str, Any]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    environment = _environment()
    for program, package in PROGRAMS.items():
        if shutil.which(program, path=environment["PATH"]) is None:
            raise LabUnavailable(errno.ENOENT, f"the lab needs {program}; install it: sudo apt install {package}")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    code = f"import json; from stack.link.lab_host import main; main({theirs.fileno()}, json.loads(sys.argv[1]))"
    mapping = ["--map-current-user"] if settings["is_mapped"] else []
    with theirs:
        process = subprocess.Popen(
            ["unshare", *NAMESPACES, *mapping, *python(code), json.dumps(settings)],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,  # Ctrl-C at our terminal is not meant for it
        )
    ours.settimeout(START_TIMEOUT)
    return process, ours


def _map_everyone(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    """As root, let every user be itself on the host: with root alone there, tcpdump could not become its own user."""
    if control.recv(16, socket.MSG_PEEK) != b"map":
        return  # it has failed, and `_hear` listens to why
    control.recv(16)
    try:
        for kind in ("uid_map", "gid_map"):
            lines = Path(f"/proc/self/{kind}").read_text().splitlines()
            ranges = [(first, count) for first, _, count in map(str.split, lines)]
            mapping = "".join(f"{first} {first} {count}\n" for first, count in ranges)
            Path(f"/proc/{process.pid}/{kind}").write_text(mapping)
    except OSError as e:
        raise LabUnavailable(errno.EPERM, f"no lab: users cannot be mapped ({e.strerror}); {_remedy()}") from None
    control.send(b"mapped")


def _hear(process: subprocess.Popen[bytes], control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The host's first words and descriptors, its own pidfd and the link's; LabUnavailable if it has none."""
    assert process.stderr is not None
    said, fds, _, _ = socket.recv_fds(control, 65536, 3, socket.MSG_CMSG_CLOEXEC)
    answer = json.loads(said or "{}")
    if fds:
        process.stderr.close()
        return answer, fds
    cause = answer.get("error") or " ".join(process.stderr.read().decode(errors="replace").split())
    raise LabUnavailable(errno.EPERM, f"no lab: {cause or 'unshare failed'}; {_remedy()}")


def _remedy() -> str:
    for path, forbidden, command in PERMISSIONS:
        try:
            value = Path(path).read_text().strip()
        except OSError:
            continue
        if value == forbidden:
            return f"namespaces are forbidden here; allow them: {command}"
    return f"namespaces are forbidden here; {ELSEWHERE}"


def _device(answer: dict[str, Any], fds: list[int], mac: bytes, description: str) -> Tap | PacketSocket:
    if answer["via"] == "tap":
        return Tap(fds[0], "lab", mac, MTU, answer["txqueuelen"] * MTU, description)
    near, far = (socket.socket(fileno=fd) for fd in fds)
    near_name, far_name = answer["interfaces"]
    device = PacketSocket(near, near_name, mac, far_end=(far, far_name))
    device.name, device.description = "lab", description
    return device


def _environment(base: dict[str, str] | None = None) -> dict[str, str]:
    environment = dict(os.environ if base is None else base)
    paths = environment.get("PATH", os.defpath).split(os.pathsep)
    environment["PATH"] = os.pathsep.join([*paths, *(path for path in SYSTEM_PATHS if path not in paths)])
    return environment


def _network_namespace() -> int:
    try:
        return os.stat("/proc/self/ns/net").st_ino
    except OSError:
        raise LabUnavailable(errno.ENOSYS, "the lab needs a Linux kernel with namespaces; use --link sim") from None


def _bury(process: subprocess.Popen[bytes]) -> None:
    if process.stderr is not None:
        process.stderr.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _outcome(process: subprocess.Popen[Any]) -> int:
    """The command's return code. An interrupt is the command's as well as ours: it gets a moment to end by itself."""
    try:
        return process.wait()
    except BaseException:
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
        raise


def _has_terminal() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


class _Terminal:
    """Our terminal, lent to a command in the foreground."""

    def __init__(self) -> None:
        self.attributes = termios.tcgetattr(0)

    def take_back(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            os.tcsetpgrp(0, os.getpgrp())
            termios.tcsetattr(0, termios.TCSADRAIN, self.attributes)
        except OSError:
            pass  # it has been hung up
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
