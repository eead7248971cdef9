"""Fair allocation out of public pools through GraphQL."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from chassis.names import new_id
from chassis.testing import eventually

REPS = 20
ALLOCATE = """mutation($input: AllocatePoolCustomersInput!) { allocatePoolCustomers(input: $input) {
  id state totalCustomers givenCustomers leftCustomers countSpread countJainIndex valueJainIndex seed
  shares { userId count value skipped countDebt countDebtBefore valueDebt } } }"""
FILL = """
  INSERT INTO customer (id, kind, display_name, name_key, status, phones, emails, tags, custom, search_text, grams,
    pool_id, pool_entry_time, held_since, creator, version, create_time, update_time)
  SELECT id, 'COMPANY', '客户' || id, id::text, 'POTENTIAL', '{}', '{}', '{}',
    CASE WHEN value IS NULL THEN '{}' ELSE jsonb_build_object(%s::text, value) END, '', '{}', %s, %s, %s, '', 1, %s, %s
  FROM unnest(%s::uuid[], %s::numeric[]) AS made (id, value)"""


class Company:
    """A theatre with a pool, people to sell, and a manager who administers the pool."""

    def __init__(self, suite, admin, organisation, new_pool):
        self.suite, self.admin, self.new_pool = suite, admin, new_pool
        self.department = organisation.department("战区")
        role = organisation.role("DEPARTMENT_TREE", "pool.read", "pool.assign", "customer.read")
        self.manager_id, self.manager = organisation.user(self.department, role)
        document = "mutation($input: CreateUserInput!) { createUser(input: $input) { id } }"
        self.reps = [self.rep(document) for _ in range(REPS)]
        ids = [UUID(one.partition("/")[2]) for one in self.reps]
        with suite.database("customers") as customers:
            known = "SELECT count(*) FROM known_user WHERE id = ANY(%s)"
            eventually(lambda: customers.execute(known, [ids]).fetchone() == (REPS,))

    def rep(self, document: str) -> str:
        values = {"username": f"rep-{uuid4().hex[:8]}", "name": "销售", "departmentId": self.department}
        return self.admin.run(document, input={**values, "password": f"Pass-{uuid4().hex}"})["createUser"]["id"]

    def pool(self, limit: int = 5000) -> str:
        values = {"memberIds": [self.department], "administratorIds": [self.manager_id]}
        return self.new_pool(self.department, **values, rules={"holdLimit": limit})

    def fill(self, pool: str, count: int, key: str = "", values=()) -> None:
        now = datetime.now(UTC) - timedelta(hours=1)
        key_of_pool = UUID(pool.partition("/")[2])
        with self.suite.database("customers") as customers:
            ids = [new_id() for _ in range(count)]
            worth = list(values) or [None] * count
            customers.execute(FILL, [key, key_of_pool, now, now, now, now, ids, worth])

    def allocate(self, pool: str, reps, **options) -> dict:
        receivers = [one if isinstance(one, dict) else {"userId": one} for one in reps]
        values = {"poolId": pool, "receivers": receivers, **options}
        return self.manager.run(ALLOCATE, input=values)["allocatePoolCustomers"]

    def finished(self, allocation: str) -> dict:
        document = ALLOCATE.replace("mutation($input: AllocatePoolCustomersInput!)", "query($id: ID!)").replace(
            "allocatePoolCustomers(input: $input)", "poolAllocation(id: $id)"
        )

        def ended():
            found = self.manager.run(document, id=allocation)["poolAllocation"]
            return found if found["state"] not in ("QUEUED", "RUNNING") else None

        return eventually(ended, timeout=180, interval=0.2)


@pytest.fixture(scope="module")
def company(suite, anyone, new_pool):
    from local_suite.organisations import Organisation

    admin = anyone.sign_in("admin", suite.admin_password)
    return Company(suite, admin, Organisation(admin), new_pool)


def outcomes(client, allocation: str) -> dict[str, str | None]:
    page = """query($id: ID!, $after: String) { poolAllocationOutcomes(allocation: $id, first: 200, after: $after) {
      nodes { customerId userId reason done } pageInfo { endCursor hasNextPage } } }"""
    found, after = {}, None
    while True:
        answer = client.run(page, id=allocation, after=after)["poolAllocationOutcomes"]
        found |= {one["customerId"]: one["userId"] for one in answer["nodes"]}
        if not answer["pageInfo"]["hasNextPage"]:
            return found
        after = answer["pageInfo"]["endCursor"]


@pytest.mark.feature("B2")
def test_over_ten_runs_ten_reps_get_equally_many_by_lot(company):
    pool, reps, total = company.pool(), company.reps[:10], Counter()
    for number in range(10):
        company.fill(pool, 103)
        if number == 3:
            tried = company.allocate(pool, reps, seed=11, dryRun=True)
            again = company.allocate(pool, reps, seed=11, dryRun=True)
        done = company.allocate(pool, reps, strategy="EVEN_RANDOM", seed=11)
        assert (done["state"], done["givenCustomers"], done["countSpread"]) == ("SUCCEEDED", 103, 1)
        assert {one["count"] for one in done["shares"]} == {10, 11}
        if number == 3:
            drawn = outcomes(company.manager, done["id"])
            assert drawn == outcomes(company.manager, tried["id"]) == outcomes(company.manager, again["id"])
            assert len(drawn) == 103
        total.update({one["userId"]: one["count"] for one in done["shares"]})
        assert max(total.values()) - min(total.values()) <= 1
    assert set(total.values()) == {103}


@pytest.mark.feature("B2")
def test_who_is_full_gets_no_more_and_only_administrators_allocate(company, organisation):
    pool = company.pool(limit=2)
    company.fill(pool, 5)
    done = company.allocate(pool, [company.reps[18], {"userId": company.reps[19], "absent": True}])
    assert (done["givenCustomers"], done["leftCustomers"]) == (2, 3)
    assert {one["skipped"] for one in done["shares"]} == {None, "ABSENT"}
    refused = company.manager.answer(ALLOCATE, input={"poolId": pool, "receivers": [{"userId": company.reps[18]}]})[
        "errors"
    ][0]["extensions"]
    assert refused["reason"] == "NO_RECEIVERS"
    _, stranger = organisation.user(company.department, organisation.role("ALL", "pool.read", "pool.assign"))
    values = {"poolId": pool, "receivers": [{"userId": company.reps[17]}]}
    assert stranger.answer(ALLOCATE, input=values)["errors"][0]["extensions"]["code"] == "PERMISSION_DENIED"
    missing = stranger.answer("query($id: ID!) { poolAllocation(id: $id) { id } }", id=done["id"])
    assert missing["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.feature("Z1")
def test_a_thousand_customers_are_shared_out_by_expected_value(company):
    key = f"expected_{uuid4().hex[:6]}"
    define = "mutation($input: CreateCustomFieldInput!) { createCustomField(input: $input) { id } }"
    company.admin.run(define, input={"key": key, "label": f"预期{key}", "type": "NUMBER"})
    pool = company.pool()
    settings = """mutation($input: UpdatePoolAllocationSettingsInput!) { updatePoolAllocationSettings(input: $input) {
      valueField schedule { time weekdays strategy receivers } } }"""
    schedule = {"time": "08:30", "weekdays": [1], "strategy": "BY_VALUE", "receivers": [company.department]}
    wanted = {"poolId": pool, "valueField": f"custom.{key}", "schedule": schedule}
    kept = company.admin.run(settings, input=wanted)["updatePoolAllocationSettings"]
    assert kept == {"valueField": f"custom.{key}", "schedule": schedule}
    rng = random.Random(20260302)
    company.fill(pool, 1000, key, [round(rng.lognormvariate(10, 1), 2) for _ in range(1000)])
    done = company.finished(company.allocate(pool, company.reps, strategy="BY_VALUE")["id"])
    assert (done["state"], done["givenCustomers"], done["countSpread"]) == ("SUCCEEDED", 1000, 0)
    received = [one["value"] for one in done["shares"]]
    assert sum(received) ** 2 / (REPS * sum(one * one for one in received)) >= 0.98
    assert done["valueJainIndex"] >= 0.98
    with company.suite.database("customers") as customers:
        owned = "SELECT owner_id, count(*) FROM customer WHERE custom ? %s GROUP BY 1"
        assert {row[1] for row in customers.execute(owned, [key]).fetchall()} == {50}


@pytest.mark.feature("Z1")
def test_thirty_daily_runs_even_out_and_the_absent_are_owed_nothing(company):
    pool, reps, total = company.pool(), company.reps[:5], Counter()
    for _ in range(30):
        company.fill(pool, 7)
        total.update({one["userId"]: one["count"] for one in company.allocate(pool, reps)["shares"]})
        assert max(total.values()) - min(total.values()) <= 1
    company.fill(pool, 7)
    last = company.allocate(pool, [*reps[1:], {"userId": reps[0], "absent": True}])
    [absent] = [one for one in last["shares"] if one["userId"] == reps[0]]
    assert (absent["count"], absent["countDebt"]) == (0, absent["countDebtBefore"])
