"""Follow-ups that count, and those that do not, through GraphQL."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id occurTime verdict verdictReasons } }"
NOTE = "例行拜访了解近期采购安排和设备运行情况"


def log(client: GraphQLClient, customer: str, **values) -> dict:
    note = {"customerId": customer, "method": "WECHAT", "content": NOTE, **values}
    logged: dict = client.run(LOG, input=note)["logFollowUp"]
    return logged


def clock(client: GraphQLClient, customer: str) -> tuple[str | None, str | None]:
    document = "query($id: ID!) { customer(id: $id) { lastFollowUpTime lastEffectiveFollowUpTime } }"
    answer = client.run(document, id=customer)["customer"]
    return answer["lastFollowUpTime"], answer["lastEffectiveFollowUpTime"]


@pytest.mark.feature("Z4")
def test_pasted_notes_reset_no_clock_and_a_call_a_reply_or_a_check_in_does(admin):
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer = admin.run(create, input={"name": f"有效{uuid4().hex[:10]}"})["createCustomer"]["id"]
    pasted = [log(admin, customer) for _ in range(5)]
    assert {one["verdict"] for one in pasted} == {"NOT_EFFECTIVE"}
    assert {"NO_CONTACT_PERSON", "NO_REPLY"} <= set(pasted[0]["verdictReasons"])
    assert all("REPEATED_TEXT" in one["verdictReasons"] for one in pasted[1:])
    short = log(admin, customer, content="已联系")
    assert (short["verdict"], "TOO_SHORT" in short["verdictReasons"]) == ("NOT_EFFECTIVE", True)
    eventually(lambda: clock(admin, customer) == (short["occurTime"], None))
    here = {"latitude": 31.23, "longitude": 121.47, "accuracyMetres": 30, "time": datetime.now(UTC).isoformat()}
    for reason, evidence in (
        ("LONG_CALL", {"method": "CALL", "durationSeconds": 60}),
        ("INBOUND_REPLY", {"inbound": True}),
        ("VALID_CHECK_IN", {"method": "VISIT", "checkIn": here}),
    ):
        logged = log(admin, customer, **evidence)
        assert logged["verdict"] == "EFFECTIVE"
        assert reason in logged["verdictReasons"]
        eventually(lambda expected=logged["occurTime"]: clock(admin, customer) == (expected, expected))
    rules = admin.run("{ followUpRules { minCallSeconds etag } }")["followUpRules"]
    change = "mutation($input: UpdateFollowUpRulesInput!) { updateFollowUpRules(input: $input) { minCallSeconds } }"
    same = {"minCallSeconds": rules["minCallSeconds"], "etag": rules["etag"]}
    assert admin.run(change, input=same)["updateFollowUpRules"]["minCallSeconds"] == 60
