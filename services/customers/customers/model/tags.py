"""Tags as records, what customers' own fields must hold by kind, and what makes their data good."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base


class Tag(Base):
    """A label that the company has given a colour, a group or a rule."""

    __tablename__ = "tag"
    __table_args__ = (Index("uq_tag_display_name", "display_name", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    display_name: Mapped[str]
    colour: Mapped[str]
    tag_group: Mapped[str]
    rule: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The condition on customers that sets and removes it, in the form in which filters are kept."""
    creator: Mapped[str]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("tags", self.id)


class FieldTemplate(Base):
    """Which fields people see of the records of a kind, in which order, and which of them must be filled in."""

    __tablename__ = "field_template"

    entity: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    fields: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """In order, each with `field` and `required`."""
    version: Mapped[int]
    update_time: Mapped[datetime]


class QualityWeights(Base):
    """How much each field counts for the quality of the data on customers of a kind."""

    __tablename__ = "quality_weights"

    kind: Mapped[str] = mapped_column(primary_key=True)
    weights: Mapped[dict[str, Any]]
    """By field, as filters call them."""
    version: Mapped[int]
    update_time: Mapped[datetime]
