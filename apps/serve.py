"""`serve echo http:8080`: services in the foreground, until Ctrl-C.

It refuses names and ports before it starts any of them.
"""

from __future__ import annotations

import sys
from functools import partial

from apps.registry import App, register
from apps.station import Station
from services import KINDS, parse_name

USAGE = "usage: serve NAME[:PORT][=SETTING]..."

MANUAL = """\
Runs services until Ctrl-C, and says at the end whom they served.
At the prompt, services.start('echo') does so without waiting. The services are
""" + "\n".join(
    f"  {kind.name:8}  {kind.text}" + (f"; {kind.name}={kind.takes}" if kind.takes else "") for kind in KINDS.values()
)


def command(node: Station, arguments: list[str]) -> int:
    if arguments in (["-h"], ["--help"]):
        print(f"{USAGE}\n{MANUAL}")
        return 0
    if not arguments or any(word.startswith("-") for word in arguments):
        print(f"serve: which services? There are {', '.join(KINDS)}", file=sys.stderr)
        return 2
    started = []
    try:
        wanted = [parse_name(word) for word in arguments]
        for kind, port, setting in wanted:
            service = node.services.start(kind.name, port, setting=setting, quiet=True)
            started.append(service)
            service.on_line = partial(print, flush=True)
            print(f"{service.name} on {service.ports}: {kind.text}", flush=True)
            print(f"  exposes {service.exposes}", file=sys.stderr, flush=True)
        with node.engine as engine:
            engine.wait(lambda: not node.interface.is_up)
        return 1  # there is nobody left to serve, and why has been said
    except ValueError as e:
        print(f"serve: {e}", file=sys.stderr)
        return 2
    except OSError as e:
        print(f"serve: {e.strerror or e}", file=sys.stderr)
        return 1
    finally:
        for service in started:
            node.services.stop(service.name, service.bound)
            print(f"{service.name}: {service.counts()}", file=sys.stderr)
    return 0


register(
    App("serve", None, command, "services in the foreground until Ctrl-C: serve echo http:8080", MANUAL, None, USAGE)
)
