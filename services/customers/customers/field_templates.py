"""Which fields people see of customers and contacts of a kind, and which of them must be filled in."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Violation
from chassis.field_rules import CUSTOM
from sqlalchemy import select

from customers.model.tags import FieldTemplate
from customers.rules import column


def required_fields(session: ServiceSession, entity: str, kind: str) -> list[str]:
    """The fields that a new record of a kind must have, as filters call them. Contacts are all of the kind ''."""
    fields = session.scalar(
        select(FieldTemplate.fields).where(FieldTemplate.entity == entity, FieldTemplate.kind == kind)
    )
    return required_in(fields or ())


def required_in(fields: Iterable[Mapping[str, Any]]) -> list[str]:
    """The same of a template that was read."""
    return [field["field"] for field in fields if field["required"]]


def lacks(required: Sequence[str], stored: Mapping[str, Any], custom: Mapping[str, Any]) -> list[Violation]:
    """What a new record lacks, its values being in stored form by column."""
    found = []
    for name in required:
        own = name.removeprefix(CUSTOM)
        value = stored.get(column(name)) if own == name else custom.get(own)
        if value in (None, "", []):
            path = name if own == name else f"custom_fields.{own}"
            found.append(Violation(path, "REQUIRED", f"{name} must have a value"))
    return found
