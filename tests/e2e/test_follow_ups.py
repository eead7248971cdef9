"""A follow-up logged in one service reaches the timeline in another."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id authorId remindTime } }"
LOG_ALL = """mutation($input: BatchLogFollowUpsInput!) {
  batchLogFollowUps(input: $input) { followUp { id verdict } reason field } }"""
TIMELINE = "query($id: ID!) { timeline(customer: $id, first: 200) { nodes { id kind resource summary actorId } } }"


def a_customer(client: GraphQLClient) -> str:
    document = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    created: str = client.run(document, input={"name": f"客户{uuid4().hex[:10]}"})["createCustomer"]["id"]
    return created


def touches(client: GraphQLClient, customer: str) -> list[str]:
    entries = client.run(TIMELINE, id=customer)["timeline"]["nodes"]
    return [entry["resource"] for entry in entries if entry["kind"] == "FOLLOW_UP_LOGGED"]


def test_a_follow_up_appears_in_the_timeline_once(admin):
    customer = a_customer(admin)
    note = {"customerId": customer, "method": "CALL", "content": "约好下周二上门", "requestId": str(uuid4())}
    logged = [admin.run(LOG, input=note)["logFollowUp"]["id"] for _ in range(3)]
    assert len(set(logged)) == 1
    eventually(lambda: touches(admin, customer) == logged[:1])
    answer = admin.run("query($id: ID!) { customer(id: $id) { lastFollowUpTime } }", id=customer)
    assert answer["customer"]["lastFollowUpTime"]


def test_follow_ups_that_waited_in_a_device_are_logged_at_once(admin):
    customer = a_customer(admin)
    notes = [{"customerId": customer, "method": "VISIT", "content": f"拜访 {number}"} for number in range(3)]
    notes.append({"customerId": f"customers/{uuid4()}", "method": "CALL", "content": "没有这个客户"})
    batch = {"followUps": notes, "requestId": str(uuid4())}
    first, again = (admin.run(LOG_ALL, input=batch)["batchLogFollowUps"] for _ in range(2))
    assert first == again
    assert [outcome["reason"] for outcome in first] == [None, None, None, "CUSTOMER_NOT_FOUND"]
    logged = [outcome["followUp"]["id"] for outcome in first[:3]]
    eventually(lambda: sorted(touches(admin, customer)) == sorted(logged))


def test_the_timeline_pages_stay_stable_while_new_entries_arrive(admin):
    customer = a_customer(admin)
    for number in range(5):
        admin.run(LOG, input={"customerId": customer, "method": "WECHAT", "content": f"消息 {number}"})
    eventually(lambda: len(touches(admin, customer)) == 5)
    before = admin.run(TIMELINE, id=customer)["timeline"]["nodes"]
    page = """query($id: ID!, $after: String) { timeline(customer: $id, first: 2, after: $after) {
      nodes { id } pageInfo { endCursor hasNextPage } } }"""
    first = admin.run(page, id=customer)["timeline"]
    admin.run(LOG, input={"customerId": customer, "method": "CALL", "content": "又来一条"})
    eventually(lambda: len(touches(admin, customer)) == 6)
    rest, after = [], first["pageInfo"]["endCursor"]
    while after:
        following = admin.run(page, id=customer, after=after)["timeline"]
        rest += following["nodes"]
        after = following["pageInfo"]["endCursor"] if following["pageInfo"]["hasNextPage"] else None
    assert [entry["id"] for entry in first["nodes"] + rest] == [entry["id"] for entry in before]


def test_a_follow_up_on_a_hidden_customer_is_refused(admin, organisation):
    customer = a_customer(admin)
    rep = organisation.role("SELF", "customer.read", "follow_up.create", "follow_up.read")
    _, stranger = organisation.user(organisation.department("外地"), rep)
    with pytest.raises(GraphQLError) as refused:
        stranger.run(LOG, input={"customerId": customer, "method": "CALL", "content": "想看看"})
    assert [error["extensions"]["code"] for error in refused.value.errors] == ["NOT_FOUND"]
    assert touches(admin, customer) == []


def test_a_due_contact_reminds_its_author_once(admin, real_time):
    customer = a_customer(admin)
    due = real_time + timedelta(days=2)
    note = {"customerId": customer, "method": "CALL", "content": "后天再打", "nextContactTime": due.isoformat()}
    with admin.subscribe("subscription { notifications { kind resource params } }") as notifications:
        follow_up = admin.run(LOG, input=note)["logFollowUp"]["id"]
        move = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
        admin.run(move, input={"advanceSeconds": 86_400 * 1.5})
        assert remind_time(admin, follow_up) is None
        now = admin.run(move, input={"advanceSeconds": 86_400})["moveTestClock"]["now"]
        assert datetime.fromisoformat(now) > due
        # Whoever tests as the administrator may be told of much else as time passes.
        raised = (item["notifications"] for item in notifications)
        assert next(one for one in raised if (one["kind"], one["resource"]) == ("FOLLOW_UP_DUE", follow_up))
    reminded = remind_time(admin, follow_up)
    assert reminded
    admin.run(move, input={"advanceSeconds": 86_400})
    assert remind_time(admin, follow_up) == reminded


def remind_time(client: GraphQLClient, follow_up: str) -> str | None:
    answer = client.run("query($id: ID!) { followUp(id: $id) { remindTime } }", id=follow_up)
    time: str | None = answer["followUp"]["remindTime"]
    return time
