"""Leads, and follow-ups: what was said to customers, by whom, and when to get in touch again."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from chassis.db import NAMING, UtcDateTime
from chassis.errors import Conflict
from chassis.formats import company_key
from chassis.names import make_name, new_id
from chassis.search import grams, search_text
from sqlalchemy import BigInteger, CheckConstraint, Index, MetaData, Text, false, text
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Orders and prefixes must not depend on the locale that a database was made with.
Plain = Text(collation="C")

CUSTOMER = "customer"
"""What shares call the customers service's customers."""


class Base(DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime,
        int: BigInteger,
        str: Plain,
        list[str]: ARRAY(Text),
        list[int]: ARRAY(INTEGER),
        dict[str, Any]: JSONB(none_as_null=True),
    }


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
    assignee_id: Mapped[UUID | None]
    """Who is reminded instead of the author, who has left."""
    follows_owner: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True if whoever owns the customer is reminded, and the assignee only if nobody does."""
    create_time: Mapped[datetime]
    theatre: Mapped[str | None]
    """Whose contact it is, see `leads.contact_cap.theatre_of`; None for what was logged before anybody counted."""
    duration_seconds: Mapped[int | None]
    """How long a call took."""
    inbound: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True if the customer got in touch, or answered."""
    check_in: Mapped[dict[str, Any] | None]
    """See `leads.effectiveness.CheckIn`."""
    verdict: Mapped[str | None]
    """Whether it counts, see `leads.effectiveness`; None for what was logged before anybody judged."""
    verdict_reasons: Mapped[list[str]] = mapped_column(server_default="{}", default=list)

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("followUps", self.id)

    @property
    def planner(self) -> str:
        """Who is to get in touch again, unless it is the customer's owner: a resource name."""
        return make_name("users", self.assignee_id) or self.author


class FollowUpRules(Base):
    """The one row that holds the rules by which follow-ups are judged, once the company has set them."""

    __tablename__ = "follow_up_rules"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    version: Mapped[int]
    rules: Mapped[dict[str, Any]]
    """See `leads.effectiveness.EffectivenessRules`."""
    update_time: Mapped[datetime]


class LeadStatus(StrEnum):
    """How far a lead has come. The names are those of `crm.leads.v1.LeadStatus`."""

    NEW = "NEW"
    CONTACTED = "CONTACTED"
    QUALIFIED = "QUALIFIED"
    CONVERTED = "CONVERTED"
    DISQUALIFIED = "DISQUALIFIED"


class RegistrationState(StrEnum):
    """What has become of a partner's registration. The names are those of `crm.leads.v1.RegistrationState`."""

    PENDING_APPROVAL = "PENDING_APPROVAL"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class Lead(Base):
    """A company or person that might buy. An absent text is NULL, never empty.

    While nobody owns a lead it is reckoned to its registrant's department.
    """

    __tablename__ = "lead"
    __table_args__ = (
        CheckConstraint(f"status IN ({', '.join(repr(str(value)) for value in LeadStatus)})", name="status"),
        CheckConstraint(
            f"registration_state IN ({', '.join(repr(str(value)) for value in RegistrationState)})",
            name="registration_state",
        ),
        Index("ix_lead_update_time", "update_time", "id"),
        Index("ix_lead_create_time", "create_time", "id"),
        Index("ix_lead_owner", "owner_id", "update_time", "id"),
        Index("ix_lead_department", "owner_department_path"),
        Index("ix_lead_registrant", "registrant_id", "update_time", "id"),
        Index("ix_lead_company_name", "company_name", "id"),
        Index("ix_lead_company_key", "company_key", postgresql_where=text("company_key <> ''")),
        Index("ix_lead_credit_code", "credit_code", postgresql_where=text("credit_code IS NOT NULL")),
        Index(
            "ix_lead_registration_state",
            "registration_state",
            postgresql_where=text("registration_state IS NOT NULL"),
        ),
        Index("ix_lead_phones", "phones", postgresql_using="gin"),
        Index("ix_lead_grams", "grams", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    company_name: Mapped[str | None]
    company_key: Mapped[str]
    """What the company is known by, see `chassis.formats.company_key`; empty if it is not named."""
    contact_name: Mapped[str | None]
    phones: Mapped[list[str]]
    emails: Mapped[list[str]]
    wechat: Mapped[str | None]
    credit_code: Mapped[str | None]
    source: Mapped[str | None]
    channel: Mapped[str | None]
    industry: Mapped[str | None]
    province: Mapped[str | None]
    city: Mapped[str | None]
    requirement: Mapped[str | None]
    remark: Mapped[str | None]
    status: Mapped[str]
    owner_id: Mapped[UUID | None]
    owner_department_path: Mapped[str | None]
    registrant: Mapped[str]
    """The resource name of the user or client who entered it."""
    registrant_id: Mapped[UUID | None]
    """The registrant's id if it is a user."""
    partner_id: Mapped[UUID | None]
    registration_state: Mapped[str | None]
    rejection_reason: Mapped[str | None]
    protection_expire_time: Mapped[datetime | None]
    search_text: Mapped[str]
    grams: Mapped[list[int]]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("leads", self.id)

    @property
    def title(self) -> str:
        """What people call it: the company's name, else the person's."""
        return self.company_name or self.contact_name or ""

    def refresh_keys(self) -> None:
        """Derive what the lead is matched and searched by. Call after a change of any field that takes part."""
        self.company_key = company_key(self.company_name) if self.company_name else ""
        private = (self.contact_name or "", *self.phones, *self.emails)
        self.search_text = search_text(self.company_name, private=private)
        self.grams = grams(self.search_text)

    def approve(self, now: datetime, protection: timedelta) -> None:
        """Accept the registration and protect the company. Raises Conflict unless it waits for that."""
        self._require_pending()
        self.registration_state = RegistrationState.APPROVED
        self.protection_expire_time = now + protection

    def reject(self, reason: str) -> None:
        """Refuse the registration. Raises Conflict unless it waits for a decision."""
        self._require_pending()
        self.registration_state = RegistrationState.REJECTED
        self.rejection_reason = reason
        self.protection_expire_time = None

    def _require_pending(self) -> None:
        if self.registration_state != RegistrationState.PENDING_APPROVAL:
            raise Conflict(
                "REGISTRATION_NOT_PENDING",
                "this is no registration that waits for approval; read it again",
                state=self.registration_state or "",
            )


class KnownCustomer(Base):
    """What this service keeps of a customer of the customers service."""

    __tablename__ = "known_customer"
    __table_args__ = (
        Index("ix_known_customer_owner", "owner_id"),
        Index("ix_known_customer_company_key", "company_key", postgresql_where=text("company_key <> ''")),
        Index("ix_known_customer_credit_code", "credit_code", postgresql_where=text("credit_code IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    display_name: Mapped[str]
    company_key: Mapped[str] = mapped_column(default="", server_default="")
    """What a company is known by; empty for a person."""
    credit_code: Mapped[str | None]
    owner_id: Mapped[UUID | None]
    owner_department_path: Mapped[str | None]
    deleted: Mapped[bool]
    """Kept, so that a late older state does not bring the customer back."""


class MovedFollowUp(Base):
    """A follow-up that got another customer or contact by a merge of customers, and whose it was."""

    __tablename__ = "moved_follow_up"

    merge_id: Mapped[UUID] = mapped_column(primary_key=True)
    follow_up_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]


class KnownUser(Base):
    """What this service keeps of a user of the identity service: the department that customers are reckoned to."""

    __tablename__ = "known_user"
    __table_args__ = (Index("ix_known_user_department", "department_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    department_id: Mapped[UUID | None]
    department_path: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    partner_id: Mapped[UUID | None]
    """The partner that the user works for, if not for the company."""


class KnownDepartment(Base):
    """What this service keeps of a department of the identity service."""

    __tablename__ = "known_department"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    path: Mapped[str]
    theatre: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """True if it is a sales theatre (战区)."""
