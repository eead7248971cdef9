"""Reads: rules, capacities, absences, the fallback pool, and decisions with what explains them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid, NotFound
from chassis.paging import Page, SortKey
from chassis.scopes import in_scope
from sqlalchemy import select

from leads.assignment.assign_leads import PERMISSION as ASSIGN
from leads.assignment.capacities import READ, require_user
from leads.assignment.claim_lead import CLAIM
from leads.assignment.explaining import Explanation, candidate_facts, detail_of, explain, rule_facts
from leads.assignment.judging import Decision, Judge
from leads.assignment.people import CLOSED, Load, default_capacity, loads
from leads.lead_queries import no_lead, reach
from leads.model import (
    AssignmentCause,
    AssignmentRound,
    AssignmentRule,
    KnownUser,
    Lead,
    LeadAbsence,
    LeadAssignment,
    LeadCapacity,
    WaitingLead,
)

_NEWEST = [
    SortKey(column, descending=True, nullable=False) for column in (LeadAssignment.decide_time, LeadAssignment.id)
]


def list_rules(session: ServiceSession, *, page_size: int, page_token: str) -> Page[AssignmentRule]:
    """A page of the rules by their priority."""
    key = SortKey(AssignmentRule.priority, nullable=False)
    size, mark = paging.page_size(page_size), paging.fingerprint("assignment rules")
    return paging.fetch_page(session, select(AssignmentRule), [key], size, page_token, mark)


def get_capacity(session: ServiceSession, user_id: UUID) -> tuple[LeadCapacity, Load]:
    """How many leads somebody can be given, and how many they have. Raises NotFound."""
    require_user(session, user_id, READ)
    return session.get(LeadCapacity, user_id) or default_capacity(user_id), loads(session, [user_id])[user_id]


def list_capacities(session: ServiceSession, *, page_size: int, page_token: str) -> Page[tuple[LeadCapacity, Load]]:
    """A page of the capacities of active employees, by user."""
    reached = in_scope(session.caller.scope(READ), KnownUser.id, KnownUser.department_path)
    users = select(KnownUser.id).where(reached, KnownUser.active, KnownUser.partner_id.is_(None))
    key = SortKey(KnownUser.id, nullable=False)
    mark = paging.fingerprint("lead capacities")
    page = paging.fetch_page(session, users, [key], paging.page_size(page_size), page_token, mark)
    ids = [row if isinstance(row, UUID) else row.id for row in page.rows]
    stated = {one.user_id: one for one in session.scalars(select(LeadCapacity).where(LeadCapacity.user_id.in_(ids)))}
    load = loads(session, ids)
    return Page([(stated.get(key) or default_capacity(key), load[key]) for key in ids], page.next_token)


def list_absences(session: ServiceSession, user_id: UUID, *, page_size: int, page_token: str) -> Page[LeadAbsence]:
    """A page of somebody's absences, the latest first. Raises NotFound."""
    require_user(session, user_id, READ)
    keys = [SortKey(column, descending=True, nullable=False) for column in (LeadAbsence.start_time, LeadAbsence.id)]
    statement = select(LeadAbsence).where(LeadAbsence.user_id == user_id)
    mark = paging.fingerprint("lead absences", str(user_id))
    return paging.fetch_page(session, statement, keys, paging.page_size(page_size), page_token, mark)


def list_pool(session: ServiceSession, *, page_size: int, page_token: str) -> Page[tuple[WaitingLead, Lead]]:
    """A page of the fallback pool: why leads are there, and the leads, the oldest first."""
    scope = session.caller.scope(CLAIM)
    statement: Any = (
        select(WaitingLead, Lead)
        .join(Lead, Lead.id == WaitingLead.lead_id)
        .where(
            Lead.owner_id.is_(None),
            Lead.status.not_in(CLOSED),
            in_scope(scope, Lead.owner_id, Lead.owner_department_path),
        )
    )
    keys = [SortKey(column, nullable=False) for column in (WaitingLead.pool_time, WaitingLead.lead_id)]
    mark = paging.fingerprint("lead pool")
    page = paging.fetch_page(session, statement, keys, paging.page_size(page_size), page_token, mark)
    return Page([(row[0], row[1]) for row in page.rows], page.next_token)


def list_assignments(
    session: ServiceSession, lead_id: UUID, *, page_size: int, page_token: str
) -> Page[LeadAssignment]:
    """A page of the decisions on a lead, the newest first. Raises NotFound."""
    if session.scalar(select(Lead.id).where(Lead.id == lead_id, reach(session, "lead.read"))) is None:
        raise no_lead()
    statement = select(LeadAssignment).where(LeadAssignment.lead_id == lead_id)
    mark = paging.fingerprint("lead assignments", str(lead_id))
    return paging.fetch_page(session, statement, _NEWEST, paging.page_size(page_size), page_token, mark)


def explain_assignment(session: ServiceSession, lead_id: UUID | None, assignment_id: UUID | None) -> Explanation:
    """Why a decision is as it is: the one that is named, else the newest on the lead, else what would be decided now.

    Raises NotFound, Invalid REQUIRED; Conflict LEAD_NOT_ASSIGNABLE for a lead that the rules never decided on and leave
    as it is, with the reason.
    """
    if lead_id is None and assignment_id is None:
        raise Invalid("REQUIRED", "name a lead or a decision", field="lead")
    assignment = _find(session, lead_id, assignment_id)
    reached = in_scope(session.caller.scope(ASSIGN), Lead.owner_id, Lead.owner_department_path)
    wanted = assignment.lead_id if assignment is not None else lead_id
    if session.scalar(select(Lead.id).where(Lead.id == wanted, reached)) is None:
        raise no_lead() if assignment_id is None else _no_assignment()
    if assignment is None:
        if (tried := _try(session, lead_id)) is not None:
            return tried
        assignment = _find(session, lead_id, None)  # perhaps it was decided on meanwhile
    if assignment is None:
        raise _not_assignable(session.get_one(Lead, wanted))
    return _kept(session, assignment)


_WHY_NOT = {
    "OWNED": "somebody owns it, who was named; see its owner, or transfer it",
    "CLOSED": "it is closed; take it up again first",
    "REGISTRATION_UNDECIDED": "a partner's registration has to be approved first",
    "SKIPPED": "they are to leave it alone; see SkipLeadAssignment",
}
"""By stable code."""


def _not_assignable(lead: Lead) -> Conflict:
    """The refusal to explain what the rules never decided, as the lead is none of their business: see
    `leads.assignment.judging.assignable`."""
    if lead.owner_id is not None:
        why = "OWNED"
    elif lead.status in CLOSED:
        why = "CLOSED"
    else:
        why = "SKIPPED" if lead.assignment_skipped else "REGISTRATION_UNDECIDED"
    message = f"the rules have decided nothing on this lead, and leave it as it is: {_WHY_NOT[why]}"
    return Conflict("LEAD_NOT_ASSIGNABLE", message, field="lead", why=why)


def _kept(session: ServiceSession, assignment: LeadAssignment) -> Explanation:
    keys = [key for key in (assignment.rules_id, assignment.candidates_id) if key is not None]
    rounds = {one.id: one.facts for one in session.scalars(select(AssignmentRound).where(AssignmentRound.id.in_(keys)))}
    return explain(
        assignment,
        rounds.get(assignment.rules_id) if assignment.rules_id else None,
        rounds.get(assignment.candidates_id) if assignment.candidates_id else None,
    )


def _find(session: ServiceSession, lead_id: UUID | None, assignment_id: UUID | None) -> LeadAssignment | None:
    if assignment_id is not None:
        named = session.get(LeadAssignment, assignment_id)
        if named is None or lead_id not in (None, named.lead_id):
            raise _no_assignment()
        return named
    newest = (
        select(LeadAssignment)
        .where(LeadAssignment.lead_id == lead_id)
        .order_by(LeadAssignment.decide_time.desc(), LeadAssignment.id.desc())
    )
    found: LeadAssignment | None = session.scalars(newest.limit(1)).first()
    return found


def _no_assignment() -> NotFound:
    return NotFound("LEAD_ASSIGNMENT_NOT_FOUND", "there is no such decision, or you may not see it")


def _try(session: ServiceSession, lead_id: UUID | None) -> Explanation | None:
    """What would be decided now; None if nothing is to be."""
    assert lead_id is not None
    judge = Judge(session)
    decisions = judge.judge({lead_id: AssignmentCause.REQUESTED}, lock=False)
    if not decisions:
        return None
    [decision] = decisions
    team = candidate_facts(decision.rule, decision.team) if decision.rule is not None and decision.team else None
    return explain(as_assignment(session, decision), rule_facts(judge.rules, session.now), team)


def as_assignment(session: ServiceSession, decision: Decision) -> LeadAssignment:
    """A decision in the form in which it would be kept, with no name of its own."""
    return LeadAssignment(
        id=None,
        lead_id=decision.lead.id,
        outcome=decision.outcome,
        cause=decision.cause,
        rule_id=decision.rule.id if decision.rule is not None else None,
        assignee_id=decision.assignee.user_id if decision.assignee is not None else None,
        reason=decision.reason,
        acceptance=None,
        accept_due_time=decision.accept_due_time,
        decide_time=session.now,
        detail=detail_of(decision),
    )


def newest(session: ServiceSession, leads: Sequence[UUID]) -> list[LeadAssignment]:
    """The newest decision on each of some leads, in the order given."""
    statement = (
        select(LeadAssignment)
        .where(LeadAssignment.lead_id.in_(leads))
        .order_by(LeadAssignment.decide_time, LeadAssignment.id)
    )
    found = {one.lead_id: one for one in session.scalars(statement)}
    return [found[key] for key in leads if key in found]
