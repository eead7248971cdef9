"""The company's profile and working calendar to messages and back."""

from collections.abc import Iterable, Sequence

from chassis.calendars import Window
from chassis.errors import Invalid
from chassis.etags import etag
from crm.identity.v1 import organisation_calendar_pb2 as calendar_pb2
from crm.identity.v1 import organisation_calendar_service_pb2 as calendar_service_pb2
from crm.identity.v1 import organisation_pb2

from identity.company import CalendarStretch, DaySource, SpecialDay, parse_date, week
from identity.mapping import timestamp
from identity.model import ORGANISATION_NAME, OrganisationProfile, StatutoryCalendar
from identity.usecases.set_special_day import SpecialDayDraft
from identity.usecases.update_organisation import OrganisationDraft

_CALENDARS = {
    StatutoryCalendar.NONE: organisation_pb2.STATUTORY_CALENDAR_NONE,
    StatutoryCalendar.CHINA: organisation_pb2.STATUTORY_CALENDAR_CHINA,
}
_CALENDAR_OF = {number: calendar for calendar, number in _CALENDARS.items()}
_DAYS = organisation_pb2.DayOfWeek.values()
"""The days of the week by their ISO numbers."""
_SOURCES = {
    DaySource.STATUTORY: calendar_pb2.SPECIAL_DAY_SOURCE_STATUTORY,
    DaySource.COMPANY: calendar_pb2.SPECIAL_DAY_SOURCE_COMPANY,
}


def organisation_to_proto(profile: OrganisationProfile) -> organisation_pb2.Organisation:
    """The profile as clients see it."""
    return organisation_pb2.Organisation(
        name=ORGANISATION_NAME,
        display_name=profile.display_name,
        credit_code=profile.credit_code or "",
        locale=profile.locale,
        currency=profile.currency,
        time_zone=profile.time_zone,
        fiscal_year_start_month=profile.fiscal_year_start_month,
        fiscal_year_start_day=profile.fiscal_year_start_day,
        first_day_of_week=_DAYS[profile.first_day_of_week],
        statutory_calendar=_CALENDARS[StatutoryCalendar(profile.statutory_calendar)],
        logo_digest=profile.logo_digest or "",
        etag=etag(profile.version),
        update_time=timestamp(profile.update_time),
    )


def organisation_draft(message: organisation_pb2.Organisation) -> OrganisationDraft:
    """What a client says of the company."""
    return OrganisationDraft(
        display_name=message.display_name,
        credit_code=message.credit_code,
        locale=message.locale,
        currency=message.currency,
        time_zone=message.time_zone,
        fiscal_year_start_month=message.fiscal_year_start_month,
        fiscal_year_start_day=message.fiscal_year_start_day,
        first_day_of_week=message.first_day_of_week,
        statutory_calendar=_CALENDAR_OF.get(message.statutory_calendar),
    )


def week_to_proto(profile: OrganisationProfile) -> calendar_pb2.WorkingWeek:
    """The working week as clients see it."""
    windows = [(day, window) for day, windows in sorted(week(profile).items()) for window in windows]
    return calendar_pb2.WorkingWeek(
        windows=[
            calendar_pb2.WeeklyWindow(day=_DAYS[day + 1], start=window.texts[0], end=window.texts[1])
            for day, window in windows
        ],
        etag=etag(profile.week_version),
    )


def week_from_proto(message: calendar_pb2.WorkingWeek) -> dict[int, list[Window]]:
    """The windows of each day of the week, by its ISO number. Raises Invalid."""
    windows: dict[int, list[Window]] = {}
    for index, item in enumerate(message.windows):
        if not organisation_pb2.DAY_OF_WEEK_MONDAY <= item.day <= organisation_pb2.DAY_OF_WEEK_SUNDAY:
            raise Invalid("INVALID_DAY_OF_WEEK", "say which day of the week is meant", field=f"windows[{index}].day")
        windows.setdefault(item.day, []).append(Window.parse(item.start, item.end))
    return windows


def _windows(windows: Iterable[Window]) -> Sequence[calendar_pb2.WorkingWindow]:
    return [calendar_pb2.WorkingWindow(start=start, end=end) for start, end in (window.texts for window in windows)]


def special_day_to_proto(day: SpecialDay) -> calendar_pb2.SpecialDay:
    """A special day as clients see it."""
    return calendar_pb2.SpecialDay(
        date=day.date.isoformat(),
        working=day.working,
        display_name=day.display_name,
        windows=_windows(day.windows),
        source=_SOURCES[day.source],
        etag=etag(day.version) if day.version else "",
    )


def special_day_draft(message: calendar_pb2.SpecialDay) -> SpecialDayDraft:
    """What a client says of a day."""
    return SpecialDayDraft(
        date=parse_date(message.date, field="date"),
        working=message.working,
        display_name=message.display_name,
        windows=[Window.parse(item.start, item.end) for item in message.windows],
    )


def working_days_to_proto(stretch: CalendarStretch) -> calendar_service_pb2.WorkingDays:
    """Days of the working calendar as clients see them."""
    calendar = stretch.calendar
    return calendar_service_pb2.WorkingDays(
        days=[
            calendar_pb2.CalendarDay(
                date=day.isoformat(),
                working=calendar.is_working_day(day),
                windows=_windows(calendar.windows_of(day)),
                special_name=stretch.names.get(day, ""),
            )
            for day in stretch.days
        ],
        working_day_count=sum(map(calendar.is_working_day, stretch.days)),
        statutory_years_unknown=stretch.unknown_years,
    )
