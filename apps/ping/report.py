"""What ping prints: iputils' text line by line, or one JSON document at the end. Neither knows how a packet is sent."""

from __future__ import annotations

import json
import sys
from typing import Any, Protocol

from apps.ping.pinger import Failure, Happening, Pinger, Reply, Silence


class Report(Protocol):
    def start(self, pinger: Pinger) -> None: ...
    def show(self, pinger: Pinger, happening: Happening) -> None: ...
    def end(self, pinger: Pinger) -> None: ...


class Text:
    """To standard output as it happens; what could not even be sent goes to standard error, as ping has it."""

    def start(self, pinger: Pinger) -> None:
        host, size = pinger.result.host, pinger.options.size
        print(f"PING {host} ({pinger.address}) {size}({size + 28}) bytes of data.", flush=True)

    def show(self, pinger: Pinger, happening: Happening) -> None:
        options = pinger.options
        if isinstance(happening, Failure) and not happening.reporter:
            print(f"ping: {happening.text}", file=sys.stderr, flush=True)
            return
        if options.quiet:
            return
        at = f"[{happening.at:.6f}] " if options.timestamps else ""
        print(at + line(pinger, happening), flush=True)

    def end(self, pinger: Pinger) -> None:
        print(statistics(pinger), flush=True)


def line(pinger: Pinger, happening: Happening) -> str:
    """One thing that happened in ping's words."""
    if isinstance(happening, Silence):
        return f"no answer yet for icmp_seq={happening.sequence}"
    if isinstance(happening, Failure):
        return f"From {pinger.name_of(happening.reporter)} icmp_seq={happening.sequence} {happening.text}"
    return (
        f"{happening.size} bytes from {pinger.name_of(happening.address)}: icmp_seq={happening.sequence} "
        f"ttl={happening.ttl}"
        + ("" if happening.time is None else f" time={milliseconds(happening.time)} ms")
        + (" (truncated)" if happening.is_truncated else "")
        + (" (DUP!)" if happening.is_duplicate else "")
    )


def milliseconds(seconds: float) -> str:
    """Three significant digits and never less than a microsecond, as ping writes a round trip: 0.036, 1.24, 12.4,
    124"""
    micros = round(seconds * 1e6)
    if micros >= 99_950:
        return f"{(micros + 500) // 1000}"
    if micros >= 9_995:
        return f"{(micros + 50) // 100 / 10:.1f}"
    if micros >= 1000:
        return f"{(micros + 5) // 10 / 100:.2f}"
    return f"{micros / 1000:.3f}"


def statistics(pinger: Pinger) -> str:
    """The last lines, with the empty one before them, and the one after that ping leaves when there were no times."""
    result = pinger.result
    parts = [f"{result.transmitted} packets transmitted", f"{result.received} received"]
    if result.duplicates:
        parts.append(f"+{result.duplicates} duplicates")
    if result.errors:
        parts.append(f"+{result.errors} errors")
    if result.transmitted:
        parts.append(f"{result.loss * 100:g}% packet loss")
        parts.append(f"time {round(result.duration * 1e6) // 1000}ms")
    lines = ["", f"--- {result.host} ping statistics ---", ", ".join(parts)]
    tail = []
    if result.rtt_min is not None and result.rtt_avg is not None and result.rtt_max is not None:
        times = (result.rtt_min, result.rtt_avg, result.rtt_max, result.rtt_mdev or 0.0)
        tail.append("rtt min/avg/max/mdev = " + "/".join(f"{t * 1e3:.3f}" for t in times) + " ms")
    if result.pipe > 1:
        tail.append(f"pipe {result.pipe}")
    if result.received and pinger.options.interval == 0 and result.transmitted > 1:
        gap = result.duration / (result.transmitted - 1)
        tail.append(f"ipg/ewma {gap * 1e3:.3f}/{result.ewma * 1e3:.3f} ms")
    return "\n".join([*lines, ", ".join(tail)])


class Json:
    """One document, when it is over: nothing else is written to standard output."""

    def __init__(self) -> None:
        self._replies: list[dict[str, Any]] = []
        self._errors: list[dict[str, Any]] = []

    def start(self, pinger: Pinger) -> None:
        pass

    def show(self, pinger: Pinger, happening: Happening) -> None:
        if isinstance(happening, Reply):
            self._replies.append(
                {
                    "icmp_seq": happening.sequence,
                    "from": happening.address,
                    "bytes": happening.size,
                    "ttl": happening.ttl,
                    "time_ms": _ms(happening.time),
                    "duplicate": happening.is_duplicate,
                }
            )
        elif isinstance(happening, Failure):
            self._errors.append(
                {"icmp_seq": happening.sequence, "from": happening.reporter or None, "error": happening.text}
            )

    def end(self, pinger: Pinger) -> None:
        result = pinger.result
        rtt = None
        if result.rtt_min is not None:
            times = {"min": result.rtt_min, "avg": result.rtt_avg, "max": result.rtt_max, "mdev": result.rtt_mdev}
            rtt = {name: _ms(value) for name, value in times.items()}
        document = {
            "destination": result.host,
            "address": result.address,
            "size": pinger.options.size,
            "transmitted": result.transmitted,
            "received": result.received,
            "duplicates": result.duplicates,
            "loss_percent": round(result.loss * 100, 4),
            "time_ms": _ms(result.duration),
            "rtt_ms": rtt,
            "replies": self._replies,
            "errors": self._errors,
        }
        print(json.dumps(document, indent=2), flush=True)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)
