"""What the next claim reads grows neither with what was claimed before nor with what may not be claimed yet."""

from collections import Counter

import pytest
from crm.common.v1.filter_pb2 import Filter
from customers.pools.rules import PoolRules
from customers.usecases.claim_next_customers import claim_next_customers, see
from sqlalchemy import text

CUSTOMERS, BATCH = 4_000, 100
FILL = """
    INSERT INTO customer (id, kind, display_name, name_key, status, phones, emails, tags, custom, search_text, grams,
      pool_id, pool_entry_time, held_since, creator, version, create_time, update_time)
    SELECT gen_random_uuid(), 'COMPANY', '客户' || number, concat(CAST(:pool AS text), number), 'POTENTIAL', '{}', '{}',
      '{}', '{}', '', '{}', :pool, time - number * interval '1 second', time, '', 1, time, time
    FROM generate_series(1, :customers) AS number, CAST(:time AS timestamptz) AS time"""
READ = """
    SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables
    WHERE relname IN ('customer', 'holding_change')"""
PLANS = "SELECT statement, custom_plans FROM pg_prepared_statements"
UNTIL_GENERAL = 5
"""How often PostgreSQL plans a prepared statement by its values before it may keep a plan for all values."""
FEW = 10
"""Rows that a claim of one reads: the customer to judge, to lock and to change, and its ledger."""


@pytest.fixture
def filled(play, organisation, monkeypatch):
    # What is announced takes a connection: the next claim would go by another, with plans and counts of its own.
    monkeypatch.setattr(play.database.announcer, "tell", lambda channels: None)

    def fill(name="抢", **rules):
        """A pool of many customers, which the planner knows, and nobody has claimed any."""
        most = PoolRules(hold_limit=CUSTOMERS, daily_claim_limit=CUSTOMERS, **rules)
        pool = play.pool(name, most, members=[play.department(organisation.east)])
        with play.database.engine.begin() as connection:
            connection.execute(text(FILL), {"pool": pool, "customers": CUSTOMERS, "time": play.database.clock()})
        tidy(play, "VACUUM ANALYZE customer, holding_change")
        return pool

    return fill


def tidy(play, statement):
    with play.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))


def claim(play, person, pool, count=1):
    """How many were claimed, and how many rows were read for that."""
    with play.database.write(person.caller()) as session:
        before = session.scalar(text(READ))
        claimed = claim_next_customers(session, see(session, pool), count, Filter())
        return len(claimed), session.scalar(text(READ)) - before


def test_the_next_is_found_as_quickly_after_thousands_of_claims(play, organisation, filled):
    pool = filled(former_owner_wait_days=7)
    for _ in range(CUSTOMERS // BATCH // 2):
        assert claim(play, organisation.li, pool, BATCH)[0] == BATCH
    tidy(play, "VACUUM customer")
    for _ in range(FEW):
        claimed, read = claim(play, organisation.wang, pool)
        assert claimed == 1
        assert read <= FEW + FEW  # what the claimant holds is counted as well


def test_those_who_wait_are_not_read_one_by_one(play, organisation, filled):
    pool = filled(entry_wait_hours=24)
    for _ in range(FEW):
        claimed, read = claim(play, organisation.wang, pool)
        assert not claimed
        assert read <= FEW


def planned(play):
    """How often each statement was planned by its values."""
    with play.database.engine.connect() as connection:
        return Counter(dict(connection.execute(text(PLANS)).all()))


def test_claims_of_one_are_planned_once_whatever_the_rules(play, organisation, filled):
    """To plan takes longer than to find the next or to count what somebody holds."""
    for number, rules in enumerate(({"former_owner_wait_days": 7}, {"former_owner_wait_days": 0})):
        pool = filled(f"抢{number}", **rules)
        for _ in range(FEW):
            claim(play, organisation.li, pool, BATCH)
        tidy(play, "VACUUM ANALYZE customer, holding_change")
        before = planned(play)
        for _ in range(UNTIL_GENERAL + FEW):
            claim(play, organisation.wang, pool)
        after = planned(play)
        assert [each for each in after if "LIMIT 1 FOR UPDATE SKIP LOCKED" in each]
        assert not [each for each, times in (after - before).items() if times > UNTIL_GENERAL]


def test_the_claims_of_a_day_are_counted_by_their_index_in_a_plan_for_anybody(play, organisation, filled):
    pool = filled()
    for _ in range(UNTIL_GENERAL + FEW):
        claim(play, organisation.wang, pool)
    with play.database.engine.connect() as connection:
        [count] = [each for each in connection.scalars(text(PLANS)) if each.startswith("SELECT count(*) AS held")]
        driver = connection.connection.driver_connection
        driver.execute("SET LOCAL enable_seqscan = off")  # as if there were many
        plan = "\n".join(line for (line,) in driver.execute(f"EXPLAIN (GENERIC_PLAN) {count}").fetchall())
    assert "ix_holding_change_claims" in plan
    assert "ix_customer_owner" in plan
