"""Two hosts to test with: in a World of virtual time, or under real engines on a cable between two devices."""

from __future__ import annotations

import os
import random
from typing import Any

from stack.config import Config
from stack.engine import Engine
from stack.interface import Interface
from stack.link.cable import Cable
from stack.link.cable_end import connect
from stack.socket import SocketModule
from stack.stack import Stack
from stack.wire.address import parse_ip


def engine(**settings: Any) -> Engine:
    """A node in real time, without a link."""
    return Engine(Stack(Config(random.Random(1), os.urandom(16), acd_probe_num=0, **settings)))


def give_address(node: Engine, interface: Interface, address: str, prefixlen: int = 24) -> None:
    with node:
        node.stack.add_address(interface, parse_ip(address), prefixlen, node.now())


class Pair:
    """10.0.0.1 and 10.0.0.2 in real time; `a` and `b` are their socket modules."""

    def __init__(self, super_segments: bool = False, **conditions: Any) -> None:
        self.cable = Cable(random.Random(1), **{"delay": 0.0, **conditions})
        self.engines = []
        for number, end in enumerate(connect(self.cable, super_segments=super_segments), 1):
            node = engine()
            give_address(node, node.attach(end), f"10.0.0.{number}")
            self.engines.append(node)
        self.a, self.b = (SocketModule(e) for e in self.engines)

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *exc: object) -> None:
        for node in self.engines:
            node.close()
