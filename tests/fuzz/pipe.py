"""Two stacks and the bad line between them, in virtual time: frames are lost, late, twice, out of order, damaged."""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from stack.config import Config
from stack.interface import Abilities, Interface, Offload
from stack.link.offload import prepare
from stack.stack import Stack
from stack.wire.address import parse_ip
from tests.drill.invariants import Invariants

ADDRESSES = (parse_ip("10.0.0.1"), parse_ip("10.0.0.2"))
MACS = (bytes.fromhex("020000000001"), bytes.fromhex("020000000002"))
NO_ABILITIES = Abilities()
ROUNDS = 5_000  # more at one instant are a hang


class Pipe:
    """`stacks[0]` and `stacks[1]`. `spoil(frame, to)` may change a frame on its way, or say None to lose it."""

    def __init__(
        self,
        seed: int,
        *,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        damage: float = 0.0,
        delay: float = 0.005,
        abilities: Abilities = NO_ABILITIES,
        spoil: Callable[[bytes, int], bytes | None] | None = None,
        **settings: Any,
    ) -> None:
        self.rng = random.Random(f"pipe {seed}")
        self.loss, self.duplicate, self.reorder, self.damage, self.delay = loss, duplicate, reorder, damage, delay
        self.spoil = spoil
        self.now = 0.0
        self.carried = 0
        self.invariants = Invariants()
        self._queue: list[tuple[float, int, int, bytes, Offload | None]] = []
        self.stacks: list[Stack] = []
        self.interfaces: list[Interface] = []
        for n in (0, 1):
            config = Config(random.Random(f"{seed} {n}"), bytes([n]) * 16, **{"acd_probe_num": 0, **settings})
            stack = Stack(config)
            interface = stack.attach(Interface("eth0", MACS[n], 1500, abilities), 0.0)
            stack.add_address(interface, ADDRESSES[n], 24, 0.0)
            self.stacks.append(stack)
            self.interfaces.append(interface)
        self.settle()

    def run(self, until: float) -> None:
        """Let time pass, event by event."""
        while True:
            due = self._next()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            self.settle()
        self.now = max(self.now, until)

    def settle(self) -> None:
        """Everything that is due now."""
        for _ in range(ROUNDS):
            busy = self._deliver()
            for n, stack in enumerate(self.stacks):
                due = stack.next_timeout()
                if due is not None and due <= self.now:
                    stack.advance(self.now)
                    busy = True
                busy |= self._collect(n)
            if not busy:
                break
        else:
            raise AssertionError(f"at {self.now} the two do not come to rest")
        for stack in self.stacks:
            self.invariants.check_stack(stack)

    def _next(self) -> float | None:
        times = [t for t in (stack.next_timeout() for stack in self.stacks) if t is not None]
        if self._queue:
            times.append(self._queue[0][0])
        return min(times, default=None)

    def _deliver(self) -> bool:
        busy = False
        while self._queue and self._queue[0][0] <= self.now:
            _, _, to, frame, offload = heappop(self._queue)
            self.stacks[to].receive(self.interfaces[to], frame, self.now, offload)
            busy = True
        return busy

    def _collect(self, n: int) -> bool:
        frames = self.stacks[n].take_frames()
        for out in frames:
            for piece in prepare(out, self.interfaces[n].abilities):
                self._carry(1 - n, piece.head + bytes(piece.payload), piece.offload)
        return bool(frames)

    def _carry(self, to: int, frame: bytes, offload: Offload | None) -> None:
        rng = self.rng
        if rng.random() < self.loss:
            return
        for _ in range(2 if rng.random() < self.duplicate else 1):
            whole: bytes | None = frame
            if rng.random() < self.damage:
                spoilt = bytearray(frame)
                spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
                whole = bytes(spoilt)
            if self.spoil is not None and whole is not None:
                whole = self.spoil(whole, to)
            if whole is None:
                continue
            at = self.now + self.delay * (1 + (5 * rng.random() if rng.random() < self.reorder else 0))
            self.carried += 1
            heappush(self._queue, (at, self.carried, to, whole, offload))
