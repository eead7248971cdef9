"""Due times by the working calendar, and recurrence by the wall clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from chassis.calendars import Window, WorkingCalendar
from chassis.errors import Conflict, Invalid
from chassis.organisation import DEFAULT_WEEK
from hypothesis import given
from hypothesis import strategies as st
from leads.tasks.due import DueRule, DueUnit
from leads.tasks.recurrence import next_time, parse

CHINA, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
# The National Day of 2026: free from 1 to 7 October, made up for on the Saturday 10 and the Sunday 20 September (调休).
HOLIDAY = {date(2026, 10, day): () for day in range(1, 8)} | {date(2026, 9, 20): None, date(2026, 10, 10): None}
CALENDAR = WorkingCalendar(CHINA, DEFAULT_WEEK, HOLIDAY)


def china(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=CHINA)


@pytest.mark.parametrize(
    ("amount", "unit", "start", "due"),
    [
        (3, "WORKING_HOURS", china(2026, 9, 30, 16), china(2026, 10, 8, 10)),
        (2, "WORKING_HOURS", china(2026, 10, 9, 17), china(2026, 10, 10, 10)),
        (1, "WORKING_HOURS", china(2026, 9, 30, 11, 30), china(2026, 9, 30, 13, 30)),
        (1, "WORKING_DAYS", china(2026, 9, 30, 16), china(2026, 10, 8, 18)),
        (1, "WORKING_DAYS", china(2026, 10, 9, 9), china(2026, 10, 10, 18)),
        (2, "WORKING_DAYS", china(2026, 10, 9, 9), china(2026, 10, 12, 18)),
        (0, "WORKING_DAYS", china(2026, 10, 9, 9), china(2026, 10, 9, 18)),
        (0, "WORKING_DAYS", china(2026, 10, 9, 20), china(2026, 10, 10, 18)),
        (0, "WORKING_DAYS", china(2026, 10, 3, 9), china(2026, 10, 8, 18)),
        (3, "DAYS", china(2026, 9, 30, 16), china(2026, 10, 3, 16)),
        (3, "HOURS", china(2026, 9, 30, 23), china(2026, 10, 1, 2)),
    ],
)
def test_a_due_time_is_reckoned_by_the_calendar_with_its_holidays_and_make_up_days(amount, unit, start, due):
    assert DueRule(amount, DueUnit(unit)).after(start, CALENDAR) == due


def test_days_of_the_calendar_keep_the_time_of_day_where_the_clock_is_put_forward():
    calendar = WorkingCalendar(BERLIN, DEFAULT_WEEK)
    start = datetime(2026, 3, 28, 9, tzinfo=BERLIN)
    due = DueRule(1, DueUnit.DAYS).after(start, calendar)
    assert due == datetime(2026, 3, 29, 9, tzinfo=BERLIN)
    assert due - start.astimezone(UTC) == timedelta(hours=23)


def test_a_calendar_without_work_and_an_amount_out_of_range_are_refused():
    with pytest.raises(Conflict, match="no working time"):
        DueRule(1, DueUnit.WORKING_DAYS).after(china(2026, 9, 30), WorkingCalendar(CHINA, {0: ()}))
    with pytest.raises(Invalid, match="from 0 to"):
        DueRule(-1, DueUnit.HOURS)


@given(
    amount=st.integers(0, 60),
    start=st.datetimes(datetime(2026, 9, 1), datetime(2026, 11, 30), timezones=st.just(CHINA)),
)
def test_working_days_end_with_work_and_so_many_lie_between(amount, start):
    due = DueRule(amount, DueUnit.WORKING_DAYS).after(start, CALENDAR)
    day = due.astimezone(CHINA).date()
    assert due >= start
    assert CALENDAR.is_working_day(day)
    assert due == datetime.combine(day, datetime.min.time(), CHINA) + timedelta(
        minutes=CALENDAR.windows_of(day)[-1].end
    )
    between = [start.date() + timedelta(days=n) for n in range(1, (day - start.date()).days + 1)]
    if amount:
        assert sum(map(CALENDAR.is_working_day, between)) == amount


@pytest.mark.parametrize(
    ("rule", "start", "after", "following"),
    [
        # Nine o'clock stays nine o'clock when the clocks change.
        ("FREQ=WEEKLY", (2026, 3, 23, 9), (2026, 3, 23, 9), (2026, 3, 30, 9)),
        ("FREQ=DAILY", (2026, 10, 24, 9), (2026, 10, 24, 9), (2026, 10, 25, 9)),
        # 2:30 is skipped on 29 March: it is as much later as the clock is put forward.
        ("FREQ=DAILY", (2026, 3, 28, 2, 30), (2026, 3, 28, 2, 30), (2026, 3, 29, 3, 30)),
        ("FREQ=DAILY", (2026, 3, 28, 2, 30), (2026, 3, 29, 4, 0), (2026, 3, 30, 2, 30)),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", (2026, 1, 31, 9), (2026, 1, 31, 9), (2026, 2, 28, 9)),
        ("FREQ=MONTHLY;BYDAY=2TU", (2026, 1, 13, 9), (2026, 3, 1, 9), (2026, 3, 10, 9)),
        ("FREQ=DAILY;COUNT=2", (2026, 3, 1, 9), (2026, 3, 2, 9), None),
        ("FREQ=DAILY;UNTIL=20260302T090000Z", (2026, 3, 1, 9), (2026, 3, 2, 9), None),
    ],
)
def test_a_series_goes_by_the_wall_clock(rule, start, after, following):
    times = [datetime(*parts, tzinfo=BERLIN) for parts in (start, after)]
    found = next_time(rule, *times, BERLIN)
    assert found == (datetime(*following, tzinfo=BERLIN) if following else None)


@pytest.mark.parametrize(
    "rule",
    [
        "weekly",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=3",
        "FREQ=DAILY;UNTIL=20260302",
        "FREQ=DAILY;INTERVAL=x",
        "FREQ=DAILY;NONSENSE=1",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=DAILY\nDTSTART=20260302",
        # These would keep a server looking for a next time in vain, or for ever.
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;BYMONTHDAY=2;INTERVAL=0",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=4,6;BYMONTHDAY=31,-31",
        "FREQ=DAILY;BYEASTER=500",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=DAILY;BYMONTH=2L",
    ],
)
def test_what_is_no_rule_of_the_standard_is_refused(rule):
    with pytest.raises(Invalid) as refused:
        parse(rule)
    assert refused.value.reason == "INVALID_RECURRENCE"


def test_a_day_that_few_years_have_is_found():
    rule = parse("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29")
    start = datetime(2026, 1, 1, 9, tzinfo=BERLIN)
    assert next_time(rule, start, start, BERLIN) == datetime(2028, 2, 29, 9, tzinfo=BERLIN)


def test_a_rule_is_kept_in_one_form():
    assert parse(" rrule:freq=weekly;byday=mo ") == "FREQ=WEEKLY;BYDAY=MO"
    assert parse("  ") is None


def test_a_window_that_ends_at_midnight_is_the_next_day_s_beginning():
    calendar = WorkingCalendar(CHINA, dict.fromkeys(range(7), (Window(0, 1440),)))
    assert DueRule(0, DueUnit.WORKING_DAYS).after(china(2026, 3, 2, 9), calendar) == china(2026, 3, 3)
