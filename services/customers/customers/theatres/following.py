"""Which theatres follow customers, and which theatre people belong to."""

from collections.abc import Collection, Mapping
from uuid import UUID

from chassis.columns import among
from chassis.db import ServiceSession
from chassis.following import Followers
from chassis.prepared import Prepared
from sqlalchemy import Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from customers.model import CustomerTheatre, KnownDepartment

FOLLOWERS = Followers(
    record=CustomerTheatre.customer_id,
    owner=CustomerTheatre.owner_id,
    department_path=CustomerTheatre.owner_department_path,
    live=CustomerTheatre.end_time.is_(None),
)

_ANY_LIVE = Prepared(
    select(CustomerTheatre.id)
    .where(CustomerTheatre.customer_id == any_(bindparam("customers", type_=ARRAY(Uuid))), FOLLOWERS.live)
    .limit(1)
)


def theatres_at(session: ServiceSession, paths: Collection[str]) -> Mapping[str, UUID]:
    """The nearest theatre at or above each department, by the department's path. What lies in none is left out."""
    lines = {path: _line(path) for path in paths}
    known = select(KnownDepartment.path, KnownDepartment.id).where(
        KnownDepartment.path.in_({above for line in lines.values() for above in line}), KnownDepartment.theatre
    )
    theatres = {row.path: row.id for row in session.execute(known)}
    nearest = {
        path: next((theatres[above] for above in line if above in theatres), None) for path, line in lines.items()
    }
    return {path: theatre for path, theatre in nearest.items() if theatre is not None}


def theatre_at(session: ServiceSession, path: str | None) -> UUID | None:
    """The same for one department; None as well for somebody who belongs to none."""
    return theatres_at(session, [path]).get(path) if path else None


def live_theatres(session: ServiceSession, customer_ids: Collection[UUID]) -> list[CustomerTheatre]:
    """The theatres that follow customers beside their owners, in one order."""
    session.flush()
    if _ANY_LIVE.first(session, customers=list(customer_ids)) is None:  # as for most customers, and soon found
        return []
    found = select(CustomerTheatre).where(among(CustomerTheatre.customer_id, customer_ids), FOLLOWERS.live)
    return list(session.scalars(found.order_by(CustomerTheatre.id)))


def _line(path: str) -> list[str]:
    """The paths of a department and all above it, its own first."""
    keys = [key for key in path.split("/") if key]
    return [f"{'/'.join(keys[:end])}/" for end in range(len(keys), 0, -1)]
