"""The line under the prompt: who we are and how much passes. It reads counters without a lock, for they are only
looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.autoconf.dhcpv4 import HOLDING
from stack.tcp.state import State

if TYPE_CHECKING:
    from apps.node import Node


def text(node: Node) -> str:
    """' lab 192.168.1.3/24  rx 12 1.2 kB  tx 10 900 B  connections 2  drops 0 ', to fit into 80 columns"""
    counters = node.interface.counters
    try:
        connections = [c for c in node.stack.tcp.connections.values() if c.state is not State.TIME_WAIT]
        drops = sum(node.stack.drops.values())
        address = node.address + lease(node)
    except RuntimeError:  # changed while we looked: the next look is half a second away
        return f" {node.interface.name} "
    return (
        f" {node.interface.name} {address}  rx {counters.rx_packets} {size(counters.rx_bytes)}"
        f"  tx {counters.tx_packets} {size(counters.tx_bytes)}  connections {len(connections)}  drops {drops} "
    )


def lease(node: Node) -> str:
    """' dhcp 59:12' while a lease runs, with the time it still has; ' dhcp SELECTING' while one is sought."""
    client = node.dhcp
    if client is None:
        return ""
    held = client.lease
    if held is None or client.state not in HOLDING:
        return f" dhcp {client.state.value}"
    left = held.expires_at - node.engine.now()
    trying = "" if client.state is HOLDING[0] else f" {client.state.value}"
    return f" dhcp{trying} " + ("for ever" if left == float("inf") else duration(left))


def duration(seconds: float) -> str:
    """3552.7 as '59:12', 90061 as '1 d 1 h'"""
    whole = max(0, int(seconds))
    if whole >= 86400:
        return f"{whole // 86400} d {whole % 86400 // 3600} h"
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"


def size(count: float) -> str:
    """1234567 as '1.2 MB'"""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
