"""The lab's host from inside: the first process of its namespaces (pid 1 there), started by `lab` through unshare(1).

It makes the link, gives the kernel its address, hands the node the link's descriptor over the control socket, starts
the project's services on the kernel's own sockets in a child, and then only waits. When the control socket ends,
however the node ended, so does this process, and with it everything in its pid namespace and then the namespaces
themselves. Refuses to touch anything unless it is in a network namespace other than the node's.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from stack.link import kernel, namespaces

ROOT = str(Path(__file__).resolve().parents[2])
INTERFACE = "lab0"
NODE_INTERFACE = "node0"
CARRIER_TIMEOUT = 2.0  # seconds
RESOLV_CONF = "# The lab's own: nothing here leaves this machine.\nnameserver {}\noptions timeout:1 attempts:1\n"
TXQUEUELEN = 5000  # frames: at 1500 bytes more than the largest window that TCP offers by default
SYSCTLS = {
    "ipv6/conf/default/disable_ipv6": "1",
    "ipv4/tcp_no_metrics_save": "1",  # one connection's losses do not slow the next
    "ipv4/icmp_ratelimit": "0",  # traceroute hears every answer
    "ipv4/ip_forward": "1",  # whoever takes it for a gateway hears what has no way from there
}


class Refused(Exception):
    """Something the host needs is not to be had; the text says what was tried and how it failed."""


def main(control_fd: int, settings: dict[str, Any]) -> None:
    """`settings`: address, prefixlen, mac (of the kernel), services, via (tap, veth or None), outside (the inode of
    the node's network namespace), is_mapped (whether user ids mean anything here yet)."""
    control = socket.socket(fileno=control_fd)
    try:
        if os.getpid() != 1 or os.stat("/proc/self/ns/net").st_ino == settings["outside"]:
            raise Refused("unshare did not enter namespaces of its own")
        if not settings["is_mapped"]:
            control.send(b"map")
            control.recv(16)
        services = _start_services(settings["services"])
        _mount(settings["address"])
        _set_sysctls()
        via, link = _make_link(settings)
    except (Refused, OSError) as e:
        control.send(json.dumps({"error": str(e)}).encode())
        sys.exit(1)
    answer = {"via": via, "interfaces": [INTERFACE, NODE_INTERFACE], "txqueuelen": TXQUEUELEN}
    socket.send_fds(control, [json.dumps(answer).encode()], [os.pidfd_open(1), *link])
    for fd in link:
        os.close(fd)
    _wait(control, services)


def _wait(control: socket.socket, services: subprocess.Popen[bytes] | None) -> None:
    """Until the node ends. It is told "" once the services have opened their ports, or what kept them from it."""
    _be_quiet()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # pid 1 inherits every orphan; the kernel buries them
    complaint = b""
    is_told = False
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ, "control")
        if services is not None:
            assert services.stdout is not None
            assert services.stderr is not None
            selector.register(services.stdout, selectors.EVENT_READ, "opened")
            selector.register(services.stderr, selectors.EVENT_READ, "complaint")
        else:
            _tell(control, "")
        while True:
            for key, _ in selector.select():
                if key.data == "control":
                    os._exit(0)
                data = os.read(key.fd, 4096)  # to the end of their lives, or a full pipe would block them
                if not data:
                    selector.unregister(key.fileobj)
                elif key.data == "complaint":
                    complaint = (complaint + data)[-4000:]
                has_ended = len(selector.get_map()) == 1
                if not is_told and (has_ended or (data and key.data == "opened")):
                    _tell(control, (complaint.decode(errors="replace") or "they ended") if has_ended else "")
                    is_told = True


def _tell(control: socket.socket, complaint: str) -> None:
    control.send(json.dumps({"services": " ".join(complaint.split())}).encode())


def _be_quiet() -> None:
    """Let go of the descriptors that the node heard errors from."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _start_services(names: list[str]) -> subprocess.Popen[bytes] | None:
    """The named services in a process of their own; it says on its output what it has opened, or ends."""
    if not names:
        return None
    code = "import runpy; runpy.run_module('services', run_name='__main__')"
    return subprocess.Popen(
        python(code) + names,
        stdin=subprocess.PIPE,  # its end would end them
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def python(code: str) -> list[str]:
    """The command that runs a few words of Python on this tree: isolated, and without what site-packages would add."""
    return [sys.executable or "python3", "-I", "-S", "-c", f"import sys; sys.path.insert(0, {ROOT!r}); {code}"]


def _mount(address: str) -> None:
    """A /etc/resolv.conf and a /proc of the host's own. Neither is worth failing for: some containers forbid it."""
    try:
        # The file needs a file system to be on; one laid over /proc leaves no trace once the new /proc is there.
        namespaces.mount("tmpfs", "/proc", "tmpfs", namespaces.MS_NOSUID | namespaces.MS_NODEV, "mode=755")
    except OSError:
        return
    try:
        with open("/proc/resolv.conf", "w") as file:
            file.write(RESOLV_CONF.format(address))
        namespaces.mount("/proc/resolv.conf", "/etc/resolv.conf", "", namespaces.MS_BIND)
    except OSError:
        pass
    namespaces.unmount("/proc")
    try:
        flags = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
        namespaces.mount("proc", "/proc", "proc", flags)
    except OSError:
        pass


def _set_sysctls() -> None:
    """Settings of this network namespace alone."""
    group = str(os.getgid())
    for name, value in {**SYSCTLS, "ipv4/ping_group_range": f"{group} {group}"}.items():
        try:
            with open(f"/proc/sys/net/{name}", "w") as file:
                file.write(value)
        except OSError:
            pass  # a kernel without IPv6, a container's read-only /proc/sys


def _make_link(settings: dict[str, Any]) -> tuple[str, list[int]]:
    """('tap', its descriptor) or ('veth', a packet socket's on our end and one's on the node's)."""
    via = settings["via"]
    if via != "veth":
        try:
            return "tap", [_make_tap(settings)]
        except OSError:
            if via == "tap":
                raise
    return "veth", _make_veth(settings)


def _make_tap(settings: dict[str, Any]) -> int:
    fd = kernel.attach_tap(INTERFACE)
    _ip(f"link set {INTERFACE} address {settings['mac']} txqueuelen {TXQUEUELEN}", *_addresses(settings))
    return fd


def _make_veth(settings: dict[str, Any]) -> list[int]:
    """A pair of virtual Ethernets; the node's is in a network namespace where no kernel speaks, and packet sockets.

    An interface with a kernel of its own behind it would answer for the node.
    """
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    namespaces.unshare(namespaces.CLONE_NEWNET)
    _set_sysctls()
    there = os.open("/proc/self/ns/net", os.O_RDONLY)
    far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    namespaces.enter(here, namespaces.CLONE_NEWNET)
    near = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    peer = f"peer name {NODE_INTERFACE} netns /proc/self/fd/{there}"
    _ip(f"link add {INTERFACE} address {settings['mac']} type veth {peer}", *_addresses(settings), keep=there)
    kernel.add_flags(NODE_INTERFACE, kernel.IFF_UP | kernel.IFF_NOARP, far)
    _await_carrier(INTERFACE, near)
    _await_carrier(NODE_INTERFACE, far)
    os.close(here)
    os.close(there)
    return [near.detach(), far.detach()]


def _await_carrier(name: str, via: socket.socket) -> None:
    """Until then, which is a moment after both ends are up, an interface drops what it is to send."""
    deadline = time.monotonic() + CARRIER_TIMEOUT
    while not kernel.is_running(name, via):
        if time.monotonic() > deadline:
            raise Refused(f"{name} has no carrier")
        time.sleep(0.001)


def _addresses(settings: dict[str, Any]) -> list[str]:
    return [
        "link set lo up",
        f"addr add {settings['address']}/{settings['prefixlen']} dev {INTERFACE}",
        f"link set {INTERFACE} up",
    ]


def _ip(*commands: str, keep: int = -1) -> None:
    """Run ip(8) once for all; Refused with its own words."""
    program = shutil.which("ip")
    if program is None:
        raise Refused("ip(8) is not there")
    done = subprocess.run(
        [program, "-batch", "-"],
        input="\n".join(commands) + "\n",
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=() if keep < 0 else (keep,),
    )
    if done.returncode:
        raise Refused("ip: " + " ".join(done.stderr.split()))
