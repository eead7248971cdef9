"""What a service keeps of hand-overs."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, ForeignKey, Index, UniqueConstraint, delete, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import ChassisTables, ServiceSession
from chassis.jobs.model import JobState
from chassis.names import new_id

KEPT = timedelta(days=180)
"""How long a hand-over that has ended is kept."""


class ItemState(StrEnum):
    """What became of a record."""

    PENDING = "PENDING"
    MOVED = "MOVED"
    WITHDRAWN = "WITHDRAWN"
    """Somebody else gave it away or deleted it before its turn came."""


class HandoverTask(ChassisTables):
    """One kind of records that somebody who leaves holds in this service."""

    __tablename__ = "handover_task"
    __table_args__ = (UniqueConstraint("offboarding", "entity"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    offboarding: Mapped[str]
    """`offboardings/{uuid}`."""
    entity: Mapped[str]
    round: Mapped[int]
    """Which attempt it is. A job for an earlier one does nothing more."""
    user_id: Mapped[UUID]
    """Who leaves."""
    actor: Mapped[str]
    """On whose behalf it is done."""
    rules: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """`HandoverRule`s in their JSON form, successors named."""
    default_successor: Mapped[UUID]
    state: Mapped[str]
    """A `JobState`."""
    planned: Mapped[bool]
    """True once the records are listed."""
    version: Mapped[int]
    """Grows with everything that is announced of it."""
    before: Mapped[int] = mapped_column(BigInteger)
    moved: Mapped[int] = mapped_column(BigInteger)
    withdrawn: Mapped[int] = mapped_column(BigInteger)
    after: Mapped[int] = mapped_column(BigInteger)
    attached: Mapped[dict[str, int]] = mapped_column(JSONB)
    failure_reason: Mapped[str]
    failure_message: Mapped[str]
    create_time: Mapped[datetime]
    end_time: Mapped[datetime | None]

    @property
    def left(self) -> int:
        """Records that the user still holds."""
        return self.before - self.moved - self.withdrawn

    def begin(self, round_: int) -> None:
        """Set it to its start, or to where an attempt that failed has left it."""
        self.round, self.state, self.planned = round_, JobState.QUEUED, False
        self.failure_reason = self.failure_message = ""
        self.end_time = None


class HandoverItem(ChassisTables):
    """A record that is to be handed over."""

    __tablename__ = "handover_item"
    __table_args__ = (
        Index("ix_handover_item_pending", "task_id", "record_id", postgresql_where=text("state = 'PENDING'")),
    )

    task_id: Mapped[UUID] = mapped_column(ForeignKey("handover_task.id", ondelete="CASCADE"), primary_key=True)
    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    rule: Mapped[int]
    """The number of the rule that fits it, the first being 1; 0 if none does."""
    successor_id: Mapped[UUID]
    state: Mapped[str]


def create_tables(bind: Connection) -> None:
    """Create the tables. For a revision of a service whose database is older than the tables."""
    for entity in (HandoverTask, HandoverItem):
        entity.metadata.tables[entity.__tablename__].create(bind, checkfirst=True)


def purge(session: ServiceSession) -> None:
    """Remove the hand-overs that ended long ago, by the business time. The audit log keeps who got what."""
    session.execute(delete(HandoverTask).where(HandoverTask.end_time < session.now - KEPT))
