"""Congestion control: how much may be in flight. One small class an algorithm, all with the face of `Congestion`."""

from __future__ import annotations

from typing import Protocol


class Congestion(Protocol):
    """`cwnd` and `ssthresh` in bytes. Called by the connection; nothing here sends, or reads a clock."""

    name: str
    mss: int
    cwnd: int
    ssthresh: int

    def on_ack(self, acked: int, now: float) -> None:
        """New data was acknowledged outside recovery while cwnd was what limited us."""

    def on_loss(self, flight: int, now: float) -> None:
        """A loss was inferred from duplicate ACKs: set ssthresh."""

    def on_timeout(self, flight: int, now: float) -> None:
        """The retransmission timer fired: set ssthresh and begin again with one segment."""
