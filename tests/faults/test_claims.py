"""Two hundred clients vie for fifty customers while servers are killed: nobody gets more than the rules allow, no
customer has two owners, what was acknowledged stays, and the ledger leads to what is."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import psutil
import pytest
from chassis.testing import eventually
from embedded import postgres
from local_suite.graphql import GraphQLClient, GraphQLError

CLIENTS, PEOPLE, CUSTOMERS = 200, 20, 50
HOLD_LIMIT, DAILY_LIMIT = 3, 15
FAULTS = ("customers-serve", "postgres", "customers-serve", "postgres")
RETRIED = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
"""The last by a server that has as many calls under way as it takes; the rules' limits come as outcomes."""
CLAIM = "mutation($input: ClaimCustomersInput!) { claimCustomers(input: $input) { reason } }"
RELEASE = "mutation($input: ReturnCustomerInput!) { releaseCustomer(input: $input) { pool } }"


class Tally:
    """What servers have acknowledged."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.claims: Counter[str] = Counter()
        self.releases: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.retries = 0

    def add(self, counter: Counter[str], key: str) -> None:
        with self._lock:
            counter[key] += 1

    def retried(self) -> None:
        with self._lock:
            self.retries += 1


class Client:
    """Claims and releases customers, each call repeated under its request id until it is answered, until the day's
    claims of its user are used up."""

    def __init__(self, number: int, user: str, gateway: GraphQLClient, tally: Tally) -> None:
        self._random, self._user, self._gateway, self._tally = Random(number), user, gateway, tally

    def run(self, pool: str, customers: list[str]) -> None:
        """Play until no claims are left today."""
        while self._claim(pool, self._random.choice(customers)):
            pass

    def _claim(self, pool: str, customer: str) -> bool:
        [outcome] = self._until_answered(CLAIM, ids=[customer])["claimCustomers"]
        if outcome["reason"]:
            self._tally.add(self._tally.refusals, outcome["reason"])
            return outcome["reason"] != "DAILY_CLAIM_LIMIT_REACHED"
        self._tally.add(self._tally.claims, self._user)
        self._until_answered(RELEASE, id=customer, poolId=pool, reason="NO_BUDGET")
        self._tally.add(self._tally.releases, self._user)
        return True

    def _until_answered(self, document: str, **values: object) -> dict:
        given = {**values, "requestId": str(uuid4())}
        while True:
            try:
                return self._gateway.run(document, input=given)
            except GraphQLError as error:
                if {each["extensions"]["code"] for each in error.errors} - RETRIED:
                    raise
            except httpx.TransportError:
                pass
            self._tally.retried()
            time.sleep(self._random.uniform(0.05, 0.3))


def break_down(suite, process: str) -> None:
    """Kill a process, the database with all its backends, and start it again."""
    if process == "postgres":
        running = postgres.attach(suite.folder.postgres)
        assert running is not None
        server = psutil.Process(running.process.pid)
        server.suspend()  # so that no backend is born meanwhile
        family = [*server.children(recursive=True), server]
        for member in family:
            member.kill()
        psutil.wait_procs(family, 60)
    else:
        suite.kill(process)
    suite.start(process)


@pytest.fixture
def game(suite, admin: GraphQLClient, organisation, new_pool):
    """A pool of fifty customers, and people who may claim them, at noon."""
    with suite.database("customers") as connection:
        # A killed database keeps what it has confirmed, as in production.
        connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = on")
    department = organisation.department("抢客")
    role = organisation.role("SELF", "customer.read", "customer.create", "customer.release", "pool.read", "pool.claim")
    people = [organisation.user(department, role) for _ in range(PEOPLE)]
    rules = {"holdLimit": HOLD_LIMIT, "dailyClaimLimit": DAILY_LIMIT, "formerOwnerWaitDays": 0}
    pool = new_pool(department, memberIds=[department], rules=rules)
    noon = (datetime.now(ZoneInfo("Asia/Shanghai")) + timedelta(days=1)).replace(hour=12)
    move = "mutation($to: DateTime!) { moveTestClock(input: { set: $to }) { now } }"
    admin.run(move, to=noon.isoformat())
    creating = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    names = [f"争抢{uuid4().hex}" for _ in range(CUSTOMERS)]
    customers = [admin.run(creating, input={"name": name})["createCustomer"]["id"] for name in names]
    for customer in customers:
        admin.run(RELEASE, input={"id": customer, "poolId": pool, "reason": "NO_BUDGET"})
    yield pool, customers, dict(people)
    admin.run("mutation { moveTestClock(input: { reset: true }) { now } }")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.feature("Z2")
def test_no_fault_lets_anybody_claim_too_much(suite, game):
    pool, customers, people = game
    tally, users = Tally(), list(people)
    clients = [Client(at, users[at % PEOPLE], people[users[at % PEOPLE]], tally) for at in range(CLIENTS)]
    threads = ThreadPoolExecutor(CLIENTS)
    played = [threads.submit(client.run, pool, customers) for client in clients]
    every = PEOPLE * DAILY_LIMIT
    for number, process in enumerate(FAULTS):
        reached = (number + 1) * every // (len(FAULTS) + 2)
        eventually(lambda reached=reached: tally.claims.total() >= reached, timeout=240, interval=0.05)
        assert tally.claims.total() < every, "all was over before the faults were"
        break_down(suite, process)
    for each in as_completed(played, timeout=240):
        each.result()
    threads.shutdown()
    assert tally.retries > 0
    judge(suite, pool, customers, users, tally)


def judge(suite, pool: str, customers: list[str], users: list[str], tally: Tally) -> None:
    """What the database holds is what was acknowledged, and within the rules."""
    ids = [UUID(customer.partition("/")[2]) for customer in customers]
    with suite.database("customers") as connection:
        claimed = connection.execute(
            """SELECT 'users/' || user_id, count(*) FROM holding_change
               WHERE kind = 'CLAIMED' AND customer_id = ANY(%s) GROUP BY 1, day""",
            (ids,),
        ).fetchall()
        released = connection.execute(
            """SELECT 'users/' || previous_user_id, count(*) FROM holding_change
               WHERE kind = 'RELEASED' AND previous_user_id IN (SELECT user_id FROM holding_change
                 WHERE kind = 'CLAIMED' AND customer_id = ANY(%s)) GROUP BY 1""",
            (ids,),
        ).fetchall()
        most = connection.execute(MOST_HELD, (ids,)).fetchone()
        owned = connection.execute(
            "SELECT count(*) FROM customer WHERE id = ANY(%s) AND pool_id = %s AND owner_id IS NULL",
            (ids, pool.partition("/")[2]),
        ).fetchone()
    assert dict(claimed) == dict(tally.claims) == dict.fromkeys(users, DAILY_LIMIT)
    assert len(claimed) == len(users), "claims of one person fall on one day"
    assert dict(released) == dict(tally.releases) == dict.fromkeys(users, DAILY_LIMIT)
    assert most[0] <= HOLD_LIMIT
    assert owned == (CUSTOMERS,), "each was given back"
    command = [str(Path(sys.executable).parent / "customers"), "ledger", "verify"]
    told = subprocess.run(command, env={**os.environ, **suite.environment}, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


# Claims of a person come one after the other, each with a number after those of all that it counted.
MOST_HELD = """
    SELECT max(held) FROM (
      SELECT sum(step) OVER (PARTITION BY who ORDER BY id) AS held FROM (
        SELECT id, user_id AS who, 1 AS step FROM holding_change
          WHERE user_id IS NOT NULL AND customer_id = ANY(%s)
        UNION ALL
        SELECT id, previous_user_id, -1 FROM holding_change WHERE previous_user_id IS NOT NULL AND kind = 'RELEASED'
          AND previous_user_id IN (SELECT user_id FROM holding_change WHERE kind = 'CLAIMED')
      ) AS steps
    ) AS running
"""
