"""Debian's in.rlogind for the lab's host, as inetd would run it: `python rlogind.py DIRECTORY`, ends by being ended.

What it reads is put in place of the machine's own in this mount namespace, where nobody else sees it: PAM that lets
everybody in, a name for the node, and a root whose shell keeps no history. It needs every user mapped, as a lab has
only if root has made it.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

PAM = "".join(f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "password", "session"))
FILES = {
    "/etc/pam.d/rlogin": PAM,
    "/etc/pam.d/login": PAM,
    "/etc/hosts": "127.0.0.1 localhost\n192.168.1.1 kernel.lab\n192.168.1.3 node.lab\n",
    "/etc/passwd": "root:x:0:0:root:/:/bin/sh\n",
}


def main(directory: str) -> None:
    for number, (path, text) in enumerate(FILES.items()):
        file = Path(directory) / str(number)
        file.write_text(text)
        subprocess.run(["mount", "--bind", str(file), path], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/var/log"], check=True)
    with socket.create_server(("", 513)) as listener:
        print("ready", flush=True)
        while True:
            sock, _ = listener.accept()
            with sock:
                subprocess.Popen(["in.rlogind"], stdin=sock, stdout=sock, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1])
