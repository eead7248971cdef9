"""An occurrence of a series and all that follow it are changed by themselves."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from chassis.errors import Invalid, NotFound
from hypothesis import given, settings
from hypothesis import strategies as st
from leads.model import Plan, PlanStatus
from leads.plans import queries
from leads.plans.cancel import cancel_plan
from leads.plans.move import move_plan
from leads.plans.occurrences import deviations_of, occurrences
from leads.plans.recurrence import Series, moment_of, parse_rule, parted
from leads.plans.respond import respond_to_plan
from leads.plans.update import PlanPatch, update_plan

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
MONDAY_NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # by the clock of Shanghai
RULES = ("FREQ=WEEKLY;COUNT=6", "FREQ=WEEKLY;UNTIL=20260410T000000Z", "FREQ=WEEKLY")


@pytest.fixture
def change(database):
    """Calls a use case for a caller."""

    def call(caller, usecase, *arguments, **more):
        with database.write(caller) as session:
            return usecase(session, *arguments, **more)

    return call


@pytest.fixture
def starts(database):
    def read(caller, plan, weeks=6):
        with database.read(caller) as session:
            kept = session.get_one(Plan, plan.id)
            own = deviations_of(session, [plan.id]).get(plan.id, ())
            found = occurrences(kept, own, MONDAY_NOON - WEEK, MONDAY_NOON + weeks * WEEK)
            return sorted((one.slot.start - MONDAY_NOON) / DAY for one in found if one.status == PlanStatus.PLANNED)

    return read


@pytest.mark.parametrize("rule", RULES)
def test_this_and_all_following_are_moved_and_those_before_stay(person, plan, change, starts, rule):
    me, guest = person(), person()
    made = plan(me, MONDAY_NOON, rule=rule, participant_ids=[guest.user_id]).plan
    change(guest, respond_to_plan, made.id, "ACCEPTED")
    second, third, fourth = (MONDAY_NOON + weeks * WEEK for weeks in (1, 2, 3))
    change(me, cancel_plan, made.id, occurrence_time=second)
    change(me, cancel_plan, made.id, occurrence_time=fourth)
    to = third + DAY
    moved = change(me, move_plan, made.id, to, to + HOUR, occurrence_time=third, following=True).plan
    assert moved.id != made.id
    # What was called off by itself stays so on the other day of the week only if the series has an occurrence there.
    assert starts(me, made) == [0]
    assert starts(me, moved) == [15, 22, 29, 36]


def test_the_rest_of_a_series_keeps_what_became_of_it_and_who_comes(database, person, plan, change, starts, notified):
    me, guest = person(), person()
    made = plan(me, MONDAY_NOON, rule=RULES[0], participant_ids=[guest.user_id]).plan
    change(guest, respond_to_plan, made.id, "ACCEPTED")
    change(me, cancel_plan, made.id, occurrence_time=MONDAY_NOON + 3 * WEEK)
    told = len(notified())
    patch = PlanPatch(frozenset({"title"}), {"title": "复盘"})
    later = change(me, update_plan, made.id, patch, None, following=MONDAY_NOON + 2 * WEEK).plan
    assert (starts(me, made), starts(me, later)) == ([0, 7], [14, 28, 35])
    with database.read(me) as session:
        former, now = session.get_one(Plan, made.id), session.get_one(Plan, later.id)
        assert (former.title, now.title, now.organiser) == ("拜访", "复盘", former.organiser)
        answers = {row.user_id: row.response for row in queries.participants_of(session, [now.id])[now.id]}
    assert answers == {me.user_id: "ACCEPTED", guest.user_id: "ACCEPTED"}
    assert notified()[told:] == []


def test_the_rest_of_a_series_is_called_off(person, plan, change, starts):
    me = person()
    made = plan(me, MONDAY_NOON, rule=RULES[2]).plan
    gone = change(me, cancel_plan, made.id, occurrence_time=MONDAY_NOON + 2 * WEEK, following=True)
    assert (starts(me, made), starts(me, gone)) == ([0, 7], [])
    whole = plan(me, MONDAY_NOON, rule=RULES[2]).plan
    same = change(me, cancel_plan, whole.id, occurrence_time=MONDAY_NOON, following=True)
    assert same.id == whole.id


def test_what_a_series_has_not_begins_nothing(person, plan, change):
    me = person()
    made, once = plan(me, MONDAY_NOON, rule=RULES[0]).plan, plan(me, MONDAY_NOON + DAY).plan
    for which, time, error in (
        (made, MONDAY_NOON + DAY, NotFound),
        (once, MONDAY_NOON + DAY, NotFound),
        (made, None, Invalid),
    ):
        with pytest.raises(error):
            change(me, cancel_plan, which.id, occurrence_time=time, following=True)


@settings(max_examples=60, deadline=None)
@given(
    rule=st.sampled_from(
        ("FREQ=DAILY;COUNT=9", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=9", "FREQ=MONTHLY;COUNT=9",
         "FREQ=WEEKLY;BYDAY=MO,FR;UNTIL=20260601T000000Z", "FREQ=MONTHLY;BYDAY=1MO;COUNT=8", "FREQ=DAILY;INTERVAL=3")
    ),
    zone=st.sampled_from(("Asia/Shanghai", "Europe/Berlin", "America/New_York")),
    at=st.integers(1, 5),
    all_day=st.booleans(),
)  # fmt: skip
def test_both_parts_of_a_series_are_the_whole(rule, zone, at, all_day):
    wall = datetime(2026, 3, 2, 0 if all_day else 2, 30 * (not all_day))  # a time that clocks put forward skip
    start = moment_of(wall, ZoneInfo(zone))
    single = Series(start, start + (DAY if all_day else HOUR), zone, all_day)
    whole = Series(single.start, single.end, zone, all_day, parse_rule(rule, single))
    until = start + timedelta(days=200)
    slots = list(whole.expand(start, until))
    slot = slots[at]
    if not all_day and slot.start.astimezone(ZoneInfo(zone)).time() != wall.time():
        with pytest.raises(Invalid, match="clocks are put forward"):
            parted(whole, slot)
        return
    head, rest = parted(whole, slot)
    first = list(Series(single.start, single.end, zone, all_day, head).expand(start, until))
    second = list(Series(slot.start, slot.end, zone, all_day, rest).expand(start, until))
    assert [*first, *second] == slots
    assert parse_rule(rest, Series(slot.start, slot.end, zone, all_day)) == rest
