"""What every command does with its own words: options as getopt has them, errors in one line, and Ctrl-C.

A command's `USAGE` is a first line `usage: name [options] ...` and then a line for each option, two spaces in:
`  -c COUNT      stop after COUNT replies`. `help`, the manual page and the shells' completion read it as it stands.
"""

from __future__ import annotations

import errno
import getopt
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

Number = TypeVar("Number", int, float)


class UsageError(Exception):
    """The command line makes no sense; the text is one line. `shows_usage` if the options there are would help."""

    def __init__(self, text: str, shows_usage: bool = False) -> None:
        super().__init__(text)
        self.shows_usage = shows_usage


class AppError(OSError):
    """Why an app came to nothing: an errno, or None if there is none, and one line, which is its text."""

    def __str__(self) -> str:
        return str(self.strerror)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after what there was to say about it has been printed."""

    is_reported = True


def split(arguments: Sequence[str], short: str, long: Sequence[str] = ()) -> tuple[list[tuple[str, str]], list[str]]:
    """Options with their values, and the other words; `short` and `long` are getopt's. Options may stand after other
    words. Raises UsageError."""
    try:
        return getopt.gnu_getopt(list(arguments), short, list(long))
    except getopt.GetoptError as e:
        what = "option requires an argument" if "requires" in e.msg else "invalid option"
        if "must not have" in e.msg:
            what = "option takes no argument"
        raise UsageError(f"{what} -- '{e.opt}'", shows_usage=True) from None


def plain(text: str) -> str:
    """A number's text, for int or float. ValueError for what they take and no other program does: 1_000, spaces,
    the digits of other alphabets."""
    if not re.fullmatch("[!-^`-~]+", text):
        raise ValueError(f"not a number: {text!r}")
    return text


def number(option: str, text: str, kind: Callable[[str], Number]) -> Number:
    """An option's number, which `kind` (int, float) makes of its text; UsageError if it is none."""
    try:
        return kind(plain(text))
    except ValueError:
        raise UsageError(f"{option}: invalid argument: '{text}'") from None


def whole(text: str) -> int:
    """A number of nothing but digits. ValueError if it is none, or has more than ten."""
    if not re.fullmatch("0*[0-9]{1,10}", text):
        raise ValueError(f"not a whole number: {text!r}")
    return int(text)


def in_words(error: Exception) -> str:
    """An error in words, without the number with which an OSError's text begins."""
    return str(getattr(error, "strerror", None) or error)


def in_few_words(error: Exception) -> str:
    """As strerror(3) has it, without the details that the core adds. Errors about names have numbers of their own."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number is not None and number in errno.errorcode else in_words(error)


def complain(name: str, error: UsageError, usage: str) -> None:
    """Say on standard error what is wrong, and the options there are if that helps."""
    print(f"{name}: {error}" + (f"\n\n{usage}" if error.shows_usage else ""), file=sys.stderr)
