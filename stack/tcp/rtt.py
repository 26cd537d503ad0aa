"""Round-trip time and the retransmission timeout (RFC 6298)."""

from __future__ import annotations

from stack.config import Config

ALPHA = 1 / 8
BETA = 1 / 4
K = 4
GRANULARITY = 0.001  # G, seconds


class RttEstimator:
    """`srtt` and `rttvar` in seconds, None before the first sample; `rto` includes the backoff."""

    __slots__ = ("_base", "_config", "backoff", "latest", "rttvar", "srtt")

    def __init__(self, config: Config) -> None:
        self._config = config
        self.srtt: float | None = None
        self.rttvar: float | None = None
        self.latest: float | None = None
        self.backoff = 0  # doublings since the last sample
        self._base = config.tcp_initial_rto

    @property
    def rto(self) -> float:
        # RFC 6298 5.5: double for each timeout, up to a maximum.
        return min(self._base * float(2 ** min(self.backoff, 32)), self._config.tcp_max_rto)

    def sample(self, rtt: float) -> None:
        """One measurement of a segment sent once (Karn: RFC 6298 3), seconds."""
        rtt = max(rtt, 0.0)
        self.latest = rtt
        if self.srtt is None or self.rttvar is None:
            self.srtt = rtt  # RFC 6298 2.2
            self.rttvar = rtt / 2
        else:
            self.rttvar = (1 - BETA) * self.rttvar + BETA * abs(self.srtt - rtt)  # RFC 6298 2.3
            self.srtt = (1 - ALPHA) * self.srtt + ALPHA * rtt
        # RFC 6298 2.4 says a minimum of 1 s. Deviation: tcp_min_rto, as every stack has it; Linux's way of
        # bounding the variance term rather than the sum keeps a margin above a steady srtt.
        self._base = self.srtt + max(GRANULARITY, K * self.rttvar, self._config.tcp_min_rto)
        self.backoff = 0

    def back_off(self) -> None:
        """A timeout. Only a sample ends it (Karn; RFC 1122 4.2.3.1): an ACK of what was resent proves no timeout right,
        and on a path slower than the timeout there would never be another kind."""
        self.backoff += 1

    def restart(self, rto: float) -> None:
        """RFC 6298 5.7: a SYN had to be resent, so data starts from this timeout (3 s in the RFC)."""
        self._base = max(self._base, rto)
        self.backoff = 0
