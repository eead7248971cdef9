"""Rows as JSON that PostgreSQL makes and reads itself, so that what is put back is what was there, whatever columns
a table has or gets."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from chassis.db import ServiceSession
from chassis.sharing import RecordShare
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from customers.model import Base, Customer

MOVED = ("timeline_entry", "purchase")
"""Tables whose rows go to the customer that stays. They have a key `id`."""
_BY_HAND = {"contact", "merged_customer", "customer_merge", "merged_row", "duplicate_member", "duplicate_key"}
_COUNTED = {"purchase_total"}
"""What is counted anew."""
_HISTORY = {
    "holding_change",
    "pool_view",
    "pool_allocation_item",
    "rfm_score",
    "offline_claim",
    "classification_change",
    "lead_admission",
}
"""What was, and stays as it was, or is reckoned anew."""

_TABLES = {**Base.metadata.tables, **RecordShare.metadata.tables}
_UUIDS = ARRAY(Customer.id.type)
Rows = list[dict[str, Any]]


def moved_tables() -> list[str]:
    """Those of `MOVED` that there are."""
    return [table for table in MOVED if table in Base.metadata.tables]


def dropped_tables() -> list[str]:
    """Tables whose rows go with their customer, and come back with it."""
    others = {*MOVED, *_BY_HAND, *_COUNTED, *_HISTORY}
    return [
        table.name
        for table in Base.metadata.sorted_tables
        if "customer_id" in table.c
        and table.name not in others
        and any(key.column.table.name == "customer" for key in table.foreign_keys)
    ]


def read_rows(session: ServiceSession, table: str, column: str, ids: Iterable[UUID]) -> Rows:
    """The rows of a table whose column is one of the ids."""
    statement = text(f"SELECT to_jsonb(t) FROM {table} AS t WHERE {column} = ANY(:ids)")  # noqa: S608
    found = session.scalars(statement.bindparams(bindparam("ids", type_=_UUIDS)), {"ids": list(ids)})
    return sorted(found, key=lambda row: orjson.dumps(row, option=orjson.OPT_SORT_KEYS))


def put_rows(session: ServiceSession, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows as they were read. A column that the table did not have then takes its default."""
    if not rows:
        return
    there = [column.name for column in _TABLES[table].columns if column.computed is None and column.name in rows[0]]
    columns = ", ".join(there)
    statement = text(
        f"INSERT INTO {table} ({columns}) "  # noqa: S608
        f"SELECT {columns} FROM jsonb_populate_recordset(CAST(NULL AS {table}), CAST(:rows AS jsonb))"
    )
    session.execute(statement, {"rows": orjson.dumps(rows).decode()})


def change_row(session: ServiceSession, table: str, row: Mapping[str, Any], columns: Sequence[str]) -> None:
    """Give columns of a row the values that were read, found by its id."""
    sets = ", ".join(f"{column} = was.{column}" for column in columns)
    statement = text(
        f"UPDATE {table} AS t SET {sets} "  # noqa: S608
        f"FROM jsonb_populate_record(CAST(NULL AS {table}), CAST(:row AS jsonb)) AS was WHERE t.id = was.id"
    )
    session.execute(statement, {"row": orjson.dumps(row).decode()})


def move_rows(session: ServiceSession, merge_id: UUID, customer_id: UUID, others: Sequence[UUID]) -> dict[str, int]:
    """Give the rows of other customers to one, and remember whose they were. Returns how many, by table."""
    moved = {}
    for table in moved_tables():
        statement = text(
            f"WITH gone AS (SELECT id, customer_id FROM {table} WHERE customer_id = ANY(:others) FOR UPDATE), "  # noqa: S608
            "noted AS (INSERT INTO merged_row (merge_id, source, row_id, customer_id) "
            "SELECT :merge, :source, id, customer_id FROM gone) "
            f"UPDATE {table} AS t SET customer_id = :customer FROM gone WHERE t.id = gone.id"
        ).bindparams(bindparam("others", type_=_UUIDS))
        given = {"others": list(others), "merge": merge_id, "source": table, "customer": customer_id}
        moved[table] = session.connection().execute(statement, given).rowcount
    return moved


def move_back(session: ServiceSession, merge_id: UUID, customer_id: UUID) -> None:
    """Give moved rows back, those that are still there and with the customer that got them."""
    for table in moved_tables():
        statement = text(
            f"UPDATE {table} AS t SET customer_id = m.customer_id FROM merged_row AS m "  # noqa: S608
            "WHERE m.merge_id = :merge AND m.source = :source AND t.id = m.row_id AND t.customer_id = :customer"
        )
        session.execute(statement, {"merge": merge_id, "source": table, "customer": customer_id})
    session.execute(text("DELETE FROM merged_row WHERE merge_id = :merge"), {"merge": merge_id})
