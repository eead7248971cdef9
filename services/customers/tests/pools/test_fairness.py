"""The rules of fair allocation, for whatever receivers and customers there are."""

from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from customers.pools.fairness import (
    MILLIONTHS,
    Receiver,
    apportion,
    deal_by_value,
    deal_evenly,
    entitlements,
    jain,
    value_targets,
)
from hypothesis import given
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**31 - 1)
EQUAL = st.integers(1, 12).map(lambda count: [Receiver(at) for at in range(count)])
ANY = st.lists(
    st.builds(
        Receiver,
        st.just(0),
        weight=st.integers(1, 20),
        room=st.integers(0, 60),
        count_debt=st.fractions(-2, 2, max_denominator=12),
    ),
    min_size=1,
    max_size=12,
)


def counts_of(total, receivers, seed):
    return [share.count for share in apportion(total, receivers, Random(seed))]


@given(ANY, st.integers(0, 500), SEEDS)
def test_all_is_given_that_there_is_room_for_and_everybody_gets_the_share_rounded(receivers, total, seed):
    shares = apportion(total, receivers, Random(seed))
    assert sum(share.count for share in shares) == min(total, sum(one.room for one in receivers))
    for share, one in zip(shares, receivers, strict=True):
        assert abs(share.count - share.entitled) < 1
        assert share.count <= one.room
    assert sum(entitlements(total, receivers)) == sum(share.count for share in shares)


@given(EQUAL, st.integers(0, 300), SEEDS)
def test_equals_get_equally_many(receivers, total, seed):
    counts = counts_of(total, receivers, seed)
    assert max(counts) - min(counts) <= 1
    assert counts == counts_of(total, receivers, seed)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=40), st.integers(1, 10), SEEDS)
def test_over_many_runs_equals_get_equally_many(totals, people, seed):
    debts, received = [Fraction(0)] * people, Counter()
    for number, total in enumerate(totals):
        receivers = [Receiver(at, count_debt=debts[at]) for at in range(people)]
        for at, share in enumerate(apportion(total, receivers, Random(seed + number))):
            debts[at] += share.entitled - share.count
            received[at] += share.count
        cumulative = [received[at] for at in range(people)]
        assert max(cumulative) - min(cumulative) <= 1
        assert max(map(abs, debts)) < 1
        assert sum(debts) == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.sets(st.integers(0, 5), min_size=1)), max_size=40), SEEDS)
def test_debts_stay_small_whoever_is_absent_and_the_absent_are_owed_nothing_more(runs, seed):
    debts = dict.fromkeys(range(6), Fraction(0))
    for number, (total, present) in enumerate(runs):
        before = dict(debts)
        receivers = [Receiver(at, count_debt=debts[at]) for at in sorted(present)]
        for one, share in zip(receivers, apportion(total, receivers, Random(seed + number)), strict=True):
            debts[one.key] += share.entitled - share.count
        assert all(debts[at] == before[at] for at in debts if at not in present)
        assert sum(debts.values()) == 0
        assert max(map(abs, debts.values())) <= 6


@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.integers(1, 50), SEEDS)
def test_capacities_are_met_in_the_long_run(weights, total, seed):
    debts, received = [Fraction(0)] * len(weights), [0] * len(weights)
    for number in range(20):
        receivers = [Receiver(at, weight, count_debt=debts[at]) for at, weight in enumerate(weights)]
        for at, share in enumerate(apportion(total, receivers, Random(seed + number))):
            debts[at] += share.entitled - share.count
            received[at] += share.count
    for at, weight in enumerate(weights):
        assert abs(received[at] - Fraction(20 * total * weight, sum(weights))) < len(weights)


@given(EQUAL, st.integers(0, 200), SEEDS)
def test_who_gets_which_is_drawn_by_the_seed(receivers, total, seed):
    shares = apportion(total, receivers, Random(seed))
    places = deal_evenly(shares, Random(seed))
    assert [places.count(at) for at in range(len(receivers))] == [share.count for share in shares]
    assert places == deal_evenly(shares, Random(seed))


@given(ANY, st.lists(st.integers(0, 10**12), max_size=120), SEEDS)
def test_by_value_everybody_gets_as_many_as_by_count(receivers, values, seed):
    shares = apportion(len(values), receivers, Random(seed))
    values = values[: sum(share.count for share in shares)]
    places = deal_by_value(values, shares, receivers, Random(seed))
    assert [places.count(at) for at in range(len(receivers))] == [share.count for share in shares]
    assert places == deal_by_value(values, shares, receivers, Random(seed))


@given(
    st.integers(2, 8), st.lists(st.lists(st.integers(1, 1000), min_size=1, max_size=40), min_size=1, max_size=15), SEEDS
)
def test_value_debts_stay_below_what_a_few_customers_are_worth(people, runs, seed):
    counts, worth = [Fraction(0)] * people, [0] * people
    for number, values in enumerate(runs):
        receivers = [Receiver(at, 1, 1000, counts[at], worth[at]) for at in range(people)]
        shares = apportion(len(values), receivers, Random(seed + number))
        targets = value_targets(values, shares, receivers)
        places = deal_by_value(values, shares, receivers, Random(seed + number))
        for at, share in enumerate(shares):
            counts[at] += share.entitled - share.count
            worth[at] = targets[at] - sum(value for value, place in zip(values, places, strict=True) if place == at)
        rounding = len(runs)  # of shares to millionths, less than one for each person and run
        assert max(map(abs, worth)) <= people * max(max(values) for values in runs) + rounding
        assert abs(sum(worth)) <= people * rounding


@pytest.mark.parametrize("seed", range(5))
def test_log_normal_values_are_shared_evenly(seed):
    rng = Random(seed)
    values = [round(rng.lognormvariate(10, 1) * MILLIONTHS) for _ in range(1000)]
    receivers = [Receiver(at, room=50) for at in range(20)]
    shares = apportion(1000, receivers, Random(seed))
    places = deal_by_value(values, shares, receivers, Random(seed))
    received = [Fraction(sum(v for v, place in zip(values, places, strict=True) if place == at)) for at in range(20)]
    assert jain(received) >= Fraction(9999, 10000)
    assert {places.count(at) for at in range(20)} == {50}


def test_exchanges_help_where_dealing_alone_falls_short():
    receivers = [Receiver("li"), Receiver("wang")]
    values = [8, 7, 6, 5, 4, 4]
    shares = apportion(6, receivers, Random(1))
    places = deal_by_value(values, shares, receivers, Random(1))
    received = [sum(v for v, place in zip(values, places, strict=True) if place == at) for at in range(2)]
    assert received == [17, 17]


def test_jain_of_one_who_gets_all_is_one_part_and_of_equals_is_one():
    assert jain([Fraction(5), Fraction(0), Fraction(0), Fraction(0)]) == Fraction(1, 4)
    assert jain([Fraction(3)] * 7) == 1
    assert jain([Fraction(0)] * 3) == 1
