"""A hand-over ends with equal counts, whichever process is killed on the way."""

import csv
import io
from collections import Counter
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

CUSTOMERS = 2_000
KILLED = ("customers-work", "identity-work", "leads-work", "rabbitmq")
PARTS = "query($id: ID!) { offboarding(id: $id) { state parts { entity state before moved left after withdrawn } } }"


def import_customers(owner: str, admin: GraphQLClient) -> None:
    """Many customers of one owner."""
    mark = uuid4().hex[:8]
    text = io.StringIO()
    csv.writer(text).writerows([["客户名称", "负责人"], *([f"交接{mark}号{n}", owner] for n in range(CUSTOMERS))])
    document = "mutation($file: Upload!) { importCustomers(file: $file) { id } }"
    file = ("客户.csv", text.getvalue().encode())
    job = admin.upload(document, "variables.file", file, file=None)["importCustomers"]["id"]
    progress = "subscription($id: ID!) { importProgress(id: $id) { state createdRows } }"
    with admin.subscribe(progress, id=job) as states:
        *_, last = states
    assert last["importProgress"] == {"state": "SUCCEEDED", "createdRows": CUSTOMERS}


def look(admin: GraphQLClient, offboarding: str) -> dict:
    """How far an offboarding has come; what cannot be asked just now is asked again."""
    while True:
        try:
            found: dict = admin.run(PARTS, id=offboarding)["offboarding"]
        except GraphQLError as error:
            if {each["extensions"]["code"] for each in error.errors} - {"UNAVAILABLE", "DEADLINE_EXCEEDED"}:
                raise
        else:
            return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hand_over_survives_kills(suite, admin, organisation):
    department = organisation.department("西部")
    leaver, first, second = (organisation.user(department)[0] for _ in range(3))
    eventually(lambda: _known(suite, leaver))
    import_customers(leaver, admin)
    rules = [{"entity": "customer", "successorIds": [first, second]}]
    values = {"userId": leaver, "plan": {"rules": rules, "defaultSuccessorId": first}, "requestId": str(uuid4())}
    document = "mutation($input: OffboardUserInput!) { offboardUser(input: $input) { id } }"
    offboarding = admin.run(document, input=values)["offboardUser"]["id"]
    killed_midway = 0
    for process in KILLED:
        eventually(lambda: _moved(suite, offboarding) > 0, timeout=120)
        killed_midway += 0 < _moved(suite, offboarding) < CUSTOMERS
        suite.kill(process)
        suite.start(process, wait=False)
    assert killed_midway > 0
    done = eventually(lambda: _ended(look(admin, offboarding)), timeout=240)
    assert done["state"] == "SUCCEEDED", done
    [part] = [part for part in done["parts"] if part["entity"] == "customer"]
    counts = [part[key] for key in ("before", "moved", "withdrawn", "left", "after")]
    assert counts == [CUSTOMERS, CUSTOMERS, 0, 0, CUSTOMERS]
    with suite.database("customers") as connection:
        query = "SELECT 'users/' || owner_id, count(*) FROM customer WHERE owner_id = ANY(%s) GROUP BY 1"
        ids = [name.removeprefix("users/") for name in (leaver, first, second)]
        assert Counter(dict(connection.execute(query, (ids,)).fetchall())) == {
            first: CUSTOMERS // 2,
            second: CUSTOMERS // 2,
        }
        changed = """SELECT count(*), count(DISTINCT subject) FROM outbox WHERE type LIKE '%%.CustomerTransferred'
            AND subject IN (SELECT 'customers/' || id FROM customer WHERE owner_id = ANY(%s))"""
        assert connection.execute(changed, (ids,)).fetchone() == (CUSTOMERS, CUSTOMERS)
    eventually(lambda: _replicas(suite, [first, second]) == CUSTOMERS, timeout=240)


def _known(suite, user: str) -> bool:
    with suite.database("customers") as connection:
        query = "SELECT 1 FROM known_user WHERE id = %s"
        return connection.execute(query, (user.removeprefix("users/"),)).fetchone() is not None


def _moved(suite, offboarding: str) -> int:
    """How many customers an offboarding has handed over."""
    with suite.database("customers") as connection:
        query = """SELECT count(*) FROM handover_item AS item JOIN handover_task AS task ON task.id = item.task_id
            WHERE task.offboarding = %s AND task.entity = 'customer' AND item.state = 'MOVED'"""
        return connection.execute(query, (offboarding,)).fetchone()[0]


def _replicas(suite, owners: list[str]) -> int:
    """How many customers the leads service knows these people to own."""
    with suite.database("leads") as connection:
        query = "SELECT count(*) FROM known_customer WHERE owner_id = ANY(%s)"
        return connection.execute(query, ([name.removeprefix("users/") for name in owners],)).fetchone()[0]


def _ended(found: dict) -> dict | None:
    return found if found["state"] in ("SUCCEEDED", "FAILED") else None
