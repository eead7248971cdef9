"""Playbooks: how leads are worked on, and where they are in that."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base


class Playbook(Base):
    """A way of working on leads. What it says is in its versions."""

    __tablename__ = "playbook"
    __table_args__ = (Index("ix_playbook_position", "position", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    description: Mapped[str]
    filter: Mapped[dict[str, Any]]
    """Which leads start it, see `chassis.filters.filter_to_json`."""
    position: Mapped[int]
    archived: Mapped[bool]
    content_version: Mapped[int]
    """The number of its newest version."""
    creator: Mapped[str]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("playbooks", self.id)


class PlaybookVersion(Base):
    """What a playbook said from some time on. Never changed."""

    __tablename__ = "playbook_version"

    playbook_id: Mapped[UUID] = mapped_column(ForeignKey("playbook.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[dict[str, Any]]
    """See `leads.playbooks.content`."""
    creator: Mapped[str]
    create_time: Mapped[datetime]


class LeadPlaybook(Base):
    """Where a lead is in its playbook."""

    __tablename__ = "lead_playbook"
    __table_args__ = (Index("ix_lead_playbook_playbook", "playbook_id", "playbook_version"),)

    lead_id: Mapped[UUID] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"), primary_key=True)
    playbook_id: Mapped[UUID] = mapped_column(ForeignKey("playbook.id"))
    playbook_version: Mapped[int]
    stage_id: Mapped[UUID | None]
    enter_time: Mapped[datetime]


class StageStay(Base):
    """A time that a lead was in a stage."""

    __tablename__ = "stage_stay"
    __table_args__ = (
        Index("ix_stage_stay_lead", "lead_id", "enter_time", "id"),
        Index("uq_stage_stay_open", "lead_id", unique=True, postgresql_where=text("leave_time IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lead_id: Mapped[UUID] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    playbook_id: Mapped[UUID]
    playbook_version: Mapped[int]
    stage_id: Mapped[UUID]
    stage_title: Mapped[str]
    actor: Mapped[str]
    enter_time: Mapped[datetime]
    leave_time: Mapped[datetime | None]


class TemplateUse(Base):
    """That a template made its task on an occasion: it does so once, whatever becomes of the task."""

    __tablename__ = "template_use"
    __table_args__ = (UniqueConstraint("lead_id", "template_id", "occasion"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lead_id: Mapped[UUID] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    template_id: Mapped[UUID]
    occasion: Mapped[str]
    """What it was made for, e.g. `assigned:7`."""
    task_id: Mapped[UUID]
    create_time: Mapped[datetime]
