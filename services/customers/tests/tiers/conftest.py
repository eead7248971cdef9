"""Customers that buy, and tiers with rules."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from chassis.db import Database
from chassis.testing import make_caller
from customers.model import Tier
from customers.tiers import queries
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.evaluate_tiers import evaluate_part
from customers.usecases.record_purchases import PurchaseDraft, record_purchases
from customers.usecases.update_tier import update_tier
from sqlalchemy import select, text


def over(field: str, operator: str, value: Any) -> dict[str, Any]:
    """A rule of one condition."""
    kind = "text" if isinstance(value, str) else "number"
    return {"condition": {"field": field, "operator": f"OPERATOR_{operator}", "values": [{kind: value}]}}


class Market:
    """What tests of tiers do again and again."""

    def __init__(self, database: Database, organisation: Any) -> None:
        self.database, self.boss = database, organisation.boss.caller()
        self.caller = make_caller()

    def customer(self, name: str = "", **values: Any) -> UUID:
        with self.database.write(self.boss) as session:
            return create_customer(session, CustomerDraft({"display_name": name or uuid4().hex} | values, {})).id

    def buys(self, customer: UUID, time: datetime, amount: Decimal | int = 100, kind: str = "ORDER") -> None:
        draft = PurchaseDraft(f"customers/{customer}", "erp", uuid4().hex, kind, time, "CNY", str(amount), "")
        with self.database.write(self.boss) as session:
            [outcome] = record_purchases(session, [draft])
        assert outcome.created

    def rules(self, rules: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Give tiers rules, by their codes."""
        with self.database.write(self.boss) as session:
            tiers = {tier.code: tier.id for tier in session.scalars(select(Tier))}
            for code, rule in rules.items():
                update_tier(session, tiers[code], {"rule": rule})

    def evaluate(self) -> tuple[int, int]:
        """Evaluate everybody. Returns how many tiers and stages changed."""
        after, tiers, stages = None, 0, 0
        while True:
            with self.database.write(self.boss) as session:
                part = evaluate_part(session, after)
            after, tiers, stages = part.last, tiers + part.tiers, stages + part.stages
            if after is None:
                return tiers, stages

    def rows(self, columns: str) -> dict[UUID, Any]:
        with self.database.engine.connect() as connection:
            found = connection.execute(text(f"SELECT id, {columns} FROM customer")).all()
        return {row[0]: row[1] if len(row) == 2 else tuple(row[1:]) for row in found}

    def history(self, customer: UUID, aspect: Any) -> list[Any]:
        with self.database.read(self.boss) as session:
            return list(queries.list_changes(session, customer, aspect, page_size=200, page_token="").rows)


@pytest.fixture
def market(database: Database, organisation: Any) -> Market:
    return Market(database, organisation)
