"""What was learned from leads last, and learning it anew, as a job."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.jobs import JobRun
from sqlalchemy import Float, case, literal, select

from leads.model import Lead, LeadStatus, ScoringModel
from leads.scoring.learning import PRESENT, VALUED, Model, Sample, Weight, learn, model_of, sample_of
from leads.scoring.rules import rules_in_force

TRAININGS = "scoringTrainings"
PERMISSION = "lead.configure"
MOST_SAMPLES = 50_000
"""How many of the latest leads whose outcome is known are learned from."""
_KNOWN = (LeadStatus.CONVERTED, LeadStatus.DISQUALIFIED)


def model_row(session: ServiceSession) -> ScoringModel | None:
    """What was learned last, in use or not."""
    return session.get(ScoringModel, 1)


def as_model(row: ScoringModel) -> Model:
    """The model that was learned."""
    return Model(row.intercept, tuple(Weight(**each) for each in row.weights))


def run_training(run: JobRun) -> None:
    """Learn from the leads whose outcome is known, and use what was learned if it beats the rules.

    Fails with TOO_FEW_OUTCOMES if there are not enough of either outcome to tell.
    """
    with run.reading() as session:
        samples, outcomes, by_rules = _known(session)
    learned = learn(samples, outcomes, by_rules)
    if learned is None:
        raise Conflict(
            "TOO_FEW_OUTCOMES", "too few leads have been converted or disqualified so far to learn from them"
        )
    fitted, verdict = learned
    model = model_of(fitted)
    with run.transaction() as session:
        row = model_row(session) or ScoringModel(id=1)
        row.in_use, row.intercept = verdict.better, model.intercept
        row.weights = [asdict(weight) for weight in model.weights]
        row.measures, row.train_time = verdict.to_json(), session.now
        session.add(row)
        run.succeed(session, total=len(samples), output=None, result={"in_use": verdict.better})


def _known(session: ServiceSession) -> tuple[Sequence[Sample], Sequence[bool], Sequence[float]]:
    """The leads whose outcome is known, in the order of time, with what the rules give for what they are. What was done
    with them is left out on both sides: it was done on the way to the outcome."""
    points: Any = literal(0.0, Float)
    for rule in rules_in_force(session).rules.fit:
        points = points + case((rule.predicate(), float(rule.points)), else_=0.0)
    columns = [getattr(Lead, field) for field in (*PRESENT, *VALUED)]
    statement = (
        select(Lead.status, points.label("points"), *columns)
        .where(Lead.status.in_(_KNOWN))
        .order_by(Lead.create_time.desc(), Lead.id.desc())
        .limit(MOST_SAMPLES)
    )
    rows = session.execute(statement).all()[::-1]
    outcomes = [row.status == LeadStatus.CONVERTED for row in rows]
    return [sample_of(row) for row in rows], outcomes, [float(row.points) for row in rows]
