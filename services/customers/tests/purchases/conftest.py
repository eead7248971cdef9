"""Customers that buy."""

from typing import Any
from uuid import UUID

import pytest
from chassis.db import Database
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.record_purchases import PurchaseDraft, record_purchases
from sqlalchemy import text


class Shop:
    """What tests of purchases do again and again."""

    def __init__(self, database: Database, organisation: Any) -> None:
        self.database, self.organisation = database, organisation

    def customer(self, name: str, owner: Any = None) -> UUID:
        owner = owner or self.organisation.li
        with self.database.write(owner.caller()) as session:
            return create_customer(session, CustomerDraft({"display_name": name}, {})).id

    def customers(self, count: int) -> list[UUID]:
        """Many customers without an owner, in no time."""
        with self.database.engine.begin() as connection:
            rows = connection.execute(
                text(
                    """INSERT INTO customer (id, kind, display_name, name_key, status, phones, emails, tags, custom,
                         search_text, grams, creator, version, create_time, update_time)
                       SELECT gen_random_uuid(), 'COMPANY', 'c' || i, 'c' || i, 'WON', '{}', '{}', '{}', '{}', '', '{}',
                         'clients/x', 1, now(), now() FROM generate_series(1, :count) i RETURNING id"""
                ),
                {"count": count},
            )
            return sorted(rows.scalars())

    def record(self, *drafts: PurchaseDraft, caller: Any = None) -> list[Any]:
        with self.database.write(caller or self.organisation.boss.caller()) as session:
            return record_purchases(session, drafts)


@pytest.fixture
def shop(database, organisation) -> Shop:
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE job, job_file, job_error"))
    return Shop(database, organisation)
