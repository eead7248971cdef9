"""The identity service: `identity serve | work | migrate`."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path

from chassis import cli, personal_data, restating
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.service import Runtime, Service
from chassis.timers import Timer

from identity import account_consumers
from identity.api import servicers
from identity.api.user_access import LocalUserDirectory
from identity.authority import IdentityAuthority
from identity.bootstrap import bootstrap
from identity.company import announce, get_profile
from identity.consumers import SUBSCRIPTIONS
from identity.model import Base
from identity.personal_data import PERSONAL_DATA
from identity.restatements import RESTATEMENTS
from identity.usecases.forget_expired import forget_expired
from identity.usecases.renew_seals import RENEWALS, renew_seals


def _timers(runtime: Runtime) -> Sequence[Timer]:
    return (
        Timer("forget-expired", run=lambda session, due: forget_expired(session), every=timedelta(hours=1)),
        Timer("purge-personal-data", run=_purge_personal_data, daily_at=time(4, 10)),
        Timer("renew-seals", run=lambda session, due: renew_seals(session), every=timedelta(minutes=10)),
        # A new year brings days into the window of what is told.
        Timer("announce-organisation", run=_announce_organisation, daily_at=time(0, 5)),
    )


def _announce_organisation(session: ServiceSession, due: datetime) -> None:
    announce(session, get_profile(session, lock=True), repeat=True)


def _purge_personal_data(session: ServiceSession, due: datetime) -> None:
    personal_data.purge(session)


WIDE = frozenset(
    {
        "access.explain",
        "audit.read",
        "audit.verify",
        "organisation.update",
        "password_rules.update",
        "personal_data.manage",
        "identity_provider.read",
        *(
            f"{entity}.{action}"
            for entity in ("client", "department", "identity_provider", "partner", "role")
            for action in ("create", "update", "delete")
        ),
    }
)
"""Permissions that are refused to who does not reach everything."""

SERVICE = Service(
    name="identity",
    migrations=Path(__file__).resolve().parent.parent / "migrations",
    servicers=servicers,
    subscriptions=lambda runtime: (
        *SUBSCRIPTIONS,
        *account_consumers.subscriptions(runtime),
        *personal_data.subscriptions(PERSONAL_DATA),
        restating.subscription("identity", RESTATEMENTS),
    ),
    personal_data=PERSONAL_DATA,
    entities=Base,
    renewals=RENEWALS,
    wide=WIDE,
    timers=_timers,
    users=lambda runtime: LocalUserDirectory(Calls(runtime.database)),
    authority=IdentityAuthority,
    bootstrap=bootstrap,
)


def main() -> None:
    """Run the service from the command line."""
    cli.main(SERVICE)
