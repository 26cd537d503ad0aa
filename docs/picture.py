"""The README's picture: a real run of the node with its trace, as rich draws it. `make docs` runs it.

Times, ports and identifiers are other ones each time, so nothing checks that the picture is the latest.
"""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "./node.py -q -dhcp --trace wget -q -O - http://www.lab/"
WIDTH = 124  # columns


def main(target: Path) -> int:
    words = shlex.split(COMMAND)
    words[1:1] = ["--color", "always"]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        return 1
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print(Text.assemble(("$ ", "bold"), COMMAND))
    for line in done.stdout.splitlines():
        console.print(Text.from_ansi(line), no_wrap=True, overflow="crop", crop=True)
    target.write_text(console.export_svg(title="glasstack"))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "trace.svg"))
