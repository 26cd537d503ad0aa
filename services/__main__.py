"""`python -m services echo http:8080=DIR`: the same services on the sockets of this machine's kernel, until standard
input ends.

Refuses nothing but names and ports that are none; says on standard output what it has opened, and an access log.
"""

from __future__ import annotations

import selectors
import socket
import sys
from functools import partial

from services import KINDS, Service, serve


def main(names: list[str]) -> int:
    if not names:
        print(f"usage: python -m services NAME[:PORT][=SETTING]...\nNAME is one of {', '.join(KINDS)}", file=sys.stderr)
        return 2

    def say(services: list[Service]) -> None:
        for service in services:
            print(f"{service.name} on {service.ports}", flush=True)
            service.on_line = partial(print, flush=True)
            if not service.is_greeting:
                print(f"  exposes {service.exposes}", file=sys.stderr, flush=True)

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
