"""What traceroute prints: the lines of Linux's traceroute(8), or one JSON document at the end."""

from __future__ import annotations

import json
from typing import Any, Protocol

from apps.traceroute.tracer import Answer, Hop, Probe, Tracer


class Report(Protocol):
    def start(self, tracer: Tracer) -> None: ...
    def show(self, tracer: Tracer, probe: Probe) -> None: ...
    def end(self, tracer: Tracer) -> None: ...


class Text:
    """To standard output, each probe as soon as it is its turn."""

    def __init__(self) -> None:
        self._hop = 0
        self._responder = ""  # the last one in this line

    def start(self, tracer: Tracer) -> None:
        result, hops = tracer.result, tracer.options.max_hops
        header = f"traceroute to {result.host} ({result.address}), {hops} hops max, {tracer.size} byte packets"
        print(header, end="", flush=True)

    def show(self, tracer: Tracer, probe: Probe) -> None:
        text = ""
        if probe.hop != self._hop:
            self._hop, self._responder = probe.hop, ""
            text = f"\n{probe.hop:2} "
        answer = probe.answer
        if answer is None:
            text += " *"
        else:
            if answer.address != self._responder:
                self._responder = answer.address
                text += " " + tracer.names.describe(answer.address)
            text += f"  {answer.time * 1e3:.3f} ms" + (f" {answer.mark}" if answer.mark else "")
        print(text, end="", flush=True)

    def end(self, tracer: Tracer) -> None:
        print(flush=True)


class Json:
    """One document, when it is over: nothing else is written to standard output."""

    def start(self, tracer: Tracer) -> None:
        pass

    def show(self, tracer: Tracer, probe: Probe) -> None:
        pass

    def end(self, tracer: Tracer) -> None:
        result = tracer.result
        document = {
            "destination": result.host,
            "address": result.address,
            "max_hops": tracer.options.max_hops,
            "size": tracer.size,
            "reached": result.is_reached,
            "hops": [_hop(tracer, hop) for hop in result.hops],
        }
        print(json.dumps(document, indent=2), flush=True)


def _hop(tracer: Tracer, hop: Hop) -> dict[str, Any]:
    return {"hop": hop.number, "probes": [_probe(tracer, answer) for answer in hop.answers]}


def _probe(tracer: Tracer, answer: Answer | None) -> dict[str, Any] | None:
    """Null for a probe without an answer."""
    if answer is None:
        return None
    return {
        "from": answer.address,
        "name": tracer.names.name(answer.address),
        "time_ms": round(answer.time * 1e3, 3),
        "error": answer.mark or None,
    }
