"""A filter's words one after the other, its numbers, and the error that points at a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

_SYMBOLS = r"(?P<symbol>&&|\|\||<<|>>|<=|>=|==|!=|[()\[\]:+\-*/%&|^<>=!])"
_TOKEN = re.compile(rf"\\?(?P<word>[A-Za-z0-9_][A-Za-z0-9_.:-]*|::[A-Za-z0-9_.:-]*)|{_SYMBOLS}")
_INDEX = re.compile(rf"(?P<word>[A-Za-z_][A-Za-z0-9_-]*|[0-9][A-Za-z0-9]*)|{_SYMBOLS}")  # within [ ]
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]+|[0-9]+")
MAX_NUMBER = 0xFFFFFFFF  # libpcap calculates with 32 bits
MAX_DEPTH = 50  # of parentheses within parentheses
MAX_SHOWN = 100  # characters of a filter in an error
MAX_WORD = 40  # and of a word


class FilterError(ValueError):
    """A filter that makes no sense; the text points at the word."""

    def __init__(self, why: str, text: str, start: int, end: int) -> None:
        begin = 0 if len(text) <= MAX_SHOWN else max(0, min(start - MAX_SHOWN // 2, len(text) - MAX_SHOWN))
        shown = text[begin : begin + MAX_SHOWN]
        marks = "^" * max(1, min(end - start, begin + MAX_SHOWN - start))
        before, after = "..." if begin else "", "..." if begin + MAX_SHOWN < len(text) else ""
        shown = before + "".join(c if c.isprintable() else " " for c in shown) + after
        super().__init__(f"{why}\n    {shown}\n    {' ' * (len(before) + start - begin)}{marks}")
        self.why = why
        self.start = start


class Token(NamedTuple):
    text: str
    start: int
    end: int


def quoted(word: str) -> str:
    return repr(word if len(word) <= MAX_WORD else word[: MAX_WORD - 3] + "...")


def is_number(word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None


class Words:
    """The words of `text`. FilterError for what is none."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._tokens = self._scan(text)
        self._depth = 0

    def _scan(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        at, depth = _end_of_space(text, 0), 0
        while at < len(text):
            match = (_INDEX if depth else _TOKEN).match(text, at)
            if match is None:
                raise FilterError(f"{text[at]!r} has no meaning in a filter", text, at, at + 1)
            kind = match.lastgroup or "word"
            tokens.append(Token(match[kind], match.start(kind), match.end(kind)))
            depth = max(0, depth + {"[": 1, "]": -1}.get(match[kind], 0))
            at = _end_of_space(text, match.end())
        return tokens

    def peek(self, ahead: int = 0) -> str:
        """The word `ahead` of the next one, '' beyond the end."""
        return self._tokens[self._at + ahead].text if self._at + ahead < len(self._tokens) else ""

    def next(self) -> Token:
        if self._at >= len(self._tokens):
            self.fail("something is missing at the end")
        self._at += 1
        return self._tokens[self._at - 1]

    def here(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def accept(self, *words: str) -> str:
        """The next word if it is one of `words`, which is then behind us; else ''."""
        return self.next().text if self.peek() and self.peek() in words else ""

    def expect(self, word: str) -> None:
        if not self.accept(word):
            self.fail(f"{word!r} is missing here")

    def fail(self, why: str, token: Token | None = None) -> NoReturn:
        """FilterError at `token`, or at the next one."""
        token = token or self.here()
        end = len(self._text)
        raise FilterError(why, self._text, token.start if token else end, token.end if token else end + 1)

    def closing(self) -> int:
        """How far ahead the word behind the parenthesis is that opens here."""
        depth = ahead = 0
        while self.peek(ahead):
            depth += {"(": 1, ")": -1}.get(self.peek(ahead), 0)
            ahead += 1
            if depth == 0:
                break
        return ahead

    @contextmanager
    def deeper(self, token: Token | None) -> Iterator[None]:
        """Within what opens at `token`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.fail(f"parentheses are at most {MAX_DEPTH} deep", token)
        yield
        self._depth -= 1

    def number(self, token: Token, what: str = "a number", highest: int = MAX_NUMBER) -> int:
        """As in C: 10, 0xa and 012 are ten."""
        text = token.text
        if not is_number(text):
            self.fail(f"{quoted(text)} is not {what}", token)
        digits = text.lower().lstrip("0")
        base = 16 if digits.startswith("x") else 8 if text.startswith("0") else 10
        try:
            value = int(digits.lstrip("x").lstrip("0")[:12] or "0", base)  # twelve digits are too many already
        except ValueError:
            self.fail(f"{quoted(text)} begins with 0, so it is octal and has no 8 or 9", token)
        if value > highest:
            self.fail(f"{what} is at most {highest}", token)
        return value


def _end_of_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
