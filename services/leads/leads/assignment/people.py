"""What is known of the people who are given leads."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.likes import starting_with
from chassis.names import make_name
from chassis.organisation import organisation
from sqlalchemy import func, or_, select

from leads.assignment.choosing import Rep, Standing, Team, smoothed_percent
from leads.assignment.hours import Hours
from leads.model import (
    AssignmentDebt,
    AssignmentRule,
    AssignmentStrategy,
    KnownDepartment,
    KnownHolder,
    KnownUser,
    Lead,
    LeadAbsence,
    LeadAssignment,
    LeadCapacity,
    LeadStatus,
    OutsideHours,
)
from leads.model.assignment import DEFAULT_MONTHLY_CAPACITY

MONTH = timedelta(days=30)
CLOSED = (LeadStatus.CONVERTED, LeadStatus.DISQUALIFIED)
"""The statuses of leads that nobody works on any more."""


def default_capacity(user_id: UUID) -> LeadCapacity:
    """What holds for somebody as long as nobody said otherwise."""
    return LeadCapacity(
        user_id=user_id,
        daily_capacity=0,
        monthly_capacity=DEFAULT_MONTHLY_CAPACITY,
        weight=1,
        regions=[],
        skills=[],
        hours=[],
        declines_leads=False,
        version=0,
    )


def word(text: str | None) -> str:
    """A region, skill or industry as they are compared."""
    return (text or "").strip().casefold()


@dataclass(frozen=True)
class Load:
    """How many leads somebody was given and works on."""

    today: int = 0
    this_month: int = 0
    open_leads: int = 0


def loads(session: ServiceSession, users: Collection[UUID]) -> Mapping[UUID, Load]:
    """How many leads people were given and work on. What they declined or let pass counts as given, so that
    nobody picks the best by giving back the rest."""
    zone = organisation(session).zone
    midnight = datetime.combine(session.now.astimezone(zone).date(), time(), zone).astimezone(UTC)
    given = (
        select(
            LeadAssignment.assignee_id,
            func.count().filter(LeadAssignment.decide_time >= midnight),
            func.count().filter(LeadAssignment.decide_time > session.now - MONTH),
        )
        .where(
            LeadAssignment.assignee_id.in_(users),
            LeadAssignment.decide_time >= min(midnight, session.now - MONTH),
        )
        .group_by(LeadAssignment.assignee_id)
    )
    counted: Any = session.execute(given)
    counts = {key: (today, month) for key, today, month in counted}
    owned = (
        select(Lead.owner_id, func.count())
        .where(Lead.owner_id.in_(users), Lead.status.not_in(CLOSED))
        .group_by(Lead.owner_id)
    )
    works_on: Any = dict(session.execute(owned).all())
    return {user: Load(*counts.get(user, (0, 0)), works_on.get(user, 0)) for user in users}


def find_reps(session: ServiceSession, known: Iterable[KnownUser]) -> dict[UUID, Rep]:
    """People as they can be given leads now."""
    users = {user.id: user for user in known}
    capacities = {one.user_id: one for one in _rows(session, select(LeadCapacity), LeadCapacity.user_id, users)}
    absences: dict[UUID, list[LeadAbsence]] = {}
    lasting = select(LeadAbsence).where(LeadAbsence.end_time > session.now)
    for absence in _rows(session, lasting, LeadAbsence.user_id, users):
        absences.setdefault(absence.user_id, []).append(absence)
    load, hours = loads(session, users), Hours(session)
    return {
        key: _rep(
            user, capacities.get(key) or default_capacity(key), absences.get(key, ()), load[key], hours, session.now
        )
        for key, user in users.items()
    }


def _rows(session: ServiceSession, statement: Any, column: Any, users: Collection[UUID]) -> Sequence[Any]:
    return session.scalars(statement.where(column.in_(users)).execution_options(populate_existing=True)).all()


def _rep(
    user: KnownUser, capacity: LeadCapacity, absences: Sequence[LeadAbsence], load: Load, hours: Hours, now: datetime
) -> Rep:
    works_from = hours.next_work(capacity.hours)
    begin = works_from or now
    return Rep(
        user_id=user.id,
        department_path=user.department_path,
        active=user.active and user.partner_id is None,
        declines=capacity.declines_leads,
        absent=any(one.start_time <= begin < one.end_time for one in absences),
        works_from=works_from,
        daily_capacity=capacity.daily_capacity,
        monthly_capacity=capacity.monthly_capacity,
        weight=capacity.weight,
        regions=frozenset(map(word, capacity.regions)),
        skills=frozenset(map(word, capacity.skills)),
        given_today=load.today,
        given_this_month=load.this_month,
        open_leads=load.open_leads,
    )


class Teams:
    """The candidates of rules. Somebody who is a candidate of several is one and the same: what one rule gives counts
    for all."""

    def __init__(self, session: ServiceSession, rules: Sequence[AssignmentRule]) -> None:
        self._session = session
        self._members = self._find_members(rules)
        self._reps = find_reps(session, {user.id: user for users in self._members.values() for user in users}.values())
        self._debts = self._find_debts(rules)
        self._counted: dict[int, Mapping[UUID, tuple[int, int]]] = {}
        self._teams: dict[UUID, Team] = {}

    def team(self, rule: AssignmentRule) -> Team:
        """The candidates of a rule, by their ids."""
        if rule.id not in self._teams:
            self._teams[rule.id] = self._make(rule)
        return self._teams[rule.id]

    @property
    def asked(self) -> Mapping[UUID, Team]:
        """The teams that were asked for, by rule."""
        return self._teams

    def _find_members(self, rules: Sequence[AssignmentRule]) -> dict[UUID, list[KnownUser]]:
        departments = {key for rule in rules for key in (*rule.departments, *rule.headed_departments)}
        known = select(KnownDepartment).where(KnownDepartment.id.in_(departments))
        places = {one.id: one for one in self._session.scalars(known.execution_options(populate_existing=True))}
        holders = self._find_holders({key for rule in rules for key in rule.roles})
        named = {key for rule in rules for key in rule.users}
        named.update(one.head_id for one in places.values() if one.head_id is not None)
        named.update(key for keys in holders.values() for key in keys)
        trees = {key for rule in rules for key in rule.departments if key in places}
        below = [KnownUser.department_path.like(starting_with(places[key].path)) for key in sorted(trees)]
        statement = select(KnownUser).where(or_(KnownUser.id.in_(named), *below)).order_by(KnownUser.id)
        users = self._session.scalars(statement.execution_options(populate_existing=True)).all()
        return {rule.id: _members(rule, users, places, holders) for rule in rules}

    def _find_holders(self, roles: Collection[UUID]) -> Mapping[UUID, Collection[UUID]]:
        """Who holds each of some roles."""
        if not roles:
            return {}
        keys = {make_name("roles", key): key for key in roles}
        found: dict[UUID, set[UUID]] = {key: set() for key in roles}
        statement = select(KnownHolder.id, KnownHolder.roles).where(KnownHolder.roles.overlap(list(keys)))
        for row in self._session.execute(statement):
            for name in keys.keys() & set(row.roles):
                found[keys[name]].add(row.id)
        return found

    def _make(self, rule: AssignmentRule) -> Team:
        reps = [self._reps[user.id] for user in self._members[rule.id]]
        rates = self._conversions(rule, reps) if rule.strategy == AssignmentStrategy.PERFORMANCE else {}
        debts = self._debts.get(rule.id, {})
        standings = [
            Standing(rep, *debts.get(rep.user_id, (0, None)), conversion=rates.get(rep.user_id, 0)) for rep in reps
        ]
        skills = frozenset(map(word, rule.required_skills))
        return Team(AssignmentStrategy(rule.strategy), OutsideHours(rule.outside_hours), standings, skills)

    def _find_debts(self, rules: Sequence[AssignmentRule]) -> dict[UUID, dict[UUID, tuple[int, datetime | None]]]:
        debts: dict[UUID, dict[UUID, tuple[int, datetime | None]]] = {}
        statement = select(AssignmentDebt.__table__).where(AssignmentDebt.rule_id.in_([rule.id for rule in rules]))
        for row in self._session.execute(statement):
            debts.setdefault(row.rule_id, {})[row.user_id] = (row.debt, row.last_time)
        return debts

    def _conversions(self, rule: AssignmentRule, reps: Sequence[Rep]) -> dict[UUID, int]:
        counts = self._outcomes(rule.performance_days)
        of_team = [counts.get(rep.user_id, (0, 0)) for rep in reps]
        all_given, all_won = (sum(one) for one in zip(*of_team, strict=True)) if of_team else (0, 0)
        return {
            rep.user_id: smoothed_percent(won, given, all_won, all_given)
            for rep, (given, won) in zip(reps, of_team, strict=True)
        }

    def _outcomes(self, days: int) -> Mapping[UUID, tuple[int, int]]:
        """How many leads people were given in the last days, and how many of these they converted."""
        if days not in self._counted:
            converted = func.count(Lead.id.distinct()).filter(
                Lead.status == LeadStatus.CONVERTED, Lead.owner_id == LeadAssignment.assignee_id
            )
            statement = (
                select(LeadAssignment.assignee_id, func.count(Lead.id.distinct()), converted)
                .join(Lead, Lead.id == LeadAssignment.lead_id)
                .where(
                    LeadAssignment.assignee_id.in_(self._reps),
                    LeadAssignment.decide_time >= self._session.now - timedelta(days=days),
                )
                .group_by(LeadAssignment.assignee_id)
            )
            rows: Any = self._session.execute(statement)
            self._counted[days] = {key: (given, won) for key, given, won in rows}
        return self._counted[days]


def _members(
    rule: AssignmentRule,
    users: Sequence[KnownUser],
    places: Mapping[UUID, KnownDepartment],
    holders: Mapping[UUID, Collection[UUID]],
) -> list[KnownUser]:
    named = set(rule.users)
    named.update(head for key in rule.headed_departments if key in places and (head := places[key].head_id))
    named.update(key for role in rule.roles for key in holders[role])
    trees = tuple(places[key].path for key in rule.departments if key in places)
    return [user for user in users if user.id in named or (user.department_path or "").startswith(trees)]
