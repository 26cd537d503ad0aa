"""What nc prints: netcat-openbsd's lines on standard error where they are wanted, or one JSON document at the end."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any, Protocol

from apps.host import Host
from apps.nc.result import Attempt, NcError, NcResult, Options
from apps.streams import ByteOutput


class Report(Protocol):
    def tried(self, attempt: Attempt) -> None: ...
    def closed(self, attempt: Attempt) -> None:
        """A UDP port that was found to be closed, which netcat does not mention."""

    def broken(self, error: str) -> None:
        """A conversation was, of which netcat says nothing either."""

    def listening(self, host: str, port: int) -> None: ...
    def accepted(self, host: str, port: int) -> None: ...


class Quiet:
    def tried(self, attempt: Attempt) -> None:
        pass

    def closed(self, attempt: Attempt) -> None:
        pass

    def broken(self, error: str) -> None:
        pass

    def listening(self, host: str, port: int) -> None:
        pass

    def accepted(self, host: str, port: int) -> None:
        pass


class Verbose:
    """With -v; at the prompt with a line for what netcat keeps to itself, too."""

    def __init__(self, options: Options, node: Host, is_prompt: bool = False) -> None:
        self.options = options
        self.node = node
        self.is_prompt = is_prompt

    def closed(self, attempt: Attempt) -> None:
        if self.is_prompt:
            self.tried(attempt)

    def broken(self, error: str) -> None:
        if self.is_prompt:
            say(f"nc: {error}")

    def tried(self, attempt: Attempt) -> None:
        host, port, protocol = attempt.host, attempt.port, attempt.protocol
        if attempt.address and attempt.address != host:
            host += f" ({attempt.address})"
        if attempt.error:
            how = "timed out" if attempt.is_timeout else "failed"
            say(f"nc: connect to {host} port {port} ({protocol}) {how}: {attempt.error}")
        else:
            service = "*" if self.options.numeric else service_name(self.node, port, protocol)
            say(f"Connection to {host} {port} port [{protocol}/{service}] succeeded!")

    def listening(self, host: str, port: int) -> None:
        say(f"{'Bound' if self.options.udp else 'Listening'} on {host} {port}")

    def accepted(self, host: str, port: int) -> None:
        say(f"Connection received on {host} {port}")


def service_name(node: Host, port: int, protocol: str) -> str:
    try:
        return str(node.socket.getservbyport(port, protocol))
    except OSError:
        return "*"


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")  # at once: at the prompt an echo might come between two writes
    sys.stderr.flush()


class Output(ByteOutput):
    def write(self, data: bytes) -> None:
        """Raises BrokenPipeError when nobody reads any more, NcError if it cannot be written."""
        try:
            super().write(data)
        except BrokenPipeError:
            raise
        except OSError as e:
            raise NcError(e.errno, f"standard output: {e.strerror}") from None


def document(options: Options, result: NcResult, received: bytes) -> str:
    """What happened as JSON."""
    contents: dict[str, Any] = {"protocol": result.protocol}
    if options.listen:
        contents["connections"] = [{"address": address, "port": port} for address, port in result.peers]
    else:
        contents["host"] = options.host
        contents["ports"] = [
            {"port": a.port, "address": a.address or None, "open": not a.error, "error": a.error or None}
            for a in result.attempts
        ]
    if not options.scan:
        contents["sent"] = result.sent
        contents["received"] = _bytes(received)
    return json.dumps(contents, indent=2)


def _bytes(data: bytes) -> dict[str, Any]:
    """As text if it is some."""
    try:
        return {"bytes": len(data), "text": data.decode()}
    except UnicodeDecodeError:
        return {"bytes": len(data), "base64": base64.b64encode(data).decode()}
