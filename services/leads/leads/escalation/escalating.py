"""Take the steps that are due because nobody has followed up, each once in such a time.

Of several steps that are due at once, as after a time in which nobody looked, the last one is taken. A timer looks
whether any is due, and a job takes them: some records in a transaction, by one statement each, so that however many
there are hold nobody up. Whom that concerns is told in the end, see `leads.escalation.telling`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.jobs import Job, JobKind, JobRun, JobState, create_job
from chassis.likes import starting_with
from chassis.names import new_id
from sqlalchemy import ColumnElement, Select, and_, exists, func, insert, or_, select, true

from leads.escalation.policies import Step
from leads.escalation.telling import Concern, note, tell_some
from leads.facts import snapshot
from leads.heads import heads_above
from leads.locking import stand_still
from leads.model import (
    Escalation,
    EscalationAction,
    EscalationNotice,
    EscalationPolicy,
    EscalationSubject,
    KnownCustomer,
    KnownDepartment,
    KnownUser,
    Lead,
)
from leads.owners import Owner, set_owner
from leads.quiet import CUSTOMER_QUIET_SINCE, LEAD_QUIET_SINCE, looked_after, worked_on
from leads.subjects import of
from leads.usecases.update_lead import announce

JOBS = "escalations"
"""The collection of the jobs that take steps."""
BATCH = 5_000
NOTHING = UUID(int=0)

_UNDER_WAY = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Turn:
    """A step, and whose records it is taken about."""

    policy_id: UUID
    subject: str
    path: str
    """That of the policy's department; empty for everybody's."""
    below: tuple[str, ...]
    """Those of departments further down that have policies of their own."""
    step: Step


def escalate(session: ServiceSession, due: datetime) -> None:
    """Queue the job if a step is due, or somebody has yet to be told, and no job is on its way to it."""
    under_way = select(Job.id).where(Job.kind == JOBS, Job.state.in_(_UNDER_WAY)).limit(1)
    if session.scalar(under_way) is not None:
        return
    waits = session.scalar(select(EscalationNotice.id).limit(1)) is not None
    if waits or any(session.execute(_wanted(turn, due).limit(1)).first() for turn in _turns(session)):
        create_job(session, JOBS, {"due": due.isoformat()})


def job_kind() -> JobKind:
    """The job that takes the steps that are due."""
    return JobKind(JOBS, _run)


def _run(job: JobRun) -> None:
    due = datetime.fromisoformat(job.options["due"])
    with job.reading() as session:
        turns = _turns(session)
    # Leads that others hold are waited for at the end of each turn: an earlier step must not be taken instead.
    for turn, wait in product(turns, (False, True)):
        after: UUID | None = NOTHING
        while after is not None:
            with job.transaction() as session:
                taken = _take_some(session, turn, due, after, wait=wait)
                after = of(taken[-1]).id if len(taken) == BATCH else None
                job.advance(session, processed=job.processed + len(taken), counters={}, checkpoint={})
    more = True
    while more:
        with job.transaction() as session:
            more = tell_some(session)
            job.advance(session, processed=job.processed, counters={}, checkpoint={})
    with job.transaction() as session:
        job.succeed(session, total=job.processed)


def _turns(session: ServiceSession) -> list[Turn]:
    """The steps of all policies, the last of each first."""
    statement = select(EscalationPolicy, KnownDepartment.path).outerjoin(
        KnownDepartment, KnownDepartment.id == EscalationPolicy.department_id
    )
    rows = session.execute(statement.order_by(EscalationPolicy.id)).all()
    # The policy of a department that is gone is for nobody.
    placed = [(policy, path or "") for policy, path in rows if path or policy.department_id is None]
    turns = []
    for policy, path in placed:
        # Policies of departments further down take the place of this one there, also those that are disabled.
        alike = (other for one, other in placed if one.subject == policy.subject)
        below = tuple(other for other in alike if other != path and other.startswith(path))
        steps = sorted(map(Step.from_json, policy.steps), key=lambda step: -step.days)
        turns += [Turn(policy.id, policy.subject, path, below, step) for step in steps if not policy.disabled]
    return turns


def _wanted(turn: Turn, due: datetime, after: UUID = NOTHING) -> Select[Any]:
    """The records after one that a step is due about."""
    until = due - timedelta(days=turn.step.days)
    if turn.subject == EscalationSubject.LEADS:
        return _leads(turn.step, until, turn.path, turn.below).where(Lead.id > after)
    return _customers(turn.step, until, turn.path, turn.below).where(KnownCustomer.id > after)


def _take_some(session: ServiceSession, turn: Turn, due: datetime, after: UUID, *, wait: bool) -> list[Escalation]:
    """Take a step about the next records after one. Leads that others hold are waited for, or passed over."""
    step = turn.step
    if step.action is EscalationAction.REASSIGN:
        stand_still(session)  # leads are locked before those who get them, see `leads.locking`
    wanted = _wanted(turn, due, after).limit(BATCH)
    if turn.subject == EscalationSubject.LEADS:
        wanted = wanted.with_for_update(skip_locked=not wait)
    found = session.execute(wanted).all()
    if not found:
        return []
    managers = heads_above(session, {(row.owner_id, row.owner_department_path) for row in found})
    rows = [
        {
            "id": new_id(),
            "lead_id": row.lead_id,
            "customer_id": row.customer_id,
            "assignee_id": row.owner_id,
            "assignee_department_path": row.owner_department_path,
            "policy_id": turn.policy_id,
            "manager_id": managers[row.owner_id, row.owner_department_path],
            "days": step.days,
            "action": step.action.value,
            "quiet_since": row.quiet_since,
            "time": session.now,
        }
        for row in found
    ]
    session.execute(insert(Escalation), rows)
    taken = [Escalation(**row) for row in rows]
    note(session, _concerned(taken, step))
    if step.action is EscalationAction.REASSIGN:
        _reassign(session, taken, step)
    return taken


def _leads(step: Step, until: datetime, path: str, below: Sequence[str]) -> Select[Any]:
    taken = exists().where(
        Escalation.lead_id == Lead.id, Escalation.quiet_since == LEAD_QUIET_SINCE, Escalation.days >= step.days
    )
    return (
        select(
            Lead.id.label("lead_id"),
            func.nullif(Lead.id, Lead.id).label("customer_id"),
            Lead.owner_id,
            Lead.owner_department_path,
            LEAD_QUIET_SINCE.label("quiet_since"),
        )
        .where(worked_on(), until >= LEAD_QUIET_SINCE, _within(Lead.owner_department_path, path, below), ~taken)
        .order_by(Lead.id)
    )


def _customers(step: Step, until: datetime, path: str, below: Sequence[str]) -> Select[Any]:
    taken = exists().where(
        Escalation.customer_id == KnownCustomer.id,
        Escalation.quiet_since == CUSTOMER_QUIET_SINCE,
        Escalation.days >= step.days,
    )
    return (
        select(
            func.nullif(KnownCustomer.id, KnownCustomer.id).label("lead_id"),
            KnownCustomer.id.label("customer_id"),
            KnownCustomer.owner_id,
            KnownCustomer.owner_department_path,
            CUSTOMER_QUIET_SINCE.label("quiet_since"),
        )
        .where(
            looked_after(),
            KnownCustomer.owner_since <= until,
            until >= CUSTOMER_QUIET_SINCE,
            _within(KnownCustomer.owner_department_path, path, below),
            ~taken,
        )
        .order_by(KnownCustomer.id)
    )


def _within(column: Any, path: str, below: Sequence[str]) -> ColumnElement[bool]:
    """Whether a record's owner belongs to a department, and to none of those further down."""
    own = column.like(starting_with(path)) if path else true()
    further = [column.like(starting_with(other)) for other in below]
    return and_(own, or_(column.is_(None), ~or_(*further))) if further else own


def _concerned(taken: Sequence[Escalation], step: Step) -> Iterator[Concern]:
    """Who is to be told of which step that was taken, and of what kind that is."""
    marked = step.action is EscalationAction.HIGH_RISK
    for row in taken:
        if step.notify_owner and row.assignee_id is not None:
            yield row.id, row.assignee_id, "HIGH_RISK_MARKED" if marked else "FOLLOW_UP_OVERDUE"
        if step.notify_manager and row.manager_id is not None:
            yield row.id, row.manager_id, "HIGH_RISK_MARKED" if marked else "FOLLOW_UP_ESCALATED"


def _reassign(session: ServiceSession, taken: Sequence[Escalation], step: Step) -> None:
    """Give leads to who the step names, else to the manager. Who has neither, or cannot get any, keeps them."""
    heirs = {row.lead_id: step.assignee_id or row.manager_id for row in taken}
    steps = {row.lead_id: row.id for row in taken}
    known = select(KnownUser).where(KnownUser.id.in_(set(heirs.values()) - {None}), KnownUser.active)
    owners = {
        user.id: Owner(user.id, user.department_path) for user in session.scalars(known.with_for_update(read=True))
    }
    leads = select(Lead).where(Lead.id.in_(heirs)).order_by(Lead.id).with_for_update()
    concerned: list[Concern] = []
    for lead in session.scalars(leads).all():
        heir = owners.get(heirs[lead.id])  # type: ignore[arg-type]
        if heir is None or lead.owner_id in (None, heir.id):
            continue
        before, former = snapshot(lead), lead.owner_id
        set_owner(lead, heir)
        announce(session, lead, before, "lead.escalate")
        concerned.append((steps[lead.id], heir.id, "LEAD_ASSIGNED"))
        if former is not None:
            concerned.append((steps[lead.id], former, "LEAD_REASSIGNED"))
    note(session, concerned)
