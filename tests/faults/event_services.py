"""Two small services that the fault tests kill: `alpha` announces what was counted, `beta` notes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.outbox import emit
from chassis.service import Service
from sqlalchemy import text

ALPHA_TABLES = "CREATE TABLE thing (name text PRIMARY KEY, counted int NOT NULL)"
BETA_TABLES = """
CREATE TABLE note (
  place bigserial PRIMARY KEY, thing text NOT NULL, number int NOT NULL, handled timestamptz DEFAULT clock_timestamp()
)
"""


@dataclass(frozen=True)
class Counted:
    """A thing was counted for the nth time."""

    SUBJECT: ClassVar[str] = "thing"

    thing: str
    number: int


def count(session: ServiceSession, thing: str) -> None:
    """Count a thing once more, and announce it."""
    number = session.scalar(
        text("UPDATE thing SET counted = counted + 1 WHERE name = :thing RETURNING counted"), {"thing": thing}
    )
    assert isinstance(number, int)
    emit(session, Counted(thing, number))


def keep_note(session: ServiceSession, received: Received) -> None:
    """Note what was counted."""
    session.execute(text("INSERT INTO note (thing, number) VALUES (:thing, :number)"), dict(received.data))


SUBSCRIPTION = Subscription("alpha", ("Counted",), "beta.notes", keep_note)
NO_MIGRATIONS = Path(__file__).parent

ALPHA = Service("alpha", NO_MIGRATIONS, servicers=lambda runtime: ())
BETA = Service("beta", NO_MIGRATIONS, servicers=lambda runtime: (), subscriptions=lambda runtime: (SUBSCRIPTION,))
