"""Identity numbers in what it takes to undo merges, which is rows as they were, seals and indexes included."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.encryption import DataKeys, Place, SealBroken, Sealed
from chassis.resealing import Renewal
from sqlalchemy import Select, Text, cast, select

from customers.model import Contact, Customer
from customers.model.duplicates import CustomerMerge
from customers.model.identity_numbers import PURPOSE

_SEALED, _INDEX = "identity_number_sealed", "identity_number_index"
_BYTES = "\\x"
"""What PostgreSQL puts before the digits of bytes."""
_SNAPSHOTS: Select[CustomerMerge] = select(CustomerMerge).where(
    cast(CustomerMerge.snapshot, Text).contains(f'"{_SEALED}": "')
)


def renew_snapshots(session: ServiceSession, limit: int) -> int:
    """Seal the numbers in some snapshots anew that another key sealed."""
    count = 0
    for merge in session.scalars(_SNAPSHOTS.order_by(CustomerMerge.id).with_for_update()):
        if count < limit and merge.snapshot is not None:
            renewed = deepcopy(merge.snapshot)
            if sum(_renew(session.data_keys, *row) for row in _rows(renewed)):
                merge.snapshot = renewed
                count += 1
    session.flush()
    return count


def stuck_snapshots(session: ServiceSession) -> int:
    """How many numbers in snapshots another key than the current one seals."""
    keys = session.data_keys
    return sum(
        not keys.is_current(_sealed(row))
        for merge in session.scalars(_SNAPSHOTS)
        for _, row in _rows(merge.snapshot or {})
    )


def _rows(snapshot: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a snapshot that bear a number, each with its table."""
    customers = [snapshot.get("before"), snapshot.get("after"), *snapshot.get("customers", ())]
    rows = [(Customer.__tablename__, row) for row in customers]
    rows += [(Contact.__tablename__, row) for row in snapshot.get("contacts", ())]
    return ((table, row) for table, row in rows if row and row.get(_SEALED))


def _renew(keys: DataKeys, table: str, row: dict[str, Any]) -> bool:
    sealed, place = _sealed(row), Place(table, _SEALED, UUID(row["id"]))
    if keys.is_current(sealed):
        return False
    try:
        number = keys.open(sealed, place)
    except SealBroken:
        return False  # counted by `stuck_snapshots`
    row[_SEALED] = _BYTES + keys.seal(number, place).data.hex()
    row[_INDEX] = _BYTES + keys.blind_index(number, PURPOSE).hex()
    return True


def _sealed(row: Mapping[str, Any]) -> Sealed:
    return Sealed(bytes.fromhex(row[_SEALED].removeprefix(_BYTES)))


RENEWALS = (Renewal("customer_merge.snapshot", renew_snapshots, stuck_snapshots),)
