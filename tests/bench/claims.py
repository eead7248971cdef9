"""How many customers a second twenty people claim at once out of one pool of 200,000, beside plain SQL in the same run.

    python tests/bench/claims.py [--customers 200000] [--seconds 10]

The floor is what claims come down to in the database: `UPDATE … WHERE id IN (SELECT … FOR UPDATE SKIP LOCKED)` of one
customer at a time over eight connections, with the same indexes, and nothing else. Through the service a claim also is
judged by the pool's rules, kept in the ledger, the timeline and the audit log, and announced. Each process of the suite
runs by itself, as in production; clients run in a process of their own. Each way has people of its own, who hold
nothing at first, and a table without what the way before has left dead in it. After all of it nobody may own a
customer that the ledger does not say they claimed.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import grpc
import psycopg
from chassis.testing import eventually
from crm.customers.v1 import pool_service_pb2, pool_service_pb2_grpc
from local_suite.graphql import GraphQLClient
from local_suite.organisations import Organisation
from local_suite.testing import Suite, running_suite

REPS = 20
CONNECTIONS = 8
BATCH = 100
SHARE_OF_SQL = 0.4
THROUGH_GRAPHQL = 400
FILL = """
    INSERT INTO customer (id, kind, display_name, name_key, status, phones, emails, tags, custom, search_text, grams,
      pool_id, pool_entry_time, held_since, creator, version, create_time, update_time)
    SELECT gen_random_uuid(), 'COMPANY', '客户' || number, number::text, 'POTENTIAL', '{}', '{}', '{}', '{}',
      '客户' || number, ARRAY[number, number + 1, number + 2], %s, now() - number * interval '1 second', now(), '', 1,
      now(), now()
    FROM generate_series(1, %s) AS number"""
CLAIM_BY_SQL = """
    UPDATE customer SET owner_id = %s, pool_id = NULL, pool_entry_time = NULL, held_since = now(), version = version + 1
    WHERE id IN (SELECT id FROM customer WHERE pool_id = %s ORDER BY pool_entry_time, id LIMIT 1
                 FOR UPDATE SKIP LOCKED)"""
CLAIM = "mutation($input: ClaimNextCustomersInput!) { claimNextCustomers(input: $input) { id } }"
UNEXPLAINED = """
    SELECT count(*) FROM customer WHERE owner_id IS NOT NULL AND NOT EXISTS (
      SELECT FROM holding_change WHERE customer_id = customer.id AND kind = 'CLAIMED' AND user_id = owner_id)"""


def vie(claims: Sequence[Callable[[], int]], seconds: float) -> float:
    """Claim with all at once for some seconds. Returns how many customers a second were claimed."""
    barrier = threading.Barrier(len(claims))

    def run(claim: Callable[[], int]) -> int:
        claimed = 0
        claim()  # the first opens the connection and does not count
        barrier.wait(60)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            claimed += claim()
        return claimed

    with ThreadPoolExecutor(len(claims)) as threads:
        return sum(threads.map(run, claims)) / seconds


def by_sql(url: str, pool: str) -> Callable[[], int]:
    connection, who = psycopg.connect(url, autocommit=True), uuid4()
    return lambda: connection.execute(CLAIM_BY_SQL, (who, pool)).rowcount


def by_grpc(target: str, token: str, pool: str, batch: int) -> Callable[[], int]:
    channel = grpc.insecure_channel(target, options=(("grpc.use_local_subchannel_pool", 1),))
    stub = pool_service_pb2_grpc.PoolServiceStub(channel)
    metadata = (("authorization", f"Bearer {token}"),)

    def claim() -> int:
        request = pool_service_pb2.ClaimNextCustomersRequest(pool=pool, count=batch, request_id=str(uuid4()))
        return len(stub.ClaimNextCustomers(request, metadata=metadata, timeout=30).customers)

    return claim


def by_graphql(url: str, token: str, pool: str) -> Callable[[], int]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}

    def claim() -> int:
        variables = {"input": {"poolId": pool, "count": 1, "requestId": str(uuid4())}}
        connection.request("POST", "/graphql", json.dumps({"query": CLAIM, "variables": variables}), headers)
        answer = json.load(connection.getresponse())
        if answer.get("errors"):
            raise RuntimeError(answer["errors"])
        return len(answer["data"]["claimNextCustomers"])

    return claim


def clients(order: dict) -> list[Callable[[], int]]:
    """The clients of an order that `elsewhere` gives."""
    pool, tokens = order["pool"], order["tokens"]
    match order["way"]:
        case "sql":
            return [by_sql(order["url"], pool.partition("/")[2]) for _ in range(CONNECTIONS)]
        case "grpc":
            return [by_grpc(order["url"], token, pool, order["batch"]) for token in tokens]
        case _:
            return [by_graphql(order["url"], token, pool) for token in tokens]


def elsewhere(order: dict) -> float:
    """`vie` in a process of its own, so that clients and servers share no interpreter lock."""
    command = [sys.executable, __file__, "--vie"]
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout)


class Bench:
    """A suite with a pool of customers and people who may claim them without an end."""

    def __init__(self, suite: Suite, customers: int) -> None:
        self.suite, admin = suite, suite.admin()
        organisation = Organisation(admin)
        department = organisation.department("抢客")
        role = organisation.role("SELF", "customer.read", "pool.read", "pool.claim")
        self._new_token: Callable[[], str] = lambda: organisation.user(department, role)[1].token
        self.pool = self._create_pool(admin, department)
        with suite.database("customers") as connection:
            connection.execute(FILL, (self.pool.partition("/")[2], customers))
            connection.execute("VACUUM ANALYZE customer")

    def _create_pool(self, admin: GraphQLClient, department: str) -> str:
        rules = {"holdLimit": 1_000_000, "dailyClaimLimit": 1_000_000}
        values = {"name": "公海", "memberIds": [department], "rules": rules}
        document = "mutation($input: CreatePoolInput!) { createPool(input: $input) { id } }"
        made = eventually(lambda: (admin.answer(document, input=values).get("data") or {}).get("createPool"))
        return str(made["id"])

    def rate(self, way: str, seconds: float, batch: int = 1) -> float:
        """Customers a second by one way."""
        url = {
            "sql": self.suite.environment["DATABASE_URL_CUSTOMERS"],
            "grpc": self.suite.target("customers"),
            "graphql": self.suite.gateway_url,
        }[way]
        with self.suite.database("customers") as connection:
            connection.execute("VACUUM customer")
        tokens = [self._new_token() for _ in range(REPS)]
        order = {"way": way, "url": url, "pool": self.pool, "tokens": tokens, "batch": batch, "seconds": seconds}
        return elsewhere(order)

    def unexplained(self, before: int = 0) -> int:
        """How many customers have an owner who claimed them by no ledger."""
        with self.suite.database("customers") as connection:
            [count] = connection.execute(UNEXPLAINED).fetchone() or (0,)
        return int(count) - before


def measure(bench: Bench, seconds: float) -> bool:
    """Measure and print. Returns whether all is as wanted."""
    sql = bench.rate("sql", seconds)
    print(f"SQL             {sql:8.0f} /s   one at a time, {CONNECTIONS} connections, nothing else")
    taken_by_sql = bench.unexplained()
    batches = bench.rate("grpc", seconds, BATCH)
    print(f"gRPC, {BATCH} each {batches:8.0f} /s   {batches / sql:.2f} of SQL (at least {SHARE_OF_SQL})")
    single = bench.rate("grpc", seconds)
    print(f"gRPC, one each  {single:8.0f} /s   {single / sql:.2f} of SQL")
    graphql = bench.rate("graphql", seconds)
    print(f"GraphQL         {graphql:8.0f} /s   one each (at least {THROUGH_GRAPHQL})")
    wrong = bench.unexplained(taken_by_sql)
    print(f"owners without a claim in the ledger: {wrong}")
    return batches >= SHARE_OF_SQL * sql and graphql >= THROUGH_GRAPHQL and not wrong


def main() -> int:
    """Run the benchmark; 1 if a target is missed."""
    if sys.argv[1:] == ["--vie"]:
        order = json.load(sys.stdin)
        print(vie(clients(order), order["seconds"]), flush=True)
        os._exit(0)  # channels and connections need no goodbye
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=10)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_suite(Path(folder), split=True, test_clock=False) as suite:
        return 0 if measure(Bench(suite, chosen.customers), chosen.seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
