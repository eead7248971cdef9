"""Give customers the stages and tiers that are theirs by the rules of now."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.jobs import Job, JobState, create_job
from chassis.names import make_name
from sqlalchemy import delete, select

from customers.days import today
from customers.model import Aspect, Customer, TierLock
from customers.own_fields import ENTITY
from customers.purchases import totals
from customers.refreshing import queue_refresh
from customers.tiers.evaluating import Evaluation

JOBS = "tierRuns"
PERMISSION = "tier.evaluate"
PART = 5_000
"""Customers in one transaction: nobody who works with those that move waits for longer than a second."""


@dataclass(frozen=True)
class Part:
    """What came of some customers."""

    evaluated: int
    tiers: int
    stages: int
    last: UUID | None
    """The last of them; None if there are no more."""


def queue_evaluation(session: ServiceSession) -> Job:
    """Queue an evaluation of all customers, unless one waits already. Raises Denied SCOPE_TOO_NARROW."""
    session.caller.require_everything(PERMISSION)
    waiting = select(Job).where(Job.kind == JOBS, Job.state == JobState.QUEUED)
    # Locked, so that a process that takes the job now waits for what is being changed, and reads it then.
    return session.scalar(waiting.limit(1).with_for_update()) or create_job(session, JOBS, {})


def evaluate_part(session: ServiceSession, after: UUID | None, run_id: UUID | None = None) -> Part:
    """Evaluate the next customers by id, once it is sure that what they bought is counted right."""
    statement = select(Customer.id).order_by(Customer.id).limit(PART)
    if after is not None:
        statement = statement.where(Customer.id > after)
    ids: Sequence[UUID] = session.scalars(statement).all()
    if not ids:
        return Part(0, 0, 0, None)
    totals.heal(session, ids)
    moves = Evaluation(session).apply(ids, run_id=run_id)
    return Part(len(ids), len(moves[Aspect.TIER]), len(moves[Aspect.STAGE]), ids[-1])


def end_evaluation(session: ServiceSession, run_id: UUID, tiers: int, stages: int) -> None:
    """Note that all customers were evaluated. What follows from tiers and stages is reckoned anew."""
    session.execute(delete(TierLock).where(TierLock.until < today(session)))
    if tiers or stages:
        queue_refresh(session, ENTITY)
    audit.record(session, "tier.evaluate", make_name(JOBS, run_id), None, {"tiers": tiers, "stages": stages})
