"""The lazy heap of deadlines does what a plain list would, and keeps no more than it needs."""

from __future__ import annotations

import gc
import weakref

from hypothesis import given, settings
from hypothesis import strategies as st

from stack.timers import FEW, Timer, Timers

steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 4), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 4), st.just(0)),
        st.tuples(st.just("run"), st.just(0), st.integers(0, 20)),
        st.tuples(st.just("sweep"), st.just(0), st.just(0)),
    ),
    max_size=80,
)


@settings(max_examples=200)
@given(steps)
def test_against_a_list(script: list[tuple[str, int, int]]) -> None:
    timers, fired, now = Timers(), [], 0.0
    made = [timers.timer(lambda at, n=n: fired.append((n, at))) for n in range(5)]
    model: dict[int, float] = {}
    for step, n, value in script:
        if step == "set":
            made[n].set(now + value)
            model[n] = now + value
        elif step == "cancel":
            made[n].cancel()
            model.pop(n, None)
        elif step == "sweep":
            timers._sweep()
        else:
            now += value
            fired.clear()
            timers.run(now)
            due = {m for m, at in model.items() if at <= now}
            assert sorted(m for m, _ in fired) == sorted(due), "each once, and no other"
            assert [model[m] for m, _ in fired] == sorted(model[m] for m in due), "in the order of their deadlines"
            assert all(at == now for _, at in fired)
            for m in due:
                del model[m]
        assert timers.next_at() == min(model.values(), default=None)
        assert [timer.at for timer in made] == [model.get(m) for m in range(5)]


def test_equal_deadlines_run_in_the_order_they_were_set() -> None:
    timers, fired = Timers(), []
    made = [timers.timer(lambda now, n=n: fired.append(n)) for n in range(20)]
    for timer in reversed(made):
        timer.set(1.0)
    timers.run(1.0)
    assert fired == list(range(19, -1, -1))


def test_a_timer_may_set_itself_and_others_while_it_runs() -> None:
    timers, fired = Timers(), []
    first: Timer
    second = timers.timer(lambda now: fired.append(("second", now)))

    def run(now: float) -> None:
        fired.append(("first", now))
        second.set(now)
        if len(fired) < 5:
            first.set(now + 1)

    first = timers.timer(run)
    first.set(1.0)
    timers.run(1.0)
    assert fired == [("first", 1.0), ("second", 1.0)]
    timers.run(10.0)
    assert fired[2:] == [("first", 10.0), ("second", 10.0)] and timers.next_at() == 11.0
    timers.run(11.0)
    assert fired[4:] == [("first", 11.0), ("second", 11.0)] and timers.next_at() is None


def test_a_timer_may_cancel_another_that_is_due() -> None:
    timers, fired = Timers(), []
    second = timers.timer(lambda now: fired.append("second"))
    first = timers.timer(lambda now: second.cancel())
    first.set(1.0)
    second.set(1.0)
    timers.run(2.0)
    assert fired == [] and timers.next_at() is None


def test_moving_a_timer_later_costs_nothing() -> None:
    timers = Timers()
    timer = timers.timer(lambda now: None)
    for n in range(1000):
        timer.set(float(n))
    assert len(timers._heap) == 1
    assert timers.next_at() == 999.0


def test_moving_a_timer_to_and_fro_does_not_fill_the_heap() -> None:
    timers = Timers()
    timer = timers.timer(lambda now: None)
    for n in range(10_000, 0, -1):
        timer.set(float(n))
    assert len(timers._heap) <= FEW + 2
    assert timers.next_at() == 1.0


def test_what_was_turned_off_is_let_go() -> None:
    class Owner:
        def run(self, now: float) -> None:
            raise AssertionError("it was turned off")

    timers, owners = Timers(), []
    for _ in range(1000):
        owner = Owner()
        timer = timers.timer(owner.run)
        timer.set(7200.0)
        timer.cancel()
        owners.append(weakref.ref(owner))
    del owner, timer
    gc.collect()
    assert sum(ref() is not None for ref in owners) <= FEW + 2
    assert timers.next_at() is None
