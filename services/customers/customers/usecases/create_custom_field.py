"""Define a field of the company's own."""

from chassis import custom_fields
from chassis.custom_fields import CustomField, CustomFieldDraft
from chassis.custom_values import FieldType
from chassis.db import ServiceSession

from customers.own_records import ENTITIES
from customers.refreshing import queue_refresh


def create_custom_field(session: ServiceSession, draft: CustomFieldDraft) -> CustomField:
    """Define a field of customers or contacts. What is derived is reckoned for the records there are by a job."""
    field = custom_fields.create_field(session, draft, entities=ENTITIES)
    if field.type in (FieldType.FORMULA, FieldType.ROLLUP):
        queue_refresh(session, field.entity)
    return field
