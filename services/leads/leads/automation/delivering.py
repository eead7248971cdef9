"""The job that calls other systems, outside any transaction, again and again until they answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from chassis.db import ServiceSession
from chassis.errors import Denied
from chassis.jobs import Job, JobKind, JobRun, JobState, create_job
from sqlalchemy import exists, select, update

from leads.automation import vocabulary
from leads.automation.authors import acting
from leads.automation.records import Occasion, find
from leads.automation.running import rights_of
from leads.automation.vocabulary import variables_for
from leads.automation.webhooks import BACKOFF, NotDelivered, WebhookPolicy, call, headers_of
from leads.model import AutomationDelivery, AutomationRule, AutomationRun, DeliveryState
from leads.subjects import parse_subject

JOBS = "automationDeliveries"
"""The collection of the jobs that make calls."""
BATCH = 20

_UNDER_WAY = (JobState.QUEUED, JobState.RUNNING)


def start_due(session: ServiceSession, due: datetime) -> None:
    """Queue the job if a call waits that no job is on its way to."""
    waits = exists().where(_due(session))
    under_way = exists().where(Job.kind == JOBS, Job.state.in_(_UNDER_WAY))
    if session.scalar(select(waits & ~under_way)):
        create_job(session, JOBS, {})


def job_kind(policy: WebhookPolicy) -> JobKind:
    """The job that makes the calls that wait."""
    return JobKind(JOBS, lambda job: _run(job, policy))


def _run(job: JobRun, policy: WebhookPolicy) -> None:
    done = job.processed
    while taken := _take(job):
        for delivery in taken:
            failure = _attempt(job, delivery, policy)
            done += 1
            with job.transaction() as session:
                _settle(session, delivery, failure)
                job.advance(session, processed=done, counters={}, checkpoint={})
    with job.transaction() as session:
        job.succeed(session, total=done)


def _due(session: ServiceSession) -> Any:
    return (AutomationDelivery.state == DeliveryState.PENDING) & (AutomationDelivery.next_attempt_time <= session.now)


def _take(job: JobRun) -> Sequence[AutomationDelivery]:
    """The calls to be made now. They are put off first, so that one that kills the process waits."""
    with job.transaction() as session:
        found = session.scalars(
            select(AutomationDelivery)
            .where(_due(session))
            .order_by(AutomationDelivery.next_attempt_time, AutomationDelivery.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        for delivery in found:
            delivery.next_attempt_time = session.now + BACKOFF[min(delivery.attempts, len(BACKOFF) - 1)]
            delivery.attempts += 1
        session.flush()
        job.advance(session, processed=job.processed, counters={}, checkpoint={})
    return found


def _attempt(job: JobRun, delivery: AutomationDelivery, policy: WebhookPolicy) -> NotDelivered | None:
    """Make a call. Says why it was not taken, or is not made any more; None if it was taken."""
    try:
        with job.reading() as session:
            body, now = orjson.dumps(_payload(session, delivery)), session.now
        call(policy, delivery.url, headers_of(policy, delivery.id, now, body), body)
    except NotDelivered as error:
        return error
    except Denied as error:  # nobody may tell it, and waiting does not change that
        return NotDelivered(error.message, for_good=True)
    return None


def _payload(session: ServiceSession, delivery: AutomationDelivery) -> Mapping[str, Any]:
    """What is told: the record as it is now, as far as the rule's author may read it. Raises Denied."""
    rule = session.get(AutomationRule, delivery.rule_id)
    if rule is None:
        raise Denied("RULE_GONE", "the rule was deleted")
    values: Mapping[str, Any] = {}
    with acting(session, rights_of(session, rule)):
        record = find(session, Occasion(str(delivery.id), parse_subject(delivery.record), delivery.event))
        if record is None:
            raise Denied("NOT_REACHED", "the rule's author does not reach this record")
        variables = variables_for(rule.trigger_kind, rule.trigger.get("event", ""))
        values = {name: record.values.get(name) for name in delivery.fields if _may(session, variables, name)}
    return {
        "delivery": str(delivery.id),
        "rule": rule.name,
        "event": delivery.event,
        "record": delivery.record,
        "time": delivery.create_time,
        "values": values,
    }


def _may(session: ServiceSession, variables: Mapping[str, vocabulary.Variable], name: str) -> bool:
    return name in variables and vocabulary.readable(session.caller, variables[name])


def _settle(session: ServiceSession, delivery: AutomationDelivery, failure: NotDelivered | None) -> None:
    """Note what came of an attempt, and in the log of the run what came of the call in the end."""
    state, error = DeliveryState.DELIVERED, None
    if failure is not None:
        given_up = failure.for_good or delivery.attempts > len(BACKOFF)
        state, error = DeliveryState.FAILED if given_up else DeliveryState.PENDING, str(failure)
    session.execute(
        update(AutomationDelivery)
        .where(AutomationDelivery.id == delivery.id)
        .values(state=state, last_error=error)
        .execution_options(synchronize_session=False)
    )
    if state is not DeliveryState.PENDING:
        _tell(session, delivery.run_id, delivery.action, state, error or delivery.url)


def _tell(session: ServiceSession, run_id: UUID, place: int, state: str, detail: str) -> None:
    run = session.scalars(select(AutomationRun).where(AutomationRun.id == run_id).with_for_update()).first()
    if run is not None and place < len(run.results):
        told = {**run.results[place], "state": str(state), "detail": detail}
        run.results = [*run.results[:place], told, *run.results[place + 1 :]]
        session.flush()
