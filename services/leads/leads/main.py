"""`leads serve | work | migrate`: the parts this service is composed of."""

from collections.abc import Sequence
from datetime import time
from pathlib import Path

from chassis import cli, handover, organisation, personal_data
from chassis.jobs import JobKind
from chassis.objects import open_objects
from chassis.service import Runtime, Service, Servicer
from chassis.timers import Timer

from leads.automation import delivering, keeping, sweeping
from leads.automation.settings import webhook_policy
from leads.capture import consumers as capturing
from leads.capture import polling
from leads.capture.opting import ConfirmationLinks
from leads.consumers import SUBSCRIPTIONS, TIMERS
from leads.escalation import escalating
from leads.explainers import EXPLAINERS, WIDE
from leads.leaving import HANDOVER
from leads.model import Base
from leads.personal_data import PERSONAL_DATA
from leads.rebuilding import COMMANDS
from leads.scoring.models import TRAININGS, run_training
from leads.transfer.importing import JOB_KIND as LEAD_IMPORTS
from leads.visits.timers import purge_photos
from leads.worklog.exporting import EXPORTS, run_export


def servicers(runtime: Runtime) -> Sequence[Servicer]:
    """The gRPC services of this service."""
    from leads.servicers import servicers as made

    return made(runtime)


SERVICE = Service(
    name="leads",
    migrations=Path(__file__).resolve().parent.parent / "migrations",
    servicers=servicers,
    subscriptions=lambda runtime: (
        *SUBSCRIPTIONS,
        capturing.subscription(ConfirmationLinks.from_environment(runtime.settings.environment)),
        organisation.subscription("leads"),
        handover.subscription(HANDOVER),
        *personal_data.subscriptions(PERSONAL_DATA),
    ),
    timers=lambda runtime: (
        *TIMERS,
        *capturing.TIMERS,
        Timer(
            "leads.purge_photos",
            purge_photos(open_objects(runtime.settings.environment)),
            daily_at=time(4, 30),
        ),
        keeping.purge_timer(runtime.settings),
    ),
    jobs=lambda runtime: (
        handover.job_kind(HANDOVER),
        sweeping.job_kind(),
        escalating.job_kind(),
        delivering.job_kind(webhook_policy(runtime.settings)),
        polling.job_kind(webhook_policy(runtime.settings)),
        LEAD_IMPORTS,
        JobKind(EXPORTS, run_export),
        JobKind(TRAININGS, run_training),
    ),
    handover=HANDOVER,
    personal_data=PERSONAL_DATA,
    entities=Base,
    explainers=EXPLAINERS,
    wide=WIDE,
    commands=COMMANDS,
)


def main() -> None:
    """Run the service from the command line."""
    cli.main(SERVICE)
