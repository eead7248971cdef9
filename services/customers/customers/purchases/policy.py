"""What is analysed every night, how long analyses are kept, and both done."""

from datetime import date, datetime, time, timedelta

from chassis.db import ServiceSession
from sqlalchemy import delete, select

from customers.days import today
from customers.model.purchases import Purchase, RfmPolicy, RfmRun, RfmScore, RfmState
from customers.purchases.rfm import DEFAULT_PERIOD_DAYS, RfmBase, RfmMethod, RfmParameters, newest_run
from customers.usecases.run_rfm import queue_rfm

RUN_AT = time(1)
"""When the nightly analysis begins, by the organisation's clock."""
PURGE_AT = time(4, 20)
_MOST_RUNS = 50
"""How many old analyses a night removes, so that none takes long."""


def policy_row(session: ServiceSession, *, lock: bool = False) -> RfmPolicy:
    """The company's policy; the one to begin with, as a new row, if it has set none."""
    stored = session.get(RfmPolicy, 1, with_for_update=lock)
    return stored or RfmPolicy(
        id=1,
        version=0,
        nightly=True,
        period_days=DEFAULT_PERIOD_DAYS,
        base=RfmBase.ORDER.value,
        method=RfmMethod.INDEPENDENT.value,
        gross=False,
        keep_days=35,
        keep_months=24,
    )


def parameters_of(policy: RfmPolicy) -> RfmParameters:
    """How the nightly analysis scores."""
    return RfmParameters(policy.period_days, RfmBase(policy.base), RfmMethod(policy.method), policy.gross)


def start_nightly(session: ServiceSession, due: datetime) -> None:
    """Start the analysis of the day that has just ended, if there is anything to analyse."""
    policy = policy_row(session)
    if policy.nightly and session.scalar(select(Purchase.id).limit(1)) is not None:
        queue_rfm(session, today(session) - timedelta(days=1), parameters_of(policy))


def purge(session: ServiceSession, due: datetime) -> None:
    """Remove analyses that are kept no longer. The newest of all stays."""
    policy, present = policy_row(session), today(session)
    ended = RfmRun.state != RfmState.QUEUED
    old = RfmRun.analysis_date <= present - timedelta(days=policy.keep_days)
    runs = session.execute(
        select(RfmRun.id, RfmRun.analysis_date).where(ended, old).order_by(RfmRun.analysis_date, RfmRun.id)
    ).all()
    newest = session.scalar(newest_run())
    gone = [run.id for run in runs if run.id != newest and not _kept(run.analysis_date, present, policy.keep_months)]
    for run_id in gone[:_MOST_RUNS]:
        session.execute(delete(RfmScore).where(RfmScore.run_id == run_id))
        session.execute(delete(RfmRun).where(RfmRun.id == run_id))


def _kept(day: date, present: date, months: int) -> bool:
    """Whether an old analysis stays because it is as of the last day of a month that is not too long ago."""
    ago = (present.year - day.year) * 12 + present.month - day.month
    return (day + timedelta(days=1)).day == 1 and ago <= months
