"""Working time."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from chassis.calendars import MAX_WINDOWS, MINUTES_PER_DAY, Window, WorkingCalendar, day_windows, parse_day
from chassis.errors import Conflict, Invalid
from hypothesis import given, settings
from hypothesis import strategies as st

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
OFFICE = (Window.parse("09:00", "17:00"),)
SPLIT = (Window.parse("09:00", "12:00"), Window.parse("13:00", "18:00"))
HOUR = timedelta(hours=1)


def week(windows, days=range(5)):
    return dict.fromkeys(days, windows)


def at(text, zone=SHANGHAI):
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("windows", "start", "hours", "end"),
    [
        (OFFICE, "2026-03-06 16:30", 1, "2026-03-09 09:30"),  # over a weekend
        (OFFICE, "2026-03-06 16:00", 1, "2026-03-06 17:00"),  # the end of a window, not the start of the next
        (OFFICE, "2026-03-07 12:00", 0, "2026-03-09 09:00"),
        (OFFICE, "2026-03-06 12:00", 0, "2026-03-06 12:00"),
        (OFFICE, "2026-03-02 08:00", 40, "2026-03-06 17:00"),
        (SPLIT, "2026-03-06 11:30", 1, "2026-03-06 13:30"),
        (SPLIT, "2026-03-06 12:30", 5, "2026-03-06 18:00"),
        (SPLIT, "2026-03-06 17:59", 8, "2026-03-09 17:59"),
    ],
)
def test_working_time_is_added(windows, start, hours, end):
    calendar = WorkingCalendar(SHANGHAI, week(windows))
    found = calendar.add_working_time(at(start), timedelta(hours=hours))
    assert found == at(end)
    assert found.tzinfo is UTC


def test_days_deviate_from_their_week():
    sunday, monday = date(2026, 2, 15), date(2026, 2, 16)
    calendar = WorkingCalendar(SHANGHAI, week(SPLIT), {sunday: None, monday: (), date(2026, 2, 17): OFFICE})
    assert [calendar.is_working_day(day) for day in (sunday, monday)] == [True, False]
    assert calendar.windows_of(sunday) == SPLIT
    assert calendar.add_working_time(at("2026-02-13 17:30"), HOUR) == at("2026-02-15 09:30")
    assert calendar.add_working_time(at("2026-02-15 17:30"), HOUR) == at("2026-02-17 09:30")
    assert calendar.working_time_between(at("2026-02-15 00:00"), at("2026-02-18 00:00")) == 16 * HOUR
    assert calendar.next_working_moment(at("2026-02-16 10:00")) == at("2026-02-17 09:00")


def test_work_goes_on_until_the_end_of_a_window():
    calendar = WorkingCalendar(SHANGHAI, week(SPLIT))
    assert calendar.next_working_moment(at("2026-03-06 11:59")) == at("2026-03-06 11:59")
    assert calendar.next_working_moment(at("2026-03-06 12:00")) == at("2026-03-06 13:00")
    assert calendar.next_working_moment(at("2026-03-06 18:00")) == at("2026-03-09 09:00")


@pytest.mark.parametrize(
    ("day", "window", "hours"),
    [
        ("2026-03-29", ("00:00", "24:00"), 23),  # 02:00 becomes 03:00
        ("2026-03-29", ("01:00", "02:30"), 1),  # ends while the clock leaps
        ("2026-03-29", ("02:15", "04:00"), 1),
        ("2026-03-29", ("02:10", "02:50"), 0),
        ("2026-10-25", ("00:00", "24:00"), 25),  # 03:00 becomes 02:00
        ("2026-10-25", ("02:30", "04:00"), 2.5),
    ],
)
def test_a_window_is_as_long_as_the_clock_makes_it(day, window, hours):
    calendar = WorkingCalendar(BERLIN, {6: (Window.parse(*window),)})
    start = at(f"{day} 00:00", BERLIN)
    # Astronomers' days: times of one zone subtract by the wall clock otherwise.
    assert calendar.working_time_between(start.astimezone(UTC), start.astimezone(UTC) + 30 * HOUR) == hours * HOUR


def test_a_calendar_without_work_says_so():
    calendar = WorkingCalendar(SHANGHAI, {0: ()})
    for ask in (
        lambda: calendar.add_working_time(at("2026-03-06 16:30"), HOUR),
        lambda: calendar.next_working_moment(at("2026-03-06 16:30")),
    ):
        with pytest.raises(Conflict) as refused:
            ask()
        assert refused.value.reason == "NO_WORKING_TIME"
    assert calendar.working_time_between(at("2026-03-06 16:30"), at("2027-03-06 16:30")) == timedelta()
    with pytest.raises(ValueError, match="taken back"):
        calendar.add_working_time(at("2026-03-06 16:30"), -HOUR)


@pytest.mark.parametrize(
    "texts", [("9:00", "17:00"), ("09:00", "24:01"), ("09:60", "10:00"), ("", ""), ("٠٩:٠٠", "10:00")]
)
def test_times_of_day_have_one_form(texts):
    with pytest.raises(Invalid) as refused:
        Window.parse(*texts)
    assert refused.value.reason == "INVALID_TIME_OF_DAY"


def test_windows_of_a_day_are_apart():
    assert day_windows(SPLIT[::-1]) == SPLIT
    assert SPLIT[0].texts == ("09:00", "12:00")
    for windows, reason in (
        ((Window(0, 60), Window(59, 120)), "OVERLAPPING_WINDOWS"),
        ([Window(n, n + 1) for n in range(MAX_WINDOWS + 1)], "TOO_MANY_WINDOWS"),
    ):
        with pytest.raises(Invalid) as refused:
            day_windows(windows)
        assert refused.value.reason == reason
    with pytest.raises(Invalid) as refused:
        Window.parse("12:00", "12:00")
    assert refused.value.reason == "INVALID_WINDOW"


@st.composite
def windows(draw, least=0):
    quarters = st.integers(0, MINUTES_PER_DAY // 15).map(lambda quarter: quarter * 15)
    bounds = draw(st.lists(quarters, min_size=2 * least, max_size=6, unique=True).map(sorted))
    return tuple(Window(*pair) for pair in zip(bounds[::2], bounds[1::2], strict=False))


ZONES = st.sampled_from(
    [SHANGHAI, BERLIN, *map(ZoneInfo, ("America/Santiago", "Australia/Lord_Howe", "Africa/Cairo", "America/New_York"))]
)
DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))


@st.composite
def calendars(draw):
    weekly = draw(st.dictionaries(st.integers(0, 6), windows())) | {draw(st.integers(0, 6)): draw(windows(least=1))}
    return WorkingCalendar(draw(ZONES), weekly, draw(st.dictionaries(DAYS, st.none() | windows(), max_size=20)))


unhurried = settings(deadline=None)
MOMENTS = st.datetimes(datetime(2024, 1, 2), datetime(2027, 12, 30)).map(lambda time: time.replace(tzinfo=UTC))
DURATIONS = st.timedeltas(timedelta(), timedelta(hours=30)).map(
    lambda by: timedelta(seconds=by // timedelta(seconds=1))
)


@unhurried
@given(calendars(), MOMENTS, DURATIONS)
def test_what_is_added_lies_between(calendar, start, by):
    assert calendar.working_time_between(start, calendar.add_working_time(start, by)) == by


@unhurried
@given(calendars(), MOMENTS, DURATIONS, DURATIONS)
def test_adding_twice_is_adding_the_sum(calendar, start, first, second):
    step = calendar.add_working_time(calendar.add_working_time(start, first), second)
    assert step == calendar.add_working_time(start, first + second)


@unhurried
@given(calendars(), MOMENTS, MOMENTS, DURATIONS, DURATIONS)
def test_later_and_longer_never_ends_sooner(calendar, start, other, by, more):
    early, late = sorted((start, other))
    assert calendar.add_working_time(early, by) <= calendar.add_working_time(late, by)
    assert calendar.add_working_time(start, min(by, more)) <= calendar.add_working_time(start, max(by, more))


@unhurried
@given(calendars(), MOMENTS, MOMENTS, MOMENTS)
def test_working_time_adds_up(calendar, one, two, three):
    between = calendar.working_time_between
    assert between(one, two) + between(two, three) == between(one, three)
    assert abs(between(one, two)) <= abs(two - one)


def wall_minutes(moment, zone):
    local = moment.astimezone(zone)
    return local.date(), local.hour * 60 + local.minute + (local.second + local.microsecond / 1e6) / 60


def is_within(calendar, moment):
    """By the wall clock, microseconds around the moment, so that both ends of a window count as inside."""
    for near in (moment - timedelta(microseconds=1), moment, moment + timedelta(microseconds=1)):
        day, minutes = wall_minutes(near, calendar.zone)
        if any(window.start <= minutes < window.end for window in calendar.windows_of(day)):
            return True
    return False


@unhurried
@given(calendars(), MOMENTS, DURATIONS)
def test_results_lie_in_windows(calendar, start, by):
    assert is_within(calendar, calendar.add_working_time(start, by))
    following = calendar.next_working_moment(start)
    assert following >= start
    assert is_within(calendar, following)
    assert calendar.working_time_between(start, following) == timedelta()
    assert calendar.working_time_between(following, following + timedelta(seconds=1)) > timedelta()


@pytest.mark.parametrize("written", ["", "gestern", "2026-02-30", "0001-01-01", "9999-12-31"])
def test_days_are_refused_that_are_none_or_at_the_ends_of_all_times(written):
    with pytest.raises(Invalid) as refused:
        parse_day(written, field="until")
    assert (refused.value.reason, refused.value.field) == ("INVALID_DATE", "until")


@pytest.mark.parametrize("written", ["1900-01-01", "9990-12-31"])
def test_a_day_that_may_be_asked_for_begins_and_ends_everywhere(written):
    day = parse_day(written, field="until")
    for zone in (ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")):
        begins, ends = (datetime.combine(one, datetime.min.time(), zone) for one in (day, day + timedelta(days=1)))
        assert begins.astimezone(UTC) < ends.astimezone(UTC)
