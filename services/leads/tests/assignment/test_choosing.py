"""Who gets a lead, as far as no database is needed: properties that hold whatever comes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from leads.assignment.choosing import UNIT, Exclusion, Rep, Standing, Team, TieBreak, Traits, smoothed_percent
from leads.model import AssignmentStrategy, OutsideHours

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
ANY = Traits()


def rep(number, **values):
    return Rep(UUID(int=number), works_from=NOW, **{"monthly_capacity": 10_000} | values)


def team(reps, strategy=AssignmentStrategy.ROUND_ROBIN, hours=OutsideHours.NEXT_WORKER, **values):
    return Team(strategy, hours, [Standing(one) for one in reps], **values)


def winners(of, count, lead=ANY, now=NOW):
    return [choice.chosen for choice in (of.choose(lead, (), now) for _ in range(count))]


@given(st.lists(st.integers(0, 12), min_size=30, max_size=30))
def test_over_any_days_nobody_gets_more_than_one_lead_more_than_another(days):
    of = team([rep(number) for number in range(5)])
    for day, count in enumerate(days):
        for _ in range(count):
            of.choose(ANY, (), NOW + timedelta(days=day))
        given_so_far = [standing.rep.given_this_month for standing in of.standings]
        assert max(given_so_far) - min(given_so_far) <= 1


def test_thirty_days_of_seven_leads_to_five_people_come_to_42_each():
    of = team([rep(number) for number in range(5)])
    for day in range(30):
        winners(of, 7, now=NOW + timedelta(days=day))
        given_so_far = [standing.rep.given_this_month for standing in of.standings]
        assert max(given_so_far) - min(given_so_far) <= 1
    assert given_so_far == [42] * 5


absences = st.lists(st.sets(st.integers(0, 4), max_size=4), min_size=5, max_size=30)


@given(absences, st.integers(1, 9))
def test_who_is_absent_accrues_no_debt_and_all_debts_add_up_to_nothing(days, a_day):
    of = team([rep(number) for number in range(5)])
    for day, away in enumerate(days):
        for number, standing in enumerate(of.standings):
            standing.rep.absent = number in away
        before = [standing.debt for standing in of.standings]
        for _ in range(a_day):
            choice = of.choose(ANY, (), NOW + timedelta(days=day))
            assert choice.chosen not in away
            assert {at for at, why in enumerate(choice.exclusions) if why is Exclusion.ABSENT} == away
        assert all(of.standings[number].debt == before[number] for number in away)
        assert sum(standing.debt for standing in of.standings) == 0
        # Nobody is ever owed, or owes, as much as there are people.
        assert all(abs(standing.debt) < 5 * UNIT for standing in of.standings)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=6),
    st.integers(0, 60),
    st.sampled_from([one for one in AssignmentStrategy if one not in {"REGION", "SKILL"}]),
)
def test_nobody_gets_more_than_they_can_take_and_what_is_left_is_told(capacities, count, strategy):
    of = team(
        [rep(number, daily_capacity=daily, monthly_capacity=month) for number, (daily, month) in enumerate(capacities)],
        strategy,
    )
    came_to = winners(of, count)
    room = sum(min(daily or month, month) for daily, month in capacities)
    assert sum(one is not None for one in came_to) == min(count, room)
    for standing, (daily, month) in zip(of.standings, capacities, strict=True):
        assert standing.rep.given_this_month <= month
        assert not daily or standing.rep.given_today <= daily


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 4))
def test_weights_are_met_exactly_over_each_round_and_never_missed_by_a_whole_lead_or_more(weights, rounds):
    of = team([rep(number, weight=weight) for number, weight in enumerate(weights)], AssignmentStrategy.WEIGHTED)
    winners(of, rounds * sum(weights))
    assert [standing.rep.given_this_month for standing in of.standings] == [rounds * weight for weight in weights]


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_the_same_leads_go_to_the_same_people(seed, count):
    of, again = (team([rep(number, weight=seed % 7 + number + 1) for number in range(4)]) for _ in range(2))
    assert winners(of, count) == winners(again, count)


def test_the_least_busy_gets_a_lead_and_of_equals_whoever_is_owed_most():
    of = team([rep(0, open_leads=3), rep(1, open_leads=1), rep(2, open_leads=1)], AssignmentStrategy.LEAST_BUSY)
    assert winners(of, 4) == [1, 2, 1, 2]
    of.standings[0].rep.open_leads = 0
    choice = of.choose(ANY, (), NOW)
    assert (choice.chosen, choice.scores, choice.tie_break) == (0, [0, -3, -3], TieBreak.SCORE)


def test_regions_decide_city_before_province_and_exclude_others():
    reps = [
        rep(0, regions=frozenset({"广东"})),
        rep(1, regions=frozenset({"深圳"})),
        rep(2, regions=frozenset({"北京"})),
    ]
    of = team(reps, AssignmentStrategy.REGION)
    choice = of.choose(Traits(city="深圳", province="广东"), (), NOW)
    assert (choice.chosen, choice.scores) == (1, [1, 2, 0])
    assert choice.exclusions == [None, None, Exclusion.OTHER_REGION]
    assert of.choose(Traits(city="广州", province="广东"), (), NOW).chosen == 0
    assert of.choose(Traits(city="上海", province="上海"), (), NOW).chosen is None


def test_skills_are_counted_and_one_is_needed():
    reps = [rep(0, skills=frozenset({"制造业"})), rep(1, skills=frozenset({"制造业", "英语"})), rep(2)]
    of = team(reps, AssignmentStrategy.SKILL, required_skills=frozenset({"英语"}))
    choice = of.choose(Traits(industry="制造业"), (), NOW)
    assert (choice.chosen, choice.scores, choice.exclusions[2]) == (1, [1, 2, 0], Exclusion.OTHER_SKILLS)


def test_performance_goes_by_the_smoothed_rate_and_equal_rates_by_debt():
    of = team([rep(number) for number in range(3)], AssignmentStrategy.PERFORMANCE)
    for standing, percent in zip(of.standings, [20, 35, 35], strict=True):
        standing.conversion = percent
    assert winners(of, 4) == [1, 2, 1, 2]


def test_few_leads_tell_little_of_somebodys_rate():
    lucky, steady = smoothed_percent(1, 1, 40, 200), smoothed_percent(60, 150, 40, 200)
    assert (lucky, steady) == (27, 39)
    assert smoothed_percent(0, 0, 40, 200) == 20
    assert smoothed_percent(0, 0, 0, 0) == 0


def test_whoever_let_it_pass_is_not_asked_again():
    of = team([rep(0), rep(1)])
    choice = of.choose(ANY, {UUID(int=0)}, NOW)
    assert (choice.chosen, choice.exclusions) == (1, [Exclusion.LET_IT_PASS, None])
    assert [standing.debt for standing in of.standings] == [0, 0]


def test_outside_hours_those_who_work_next_get_it_or_it_waits_for_them():
    soon, later = NOW + timedelta(hours=1), NOW + timedelta(hours=9)

    def of(hours):
        reps = [rep(0), rep(1), rep(2, absent=True)]
        for one, begin in zip(reps, [later, soon, soon], strict=True):
            one.works_from = begin
        return team(reps, hours=hours)

    choice = of(OutsideHours.NEXT_WORKER).choose(ANY, (), NOW)
    assert (choice.chosen, choice.exclusions[0], choice.exclusions[2]) == (1, Exclusion.OUTSIDE_HOURS, Exclusion.ABSENT)
    choice = of(OutsideHours.WAIT).choose(ANY, (), NOW)
    assert (choice.chosen, choice.waits_until) == (None, soon)
    assert of(OutsideHours.IGNORE).choose(ANY, (), NOW).chosen == 0
    nobody = of(OutsideHours.NEXT_WORKER)
    for standing in nobody.standings:
        standing.rep.works_from = None
    assert nobody.choose(ANY, (), NOW).chosen is None
