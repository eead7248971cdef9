"""A pool of the eastern theatre, and customers in it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from chassis.callers import Caller
from chassis.db import Database
from customers.holders import Holder, Occasion
from customers.holding import hand_over, lock_held
from customers.model import ChangeKind, Customer, KnownDepartment
from customers.pools.rules import PoolRules
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.create_pool import PoolDraft, create_pool


class Play:
    """What tests of pools do again and again."""

    def __init__(self, database: Database, organisation: Any) -> None:
        self.database, self.organisation = database, organisation

    def pool(self, name: str, rules: PoolRules | None = None, **values: object) -> UUID:
        with self.database.write(self.organisation.boss.caller()) as session:
            return create_pool(session, PoolDraft({"display_name": name, **values}, rules)).id

    def customer(self, name: str, owner: Any = None, **values: object) -> UUID:
        owner = owner or self.organisation.li
        with self.database.write(owner.caller()) as session:
            return create_customer(session, CustomerDraft({"display_name": name, **values}, {})).id

    def pooled(self, pool_id: UUID, count: int, prefix: str = "客户") -> list[UUID]:
        """Customers that have just been released into a pool by the boss."""
        ids = [self.customer(f"{prefix}{number}公司", self.organisation.boss) for number in range(count)]
        self.put(ids, Holder(pool_id=pool_id), ChangeKind.RELEASED)
        return ids

    def put(self, ids: list[UUID], to: Holder, kind: ChangeKind) -> None:
        with self.database.write(self.organisation.boss.caller()) as session:
            hand_over(session, lock_held(session, Customer.id.in_(ids)), to, Occasion(kind))

    def write(self, caller: Caller, call: Callable, *args: object, **options: object) -> object:
        with self.database.write(caller) as session:
            return call(session, *args, **options)

    def department(self, path: str) -> str:
        """The department at the end of a path."""
        return f"departments/{path.rstrip('/').rsplit('/', 1)[-1]}"

    def row(self, customer_id: UUID) -> Customer:
        with self.database.read(self.organisation.boss.caller()) as session:
            return session.get_one(Customer, customer_id)


@pytest.fixture
def play(database, organisation) -> Play:
    with database.write(organisation.boss.caller()) as session:
        for path in (organisation.root, organisation.east, organisation.east_team, organisation.west):
            key = UUID(path.rstrip("/").rsplit("/", 1)[-1])
            session.add(KnownDepartment(id=key, display_name=path[-8:], path=path, version=1))
    return Play(database, organisation)


@pytest.fixture
def east(play) -> UUID:
    """A pool whose members are the people of the east."""
    return play.pool(
        "华东公海", members=[play.department(play.organisation.east)], administrators=[play.organisation.boss.name]
    )
