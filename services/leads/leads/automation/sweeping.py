"""Rules that run by the clock: a timer finds what is due, a job runs it for the leads, some in a transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.callers import service_caller
from chassis.db import ServiceSession
from chassis.errors import DomainError, Unavailable
from chassis.filters import filter_from_json
from chassis.jobs import Job, JobKind, JobRun, JobState, create_job
from chassis.names import parse_name
from chassis.organisation import organisation
from sqlalchemy import BigInteger, ColumnElement, Text, and_, cast, exists, extract, literal, select

from leads.automation.authors import acting
from leads.automation.listening import published
from leads.automation.records import Occasion
from leads.automation.running import lock_rule, prepare, rights_of, run, suspend
from leads.automation.times import latest_start, next_due
from leads.lead_queries import REGISTRY, reach
from leads.model import AutomationRule, AutomationRun, AutomationState, Lead, TriggerKind
from leads.subjects import Subject

JOBS = "automationSweeps"
"""The collection of the jobs that run rules by the clock."""
PAGE = 100
LONGEST_LATE = timedelta(days=30)
"""What fell due longer ago than this, while nothing ran, is not taken up any more."""

_UNDER_WAY = (JobState.QUEUED, JobState.RUNNING)


def job_kind() -> JobKind:
    """The job that runs a rule for the leads that are due."""
    return JobKind(JOBS, _run)


def start_due(session: ServiceSession, due: datetime) -> None:
    """Queue what is due: schedules whose time has come, and delays that have passed for some lead."""
    company = organisation(session)
    for rule in published(session, [TriggerKind.SCHEDULE]):
        if not lock_rule(session, rule) or rule.state != AutomationState.PUBLISHED:
            continue  # somebody has just stopped or deleted it
        if rule.next_run_time is not None and rule.next_run_time <= due:
            _queue(session, rule, rule.next_run_time)
            rule.next_run_time = next_due(rule.trigger["schedule"], due, company)
    for rule in published(session, [TriggerKind.TIME_AFTER]):
        if not _under_way(session, rule) and _is_due(session, rule, due):
            _queue(session, rule, due)
    session.flush()


def _is_due(session: ServiceSession, rule: AutomationRule, now: datetime) -> bool:
    try:
        with acting(session, rights_of(session, rule)):
            return bool(session.scalar(select(select(Lead.id).where(_overdue(session, rule, now)).exists())))
    except Unavailable:
        raise
    except DomainError as error:  # what no other lead would change, such as a calendar without working time
        suspend(session, rule, error.reason)
        return False


def _queue(session: ServiceSession, rule: AutomationRule, due: datetime) -> None:
    create_job(session, JOBS, {"rule": rule.name, "due": due.isoformat()})


def _under_way(session: ServiceSession, rule: AutomationRule) -> bool:
    waiting = exists().where(Job.kind == JOBS, Job.state.in_(_UNDER_WAY), Job.options["rule"].as_string() == rule.name)
    return bool(session.scalar(select(waiting)))


def _run(job: JobRun) -> None:
    while not _step(job):
        pass


def _step(job: JobRun) -> bool:
    """Run the rule for some leads. Says whether there were no more."""
    due, after = datetime.fromisoformat(job.options["due"]), job.checkpoint.get("after")
    rule_id = parse_name("automationRules", job.options["rule"])
    with job.transaction() as session:
        rule = session.get(AutomationRule, rule_id)
        rows = _page(session, rule, due, UUID(after) if after else None) if rule is not None else []
        if rule is not None:
            prepare(session, [rule], [lead_id for lead_id, _ in rows])
        for lead_id, key in rows:
            assert rule is not None
            if rule.state == AutomationState.PUBLISHED:
                run(session, rule, Occasion(key, Subject("leads", lead_id), rule.trigger_kind))
        done = job.processed + len(rows)
        last = str(rows[-1][0]) if rows else after
        job.advance(session, processed=done, counters={}, checkpoint={"after": last})
        if len(rows) < PAGE:
            job.succeed(session, total=done)
            return True
    return False


def _page(
    session: ServiceSession, rule: AutomationRule, due: datetime, after: UUID | None
) -> Sequence[tuple[UUID, str]]:
    """The next leads that a rule is to run for, each with the occasion; none once the rule is stopped."""
    if rule.state != AutomationState.PUBLISHED:
        return []
    try:
        with acting(session, rights_of(session, rule)):
            statement = select(Lead.id, _key(rule, due)).order_by(Lead.id).limit(PAGE)
            statement = statement.where(_wanted(session, rule, due))
            if after is not None:
                statement = statement.where(Lead.id > after)
            return [(row[0], row[1]) for row in session.execute(statement)]
    except Unavailable:
        raise
    except DomainError as error:  # what no other lead would change, such as a calendar without working time
        suspend(session, rule, error.reason)
        return []


def _wanted(session: ServiceSession, rule: AutomationRule, due: datetime) -> ColumnElement[bool]:
    if rule.trigger_kind == TriggerKind.TIME_AFTER:
        return _overdue(session, rule, due)
    return _filtered(session, rule.trigger)


def _filtered(session: ServiceSession, trigger: dict[str, Any]) -> ColumnElement[bool]:
    conditions = filter_from_json(trigger.get("filter") or {})
    return and_(reach(session, "lead.read"), REGISTRY.where(conditions, caller=session.caller))


def _overdue(session: ServiceSession, rule: AutomationRule, now: datetime) -> ColumnElement[bool]:
    """The leads for which a delay has passed since the rule was published, and that it has not run for."""
    trigger, company = rule.trigger, organisation(session)
    amount, unit = trigger["amount"], trigger["unit"]
    since = max(rule.publish_time or now, now - LONGEST_LATE)
    column = REGISTRY.find(trigger["field"], path="trigger.field", caller=session.caller).column
    ran = exists().where(AutomationRun.rule_id == rule.id, AutomationRun.occasion == _key(rule, now))
    return and_(
        _filtered(session, trigger),
        column > latest_start(since, amount, unit, company),
        column <= latest_start(now, amount, unit, company),
        ~ran,
    )


def _key(rule: AutomationRule, due: datetime) -> ColumnElement[str]:
    """What a rule runs for a lead once: the lead and the time that was due, or that its field holds."""
    name = literal("leads/").concat(cast(Lead.id, Text))
    if rule.trigger_kind != TriggerKind.TIME_AFTER:
        return name.concat(literal(f" {due.isoformat()}"))
    # As one number, which no setting of the connection words otherwise.
    moment = cast(extract("epoch", _column(rule)) * 1_000_000, BigInteger)
    return name.concat(literal(" ")).concat(cast(moment, Text))


def _column(rule: AutomationRule) -> Any:
    return REGISTRY.find(rule.trigger["field"], path="trigger.field", caller=service_caller("leads")).column
