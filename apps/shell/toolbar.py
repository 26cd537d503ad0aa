"""The line under the prompt: who we are and how much passes. It reads counters without a lock, for they are only
looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.tcp.state import State

if TYPE_CHECKING:
    from apps.node import Node


def text(node: Node) -> str:
    """' lab 192.168.1.3/24  rx 12 1.2 kB  tx 10 900 B  connections 2  drops 0 ', to fit into 80 columns"""
    counters = node.interface.counters
    try:
        connections = [c for c in node.stack.tcp.connections.values() if c.state is not State.TIME_WAIT]
        drops = sum(node.stack.drops.values())
    except RuntimeError:  # changed while we looked: the next look is half a second away
        return f" {node.interface.name} {node.address} "
    return (
        f" {node.interface.name} {node.address}  rx {counters.rx_packets} {size(counters.rx_bytes)}"
        f"  tx {counters.tx_packets} {size(counters.tx_bytes)}  connections {len(connections)}  drops {drops} "
    )


def size(count: float) -> str:
    """1234567 as '1.2 MB'"""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
