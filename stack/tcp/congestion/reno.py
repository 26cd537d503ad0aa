"""Reno: slow start and congestion avoidance (RFC 5681), counting bytes (RFC 3465) because super-segments make stretch
ACKs the rule."""

from __future__ import annotations

UNLIMITED = 1 << 30  # bytes: ssthresh SHOULD begin arbitrarily high (RFC 5681 3.1)


class Reno:
    name = "reno"

    def __init__(self, mss: int, initial_segments: int) -> None:
        self.mss = mss
        self.cwnd = initial_segments * mss  # RFC 6928 2
        self.ssthresh = UNLIMITED
        self._acked = 0  # bytes counted towards the next increase in congestion avoidance

    def on_ack(self, acked: int, now: float) -> None:
        if self.cwnd < self.ssthresh:
            # RFC 5681 3.1 (2). Deviation: RFC 3465 2.2 limits the step of one ACK to 2 MSS; a receiver that takes
            # 64 KiB in one piece acknowledges it in one, so that limit would make slow start crawl. As Linux: never
            # beyond ssthresh, at most double.
            self.cwnd = min(self.cwnd + acked, max(self.ssthresh, self.cwnd + self.mss))
            return
        # RFC 5681 3.1: one MSS a round trip, counted in bytes.
        self._acked += acked
        if self._acked >= self.cwnd:
            self._acked -= self.cwnd
            self.cwnd += self.mss

    def on_loss(self, flight: int, now: float) -> None:
        self.ssthresh = max(flight // 2, 2 * self.mss)  # RFC 5681 3.1 (4)
        self._acked = 0

    def on_timeout(self, flight: int, now: float) -> None:
        self.ssthresh = max(flight // 2, 2 * self.mss)
        self.cwnd = self.mss  # RFC 5681 3.1: the loss window
        self._acked = 0
