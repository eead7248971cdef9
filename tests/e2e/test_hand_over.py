"""What whoever takes over a customer is told, through GraphQL and all services."""

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
CONTACT = "mutation($input: CreateContactInput!) { createContact(input: $input) { id } }"
LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
RECORD = "mutation($input: RecordPurchasesInput!) { recordPurchases(input: $input) { id reason } }"
TRANSFER = "mutation($input: TransferCustomerInput!) { transferCustomer(input: $input) { ownerId } }"
MOVE = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
PACKET = """query($id: ID!) { handOverPacket(customer: $id) { customer { id } unacknowledgedPromises
  handOver { kind previousHolder holder } sections {
    kind state source reason hasMore items { source title detail time awaitsAcknowledgement } } } }"""
ACKNOWLEDGE = "mutation($input: AcknowledgePromisesInput!) { acknowledgePromises(input: $input) }"
KINDS = [
    "OPEN_PROMISES", "CONTACTS", "QUOTES", "CONTRACTS_AND_ORDERS", "TICKETS", "DEBTS", "LAST_TOUCHES", "GAPS", "OWNERS",
]  # fmt: skip
RIGHTS = tuple(f"{entity}.read" for entity in ("customer", "contact", "purchase", "follow_up", "pool"))


Told = tuple[dict, dict[str, dict]]
"""A packet, and its sections by kind."""


def packet(client: GraphQLClient, customer: str, wanted: Callable[[Told], bool] = lambda told: True) -> Told:
    """The packet of a customer once it is as wanted, and its sections by kind. Services have a moment to answer in, and
    are asked again if it was too short for a machine that is busy with something else."""

    def told() -> Told | None:
        answer = client.answer(PACKET, id=customer)
        if "errors" in answer:
            return None
        found = answer["data"]["handOverPacket"]
        assert [section["kind"] for section in found["sections"]] == KINDS
        sections = {section["kind"]: section for section in found["sections"]}
        late = any(section["reason"] == "SERVICE_UNAVAILABLE" for section in sections.values())
        return (found, sections) if not late and wanted((found, sections)) else None

    return eventually(told) or ({}, {})


def await_one(told: Told) -> bool:
    """Whether one promise awaits acknowledgement."""
    return bool(told[0]["unacknowledgedPromises"] == 1)


def arrives_in_time(client: GraphQLClient, customer: str) -> bool:
    """Whether a packet is there within two seconds."""
    began = time.perf_counter()
    packet(client, customer)
    return time.perf_counter() - began < 2


@pytest.fixture
def reps(organisation) -> list[tuple[str, GraphQLClient]]:
    """Two sales reps."""
    department = organisation.department("交接", theatre=True)
    role, colleagues = (
        organisation.role("SELF", *RIGHTS, "follow_up.create", "pool.claim"),
        organisation.role("ALL", "user.read"),
    )
    return [organisation.user(department, role, colleagues) for _ in range(2)]


def a_customer(admin: GraphQLClient, owner: str) -> str:
    """A customer of somebody, once the customers service knows them."""
    values = {"name": f"交接{uuid4().hex[:10]}有限公司", "ownerId": owner}
    made = eventually(lambda: (admin.answer(CREATE, input=values).get("data") or {}).get("createCustomer"))
    return str(made["id"])


def promise(client: GraphQLClient, customer: str, content: str, due) -> str:
    note = {"customerId": customer, "method": "CALL", "content": content, "nextContactTime": due.isoformat()}
    made = eventually(lambda: (client.answer(LOG, input=note).get("data") or {}).get("logFollowUp"))
    return str(made["id"])


@pytest.mark.feature("Z5")
def test_the_new_owner_gets_nine_sections_and_takes_over_what_was_promised(admin, reps, real_time):
    (former_id, former), (owner_id, owner) = reps
    customer = a_customer(admin, former_id)
    contact = admin.run(CONTACT, input={"customerId": customer, "name": "王经理"})["createContact"]["id"]
    for number in range(6):
        promise(former, customer, f"第{number}次联系", real_time + timedelta(days=90))
    promised = promise(former, customer, "答应下月送样", real_time + timedelta(days=30))
    order = {"customerId": customer, "source": "erp", "externalId": uuid4().hex, "kind": "ORDER"}
    bought = order | {"time": real_time.isoformat(), "amount": {"amount": "900", "currencyCode": "CNY"}}
    [told] = admin.run(RECORD, input={"purchases": [bought]})["recordPurchases"]
    admin.run(TRANSFER, input={"id": customer, "ownerId": owner_id})
    found, sections = packet(
        owner, customer, lambda told: await_one(told) and len(told[1]["LAST_TOUCHES"]["items"]) == 5
    )
    eventually(lambda: arrives_in_time(owner, customer))
    assert found["customer"] == {"id": customer}
    assert found["handOver"] == {"kind": "TRANSFERRED", "previousHolder": former_id, "holder": owner_id}
    for kind in ("QUOTES", "TICKETS", "DEBTS"):
        assert (sections[kind]["state"], sections[kind]["reason"]) == ("UNAVAILABLE", "NO_SUCH_SERVICE")
        assert sections[kind]["source"]
    sources = {kind: [item["source"] for item in section["items"]] for kind, section in sections.items()}
    assert sources["OPEN_PROMISES"] == [promised]
    assert sources["CONTACTS"] == [contact]
    assert sources["CONTRACTS_AND_ORDERS"] == [told["id"]]
    assert sources["OWNERS"] == [owner_id, former_id]
    assert (len(sources["LAST_TOUCHES"]), sources["LAST_TOUCHES"][0]) == (5, promised)
    assert sections["LAST_TOUCHES"]["hasMore"]
    assert set(sources["GAPS"]) == {customer}
    assert {"credit_code", "phones"} <= {item["title"] for item in sections["GAPS"]["items"]}

    refused = former.answer(ACKNOWLEDGE, input={"customerId": customer})
    assert [error["extensions"]["reason"] for error in refused["errors"]] == ["CUSTOMER_NOT_FOUND"]
    with owner.subscribe("subscription { notifications { kind resource params } }") as notifications:
        admin.run(MOVE, input={"advanceSeconds": 86_400})
        raised = (item["notifications"] for item in notifications)
        reminder = next(one for one in raised if one["kind"] == "PROMISES_UNACKNOWLEDGED")
        assert (reminder["resource"], reminder["params"]["count"]) == (customer, "1")
    assert owner.run(ACKNOWLEDGE, input={"customerId": customer}) == {"acknowledgePromises": 1}
    assert owner.run(ACKNOWLEDGE, input={"customerId": customer}) == {"acknowledgePromises": 0}
    assert packet(owner, customer)[0]["unacknowledgedPromises"] == 0
    taken = owner.run("query($id: ID!) { followUp(id: $id) { assigneeId acknowledgeTime } }", id=promised)["followUp"]
    assert taken["assigneeId"] == owner_id
    assert taken["acknowledgeTime"]


def test_a_packet_awaits_whoever_takes_customers_one_by_one_or_many_at_once(admin, reps, new_pool, real_time):
    (former_id, former), (owner_id, owner) = reps
    department = admin.run("query($id: ID!) { user(id: $id) { departmentId } }", id=former_id)["user"]["departmentId"]
    new_pool(department, memberIds=[department], rules={"entryWaitHours": 0, "plans": "KEEP"})
    customers = [a_customer(admin, former_id) for _ in range(3)]
    for customer in customers:
        promise(former, customer, "答应报价", real_time + timedelta(days=30))
    claimed, *many = customers
    recall = "mutation($input: ReturnCustomerInput!) { recallCustomer(input: $input) { pool } }"
    with former.subscribe("subscription { notifications { kind resource params } }") as notifications:
        admin.run(recall, input={"id": claimed, "reason": "NO_BUDGET"})
        lost = next(one["notifications"] for one in notifications)
        assert (lost["kind"], lost["resource"], lost["params"]["change"]) == ("CUSTOMER_TAKEN", claimed, "RECALLED")
    claim = "mutation($input: ClaimCustomersInput!) { claimCustomers(input: $input) { id reason } }"
    assert owner.run(claim, input={"ids": [claimed]})["claimCustomers"] == [{"id": claimed, "reason": None}]
    batch = "mutation($input: StartCustomerBatchInput!) { startCustomerBatch(input: $input) { id } }"
    admin.run(batch, input={"action": "TRANSFER", "ids": many, "ownerId": owner_id})
    for customer, kind in ((claimed, "CLAIMED"), *((one, "TRANSFERRED") for one in many)):
        assert packet(owner, customer, await_one)[0]["handOver"]["kind"] == kind
