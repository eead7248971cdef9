"""Follow-ups: what was said to customers, by whom, and when to get in touch again."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from chassis.db import NAMING, UtcDateTime
from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, CheckConstraint, Index, MetaData, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Orders and prefixes must not depend on the locale that a database was made with.
Plain = Text(collation="C")

CUSTOMER = "customer"
"""What shares call the customers service's customers."""


class Base(DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {datetime: UtcDateTime, int: BigInteger, str: Plain}


class FollowUpMethod(StrEnum):
    """How a customer was reached. The names are those of `crm.leads.v1.FollowUpMethod`."""

    CALL = "CALL"
    VISIT = "VISIT"
    WECHAT = "WECHAT"
    EMAIL = "EMAIL"
    MEETING = "MEETING"
    OTHER = "OTHER"


class FollowUp(Base):
    """A record of one touch with a customer. What was logged never changes; only the reminder runs its course."""

    __tablename__ = "follow_up"
    __table_args__ = (
        CheckConstraint(f"method IN ({', '.join(repr(str(value)) for value in FollowUpMethod)})", name="method"),
        Index("ix_follow_up_customer", "customer_id", "occur_time", "id"),
        Index("ix_follow_up_author", "author", "occur_time", "id"),
        Index("ix_follow_up_occur_time", "occur_time", "id"),
        Index("ix_follow_up_create_time", "create_time", "id"),
        Index("ix_follow_up_next_contact_time", "next_contact_time", "id"),
        Index("ix_follow_up_due", "next_contact_time", postgresql_where=text("reminder_open")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[UUID]
    method: Mapped[str]
    content: Mapped[str]
    contact_id: Mapped[UUID | None]
    occur_time: Mapped[datetime]
    next_contact_time: Mapped[datetime | None]
    author: Mapped[str]
    """The resource name of the user or client who logged it."""
    reminder_open: Mapped[bool]
    """True while a reminder may still have to be sent."""
    remind_time: Mapped[datetime | None]
    create_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("followUps", self.id)


class KnownCustomer(Base):
    """What this service keeps of a customer of the customers service."""

    __tablename__ = "known_customer"
    __table_args__ = (Index("ix_known_customer_owner", "owner_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    display_name: Mapped[str]
    owner_id: Mapped[UUID | None]
    owner_department_path: Mapped[str | None]
    deleted: Mapped[bool]
    """Kept, so that a late older state does not bring the customer back."""


class KnownUser(Base):
    """What this service keeps of a user of the identity service: the department that customers are reckoned to."""

    __tablename__ = "known_user"
    __table_args__ = (Index("ix_known_user_department", "department_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    department_id: Mapped[UUID | None]
    department_path: Mapped[str | None]


class KnownDepartment(Base):
    """What this service keeps of a department of the identity service."""

    __tablename__ = "known_department"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    path: Mapped[str]
