"""What a service tells of an entity that can have custom fields."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from chassis.columns import AnyColumn
from chassis.custom_values import FieldType
from chassis.db import ServiceSession
from chassis.filters import Field

Existing = Callable[[ServiceSession, Sequence[UUID]], Collection[UUID]]
"""Which of some records exist, as far as the caller may name them."""


class RollupFunction(StrEnum):
    """How a roll-up makes one value of many. The names are those of `crm.common.v1.RollupFunction`."""

    COUNT = "COUNT"
    SUM = "SUM"
    MIN = "MIN"
    MAX = "MAX"


@dataclass(frozen=True)
class Children:
    """A kind of records that belong to those of an entity, for roll-ups.

    They lie in the service's own database. Of children that another service keeps, the service keeps a row each, by
    their events. Whoever adds, changes or removes one has the roll-ups of its parent reckoned anew.
    """

    source: Any
    """The table."""
    parent_id: AnyColumn
    find: Callable[[ServiceSession, str], Field | None]
    """A field by its name, as in filters."""
    where: ColumnElement[bool] | None = None


@dataclass(frozen=True)
class Records:
    """The records of an entity: where they keep the values, and what custom fields can be made of."""

    entity: str
    id: AnyColumn
    values: AnyColumn
    """The JSONB column of the values by key."""
    referable: Mapping[str, Existing] = field(default_factory=dict)
    """By collection."""
    plain: Mapping[str, FieldType] = field(default_factory=dict)
    """The record's other fields that formulas may take, which nothing changes but a change of the record itself."""
    children: Mapping[str, Children] = field(default_factory=dict)
    """By the name that definitions call them."""
