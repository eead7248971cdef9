"""The company itself: its profile, and when it works."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, deferred, mapped_column

from identity.model.base import Base

ORGANISATION_NAME = "organisation"
"""The resource name of the one organisation."""


class StatutoryCalendar(StrEnum):
    """Whose public holidays hold. The names are those of `crm.identity.v1.StatutoryCalendar`."""

    NONE = "NONE"
    CHINA = "CHINA"


class OrganisationProfile(Base):
    """The one row that describes the company."""

    __tablename__ = "organisation_profile"
    __table_args__ = (CheckConstraint("id", name="single"),)

    id: Mapped[bool] = mapped_column(primary_key=True, default=True)
    display_name: Mapped[str]
    credit_code: Mapped[str | None]
    locale: Mapped[str]
    currency: Mapped[str]
    """An ISO 4217 code."""
    time_zone: Mapped[str]
    """An IANA name."""
    fiscal_year_start_month: Mapped[int]
    fiscal_year_start_day: Mapped[int]
    first_day_of_week: Mapped[int]
    """1 for Monday to 7 for Sunday (ISO 8601)."""
    statutory_calendar: Mapped[str]
    weekly: Mapped[dict[str, list[str]]] = mapped_column(JSONB)
    """The windows of each day of the week that has any, each such as `09:00-12:00`, by the day's ISO number."""
    week_version: Mapped[int]
    logo: Mapped[bytes | None] = deferred(mapped_column())
    logo_type: Mapped[str | None]
    logo_digest: Mapped[str | None]
    version: Mapped[int]
    update_time: Mapped[datetime]

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of the profile."""
        fields = (
            "display_name",
            "credit_code",
            "locale",
            "currency",
            "time_zone",
            "fiscal_year_start_month",
            "fiscal_year_start_day",
            "first_day_of_week",
            "statutory_calendar",
            "logo_digest",
        )
        return {field: getattr(self, field) for field in fields}


class CompanyDay(Base):
    """A day that the company itself has made a holiday or a working day."""

    __tablename__ = "company_day"

    day: Mapped[date] = mapped_column("date", primary_key=True)
    working: Mapped[bool]
    display_name: Mapped[str]
    windows: Mapped[list[str]] = mapped_column(JSONB)
    """Each such as `09:00-12:00`. None on a day off, and on a working day that has the usual ones."""
    version: Mapped[int]
    update_time: Mapped[datetime]

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {"working": self.working, "display_name": self.display_name, "windows": self.windows}
