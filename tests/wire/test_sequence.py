from hypothesis import given
from hypothesis import strategies as st

from stack.wire.sequence import add, diff, ge, gt, in_window, le, lt

NUMBERS = st.integers(0, 2**32 - 1)
STEPS = st.integers(1, 2**31 - 1)


@given(NUMBERS, STEPS)
def test_a_step_forward_is_greater_wherever_it_starts(a, step):
    b = add(a, step)
    assert 0 <= b < 2**32
    assert lt(a, b) and le(a, b) and gt(b, a) and ge(b, a)
    assert not (gt(a, b) or ge(a, b) or lt(b, a) or le(b, a))
    assert diff(b, a) == step and diff(a, b) == -step
    assert add(b, -step) == a


@given(NUMBERS)
def test_a_number_equals_itself(a):
    assert le(a, a) and ge(a, a) and not lt(a, a) and not gt(a, a) and diff(a, a) == 0


def test_across_the_wrap():
    assert add(0xFFFFFFFF, 1) == 0 and lt(0xFFFFFFFF, 0) and diff(0, 0xFFFFFFFF) == 1


def test_half_the_space_apart_each_is_less_than_the_other():
    assert diff(0x80000000, 0) == diff(0, 0x80000000) == -(2**31)
    assert lt(0x80000000, 0) and lt(0, 0x80000000) and gt(0x80000000, 0) and gt(0, 0x80000000)


@given(NUMBERS, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_window_holds_exactly_its_length(start, length, offset):
    assert in_window(add(start, offset), start, length) == (offset < length)
