"""What a tick of the reminders takes with 100,000 open tasks: all of them overdue, nearly due, and none of it; and the
steps that are taken about 100,000 leads, and as many customers, that nobody follows up.

    python tests/bench/reminders.py [TASKS]

The floor is one plain UPDATE of the same rows in the same run. Besides, a tick tells everybody of their tasks, 200 of
which fall due at once, and so does a step of the records of theirs. Exits with 1 if that takes more than so
many times as long, or a tick of the tasks more than ten seconds.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from math import inf
from types import SimpleNamespace
from typing import Any

from chassis.callers import service_caller
from chassis.clock import FixedClock, system_clock
from chassis.db import Database
from chassis.jobs.run import run_next
from chassis.testing import make_caller
from databases import fresh_database
from leads.escalation.escalating import escalate
from leads.escalation.policies import create_policy
from leads.main import SERVICE
from leads.tasks.reminding import remind_of_tasks
from sqlalchemy import text

TASKS = 100_000
MOST_SECONDS = 10
MOST_TIMES = 3
MOST_TIMES_TAKING = 20
MOST_TIMES_RESTING = 0.1
MOST_TIMES_SCANNING = 1
OWNERS = 500

_OWNER = "('01a00000-0000-7000-8000-' || lpad(to_hex(1 + number % :owners), 12, '0'))::uuid"
_LEAD = "('01b00000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid"
_FILL = (
    f"""
    INSERT INTO lead (id, company_name, company_key, phones, emails, status, owner_id, owner_department_path,
      owner_since, registrant, search_text, grams, version, create_time, update_time)
    SELECT {_LEAD}, '公司' || number, '', '{{}}', '{{}}', 'NEW', {_OWNER}, 'a/', :now - interval '4 days',
      'users/1', '', '{{}}', 1, :now, :now
    FROM generate_series(1, :count) AS number
    """,
    f"""
    INSERT INTO known_customer (id, version, display_name, owner_id, owner_department_path, owner_since, deleted)
    SELECT gen_random_uuid(), 1, '客户' || number, {_OWNER}, 'a/', :now - interval '4 days', false
    FROM generate_series(1, :count) AS number
    """,
    f"""
    INSERT INTO known_user (id, version, department_path, active)
    SELECT DISTINCT {_OWNER}, 1, 'a/', true FROM generate_series(1, :owners) AS number
    """,
    f"""
    INSERT INTO task (id, lead_id, assignee_id, assignee_department_path, creator, title, due_time, priority, status,
      checklist, remind_minutes, remind_at, overdue_at, version, create_time, update_time)
    SELECT gen_random_uuid(), {_LEAD}, {_OWNER}, 'a/', 'users/1', '回访', :now + interval '2 hours', 'NORMAL', 'OPEN',
      '[]', 60, :now + interval '1 hour', :now + interval '2 hours', 1, :now, :now
    FROM generate_series(1, :count) AS number
    """,
)
_PLAIN = text("UPDATE task SET remind_at = NULL, overdue_at = NULL WHERE overdue_at <= :due")
_STEPS = {
    "leads": text(
        """
    INSERT INTO escalation (id, lead_id, assignee_id, assignee_department_path, policy_id, days, action,
      quiet_since, time)
    SELECT gen_random_uuid(), id, owner_id, owner_department_path, id, 3, 'NONE', owner_since, :now
    FROM lead WHERE owner_since <= :due AND status IN ('NEW', 'CONTACTED', 'QUALIFIED')
        """
    ),
    "customers": text(
        """
    INSERT INTO escalation (id, customer_id, assignee_id, assignee_department_path, policy_id, days, action,
      quiet_since, time)
    SELECT gen_random_uuid(), id, owner_id, owner_department_path, id, 3, 'NONE', owner_since, :now
    FROM known_customer WHERE owner_since <= :due AND NOT deleted
        """
    ),
}


def timed(work: Callable[[], object]) -> float:
    """The seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def tidy(database: Database) -> None:
    """Let nothing that was written before slow down what comes."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE task, lead, known_customer, escalation, escalation_notice, outbox"))


def tick(database: Database, clock: FixedClock, run: Callable[..., None]) -> int:
    """Do what is due. Returns how many notifications that raised."""
    before = raised(database)
    run(database, clock)
    return raised(database) - before


def raised(database: Database) -> int:
    """How many notifications wait to be sent."""
    with database.engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM outbox WHERE type LIKE '%NotificationRaised'")) or 0


def measure(database: Database, clock: FixedClock, count: int) -> bool:
    """Measure and print. Returns whether the targets are met."""
    start = clock.now
    with database.engine.begin() as connection:
        for statement in _FILL:
            connection.execute(text(statement), {"now": start, "count": count, "owners": OWNERS})
    tidy(database)
    with database.engine.connect() as connection:
        plain = timed(lambda: connection.execute(_PLAIN, {"due": start + timedelta(hours=3)}))
        connection.rollback()
    tidy(database)
    print(f"  plain UPDATE of {count:,} tasks: {plain:.2f} s", flush=True)
    met = True
    for name, hours, expected in (("nothing is due", 0, 0), ("all nearly due", 1, OWNERS), ("all overdue", 2, OWNERS)):
        clock.set(start + timedelta(hours=hours, minutes=1))
        took = told(database, clock, remind, expected)
        met = report(name, took, plain, MOST_TIMES if expected else MOST_TIMES_RESTING, MOST_SECONDS) and met
    return escalated(database, clock, count) and met


def escalated(database: Database, clock: FixedClock, count: int) -> bool:
    """The same of the steps that are taken about leads and customers."""
    met = True
    for subject, name in (("LEADS", "leads"), ("CUSTOMERS", "customers")):
        with database.write(make_caller()) as session:
            create_policy(session, {"display_name": f"升级 {name}", "subject": subject}, None, ())
        with database.engine.connect() as connection:
            given = {"due": clock.now - timedelta(days=3), "now": clock.now}
            insert = timed(lambda given=given, name=name: connection.execute(_STEPS[name], given))
            connection.rollback()
        tidy(database)
        print(f"  plain INSERT of {count:,} steps about {name}: {insert:.2f} s", flush=True)
        took = told(database, clock, take_steps, OWNERS)
        met = report(f"all {name} are quiet", took, insert, MOST_TIMES_TAKING) and met
        took = told(database, clock, take_steps, 0)
        met = report(f"all {name} were told of", took, insert, MOST_TIMES_SCANNING) and met
    return met


def take_steps(database: Database, clock: FixedClock) -> None:
    """Let the timer look, and do the job that it queues."""
    with database.write(service_caller("leads")) as session:
        escalate(session, clock.now)
    runtime: Any = SimpleNamespace(database=database, settings=SimpleNamespace(environment={}))
    while run_next(SERVICE, runtime):
        pass


def remind(database: Database, clock: FixedClock) -> None:
    """Run the timer of the tasks as its loop does."""
    with database.write(service_caller("leads")) as session:
        remind_of_tasks(session, clock.now)


def told(database: Database, clock: FixedClock, run: Callable[..., None], expected: int) -> float:
    """The seconds of a tick. Raises AssertionError if it does not tell as many as it is to."""
    counts: list[int] = []
    took = timed(lambda: counts.append(tick(database, clock, run)))
    if counts != [expected]:
        raise AssertionError(f"{counts[0]} were told, not {expected}")
    tidy(database)
    return took


def report(name: str, took: float, plain: float, most: float, seconds: float = inf) -> bool:
    """Print a figure. Returns whether it meets its target."""
    print(f"  {name}: {took:.2f} s, {took / plain:.2f} × the floor (under {most} and {seconds} s)", flush=True)
    return took < most * plain and took < seconds


def main() -> int:
    """Run the benchmark; 1 if a target is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(SERVICE))
        clock = FixedClock(system_clock())
        database = Database("leads", url, clock=clock)
        stack.callback(database.dispose)
        return 0 if measure(database, clock, count) else 1


if __name__ == "__main__":
    sys.exit(main())
