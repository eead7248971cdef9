"""The company's profile and working calendar."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from uuid import uuid4

import pytest
from chassis.callers import service_caller
from chassis.testing import eventually
from crm.identity.v1 import organisation_calendar_pb2 as calendar_pb
from crm.identity.v1 import organisation_calendar_service_pb2 as calendars
from crm.identity.v1 import organisation_calendar_service_pb2_grpc, organisation_service_pb2_grpc
from crm.identity.v1 import organisation_pb2 as pb
from crm.identity.v1 import organisation_service_pb2 as service
from identity.bootstrap import bootstrap
from identity.main import SERVICE
from identity.testing import grant, refused
from PIL import Image


@pytest.fixture(scope="module")
def profiles(suite):
    return organisation_service_pb2_grpc.OrganisationServiceStub(suite.channel)


@pytest.fixture(scope="module")
def calendar(suite):
    return organisation_calendar_service_pb2_grpc.OrganisationCalendarServiceStub(suite.channel)


@pytest.fixture(scope="module")
def reader(suite):
    return suite.somebody()[1]


@pytest.fixture
def change(suite, profiles):
    def update(*paths, metadata=None, **fields):
        request = service.UpdateOrganisationRequest(organisation=pb.Organisation(**fields), request_id=str(uuid4()))
        request.update_mask.paths.extend(paths)
        return profiles.UpdateOrganisation(request, metadata=metadata or suite.admin)

    return update


@pytest.fixture
def set_day(suite, calendar):
    def set_(date, title="公司日", working=False, windows=(), etag="", metadata=None):
        shown = [calendar_pb.WorkingWindow(start=start, end=end) for start, end in windows]
        day = calendar_pb.SpecialDay(date=date, display_name=title, working=working, windows=shown, etag=etag)
        request = calendars.SetSpecialDayRequest(special_day=day, request_id=str(uuid4()))
        return calendar.SetSpecialDay(request, metadata=metadata or suite.admin)

    return set_


@pytest.fixture
def days(calendar, reader):
    def get(first, last=""):
        request = calendars.GetWorkingDaysRequest(start_date=first, end_date=last or first)
        return calendar.GetWorkingDays(request, metadata=reader)

    return get


def get(profiles, metadata):
    return profiles.GetOrganisation(service.GetOrganisationRequest(), metadata=metadata)


def told(suite):
    return suite.events("OrganisationChanged")[-1]


def test_an_installation_begins_with_a_profile_that_everybody_reads(suite, profiles, reader):
    found = get(profiles, reader)
    assert (found.name, found.display_name, found.currency) == ("organisation", "总部", "CNY")
    assert (found.time_zone, found.locale) == ("Asia/Shanghai", "zh-CN")
    assert found.statutory_calendar == pb.STATUTORY_CALENDAR_CHINA
    before = suite.events("OrganisationChanged")
    bootstrap(suite.runtime)
    assert suite.events("OrganisationChanged") == before
    [timer] = [each for each in SERVICE.timers(suite.runtime) if each.name == "announce-organisation"]
    with suite.runtime.database.write(service_caller("identity")) as session:
        timer.run(session, session.now)
    assert suite.events("OrganisationChanged") == [*before, before[-1]]


def test_the_profile_changes_and_everybody_is_told(suite, profiles, change):
    before = told(suite)["version"]
    changed = change(
        display_name="上海关系科技有限公司",
        time_zone="Asia/Urumqi",
        currency="eur",
        fiscal_year_start_month=4,
        fiscal_year_start_day=30,
        first_day_of_week=pb.DAY_OF_WEEK_SUNDAY,
        locale="zh-TW",
    )
    assert get(profiles, suite.admin) == changed
    state = told(suite)
    assert state["version"] == before + 1
    assert (state["display_name"], state["time_zone"], state["currency"]) == (
        "上海关系科技有限公司",
        "Asia/Urumqi",
        "EUR",
    )
    assert (state["fiscal_year_start_month"], state["fiscal_year_start_day"]) == (4, 30)
    assert (state["first_day_of_week"], state["locale"]) == (7, "zh-TW")
    assert suite.audited("organisation")[-1] == "organisation.update"
    assert change("time_zone", time_zone="Asia/Urumqi") == changed
    assert told(suite) == state
    eventually(lambda: suite.user().locale == "zh-TW")
    change(time_zone="Asia/Shanghai", currency="CNY", locale="zh-CN")


def test_a_credit_code_has_its_check_digit(suite, profiles, change):
    good = "91110000600037341L"
    assert change("credit_code", credit_code=good).credit_code == good
    with refused("INVALID_ARGUMENT", "INVALID_CREDIT_CODE"):
        change("credit_code", credit_code="91110000600037341A")
    assert change("credit_code").credit_code == ""


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("display_name", " ", "INVALID_DISPLAY_NAME"),
        ("locale", "fr", "INVALID_LOCALE"),
        ("currency", "RMB", "INVALID_CURRENCY"),
        ("time_zone", "Mars/Olympus", "INVALID_TIME_ZONE"),
        ("time_zone", "../etc/passwd", "INVALID_TIME_ZONE"),
        ("fiscal_year_start_month", 13, "INVALID_FISCAL_YEAR_START"),
        ("fiscal_year_start_day", 0, "INVALID_FISCAL_YEAR_START"),
        ("first_day_of_week", 0, "INVALID_DAY_OF_WEEK"),
        ("statutory_calendar", 0, "REQUIRED"),
        ("logo_digest", "x", "INVALID_FIELD_MASK"),
    ],
)
def test_what_cannot_be_is_refused(change, field, value, reason):
    with refused("INVALID_ARGUMENT", reason):
        change(field, **{field: value})


def test_the_profile_concerns_the_whole_company(suite, change, set_day):
    department = suite.department()
    _, narrow = suite.somebody(grant("organisation.update", "DEPARTMENT_TREE"), department=department.name)
    _, nobody = suite.somebody()
    for metadata, reason in ((narrow, "SCOPE_TOO_NARROW"), (nobody, "PERMISSION_DENIED")):
        with refused("PERMISSION_DENIED", reason):
            change(display_name="别的公司", metadata=metadata)
        with refused("PERMISSION_DENIED", reason):
            set_day("2026-05-20", metadata=metadata)


def test_of_two_changes_at_once_the_later_is_refused(suite, profiles, change):
    etag = get(profiles, suite.admin).etag
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(change, display_name=name, etag=etag) for name in ("甲公司", "乙公司")]
    assert sorted(str(each.exception() is None) for each in made) == ["False", "True"]
    with refused("ABORTED", "STALE_ETAG"):
        change(display_name="丙公司", etag=etag)


def picture(kind, size=(64, 64)):
    file = BytesIO()
    Image.new("RGB", size, "red").save(file, kind)
    return file.getvalue()


def test_a_logo_is_kept_as_it_is_and_removed(suite, profiles, reader):
    def set_(data, etag=""):
        request = service.SetOrganisationLogoRequest(data=data, etag=etag, request_id=str(uuid4()))
        return profiles.SetOrganisationLogo(request, metadata=suite.admin)

    for kind in ("PNG", "JPEG"):
        data = picture(kind)
        digest = set_(data).logo_digest
        assert digest == get(profiles, reader).logo_digest
        found = profiles.GetOrganisationLogo(service.GetOrganisationLogoRequest(), metadata=reader)
        assert (found.content_type, found.data) == (f"image/{kind.lower()}", data)
    for data, reason in (
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "INVALID_LOGO"),
        (picture("GIF"), "INVALID_LOGO"),
        (picture("PNG")[:-30], "INVALID_LOGO"),
        (picture("PNG", (2049, 4)), "LOGO_TOO_LARGE"),
        (b"\x89PNG" + bytes(256 * 1024), "LOGO_TOO_LARGE"),
    ):
        with refused("INVALID_ARGUMENT", reason):
            set_(data)
    assert set_(b"").logo_digest == ""
    with refused("NOT_FOUND", "LOGO_NOT_FOUND"):
        profiles.GetOrganisationLogo(service.GetOrganisationLogoRequest(), metadata=reader)


def test_the_week_has_windows(suite, calendar, reader, days):
    def update(*windows, etag=""):
        shown = [calendar_pb.WeeklyWindow(day=day, start=start, end=end) for day, start, end in windows]
        request = calendars.UpdateWorkingWeekRequest(
            week=calendar_pb.WorkingWeek(windows=shown, etag=etag), request_id=str(uuid4())
        )
        return calendar.UpdateWorkingWeek(request, metadata=suite.admin)

    before = calendar.GetWorkingWeek(calendars.GetWorkingWeekRequest(), metadata=reader)
    monday = [(each.start, each.end) for each in before.windows if each.day == pb.DAY_OF_WEEK_MONDAY]
    assert monday == [("09:00", "12:00"), ("13:00", "18:00")]
    changed = update((1, "13:00", "18:00"), (1, "08:30", "12:00"), (6, "10:00", "12:00"), etag=before.etag)
    assert [each.start for each in changed.windows] == ["08:30", "13:00", "10:00"]
    assert [day.working for day in days("2026-03-02", "2026-03-08").days] == [True, *[False] * 4, True, False]
    assert told(suite)["weekly"][0] == {"day": "1", "windows": ["08:30-12:00", "13:00-18:00"], "ordinary": False}
    for windows, reason in (
        ([(1, "09:00", "12:00"), (1, "11:00", "13:00")], "OVERLAPPING_WINDOWS"),
        ([(0, "09:00", "12:00")], "INVALID_DAY_OF_WEEK"),
        ([(1, "9", "12")], "INVALID_TIME_OF_DAY"),
        ([(1, "12:00", "09:00")], "INVALID_WINDOW"),
        ([], "REQUIRED"),
    ):
        with refused("INVALID_ARGUMENT", reason):
            update(*windows)
    with refused("ABORTED", "STALE_ETAG"):
        update((1, "09:00", "12:00"), etag=before.etag)
    update(*((each.day, each.start, each.end) for each in before.windows))


def test_chinas_holidays_and_make_up_days_hold(days):
    golden_week = days("2026-09-30", "2026-10-10")
    assert [day.date[-2:] for day in golden_week.days if day.working] == ["30", "08", "09", "10"]
    assert golden_week.working_day_count == 4
    names = {day.date: day.special_name for day in golden_week.days if day.special_name}
    assert names["2026-10-01"] == "国庆节"
    assert names["2026-10-10"] == "国庆节调休上班"
    assert [(window.start, window.end) for window in golden_week.days[-1].windows] == [
        ("09:00", "12:00"),
        ("13:00", "18:00"),
    ]


def test_what_the_company_says_of_a_day_wins(suite, set_day, days, calendar):
    made = set_day("2026-10-08", "司庆")
    worked = set_day("2026-10-02", "值班", working=True, windows=[("10:00", "15:00")])
    assert made.source == calendar_pb.SPECIAL_DAY_SOURCE_COMPANY
    found = days("2026-10-02", "2026-10-08").days
    assert [day.working for day in found] == [True, *[False] * 6]
    assert [(window.start, window.end) for window in found[0].windows] == [("10:00", "15:00")]
    special = {day["day"]: day for day in told(suite)["special"]}
    assert special["2026-10-08"] == {"day": "2026-10-08", "windows": [], "ordinary": False}
    assert special["2026-10-02"]["windows"] == ["10:00-15:00"]
    assert special["2026-10-10"]["ordinary"] is True
    with refused("ABORTED", "STALE_ETAG"):
        set_day("2026-10-08", "改名", etag="v7")
    for date, etag in ((made.date, made.etag), (worked.date, "")):
        request = calendars.DeleteSpecialDayRequest(date=date, etag=etag, request_id=str(uuid4()))
        calendar.DeleteSpecialDay(request, metadata=suite.admin)
        assert calendar.DeleteSpecialDay(request, metadata=suite.admin) is not None
    assert [day.working for day in days("2026-10-02", "2026-10-08").days] == [*[False] * 6, True]
    with refused("NOT_FOUND", "SPECIAL_DAY_NOT_FOUND"):
        request = calendars.DeleteSpecialDayRequest(date=made.date, request_id=str(uuid4()))
        calendar.DeleteSpecialDay(request, metadata=suite.admin)
    assert suite.audited("specialDays/2026-10-08") == ["special_day.set", "special_day.delete"]


def test_holidays_of_an_unknown_year_are_not_guessed(suite, set_day, days, calendar, reader):
    assert list(days("2026-12-31", "2027-01-01").statutory_years_unknown) in ([], [2027])
    far = days("2099-10-01")
    assert list(far.statutory_years_unknown) == [2099]
    assert far.days[0].working is True  # a Thursday
    set_day("2099-10-01", "国庆节")
    assert days("2099-10-01").days[0].working is False
    listed = calendar.ListSpecialDays(calendars.ListSpecialDaysRequest(year=2099), metadata=reader)
    assert ([day.date for day in listed.special_days], listed.statutory_days_unknown) == (["2099-10-01"], True)
    assert told(suite)["statutory_until_year"] >= 2026


def test_special_days_of_a_year_come_in_pages(set_day, calendar, reader):
    set_day("2025-06-18", "年中休息")
    found, token = [], ""
    while True:
        request = calendars.ListSpecialDaysRequest(year=2025, page_size=7, page_token=token)
        page = calendar.ListSpecialDays(request, metadata=reader)
        found += [day.date for day in page.special_days]
        token = page.next_page_token
        if not token:
            break
    assert found == sorted(set(found))
    assert {"2025-01-26", "2025-06-18", "2025-10-01"} < set(found)
    assert not page.statutory_days_unknown
    for token in ("x", "2024-01-01"):
        with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
            calendar.ListSpecialDays(calendars.ListSpecialDaysRequest(year=2025, page_token=token), metadata=reader)
    with refused("INVALID_ARGUMENT", "INVALID_YEAR"):
        calendar.ListSpecialDays(calendars.ListSpecialDaysRequest(year=1999), metadata=reader)


def test_without_a_statutory_calendar_only_the_companys_days_hold(suite, change, days):
    change(statutory_calendar=pb.STATUTORY_CALENDAR_NONE)
    found = days("2026-10-01")
    assert (found.days[0].working, list(found.statutory_years_unknown)) == (True, [])
    assert told(suite)["statutory_until_year"] == 0
    change(statutory_calendar=pb.STATUTORY_CALENDAR_CHINA)


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        ("2026-02-30", "2026-03-01", "INVALID_DATE"),
        ("20260301", "2026-03-01", "INVALID_DATE"),
        ("1999-12-31", "2000-01-01", "INVALID_DATE"),
        ("2026-03-02", "2026-03-01", "INVALID_PERIOD"),
        ("2026-01-01", "2027-03-01", "INVALID_PERIOD"),
    ],
)
def test_periods_have_bounds(days, first, last, reason):
    with refused("INVALID_ARGUMENT", reason):
        days(first, last)
    assert len(days("2025-01-01", "2026-02-04").days) == 400


def test_a_day_off_has_no_windows(set_day):
    with refused("INVALID_ARGUMENT", "INVALID_WINDOW"):
        set_day("2026-05-20", windows=[("09:00", "10:00")])
    with refused("INVALID_ARGUMENT", "INVALID_DISPLAY_NAME"):
        set_day("2026-05-20", "")
