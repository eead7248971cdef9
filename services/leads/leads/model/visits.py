"""Visits in the field: who checked in where and when, and how far that is to be trusted."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base
from leads.model.subjects import OfAssignee, OfSubject


class Geofence(StrEnum):
    """Whether a check-in lies within a fence. The names are those of `crm.leads.v1.Geofence`."""

    INSIDE = "INSIDE"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNKNOWN = "UNKNOWN"


class VisitEnd(StrEnum):
    """What ended a visit. The names are those of `crm.leads.v1.VisitEnd`."""

    CHECK_OUT = "CHECK_OUT"
    NEXT_CHECK_IN = "NEXT_CHECK_IN"
    TIMEOUT = "TIMEOUT"


class ReviewState(StrEnum):
    """Whether somebody has to look at a visit. The names are those of `crm.leads.v1.VisitReviewState`."""

    NOT_NEEDED = "NOT_NEEDED"
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class Visit(Base, OfSubject, OfAssignee):
    """A visit. Positions are WGS 84, and emptied when they are kept no more: what was judged by them stays."""

    __tablename__ = "visit"
    __table_args__ = (
        CheckConstraint("num_nonnulls(lead_id, customer_id) > 0", name="subject"),
        CheckConstraint("trust_score BETWEEN 0 AND 100", name="trust_score"),
        Index("ix_visit_lead", "lead_id", "check_in_time", "id"),
        Index("ix_visit_customer", "customer_id", "check_in_time", "id"),
        Index("ix_visit_assignee", "assignee_id", "check_in_time", "id"),
        Index("ix_visit_department", "assignee_department_path"),
        Index("ix_visit_check_in_time", "check_in_time", "id"),
        Index("ix_visit_device", "device", "check_in_time", postgresql_where=text("device <> ''")),
        Index("ix_visit_pending", "check_in_time", "id", postgresql_where=text("review_state = 'PENDING'")),
        Index("ix_visit_located", "check_in_time", postgresql_where=text("latitude IS NOT NULL")),
        Index("uq_visit_open", "assignee_id", unique=True, postgresql_where=text("check_out_time IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    check_in_time: Mapped[datetime]
    """By the server's clock, as all times but the device's."""
    device_time: Mapped[datetime | None]
    report_time: Mapped[datetime | None]
    """When what was done without a connection was handed in: the check-in's time is then the device's word."""
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    accuracy_metres: Mapped[float | None]
    mock_location: Mapped[bool]
    device: Mapped[str]
    note: Mapped[str]
    geofence: Mapped[str]
    distance_metres: Mapped[float | None]
    """From the subject's position; None if nobody has said where it is."""
    radius_metres: Mapped[int]
    leg_metres: Mapped[float | None]
    """From the person's check-in before; None for the first, or if its position is kept no more."""
    check_out_time: Mapped[datetime | None]
    out_latitude: Mapped[float | None]
    out_longitude: Mapped[float | None]
    out_accuracy_metres: Mapped[float | None]
    ended_by: Mapped[str | None]
    """See VisitEnd; None while it is open."""
    trust_score: Mapped[int]
    trust_reasons: Mapped[list[str]]
    review_state: Mapped[str]
    reviewer: Mapped[str]
    review_note: Mapped[str]
    review_time: Mapped[datetime | None]
    follow_up_id: Mapped[UUID | None]
    version: Mapped[int]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("visits", self.id)


class VisitPhoto(Base):
    """A picture of a visit. The file itself is in the object store."""

    __tablename__ = "visit_photo"
    __table_args__ = (
        Index("ix_visit_photo_visit", "visit_id", "id"),
        Index("ix_visit_photo_digest", "digest"),
        Index("ix_visit_photo_erased", "id", postgresql_where=text("erased AND object_key <> ''")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("visit.id", ondelete="CASCADE"))
    digest: Mapped[str]
    """SHA-256 of what was sent, in hexadecimal digits."""
    content_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """Of what is kept."""
    object_key: Mapped[str]
    """Where it is in the object store; empty once it was removed from there."""
    upload_time: Mapped[datetime]
    erased: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True once nobody may see it: the file is removed soon after."""

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("visitPhotos", self.id)


class SubjectPosition(Base, OfSubject):
    """Where somebody said that a lead or customer is. The one set last counts; those before stay."""

    __tablename__ = "subject_position"
    __table_args__ = (
        CheckConstraint("num_nonnulls(lead_id, customer_id) > 0", name="subject"),
        Index("ix_subject_position_lead", "lead_id", "set_time", "id"),
        Index("ix_subject_position_customer", "customer_id", "set_time", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    latitude: Mapped[float]
    longitude: Mapped[float]
    setter: Mapped[str]
    set_time: Mapped[datetime]
    visit_id: Mapped[UUID | None]
    """The visit that it was taken from."""
