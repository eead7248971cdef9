"""Machines through GraphQL: their limits, their secrets."""

from uuid import uuid4

from local_suite.graphql import GraphQLClient, GraphQLError

CREATE = "mutation($input: CreateClientInput!) { createClient(input: $input) { client { id clientId } clientSecret } }"
UPDATE = "mutation($input: UpdateClientInput!) { updateClient(input: $input) { callsPerMinute disabled } }"
ROTATE = "mutation($input: RotateClientSecretInput!) { rotateClientSecret(input: $input) { clientSecret } }"
TOKEN = "mutation($input: IssueClientTokenInput!) { issueClientToken(input: $input) { accessToken } }"
DEPARTMENTS = "{ departments(first: 1) { nodes { id } } }"


def reason(call):
    try:
        call()
    except GraphQLError as error:
        return error.reasons[0]
    return None


def signed_in(anyone, made, secret):
    values = {"clientId": made["client"]["clientId"], "clientSecret": secret}
    return GraphQLClient(anyone.url, anyone.run(TOKEN, input=values)["issueClientToken"]["accessToken"])


def test_a_machine_is_limited_switched_to_a_new_secret_and_shut_out(admin, anyone):
    grants = [{"permission": "department.read", "scope": "ALL"}]
    values = {"clientId": f"erp-{uuid4().hex[:8]}", "name": "金蝶", "grants": grants, "callsPerMinute": 3}
    made = admin.run(CREATE, input=values)["createClient"]
    key = made["client"]["id"]
    machine = signed_in(anyone, made, made["clientSecret"])
    assert [reason(lambda: machine.run(DEPARTMENTS)) for _ in range(4)] == [None, None, None, "RATE_LIMITED"]
    assert 1 <= int(machine.last.headers["retry-after"]) <= 20
    assert machine.last.json()["errors"][0]["extensions"]["code"] == "RESOURCE_EXHAUSTED"

    rotated = admin.run(ROTATE, input={"id": key})["rotateClientSecret"]["clientSecret"]
    assert signed_in(anyone, made, rotated)
    assert signed_in(anyone, made, made["clientSecret"])
    last = admin.run(ROTATE, input={"id": key, "overlapHours": 0})["rotateClientSecret"]["clientSecret"]
    assert reason(lambda: signed_in(anyone, made, rotated)) == "BAD_CREDENTIALS"
    assert signed_in(anyone, made, last)
    assert admin.run("query($id: ID!) { client(id: $id) { lastUseTime } }", id=key)["client"]["lastUseTime"]

    changed = admin.run(UPDATE, input={"id": key, "callsPerMinute": None, "disabled": True})["updateClient"]
    assert changed == {"callsPerMinute": 0, "disabled": True}
    assert reason(lambda: signed_in(anyone, made, last)) == "BAD_CREDENTIALS"
