"""Conflicts, the calendars of people and teams, and when they are free."""

from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread

import pytest
from chassis.callers import Reach
from chassis.errors import Conflict, Denied, Invalid
from chassis.names import new_id
from chassis.testing import make_caller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leads.model import Plan, PlanParticipant
from leads.plans.calendar import Range, busy_times, free_slots, list_entries
from leads.plans.cancel import cancel_plan
from leads.plans.move import move_plan
from leads.plans.recurrence import Slot
from leads.plans.respond import respond_to_plan
from leads.plans.rules import rules_row, update_plan_rules
from leads.plans.update import PlanPatch, update_plan
from sqlalchemy import func, select

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # a Monday, by the clock of Shanghai


@pytest.fixture
def call(database):
    """Calls a use case or a query for a caller."""

    def run(caller, usecase, *arguments, **more):
        with database.write(caller) as session:
            return usecase(session, *arguments, **more)

    return run


@pytest.fixture
def entries(database):
    """What a caller sees in calendars, page by page: title (None if they see no more than that somebody is busy),
    start, users."""

    def read(caller, start=NOON - DAY, end=NOON + 40 * DAY, size=200, **wanted):
        found, token = [], ""
        while True:
            with database.read(caller) as session:
                page = list_entries(session, Range(start, end), page_size=size, page_token=token, **wanted)
                found += [
                    (one.occurrence.plan.title if one.visible else None, one.occurrence.slot.start, set(one.users))
                    for one in page.rows
                ]
            token = page.next_token
            if not token:
                return found

    return read


def test_overlap_is_told_and_adjacent_plans_do_not_conflict(person, plan):
    me = person()
    first = plan(me, HOUR).plan
    assert plan(me, 2 * HOUR).clashes == []
    assert plan(me, timedelta(0)).clashes == []
    [clash] = plan(me, HOUR + timedelta(minutes=59), timedelta(minutes=1)).clashes
    assert (clash.plan, clash.title, clash.user) == (first.name, "拜访", me.subject)
    assert clash.slot == Slot(NOON + HOUR, NOON + 2 * HOUR)


def test_overlap_is_refused_for_any_participant_if_the_rules_say_so(database, person, plan, policy, call):
    me, guest, other = person("a/"), person("b/"), person("c/")
    secret = plan(guest, private=True, title="看牙").plan
    seen = plan(other, participant_ids=[me.user_id]).plan
    policy("BLOCK")
    with pytest.raises(Conflict) as refused:
        plan(me, participant_ids=[guest.user_id])
    told = refused.value.details
    assert refused.value.reason == "PLAN_CONFLICT"
    assert told["plans"] == seen.name
    assert told["busy"] == f"{guest.subject} {secret.start_time.isoformat()}/{secret.end_time.isoformat()}"
    assert set(told["users"].split(",")) == {me.subject, guest.subject}
    assert "看牙" not in str(told) + refused.value.message
    # What is of another kind, what was declined, called off, or moved away does not stand in the way.
    assert plan(me, kind="MEETING").clashes[0].plan == seen.name
    call(guest, cancel_plan, secret.id)
    call(me, respond_to_plan, seen.id, "DECLINED")
    with database.write(make_caller()) as session:
        session.query(Plan).filter(Plan.kind == "MEETING").delete()
    mine = plan(me, participant_ids=[guest.user_id]).plan
    with pytest.raises(Conflict):
        call(me, respond_to_plan, seen.id, "ACCEPTED")
    later = plan(guest, 5 * HOUR).plan
    with pytest.raises(Conflict):
        call(me, move_plan, mine.id, later.start_time, later.end_time)
    call(me, move_plan, mine.id, later.end_time, later.end_time + HOUR)
    patch = PlanPatch(frozenset({"participants"}), participant_ids=[me.user_id])
    assert call(guest, update_plan, later.id, patch, None).clashes == []
    with pytest.raises(Conflict):
        call(guest, move_plan, later.id, later.start_time, later.end_time + HOUR)


def test_series_are_compared_occurrence_by_occurrence(person, plan, policy, call):
    me = person()
    series = plan(me, NOON, rule="FREQ=WEEKLY;BYDAY=MO").plan
    assert plan(me, NOON + DAY, rule="FREQ=WEEKLY;BYDAY=TU").clashes == []
    [clash] = plan(me, NOON + 3 * WEEK, kind="CALL").clashes
    assert (clash.plan, clash.slot.start) == (series.name, NOON + 3 * WEEK)
    assert len(plan(me, NOON + WEEK, kind="CALL", rule="FREQ=WEEKLY;COUNT=5").clashes) >= 5
    call(me, cancel_plan, series.id, occurrence_time=NOON + 9 * WEEK)
    assert plan(me, NOON + 9 * WEEK, kind="CALL").clashes == []
    policy("ALLOW", "other")
    assert plan(me, NOON, kind="OTHER").clashes == []


def test_two_who_plan_at_once_for_one_person_do_not_both_succeed(database, person, plan, policy):
    policy("BLOCK")
    shared, people = person("x/"), [person() for _ in range(4)]
    gate, refused = Barrier(4), []

    def attempt(caller):
        gate.wait()
        try:
            plan(caller, participant_ids=[shared.user_id])
        except Conflict as error:
            refused.append(error.reason)

    threads = [Thread(target=attempt, args=(caller,)) for caller in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["PLAN_CONFLICT"] * 3
    with database.read(shared) as session:
        mine = select(func.count()).select_from(PlanParticipant).where(PlanParticipant.user_id == shared.user_id)
        assert session.scalar(mine) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), min_size=2, max_size=5),
    rules=st.lists(st.sampled_from(["", "FREQ=DAILY;COUNT=3"]), min_size=5, max_size=5),
)
def test_conflicts_are_mutual(database, person, plan, call, times, rules):
    """Whoever is planned last is told of exactly those that would be told of it."""
    me = person()
    made = [
        plan(me, begin * HOUR, length * HOUR, rule=rule) for (begin, length), rule in zip(times, rules, strict=False)
    ]
    told = set()
    for outcome in made:
        plan_row = outcome.plan
        again = call(me, update_plan, plan_row.id, PlanPatch(frozenset({"kind"}), {"kind": "CALL"}), None)
        told |= {(plan_row.name, clash.plan) for clash in again.clashes}
    assert told == {(other, one) for one, other in told}
    assert all(one != other for one, other in told)


def test_what_lies_outside_working_hours_is_told(person, plan, company):
    me = person()
    company({1: ["09:00-12:00", "13:00-18:00"], 2: ["09:00-18:00"]})
    morning = datetime(2026, 3, 2, 1, tzinfo=UTC)  # 9:00
    assert plan(me, morning, 3 * HOUR).outside == []
    assert plan(me, morning + 2 * HOUR, 3 * HOUR).outside == [morning + 2 * HOUR]
    series = plan(me, morning + 8 * HOUR, rule="FREQ=DAILY;COUNT=3")
    assert series.outside == [morning + 8 * HOUR + 2 * DAY]
    midnight = datetime(2026, 3, 6, 16, tzinfo=UTC)
    assert plan(me, midnight, DAY, all_day=True).outside == []


def test_calendars_show_occurrences_in_order_page_by_page(person, plan, call, entries):
    me = person()
    weekly = plan(me, NOON, rule="FREQ=WEEKLY;BYDAY=MO", title="例会").plan
    plan(me, NOON + WEEK + HOUR, title="拜访")
    call(me, move_plan, weekly.id, NOON + 2 * DAY, NOON + 2 * DAY + HOUR, occurrence_time=NOON + WEEK)
    call(me, cancel_plan, weekly.id, occurrence_time=NOON + 2 * WEEK)
    expected = [
        ("例会", NOON),
        ("例会", NOON + 2 * DAY),
        ("拜访", NOON + WEEK + HOUR),
        ("例会", NOON + 3 * WEEK),
        ("例会", NOON + 4 * WEEK),
        ("例会", NOON + 5 * WEEK),
    ]
    for size in (1, 2, 200):
        assert [one[:2] for one in entries(me, size=size)] == expected
    with_cancelled = entries(me, cancelled=True)
    assert ("例会", NOON + 2 * WEEK, {me.user_id}) in with_cancelled
    assert len(with_cancelled) == 7
    assert entries(me, NOON + HOUR, NOON + 2 * DAY) == []


def test_a_team_is_seen_as_a_whole_and_private_plans_as_busy(person, plan, entries, department, database):
    team = department("r/a/")
    one, two, outsider = person("r/a/"), person("r/a/b/"), person("r/c/")
    manager = person("r/a/", Reach.DEPARTMENT_TREE)
    plan(one, HOUR, participant_ids=[two.user_id], title="例会")
    plan(two, 3 * HOUR, private=True, title="体检")
    plan(outsider, 5 * HOUR)
    both = {one.user_id, two.user_id}
    assert entries(manager, department_id=team) == [
        ("例会", NOON + HOUR, both),
        (None, NOON + 3 * HOUR, {two.user_id}),
    ]
    assert entries(outsider, user_ids=[two.user_id]) == [
        (None, NOON + HOUR, {two.user_id}),
        (None, NOON + 3 * HOUR, {two.user_id}),
    ]
    assert entries(outsider, department_id=new_id()) == []


def test_pages_and_ranges_that_cannot_be_are_refused(person, database):
    me = person()
    wanted = {"page_size": 0, "page_token": ""}
    for start, end, reason in (
        (None, NOON, "REQUIRED"),
        (NOON, NOON, "RANGE_TOO_LONG"),
        (NOON.replace(year=9999), NOON.replace(year=9999) + HOUR, "OUT_OF_RANGE"),
        (NOON.replace(year=1), NOON.replace(year=1) + HOUR, "OUT_OF_RANGE"),
        (NOON, NOON + 63 * DAY, "RANGE_TOO_LONG"),
    ):
        with database.read(me) as session, pytest.raises(Invalid) as refused:
            list_entries(session, Range(start, end), **wanted)
        assert refused.value.reason == reason
    with database.read(me) as session, pytest.raises(Invalid) as refused:
        list_entries(session, Range(NOON, NOON + DAY), page_size=0, page_token="x")
    assert refused.value.reason == "INVALID_PAGE_TOKEN"
    with database.read(me) as session, pytest.raises(Invalid) as refused:
        list_entries(session, Range(NOON, NOON + DAY), user_ids={new_id() for _ in range(201)}, **wanted)
    assert refused.value.reason == "TOO_MANY"


def test_busy_times_tell_when_and_not_with_what(person, plan, call, database):
    me, other = person("r/a/"), person("r/b/")
    plan(other, HOUR, 2 * HOUR, private=True)
    plan(other, 2 * HOUR, 2 * HOUR)
    declined = plan(me, 9 * HOUR, participant_ids=[other.user_id]).plan
    call(other, respond_to_plan, declined.id, "DECLINED")
    users = [other.user_id, me.user_id]
    with database.read(me) as session:
        found = busy_times(session, users, Range(NOON, NOON + DAY))
    assert found == [
        (other.user_id, [Slot(NOON + HOUR, NOON + 4 * HOUR)]),
        (me.user_id, [Slot(NOON + 9 * HOUR, NOON + 10 * HOUR)]),
    ]


def test_free_slots_lie_within_working_hours_on_working_days(person, plan, company, database):
    me, other = person("r/a/"), person("r/b/")
    # A holiday on Tuesday, and a Saturday that is worked for it (调休).
    special = [
        {"day": date(2026, 3, 3).isoformat(), "ordinary": False, "windows": []},
        {"day": date(2026, 3, 7).isoformat(), "ordinary": True, "windows": []},
    ]
    company({day: ["09:00-12:00", "13:00-18:00"] for day in range(1, 6)}, special)
    two = datetime(2026, 3, 2, 6, tzinfo=UTC)  # Monday 14:00
    plan(me, two, HOUR)
    plan(other, two + 2 * HOUR, HOUR, private=True)
    with database.read(me) as session:
        monday = free_slots(session, [me.user_id, other.user_id], Range(NOON - DAY, NOON + DAY), 60)
        assert monday == [Slot(two - HOUR, two), Slot(two + HOUR, two + 2 * HOUR), Slot(two + 3 * HOUR, two + 4 * HOUR)]
        assert free_slots(session, [me.user_id], Range(two, two + HOUR), 5) == []
        week = free_slots(session, [me.user_id], Range(NOON, NOON + 7 * DAY), 5 * 60)
        assert [(slot.start.date().day, slot.end - slot.start) for slot in week] == [
            (day, 5 * HOUR) for day in (4, 5, 6, 7)
        ]
        with pytest.raises(Invalid):
            free_slots(session, [me.user_id], Range(NOON, NOON + DAY), 4)


def test_rules_are_set_by_whoever_may_for_all(database, person):
    with database.write(person()) as session, pytest.raises(Denied):
        update_plan_rules(session, {"visit_conflicts": "BLOCK"}, "")
    with database.write(make_caller()) as session:
        update_plan_rules(session, {"visit_conflicts": "BLOCK"}, "")
        with pytest.raises(Invalid):
            update_plan_rules(session, {"call_conflicts": ""}, "")
    with database.read(make_caller()) as session:
        kept = rules_row(session)
        assert (kept.version, kept.rules["visit_conflicts"], kept.rules["call_conflicts"]) == (1, "BLOCK", "WARN")
