"""Who did what is found through GraphQL, and whoever tampers with it in the database is found out."""

import hashlib
from uuid import uuid4

import httpx
import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

ENTRIES = """query($first: Int! = 50, $after: String, $filter: AuditFilterInput) {
  auditEntries(first: $first, after: $after, filter: $filter) {
    nodes { id service time actorId actor { name } action resource requestId traceId before after changedFields }
    pageInfo { hasNextPage endCursor } missingServices } }"""
VERIFY = """query($after: String) { verifyAudit(after: $after) { complete endCursor
  services { service complete entryCount erasedCount blockCount unsealedCount headHash
    broken { kind block entry entryName } } } }"""
CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
DEPARTMENT = "mutation($input: CreateDepartmentInput!) { createDepartment(input: $input) { id } }"
UPDATE = "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { id } }"
EXPORT = "mutation($input: ExportCustomersInput!) { exportCustomers(input: $input) { id } }"


def entries(client: GraphQLClient, **filters: str) -> list[dict]:
    return client.run(ENTRIES, filter=filters)["auditEntries"]["nodes"]


def verified(client: GraphQLClient) -> dict[str, dict]:
    """The verification of all logs, to its end, by service."""
    found, after = {}, None
    while True:
        answer = client.run(VERIFY, after=after)["verifyAudit"]
        found |= {each["service"]: each for each in answer["services"]}
        after = answer["endCursor"]
        if answer["complete"]:
            return found


def sealed(client: GraphQLClient, service: str) -> dict:
    """The verification of a log once all of it is sealed."""
    return eventually(lambda: next((v for v in [verified(client)[service]] if not v["unsealedCount"]), None), 60)


def exported(client: GraphQLClient, name: str) -> tuple[str, bytes]:
    """An export of one customer: the job's id and the file."""
    job = client.run(EXPORT, input={"search": name, "requestId": str(uuid4())})["exportCustomers"]["id"]
    state = "query($id: ID!) { exportJob(id: $id) { state fileUrl } }"
    done = eventually(
        lambda: next((e for e in [client.run(state, id=job)["exportJob"]] if e["state"] == "SUCCEEDED"), None), 60
    )
    answer = client.http.get(done["fileUrl"])
    assert answer.status_code == httpx.codes.OK
    return job, answer.content


@pytest.mark.feature("X7")
def test_every_change_is_found_with_who_when_and_what(admin, organisation):
    """Changes of several services, a login, a refusal and an export, each found by what is known of it."""
    role = organisation.role("SELF", "customer.read", "customer.create", "customer.update", "follow_up.create")
    user, client = organisation.user(organisation.department("审计"), role)
    requests = [str(uuid4()), str(uuid4())]
    name = f"审计{uuid4().hex}"
    customer = client.run(CREATE, input={"name": name, "level": "A", "requestId": requests[0]})["createCustomer"]["id"]
    client.run(UPDATE, input={"id": customer, "level": "B", "requestId": requests[1]})
    trace = client.last.headers["x-trace-id"]
    with pytest.raises(GraphQLError, match="PERMISSION_DENIED"):
        client.run("mutation($input: DeleteInput!) { deleteCustomer(input: $input) }", input={"id": customer})

    update, create = entries(admin, resource=customer, action="customer.")
    assert (create["action"], create["before"], create["after"]["level"]) == ("customer.create", None, "A")
    assert (update["before"]["level"], update["after"]["level"]) == ("A", "B")
    assert "level" in update["changedFields"]
    assert {(e["actorId"], e["actor"]["name"], e["service"]) for e in (create, update)} == {
        (user, "测试员", "customers")
    }
    assert [create["requestId"], update["requestId"]] == requests
    assert update["traceId"] == trace
    assert entries(admin, requestId=requests[0])[0]["id"] == create["id"]
    assert entries(admin, traceId=trace)[0]["id"] == update["id"]

    mine = entries(admin, actor=user)
    assert {"user.login", "customer.create", "customer.update", "access.refused"} <= {entry["action"] for entry in mine}
    assert [entry["time"] for entry in mine] == sorted((entry["time"] for entry in mine), reverse=True)
    [refused] = [entry for entry in mine if entry["action"] == "access.refused"]
    assert (refused["resource"], refused["after"]["permission"]) == (customer, "customer.delete")

    job, content = exported(admin, name)
    actions = {entry["action"]: entry for entry in entries(admin, resource=job)}
    assert list(actions) == ["customer.download_export", "job.end", "customer.export", "job.create"]
    assert (actions["customer.export"]["after"]["rows"], actions["customer.export"]["after"]["search"]) == (1, name)
    assert actions["customer.export"]["after"]["sha256"] == hashlib.sha256(content).hexdigest()


def test_pages_of_all_services_hold_each_entry_once(admin, organisation):
    """A walk over what somebody did in two services, newest first, while they do more."""
    role = organisation.role("ALL", "customer.create", "department.create")
    user, client = organisation.user(organisation.department("翻页"), role)
    for _ in range(4):
        client.run(CREATE, input={"name": f"翻页{uuid4().hex}"})
        client.run(DEPARTMENT, input={"name": f"翻页{uuid4().hex}", "parentId": organisation.root})
    done_before = {entry["id"] for entry in entries(admin, actor=user)}

    whole, after, more = [], None, True
    while more:
        page = admin.run(ENTRIES, first=2, after=after, filter={"actor": user})["auditEntries"]
        whole += page["nodes"]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        client.run(CREATE, input={"name": f"翻页{uuid4().hex}"})
    assert len({entry["id"] for entry in whole}) == len(whole)
    assert {entry["id"] for entry in whole} == done_before
    assert [entry["time"] for entry in whole] == sorted((entry["time"] for entry in whole), reverse=True)
    assert {entry["service"] for entry in whole} == {"identity", "customers"}


@pytest.mark.feature("X7")
@pytest.mark.slow
def test_tampering_is_found_and_named(suite, admin):
    """An altered, a deleted and an inserted entry, each put right again afterwards."""
    made = admin.run(CREATE, input={"name": f"篡改{uuid4().hex}", "level": "A"})["createCustomer"]["id"]
    before = sealed(admin, "customers")
    assert before["broken"] is None
    assert before["entryCount"] > 0
    [entry] = entries(admin, resource=made)
    number = int(entry["id"].rpartition(".")[2])
    with suite.database("customers") as database:

        def broken() -> dict | None:
            found = verified(admin)
            assert {
                name: each["broken"] for name, each in found.items() if name != "customers" and each["broken"]
            } == {}
            return found["customers"]["broken"]

        def run(statement: str) -> None:
            assert database.execute(statement, {"id": number}).rowcount == 1

        run("UPDATE audit_entry SET after = jsonb_set(after, '{level}', '\"B\"') WHERE id = %(id)s")
        found = broken()
        assert (found["kind"], found["entry"], found["entryName"]) == ("ALTERED", number, entry["id"])
        run("UPDATE audit_entry SET after = jsonb_set(after, '{level}', '\"A\"') WHERE id = %(id)s")
        assert broken() is None

        database.execute("CREATE TEMP TABLE kept AS SELECT * FROM audit_entry WHERE id = %(id)s", {"id": number})
        run("DELETE FROM audit_entry WHERE id = %(id)s")
        found = broken()
        assert (found["kind"], found["entry"]) == ("MISSING", number)
        run("INSERT INTO audit_entry OVERRIDING SYSTEM VALUE SELECT * FROM kept WHERE id = %(id)s")
        assert broken() is None

        database.execute("UPDATE kept SET id = 0")
        assert database.execute("INSERT INTO audit_entry OVERRIDING SYSTEM VALUE SELECT * FROM kept").rowcount == 1
        found = broken()
        assert (found["kind"], found["entry"]) == ("INSERTED", 0)
        assert database.execute("DELETE FROM audit_entry WHERE id = 0").rowcount == 1
    assert verified(admin)["customers"]["broken"] is None


def test_only_who_may_see_everything_sees_the_log(organisation):
    for scope in ("SELF", "DEPARTMENT_TREE"):
        role = organisation.role(scope, "audit.read", "audit.verify")
        _, client = organisation.user(organisation.department(f"窄{scope}"), role)
        for document in (ENTRIES, VERIFY):
            with pytest.raises(GraphQLError) as refused:
                client.run(document)
            assert refused.value.reasons == ["SCOPE_TOO_NARROW"]
