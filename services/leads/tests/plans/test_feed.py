"""Calendars as other programs read them: what the feed holds, by a parser of iCalendar, is what is planned."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.callers import service_caller
from chassis.errors import Denied, NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from leads.drafts import FollowUpDraft
from leads.model import CalendarSettings
from leads.plans.calendar import Range, list_entries
from leads.plans.cancel import cancel_plan
from leads.plans.complete import complete_plan
from leads.plans.feed import read_feed
from leads.plans.move import move_plan
from leads.plans.respond import respond_to_plan
from leads.plans.settings import revoke_feed, rotate_feed, update_settings
from leads.subjects import Subject
from leads.tasks.making import TaskDraft, create_task
from leads.usecases.learn_organisation import learn_user
from leads.usecases.log_follow_up import log_follow_up
from sqlalchemy import select

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # a Monday, by the clock of Shanghai


@pytest.fixture
def call(database):
    """Calls a use case for a caller."""

    def run(caller, usecase, *arguments, **more):
        with database.write(caller) as session:
            return usecase(session, *arguments, **more)

    return run


@pytest.fixture
def feed(database, call):
    """Somebody's calendar, parsed, by a new link."""

    def read(caller):
        _, token = call(caller, rotate_feed)
        with database.read(service_caller("leads")) as session:
            data, _ = read_feed(session, token)
        return Calendar.from_ical(data)

    return read


def events(calendar):
    return calendar.walk("VEVENT")


def moment(value):
    """A time of iCalendar as a moment; of a day, its midnight in Shanghai, where the whole days of these tests are."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) - 8 * HOUR


def occurrences(calendar, start, end):
    """What a program makes of a calendar, with an expansion of its own: by dateutil, on times with their zones."""
    apart, found = {}, []
    for event in events(calendar):
        if "RECURRENCE-ID" in event:
            apart.setdefault(str(event["UID"]), set()).add(moment(event["RECURRENCE-ID"].dt))
    for event in events(calendar):
        uid, length = str(event["UID"]), moment(event["DTEND"].dt) - moment(event["DTSTART"].dt)
        starts = expanded(event, end) - apart.get(uid, set()) if "RRULE" in event else {moment(event["DTSTART"].dt)}
        if str(event["STATUS"]) != "CANCELLED":
            found += [(uid, one, one + length) for one in starts if one < end and one + length > start]
    return sorted(found)


def expanded(event, end):
    """When an event that recurs begins until a time, save the times that it names as exceptions."""
    begins, rule = event["DTSTART"].dt, event["RRULE"].to_ical().decode()
    excepted = event.get("EXDATE", [])
    left_out = {moment(one.dt) for group in ([excepted] if hasattr(excepted, "dts") else excepted) for one in group.dts}
    if isinstance(begins, datetime):
        return set(map(moment, rrulestr(rule, dtstart=begins).between(begins, end, inc=True))) - left_out
    first, last = (datetime(day.year, day.month, day.day) for day in (begins, end.date()))
    return {moment(one.date()) for one in rrulestr(rule, dtstart=first).between(first, last, inc=True)} - left_out


def planned(database, caller, start, end):
    with database.read(caller) as session:
        rows = list_entries(session, Range(start, end), page_size=200, page_token="").rows
    return sorted((str(one.occurrence.plan.id), *one.occurrence.slot) for one in rows)


def test_a_feed_holds_what_is_planned_with_all_that_makes_a_calendar(person, plan, known, feed):
    me = person()
    customer = known(me.user_id, name="上海华诚")
    made = plan(
        me,
        NOON,
        zone="America/New_York",
        subject=Subject("customers", customer),
        place="总部, 3楼; 会议室",
        guests=["王芳"],
        reminder_minutes=[15, 60],
        private=True,
    ).plan
    calendar = feed(me)
    assert (str(calendar["VERSION"]), str(calendar["METHOD"])) == ("2.0", "PUBLISH")
    [event] = events(calendar)
    assert str(event["UID"]) == str(made.id)
    assert (str(event["SUMMARY"]), str(event["LOCATION"])) == ("拜访", "总部, 3楼; 会议室")
    assert str(event["DESCRIPTION"]) == "上海华诚\n王芳"
    assert (event["SEQUENCE"], str(event["STATUS"]), str(event["CLASS"])) == (0, "CONFIRMED", "PRIVATE")
    assert event["DTSTART"].dt == NOON
    assert event["DTSTART"].params["TZID"] == "America/New_York"
    assert sorted(alarm["TRIGGER"].dt for alarm in event.walk("VALARM")) == [-HOUR, -HOUR / 4]
    [zone] = calendar.walk("VTIMEZONE")
    assert zone["TZID"] == "America/New_York"
    assert {part.name for part in zone.subcomponents} == {"STANDARD", "DAYLIGHT"}


def test_moving_keeps_the_uid_and_raises_the_sequence(person, plan, call, feed):
    me = person()
    made = plan(me, NOON + DAY).plan
    call(me, move_plan, made.id, NOON + 2 * DAY, NOON + 2 * DAY + HOUR)
    [event] = events(feed(me))
    assert (str(event["UID"]), event["SEQUENCE"]) == (str(made.id), 1)
    assert event["DTSTART"].dt == NOON + 2 * DAY
    call(me, move_plan, made.id, NOON + DAY, NOON + DAY + HOUR)
    [event] = events(feed(me))
    assert (str(event["UID"]), event["SEQUENCE"], event["DTSTART"].dt) == (str(made.id), 2, NOON + DAY)


def test_what_was_called_off_is_told_as_such_for_a_time(person, plan, call, feed, clock):
    me = person()
    single, series = plan(me, NOON + DAY).plan, plan(me, NOON, rule="FREQ=WEEKLY").plan
    call(me, cancel_plan, single.id)
    call(me, cancel_plan, series.id, occurrence_time=NOON + WEEK)
    told = {(str(one["UID"]), "RECURRENCE-ID" in one): str(one["STATUS"]) for one in events(feed(me))}
    assert told == {
        (str(single.id), False): "CANCELLED",
        (str(series.id), False): "CONFIRMED",
        (str(series.id), True): "CANCELLED",
    }
    clock.advance(timedelta(days=31))
    [left] = events(feed(me))
    assert str(left["UID"]) == str(series.id)
    assert [one.dt for one in left["EXDATE"].dts] == [NOON + WEEK]


ZONES = ("America/New_York", "Europe/Berlin", "Asia/Shanghai")
RULES = ("", "FREQ=DAILY", "FREQ=WEEKLY;COUNT=20", "FREQ=DAILY;INTERVAL=2;UNTIL=20260415T000000Z", "FREQ=MONTHLY")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_a_program_makes_of_the_feed_is_what_is_planned(person, plan, call, feed, database, data):
    me = person()
    for _ in range(data.draw(st.integers(1, 3))):
        if data.draw(st.booleans()):
            at = NOON - 12 * HOUR + data.draw(st.integers(0, 5)) * DAY  # midnight in Shanghai
            rule = data.draw(st.sampled_from(["", "FREQ=DAILY;COUNT=9", "FREQ=WEEKLY"]))
            made = plan(me, at, data.draw(st.integers(1, 3)) * DAY, all_day=True, rule=rule, title="出差").plan
        else:
            at = NOON + timedelta(minutes=15 * data.draw(st.integers(0, 500)))
            length = timedelta(minutes=data.draw(st.integers(1, 1_500)))
            zone, rule = data.draw(st.sampled_from(ZONES)), data.draw(st.sampled_from(RULES))
            made = plan(me, at, length, zone=zone, rule=rule).plan
        change(data, me, made, call, database)
    start, end = NOON - 2 * DAY, NOON + 58 * DAY
    assert occurrences(feed(me), start, end) == planned(database, me, start, end)


def change(data, me, made, call, database):
    """Move or cancel an occurrence of a plan, or leave it be."""
    with database.read(me) as session:
        rows = list_entries(session, Range(NOON - 2 * DAY, NOON + 58 * DAY), page_size=200, page_token="").rows
    of_plan = [row.occurrence for row in rows if row.occurrence.plan.id == made.id]
    one = data.draw(st.sampled_from(of_plan))
    match data.draw(st.sampled_from(["move", "cancel", "nothing"])):
        case "move":
            by = data.draw(st.integers(-3, 3)) * DAY if made.all_day else data.draw(st.integers(1, 70)) * HOUR
            call(me, move_plan, made.id, one.slot.start + by, one.slot.end + by, occurrence_time=one.original_start)
        case "cancel":
            call(me, cancel_plan, made.id, occurrence_time=one.original_start)


def test_follow_ups_are_in_it_if_the_user_wants_that(person, known, feed, call, directory):
    me, other = person(), person()
    customer = known(me.user_id, name="上海华诚")
    draft = FollowUpDraft(customer, "CALL", "约好下周再谈", next_contact_time=NOON + WEEK)
    logged = call(me, log_follow_up, draft, directory)
    assert events(feed(me)) == []
    for caller in (me, other):
        call(caller, update_settings, {"feed_follow_ups": True}, "")
    [event] = events(feed(me))
    assert (str(event["UID"]), str(event["SUMMARY"])) == (str(logged.id), "上海华诚")
    assert (event["DTSTART"].dt, str(event["TRANSP"])) == (NOON + WEEK, "TRANSPARENT")
    assert events(feed(other)) == []


def test_open_tasks_are_in_it_if_the_user_wants_that(person, known, feed, call, directory):
    me, customer = person(), Subject("customers", known())
    admin = make_caller(user_id=me.user_id)
    draft = TaskDraft(customer, {"title": "准备报价"}, due_time=NOON + DAY)
    made = call(admin, create_task, draft, directory)
    call(admin, create_task, TaskDraft(customer, {"title": "无期限"}), directory)
    assert events(feed(me)) == []
    call(me, update_settings, {"feed_tasks": True}, "")
    [event] = events(feed(me))
    assert (str(event["UID"]), str(event["SUMMARY"]), event["DTSTART"].dt) == (str(made.id), "准备报价", NOON + DAY)


def test_declined_plans_are_not_in_it_and_done_ones_are(person, plan, call, feed, directory):
    me, other = person(), person()
    done = plan(me, -2 * HOUR).plan
    declined = plan(other, participant_ids=[me.user_id]).plan
    call(me, complete_plan, done.id, directory, result="好")
    call(me, respond_to_plan, declined.id, "DECLINED")
    assert [str(one["UID"]) for one in events(feed(me))] == [str(done.id)]


def test_a_link_is_secret_and_ends_when_it_is_replaced_revoked_or_its_user_leaves(database, person, plan, call):
    me = person()
    plan(me)

    def read(token):
        with database.read(service_caller("leads")) as session:
            return read_feed(session, token)

    _, first = call(me, rotate_feed)
    assert read(first) == read(first)
    with database.read(me) as session:
        kept = session.scalars(select(CalendarSettings)).one()
        assert first.encode() not in kept.feed_digest
        assert len(first) >= 43
    _, second = call(me, rotate_feed)
    with pytest.raises(NotFound):
        read(first)
    assert read(second)
    call(me, revoke_feed)
    with pytest.raises(NotFound):
        read(second)
    _, third = call(me, rotate_feed)
    with database.write(service_caller("leads")) as session:
        learn_user(session, me.user_id, 2, None, "r/", active=False)
    for token in (third, "", "x"):
        with pytest.raises(NotFound):
            read(token)
    machine = type(me)(f"clients/{new_id()}", grants=make_caller().grants)
    with pytest.raises(Denied):
        call(machine, rotate_feed)


def test_the_version_changes_with_what_it_holds(database, person, plan, call, clock):
    me = person()
    made = plan(me).plan
    _, token = call(me, rotate_feed)

    def version():
        with database.read(service_caller("leads")) as session:
            return read_feed(session, token)[1]

    before = version()
    clock.advance(HOUR)
    assert version() == before
    call(me, move_plan, made.id, made.start_time + HOUR, made.end_time + HOUR)
    assert version() != before
