"""What services know of the organisation."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import chassis.organisation
import pytest
from chassis.bus.envelope import Received
from chassis.callers import service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.organisation import KnownOrganisation, organisation, subscription
from chassis.timers import Timer, TimerLoop
from sqlalchemy import delete

CALLER = service_caller("leads")
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
STATE = {
    "organisation": "organisation",
    "version": "3",
    "display_name": "关系科技有限公司",
    "locale": "zh-TW",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "fiscal_year_start_month": 4,
    "fiscal_year_start_day": 1,
    "first_day_of_week": 7,
    "weekly": [{"day": str(day), "windows": ["09:00-17:00"]} for day in range(1, 6)],
    "special": [
        {"day": "2026-10-01"},
        {"day": "2026-10-10", "ordinary": True},
        {"day": "2026-12-24", "windows": ["09:00-12:00"]},
    ],
    "statutory_until_year": 2026,
}


@pytest.fixture
def database(make_database, monkeypatch):
    monkeypatch.setattr(chassis.organisation, "FRESH_SECONDS", 0.0)
    database = Database("leads", make_database("known"), clock=FixedClock(NOON), zone=ZoneInfo("Asia/Urumqi"))
    yield database
    with database.write(CALLER) as session:
        session.execute(delete(KnownOrganisation))
    database.dispose()


def hear(database, **changes):
    subscribed = subscription("leads")
    assert subscribed.queue == "leads.company"
    event = Received(
        uuid4(), "crm.identity.v1.OrganisationChanged", "identity", "organisation", NOON, "", STATE | changes
    )
    with database.write(CALLER) as session:
        subscribed.handle(session, event)
        return organisation(session)


def known(database):
    with database.read(CALLER) as session:
        return organisation(session)


def test_until_the_first_event_the_settings_hold(database):
    found = known(database)
    assert (found.version, found.zone, found.currency) == (0, ZoneInfo("Asia/Urumqi"), "CNY")
    assert found.calendar.is_working_day(date(2026, 3, 2))
    assert not found.calendar.is_working_day(date(2026, 3, 1))


def test_what_was_announced_is_known(database):
    assert hear(database) == known(database)
    found = known(database)
    assert (found.version, found.display_name, found.locale, found.currency) == (3, "关系科技有限公司", "zh-TW", "EUR")
    assert found.zone == ZoneInfo("Europe/Berlin")
    assert found.first_day_of_week == date(2026, 3, 1).weekday()
    assert found.statutory_until_year == 2026
    assert [found.fiscal_year(day) for day in (date(2026, 3, 31), date(2026, 4, 1))] == [2025, 2026]
    assert found.day_of(datetime(2026, 3, 2, 23, 30, tzinfo=UTC)) == date(2026, 3, 3)
    texts = {
        day: [window.texts for window in found.calendar.windows_of(date(2026, *day))]
        for day in ((10, 1), (10, 10), (12, 24))
    }
    assert texts == {(10, 1): [], (10, 10): [("09:00", "17:00")], (12, 24): [("09:00", "12:00")]}


def test_an_older_state_changes_nothing(database):
    hear(database)
    assert hear(database, version="2", currency="USD").currency == "EUR"
    assert hear(database, version="4", currency="USD").currency == "USD"


def test_what_is_rolled_back_is_not_remembered(database, monkeypatch):
    monkeypatch.setattr(chassis.organisation, "FRESH_SECONDS", 60.0)
    with database.write(CALLER) as session:
        chassis.organisation.learn(session, STATE | {"special": []})
        assert organisation(session).version == 3
        session.rollback()
    assert known(database).version == 0


def test_reads_within_a_second_cost_no_statement(database, monkeypatch):
    monkeypatch.setattr(chassis.organisation, "FRESH_SECONDS", 60.0)
    before = known(database)
    with database.write(CALLER) as session:
        session.add(KnownOrganisation(id=1, version=5, state={}, learn_time=NOON))
    assert known(database) is before


def test_timers_follow_the_organisations_clock(database):
    ran = []
    timer = Timer("nightly", lambda session, due: ran.append(due), daily_at=time(2, 30))
    loop = TimerLoop(database, [timer], test_clock=False)
    loop.look()  # the first sight of a timer is when it begins
    hear(database)
    database.clock.advance(timedelta(hours=22))  # 03:00 in Berlin the next day
    loop.look()
    assert ran == [datetime(2026, 3, 3, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))]
