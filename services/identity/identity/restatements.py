"""What this service tells again to whoever asks: see `chassis.restating`."""

from collections.abc import Sequence
from typing import Any

from chassis.db import ServiceSession
from chassis.names import make_name
from chassis.personal_data import KnownLegalHold
from chassis.restating import Restatement, by_id

from identity.company import announce, get_profile
from identity.events import LegalHoldChanged
from identity.model import DeletedDepartment, Department, Role, User


def _held(hold: KnownLegalHold) -> LegalHoldChanged:
    return LegalHoldChanged(
        hold=make_name("legalHolds", hold.id),
        version=hold.version,
        records=hold.records,
        digests=hold.digests,
        expire_time=hold.expire_time,
        active=hold.active,
    )


def _organisation(session: ServiceSession, after: str) -> tuple[Sequence[Any], str]:
    announce(session, get_profile(session, lock=True), repeat=True)
    return [], ""


RESTATEMENTS = (
    Restatement(
        "DepartmentChanged", by_id(Department, lambda session, rows: [each.changed(each.path) for each in rows])
    ),
    Restatement("DepartmentDeleted", by_id(DeletedDepartment, lambda session, rows: [each.deleted() for each in rows])),
    Restatement("UserChanged", by_id(User, lambda session, rows: [each.changed() for each in rows])),
    Restatement("RoleChanged", by_id(Role, lambda session, rows: [each.changed() for each in rows])),
    Restatement("LegalHoldChanged", by_id(KnownLegalHold, lambda session, rows: [_held(each) for each in rows])),
    Restatement("OrganisationChanged", _organisation),
)
