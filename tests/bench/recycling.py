"""What a night takes: customers that fall back into a pool, with ledger, timeline, audit and events, and warnings.

    python tests/bench/recycling.py [CUSTOMERS]

The floor is one plain UPDATE of the same rows in the same run. Exits with 1 if the target is missed.
"""

import sys
import time
from contextlib import ExitStack
from datetime import timedelta

from chassis.callers import service_caller
from chassis.clock import FixedClock, system_clock
from chassis.db import Database
from chassis.names import new_id
from chassis.testing import make_caller
from customers.days import today
from customers.main import SERVICE
from customers.model import KnownUser
from customers.pools.rules import PoolRules, RecycleRule
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.create_pool import PoolDraft, create_pool
from customers.usecases.recycle_customers import recycle_customers
from customers.usecases.warn_owners import warn_owners
from databases import fresh_database
from sqlalchemy import text

CUSTOMERS = 200_000
TARGET_SECONDS = 60

_COPY = text(
    """
    INSERT INTO customer SELECT (jsonb_populate_record(customer, jsonb_build_object(
      'id', ('01a00000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid,
      'name_key', 'k' || number, 'display_name', '公司' || number))).*
    FROM customer, generate_series(1, :count) AS number
    """
)
_PLAIN = text("UPDATE customer SET owner_id = NULL, pool_id = :pool, pool_entry_time = now(), version = version + 1")
SERVICE_CALLER = service_caller("customers")


def fill(database: Database, count: int) -> object:
    """So many customers of one owner. Returns the id of the pool that they fall into."""
    owner = make_caller(user_id=new_id(), department_path=f"{new_id()}/")
    with database.write(owner) as session:
        user = {"username": "li", "display_name": "李", "department_path": owner.department_path, "active": True}
        session.add(KnownUser(id=owner.user_id, department_id=None, version=1, **user))
        create_customer(session, CustomerDraft({"display_name": "公司"}, {}))
        pool = create_pool(session, PoolDraft({"display_name": "公海"}, PoolRules(recycle=RecycleRule(days=10)))).id
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(_COPY, {"count": count - 1})
        connection.execute(text("VACUUM ANALYZE customer"))
    return pool


def floor(database: Database, pool: object) -> float:
    """The seconds of the plain UPDATE, which is taken back."""
    with database.engine.connect() as connection:
        began = time.perf_counter()
        connection.execute(_PLAIN, {"pool": pool})
        took = time.perf_counter() - began
        connection.rollback()
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM customer"))
    return took


def warn(database: Database) -> int:
    """Warn all owners. Returns how many warnings were sent."""
    after, total = None, 0
    while True:
        with database.write(SERVICE_CALLER) as session:
            after, sent = warn_owners(session, after)
        total += sent
        if after is None:
            return total


def recycle(database: Database) -> int:
    """Take back all that is due. Returns how many."""
    after, total = None, 0
    while True:
        with database.write(SERVICE_CALLER) as session:
            part = recycle_customers(session, today(session), after)
        after, total = part.last, total + part.taken
        if after is None:
            return total


def measure(database: Database, clock: FixedClock, count: int) -> bool:
    """Measure and print. Returns whether the target is met."""
    pool = fill(database, count)
    clock.advance(timedelta(days=8))
    plain = floor(database, pool)
    began = time.perf_counter()
    warned = warn(database)
    warning = time.perf_counter() - began
    clock.advance(timedelta(days=3))
    began = time.perf_counter()
    taken = recycle(database)
    took = time.perf_counter() - began
    if (warned, taken) != (count, count):
        raise AssertionError(f"{warned} warned and {taken} taken of {count}")
    print(f"  warnings: {count / warning:,.0f} a second", flush=True)
    print(f"  plain UPDATE: {count / plain:,.0f} rows a second", flush=True)
    limit = TARGET_SECONDS * count / CUSTOMERS
    print(
        f"  recycling {count:,}: {took:.1f} s, {count / took:,.0f} a second, {took / plain:.1f} × the plain UPDATE"
        f" (under {limit:.1f} s)",
        flush=True,
    )
    return took < limit


def main() -> int:
    """Run the benchmark; 1 if the target is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CUSTOMERS
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(SERVICE))
        clock = FixedClock(system_clock())
        database = Database("customers", url, clock=clock)
        stack.callback(database.dispose)
        return 0 if measure(database, clock, count) else 1


if __name__ == "__main__":
    sys.exit(main())
