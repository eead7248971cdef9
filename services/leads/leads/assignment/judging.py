"""What the rules decide on leads. Nothing is written here: see `leads.assignment.deciding`."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.filters import FieldRegistry, filter_from_json
from chassis.organisation import organisation
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import defer

from leads.assignment.choosing import Choice, Rep, Team, Traits
from leads.assignment.people import CLOSED, Teams, word
from leads.lead_queries import LEAD_FIELDS
from leads.model import (
    Acceptance,
    AssignmentCause,
    AssignmentOutcome,
    AssignmentRule,
    Lead,
    LeadAssignment,
    LeadAssignmentSettings,
    RegistrationState,
)

_FIELDS = FieldRegistry(LEAD_FIELDS)
"""Rules are the company's: they are judged over all fields, whoever asks."""
_SOONEST, _LATEST = timedelta(minutes=5), timedelta(hours=4)


@dataclass(frozen=True)
class Decision:
    """What is decided on a lead."""

    lead: Lead
    cause: AssignmentCause
    outcome: AssignmentOutcome
    matched: str
    """A character per rule, by priority: `1` if it is for the lead, `0` if not, `-` if it is not applied."""
    rule: AssignmentRule | None = None
    team: Team | None = None
    choice: Choice | None = None
    assignee: Rep | None = None
    reason: str = ""
    retry_time: datetime | None = None
    accept_due_time: datetime | None = None


def assignable() -> ColumnElement[bool]:
    """The leads that are the rules' business: nobody owns them, and they are open."""
    return and_(
        Lead.owner_id.is_(None),
        Lead.status.not_in(CLOSED),
        ~Lead.assignment_skipped,
        or_(Lead.registration_state.is_(None), Lead.registration_state == RegistrationState.APPROVED),
    )


def all_rules(session: ServiceSession) -> Sequence[AssignmentRule]:
    """The rules by their priority."""
    statement = select(AssignmentRule).order_by(AssignmentRule.priority)
    return session.scalars(statement.execution_options(populate_existing=True)).all()


def idleness(rule: AssignmentRule, now: datetime) -> str:
    """Why a rule is not applied, as a stable code; empty if it is."""
    if rule.disabled:
        return "DISABLED"
    if rule.active_from is not None and now < rule.active_from:
        return "NOT_YET_ACTIVE"
    return "ENDED" if rule.active_until is not None and now >= rule.active_until else ""


def settings_of(session: ServiceSession) -> LeadAssignmentSettings:
    """The settings; those of a new installation as long as nobody changed them."""
    return session.get(LeadAssignmentSettings, 1) or LeadAssignmentSettings(id=1, version=0)


class Judge:
    """The rules and people as they are at one moment."""

    def __init__(self, session: ServiceSession) -> None:
        self._session = session
        self.rules = all_rules(session)
        self.settings = settings_of(session)
        self._applied = {at: rule for at, rule in enumerate(self.rules) if not idleness(rule, session.now)}
        self.teams = Teams(session, list(self._applied.values()))
        self._due_times: dict[int, datetime | None] = {}

    def judge(
        self, causes: Mapping[UUID, AssignmentCause], *, lock: bool, since: Mapping[UUID, datetime] | None = None
    ) -> list[Decision]:
        """Decide on those of some leads that are the rules' business, the one entered first first.

        `since`: when leads came into the fallback pool that are there already.
        """
        conditions = [self._condition(rule).label(f"rule_{at}") for at, rule in self._applied.items()]
        statement = (
            select(Lead, *conditions)
            .where(Lead.id.in_(causes), assignable())
            .options(defer(Lead.grams), defer(Lead.search_text))
            .order_by(Lead.id)
            .execution_options(populate_existing=True)
        )
        rows = self._session.execute(statement.with_for_update(of=Lead) if lock else statement).all()
        passed = self._passed([row[0].id for row in rows])
        known = since or {}
        return [
            self._decide(row[0], row[1:], causes[row[0].id], passed[row[0].id], known.get(row[0].id))
            for row in sorted(rows, key=lambda row: (row[0].create_time, row[0].id))
        ]

    def _condition(self, rule: AssignmentRule) -> ColumnElement[bool]:
        return _FIELDS.where(filter_from_json(rule.condition))

    def _passed(self, leads: Collection[UUID]) -> Mapping[UUID, list[UUID]]:
        statement = select(LeadAssignment.lead_id, LeadAssignment.assignee_id).where(
            LeadAssignment.lead_id.in_(leads),
            LeadAssignment.acceptance.in_([Acceptance.DECLINED, Acceptance.EXPIRED]),
        )
        found: dict[UUID, list[UUID]] = defaultdict(list)
        rows: Any = self._session.execute(statement)
        for lead_id, user_id in rows:
            found[lead_id].append(user_id)
        return found

    def _decide(
        self,
        lead: Lead,
        verdicts: Sequence[Any],
        cause: AssignmentCause,
        passed: Collection[UUID],
        pooled_since: datetime | None,
    ) -> Decision:
        now = self._session.now
        held = dict(zip(self._applied, verdicts, strict=True))
        matched = "".join("-" if at not in held else "1" if held[at] else "0" for at in range(len(self.rules)))
        first = matched.find("1")
        if first < 0:
            retry = _retry_time(now, pooled_since)
            return Decision(lead, cause, AssignmentOutcome.POOLED, matched, reason="NO_RULE", retry_time=retry)
        rule = self.rules[first]
        # Whoever asks for it wants another try, whatever was tried before.
        if len(passed) >= rule.max_tries and cause is not AssignmentCause.REQUESTED:
            return Decision(lead, cause, AssignmentOutcome.POOLED, matched, rule, reason="TRIES_USED_UP")
        team = self.teams.team(rule)
        traits = Traits(word(lead.city), word(lead.province), word(lead.industry))
        choice = team.choose(traits, passed, now)
        decision = Decision(lead, cause, AssignmentOutcome.ASSIGNED, matched, rule, team, choice)
        if choice.chosen is not None:
            assignee = team.standings[choice.chosen].rep
            return replace(decision, assignee=assignee, accept_due_time=self._due_time(rule.accept_minutes))
        if choice.waits_until is not None:
            waiting = AssignmentOutcome.WAITING
            return replace(decision, outcome=waiting, reason="OUTSIDE_HOURS", retry_time=choice.waits_until)
        retry = _retry_time(now, pooled_since)
        return replace(decision, outcome=AssignmentOutcome.POOLED, reason="NO_CANDIDATES", retry_time=retry)

    def _due_time(self, minutes: int) -> datetime | None:
        """Until when an assignee has to accept. A company without any working time sets nobody a term."""
        if minutes not in self._due_times:
            try:
                calendar = organisation(self._session).calendar
                due = calendar.add_working_time(self._session.now, timedelta(minutes=minutes)) if minutes else None
            except Conflict:
                due = None
            self._due_times[minutes] = due
        return self._due_times[minutes]


def _retry_time(now: datetime, pooled_since: datetime | None) -> datetime:
    """When to ask again: the longer a lead has been in the pool, the more seldom."""
    waited = now - (pooled_since or now)
    return now + min(max(waited / 4, _SOONEST), _LATEST)
