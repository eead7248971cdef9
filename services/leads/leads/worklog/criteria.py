"""Which work is meant: whose, when, of what kind."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from chassis.calendars import parse_day
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import parse_name
from chassis.organisation import organisation

from leads.effectiveness import Verdict
from leads.model import FollowUpMethod
from leads.worklog.sources import SOURCES

LONGEST_DAYS = 1_826


@dataclass(frozen=True)
class Criteria:
    """Which entries are meant. What is empty narrows nothing down."""

    from_day: str
    until_day: str
    person: str = ""
    department: str = ""
    kinds: tuple[str, ...] = ()
    method: str = ""
    verdict: str = ""

    def checked(self) -> "Criteria":
        """The same, once it is known to make sense. Raises Invalid, naming the field."""
        first, last = parse_day(self.from_day, field="from_day"), parse_day(self.until_day, field="until_day")
        if last < first:
            raise Invalid("INVALID_PERIOD", "the last day comes before the first", field="until_day")
        if (last - first).days > LONGEST_DAYS:
            raise Invalid("PERIOD_TOO_LONG", f"a period has at most {LONGEST_DAYS:,} days", field="until_day")
        if self.person:
            collection = "clients" if self.person.startswith("clients/") else "users"
            parse_name(collection, self.person, field="person")
        if self.department:
            parse_name("departments", self.department, field="department")
        _require(self.kinds, tuple(SOURCES), "kinds")
        _require((self.method,) if self.method else (), tuple(FollowUpMethod), "method")
        _require((self.verdict,) if self.verdict else (), tuple(Verdict), "verdict")
        return self

    def bounds(self, session: ServiceSession) -> tuple[datetime, datetime]:
        """From when to before when."""
        zone = organisation(session).zone
        first, last = parse_day(self.from_day, field="from_day"), parse_day(self.until_day, field="until_day")
        begin = datetime.combine(first, time(), zone).astimezone(UTC)
        return begin, datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC)


def _require(given: tuple[str, ...], known: tuple[str, ...], field: str) -> None:
    for value in given:
        if value not in known:
            raise Invalid("UNKNOWN_VALUE", f"{field} must be of {', '.join(known)}", field=field)
