"""Reads: the leads that a caller may see. Rows are plain rows, not entities, save those locked for a change."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import paging, search
from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid, NotFound
from chassis.field_rules import may_read
from chassis.filters import Field, FieldKind, FieldRegistry
from chassis.paging import Page, SortKey
from chassis.scopes import in_scope
from chassis.sharing import not_yours
from sqlalchemy import ColumnElement, Select, and_, func, select, true

from leads.model import Lead, LeadStatus, RegistrationState

ENTITY = "lead"
MAX_BATCH = 200
_SEARCHED = ("contact_name", "phones", "emails")
"""What is searched besides the company's name, which everybody sees who sees the lead."""

_NARROWS = "none: narrows what another condition has found"
_CREDIT_CODE = re.compile("[0-9A-Z]{18}")
_KEPT_INSIDE = {"score_time", "company_key", "search_text", "grams"}
_LEADS = select(*[column for column in Lead.__table__.columns if column.key not in _KEPT_INSIDE])
_NEWEST = SortKey(Lead.update_time, descending=True, nullable=False)
_BY_ID = SortKey(Lead.id, descending=True, nullable=False)

LEAD_FIELDS = (
    Field("name", FieldKind.REFERENCE, Lead.id, collection="leads", index="pk_lead"),
    Field("company_name", FieldKind.TEXT, Lead.company_name, sortable=True, index="ix_lead_company_name"),
    Field("contact_name", FieldKind.TEXT, Lead.contact_name, index=_NARROWS),
    Field("phones", FieldKind.TEXT_LIST, Lead.phones, index="ix_lead_phones"),
    Field("emails", FieldKind.TEXT_LIST, Lead.emails, index="ix_lead_emails"),
    Field("wechat", FieldKind.TEXT, Lead.wechat, index=_NARROWS),
    Field("credit_code", FieldKind.TEXT, Lead.credit_code, index="ix_lead_credit_code"),
    Field("source", FieldKind.TEXT, Lead.source, index=_NARROWS),
    Field("channel", FieldKind.TEXT, Lead.channel, index=_NARROWS),
    Field("source_detail", FieldKind.TEXT, Lead.source_detail, index=_NARROWS),
    Field("medium", FieldKind.TEXT, Lead.medium, index=_NARROWS),
    Field("campaign", FieldKind.TEXT, Lead.campaign, index=_NARROWS),
    Field("campaign_term", FieldKind.TEXT, Lead.campaign_term, index=_NARROWS),
    Field("campaign_content", FieldKind.TEXT, Lead.campaign_content, index=_NARROWS),
    Field("landing_page", FieldKind.TEXT, Lead.landing_page, index=_NARROWS),
    Field("external_id", FieldKind.TEXT, Lead.external_id, index=_NARROWS),
    Field(
        "capture_source",
        FieldKind.REFERENCE,
        Lead.capture_source_id,
        collection="captureSources",
        index=_NARROWS,
    ),
    Field("opt_in_time", FieldKind.TIME, Lead.opt_in_time, index=_NARROWS),
    Field("repeat_count", FieldKind.NUMBER, Lead.repeat_count, index=_NARROWS),
    Field("repeat_time", FieldKind.TIME, Lead.repeat_time, index=_NARROWS),
    Field("industry", FieldKind.TEXT, Lead.industry, index=_NARROWS),
    Field("province", FieldKind.TEXT, Lead.province, index=_NARROWS),
    Field("city", FieldKind.TEXT, Lead.city, index=_NARROWS),
    Field("requirement", FieldKind.TEXT, Lead.requirement, index=_NARROWS),
    Field("remark", FieldKind.TEXT, Lead.remark, index=_NARROWS),
    Field("status", FieldKind.ENUM, Lead.status, choices=tuple(LeadStatus), index=_NARROWS),
    Field("status_reason", FieldKind.TEXT, Lead.status_reason, index=_NARROWS),
    Field("status_note", FieldKind.TEXT, Lead.status_note, index=_NARROWS),
    Field("last_follow_up_time", FieldKind.TIME, Lead.last_follow_up_time, index=_NARROWS),
    Field("last_effective_follow_up_time", FieldKind.TIME, Lead.last_effective_follow_up_time, index=_NARROWS),
    Field(
        "converted_customer",
        FieldKind.REFERENCE,
        Lead.converted_customer_id,
        collection="customers",
        index="ix_lead_converted_customer",
    ),
    Field("converted_contact", FieldKind.REFERENCE, Lead.converted_contact_id, collection="contacts", index=_NARROWS),
    Field("owner", FieldKind.REFERENCE, Lead.owner_id, collection="users", index="ix_lead_owner"),
    Field("registrant", FieldKind.TEXT, Lead.registrant, index=_NARROWS),
    Field("partner", FieldKind.REFERENCE, Lead.partner_id, collection="partners", index=_NARROWS),
    Field(
        "registration_state",
        FieldKind.ENUM,
        Lead.registration_state,
        choices=tuple(RegistrationState),
        index="ix_lead_registration_state",
    ),
    Field("assignment_skipped", FieldKind.BOOLEAN, Lead.assignment_skipped, index=_NARROWS),
    Field("protection_expire_time", FieldKind.TIME, Lead.protection_expire_time, index=_NARROWS),
    Field("score", FieldKind.NUMBER, Lead.score, sortable=True, index="ix_lead_score"),
    Field("grade", FieldKind.ENUM, Lead.grade, choices=("A", "B", "C", "D"), index=_NARROWS),
    Field("create_time", FieldKind.TIME, Lead.create_time, sortable=True, index="ix_lead_create_time"),
    Field("update_time", FieldKind.TIME, Lead.update_time, sortable=True, index="ix_lead_update_time"),
)
"""The fields that leads are filtered and sorted by, each with the index that serves it."""

REGISTRY = FieldRegistry(LEAD_FIELDS, entity=ENTITY)


def reach(session: ServiceSession, permission: str) -> ColumnElement[bool]:
    """The leads that the caller reaches with a permission; a partner's user, those they registered."""
    scope = session.caller.scope(permission)
    if session.caller.partner_id is not None:
        return Lead.registrant_id == session.caller.user_id
    return in_scope(scope, Lead.owner_id, Lead.owner_department_path)


def select_visible(session: ServiceSession) -> Select[Any]:
    """The leads that the caller may see, as rows."""
    return _LEADS.where(reach(session, "lead.read"))


def get_lead(session: ServiceSession, lead_id: UUID) -> Any:
    """A lead as a row. Raises NotFound if there is none that the caller may see."""
    row = session.execute(_LEADS.where(Lead.id == lead_id, reach(session, "lead.read"))).first()
    if row is None:
        raise no_lead()
    return row


def batch_get_leads(session: ServiceSession, ids: Sequence[UUID]) -> list[Any]:
    """Those of the leads that exist and are visible, as rows, each once, in the order asked."""
    if len(ids) > MAX_BATCH:
        raise Invalid("TOO_MANY_NAMES", f"ask for at most {MAX_BATCH} leads at once", field="names")
    rows = session.execute(_LEADS.where(Lead.id.in_(ids), reach(session, "lead.read")))
    found = {row.id: row for row in rows}
    return [found[key] for key in dict.fromkeys(ids) if key in found]


def lock_lead(session: ServiceSession, lead_id: UUID, permission: str) -> Lead:
    """A lead, locked for a change.

    Raises Denied NOT_YOURS if the permission does not reach it, though the caller can read it; else NotFound.
    """
    statement = select(Lead).where(Lead.id == lead_id, reach(session, permission))
    lead: Lead | None = session.scalars(statement.with_for_update()).first()
    if lead is None:
        raise _refusal(session, lead_id, permission)
    return lead


def _refusal(session: ServiceSession, lead_id: UUID, permission: str) -> DomainError:
    if session.caller.granted("lead.read"):
        readable = select(Lead.owner_id).where(Lead.id == lead_id, reach(session, "lead.read"))
        if (row := session.execute(readable).first()) is not None:
            return not_yours(permission, row.owner_id)
    return no_lead()


def list_leads(
    session: ServiceSession, *, conditions: Any, query: str, order_by: Sequence[Any], page_size: int, page_token: str
) -> Page[Any]:
    """A page of leads as rows."""
    size = paging.page_size(page_size)
    keys = REGISTRY.order(order_by, [_NEWEST], _BY_ID, caller=session.caller)
    mark = paging.fingerprint("leads", conditions, query, order_by)
    return paging.fetch_page(session, _LEADS.where(_listed(session, conditions, query)), keys, size, page_token, mark)


def count_leads(session: ServiceSession, *, conditions: Any, query: str) -> int:
    """How many leads a list shows over all pages."""
    return session.scalar(select(func.count()).select_from(Lead).where(_listed(session, conditions, query))) or 0


def _listed(session: ServiceSession, conditions: Any, query: str) -> ColumnElement[bool]:
    visible = reach(session, "lead.read")
    return and_(visible, REGISTRY.where(conditions, caller=session.caller), _found_by(session.caller, query))


def _found_by(caller: Caller, query: str) -> ColumnElement[bool]:
    code = query.strip().upper()
    if _CREDIT_CODE.fullmatch(code) and may_read(caller, ENTITY, "credit_code"):
        return Lead.credit_code == code
    # Whoever does not see the whole of what is searched must not find out by its parts either.
    whole = all(may_read(caller, ENTITY, field) for field in _SEARCHED)
    within = None if whole else search.public_part(Lead.search_text)
    return search.matches(query, Lead.grams, Lead.search_text, within=within) if code else true()


def no_lead() -> NotFound:
    """The refusal of a lead that does not exist or cannot be seen, which are told alike."""
    return NotFound("LEAD_NOT_FOUND", "there is no such lead, or you may not see it")
