"""Change a field of the company's own."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import custom_fields
from chassis.custom_fields import CustomField
from chassis.custom_values import FieldType
from chassis.db import ServiceSession

from customers.own_records import ENTITIES
from customers.refreshing import queue_refresh


def update_custom_field(
    session: ServiceSession, field_id: UUID, changes: Mapping[str, Any], *, etag: str = ""
) -> CustomField:
    """Change a field, see `chassis.custom_fields.update_field`. What is derived is reckoned anew by a job."""
    field = custom_fields.update_field(session, field_id, changes, etag=etag, entities=ENTITIES)
    if field.type in (FieldType.FORMULA, FieldType.ROLLUP):
        queue_refresh(session, field.entity)
    return field
