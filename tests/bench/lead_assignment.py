"""How long it takes to give leads to people by rules, beside a plain UPDATE of the same rows in the same run.

    python tests/bench/lead_assignment.py [--leads 10000] [--rules 50] [--reps 200]

Leads that nobody owns are judged by all rules, by each strategy in turns, and given to people, a fifth of whom are
candidates of most rules: owners, debts, timelines, the audit log, events, notifications and explanations included,
1,000 in a transaction, as the handler of new leads does. The floor is one UPDATE that sets the owner of the same rows,
with the same indexes, and does nothing else. The server is that of TEST_POSTGRES_URL if set, else a private one with
commits written to disk.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from uuid import UUID

import psycopg
from chassis.callers import service_caller
from chassis.db import Database
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import OPERATOR_EQUAL, OPERATOR_IN, Condition, Filter, FilterList, FilterValue
from databases import fresh_database
from google.protobuf.json_format import MessageToDict
from leads.assignment.deciding import PART
from leads.assignment.rules import create_rule
from leads.assignment.running import assign_new
from leads.main import SERVICE
from leads.model import AssignmentStrategy, KnownUser, LeadCapacity

TARGET_SECONDS = 30.0
PROVINCES = ("广东", "浙江", "江苏", "北京", "上海")
INDUSTRIES = ("制造业", "教育", "医疗", "金融")
FILL = """
    INSERT INTO lead (id, company_name, company_key, phones, emails, source, industry, province, city, status,
      registrant, search_text, grams, repeat_count, version, create_time, update_time)
    SELECT gen_random_uuid(), '公司' || number, '公司' || number, ARRAY['+86139' || lpad(number::text, 8, '0')], '{}',
      's' || number %% %s, (%s::text[])[1 + number %% 4], (%s::text[])[1 + number %% 5], '', 'NEW', 'clients/x',
      '公司' || number, ARRAY[number, number + 1, number + 2], 0, 1, now(), now()
    FROM generate_series(1, %s) AS number"""
FLOOR = "UPDATE lead SET owner_id = (%s::uuid[])[1 + abs(hashtext(id::text)) %% %s]"


def prepare(database: Database, rules: int, reps: int) -> list[UUID]:
    """People with regions and skills, and rules of all strategies."""
    people = sorted(new_id() for _ in range(reps))
    with database.write(make_caller()) as session:
        for at, key in enumerate(people):
            session.add(KnownUser(id=key, version=1, department_path="r/", active=True))
            session.add(
                LeadCapacity(
                    user_id=key, daily_capacity=0, monthly_capacity=10_000, weight=1 + at % 5, version=1, hours=[],
                    regions=[PROVINCES[at % 5], PROVINCES[(at + 1) % 5]], skills=list(INDUSTRIES), declines_leads=False,
                )
            )  # fmt: skip
        session.flush()
        strategies = list(AssignmentStrategy)
        for at in range(rules):
            create_rule(
                session,
                {
                    "display_name": f"规则{at}",
                    "strategy": strategies[at % len(strategies)],
                    "users": people[at % 5 :: 5] if at % 6 != 3 else people,
                    "outside_hours": "IGNORE",
                    "condition": condition(at),
                },
            )
    return people


def condition(number: int) -> dict[str, object]:
    """Leads of a source that name a province."""
    of_source = Condition(field="source", operator=OPERATOR_EQUAL, values=[FilterValue(text=f"s{number}")])
    values = [FilterValue(text=province) for province in PROVINCES]
    somewhere = Condition(field="province", operator=OPERATOR_IN, values=values)
    both = FilterList(filters=[Filter(condition=of_source), Filter(condition=somewhere)])
    return MessageToDict(Filter(all=both))


def assign(database: Database, leads: Sequence[UUID]) -> float:
    """Seconds that it takes to assign leads, part by part."""
    started = time.monotonic()
    for start in range(0, len(leads), PART):
        with database.write(service_caller("leads")) as session:
            assign_new(session, leads[start : start + PART])
    return time.monotonic() - started


def measure(url: str, leads: int, rules: int, reps: int) -> bool:
    """Measure and print. Returns whether all is as wanted."""
    database = Database("leads", url)
    people = prepare(database, rules, reps)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL, [rules, list(INDUSTRIES), list(PROVINCES), leads])
        connection.execute("VACUUM ANALYZE lead")
        started = time.monotonic()
        connection.execute(FLOOR, [people, reps])
        floor = time.monotonic() - started
        connection.execute("TRUNCATE lead CASCADE")
        connection.execute(FILL, [rules, list(INDUSTRIES), list(PROVINCES), leads])
        connection.execute("VACUUM ANALYZE lead")
        ids = [row[0] for row in connection.execute("SELECT id FROM lead ORDER BY id")]
        seconds = assign(database, ids)
        [(owned, decided)] = connection.execute(
            "SELECT (SELECT count(*) FROM lead WHERE owner_id IS NOT NULL), (SELECT count(*) FROM lead_assignment)"
        ).fetchall()
    database.dispose()
    print(f"UPDATE     {floor:8.2f} s   the owner of {leads:,} leads, nothing else")
    print(f"assigned   {seconds:8.2f} s   {owned:,} of them by {rules} rules to {reps} people, {decided:,} explained")
    print(f"ratio      {seconds / floor:8.2f}   to the plain UPDATE; at most {TARGET_SECONDS:.0f} s are wanted")
    return owned == decided == leads and seconds <= TARGET_SECONDS


def main() -> int:
    """Run the benchmark; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=10_000)
    parser.add_argument("--rules", type=int, default=50)
    parser.add_argument("--reps", type=int, default=200)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(SERVICE))
        return 0 if measure(url, chosen.leads, chosen.rules, chosen.reps) else 1


if __name__ == "__main__":
    sys.exit(main())
