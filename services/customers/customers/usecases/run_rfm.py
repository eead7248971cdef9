"""Queue an analysis of all customers by what they bought, and do it."""

from datetime import date
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.jobs import create_job
from chassis.names import make_name

from customers.days import today
from customers.model.purchases import RfmRun, RfmState
from customers.purchases.rfm import DEFAULT_PERIOD_DAYS, MAX_PERIOD_DAYS, RfmBase, RfmMethod, RfmParameters, score

JOBS = "rfmRuns"
_PERMISSION = "rfm.run"


def queue_rfm(session: ServiceSession, day: date | None, parameters: RfmParameters) -> RfmRun:
    """Queue an analysis as of a day, today if none is given.

    Raises Denied SCOPE_TOO_NARROW for who does not reach every customer, since a score compares with all others;
    Invalid for a day to come or a period out of range.
    """
    session.caller.require_everything(_PERMISSION)
    present = today(session)
    chosen = day or present
    if chosen > present:
        raise Invalid("INVALID_DATE", f"the day of the analysis is at latest {present}", field="analysis_date")
    period = parameters.period_days or DEFAULT_PERIOD_DAYS
    if not 1 <= period <= MAX_PERIOD_DAYS:
        message = f"the period has from 1 to {MAX_PERIOD_DAYS} days"
        raise Invalid("OUT_OF_RANGE", message, field="parameters.period_days")
    job = create_job(session, JOBS, {"analysis_date": chosen.isoformat()})
    run = RfmRun(
        id=job.id,
        analysis_date=chosen,
        period_days=period,
        base=parameters.base,
        method=parameters.method,
        gross=parameters.gross,
        state=RfmState.QUEUED,
        customer_count=0,
        failure_reason="",
        creator=session.caller.subject,
        create_time=session.now,
    )
    session.add(run)
    session.flush()
    return run


def do_rfm(session: ServiceSession, run_id: UUID) -> RfmRun:
    """Score all customers for an analysis that is queued."""
    run = session.get_one(RfmRun, run_id, with_for_update=True)
    parameters = RfmParameters(run.period_days, RfmBase(run.base), RfmMethod(run.method), run.gross)
    run.customer_count = score(session, run.id, run.analysis_date, parameters)
    run.state, run.end_time = RfmState.SUCCEEDED, session.now
    after = {"analysis_date": run.analysis_date.isoformat(), "customer_count": run.customer_count}
    audit.record(session, "rfm.run", make_name(JOBS, run.id), None, after)
    session.flush()
    return run


def fail_rfm(session: ServiceSession, run_id: UUID, reason: str) -> None:
    """Note that an analysis cannot be done."""
    run = session.get_one(RfmRun, run_id, with_for_update=True)
    run.state, run.failure_reason, run.end_time = RfmState.FAILED, reason, session.now
