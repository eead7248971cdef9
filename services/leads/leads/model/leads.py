"""Leads: companies and persons that might buy."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from chassis.errors import Conflict
from chassis.formats import company_key
from chassis.names import make_name, new_id
from chassis.search import grams, search_text
from sqlalchemy import CheckConstraint, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base


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
        Index("ix_lead_score", "score", "id"),
        Index(
            "ix_lead_score_time",
            "score_time",
            postgresql_where=text("status IN ('NEW', 'CONTACTED', 'QUALIFIED')"),
        ),
        Index("ix_lead_phones", "phones", postgresql_using="gin"),
        Index("ix_lead_emails", "emails", postgresql_using="gin"),
        Index(
            "ix_lead_converted_customer",
            "converted_customer_id",
            postgresql_where=text("converted_customer_id IS NOT NULL"),
        ),
        Index(
            "ix_lead_converted_contact",
            "converted_contact_id",
            postgresql_where=text("converted_contact_id IS NOT NULL"),
        ),
        # Two indexes, as an absent source would make every row of one differ from every other.
        Index(
            "uq_lead_captured",
            "capture_source_id",
            "external_id",
            unique=True,
            postgresql_where=text("capture_source_id IS NOT NULL AND external_id IS NOT NULL"),
        ),
        Index(
            "uq_lead_external_id",
            "external_id",
            unique=True,
            postgresql_where=text("capture_source_id IS NULL AND external_id IS NOT NULL"),
        ),
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
    source_detail: Mapped[str | None]
    medium: Mapped[str | None]
    campaign: Mapped[str | None]
    campaign_term: Mapped[str | None]
    campaign_content: Mapped[str | None]
    landing_page: Mapped[str | None]
    external_id: Mapped[str | None]
    """What it is called where it came from: unique per capture source, and among leads that came from none."""
    capture_source_id: Mapped[UUID | None]
    opt_in_time: Mapped[datetime | None]
    """When the person last confirmed by mail that they want to be contacted."""
    repeat_count: Mapped[int] = mapped_column(server_default="0", default=0)
    """How often the person has come in anew since."""
    repeat_time: Mapped[datetime | None]
    industry: Mapped[str | None]
    province: Mapped[str | None]
    city: Mapped[str | None]
    requirement: Mapped[str | None]
    remark: Mapped[str | None]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    """Why it leads nowhere: the code of a reason, see `leads.life.rules`; None unless it is disqualified."""
    status_note: Mapped[str | None]
    """What was said about its status when that changed last."""
    owner_id: Mapped[UUID | None]
    owner_department_path: Mapped[str | None]
    owner_since: Mapped[datetime | None]
    """When the owner got it."""
    registrant: Mapped[str]
    """The resource name of the user or client who entered it, or of the capture source."""
    registrant_id: Mapped[UUID | None]
    """The registrant's id if it is a user."""
    partner_id: Mapped[UUID | None]
    registration_state: Mapped[str | None]
    rejection_reason: Mapped[str | None]
    protection_expire_time: Mapped[datetime | None]
    last_follow_up_time: Mapped[datetime | None]
    """When the latest follow-up happened that was logged on the lead. Derived, so that it changes no version."""
    last_effective_follow_up_time: Mapped[datetime | None]
    """The same of those that count."""
    converted_customer_id: Mapped[UUID | None]
    """The customer that it became."""
    converted_contact_id: Mapped[UUID | None]
    """The contact of that customer that its person became."""
    assignment_skipped: Mapped[bool] = mapped_column(server_default=false(), default=False)
    """Whether the assignment rules leave it alone."""
    score: Mapped[int | None]
    """From 0 to 100, see `leads.scoring`; None until it was first scored."""
    grade: Mapped[str | None]
    """From A, the best, to D."""
    score_time: Mapped[datetime | None]
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
        # Nobody spells the legal form out, which the key leaves away.
        self.search_text = search_text(self.company_name, private=private, spelled=self.company_key)
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
