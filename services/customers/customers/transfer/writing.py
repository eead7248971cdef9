"""Writing thousands of new customers and contacts at once, by COPY."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from chassis.db import ServiceSession
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER, JSONB

from customers.model import Contact, Customer


class NewRecord:
    """A customer or contact to be written: the columns as attributes, as the entity has them."""

    def __init__(self, collection: str, **columns: Any) -> None:
        self.__dict__.update(columns)
        self.name = f"{collection}/{columns['id']}"

    def __getattr__(self, column: str) -> Any:
        """A column that was not given has no value."""
        if column.startswith("_"):
            raise AttributeError(column)
        return None


def write_customers(session: ServiceSession, customers: Iterable[NewRecord]) -> None:
    """Insert customers. A breach of uniqueness, as concurrent calls can cause, loses the transaction."""
    _copy(session, Customer.__table__, customers)


def write_contacts(session: ServiceSession, contacts: Iterable[NewRecord]) -> None:
    """Insert contacts of customers that are there."""
    _copy(session, Contact.__table__, contacts)


def _copy(session: ServiceSession, table: Table, records: Iterable[NewRecord]) -> None:
    names = [column.name for column in table.columns]
    forms = [(column.name, _form(column.type)) for column in table.columns]
    driver: Any = session.connection().connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for record in records:
            values = record.__dict__
            copy.write_row(
                [
                    None if (value := values.get(name)) is None else value if form is None else form(value)
                    for name, form in forms
                ]
            )


def _form(column_type: Any) -> Callable[[Any], str] | None:
    """How a value is written, where the driver's own way would cost more."""
    if isinstance(column_type, ARRAY):
        return _integers if isinstance(column_type.item_type, INTEGER) else _texts
    if isinstance(column_type, JSONB):
        return lambda value: orjson.dumps(value).decode()
    return None


def _integers(values: Sequence[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _texts(values: Sequence[str]) -> str:
    if not values:
        return "{}"
    return '{"' + '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in values) + '"}'
