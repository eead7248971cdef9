"""Sealing anew, with the data key that seals now, what other keys sealed: in batches, while the service runs.

What is to be done shows in the data themselves, so that it may be broken off at any time and begun again. Values are
found meanwhile, since digests are looked for under all keys.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from sqlalchemy import Column, Table, func, select, update
from sqlalchemy.orm import DeclarativeBase

from chassis.callers import service_caller
from chassis.db import ChassisTables, Database, ServiceSession
from chassis.encryption import DataKeys, Encrypted, Place, SealBroken

if TYPE_CHECKING:
    from chassis.service import Service

AT_ONCE = 500
DERIVED, BY_HAND = "derived", "by_hand"
"""What the `info` of an encrypted column may say: a `Derive` for the columns that are made from its value, and that a
`Renewal` seals it."""

Derive: TypeAlias = Callable[[DataKeys, str], Mapping[str, Any]]
"""The columns of the same row, such as blind indexes, by the value in clear."""


@dataclass(frozen=True)
class Renewal:
    """What else hangs on data keys than encrypted columns: seals inside of JSON, digests that others keep, too."""

    what: str
    renew: Callable[[ServiceSession, int], int]
    """Renews at most so many in the session's transaction and returns how many."""
    stuck: Callable[[ServiceSession], int] = lambda session: 0
    """How many cannot be renewed."""


@dataclass(frozen=True)
class Resealed:
    """What was done for a column or a `Renewal`."""

    what: str
    renewed: int
    stuck: int
    """What does not open with any key, or was locked all the time: the old key is still needed, or nothing helps."""


def reseal(database: Database, service: "Service") -> Iterator[Resealed]:
    """Seal anew all that a service keeps, a batch in a transaction, and tell what was done column by column."""
    from chassis.migrations import chassis_metadata  # which few processes need

    chassis_metadata()  # or what nobody has imported yet would be left out, and its key be taken for free
    caller = service_caller(service.name)
    for column in encrypted_columns(service.entities):
        renewed, after = 0, None
        while True:
            with database.write(caller) as session:
                count, after = reseal_batch(session, column, AT_ONCE, after)
            renewed += count
            if after is None:
                break
        with database.read(caller) as session:
            yield Resealed(str(column), renewed, outdated(session, column))
    for renewal in service.renewals:
        renewed = 0
        while True:
            with database.write(caller) as session:
                count = renewal.renew(session, AT_ONCE)
            renewed += count
            if not count:
                break
        with database.read(caller) as session:
            yield Resealed(renewal.what, renewed, renewal.stuck(session))


def encrypted_columns(entities: type[DeclarativeBase] | None) -> list[Column[Any]]:
    """The encrypted columns of the chassis and of a service that are sealed anew one by one. The place of a value is
    its table, its column and the key of its row."""
    bases: list[type[DeclarativeBase]] = [ChassisTables, *([entities] if entities is not None else [])]
    columns = [column for base in bases for table in base.metadata.sorted_tables for column in table.columns]
    return [column for column in columns if isinstance(column.type, Encrypted) and not column.info.get(BY_HAND)]


def reseal_batch(
    session: ServiceSession, column: Column[Any], limit: int, after: UUID | None = None
) -> tuple[int, UUID | None]:
    """Seal anew some values of a column, in the order of their rows' keys. Returns how many, and the last key that was
    looked at; None if there are no more. What somebody else has locked, or what does not open, is passed over."""
    table, keys = column.table, session.data_keys
    assert isinstance(table, Table)
    [key] = table.primary_key.columns
    rows = select(key, column).where(column.is_not(None), keys.outdated(column)).order_by(key).limit(limit)
    if after is not None:
        rows = rows.where(key > after)
    found = session.execute(rows.with_for_update(skip_locked=True)).all()
    count = 0
    for row_key, sealed in found:
        place = Place(table.name, column.name, row_key)
        try:
            value = keys.open(sealed, place)
        except SealBroken:
            continue
        derive: Derive = column.info.get(DERIVED, lambda keys, value: {})
        session.execute(
            update(table).where(key == row_key).values({column.name: keys.seal(value, place), **derive(keys, value)})
        )
        count += 1
    return count, found[-1][0] if len(found) == limit else None


def outdated(session: ServiceSession, column: Column[Any]) -> int:
    """How many values of a column another key than the current one sealed."""
    wanted = select(func.count()).where(column.is_not(None), session.data_keys.outdated(column))
    return session.scalar(wanted.select_from(column.table)) or 0
