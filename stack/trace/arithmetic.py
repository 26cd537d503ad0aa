"""A filter's comparisons of numbers: `tcp[tcpflags] & (tcp-syn | tcp-fin) != 0`, `len - 14 > 100`.

As in libpcap all is unsigned and of 32 bits, a shift by more than 31 gives 0, and a division by 0 makes the whole
filter false; both are refused where the number stands in the filter itself. What binds how tightly is as in C; in
libpcap `%` and `^` take what follows them first, whatever it is. A packet that lacks one of the fields makes the
comparison false; libpcap asks that of the first field only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import NamedTuple

from stack.trace.filter_names import CONSTANTS
from stack.trace.frame import Frame, Test
from stack.trace.primitives import FIELDS, field_asks, field_start
from stack.trace.words import MAX_NUMBER, Words, is_number

RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
LEVELS = (("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "/", "%"))  # loosest first
SIGNS = (*RELATIONS, *(sign for level in LEVELS for sign in level))
MAX_SHIFT = 31  # bits


class Number(NamedTuple):
    """`read` gives it; `asks` is what a packet must be to have it; `constant` is its value if all have the same."""

    read: Callable[[Frame], int]
    asks: tuple[Test, ...] = ()
    constant: int | None = None


def begins_number(words: Words) -> bool:
    """Whether a comparison of numbers begins here, rather than a primitive or a parenthesis of them."""
    word, after = words.peek(), words.peek(1)
    if word == "(":
        return words.peek(words.closing()) in SIGNS  # numbers, if something is done with what is in them
    if word in ("len", "-") or (word in FIELDS and after == "["):
        return True
    if after == "/":
        after = words.peek(3)  # `net 10/8 or 11/8` has no number
    return (is_number(word) or word in CONSTANTS) and after in SIGNS


def relation(words: Words) -> Test:
    left = _number(words, 0)
    sign = words.accept(*RELATIONS)
    if not sign:
        words.fail("a comparison (=, !=, <, ...) is missing here")
    right = _number(words, 0)
    is_so, asks = RELATIONS[sign], (*left.asks, *right.asks)
    return lambda frame: all(ask(frame) for ask in asks) and is_so(left.read(frame), right.read(frame))


def _number(words: Words, level: int) -> Number:
    if level == len(LEVELS):
        return _operand(words)
    numbers, signs = [_number(words, level + 1)], []
    while sign := words.accept(*LEVELS[level]):
        token = words.here()
        number = _number(words, level + 1)
        if sign in ("/", "%") and number.constant == 0:
            words.fail("this is a division by zero", token)
        if sign in ("<<", ">>") and (number.constant or 0) > MAX_SHIFT:
            words.fail(f"a shift is by at most {MAX_SHIFT} bits", token)
        numbers.append(number)
        signs.append(sign)
    return _calculated(numbers, signs) if signs else numbers[0]


def _calculated(numbers: list[Number], signs: list[str]) -> Number:
    """From the left, as all of `signs` bind alike."""
    first, steps = numbers[0].read, [(CALCULATIONS[s], n.read) for s, n in zip(signs, numbers[1:], strict=True)]

    def read(frame: Frame) -> int:
        value = first(frame)
        for calculate, operand in steps:
            value = calculate(value, operand(frame)) & MAX_NUMBER
        return value

    constant = None if any(number.constant is None for number in numbers) else read(Frame(b""))
    return Number(read, tuple(ask for number in numbers for ask in number.asks), constant)


def _divided(a: int, b: int) -> int:
    if b == 0:
        raise IndexError  # as what lies beyond the end: nothing matches
    return a // b


CALCULATIONS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "%": lambda a, b: a - b * _divided(a, b),
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": lambda a, b: a << b if b <= MAX_SHIFT else 0,
    ">>": operator.rshift,
}


def _operand(words: Words) -> Number:
    is_negative = False
    while words.accept("-"):
        is_negative = not is_negative
    operand = _positive(words)
    if not is_negative:
        return operand
    read, constant = operand.read, operand.constant
    return Number(
        lambda frame: -read(frame) & MAX_NUMBER, operand.asks, None if constant is None else -constant & MAX_NUMBER
    )


def _positive(words: Words) -> Number:
    token = words.next()
    if token.text == "(":
        with words.deeper(token):
            inner = _number(words, 0)
        words.expect(")")
        return inner
    if token.text == "len":
        return Number(lambda frame: frame.length)
    if token.text in FIELDS:
        return _field(words, token.text)
    constant = CONSTANTS.get(token.text)
    if constant is None:
        constant = words.number(token)
    return Number(lambda frame: constant, (), constant)


def _field(words: Words, protocol: str) -> Number:
    """`protocol[offset:size]`"""
    token = words.here()
    words.expect("[")
    with words.deeper(token):
        offset = _number(words, 0)
    size = 1
    if words.accept(":"):
        token = words.next()
        if token.text not in ("1", "2", "4"):
            words.fail("a field is 1, 2 or 4 bytes", token)
        size = int(token.text)
    words.expect("]")
    start, at = field_start(protocol), offset.read
    return Number(lambda frame: frame.number(start(frame) + at(frame), size), (*field_asks(protocol), *offset.asks))
