"""Leads from rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from chassis.etags import etag
from chassis.masks import changed_paths
from chassis.names import make_name, parse_optional_name
from crm.leads.v1 import lead_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from leads.usecases.create_lead import LeadDraft

_STATUSES = {name.removeprefix("LEAD_STATUS_"): number for name, number in lead_pb2.LeadStatus.items()}
_STATUS_NAMES = {number: name for name, number in _STATUSES.items()}
_STATES = {name.removeprefix("REGISTRATION_STATE_"): number for name, number in lead_pb2.RegistrationState.items()}

_LISTS = ("phones", "emails")
_TEXTS = (
    "company_name", "contact_name", "wechat", "credit_code", "source", "channel", "industry", "province", "city",
    "requirement", "remark", "source_detail", "medium", "campaign", "campaign_term", "campaign_content", "landing_page",
    "external_id",
)  # fmt: skip
STATED = (*_TEXTS, *_LISTS, "status", "status_reason", "status_note")
"""The fields that a caller states."""


def lead_to_proto(row: Any) -> lead_pb2.Lead:
    """A lead, from an entity or a row of its columns."""
    return lead_pb2.Lead(
        name=f"leads/{row.id}",
        **{field: getattr(row, field) for field in (*_TEXTS, *_LISTS)},
        status=_STATUSES[row.status],
        status_reason=row.status_reason,
        status_note=row.status_note,
        owner=make_name("users", row.owner_id),
        registrant=row.registrant,
        partner=make_name("partners", row.partner_id),
        registration_state=_STATES[row.registration_state or "UNSPECIFIED"],
        rejection_reason=row.rejection_reason,
        protection_expire_time=row.protection_expire_time,
        last_follow_up_time=row.last_follow_up_time,
        last_effective_follow_up_time=row.last_effective_follow_up_time,
        converted_customer=make_name("customers", row.converted_customer_id),
        converted_contact=make_name("contacts", row.converted_contact_id),
        capture_source=make_name("captureSources", row.capture_source_id),
        opt_in_time=row.opt_in_time,
        repeat_count=row.repeat_count,
        repeat_time=row.repeat_time,
        assignment_skipped=row.assignment_skipped,
        score=row.score,
        grade=row.grade,
        etag=etag(row.version),
        create_time=row.create_time,
        update_time=row.update_time,
    )


def lead_with(values: Mapping[str, Any]) -> lead_pb2.Lead:
    """A lead of which some fields are known, in the form that `lead_patch` returns them in."""
    plain = {field: value for field, value in values.items() if field != "status" and value is not None}
    lead = lead_pb2.Lead(**plain)
    lead.status = _STATUSES.get(values.get("status", ""), lead_pb2.LEAD_STATUS_UNSPECIFIED)
    return lead


def lead_draft(lead: lead_pb2.Lead, *, unowned: bool = False) -> LeadDraft:
    """What is stated about a new lead."""
    return LeadDraft(
        values=_values(lead, [field for field in STATED if getattr(lead, field)]),
        owner_id=parse_optional_name("users", lead.owner, field="owner"),
        unowned=unowned,
    )


def lead_patch(lead: lead_pb2.Lead, mask: FieldMask) -> dict[str, Any]:
    """What an update of a lead changes."""
    return _values(lead, changed_paths(lead, mask, set(STATED)))


def _values(lead: lead_pb2.Lead, paths: Iterable[str]) -> dict[str, Any]:
    return {path: _value(lead, path) for path in sorted(paths)}


def _value(lead: lead_pb2.Lead, path: str) -> Any:
    if path == "status":
        return _STATUS_NAMES.get(lead.status, str(lead.status))
    return list(getattr(lead, path)) if path in _LISTS else getattr(lead, path)
