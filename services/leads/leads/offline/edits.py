"""Edits of a lead that were made on an older version of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import merging
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import etag
from chassis.rules import apply, refuse

from leads.lead_queries import lock_lead
from leads.model import Lead
from leads.rules import LEAD_RULES
from leads.usecases.update_lead import update_lead

_LISTS = ("phones", "emails")


@dataclass(frozen=True)
class LeadEdits:
    """What somebody changed of a lead, and what they saw there."""

    lead_id: UUID
    etag: str
    """Of the version that was edited."""
    values: Mapping[str, Any]
    """The new values by field."""
    base: Mapping[str, Any]
    """The values of these fields in that version; what is not given was empty."""


@dataclass(frozen=True)
class EditOutcome:
    """What came of the edits."""

    lead: Lead
    conflict: Mapping[str, Mapping[str, Any]] | None = None
    """`base` and `yours` of the fields that others have changed to other values; the other fields were set."""


def merge_lead_edits(session: ServiceSession, edits: LeadEdits) -> EditOutcome:
    """Set the fields that nobody else has changed since, and keep both values of the others."""
    if not edits.etag:
        raise Invalid("REQUIRED", "give the etag of the version that was edited", field="update_lead.etag")
    lead = lock_lead(session, edits.lead_id, "lead.update")
    if edits.etag == etag(lead.version):
        return EditOutcome(update_lead(session, lead.id, edits.values))
    yours, faults = apply(LEAD_RULES, edits.values)
    refuse(faults)
    base = {field: _stored(field, edits.base.get(field, [] if field in _LISTS else "")) for field in yours}
    merged = merging.merge({field: getattr(lead, field) for field in yours}, base, yours)
    lead = update_lead(session, lead.id, {field: edits.values[field] for field in merged.settled})
    if not merged.conflicts:
        return EditOutcome(lead)
    sides = {"base": base, "yours": {field: edits.values[field] for field in merged.conflicts}}
    kept = {side: {field: values[field] for field in merged.conflicts} for side, values in sides.items()}
    return EditOutcome(lead, kept)


def _stored(field: str, value: Any) -> Any:
    """A value that was read from a record, in the form that it was kept in. What no caller may state, such as a status
    that leads get by themselves, stands as it is."""
    try:
        return LEAD_RULES[field](value)
    except Invalid:
        return value
