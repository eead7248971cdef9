"""Doing a hand-over: list the records with their successors, give them away some hundred at a time, look again."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar
from uuid import UUID

from sqlalchemy import any_, bindparam, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import Uuid

from chassis.callers import Caller, Grant, Reach
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.handover.entities import Handover, HandoverEntity, Move
from chassis.handover.model import HandoverItem, HandoverTask, ItemState
from chassis.handover.rules import Planned, deal, read_rules, rule_of_record
from chassis.handover.starting import JOBS
from chassis.jobs.model import JobState
from chassis.jobs.running import Cancelled, JobKind, JobRun
from chassis.outbox import emit

BATCH = 300
"""Records given away in one transaction."""


@dataclass(frozen=True)
class HandoverProgressed:
    """`crm.common.v1.HandoverProgressed`, published by whichever service hands over."""

    SUBJECT: ClassVar[str] = "offboarding"
    PACKAGE: ClassVar[str] = "crm.common.v1"

    offboarding: str
    round: int
    version: int
    service: str
    entity: str
    state: str
    before: int
    moved: int
    withdrawn: int
    left: int
    after: int
    attached: Mapping[str, int]
    failure_reason: str
    failure_message: str


def job_kind(handover: Handover) -> JobKind:
    """The job that a service adds to its own to hand over what people who leave hold."""
    return JobKind(JOBS, partial(_run, handover), _note_failure)


def _run(handover: Handover, run: JobRun) -> None:
    while not _step(handover, run):
        pass


def _step(handover: Handover, run: JobRun) -> bool:
    """List the records, give some away, or end the task. Says whether it has ended."""
    with run.transaction() as session:
        task = _locked_task(session, run)
        session.caller = _on_behalf_of(task.actor)
        entity = handover.entity(task.entity)
        if not task.planned:
            _plan(handover, session, task, entity)
            task.planned, task.state = True, JobState.RUNNING
        # Nobody gives the user anything from the plan on, so what is found when all is given away is the last.
        elif not _give_some(session, task, entity) and not _plan(handover, session, task, entity):
            _end(session, task, entity)
            run.advance(session, processed=task.moved, counters={}, checkpoint={})
            run.succeed(session, total=task.before)
            return True
        _announce(session, task)
        run.advance(session, processed=task.moved, counters={}, checkpoint={})
    return False


def _locked_task(session: ServiceSession, run: JobRun) -> HandoverTask:
    wanted = (HandoverTask.id == UUID(run.options["task"]), HandoverTask.round == run.options["round"])
    task = session.scalar(select(HandoverTask).where(*wanted).with_for_update())
    if task is None:  # a later attempt has taken over
        raise Cancelled
    return task


def _on_behalf_of(actor: str) -> Caller:
    """Whoever lets somebody leave may hand over all that the person holds."""
    return Caller(subject=actor, grants={"*": (Grant("*", Reach.ALL),)})


def _plan(handover: Handover, session: ServiceSession, task: HandoverTask, entity: HandoverEntity) -> int:
    """List the records that the user holds and that are not listed yet, with their successors. Returns how many."""
    known = session.execute(handover.known_user(task.user_id).with_for_update()).one_or_none()
    if known is not None and known[0]:
        raise Conflict("LEAVER_ACTIVE", "the user may sign in again; deactivate the user and try again")
    rules = read_rules(task.rules, task.default_successor)
    item = HandoverItem.__table__.c
    listed = exists().where(item.task_id == task.id, item.record_id == entity.key, item.state == ItemState.PENDING)
    held = entity.held_by(task.user_id)
    found = session.execute(
        select(entity.key, rule_of_record(session, entity, rules)).where(held, ~listed).order_by(entity.key)
    )
    planned = deal([(row[0], row[1]) for row in found], rules, _dealt(session, task))
    _list(session, task, planned)
    if not task.planned:
        task.attached = dict(entity.attached(session, held))
    _count(session, task)
    return len(planned)


def _dealt(session: ServiceSession, task: HandoverTask) -> Counter[int]:
    """How many records each rule has dealt in this attempt."""
    if not task.planned:
        return Counter()
    counts = select(HandoverItem.rule, func.count()).where(HandoverItem.task_id == task.id)
    return Counter({row[0]: row[1] for row in session.execute(counts.group_by(HandoverItem.rule))})


def _list(session: ServiceSession, task: HandoverTask, planned: list[Planned]) -> None:
    if not planned:
        return
    rows = [{"task_id": task.id, "state": ItemState.PENDING, **item._asdict()} for item in planned]
    statement = insert(HandoverItem)
    # What was given away once and came back is listed anew.
    again = {column: statement.excluded[column] for column in ("rule", "successor_id", "state")}
    session.execute(statement.on_conflict_do_update(index_elements=["task_id", "record_id"], set_=again), rows)


def _count(session: ServiceSession, task: HandoverTask) -> None:
    counts = select(HandoverItem.state, func.count()).where(HandoverItem.task_id == task.id)
    by_state = Counter({row[0]: row[1] for row in session.execute(counts.group_by(HandoverItem.state))})
    task.before = by_state.total()
    task.moved, task.withdrawn = by_state[ItemState.MOVED], by_state[ItemState.WITHDRAWN]


def _give_some(session: ServiceSession, task: HandoverTask, entity: HandoverEntity) -> bool:
    """Give the next records away. Says whether there were any."""
    waiting = (
        select(HandoverItem)
        .where(HandoverItem.task_id == task.id, HandoverItem.state == ItemState.PENDING)
        .order_by(HandoverItem.record_id)
        .limit(BATCH)
    )
    items = session.scalars(waiting).all()
    if not items:
        return False
    named = {number for number, rule in enumerate(task.rules, 1) if rule.get("entity") == entity.name}
    moves = [Move(item.record_id, item.successor_id, item.rule in named) for item in items]
    moved = set(entity.move(session, task.user_id, moves))
    for state, ids in (
        (ItemState.MOVED, [item.record_id for item in items if item.record_id in moved]),
        (ItemState.WITHDRAWN, [item.record_id for item in items if item.record_id not in moved]),
    ):
        session.execute(_MARK, {"task": task.id, "ids": ids, "new_state": state})
    task.moved += len(moved)
    task.withdrawn += len(items) - len(moved)
    return True


_MARK = (
    update(HandoverItem)
    .where(
        HandoverItem.task_id == bindparam("task"),
        HandoverItem.record_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    )
    .values(state=bindparam("new_state"))
    .execution_options(synchronize_session=False)
)


def _end(session: ServiceSession, task: HandoverTask, entity: HandoverEntity) -> None:
    """Count what the successors hold, and announce that all is done."""
    moved = (HandoverItem.task_id == task.id, HandoverItem.state == ItemState.MOVED)
    given: dict[UUID, list[UUID]] = {}
    for record_id, successor_id in session.execute(
        select(HandoverItem.record_id, HandoverItem.successor_id).where(*moved)
    ):
        given.setdefault(successor_id, []).append(record_id)
    task.after = 0
    for successor_id, ids in given.items():
        # Named, as the planner does not know yet how many there are: it would look through them all for each record.
        mine = entity.key == any_(literal(ids, ARRAY(Uuid)))
        task.after += session.scalar(select(func.count()).where(mine, entity.held_by(successor_id))) or 0
    task.state, task.end_time = JobState.SUCCEEDED, session.now
    _announce(session, task)


def _note_failure(run: JobRun, session: ServiceSession, reason: str, message: str) -> None:
    """Keep and announce why a task cannot go on. Another attempt may."""
    task = _locked_task(session, run)
    task.state, task.end_time = JobState.FAILED, session.now
    task.failure_reason, task.failure_message = reason, message
    _announce(session, task)


def _announce(session: ServiceSession, task: HandoverTask) -> None:
    task.version += 1
    emit(
        session,
        HandoverProgressed(service=session.service, left=task.left, **{name: getattr(task, name) for name in _TOLD}),
    )


_TOLD: tuple[str, ...] = (
    "offboarding", "round", "version", "entity", "state", "before", "moved", "withdrawn", "after", "attached",
    "failure_reason", "failure_message",
)  # fmt: skip
