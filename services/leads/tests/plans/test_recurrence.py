"""How plans recur, across zones and changes of the clocks."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from chassis.errors import Invalid
from hypothesis import given, settings
from hypothesis import strategies as st
from leads.plans.calendar import union, without
from leads.plans.recurrence import Series, Slot, moment_of, parse_rule

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Shanghai")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Rules that name the day on which they begin, whichever that is.
RULES = (
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=DAILY;COUNT=200",
    "FREQ=WEEKLY",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=60",
    "FREQ=MONTHLY",
    "FREQ=YEARLY",
)


def series(zone, wall, length=HOUR, rule=None, *, all_day=False):
    start = moment_of(wall, ZoneInfo(zone))
    end = moment_of(wall + length, ZoneInfo(zone)) if all_day else start + length
    one = Series(start, end, zone, all_day)
    return replace(one, rule=parse_rule(rule, one)) if rule else one


def local(moment, zone):
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


walls = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)).map(
    lambda moment: moment.replace(second=0, microsecond=0, fold=0)
)
some_series = st.builds(
    series,
    st.sampled_from(ZONES),
    walls,
    st.integers(5, 3 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    st.sampled_from([None, *RULES]),
)


@settings(max_examples=60, deadline=None)
@given(one=some_series, offset=st.integers(-400, 900), length=st.integers(1, 60 * 24 * 90))
def test_what_is_in_a_window_is_the_whole_cut_to_it(one, offset, length):
    start = one.start + timedelta(days=offset)
    end = start + timedelta(minutes=length)
    whole = list(one.expand(one.start - DAY, one.start + timedelta(days=1_100)))
    assert list(one.expand(start, end)) == [slot for slot in whole if slot.overlaps(Slot(start, end))]


@settings(max_examples=60, deadline=None)
@given(one=some_series)
def test_the_time_of_day_stays_whatever_the_clocks_do(one):
    zone, wall = one.time_zone, local(one.start, one.time_zone)
    for slot in one.expand(one.start, one.start + timedelta(days=800)):
        expected = datetime.combine(local(slot.start, zone).date(), wall.time())
        skipped = local(moment_of(expected, ZoneInfo(zone)), zone) != expected
        assert skipped or local(slot.start, zone) == expected
        assert slot.end - slot.start == one.end - one.start


@settings(max_examples=50, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2024, 1, 1), date(2027, 12, 31)),
    days=st.integers(1, 5),
    rule=st.sampled_from(["FREQ=DAILY;COUNT=400", "FREQ=WEEKLY;COUNT=60"]),
)
def test_whole_days_are_whole_days_though_some_have_23_or_25_hours(zone, day, days, rule):
    one = series(zone, datetime.combine(day, datetime.min.time()), timedelta(days=days), rule, all_day=True)
    for slot in one.all():
        begins, ends = local(slot.start, zone), local(slot.end, zone)
        assert (begins.time(), ends.time()) == (datetime.min.time(),) * 2
        assert ends - begins == timedelta(days=days)


@settings(max_examples=60, deadline=None)
@given(one=some_series, other=some_series)
def test_overlap_is_mutual_and_means_a_common_moment(one, other):
    for mine in one.expand(one.start, one.start + 40 * DAY):
        for theirs in other.expand(mine.start - DAY, mine.end + DAY):
            common = max(mine.start, theirs.start) < min(mine.end, theirs.end)
            assert mine.overlaps(theirs) is theirs.overlaps(mine) is common


@settings(max_examples=50, deadline=None)
@given(one=some_series, until=st.integers(0, 500))
def test_until_ends_a_series_where_it_says(one, until):
    if one.rule is None or "COUNT" in one.rule:
        return
    last = one.start + timedelta(days=until)
    ended = replace(one, rule=parse_rule(f"{one.rule};UNTIL={last:%Y%m%dT%H%M%SZ}", replace(one, rule=None)))
    expected = [slot for slot in one.expand(one.start, last + DAY) if slot.start <= last]
    assert ended.all() == expected
    assert ended.ends


def test_a_meeting_at_nine_stays_at_nine_when_the_clocks_change():
    one = series("America/New_York", datetime(2026, 3, 5, 9), rule="FREQ=DAILY;COUNT=6")
    assert [slot.start.hour for slot in one.all()] == [14, 14, 14, 13, 13, 13]  # the 8th is the change
    berlin = series("Europe/Berlin", datetime(2026, 10, 23, 9), rule="FREQ=DAILY;COUNT=4")
    assert [slot.start.hour for slot in berlin.all()] == [7, 7, 8, 8]
    shanghai = series("Asia/Shanghai", datetime(2026, 3, 5, 9), rule="FREQ=DAILY;COUNT=40")
    assert {slot.start.hour for slot in shanghai.all()} == {1}


def test_a_time_that_is_skipped_is_taken_as_before_the_change_and_a_double_one_for_the_first():
    spring = series("America/New_York", datetime(2026, 3, 7, 2, 30), rule="FREQ=DAILY;COUNT=3")
    assert [local(slot.start, spring.time_zone).strftime("%d %H:%M") for slot in spring.all()] == [
        "07 02:30",
        "08 03:30",
        "09 02:30",
    ]
    autumn = series("America/New_York", datetime(2026, 10, 31, 1, 30), rule="FREQ=DAILY;COUNT=3")
    assert [slot.start.hour for slot in autumn.all()] == [5, 5, 6]


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "FREQ=SECONDLY",
        "FREQ=HOURLY;COUNT=3",
        "FREQ=DAILY;FREQ=WEEKLY",
        "FREQ=DAILY;BYHOUR=9",
        "FREQ=DAILY;COUNT=3;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=20260101",
        "FREQ=DAILY;UNTIL=20400101",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=0",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=2MO",
        "FREQ=WEEKLY;BYDAY=TU",
        "FREQ=MONTHLY;BYDAY=5MO",
        "FREQ=MONTHLY;BYDAY=2MO",
        "FREQ=MONTHLY;BYMONTHDAY=2;BYSETPOS=2",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=3L",
        "X" * 301,
        "RRULE",
    ],
)
def test_rules_that_are_not_offered_are_refused(rule):
    one = series("Asia/Shanghai", datetime(2026, 3, 2, 9))  # a Monday, the first of its month
    with pytest.raises(Invalid) as refused:
        parse_rule(rule, one)
    assert (refused.value.reason, refused.value.field) == ("INVALID_RECURRENCE", "recurrence")


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=WEEKLY;BYDAY=MO,WE", ["2026-03-02", "2026-03-04", "2026-03-09"]),
        ("RRULE:FREQ=MONTHLY;BYDAY=1MO", ["2026-03-02", "2026-04-06", "2026-05-04"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", ["2026-03-02", "2026-04-01", "2026-05-01"]),
        ("FREQ=MONTHLY;BYMONTHDAY=2,31", ["2026-03-02", "2026-03-31", "2026-04-02"]),
        ("FREQ=YEARLY", ["2026-03-02", "2027-03-02", "2028-03-02"]),
    ],
)
def test_rules_by_days_of_weeks_and_months(rule, days):
    one = series("Asia/Shanghai", datetime(2026, 3, 2, 9), rule=rule)
    found = [str(one.day_of(slot.start)) for slot in one.expand(one.start, one.start + timedelta(days=900))]
    assert found[:3] == days


moments = st.integers(0, 200).map(lambda hours: datetime(2026, 3, 2, tzinfo=UTC) + hours * HOUR)
slots = st.tuples(moments, st.integers(1, 20)).map(lambda given: Slot(given[0], given[0] + given[1] * HOUR))


@given(busy=st.lists(slots, max_size=12), stretch=slots)
def test_what_is_free_is_what_is_not_busy_hour_by_hour(busy, stretch):
    merged = union(busy)
    free = without(stretch, merged)
    assert all(one.end < other.start for one, other in pairwise(merged))
    at = stretch.start
    while at < stretch.end:
        hour = Slot(at, at + HOUR)
        taken = any(hour.overlaps(slot) for slot in busy)
        assert any(hour.overlaps(slot) for slot in merged) is taken
        assert any(hour.overlaps(slot) for slot in free) is not taken
        at += HOUR
