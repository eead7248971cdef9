"""Keep up with the customers service's customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import sharing
from chassis.db import ServiceSession
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from leads.model import CUSTOMER, KnownCustomer, KnownUser


@dataclass(frozen=True)
class CustomerFacts:
    """A customer as an event tells it."""

    id: UUID
    version: int
    display_name: str
    owner_id: UUID | None
    owner_department_path: str | None
    company_key: str = ""
    """What a company is known by; empty for a person."""
    credit_code: str | None = None


def learn_customers(session: ServiceSession, facts: Sequence[CustomerFacts]) -> None:
    """Note customers. A state older than the known one changes nothing, nor does any state of a deleted customer."""
    newest = {fact.id: fact for fact in sorted(facts, key=lambda fact: fact.version)}
    if not newest:
        return
    paths = _paths(session, {fact.owner_id for fact in newest.values() if fact.owner_id})
    rows = [
        vars(fact) | {"deleted": False, "owner_department_path": paths.get(fact.owner_id, fact.owner_department_path)}
        # In one order, so that two events about the same customers cannot wait for each other.
        for fact in sorted(newest.values(), key=lambda fact: fact.id)
    ]
    statement = insert(KnownCustomer)
    columns = ("version", "display_name", "company_key", "credit_code", "owner_id", "owner_department_path")
    session.execute(
        statement.values(rows).on_conflict_do_update(
            index_elements=["id"],
            set_={column: statement.excluded[column] for column in columns},
            where=(KnownCustomer.version < statement.excluded.version) & ~KnownCustomer.deleted,
        )
    )


def forget_customer(session: ServiceSession, customer_id: UUID, version: int) -> None:
    """Note that a customer was deleted, and with it its shares."""
    sharing.forget_record(session, CUSTOMER, customer_id)
    statement = insert(KnownCustomer).values(id=customer_id, version=version, display_name="", deleted=True)
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"version": version, "deleted": True}))


def _paths(session: ServiceSession, owners: set[UUID]) -> dict[UUID | None, str | None]:
    """Where owners are by the identity service's own word, share-locked: see `learn_organisation`."""
    statement: Any = select(KnownUser.id, KnownUser.department_path).where(KnownUser.id.in_(owners))
    found = session.execute(statement.order_by(KnownUser.id).with_for_update(read=True))
    return {row.id: row.department_path for row in found}
