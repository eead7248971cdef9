"""Where leads come in by themselves, and what came in there."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.encryption import Encrypted, Place, Sealed
from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base


class CaptureKind(StrEnum):
    """How leads come in. The names are those of `crm.leads.v1.CaptureKind`."""

    FORM = "FORM"
    WEBHOOK = "WEBHOOK"
    FEED = "FEED"


class CaptureState(StrEnum):
    """What has become of a submission. The names are those of `crm.leads.v1.CaptureState`."""

    NEW = "NEW"
    UNCONFIRMED = "UNCONFIRMED"
    ACCEPTED = "ACCEPTED"
    REPEATED = "REPEATED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    SPAM = "SPAM"
    DISCARDED = "DISCARDED"


class CaptureSource(Base):
    """A form, a webhook or a feed. An absent text is NULL, never empty."""

    __tablename__ = "capture_source"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(repr(str(value)) for value in CaptureKind)})", name="kind"),
        Index("ix_capture_source_create_time", "create_time", "id"),
        Index("ix_capture_source_due", "next_poll_time", postgresql_where=text("next_poll_time IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    kind: Mapped[str]
    disabled: Mapped[bool]
    lead_fields: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """See `leads.capture.reading.TakenField`."""
    default_source: Mapped[str | None]
    default_channel: Mapped[str | None]
    default_medium: Mapped[str | None]
    default_campaign: Mapped[str | None]
    allowed_origins: Mapped[list[str]]
    honeypot: Mapped[str | None]
    calls_per_minute: Mapped[int]
    calls_per_address_per_minute: Mapped[int]
    double_opt_in: Mapped[bool]
    opt_in_hours: Mapped[int]
    opt_in_subject: Mapped[str | None]
    opt_in_text: Mapped[str | None]
    key_digest: Mapped[bytes | None]
    """SHA-256 of the key of a form, which is random and long."""
    former_key_digest: Mapped[bytes | None]
    secret: Mapped[Sealed | None] = mapped_column(Encrypted)
    """The secret of a webhook: signatures are reckoned from it, so that a digest would not do."""
    former_secret: Mapped[Sealed | None] = mapped_column(Encrypted)
    former_secret_expire_time: Mapped[datetime | None]
    """A real time."""
    feed: Mapped[dict[str, Any] | None]
    """See `leads.capture.feeds.FeedSettings`."""
    feed_marks: Mapped[dict[str, Any]] = mapped_column(server_default="{}", default=dict)
    """What the server of a feed said its last answer was known by."""
    poll_time: Mapped[datetime | None]
    next_poll_time: Mapped[datetime | None]
    """None unless it is a feed that is read."""
    failure_count: Mapped[int] = mapped_column(server_default="0", default=0)
    creator: Mapped[str]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("captureSources", self.id)

    def place(self, column: str) -> Place:
        """Where a sealed value is kept."""
        return Place("capture_source", column, self.id)


class CaptureSubmission(Base):
    """What came in at a capture source, and what has become of it."""

    __tablename__ = "capture_submission"
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(repr(str(value)) for value in CaptureState)})", name="state"),
        Index("ix_capture_submission_receive_time", "receive_time", "id"),
        Index("ix_capture_submission_source", "source_id", "receive_time", "id"),
        Index("ix_capture_submission_state", "state", "receive_time", "id"),
        Index(
            "ix_capture_submission_content",
            "receive_time",
            postgresql_where=text(
                "state IN ('ACCEPTED', 'REPEATED') AND (payload IS NOT NULL OR correction IS NOT NULL)"
            ),
        ),
        Index(
            "ix_capture_submission_refuse",
            "settle_time",
            postgresql_where=text("state IN ('EXPIRED', 'SPAM', 'DISCARDED')"),
        ),
        Index("ix_capture_submission_lead", "lead_id", postgresql_where=text("lead_id IS NOT NULL")),
        Index(
            "ix_capture_submission_external_id",
            "source_id",
            "external_id",
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index(
            "uq_capture_submission_token_digest",
            "token_digest",
            unique=True,
            postgresql_where=text("token_digest IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    source_id: Mapped[UUID]
    """No foreign key: sources are never deleted, and each of some hundred rows a second would lock its source's row."""
    state: Mapped[str]
    external_id: Mapped[str | None]
    """Known once it was read."""
    content_type: Mapped[str]
    payload: Mapped[Sealed | None] = mapped_column(Encrypted)
    """What was sent, as text, sealed; dropped once nothing more is to come of it, see `leads.capture.keeping`."""
    correction: Mapped[Sealed | None] = mapped_column(Encrypted)
    """What people made of its values: JSON by field, sealed."""
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]", default=list)
    """For each: field, reason, message."""
    lead_id: Mapped[UUID | None]
    token_digest: Mapped[bytes | None]
    """SHA-256 of what the link in the mail holds."""
    expire_time: Mapped[datetime | None]
    opt_in_time: Mapped[datetime | None]
    receive_time: Mapped[datetime]
    settle_time: Mapped[datetime | None]
    corrector: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("captureSubmissions", self.id)

    def place(self, column: str) -> Place:
        """Where a sealed value is kept."""
        return Place("capture_submission", column, self.id)


class FeedPoll(Base):
    """A feed was read, or could not be."""

    __tablename__ = "feed_poll"
    __table_args__ = (Index("ix_feed_poll_source", "source_id", "time", "id"), Index("ix_feed_poll_time", "time"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    source_id: Mapped[UUID] = mapped_column(ForeignKey("capture_source.id"))
    time: Mapped[datetime]
    item_count: Mapped[int]
    new_count: Mapped[int]
    reason: Mapped[str]
    """Empty if it was read."""
    message: Mapped[str]
