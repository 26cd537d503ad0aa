"""A standard error that says it is a terminal."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True

    @property
    def bars(self) -> list[str]:
        return [line.split("\n")[0] for line in self.getvalue().split("\r")[1:]]
