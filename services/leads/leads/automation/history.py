"""What a lead held before, from the audit log: for rules that ask for a change, and for a look back."""

from collections.abc import Iterable, Mapping
from typing import Any

from chassis.audit.model import AuditEntry
from chassis.db import ServiceSession
from sqlalchemy import and_, or_, select

Change = tuple[str, int]
"""The resource name of a lead, and the version that a change gave it."""


def changes(session: ServiceSession, wanted: Iterable[Change]) -> dict[Change, tuple[dict[str, Any], dict[str, Any]]]:
    """What some changes of leads replaced and what by, field by field. Those that nobody kept are left out."""
    conditions = [
        and_(AuditEntry.resource == name, AuditEntry.after["version"].as_integer() == version)
        for name, version in set(wanted)
    ]
    if not conditions:
        return {}
    rows = session.execute(
        select(AuditEntry.resource, AuditEntry.before, AuditEntry.after).where(
            or_(*conditions), AuditEntry.before.is_not(None)
        )
    )
    return {(row.resource, row.after["version"]): (fields(row.before), fields(row.after)) for row in rows}


def fields(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the audit log keeps of a lead, without what is none of its fields."""
    return {key: value for key, value in (values or {}).items() if key != "version"}
