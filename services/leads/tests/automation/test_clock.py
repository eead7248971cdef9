"""Rules that run by the clock: schedules in the organisation's zone, and delays in working time, each once."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from chassis.calendars import WorkingCalendar
from chassis.callers import service_caller
from chassis.errors import Conflict
from chassis.jobs.run import run_next
from chassis.organisation import DEFAULT_WEEK, Organisation, learn, organisation
from chassis.testing import eventually
from hypothesis import given
from hypothesis import strategies as st
from leads.automation import keeping, running, sweeping
from leads.automation.times import deadline, latest_start, next_due
from leads.automation.update_rule import suspend_rule
from leads.main import SERVICE
from sqlalchemy import text

from .conftest import UPDATED

NEW = {"condition": {"field": "status", "operator": "OPERATOR_EQUAL", "values": [{"text": "NEW"}]}}
SET = {"kind": "SET_FIELD", "field": "channel", "value": "提醒过"}
SHANGHAI = Organisation(1, WorkingCalendar(ZoneInfo("Asia/Shanghai"), DEFAULT_WEEK))
BERLIN = Organisation(1, WorkingCalendar(ZoneInfo("Europe/Berlin"), DEFAULT_WEEK))


@pytest.fixture
def tick(house, clock):
    """Move the clock, let the timer look, and do the jobs that it queues."""
    runtime: Any = SimpleNamespace(database=house.database, settings=SimpleNamespace(environment={}))

    def go(to: datetime) -> None:
        clock.set(to)
        with house.database.write(service_caller("leads")) as session:
            sweeping.start_due(session, to)
        while run_next(SERVICE, runtime):
            pass

    return go


def schedule(time: str = "09:00", **values: Any) -> dict[str, Any]:
    return {"time": time, "weekdays": [], "month_days": [], "working_days_only": False} | values


@pytest.mark.parametrize(
    ("given_", "after", "due"),
    [
        (schedule(), "2026-03-02T00:00", "2026-03-02T01:00"),
        (schedule(), "2026-03-02T01:00", "2026-03-03T01:00"),
        (schedule(weekdays=[1, 5]), "2026-03-03T00:00", "2026-03-06T01:00"),
        (schedule(month_days=[31]), "2026-04-01T00:00", "2026-05-31T01:00"),
        (schedule(working_days_only=True), "2026-03-06T02:00", "2026-03-09T01:00"),
        (schedule(month_days=[30], weekdays=[1], time="23:30"), "2026-01-01T00:00", "2026-03-30T15:30"),
    ],
)
def test_a_schedule_is_due_by_the_clock_of_the_organisation(given_, after, due):
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert next_due(given_, start, SHANGHAI) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_schedule_keeps_its_time_of_day_when_clocks_are_changed():
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert next_due(schedule(), before, BERLIN) == datetime(2026, 3, 29, 7, tzinfo=UTC)  # summer time began that night


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)).map(
    lambda at: at.replace(tzinfo=UTC, microsecond=0)
)


@given(
    MOMENTS,
    st.integers(1, 60),
    st.sampled_from(["HOURS", "WORKING_HOURS", "WORKING_DAYS"]),
    st.sampled_from([SHANGHAI, BERLIN]),
)
def test_the_latest_start_is_the_last_that_is_due(now, amount, unit, company):
    start = latest_start(now, amount, unit, company)
    assert deadline(start, amount, unit, company) <= now
    assert deadline(start + timedelta(seconds=2), amount, unit, company) > now


@pytest.mark.parametrize("unit", ["WORKING_HOURS", "WORKING_DAYS"])
def test_no_working_time_passes_where_no_work_is_done(unit):
    idle = Organisation(1, WorkingCalendar(ZoneInfo("Asia/Shanghai"), {}))
    with pytest.raises(Conflict) as refusal:
        latest_start(datetime(2026, 3, 2, tzinfo=UTC), 1, unit, idle)
    assert refusal.value.reason == "NO_WORKING_TIME"


def test_a_schedule_runs_once_for_each_lead_that_its_filter_finds(house, tick):
    boss = house.person()
    trigger = {"kind": "SCHEDULE", "schedule": {"time": "14:00"}, "filter": NEW}
    rule = house.rule(boss, trigger, [SET], 'lead.source == "展会"')
    leads = [house.lead(boss, source="展会") for _ in range(3)]
    other, done = house.lead(boss, source="网站"), house.lead(boss, source="展会", status="CONTACTED")
    tick(datetime(2026, 3, 2, 5, tzinfo=UTC))
    assert house.runs(rule) == []
    for at in (6, 6, 7):  # 14:00 in Shanghai is 6:00 UTC
        tick(datetime(2026, 3, 2, at, tzinfo=UTC))
    runs = house.runs(rule)
    assert sorted((run.record, run.outcome) for run in runs) == sorted(
        [*[(lead.name, "DONE") for lead in leads], (other.name, "NOT_MATCHED")]
    )
    assert house.now(done).channel is None
    tick(datetime(2026, 3, 3, 6, tzinfo=UTC))
    assert len(house.runs(rule)) == 8


@pytest.mark.parametrize(("by_clock", "state"), [(True, ("PUBLISHED", None)), (False, ("SUSPENDED", "TOO_MANY_RUNS"))])
def test_what_is_due_at_once_for_many_leads_is_no_circle(house, tick, monkeypatch, by_clock, state):
    monkeypatch.setattr(running, "MAX_PER_MINUTE", 2)
    boss = house.person()
    by = {"kind": "SCHEDULE", "schedule": {"time": "14:00"}} if by_clock else UPDATED
    rule = house.rule(boss, by, [SET])
    leads = [house.lead(boss) for _ in range(4)]
    if by_clock:
        tick(datetime(2026, 3, 2, 6, tzinfo=UTC))
    else:
        for lead in leads:
            house.change(boss, lead, source="展会")
        house.pump()
    assert house.state(rule) == state
    assert sum(run.outcome == "DONE" for run in house.runs(rule)) == (4 if by_clock else 2)


def test_a_delay_passes_once_for_each_lead_and_each_time_that_it_bears(house, tick, clock):
    boss = house.person()
    old = house.lead(boss)  # before the rule was published, and due before, too
    clock.set(datetime(2026, 3, 6, 4, tzinfo=UTC))  # a Friday, 12:00
    trigger = {"kind": "TIME_AFTER", "field": "create_time", "amount": 2, "unit": "WORKING_HOURS", "filter": NEW}
    rule = house.rule(boss, trigger, [SET])
    noon = house.lead(boss)
    clock.set(datetime(2026, 3, 6, 9, tzinfo=UTC))  # 17:00
    late = house.lead(boss)
    tick(datetime(2026, 3, 6, 6, 59, tzinfo=UTC))
    assert house.runs(rule) == []
    tick(datetime(2026, 3, 6, 7, 0, 1, tzinfo=UTC))  # 15:00: an hour's rest at noon
    assert [run.record for run in house.runs(rule)] == [noon.name]
    tick(datetime(2026, 3, 8, 7, tzinfo=UTC))  # a Sunday
    tick(datetime(2026, 3, 9, 2, 0, 1, tzinfo=UTC))  # Monday, 10:00
    tick(datetime(2026, 3, 9, 3, tzinfo=UTC))
    assert [run.record for run in house.runs(rule)] == [noon.name, late.name]
    assert house.now(old).channel is None


def test_a_rule_by_the_clock_stops_with_its_author_and_by_hand(house, tick):
    keeper = house.person()
    author = house.person()
    trigger = {"kind": "SCHEDULE", "schedule": {"time": "14:00"}}
    gone, stopped = house.rule(author, trigger, [SET]), house.rule(keeper, trigger, [SET])
    house.lead(keeper)
    house.person(user_id=author.user_id, active=False)
    with house.database.write(keeper) as session:
        suspend_rule(session, stopped.id)
    tick(datetime(2026, 3, 2, 6, tzinfo=UTC))
    assert house.state(gone) == ("SUSPENDED", "AUTHOR_LEFT")
    assert house.runs() == []


def test_a_calendar_without_working_time_stops_what_counts_in_it_alone(house, tick):
    boss = house.person()
    after = {"kind": "TIME_AFTER", "field": "create_time", "amount": 2, "unit": "WORKING_HOURS"}
    endless = house.rule(boss, after, [SET])
    daily = house.rule(boss, {"kind": "SCHEDULE", "schedule": {"time": "14:00"}}, [SET])
    house.lead(boss)
    idle = {"organisation": "organisation", "version": 1, "display_name": "", "locale": "zh-CN", "currency": "CNY"}
    idle |= {"time_zone": "Asia/Shanghai", "fiscal_year_start_month": 1, "fiscal_year_start_day": 1}
    idle |= {"first_day_of_week": 1, "weekly": [], "special": [], "statutory_until_year": 0}
    with house.database.write(service_caller("leads")) as session:
        learn(session, idle)
    _await_working_time(house, known=False)
    try:
        tick(datetime(2026, 3, 2, 6, tzinfo=UTC))
        assert house.state(endless) == ("SUSPENDED", "NO_WORKING_TIME")
        assert [run.outcome for run in house.runs(daily)] == ["DONE"]
    finally:
        with house.database.write(service_caller("leads")) as session:
            session.execute(text("DELETE FROM known_organisation"))
        _await_working_time(house, known=True)


def _await_working_time(house, *, known: bool) -> None:
    """Wait until this process goes by the calendar that was announced last."""
    with house.database.read(service_caller("leads")) as session:
        eventually(lambda: bool(organisation(session).calendar.weekly) is known)


def test_runs_are_kept_as_long_as_the_operator_says(house, clock):
    boss = house.person()
    house.rule(boss, {"kind": "EVENT", "event": "LeadCreated"}, [SET])
    house.lead(boss)
    house.pump()
    for days, left in ((89, 1), (91, 0)):
        with house.database.write(service_caller("leads")) as session:
            keeping.purge(session, clock() + timedelta(days=days), timedelta(days=90))
        assert len(house.runs()) == left
