"""`customers serve | work | migrate`: the parts this service is composed of."""

from collections.abc import Sequence
from pathlib import Path

from chassis import cli, handover, organisation, personal_data, restating
from chassis.jobs import JobKind
from chassis.service import Runtime, Service, Servicer

from customers import refreshing, transfer
from customers.batches import BATCHES
from customers.batches.running import run_batch
from customers.commands import COMMANDS
from customers.consumers import SUBSCRIPTIONS, TIMERS
from customers.duplicate_finding import scanning
from customers.explainers import EXPLAINERS, WIDE
from customers.leaving import HANDOVER
from customers.merging.resealing import RENEWALS
from customers.model import Base
from customers.personal_data import PERSONAL_DATA
from customers.pools.allocation_job import JOB_KIND as ALLOCATION
from customers.purchases.jobs import JOB_KINDS
from customers.recycling import running, warning
from customers.restatements import RESTATEMENTS
from customers.tiers import running as tier_runs


def servicers(runtime: Runtime) -> Sequence[Servicer]:
    """The gRPC services of this service."""
    from customers.servicers import servicers as made

    return made(runtime)


SERVICE = Service(
    name="customers",
    migrations=Path(__file__).resolve().parent.parent / "migrations",
    servicers=servicers,
    subscriptions=lambda runtime: (
        *SUBSCRIPTIONS,
        organisation.subscription("customers"),
        handover.subscription(HANDOVER),
        *personal_data.subscriptions(PERSONAL_DATA),
        restating.subscription("customers", RESTATEMENTS),
    ),
    timers=lambda runtime: TIMERS,
    explainers=EXPLAINERS,
    wide=WIDE,
    jobs=lambda runtime: (
        *transfer.job_kinds(runtime),
        ALLOCATION,
        scanning.job_kind(),
        refreshing.job_kind(),
        JobKind(BATCHES, run_batch),
        *JOB_KINDS,
        tier_runs.job_kind(),
        handover.job_kind(HANDOVER),
        running.job_kind(),
        warning.job_kind(),
    ),
    handover=HANDOVER,
    personal_data=PERSONAL_DATA,
    entities=Base,
    renewals=RENEWALS,
    commands=COMMANDS,
)


def main() -> None:
    """Run the service from the command line."""
    cli.main(SERVICE)
