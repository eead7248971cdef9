"""Scores of leads, computed for many at once by one statement, and what each comes from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from chassis.callers import Caller
from chassis.columns import AnyColumn
from chassis.db import ServiceSession, UtcDateTime
from chassis.field_rules import may_read
from chassis.organisation import organisation
from sqlalchemy import ColumnElement, Float, Integer, case, cast, func, literal, or_, select, true, update

from leads.effectiveness import Verdict
from leads.lead_queries import ENTITY, get_lead
from leads.model import FollowUp, Lead, LeadStatus, Visit
from leads.scoring.learning import Model
from leads.scoring.models import as_model, model_row
from leads.scoring.rules import BehaviourRule, KeptRules, Rules, Signal, rules_in_force

OPEN = (LeadStatus.NEW, LeadStatus.CONTACTED, LeadStatus.QUALIFIED)
"""The statuses in which a score still tells something. Of other leads it stays as it was."""
BATCH = 5_000
REMEMBERED_HALF_LIVES = 12
"""What lies further back is worth less than a four-thousandth of its points."""


@dataclass(frozen=True)
class Factor:
    """Something that a score comes from."""

    title: str
    value: ColumnElement[float]
    fields: tuple[str, ...] = ()
    """The fields of the lead that it tells of."""


@dataclass(frozen=True)
class Formula:
    """What a score comes from, and how."""

    factors: Sequence[Factor]
    score: ColumnElement[int]
    by_model: bool


def formula(session: ServiceSession) -> Formula:
    """The one in force: the model's if it beats the rules, else the rules'."""
    row = model_row(session)
    return (
        by_model(as_model(row))
        if row is not None and row.in_use
        else by_rules(rules_in_force(session).rules, session.now)
    )


def by_rules(rules: Rules, now: datetime) -> Formula:
    """The sum of the points."""
    fit = [Factor(rule.title, _points(rule.predicate(), rule.points), rule.fields) for rule in rules.fit]
    behaviour = [Factor(rule.title, _faded(rule, now)) for rule in rules.behaviour]
    factors = [*fit, *behaviour]
    total = sum((factor.value for factor in factors), literal(0.0, Float))
    return Formula(factors, _within(total), by_model=False)


def by_model(model: Model) -> Formula:
    """The chance that the model gives, in percent. Its factors are weights, in units of the logarithm of the odds."""
    factors = [
        Factor(weight.title, _points(weight.predicate(), weight.weight), (weight.field,)) for weight in model.weights
    ]
    log_odds = sum((factor.value for factor in factors), literal(model.intercept, Float))
    return Formula(factors, _within(100 / (1 + func.exp(-log_odds))), by_model=True)


def _points(condition: ColumnElement[bool], points: float) -> ColumnElement[float]:
    return case((condition, literal(float(points), Float)), else_=literal(0.0, Float))


def _within(total: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(func.least(100, func.greatest(0, func.round(total))), Integer)


def _faded(rule: BehaviourRule, now: datetime) -> ColumnElement[float]:
    """What is left of the points by now, of all times together, up to the most."""
    if rule.signal in (Signal.CREATED, Signal.CAPTURED_AGAIN):
        moment: AnyColumn = Lead.create_time if rule.signal == Signal.CREATED else Lead.repeat_time
        left: ColumnElement[Any] = case(
            (moment.is_not(None), rule.points * _remainder(moment, rule, now)), else_=literal(0.0, Float)
        )
    else:
        table, moment, counts = _SOURCES[Signal(rule.signal)]
        recent: ColumnElement[bool] = true()
        if rule.half_life_days:
            recent = moment > now - timedelta(days=rule.half_life_days * REMEMBERED_HALF_LIVES)
        summed = func.sum(rule.points * _remainder(moment, rule, now))
        times = select(func.coalesce(summed, 0.0)).where(table.lead_id == Lead.id, counts, recent, moment <= now)
        left = times.correlate(Lead.__table__).scalar_subquery()
    bounded = func.least(rule.most_points, left) if rule.points > 0 else func.greatest(-rule.most_points, left)
    return cast(bounded, Float)


def _remainder(moment: AnyColumn, rule: BehaviourRule, now: datetime) -> ColumnElement[Any]:
    if not rule.half_life_days:
        return literal(1.0, Float)
    age = func.extract("epoch", literal(now, UtcDateTime) - moment) / (86_400 * rule.half_life_days)
    return func.power(literal(0.5, Float), cast(func.greatest(0, age), Float))


_SOURCES: dict[Signal, tuple[Any, AnyColumn, AnyColumn]] = {
    Signal.FOLLOW_UP: (FollowUp, FollowUp.occur_time, true()),
    Signal.EFFECTIVE_FOLLOW_UP: (FollowUp, FollowUp.occur_time, FollowUp.verdict == Verdict.EFFECTIVE),
    Signal.REPLY: (FollowUp, FollowUp.occur_time, FollowUp.inbound),
    Signal.VISIT: (Visit, Visit.check_in_time, true()),
}


def grade_of(score: ColumnElement[int], rules: Rules) -> ColumnElement[str]:
    """The grade of a score."""
    return case((score >= rules.grade_a, "A"), (score >= rules.grade_b, "B"), (score >= rules.grade_c, "C"), else_="D")


def rescore(session: ServiceSession, lead_ids: Collection[UUID]) -> int:
    """Score leads that are still worked on, by one statement. Returns how many."""
    if not lead_ids:
        return 0
    found = formula(session)
    locked = (
        select(Lead.id)
        .where(Lead.id.in_(lead_ids), Lead.status.in_(OPEN))
        .order_by(Lead.id)
        .with_for_update()
        .cte("locked")
    )
    values = {"score": found.score, "grade": grade_of(found.score, rules_in_force(session).rules)}
    statement = (
        update(Lead)
        .where(Lead.id == locked.c.id)
        .values(**values, score_time=session.now)
        .execution_options(synchronize_session=False)
    )
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def rescore_stale(session: ServiceSession) -> int:
    """Score a part of the leads whose scores are older than the day, or than the rules or the model by which they are
    scored. Returns how many; call again if any."""
    stale = _stale_before(session, rules_in_force(session))
    statement = (
        select(Lead.id)
        .where(Lead.status.in_(OPEN), or_(Lead.score_time.is_(None), Lead.score_time < stale))
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    return rescore(session, session.scalars(statement).all())


def _stale_before(session: ServiceSession, kept: KeptRules) -> datetime:
    known = organisation(session)
    today = datetime.combine(known.day_of(session.now), time(), known.zone)
    model = model_row(session)
    changed = [kept.update_time, model.train_time if model is not None else None]
    return max([today, *(each for each in changed if each is not None)])


@dataclass(frozen=True)
class Explanation:
    """What the score of a lead comes from."""

    lead: Any
    score: int
    """As it is now; the one that is kept may be up to a day old."""
    grade: str
    by_model: bool
    factors: Sequence[tuple[str, float]]
    """Title → points, or weight for a model's; what counts most comes first, and what counts nothing is left out."""


def explain(session: ServiceSession, lead_id: UUID) -> Explanation:
    """Why a lead has its score. Raises NotFound if there is none that the caller may see."""
    lead = get_lead(session, lead_id)
    found, rules = formula(session), rules_in_force(session).rules
    shown = [factor for factor in found.factors if _shows(session.caller, factor)]
    columns = [factor.value.label(f"factor_{number}") for number, factor in enumerate(shown)]
    grade = grade_of(found.score, rules)
    statement = select(found.score.label("score"), grade.label("grade"), *columns).where(Lead.id == lead_id)
    row = session.execute(statement).one()
    told = [(factor.title, float(row[2 + number])) for number, factor in enumerate(shown)]
    counting = sorted((each for each in told if abs(each[1]) >= 0.005), key=lambda each: -abs(each[1]))
    return Explanation(lead, row.score, row.grade, found.by_model, counting)


def _shows(caller: Caller, factor: Factor) -> bool:
    """Whether a factor tells nothing that the caller's roles hide."""
    return all(may_read(caller, ENTITY, field) for field in factor.fields)
