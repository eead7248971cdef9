"""People who leave, and how far what they held is handed over."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.jobs import JobState
from chassis.names import make_name, new_id
from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from identity.model.base import Base


class OffboardingPart(Base):
    """How far a service has come with one kind of records, as it last told."""

    __tablename__ = "offboarding_part"

    offboarding_id: Mapped[UUID] = mapped_column(ForeignKey("offboarding.id", ondelete="CASCADE"), primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    """A `JobState`."""
    version: Mapped[int]
    """Of what the service told; 0 if it has told nothing."""
    before: Mapped[int] = mapped_column(BigInteger)
    moved: Mapped[int] = mapped_column(BigInteger)
    withdrawn: Mapped[int] = mapped_column(BigInteger)
    left: Mapped[int] = mapped_column(BigInteger)
    after: Mapped[int] = mapped_column(BigInteger)
    attached: Mapped[dict[str, int]] = mapped_column(JSONB)
    failure_reason: Mapped[str]
    failure_message: Mapped[str]

    @classmethod
    def queued(cls, service: str, entity: str) -> "OffboardingPart":
        """A part that nothing is known of yet."""
        return cls(
            service=service,
            entity=entity,
            state=JobState.QUEUED,
            version=0,
            before=0,
            moved=0,
            withdrawn=0,
            left=0,
            after=0,
            attached={},
            failure_reason="",
            failure_message="",
        )


class Offboarding(Base):
    """Somebody leaves."""

    __tablename__ = "offboarding"
    __table_args__ = (
        Index("uq_offboarding_running", "user_id", unique=True, postgresql_where=text("state = 'RUNNING'")),
        Index("ix_offboarding_create_time", "create_time", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"), index=True)
    state: Mapped[str]
    """A `JobState`: RUNNING, SUCCEEDED or FAILED."""
    reason: Mapped[str]
    rules: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """See `identity.succession.Rule`."""
    default_successor_id: Mapped[UUID]
    departments: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    """The departments that the person headed, with their heads from then on."""
    saved_views: Mapped[int] = mapped_column(server_default="0", default=0)
    """How many views that the person shared went to the default successor."""
    round: Mapped[int]
    creator: Mapped[str]
    create_time: Mapped[datetime]
    end_time: Mapped[datetime | None]
    parts: Mapped[list[OffboardingPart]] = relationship(
        lazy="selectin", order_by=(OffboardingPart.service, OffboardingPart.entity)
    )

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("offboardings", self.id)

    def conclude(self, now: datetime) -> bool:
        """End it if no part is under way any more. Says whether it has ended."""
        states = {part.state for part in self.parts}
        if states & {JobState.QUEUED, JobState.RUNNING}:
            return False
        self.state = JobState.FAILED if JobState.FAILED in states else JobState.SUCCEEDED
        self.end_time = now
        return True

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "user": make_name("users", self.user_id),
            "state": self.state,
            "reason": self.reason,
            "rules": self.rules,
            "default_successor": make_name("users", self.default_successor_id),
            "departments": self.departments,
            "saved_views": self.saved_views,
            "round": self.round,
            "counts": {f"{part.service}/{part.entity}": [part.before, part.moved, part.left] for part in self.parts},
        }
