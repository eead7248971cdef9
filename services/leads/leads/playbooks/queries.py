"""Reads: playbooks, and where leads are in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import Conflict, NotFound
from chassis.paging import Page, SortKey
from sqlalchemy import and_, select, tuple_

from leads.lead_queries import no_lead
from leads.lead_queries import reach as lead_reach
from leads.model import Lead, LeadPlaybook, Playbook, PlaybookVersion, StageStay
from leads.playbooks.content import Content
from leads.playbooks.gates import open_required

_ORDER = [SortKey(Playbook.position, nullable=False), SortKey(Playbook.id, nullable=False)]
_NEWEST = [
    SortKey(StageStay.enter_time, descending=True, nullable=False),
    SortKey(StageStay.id, descending=True, nullable=False),
]


@dataclass(frozen=True)
class Progress:
    """Where a lead is in its playbook."""

    row: LeadPlaybook
    playbook: Playbook
    content: Content
    open_required: Sequence[str]
    """The names of the tasks that keep it in its stage."""


def get_playbook(session: ServiceSession, playbook_id: UUID, number: int = 0) -> tuple[Playbook, PlaybookVersion]:
    """A playbook and one of its versions, the newest if none is named. Raises NotFound."""
    session.caller.scope("playbook.read")
    playbook = session.get(Playbook, playbook_id)
    if playbook is None:
        raise no_playbook()
    version = session.get(PlaybookVersion, (playbook_id, number or playbook.content_version))
    if version is None:
        raise no_playbook()
    return playbook, version


def list_playbooks(
    session: ServiceSession, *, page_size: int, page_token: str
) -> Page[tuple[Playbook, PlaybookVersion]]:
    """A page of playbooks in the order in which leads start them, each with its newest version."""
    session.caller.scope("playbook.read")
    size, mark = paging.page_size(page_size), paging.fingerprint("playbooks")
    page = paging.fetch_page(session, select(Playbook), _ORDER, size, page_token, mark)
    keys = [(one.id, one.content_version) for one in page.rows]
    wanted = tuple_(PlaybookVersion.playbook_id, PlaybookVersion.number).in_(keys)
    versions = {one.playbook_id: one for one in session.scalars(select(PlaybookVersion).where(wanted))}
    return Page([(one, versions[one.id]) for one in page.rows], page.next_token)


def get_progress(session: ServiceSession, lead_id: UUID) -> Progress:
    """Where a lead is that the caller may see. Raises NotFound, Conflict NO_PLAYBOOK."""
    if session.scalar(select(Lead.id).where(Lead.id == lead_id, lead_reach(session, "lead.read"))) is None:
        raise no_lead()
    return progress_of(session, lead_id)


def progress_of(session: ServiceSession, lead_id: UUID) -> Progress:
    """Where a lead is. Raises Conflict NO_PLAYBOOK if it follows none."""
    row = session.get(LeadPlaybook, lead_id)
    if row is None:
        raise Conflict("NO_PLAYBOOK", "the lead follows no playbook; start one first")
    playbook = session.get_one(Playbook, row.playbook_id)
    content = content_of(session, row.playbook_id, row.playbook_version)
    return Progress(row, playbook, content, open_required(session, row, content, content.position(row.stage_id) + 1))


def content_of(session: ServiceSession, playbook_id: UUID, number: int) -> Content:
    """What a version of a playbook says."""
    return Content.from_json(session.get_one(PlaybookVersion, (playbook_id, number)).content)


def list_stays(session: ServiceSession, lead_id: UUID, *, page_size: int, page_token: str) -> Page[Any]:
    """A page of the stages that a lead has been in, the newest first. Raises NotFound."""
    if session.scalar(select(Lead.id).where(Lead.id == lead_id, lead_reach(session, "lead.read"))) is None:
        raise no_lead()
    size, mark = paging.page_size(page_size), paging.fingerprint("stage stays", str(lead_id))
    return paging.fetch_page(
        session, select(StageStay).where(StageStay.lead_id == lead_id), _NEWEST, size, page_token, mark
    )


def no_playbook() -> NotFound:
    """The refusal of a playbook that does not exist, or of a version that it does not have."""
    return NotFound("PLAYBOOK_NOT_FOUND", "there is no such playbook, or it has no such version")


def is_offered(session: ServiceSession, stage_id: UUID) -> bool:
    """Whether a playbook that is not archived has a stage in its newest version."""
    newest = (
        select(PlaybookVersion)
        .join(Playbook, and_(Playbook.id == PlaybookVersion.playbook_id, ~Playbook.archived))
        .where(PlaybookVersion.number == Playbook.content_version)
        .where(PlaybookVersion.content.contains({"stages": [{"id": str(stage_id)}]}))
    )
    return session.scalar(select(newest.exists())) or False
