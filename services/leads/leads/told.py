"""What people are told a lead or customer is called: no name that their own roles hide, whoever tells them."""

from collections.abc import Iterable
from uuid import UUID

from chassis.db import ServiceSession

from leads.automation.authors import who_reads
from leads.lead_queries import ENTITY
from leads.model import Lead
from leads.subjects import PERSON, Subject, titles

Told = tuple[UUID, Subject]
"""Who is told, and of what."""


def titles_for(session: ServiceSession, told: Iterable[Told]) -> dict[Told, str]:
    """What each is called for who is told of it. Empty for a person whose name is hidden from them, and for what is
    gone, or not known yet."""
    wanted = set(told)
    open_to_all = titles(session, {subject for _, subject in wanted}, persons=False)
    persons = {one for one in wanted if one[1].collection == "leads" and not open_to_all.get(one[1])}
    readers = who_reads(session, {user_id for user_id, _ in persons}, ENTITY, PERSON) if persons else set()
    named = titles(session, {subject for user_id, subject in persons if user_id in readers}, persons=True)
    return {one: open_to_all.get(one[1]) or (named.get(one[1]) if one[0] in readers else None) or "" for one in wanted}


def lead_title_for(session: ServiceSession, user_id: UUID, lead: Lead) -> str:
    """The same for one lead."""
    told = user_id, Subject("leads", lead.id)
    return lead.company_name or titles_for(session, [told])[told]
