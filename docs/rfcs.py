"""Makes docs/RFCS.md from the citations in the code: which RFC's which section is applied where, and where we differ.

`make docs` writes the page; `python docs/rfcs.py --check` exits 1 if it is not up to date.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "RFCS.md"
SOURCES = ("stack", "apps", "services")
CITATION = re.compile(r"RFC (\d+)((?:,? (?:and )?\d+(?:\.\d+)*(?: \(\w+\))?(?= |,|;|:|\.|\)|$))*)")
SECTION = re.compile(r"\d+(?:\.\d+)*")
DEVIATION = re.compile(r"#.*\bDeviation: (.*)")


def sections(text: str) -> list[str]:
    """'3.8.4, 3.10 and 5' -> ['3.8.4', '3.10', '5']."""
    return SECTION.findall(text)


def key(section: str) -> list[int]:
    return [int(n) for n in section.split(".")] if section else []


def collect() -> tuple[dict[int, dict[str, set[str]]], list[tuple[str, str]]]:
    """RFC -> section -> files that cite it; and the deviations as (file, words)."""
    cited: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    deviations: list[tuple[str, str]] = []
    for path in sorted(p for top in SOURCES for p in (ROOT / top).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        lines = path.read_text().splitlines()
        for match in CITATION.finditer("\n".join(lines)):
            numbers = sections(match[2])
            # "RFC 862, 863": no RFC has a section that high, so it is another RFC.
            for other in [n for n in numbers if "." not in n and int(n) > 99]:
                cited[int(other)][""].add(name)
            for section in [n for n in numbers if "." in n or int(n) < 100] or [""]:
                cited[int(match[1])][section].add(name)
        for number, line in enumerate(lines):
            found = DEVIATION.search(line)
            if found:
                words = [found[1]]
                while number + 1 < len(lines) and lines[number + 1].strip().startswith("# "):
                    number += 1
                    words.append(lines[number].strip()[2:])
                deviations.append((name, " ".join(words)))
    return cited, deviations


def render() -> str:
    cited, deviations = collect()
    out = ["# RFCs", "", "Which section is applied where, collected from the citations in the code by `make docs`.", ""]
    for rfc in sorted(cited):
        out += [f"## RFC {rfc}", ""]
        for section in sorted(cited[rfc], key=key):
            files = ", ".join(f"`{name}`" for name in sorted(cited[rfc][section]))
            out.append(f"- {section or 'as a whole'}: {files}")
        out.append("")
    out += ["## Where we differ", ""]
    out += [f"- `{name}`: {words}" for name, words in deviations]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    page = render()
    if "--check" in sys.argv[1:]:
        sys.exit(None if PAGE.read_text() == page else f"{PAGE.name} is out of date: run make docs")
    PAGE.write_text(page)
