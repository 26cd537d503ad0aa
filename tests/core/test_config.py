"""Tunables: defaults within their bounds, what is set is checked, and a refusal says in one line what is wrong."""

from __future__ import annotations

import random
from typing import Any

import pytest

from stack.config import Config, Tunable

ALL = list(Config.tunables())


def config(**settings: Any) -> Config:
    return Config(random.Random(1), bytes(16), **settings)


def test_there_are_tunables() -> None:
    assert len(ALL) > 40 and len({t.name for t in ALL}) == len(ALL)


@pytest.mark.parametrize("tunable", ALL, ids=lambda t: t.name)
def test_defaults_bounds_and_words(tunable: Tunable[Any]) -> None:
    fresh = config()
    assert getattr(fresh, tunable.name) == tunable.default
    assert type(tunable.default) is type(tunable.low) is type(tunable.high)
    assert tunable.low <= tunable.default <= tunable.high
    assert tunable.source and tunable.text
    for value in (tunable.low, tunable.high):
        assert getattr(config(**{tunable.name: value}), tunable.name) == value
        fresh.set(tunable.name, value)
        assert getattr(fresh, tunable.name) == value


@pytest.mark.parametrize("tunable", [t for t in ALL if type(t.default) is not bool], ids=lambda t: t.name)
def test_out_of_bounds(tunable: Tunable[Any]) -> None:
    fresh = config()
    for value in (tunable.low - 1, tunable.high + 1, float("inf"), float("-inf"), float("nan"), "1", None, True, [1]):
        with pytest.raises(ValueError) as e:
            setattr(fresh, tunable.name, value)
        assert str(e.value).startswith(tunable.name) and "\n" not in str(e.value)
        with pytest.raises(ValueError):
            fresh.set(tunable.name, value)
        assert getattr(fresh, tunable.name) == tunable.default


@pytest.mark.parametrize("tunable", [t for t in ALL if type(t.default) is int], ids=lambda t: t.name)
def test_whole_numbers(tunable: Tunable[Any]) -> None:
    with pytest.raises(ValueError, match="whole number"):
        config(**{tunable.name: tunable.low + 0.5})
    value = getattr(config(**{tunable.name: float(tunable.low)}), tunable.name)
    assert value == tunable.low and type(value) is int


@pytest.mark.parametrize("tunable", [t for t in ALL if type(t.default) is float], ids=lambda t: t.name)
def test_numbers_become_floats(tunable: Tunable[Any]) -> None:
    value = int(tunable.high)
    assert type(getattr(config(**{tunable.name: value}), tunable.name)) is float


@pytest.mark.parametrize("tunable", [t for t in ALL if type(t.default) is bool], ids=lambda t: t.name)
def test_true_or_false(tunable: Tunable[Any]) -> None:
    for value in (0, 1, "yes", None):
        with pytest.raises(ValueError, match="true or false"):
            config(**{tunable.name: value})


@pytest.mark.parametrize("name", ["nonsense", "tcp_", "rng", "secret", "set", "__init__", "", "tunables"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ValueError, match="no setting"):
        config().set(name, 1)


def test_unknown_names_as_keywords() -> None:
    with pytest.raises(ValueError, match="there is no setting 'tcp_nonsense'"):
        config(tcp_nonsense=1)


def test_two_configs_do_not_share() -> None:
    one, two = config(tcp_msl=1.0), config()
    one.tcp_retries = 3
    assert (two.tcp_msl, two.tcp_retries) == (30.0, 15)
    assert (one.tcp_msl, one.tcp_retries) == (1.0, 3)
