"""`python -m services echo http:8080`: the same services on the sockets of this machine's kernel, until standard
input ends.

Refuses nothing but names and ports that are none; says on standard output what it has opened.
"""

from __future__ import annotations

import selectors
import socket
import sys

from services import KINDS, Service, serve


def main(names: list[str]) -> int:
    if not names:
        print(f"usage: python -m services NAME[:PORT]...    NAME is one of {', '.join(KINDS)}", file=sys.stderr)
        return 2

    def say(services: list[Service]) -> None:
        print("\n".join(f"{service.name} on {service.ports}" for service in services), flush=True)

    try:
        serve(names, socket, selectors, until=sys.stdin, on_ready=say)
    except ValueError as e:
        print(e, file=sys.stderr)
        return 2
    except OSError as e:
        print(e.strerror or e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
