"""One action on many customers, through GraphQL, with the processes that do it killed on the way."""

import csv
import io
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

CUSTOMERS = 1_500
START = "mutation($input: StartCustomerBatchInput!) { startCustomerBatch(input: $input) { id totalCustomers } }"
LOOK = """query($id: ID!) { customerBatch(id: $id) { state totalCustomers processedCustomers changedCustomers
  unchangedCustomers refusedCustomers failureReason errorFileUrl firstRefusals { customerId reason } } }"""
PROGRESS = "subscription($id: ID!) { jobProgress(id: $id) { state processedCustomers } }"


@pytest.fixture(scope="module")
def crowd(suite, anyone):
    """Customers with a mark of their own in the name, of two owners: the mark and the owners."""
    from local_suite.organisations import Organisation

    admin = anyone.sign_in("admin", suite.admin_password)
    organisation, mark = Organisation(admin), uuid4().hex[:8]
    department = organisation.department("批量")
    role = organisation.role(
        "SELF", "customer.read", "customer.transfer", "customer.release", "customer.update", "customer.delete"
    )
    reader = organisation.role("DEPARTMENT", "customer.read")
    people = [organisation.user(department, role, reader) for _ in range(2)]
    with suite.database("customers") as connection:
        known = "SELECT count(*) FROM known_user WHERE id = ANY(%s)"
        ids = [user.partition("/")[2] for user, _ in people]
        eventually(lambda: connection.execute(known, (ids,)).fetchone() == (2,))
    text = io.StringIO()
    rows = [[f"批量{mark}号{n}", people[n % 2][0]] for n in range(CUSTOMERS)]
    csv.writer(text).writerows([["客户名称", "负责人"], *rows])
    document = "mutation($file: Upload!) { importCustomers(file: $file) { id } }"
    job = admin.upload(document, "variables.file", ("客户.csv", text.getvalue().encode()), file=None)
    progress = "subscription($id: ID!) { importProgress(id: $id) { state createdRows } }"
    with admin.subscribe(progress, id=job["importCustomers"]["id"]) as states:
        *_, last = states
    assert last["importProgress"] == {"state": "SUCCEEDED", "createdRows": CUSTOMERS}
    return mark, people, department


def marked(mark: str) -> dict:
    return {"condition": {"field": "name", "operator": "CONTAINS", "values": [mark]}}


def start(client: GraphQLClient, **values) -> str:
    return client.run(START, input={"requestId": str(uuid4()), **values})["startCustomerBatch"]["id"]


def finish(client: GraphQLClient, batch: str) -> dict:
    def ended():
        found = client.run(LOOK, id=batch)["customerBatch"]
        return found if found["state"] in ("SUCCEEDED", "FAILED", "CANCELLED") else None

    return eventually(ended, timeout=90, interval=0.2)


def counts(batch: dict) -> tuple[str, int, int, int]:
    keys = ("state", "changedCustomers", "unchangedCustomers", "refusedCustomers")
    return tuple(batch[key] for key in keys)


def count(client: GraphQLClient, *conditions: dict) -> int:
    document = "query($filter: FilterInput) { customers(first: 1, filter: $filter) { totalCount } }"
    return client.run(document, filter={"all": list(conditions)})["customers"]["totalCount"]


@pytest.mark.timeout(240)
def test_a_killed_batch_goes_on_and_does_everything_once(suite, admin, crowd):
    mark, _, _ = crowd
    with suite.database("customers") as connection:
        with connection.transaction():
            # The batch goes by ids: while the last customer is held, it cannot come to its end.
            last = "SELECT id FROM customer WHERE display_name LIKE %s ORDER BY id DESC LIMIT 1 FOR UPDATE"
            assert connection.execute(last, (f"批量{mark}%",)).fetchone()
            batch = start(admin, action="ADD_TAGS", filter=marked(mark), tags=["重点", "华东"])
            look, key = "SELECT processed FROM job WHERE id = %s", batch.partition("/")[2]
            eventually(lambda: connection.execute(look, (key,)).fetchone()[0] > 0, timeout=60, interval=0.005)
            suite.kill("customers-work")
        seen = connection.execute(look, (key,)).fetchone()[0]
    assert seen < CUSTOMERS, "the batch was over before the kill"
    suite.start("customers-work", wait=False)
    with admin.subscribe(PROGRESS, id=batch) as states:
        told = [state["jobProgress"] for state in states]
    assert told[-1] == {"state": "SUCCEEDED", "processedCustomers": CUSTOMERS}
    assert counts(finish(admin, batch)) == ("SUCCEEDED", CUSTOMERS, 0, 0)
    assert (
        count(admin, marked(mark), {"condition": {"field": "tags", "operator": "CONTAINS", "values": ["重点"]}})
        == CUSTOMERS
    )
    with suite.database("customers") as connection:
        noted = "SELECT count(*), count(DISTINCT resource) FROM audit_entry WHERE request_id = %s AND action = %s"
        assert connection.execute(noted, (key, "customer.update")).fetchone() == (CUSTOMERS, CUSTOMERS)
    again = finish(admin, start(admin, action="ADD_TAGS", filter=marked(mark), tags=["重点"]))
    assert counts(again) == ("SUCCEEDED", 0, CUSTOMERS, 0)


@pytest.mark.timeout(240)
def test_what_the_action_does_not_reach_is_refused_one_by_one(suite, admin, crowd):
    mark, [(li, li_client), (wang, wang_client)], _ = crowd
    batch = finish(li_client, start(li_client, action="TRANSFER", filter=marked(mark), ownerId=wang, note="换岗"))
    assert counts(batch) == ("SUCCEEDED", CUSTOMERS // 2, 0, CUSTOMERS // 2)
    assert {one["reason"] for one in batch["firstRefusals"]} == {"NOT_YOURS"}
    file = li_client.http.get(batch["errorFileUrl"])
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))
    assert len(rows) == CUSTOMERS // 2
    assert (rows[0]["reason"], rows[0]["customer"]) == ("NOT_YOURS", batch["firstRefusals"][0]["customerId"])
    assert (
        count(admin, marked(mark), {"condition": {"field": "ownerId", "operator": "EQUAL", "values": [wang]}})
        == CUSTOMERS
    )
    assert wang_client.http.get(batch["errorFileUrl"]).status_code == 404
    refused = li_client.answer(START, input={"action": "ASSIGN", "ids": [rows[0]["customer"]], "ownerId": li})
    assert refused["errors"][0]["extensions"]["code"] == "PERMISSION_DENIED"


@pytest.mark.timeout(240)
def test_fields_pools_and_deletion(admin, crowd, new_pool):
    mark, [_, (wang, wang_client)], department = crowd
    answer = admin.answer(START, input={"action": "DELETE"})
    assert answer["errors"][0]["extensions"]["reason"] == "NOTHING_CHOSEN"
    some = {"all": [marked(mark), {"condition": {"field": "name", "operator": "CONTAINS", "values": ["号10"]}}]}
    meant = count(admin, some)
    fields = {"level": "A", "industry": "制造业"}
    assert counts(finish(admin, start(admin, action="UPDATE_FIELDS", filter=some, fields=fields)))[1] == meant
    assert count(admin, some, {"condition": {"field": "level", "operator": "EQUAL", "values": ["A"]}}) == meant
    own = admin.run("{ me { id } }")["me"]["id"]
    pool = new_pool(department, memberIds=[department], administratorIds=[own], rules={"holdLimit": 5000})
    back = start(admin, action="RELEASE", filter=some, poolId=pool, reason="NO_BUDGET")
    assert counts(finish(admin, back)) == ("SUCCEEDED", meant, 0, 0)
    again = finish(admin, start(admin, action="RELEASE", filter=some, poolId=pool, reason="NO_BUDGET"))
    assert counts(again) == ("SUCCEEDED", 0, 0, meant)
    assert again["firstRefusals"][0]["reason"] == "NO_OWNER"
    given = finish(admin, start(admin, action="ASSIGN", filter=some, poolId=pool, ownerId=wang))
    assert counts(given) == ("SUCCEEDED", meant, 0, 0)
    gone = finish(wang_client, start(wang_client, action="DELETE", filter=some))
    assert counts(gone) == ("SUCCEEDED", meant, 0, 0)
    assert count(admin, some) == 0
