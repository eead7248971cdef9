"""A caller with a limit makes no more calls than it says, and none is held up for long."""

import pytest
from chassis.errors import Exhausted
from chassis.rates import CAPACITY, Rates
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def admitted(rates, subject="clients/1", per_minute=60):
    try:
        rates.take(subject, per_minute)
    except Exhausted:
        return False
    return True


def test_a_minute_s_calls_may_come_at_once_and_the_next_when_the_answer_says():
    clock = Clock()
    rates = Rates(clock)
    assert [admitted(rates, per_minute=3) for _ in range(4)] == [True, True, True, False]
    with pytest.raises(Exhausted) as caught:
        rates.take("clients/1", 3)
    assert (caught.value.reason, caught.value.details) == ("RATE_LIMITED", {"limit": "3", "retry_after_seconds": "20"})
    clock.now = 19.9
    assert not admitted(rates, per_minute=3)
    clock.now = 20
    assert admitted(rates, per_minute=3)
    assert not admitted(rates, per_minute=3)


def test_callers_are_counted_apart_and_those_silent_for_longest_are_forgotten():
    rates = Rates(Clock())
    assert admitted(rates, "clients/1", 1)
    assert admitted(rates, "clients/2", 1)
    assert not admitted(rates, "clients/1", 1)
    for number in range(CAPACITY):
        admitted(rates, f"clients/x{number}", 1)
    assert admitted(rates, "clients/2", 1)


def test_a_limit_that_is_lowered_holds_at_once():
    rates = Rates(Clock())
    assert admitted(rates, per_minute=100)
    assert [admitted(rates, per_minute=2) for _ in range(3)] == [True, True, False]


@given(st.integers(1, 30), st.lists(st.floats(0, 90), max_size=80))
def test_no_span_holds_more_calls_than_a_full_bucket_and_what_flows_in(per_minute, pauses):
    clock = Clock()
    rates, times = Rates(clock), []
    for pause in pauses:
        clock.now += pause
        if admitted(rates, per_minute=per_minute):
            times.append(clock.now)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= per_minute * (1 + (times[last] - start) / 60) + 1e-6


@given(st.integers(1, 200))
def test_after_the_pause_that_is_asked_for_a_call_is_let_in(per_minute):
    clock = Clock()
    rates = Rates(clock)
    assert all(admitted(rates, per_minute=per_minute) for _ in range(per_minute))
    with pytest.raises(Exhausted) as caught:
        rates.take("clients/1", per_minute)
    clock.now += int(caught.value.details["retry_after_seconds"])
    assert admitted(rates, per_minute=per_minute)
