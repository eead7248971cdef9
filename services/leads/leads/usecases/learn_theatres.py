"""Keep up with the theatres that follow customers beside their owners."""

from dataclasses import dataclass
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from leads.model import FollowUp, KnownTheatre, KnownUser


@dataclass(frozen=True)
class TheatreFacts:
    """What a theatre does with a customer, as an event tells it."""

    customer_id: UUID
    theatre: str
    owner_id: UUID
    owner_department_path: str | None
    version: int
    active: bool
    became_holder: bool = False


def learn_theatre(session: ServiceSession, facts: TheatreFacts) -> None:
    """Note what a theatre does with a customer, and what becomes of its plans. An older version changes nothing.

    Plans go on for whoever follows the customer for the theatre now. They end with the theatre's following, unless it
    owns the customer now: then what it logged is the owner's.
    """
    # Share-locked, so that a user who moves meanwhile is not missed: see `learn_organisation`.
    place = select(KnownUser.department_path).where(KnownUser.id == facts.owner_id).with_for_update(read=True)
    user = session.execute(place).first()
    values = {key: value for key, value in vars(facts).items() if key != "became_holder"}
    values["owner_department_path"] = user.department_path if user is not None else facts.owner_department_path
    statement = insert(KnownTheatre).values(**values)
    newer = statement.on_conflict_do_update(
        index_elements=["customer_id", "theatre"],
        set_={key: values[key] for key in ("owner_id", "owner_department_path", "active", "version")},
        where=KnownTheatre.version < statement.excluded.version,
    )
    if session.execute(newer.returning(KnownTheatre.version)).first() is None:
        return
    mine = update(FollowUp).where(FollowUp.customer_id == facts.customer_id, FollowUp.joint_theatre == facts.theatre)
    if facts.became_holder:
        changed = mine.values(joint_theatre=None)
    elif facts.active:
        changed = mine.where(FollowUp.reminder_open).values(follows_owner=True)
    else:
        changed = mine.where(FollowUp.reminder_open).values(reminder_open=False)
    session.execute(changed.execution_options(synchronize_session=False))
