"""How long it takes to share out a pool by expected value, beside a plain UPDATE of the same rows in the same run, and
how fair the result is.

    python tests/bench/allocation.py [--customers 200000] [--reps 20]

Customers with log-normal expected values are given by the service's job process: planned, judged on locked rows, kept
in the ledger, the timelines and the audit log, announced. The floor is one UPDATE that sets the owner of the same
rows, with the same indexes, and does nothing else. The server is that of TEST_POSTGRES_URL if set, else a private one
with commits written to disk.
"""

import argparse
import os
import random
import sys
import time
from contextlib import ExitStack
from uuid import UUID

import psycopg
from chassis.db import Database
from chassis.jobs import Supervisor
from chassis.names import new_id
from chassis.testing import make_caller
from chassis.testing.edge import Edge, running
from customers.main import SERVICE
from customers.model import KnownUser, PoolAllocation, PoolAllocationSetting
from customers.pools.allocation_order import Order, Strategy, Wanted
from customers.pools.rules import PoolRules
from customers.pools.shares import AllocationShare, Evenness
from customers.usecases.allocate_pool_customers import AllocationDraft, allocate_pool_customers
from customers.usecases.create_pool import PoolDraft, create_pool
from databases import fresh_database

SEED = 20260302
TARGET_SECONDS = 30.0
TARGET_JAIN = 0.98
FILL = """
    INSERT INTO customer (id, kind, display_name, name_key, status, phones, emails, tags, custom, search_text, grams,
      pool_id, pool_entry_time, held_since, creator, version, create_time, update_time)
    SELECT gen_random_uuid(), 'COMPANY', '客户' || number, number::text, 'POTENTIAL', '{}', '{}', '{}',
      jsonb_build_object('expected_value', value), '客户' || number, ARRAY[number, number + 1, number + 2],
      %s, now(), now(), '', 1, now(), now()
    FROM unnest(%s::numeric[]) WITH ORDINALITY AS made (value, number)"""
FLOOR = "UPDATE customer SET owner_id = (%s::uuid[])[1 + abs(hashtext(id::text)) %% %s], pool_id = NULL"


class Bench:
    """A service with a fresh database, and a pool in it."""

    def __init__(self, edge: Edge, url: str, reps: int) -> None:
        runtime = edge.runtimes["customers"]
        self.url, self.database = url, runtime.database
        environment = {**os.environ, **runtime.settings.environment}
        each_by_itself = (sys.executable, "-m", "chassis.jobs.run", "customers", "0")
        self.supervisor = Supervisor(type(runtime.settings).read(environment), self.database, command=each_by_itself)
        self.reps = [new_id() for _ in range(reps)]
        self.boss = make_caller()
        self.pool_id = self.prepare(self.database)

    def prepare(self, database: Database) -> UUID:
        """People and a pool that the boss administers."""
        with database.write(self.boss) as session:
            for at, one in enumerate([*self.reps, self.boss.user_id]):
                session.add(
                    KnownUser(
                        id=one, username=f"rep{at}", display_name=f"销售{at}", department_id=None, department_path=None,
                        active=True, version=1,
                    )
                )  # fmt: skip
            session.flush()
            values = {"display_name": "公海", "administrators": [self.boss.subject]}
            pool = create_pool(session, PoolDraft(values, PoolRules(hold_limit=1_000_000)))
            session.add(
                PoolAllocationSetting(
                    pool_id=pool.id, value_field="custom.expected_value", schedule=None, since=session.now, version=1
                )
            )
            return pool.id

    def fill(self, count: int) -> None:
        """Put customers into the pool, and forget those of the round before."""
        rng = random.Random(SEED)
        values = [round(rng.lognormvariate(10, 1), 2) for _ in range(count)]
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "TRUNCATE customer, contact, audit_entry, outbox, timeline_entry, holding_change CASCADE"
            )
            connection.execute(FILL, [self.pool_id, values])
            connection.execute("VACUUM ANALYZE customer")

    def floor(self) -> float:
        """Seconds that a plain UPDATE of the owners takes."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            started = time.monotonic()
            connection.execute(FLOOR, [self.reps, len(self.reps)])
            return time.monotonic() - started

    def allocate(self) -> tuple[PoolAllocation, float]:
        """Share the pool out. Returns the result and the seconds from the call to the end."""
        order = Order([Wanted(one) for one in self.reps])
        draft = AllocationDraft(self.pool_id, order, Strategy.BY_VALUE, seed=SEED)
        started = time.monotonic()
        with self.database.write(self.boss) as session:
            key = allocate_pool_customers(session, draft).id
        while True:
            self.supervisor.check()
            time.sleep(0.1)
            with self.database.read(self.boss) as session:
                allocation = session.get_one(PoolAllocation, key)
            if allocation.state not in ("QUEUED", "RUNNING"):
                return allocation, time.monotonic() - started


def measure(bench: Bench, customers: int) -> bool:
    """Measure and print. Returns whether all is as wanted."""
    bench.fill(customers)
    floor = bench.floor()
    print(f"UPDATE     {floor:8.1f} s   the owner of {customers:,} customers, nothing else")
    bench.fill(customers)
    allocation, seconds = bench.allocate()
    even = Evenness.of(AllocationShare.from_json(one) for one in allocation.shares)
    print(f"allocated  {seconds:8.1f} s   {allocation.given:,} by value to {len(bench.reps)}, {allocation.state}")
    print(f"ratio      {seconds / floor:8.2f}   to the plain UPDATE; at most {TARGET_SECONDS:.0f} s are wanted")
    print(
        f"fairness   {float(even.value_jain):8.6f}   Jain index of the expected value, {float(even.count_jain):.6f} of "
        f"the numbers, whose spread is {even.count_spread}"
    )
    fair = even.value_jain >= TARGET_JAIN and even.count_spread <= 1
    return fair and allocation.given == customers and seconds <= TARGET_SECONDS


def main() -> int:
    """Run the benchmark; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--reps", type=int, default=20)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(SERVICE))
        bench = Bench(stack.enter_context(running([SERVICE], {"customers": url})), url, chosen.reps)
        stack.callback(bench.supervisor.stop)
        return 0 if measure(bench, chosen.customers) else 1


if __name__ == "__main__":
    sys.exit(main())
