"""The archive of customers: who they are, whom to talk to there, and what happened with them."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.formats import name_key
from chassis.names import make_name, new_id
from chassis.search import grams, search_text
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, false, text
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base
from customers.model.decisions import MOST_INFLUENCE, DecisionRole, Stance
from customers.model.identity_numbers import IdentityNumbered, index_of_numbers


class CustomerKind(StrEnum):
    """Company or person. The names are those of `crm.customers.v1.CustomerKind`."""

    COMPANY = "COMPANY"
    PERSON = "PERSON"


class CustomerStatus(StrEnum):
    """How far the relation has come. The names are those of `crm.customers.v1.CustomerStatus`."""

    POTENTIAL = "POTENTIAL"
    ENGAGED = "ENGAGED"
    WON = "WON"
    DORMANT = "DORMANT"
    LOST = "LOST"


class TimelineKind(StrEnum):
    """The kinds of timeline entries. CUSTOMER_CREATED is not stored: it is read off the customer."""

    CUSTOMER_CREATED = "CUSTOMER_CREATED"
    OWNER_CHANGED = "OWNER_CHANGED"
    FOLLOW_UP_LOGGED = "FOLLOW_UP_LOGGED"
    CUSTOMERS_MERGED = "CUSTOMERS_MERGED"
    TIER_CHANGED = "TIER_CHANGED"
    LIFECYCLE_CHANGED = "LIFECYCLE_CHANGED"


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Customer(IdentityNumbered, Base):
    """A company or person that the organisation sells to, or hopes to. An absent text is NULL, never empty."""

    __tablename__ = "customer"
    __table_args__ = (
        CheckConstraint(_one_of("kind", CustomerKind), name="kind"),
        CheckConstraint(_one_of("status", CustomerStatus), name="status"),
        # Firms with equal names and different credit codes are different firms; namesakes are told apart by phone.
        Index(
            "uq_customer_company",
            "name_key",
            text("coalesce(credit_code, '')"),
            unique=True,
            postgresql_where=text("kind = 'COMPANY'"),
        ),
        Index(
            "uq_customer_person",
            "name_key",
            text("coalesce(phones[1], '')"),
            unique=True,
            postgresql_where=text("kind = 'PERSON'"),
        ),
        Index("uq_customer_credit_code", "credit_code", unique=True, postgresql_where=text("credit_code IS NOT NULL")),
        Index("uq_customer_external_id", "external_id", unique=True, postgresql_where=text("external_id IS NOT NULL")),
        Index("ix_customer_update_time", "update_time", "id"),
        Index("ix_customer_owner", "owner_id", "update_time", "id"),
        # Few distinct values: entries share their keys, and a list in order of time walks that order instead.
        Index("ix_customer_department", "owner_department_path"),
        Index("ix_customer_status", "status"),
        Index("ix_customer_create_time", "create_time", "id"),
        Index("ix_customer_last_follow_up_time", text("last_follow_up_time DESC NULLS LAST"), text("id DESC")),
        Index("ix_customer_display_name", "display_name", "id"),
        Index("ix_customer_grams", "grams", postgresql_using="gin"),
        Index("ix_customer_tags", "tags", postgresql_using="gin"),
        Index("ix_customer_quality_score", "quality_score", "id"),
        Index("ix_customer_pool", "pool_id", "pool_entry_time", "id", postgresql_where=text("pool_id IS NOT NULL")),
        CheckConstraint("owner_id IS NULL OR pool_id IS NULL", name="holder"),
        index_of_numbers("customer"),
        Index("ix_customer_custom", "custom", postgresql_using="gin", postgresql_ops={"custom": "jsonb_path_ops"}),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    display_name: Mapped[str]
    name_key: Mapped[str]
    credit_code: Mapped[str | None]
    owner_id: Mapped[UUID | None]
    owner_department_id: Mapped[UUID | None]
    owner_department_path: Mapped[str | None]
    status: Mapped[str]
    level: Mapped[str | None]
    industry: Mapped[str | None]
    source: Mapped[str | None]
    phones: Mapped[list[str]]
    emails: Mapped[list[str]]
    website: Mapped[str | None]
    country: Mapped[str | None]
    province: Mapped[str | None]
    city: Mapped[str | None]
    district: Mapped[str | None]
    street: Mapped[str | None]
    postal_code: Mapped[str | None]
    tags: Mapped[list[str]]
    rule_tags: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    """Those of the tags that rules have set."""
    custom: Mapped[dict[str, Any]]
    quality_score: Mapped[int | None] = mapped_column(SmallInteger)
    """How much of what matters is filled in, in percent; None until it is reckoned."""
    lifecycle_stage: Mapped[str | None]
    """As the last evaluation found; None until the first."""
    remark: Mapped[str | None]
    external_id: Mapped[str | None]
    search_text: Mapped[str]
    grams: Mapped[list[int]]
    last_follow_up_time: Mapped[datetime | None]
    last_effective_follow_up_time: Mapped[datetime | None]
    """Since when rules reckon that somebody has looked after it."""
    pool_id: Mapped[UUID | None] = mapped_column(ForeignKey("pool.id"))
    pool_entry_time: Mapped[datetime | None]
    held_since: Mapped[datetime | None]
    """Since when the owner or the pool has held it; None for the time of its creation."""
    locked: Mapped[bool] = mapped_column(default=False, server_default=false())
    """True if no rule takes it from its owner."""
    creator: Mapped[str]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("customers", self.id)

    def refresh_keys(self) -> None:
        """Derive what the customer is matched and searched by. Call after a change of any field that takes part."""
        self.name_key = name_key(self.display_name)
        self.search_text = searched_text(self.display_name, self.phones, self.emails)
        self.grams = grams(self.search_text)


class Contact(IdentityNumbered, Base):
    """A person to talk to at a customer."""

    __tablename__ = "contact"
    __table_args__ = (
        Index("uq_contact_primary", "customer_id", unique=True, postgresql_where=text("is_primary")),
        Index("ix_contact_customer", "customer_id", text("is_primary DESC"), "id"),
        Index("ix_contact_custom", "custom", postgresql_using="gin", postgresql_ops={"custom": "jsonb_path_ops"}),
        Index("ix_contact_grams", "grams", postgresql_using="gin"),
        Index("ix_contact_reports_to", "reports_to_id", postgresql_where=text("reports_to_id IS NOT NULL")),
        CheckConstraint(_one_of("decision_role", DecisionRole), name="decision_role"),
        CheckConstraint(_one_of("stance", Stance), name="stance"),
        index_of_numbers("contact"),
        CheckConstraint(f"influence BETWEEN 1 AND {MOST_INFLUENCE}", name="influence"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    display_name: Mapped[str]
    job_title: Mapped[str | None]
    phones: Mapped[list[str]]
    emails: Mapped[list[str]]
    wechat: Mapped[str | None]
    is_primary: Mapped[bool]
    decision_role: Mapped[str | None]
    influence: Mapped[int | None] = mapped_column(SmallInteger)
    """How much weight the person's word has, from 1 to 5."""
    stance: Mapped[str | None]
    # Deferred, since a merge that is taken back brings contacts back one after the other.
    reports_to_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("contact.id", ondelete="SET NULL", deferrable=True, initially="DEFERRED")
    )
    birthday: Mapped[date | None]
    remark: Mapped[str | None]
    search_text: Mapped[str] = mapped_column(server_default="")
    grams: Mapped[list[int]] = mapped_column(server_default="{}")
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("contacts", self.id)

    def refresh_keys(self) -> None:
        """Derive what the contact is searched by. Call after a change of any field that takes part."""
        self.search_text = searched_contact(self.display_name, self.phones, self.emails)
        self.grams = grams(self.search_text)


class TimelineEntry(Base):
    """Something that happened with a customer.

    The id of an entry that stands for an event is the event's id, so that no event can enter twice. There is no
    foreign key: imports append entries in bulk, and DeleteCustomer removes them with the customer.
    """

    __tablename__ = "timeline_entry"
    __table_args__ = (Index("ix_timeline_entry_customer", "customer_id", "occur_time", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[UUID]
    kind: Mapped[str]
    source: Mapped[str]
    resource: Mapped[str]
    actor: Mapped[str]
    summary: Mapped[str]
    details: Mapped[dict[str, Any]]
    occur_time: Mapped[datetime]


class KnownUser(Base):
    """What this service keeps of a user of the identity service."""

    __tablename__ = "known_user"
    __table_args__ = (Index("ix_known_user_department", "department_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    username: Mapped[str]
    display_name: Mapped[str]
    department_id: Mapped[UUID | None]
    department_path: Mapped[str | None]
    active: Mapped[bool]
    version: Mapped[int] = mapped_column(BigInteger)


class KnownDepartment(Base):
    """What this service keeps of a department of the identity service."""

    __tablename__ = "known_department"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    path: Mapped[str]
    head_id: Mapped[UUID | None]
    """The user who heads it."""
    theatre: Mapped[bool] = mapped_column(default=False, server_default=false())
    """True if it is a sales theatre (战区)."""
    version: Mapped[int] = mapped_column(BigInteger)


def searched_text(display_name: str, phones: Sequence[str], emails: Sequence[str]) -> str:
    """The text that a search for a customer looks into. Credit codes have an index of their own and are looked for
    whole: their grams would be a quarter of all, for parts that nobody knows by heart."""
    return search_text(display_name, private=[*phones, *emails], spelled=without_legal_form(display_name))


def searched_contact(display_name: str, phones: Sequence[str], emails: Sequence[str]) -> str:
    """The same for a contact. Its phone numbers are found by their ends: all parts of them would be most of what an
    import of customers with contacts writes to indexes."""
    return search_text(display_name, private=emails, spelled=display_name, tails=phones)


def without_legal_form(name: str) -> str:
    """A company's name as people type it in pinyin: nobody spells 股份有限公司 out."""
    return name.partition("有限")[0].removesuffix("公司").removesuffix("股份")
