"""What two people do without a connection, handed in when they have one again, through GraphQL."""

from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

GRACE_MINUTES = 30
ROLE = ("customer.read", "customer.create", "customer.update", "customer.release", "pool.read", "pool.claim")
SUBMIT = """mutation($input: SubmitOfflineClaimsInput!) { submitOfflineClaims(input: $input) {
  id customerId state reason claimTime beaconAccepted } }"""
EDIT = """mutation($input: MergeCustomerEditsInput!) { mergeCustomerEdits(input: $input) {
  merged conflicts customer { etag industry remark tags } } }"""


class Device:
    """A person's device, which fetched a beacon while it was online."""

    def __init__(self, client: GraphQLClient) -> None:
        self.client = client
        self.beacon = client.run("{ timeBeacon { beacon } }")["timeBeacon"]["beacon"]

    def claim(self, customer: str, after: timedelta, beacon: str = "") -> dict:
        """A claim as it is queued so long after the beacon was fetched."""
        milliseconds = after.total_seconds() * 1000
        return {
            "id": str(uuid4()),
            "customerId": customer,
            "beacon": beacon or self.beacon,
            "elapsedMilliseconds": milliseconds,
        }

    def submit(self, *claims: dict) -> list[dict]:
        given = {"intents": list(claims), "requestId": str(uuid4())}
        told: list[dict] = self.client.run(SUBMIT, input=given)["submitOfflineClaims"]
        return told


def advance(admin: GraphQLClient, minutes: int) -> None:
    move = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
    admin.run(move, input={"advanceSeconds": minutes * 60})


@pytest.fixture
def reps(organisation, new_pool) -> tuple[str, GraphQLClient, GraphQLClient]:
    """A pool that waits for claims from offline, and two of its members."""
    department = organisation.department("离线")
    role = organisation.role("SELF", *ROLE)
    rules = {"offlineGraceMinutes": GRACE_MINUTES, "formerOwnerWaitDays": 0}
    pool = new_pool(department, memberIds=[department], rules=rules)
    return pool, *(organisation.user(department, role)[1] for _ in range(2))


def pooled(client: GraphQLClient, pool: str) -> str:
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer: str = client.run(create, input={"name": f"离线{uuid4().hex}"})["createCustomer"]["id"]
    release = "mutation($input: ReturnCustomerInput!) { releaseCustomer(input: $input) { pool } }"
    client.run(release, input={"id": customer, "poolId": pool, "reason": "NO_BUDGET"})
    return customer


@pytest.mark.feature("Z23")
def test_the_earlier_of_two_offline_claims_wins_although_it_is_handed_in_later(admin, reps, real_time):
    pool, li, wang = reps
    customer = pooled(li, pool)
    early, late = Device(li), Device(wang)
    advance(admin, 10)
    second = late.claim(customer, timedelta(minutes=8))
    assert [one["state"] for one in late.submit(second)] == ["PENDING"]
    first = early.claim(customer, timedelta(minutes=5))
    [told] = early.submit(first)
    assert (told["state"], told["beaconAccepted"]) == ("PENDING", True)
    advance(admin, GRACE_MINUTES)
    mine = "{ offlineClaims(first: 10) { nodes { id state reason } } }"
    won = {"id": f"offlineClaims/{first['id']}", "state": "WON", "reason": None}
    lost = {"id": f"offlineClaims/{second['id']}", "state": "REFUSED", "reason": "ALREADY_CLAIMED_EARLIER"}
    eventually(lambda: li.run(mine)["offlineClaims"]["nodes"] == [won], timeout=30)
    assert wang.run(mine)["offlineClaims"]["nodes"] == [lost]
    assert [one["state"] for one in early.submit(first)] == ["WON"], "handed in again, it is the same claim"
    owner = "query($id: ID!) { customer(id: $id) { ownerId } }"
    assert li.run(owner, id=customer)["customer"]["ownerId"] == li.run("{ me { id } }")["me"]["id"]


@pytest.mark.feature("Z23")
def test_neither_a_borrowed_nor_a_boasting_beacon_makes_a_claim_earlier(admin, reps, real_time):
    pool, li, wang = reps
    customer = pooled(li, pool)
    honest, cheat = Device(li), Device(wang)
    advance(admin, 10)
    borrowed = cheat.client.answer(
        SUBMIT, input={"intents": [cheat.claim(customer, timedelta(minutes=1), honest.beacon)]}
    )
    assert borrowed["errors"][0]["extensions"]["reason"] == "INVALID_BEACON"
    [ahead] = cheat.submit(cheat.claim(customer, timedelta(hours=-5)))
    assert ahead["beaconAccepted"] is False
    [told] = honest.submit(honest.claim(customer, timedelta(minutes=5)))
    assert told["claimTime"] < ahead["claimTime"]


@pytest.fixture
def record(reps) -> tuple[GraphQLClient, dict]:
    """A client, and the record that it edits without a connection."""
    _, li, _ = reps
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id etag } }"
    values = {"name": f"离线{uuid4().hex}", "industry": "制造业", "remark": "首谈"}
    return li, li.run(create, input=values)["createCustomer"]


def online_edit(client: GraphQLClient, customer: str, **values: object) -> None:
    document = "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { id } }"
    client.run(document, input={"id": customer, **values})


@pytest.mark.feature("Z23")
def test_edits_of_different_fields_merge(record):
    client, known = record
    online_edit(client, known["id"], industry="金融业")
    edits = {"id": known["id"], "etag": known["etag"], "remark": "二谈"}
    done = client.run(EDIT, input={"edits": edits, "base": {"remark": "首谈"}})["mergeCustomerEdits"]
    assert (done["merged"], done["conflicts"]) == (True, [])
    assert (done["customer"]["industry"], done["customer"]["remark"]) == ("金融业", "二谈")


@pytest.mark.feature("Z23")
def test_edits_of_one_field_ask_and_change_nothing(record):
    client, known = record
    online_edit(client, known["id"], remark="三谈")
    edits = {"id": known["id"], "etag": known["etag"], "remark": "二谈", "industry": "教育"}
    base = {"remark": "首谈", "industry": "制造业"}
    asked = client.run(EDIT, input={"edits": edits, "base": base})["mergeCustomerEdits"]
    assert (asked["merged"], asked["conflicts"]) == (False, ["remark"])
    assert (asked["customer"]["industry"], asked["customer"]["remark"]) == ("制造业", "三谈")
    settled = {"edits": {**edits, "etag": asked["customer"]["etag"]}, "base": {**base, "remark": "三谈"}}
    done = client.run(EDIT, input=settled)["mergeCustomerEdits"]
    assert (done["merged"], done["customer"]["remark"], done["customer"]["industry"]) == (True, "二谈", "教育")
