"""Reminders before plans, and what people set of them."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.callers import service_caller
from chassis.errors import Invalid
from leads.model import PlanParticipant
from leads.plans.cancel import cancel_plan
from leads.plans.complete import complete_plan
from leads.plans.move import move_plan
from leads.plans.reminding import remind_of_plans
from leads.plans.respond import respond_to_plan
from leads.plans.settings import own_settings, update_settings
from leads.plans.update import PlanPatch, update_plan
from leads.usecases.learn_organisation import learn_user
from sqlalchemy import select

MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=7)
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # a Monday


@pytest.fixture
def call(database):
    """Calls a use case for a caller."""

    def run(caller, usecase, *arguments, **more):
        with database.write(caller) as session:
            return usecase(session, *arguments, **more)

    return run


@pytest.fixture
def remind(database, clock, notified):
    """Moves the clock to a time, runs the timer, and returns who is reminded of what begins when."""

    def run(moment):
        clock.set(moment)
        before = len(notified())
        with database.write(service_caller("leads")) as session:
            remind_of_plans(session, clock.now)
        told = notified()[before:]
        assert {kind for kind, _, _ in told} <= {"PLAN_REMINDER"}
        return sorted((who, params["start_time"]) for _, who, params in told)

    return run


def of(people, *starts):
    return sorted((who.subject, start.isoformat()) for who in people for start in starts)


def test_all_who_take_part_are_reminded_once(person, plan, call, remind):
    me, guest, no = person(), person(), person()
    made = plan(me, 2 * HOUR, participant_ids=[guest.user_id, no.user_id]).plan
    call(no, respond_to_plan, made.id, "DECLINED")
    start = NOON + 2 * HOUR
    assert remind(start - 16 * MINUTE) == []
    assert remind(start - 15 * MINUTE) == of([me, guest], start)
    assert remind(start - 14 * MINUTE) == []
    assert remind(start + DAY) == []


def test_each_reminder_of_each_occurrence_is_sent_once(person, plan, call, remind):
    me = person()
    made = plan(me, NOON + DAY, rule="FREQ=DAILY;COUNT=4", reminder_minutes=[60, 0]).plan
    call(me, cancel_plan, made.id, occurrence_time=NOON + 2 * DAY)
    call(me, move_plan, made.id, NOON + 5 * DAY, NOON + 5 * DAY + HOUR, occurrence_time=NOON + 3 * DAY)
    sent = []
    for half_hours in range(2 * 24 * 7):
        sent += [(start, half_hours) for _, start in remind(NOON + half_hours * HOUR / 2)]
    expected = [
        (start.isoformat(), (start - NOON) // (HOUR / 2) - before)
        for start in (NOON + DAY, NOON + 4 * DAY, NOON + 5 * DAY)
        for before in (2, 0)
    ]
    assert sorted(sent) == sorted(expected)


def test_a_reminder_long_before_a_series_comes_although_others_come_before_it(person, plan, remind):
    me = person()
    plan(me, NOON + WEEK, rule="FREQ=WEEKLY", reminder_minutes=[28 * 24 * 60])
    assert remind(NOON + MINUTE) == []
    assert remind(NOON + WEEK) == of([me], NOON + 5 * WEEK)


def test_after_a_downtime_one_reminder_of_what_is_not_over_is_enough(person, plan, remind):
    me = person()
    plan(me, HOUR, reminder_minutes=[45, 30, 15])
    plan(me, 3 * HOUR, 3 * HOUR, reminder_minutes=[60, 30])
    assert remind(NOON + 4 * HOUR) == of([me], NOON + 3 * HOUR)


def test_what_is_moved_reminds_anew_and_what_is_over_or_called_off_does_not(person, plan, call, remind, directory):
    me = person()
    moved, off, done = (plan(me, 2 * HOUR, title=title).plan for title in ("改", "消", "完"))
    call(me, cancel_plan, off.id)
    assert len(remind(NOON + 110 * MINUTE)) == 2
    call(me, move_plan, moved.id, NOON + 5 * HOUR, NOON + 6 * HOUR)
    remind(NOON + 2 * HOUR)
    call(me, complete_plan, done.id, directory)
    assert remind(NOON + 5 * HOUR - 15 * MINUTE) == of([me], NOON + 5 * HOUR)
    assert remind(NOON + 5 * HOUR) == []


def test_what_else_changes_reminds_of_nothing_twice(person, plan, call, remind, directory):
    me = person()
    made = plan(me, HOUR).plan
    assert len(remind(NOON + 45 * MINUTE)) == 1
    call(me, update_plan, made.id, PlanPatch(frozenset({"title"}), {"title": "新"}), directory)
    assert remind(NOON + 50 * MINUTE) == []


def test_everybody_is_reminded_as_they_set(database, person, plan, call, remind):
    me, own, never, gone = (person() for _ in range(4))
    plan(me, 2 * HOUR, participant_ids=[own.user_id, never.user_id, gone.user_id])
    call(own, update_settings, {"own_reminders": True, "reminder_minutes": [60]}, "")
    call(never, update_settings, {"own_reminders": True}, "")
    with database.write(service_caller("leads")) as session:
        learn_user(session, gone.user_id, 2, None, "r/", active=False)
    start = NOON + 2 * HOUR
    assert remind(start - HOUR) == of([own], start)
    assert remind(start - 15 * MINUTE) == of([me], start)
    # Whoever changes it is not reminded again of what has been.
    call(own, update_settings, {"reminder_minutes": [90, 5]}, "")
    assert remind(start - 10 * MINUTE) == []
    assert remind(start - 5 * MINUTE) == of([own], start)


def test_settings_are_the_caller_s_own(database, person, call):
    me, other = person(), person()
    kept = call(me, update_settings, {"own_reminders": True, "reminder_minutes": [5, 60, 5]}, "")
    assert (kept.version, kept.reminder_minutes) == (1, [60, 5])
    assert call(me, update_settings, {"own_reminders": True}, "").version == 1
    with pytest.raises(Invalid):
        call(me, update_settings, {"reminder_minutes": [1, 2, 3, 4, 5, 6]}, "")
    with database.read(other) as session:
        assert own_settings(session).version == 0


def test_more_than_one_batch_is_reminded_and_none_is_left(database, person, plan, remind, monkeypatch):
    monkeypatch.setattr("leads.plans.reminding.BATCH", 3)
    people = [person() for _ in range(8)]
    plan(people[0], HOUR, participant_ids=[one.user_id for one in people])
    assert remind(NOON + 45 * MINUTE) == of(people, NOON + HOUR)
    with database.read(people[0]) as session:
        assert set(session.scalars(select(PlanParticipant.next_remind_time))) == {None}
