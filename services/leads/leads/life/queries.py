"""Reads: what happened to leads. Rows are plain rows, not entities."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.field_rules import may_read
from chassis.paging import Page, SortKey
from sqlalchemy import Select, Text, literal, null, select, true, union_all

from leads import queries
from leads.lead_queries import ENTITY, get_lead
from leads.model import FollowUp, LeadEvent, LeadEventKind

FOLLOW_UP = "FOLLOW_UP"
"""What a timeline calls a follow-up, beside the kinds of `LeadEventKind`."""

_STATUSES = (LeadEventKind.CREATED, LeadEventKind.STATUS_CHANGED)


@dataclass(frozen=True)
class Timeline:
    """A page of what happened to a lead."""

    entries: Page[Any]
    follow_ups: Mapping[UUID, Any]
    """Those that entries tell of, as rows."""


def list_status_changes(session: ServiceSession, lead_id: UUID, *, page_size: int, page_token: str) -> Page[Any]:
    """A page of the statuses that a lead has had, the newest first, as rows. Raises NotFound."""
    get_lead(session, lead_id)
    statement = _events(session).where(LeadEvent.lead_id == lead_id, LeadEvent.kind.in_(_STATUSES))
    keys = [
        SortKey(LeadEvent.occur_time, descending=True, nullable=False),
        SortKey(LeadEvent.id, descending=True, nullable=False),
    ]
    mark = paging.fingerprint("lead-statuses", str(lead_id))
    return paging.fetch_page(session, statement, keys, paging.page_size(page_size), page_token, mark)


def list_timeline(
    session: ServiceSession, lead_id: UUID, *, kinds: Collection[str], page_size: int, page_token: str
) -> Timeline:
    """A page of what happened to a lead, the newest first: of everything, or of some kinds. Follow-ups are among it as
    far as the caller may read them. Raises NotFound."""
    get_lead(session, lead_id)
    of_kinds = LeadEvent.kind.in_(kinds) if kinds else true()
    parts: list[Select[Any]] = [_events(session).where(LeadEvent.lead_id == lead_id, of_kinds)]
    if session.caller.granted(queries.READ) and (not kinds or FOLLOW_UP in kinds):
        parts.append(_follow_ups(session, lead_id))
    told = union_all(*parts).subquery()
    keys = [
        SortKey(told.c.occur_time, descending=True, nullable=False),
        SortKey(told.c.id, descending=True, nullable=False),
    ]
    mark = paging.fingerprint("lead-timeline", str(lead_id), *sorted(kinds))
    page = paging.fetch_page(session, select(told), keys, paging.page_size(page_size), page_token, mark)
    return Timeline(page, _read(session, [row.id for row in page.rows if row.kind == FOLLOW_UP]))


def _events(session: ServiceSession) -> Select[Any]:
    # What was said about a status is kept from whom the lead's own note of it is kept from.
    told = LeadEvent.note if may_read(session.caller, ENTITY, "status_note") else null().cast(Text).label("note")
    columns: list[Any] = [
        LeadEvent.id, LeadEvent.kind, LeadEvent.actor, LeadEvent.occur_time,
        LeadEvent.before, LeadEvent.after, LeadEvent.reason, told,
    ]  # fmt: skip
    return select(*columns)


def _follow_ups(session: ServiceSession, lead_id: UUID) -> Select[Any]:
    """The follow-ups that the caller may read, as rows such as those of `_events`."""
    nothing = [null().cast(Text)] * 4
    columns: list[Any] = [FollowUp.id, literal(FOLLOW_UP), FollowUp.author, FollowUp.occur_time, *nothing]
    visible = queries.select_visible(session).where(FollowUp.lead_id == lead_id)
    return visible.with_only_columns(*columns, maintain_column_froms=True)


def _read(session: ServiceSession, ids: Collection[UUID]) -> dict[UUID, Any]:
    if not ids:
        return {}
    rows = session.execute(select(*FollowUp.__table__.columns).where(FollowUp.id.in_(ids)))
    return {row.id: row for row in rows}
