"""Timers run once per period, on one replica, catch up, and follow the business time."""

import threading
from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from chassis import timers as timers_module
from chassis.callers import service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.testing import eventually
from chassis.testing.broker import running
from chassis.timers import Timer, TimerLoop, caught_up, turn_back
from sqlalchemy import text

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CALLER = service_caller("leads")


@pytest.fixture(scope="module")
def url(make_database):
    return make_database("timers")


@pytest.fixture
def clock():
    return FixedClock(NOON)


@pytest.fixture
def database(url, clock):
    database = Database("leads", url, clock=clock)
    with database.write(CALLER) as session:
        session.execute(text("TRUNCATE timer_run"))
        session.execute(text("CREATE TABLE IF NOT EXISTS ran (place bigserial, timer text, due timestamptz)"))
        session.execute(text("TRUNCATE ran"))
    yield database
    database.dispose()


def ran(database):
    with database.read(CALLER) as session:
        return [
            (name, due.astimezone(UTC))
            for name, due in session.execute(text("SELECT timer, due FROM ran ORDER BY place"))
        ]


def note(name):
    def run(session, due):
        session.execute(text("INSERT INTO ran (timer, due) VALUES (:name, :due)"), {"name": name, "due": due})

    return run


def hourly(name="hourly", run=None):
    return Timer(name, run or note(name), every=timedelta(hours=1))


@pytest.fixture
def standing(monkeypatch):
    """Real time stands still: what waits a little goes on waiting, however long the machine takes."""
    monkeypatch.setattr(timers_module, "monotonic_time", SimpleNamespace(monotonic=lambda: 1000.0))


def nightly(name="nightly", *, each_day=False):
    return Timer(name, note(name), daily_at=time(2, 30), each_day=each_day)


def loop(database, *timers, test_clock=False):
    return TimerLoop(database, timers, test_clock=test_clock)


def shanghai(day, hour, minute=0):
    return datetime(2026, 3, day, hour, minute, tzinfo=SHANGHAI).astimezone(UTC)


def test_timer_first_seen_begins_then(database, clock):
    timers = loop(database, hourly(), nightly())
    assert timers.look() == 30.0
    assert not ran(database)
    clock.advance(timedelta(minutes=59, seconds=50))
    assert timers.look() == pytest.approx(10, abs=0.1)
    clock.advance(timedelta(seconds=10))
    timers.look()
    assert ran(database) == [("hourly", NOON + timedelta(hours=1))]


def test_interval_timer_runs_once_after_downtime(database, clock):
    loop(database, hourly()).look()
    clock.advance(timedelta(hours=5, minutes=20))
    timers = loop(database, hourly())
    timers.look()
    timers.look()
    assert ran(database) == [("hourly", NOON + timedelta(hours=5))]


@pytest.mark.parametrize(("each_day", "days"), [(True, (3, 4, 5)), (False, (5,))])
def test_daily_timer_makes_up_for_each_day_missed_or_for_the_last(database, clock, each_day, days):
    loop(database, nightly(each_day=each_day)).look()
    clock.advance(timedelta(days=3))
    timers = loop(database, nightly(each_day=each_day))
    timers.look()
    timers.look()
    assert ran(database) == [("nightly", shanghai(day, 2, 30)) for day in days]


@pytest.mark.parametrize(("hour", "day"), [(2, 4), (3, 5)])
def test_the_last_day_missed_is_yesterday_before_the_time_of_day(database, clock, hour, day):
    loop(database, nightly()).look()
    clock.advance(shanghai(5, hour) - NOON)
    loop(database, nightly()).look()
    assert ran(database) == [("nightly", shanghai(day, 2, 30))]


def test_daily_timer_keeps_to_the_local_time_of_day_across_a_change_of_the_clocks():
    berlin, timer = ZoneInfo("Europe/Berlin"), nightly()
    due, dues = datetime(2026, 3, 27, 12, tzinfo=UTC), []
    for _ in range(4):
        due = timer.next_due(due, berlin)
        dues.append(due.astimezone(berlin).replace(tzinfo=None))
    assert [each.day for each in dues] == [28, 29, 30, 31]
    assert {each.time() for each in dues} <= {time(2, 30), time(3, 30)}, "02:30 does not exist on the 29th"


def test_timer_that_fails_leaves_nothing_and_is_tried_again_for_the_same_time(database, clock, standing):
    broken = threading.Event()
    broken.set()

    def run(session, due):
        note("hourly")(session, due)
        if broken.is_set():
            raise ValueError("not today")

    timers = loop(database, hourly(run=run), hourly("other"))
    timers.look()
    clock.advance(timedelta(hours=1))
    assert timers.look() <= 1.0
    assert ran(database) == [("other", NOON + timedelta(hours=1))]
    broken.clear()
    assert timers.look() <= 1.0, "it waits a little before it tries again"
    fresh = loop(database, hourly(run=run))
    fresh.look()
    assert ran(database)[1:] == [("hourly", NOON + timedelta(hours=1))]


def test_timer_that_passed_over_what_others_hold_comes_again_soon_for_the_same_time(database, clock, standing):
    held = [True, False]

    def run(session, due):
        note("hourly")(session, due)
        return held.pop(0)

    loop(database, hourly()).look()
    clock.advance(timedelta(hours=1))
    timers = loop(database, hourly(run=run))
    assert timers.look() == 1.0
    assert timers.look() == 1.0, "it waits a little before it looks again"
    loop(database, hourly(run=run)).look()
    loop(database, hourly(run=run)).look()
    assert ran(database) == [("hourly", NOON + timedelta(hours=1))] * 2


def test_two_replicas_run_a_timer_once(database, clock):
    entered, leave = threading.Event(), threading.Event()

    def run(session, due):
        note("hourly")(session, due)
        entered.set()
        assert leave.wait(60)

    loop(database, hourly()).look()
    clock.advance(timedelta(hours=1))
    first, second = loop(database, hourly(run=run)), loop(database, hourly())
    with running(first):
        assert entered.wait(60)
        assert second.look() <= 1.0, "it looks again soon"
        leave.set()
        eventually(lambda: ran(database))
    second.look()
    assert len(ran(database)) == 1


def test_timers_follow_a_moved_clock_at_once(database, clock):
    with running(loop(database, hourly(), nightly(), test_clock=True)):
        eventually(lambda: caught_up_until(database, NOON, 2))
        clock.advance(timedelta(days=2))
        eventually(lambda: caught_up_until(database, clock.now, 2))
        assert ran(database) == [("hourly", NOON + timedelta(days=2)), ("nightly", shanghai(4, 2, 30))]


def test_clock_moved_back_and_forth_between_two_looks_makes_timers_due_again(database, clock):
    timers = loop(database, hourly(), test_clock=True)
    timers.look()
    clock.advance(timedelta(hours=1, minutes=30))
    timers.look()
    for moment in (NOON + timedelta(minutes=40), NOON + timedelta(hours=2)):
        clock.set(moment)
        with database.write(CALLER) as session:
            turn_back(session, moment)
    timers.look()
    assert ran(database) == [("hourly", NOON + timedelta(hours=1)), ("hourly", NOON + timedelta(hours=1, minutes=40))]
    assert caught_up_until(database, clock.now, 1)


def test_a_look_that_the_clock_overtakes_backwards_says_nothing_of_the_time_after(database, clock):
    def run(session, due):
        clock.set(NOON)
        with database.write(CALLER) as other:
            turn_back(other, NOON)

    timers = loop(database, hourly(), hourly("other", run), test_clock=True)
    timers.look()
    clock.advance(timedelta(minutes=90))
    timers.look()
    assert not caught_up_until(database, NOON + timedelta(minutes=80), 2)


def test_clock_moved_back_makes_timers_due_again(database, clock):
    with running(loop(database, nightly(), test_clock=True)):
        eventually(lambda: caught_up_until(database, NOON, 1))
        clock.advance(timedelta(days=30))
        eventually(lambda: caught_up_until(database, clock.now, 1))
        clock.set(NOON)
        eventually(lambda: not caught_up_until(database, NOON + timedelta(days=1), 1))
        clock.advance(timedelta(days=1))
        eventually(lambda: caught_up_until(database, clock.now, 1))
    assert ran(database) == [("nightly", shanghai(31, 2, 30) + timedelta(days=1)), ("nightly", shanghai(3, 2, 30))]


def test_rows_of_former_timers_hold_nobody_up(database, clock):
    loop(database, hourly("former")).look()
    with running(loop(database, hourly(), test_clock=True)):
        clock.advance(timedelta(minutes=10))
        eventually(lambda: caught_up_until(database, clock.now, 1))


def caught_up_until(database, until, timers):
    with database.read(CALLER) as session:
        return session.scalar(text("SELECT count(*) FROM timer_run")) == timers and caught_up(session, until)


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"every": timedelta(hours=1), "daily_at": time(1)},
        {"every": timedelta(0)},
        {"every": timedelta(1), "each_day": True},
    ],
)
def test_timer_without_a_sensible_time_is_refused(when):
    with pytest.raises(ValueError, match="timer wrong"):
        Timer("wrong", note("wrong"), **when)


def test_two_timers_of_one_name_are_refused(database):
    with pytest.raises(ValueError, match="one name"):
        loop(database, hourly(), hourly())
