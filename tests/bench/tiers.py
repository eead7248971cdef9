"""What an evaluation of all customers takes: stages and tiers by rules, with history, timeline and events.

    python tests/bench/tiers.py [CUSTOMERS]

The floor is one plain UPDATE of the same customers by the same figures in the same run. Exits with 1 if an evaluation
that moves everybody, or one that moves nobody, takes more than so many times as long.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from chassis.callers import service_caller
from chassis.clock import FixedClock, system_clock
from chassis.db import Database
from chassis.testing import make_caller
from customers.main import SERVICE
from customers.model import Tier
from customers.tiers.evaluating import Evaluation
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.evaluate_tiers import evaluate_part
from customers.usecases.update_tier import update_tier
from databases import fresh_database
from sqlalchemy import select, text

CUSTOMERS = 200_000
MOST_TIMES_MOVING = 8
MOST_TIMES_RESTING = 2
RULES = {"A": 4000, "B": 2500, "C": 1500, "D": 500}

_CUSTOMERS = text(
    """
    INSERT INTO customer SELECT (jsonb_populate_record(customer, jsonb_build_object(
      'id', ('01a00000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid,
      'name_key', 'k' || number, 'display_name', '公司' || number))).*
    FROM customer, generate_series(1, :count) AS number
    """
)
_PURCHASES = text(
    """
    INSERT INTO purchase (id, customer_id, source, external_id, kind, time, amount, currency, base_amount, recorder,
      record_time)
    SELECT gen_random_uuid(), id, 'erp', id || '-' || number, 'ORDER', now() - number * interval '35 days', amount,
      'CNY', amount, 'clients/erp', now()
    FROM (SELECT id, number, (abs(hashtext(id::text || number)) % 2000)::numeric AS amount
          FROM customer, generate_series(1, 5) AS number) AS bought
    """
)
_PLAIN = text(
    """
    UPDATE customer SET level = CASE WHEN sum >= 4000 THEN 'A' WHEN sum >= 2500 THEN 'B' WHEN sum >= 1500 THEN 'C'
        WHEN sum >= 500 THEN 'D' ELSE 'E' END,
      lifecycle_stage = CASE WHEN last > now() - interval '90 days' THEN 'ACTIVE' ELSE 'DORMANT' END
    FROM (SELECT customer_id, sum(base_amount) AS sum, max(time) AS last FROM purchase GROUP BY customer_id) AS bought
    WHERE bought.customer_id = customer.id
    """
)
CALLER = make_caller()


def fill(database: Database, count: int) -> None:
    """So many customers, each with five orders, and tiers with rules over what they ordered."""
    with database.write(CALLER) as session:
        create_customer(session, CustomerDraft({"display_name": "公司"}, {}))
        tiers = {tier.code: tier.id for tier in session.scalars(select(Tier))}
        for code, bound in RULES.items():
            values = [{"number": bound}]
            rule = {"field": "ordered_amount", "operator": "OPERATOR_GREATER_OR_EQUAL", "values": values}
            update_tier(session, tiers[code], {"rule": {"condition": rule}})
        update_tier(session, tiers["E"], {"rule": {}})
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(_CUSTOMERS, {"count": count - 1})
        connection.execute(_PURCHASES)
        connection.execute(text("VACUUM ANALYZE customer, purchase"))


def floor(database: Database) -> float:
    """The seconds of the plain UPDATE, which is taken back."""
    with database.engine.connect() as connection:
        took = timed(lambda: connection.execute(_PLAIN))
        connection.rollback()
    tidy(database)
    return took


def tidy(database: Database) -> None:
    """Let nothing that was written before slow down what comes."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE customer, purchase_total, classification_change"))


def evaluate(database: Database) -> int:
    """Evaluate everybody as the job does. Returns how many tiers changed."""
    after, changed = None, 0
    while True:
        with database.write(service_caller("customers")) as session:
            part = evaluate_part(session, after)
        after, changed = part.last, changed + part.tiers
        if after is None:
            return changed


def timed(work: Callable[[], object]) -> float:
    """The seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(database: Database, count: int) -> bool:
    """Measure and print. Returns whether both targets are met."""
    fill(database, count)
    plain = floor(database)
    changed: list[int] = []
    moving = timed(lambda: changed.append(evaluate(database)))
    tidy(database)
    resting = timed(lambda: changed.append(evaluate(database)))
    with database.read(CALLER) as session:
        preview = timed(lambda: Evaluation(session).preview())
    if changed != [count, 0]:
        raise AssertionError(f"{changed[0]} moved of {count}, and then {changed[1]} again")
    print(f"  plain UPDATE of {count:,}: {plain:.1f} s", flush=True)
    for name, took, most in (
        ("everybody moves", moving, MOST_TIMES_MOVING),
        ("nobody moves", resting, MOST_TIMES_RESTING),
    ):
        print(f"  {name}: {took:.1f} s, {took / plain:.1f} × the plain UPDATE (under {most})", flush=True)
    print(f"  preview: {preview:.1f} s, {preview / plain:.1f} × the plain UPDATE", flush=True)
    return moving < MOST_TIMES_MOVING * plain and resting < MOST_TIMES_RESTING * plain


def main() -> int:
    """Run the benchmark; 1 if a target is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CUSTOMERS
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(SERVICE))
        database = Database("customers", url, clock=FixedClock(system_clock()))
        stack.callback(database.dispose)
        return 0 if measure(database, count) else 1


if __name__ == "__main__":
    sys.exit(main())
