"""The identity service: `identity serve | work | migrate`."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path

from chassis import cli, personal_data
from chassis.db import ServiceSession
from chassis.service import Runtime, Service
from chassis.timers import Timer

from identity import account_consumers
from identity.api import servicers
from identity.authority import IdentityAuthority
from identity.bootstrap import bootstrap
from identity.company import announce, get_profile
from identity.consumers import SUBSCRIPTIONS
from identity.personal_data import PERSONAL_DATA
from identity.usecases.forget_expired import forget_expired
from identity.usecases.renew_seals import renew_seals


def _timers(runtime: Runtime) -> Sequence[Timer]:
    return (
        Timer("forget-expired", run=lambda session, due: forget_expired(session), every=timedelta(hours=1)),
        Timer("purge-personal-data", run=_purge_personal_data, daily_at=time(4, 10)),
        Timer("renew-seals", run=lambda session, due: renew_seals(session), every=timedelta(minutes=10)),
        # A new year brings days into the window of what is told; and a service that was added meanwhile hears of all.
        Timer("announce-organisation", run=_announce_organisation, daily_at=time(0, 5)),
    )


def _announce_organisation(session: ServiceSession, due: datetime) -> None:
    announce(session, get_profile(session, lock=True), repeat=True)


def _purge_personal_data(session: ServiceSession, due: datetime) -> None:
    personal_data.purge(session)


SERVICE = Service(
    name="identity",
    migrations=Path(__file__).resolve().parent.parent / "migrations",
    servicers=servicers,
    subscriptions=lambda runtime: (
        *SUBSCRIPTIONS,
        *account_consumers.subscriptions(runtime),
        *personal_data.subscriptions(PERSONAL_DATA),
    ),
    personal_data=PERSONAL_DATA,
    timers=_timers,
    authority=IdentityAuthority,
    bootstrap=bootstrap,
)


def main() -> None:
    """Run the service from the command line."""
    cli.main(SERVICE)
