"""Public pools through GraphQL, as the people of two theatres use them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

MEMBER = (
    "customer.read", "customer.create", "customer.release", "customer.lock", "pool.read", "pool.claim",
    "follow_up.create",
)  # fmt: skip
MANAGER = (*MEMBER, "customer.recall", "pool.assign")


@pytest.fixture
def theatre(organisation, new_pool):
    """A department with a pool, two members and a manager, who administers the pool."""
    department = organisation.department("战区")
    _, li = organisation.user(department, organisation.role("SELF", *MEMBER))
    _, wang = organisation.user(department, organisation.role("SELF", *MEMBER))
    manager_id, manager = organisation.user(department, organisation.role("DEPARTMENT_TREE", *MANAGER))
    values = {
        "memberIds": [department],
        "administratorIds": [manager_id],
        "hiddenFields": ["phones"],
        "rules": {"dailyClaimLimit": 2, "formerOwnerWaitDays": 0},
    }
    pool = new_pool(department, **values)
    return {"department": department, "pool": pool, "li": li, "wang": wang, "manager": manager}


def create(client: GraphQLClient, **values) -> str:
    document = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    return client.run(document, input={"name": f"海{uuid4().hex}", **values})["createCustomer"]["id"]


def release(client: GraphQLClient, customer: str, pool: str | None = None) -> dict:
    document = "mutation($input: ReturnCustomerInput!) { releaseCustomer(input: $input) { pool ownerId } }"
    return client.run(document, input={"id": customer, "poolId": pool, "reason": "NO_BUDGET"})["releaseCustomer"]


def claim(client: GraphQLClient, *customers: str) -> list[str | None]:
    document = "mutation($input: ClaimCustomersInput!) { claimCustomers(input: $input) { id reason } }"
    return [one["reason"] for one in client.run(document, input={"ids": list(customers)})["claimCustomers"]]


@pytest.mark.feature("B1")
def test_of_fifty_parallel_claims_one_succeeds_and_claims_count_gross(theatre, real_time):
    customer = create(theatre["li"])
    assert release(theatre["li"], customer) == {"pool": theatre["pool"], "ownerId": None}
    clients = [GraphQLClient(theatre["li"].url, theatre[name].token) for name in ("li", "wang")] * 25
    with ThreadPoolExecutor(50) as threads:
        outcomes = list(threads.map(lambda client: claim(client, customer), clients))
    assert sorted(outcomes, key=str) == [["NOT_IN_POOL"]] * 49 + [[None]]
    owner = next(name for name, client in (("li", clients[0]), ("wang", clients[1])) if sees(client, customer))
    release(theatre[owner], customer)
    assert claim(theatre[owner], customer) == [None]
    another = create(theatre["wang"])
    release(theatre["wang"], another)
    assert claim(theatre[owner], another) == ["DAILY_CLAIM_LIMIT_REACHED"]


def sees(client: GraphQLClient, customer: str) -> bool:
    return "errors" not in client.answer("query($id: ID!) { customer(id: $id) { id } }", id=customer)


@pytest.mark.feature("B6")
def test_members_see_a_pool_without_its_hidden_fields_and_others_do_not(theatre, organisation, new_pool):
    customer = create(theatre["li"], phones=["13912345678"])
    stranger_department = organisation.department("外")
    _, stranger = organisation.user(stranger_department, organisation.role("ALL", *MEMBER))
    other = new_pool(theatre["department"])
    explanation = theatre["li"].run(
        "query($id: ID!) { explainPool(customer: $id) { pool candidates { pool verdict } } }", id=customer
    )["explainPool"]
    verdicts = {one["pool"]: one["verdict"] for one in explanation["candidates"]}
    assert explanation["pool"] == theatre["pool"]
    assert (verdicts[theatre["pool"]], verdicts[other]) == ("CHOSEN", "LATER")
    release(theatre["li"], customer)
    page = "query($pool: ID!) { poolCustomers(pool: $pool) { totalCount nodes { id phones hiddenFields } } }"
    shown = theatre["wang"].run(page, pool=theatre["pool"])["poolCustomers"]
    assert shown == {"totalCount": 1, "nodes": [{"id": customer, "phones": None, "hiddenFields": ["phones"]}]}
    assert theatre["manager"].run(page, pool=theatre["pool"])["poolCustomers"]["nodes"][0]["phones"]
    refused = stranger.answer(page, pool=theatre["pool"])["errors"][0]["extensions"]
    assert (refused["code"], refused["reason"]) == ("PERMISSION_DENIED", "NOT_A_MEMBER")
    assert sees(theatre["wang"], customer) is False


@pytest.mark.feature("B5")
def test_a_release_ends_plans_and_leaves_no_gap_in_the_history(theatre, admin, suite, real_time):
    customer = create(theatre["li"])
    log = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
    later = (real_time + timedelta(days=30)).isoformat()
    note = {"customerId": customer, "method": "CALL", "content": "约定回访", "nextContactTime": later}
    eventually(lambda: "errors" not in admin.answer(log, input=note))
    release(theatre["li"], customer, theatre["pool"])
    assert claim(theatre["wang"], customer) == [None]
    recall = "mutation($input: ReturnCustomerInput!) { recallCustomer(input: $input) { pool } }"
    theatre["manager"].run(recall, input={"id": customer, "reason": "NOT_FOLLOWED_UP", "note": "三天未跟进"})
    history = """query($id: ID!) { holdingChanges(customer: $id) {
      nodes { kind previousHolder holder previousSince time reason note } } }"""
    changes = admin.run(history, id=customer)["holdingChanges"]["nodes"][::-1]
    assert [one["kind"] for one in changes] == ["RELEASED", "CLAIMED", "RECALLED"]
    for before, after in pairwise(changes):
        assert (before["holder"], before["time"]) == (after["previousHolder"], after["previousSince"])
    assert (changes[-1]["reason"], changes[-1]["note"]) == ("NOT_FOLLOWED_UP", "三天未跟进")
    plans = "SELECT count(*) FROM follow_up WHERE customer_id = %s AND reminder_open"
    with suite.database("leads") as leads:
        eventually(lambda: leads.execute(plans, [customer.partition("/")[2]]).fetchone() == (0,))


@pytest.mark.feature("B5")
def test_a_release_to_a_chosen_pool_leaves_plans_to_whoever_claims_there(theatre, admin, new_pool, real_time):
    rules = {"formerOwnerWaitDays": 0, "plans": "KEEP"}
    chosen = new_pool(theatre["department"], memberIds=[theatre["department"]], rules=rules)
    customer = create(theatre["li"])
    log = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
    later = (real_time + timedelta(days=30)).isoformat()
    note = {"customerId": customer, "method": "CALL", "content": "约定回访", "nextContactTime": later}
    logged = eventually(lambda: (theatre["li"].answer(log, input=note).get("data") or {}).get("logFollowUp"))
    assert release(theatre["li"], customer, chosen) == {"pool": chosen, "ownerId": None}
    assert claim(theatre["wang"], customer) == [None]
    plan = "query($id: ID!) { followUp(id: $id) { followsOwner awaitsAcknowledgement } }"
    handed_on = {"followsOwner": True, "awaitsAcknowledgement": True}
    eventually(lambda: admin.run(plan, id=logged["id"])["followUp"] == handed_on)
    wang = theatre["wang"].run("{ me { id } }")["me"]["id"]
    history = "query($id: ID!) { holdingChanges(customer: $id) { nodes { holder previousHolder previousSince time } } }"
    changes = admin.run(history, id=customer)["holdingChanges"]["nodes"][::-1]
    assert [one["holder"] for one in changes] == [chosen, wang]
    assert (changes[0]["holder"], changes[0]["time"]) == (changes[1]["previousHolder"], changes[1]["previousSince"])


@pytest.mark.feature("B7")
def test_the_flow_of_a_pool_balances(theatre, admin, real_time):
    ids = [create(theatre["li"]) for _ in range(3)]
    for customer in ids:
        release(theatre["li"], customer)
    assert claim(theatre["wang"], ids[0]) == [None]
    day = real_time.date()
    flow = """query($from: Date!, $to: Date!) { poolFlow(fromDate: $from, toDate: $to) {
      pools { holder opening incoming outgoing closing incomingByKind }
      owners { holder user { id } opening incoming outgoing closing } } }"""
    answer = admin.run(flow, **{"from": str(day - timedelta(days=1)), "to": str(day + timedelta(days=1))})["poolFlow"]
    lines = [*answer["pools"], *answer["owners"]]
    assert all(one["opening"] + one["incoming"] - one["outgoing"] == one["closing"] for one in lines)
    [line] = [one for one in answer["pools"] if one["holder"] == theatre["pool"]]
    assert (line["opening"], line["incoming"], line["outgoing"], line["closing"]) == (0, 3, 1, 2)
    assert line["incomingByKind"] == {"RELEASED": 3}
    assert all(one["user"]["id"] == one["holder"] for one in answer["owners"])
    narrow = theatre["manager"].answer(flow, **{"from": str(day), "to": str(day)})["errors"][0]["extensions"]
    assert narrow["code"] == "PERMISSION_DENIED"
