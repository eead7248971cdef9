"""The timeline through GraphQL: machines tell, people note, nothing appears twice."""

from datetime import timedelta
from uuid import uuid4

import pytest
from local_suite.graphql import GraphQLClient

RECORD = """mutation($input: RecordInteractionsInput!) {
  recordInteractions(input: $input) { id created reason field } }"""
TIMELINE = """query($id: ID!, $after: String, $first: Int!, $kinds: [String!], $sources: [String!], $start: DateTime) {
  timeline(customer: $id, first: $first, after: $after, kinds: $kinds, sources: $sources, startTime: $start) {
    nodes { kind source summary actorId occurTime } pageInfo { hasNextPage endCursor } } }"""
KINDS = ("MAIL", "CALL", "MEETING", "NOTE", "VISIT", "OPPORTUNITY", "CONTRACT", "PAYMENT", "TICKET", "CAMPAIGN")


def machine(admin: GraphQLClient, *permissions: str) -> GraphQLClient:
    grants = [{"permission": permission, "scope": "ALL"} for permission in permissions]
    values = {"clientId": f"mail-{uuid4().hex[:8]}", "name": "邮箱", "grants": grants}
    document = (
        "mutation($input: CreateClientInput!) { createClient(input: $input) { client { clientId } clientSecret } }"
    )
    made = admin.run(document, input=values)["createClient"]
    given = {"clientId": made["client"]["clientId"], "clientSecret": made["clientSecret"]}
    token = "mutation($input: IssueClientTokenInput!) { issueClientToken(input: $input) { accessToken } }"
    return GraphQLClient(admin.url, admin.run(token, input=given)["issueClientToken"]["accessToken"])


@pytest.mark.feature("B9")
def test_one_feed_shows_each_interaction_once_and_pages_while_more_arrive(admin, organisation, real_time):
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer = admin.run(create, input={"name": f"往来{uuid4().hex}"})["createCustomer"]["id"]
    mailbox = machine(admin, "interaction.record")

    def item(number: int, kind: str, minutes: int) -> dict:
        moment = (real_time - timedelta(minutes=minutes)).isoformat()
        told = {"kind": kind, "source": "mail", "externalId": f"<{number}>", "summary": str(number)}
        return {"customerId": customer, "occurTime": moment, **told}

    items = [item(number, kind, 60 - number) for number, kind in enumerate(KINDS)]
    for made in (True, False):
        outcomes = mailbox.run(RECORD, input={"interactions": items})["recordInteractions"]
        assert [(one["created"], one["reason"]) for one in outcomes] == [(made, None)] * len(items)
    note = {"customerId": customer, "kind": "NOTE", "summary": "我的备注"}
    request = {"interactions": [note], "requestId": str(uuid4())}
    for _ in range(2):
        assert admin.run(RECORD, input=request)["recordInteractions"][0]["created"]

    seen, after = [], None
    for number in range(100, 120):
        page = admin.run(TIMELINE, id=customer, first=3, after=after)["timeline"]
        seen += [(node["kind"], node["summary"]) for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
        mailbox.run(RECORD, input={"interactions": [item(number, "MAIL", 0)]})
    told = [(kind, str(number)) for number, kind in reversed(list(enumerate(KINDS)))]
    assert [one for one in seen if one[0] != "CUSTOMER_CREATED"] == [("NOTE", "我的备注"), *told]

    mine = admin.run(TIMELINE, id=customer, first=9, sources=["customers"], kinds=["NOTE"])["timeline"]["nodes"]
    assert [(node["summary"], node["actorId"]) for node in mine] == [
        ("我的备注", admin.run("{ me { id } }")["me"]["id"])
    ]
    recent = admin.run(TIMELINE, id=customer, first=9, kinds=["TICKET", "CALL"],
                       start=(real_time - timedelta(minutes=55)).isoformat())["timeline"]["nodes"]  # fmt: skip
    assert [node["kind"] for node in recent] == ["TICKET"]
    _, stranger = organisation.user(organisation.department("外"), organisation.role("SELF", "interaction.record"))
    [refused] = stranger.run(RECORD, input={"interactions": [note]})["recordInteractions"]
    assert (refused["created"], refused["reason"]) == (False, "CUSTOMER_NOT_FOUND")
