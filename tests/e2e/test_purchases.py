"""What customers bought and how they score by it, through GraphQL: a machine tells, people see."""

import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
RECORD = """mutation($input: RecordPurchasesInput!) {
  recordPurchases(input: $input) { id created reason field } }"""
RUN = "mutation($input: RunRfmInput!) { runRfm(input: $input) { id state } }"
STATE = "query($id: ID!) { rfmRun(id: $id) { state customerCount analysisDate parameters { periodDays base method } } }"
RFM = """query($customer: ID!, $day: Date) { rfm(customer: $customer, analysisDate: $day) {
  analysisDate recencyDays frequency monetary recencyScore frequencyScore monetaryScore code segment type
  customer { id } } }"""
SUMMARY = """query($day: Date) { rfmSummary(analysisDate: $day) {
  segments { segment customerCount monetary } types { type customerCount } } }"""
SCORES = """query($day: Date, $segments: [RfmSegment!], $after: String) {
  rfmScores(analysisDate: $day, segments: $segments, first: 7, after: $after) {
    run { analysisDate } nodes { customerId code segment } pageInfo { hasNextPage endCursor } } }"""


def machine(admin: GraphQLClient, *permissions: str) -> GraphQLClient:
    grants = [{"permission": permission, "scope": "ALL"} for permission in permissions]
    values = {"clientId": f"erp-{uuid4().hex[:8]}", "name": "金蝶", "grants": grants}
    document = (
        "mutation($input: CreateClientInput!) { createClient(input: $input) { client { clientId } clientSecret } }"
    )
    made = admin.run(document, input=values)["createClient"]
    given = {"clientId": made["client"]["clientId"], "clientSecret": made["clientSecret"]}
    token = "mutation($input: IssueClientTokenInput!) { issueClientToken(input: $input) { accessToken } }"
    return GraphQLClient(admin.url, admin.run(token, input=given)["issueClientToken"]["accessToken"])


def run_rfm(admin: GraphQLClient, day: str) -> dict:
    started = admin.run(RUN, input={"analysisDate": day, "parameters": {"periodDays": 90}})["runRfm"]
    return eventually(lambda: (run := admin.run(STATE, id=started["id"])["rfmRun"])["state"] == "SUCCEEDED" and run, 60)


def scores_of(values: dict[str, Decimal | int]) -> dict[str, int]:
    """Quintiles, the first being larger if they cannot be equal; of equal values each gets the lowest."""
    ordered = sorted(values.values())
    size, larger = divmod(len(ordered), 5)
    places = [number + 1 for number in range(5) for _ in range(size + (number < larger))]
    return {key: places[ordered.index(value)] for key, value in values.items()}


@pytest.mark.feature("B10")
def test_customers_are_scored_by_what_a_machine_tells_as_of_any_day(admin, organisation):
    erp = machine(admin, "purchase.record")
    chance = random.Random(3)
    today = date(2021, 6, 30)  # when no other test lets its customers buy: scores are given among all who bought
    last_month = today - timedelta(days=30)
    customers = [admin.run(CREATE, input={"name": f"购{uuid4().hex}"})["createCustomer"]["id"] for _ in range(30)]
    purchases = []
    for customer in customers:
        for _ in range(chance.choice([1, 1, 2, 3, 5])):
            day = today - timedelta(days=chance.choice([0, 1, 10, 29, 30, 31, 60, 110]))
            noon = datetime.combine(day, time(0, 30), UTC).isoformat()
            amount = {"currencyCode": "CNY", "amount": chance.choice(["99.90", "100", "100", "1500"])}
            values = {"source": "erp", "externalId": uuid4().hex, "kind": "ORDER", "time": noon, "amount": amount}
            purchases.append((customer, day, {"customerId": customer, **values}))
    sent = [values for _, _, values in purchases]
    told = erp.run(RECORD, input={"purchases": sent})["recordPurchases"]
    again = erp.run(RECORD, input={"purchases": [*sent, {**sent[0], "externalId": "x", "source": ""}]})
    assert all(one["created"] and one["id"] for one in told)
    assert [one["created"] for one in again["recordPurchases"]] == [False] * (len(sent) + 1)
    assert again["recordPurchases"][-1] | {"id": None} == {
        "id": None, "created": False, "reason": "REQUIRED", "field": "source",
    }  # fmt: skip

    for day in (last_month, today):
        assert run_rfm(admin, day.isoformat())["customerCount"] == len(expected(purchases, day))
    for day in (today, last_month):
        wanted = expected(purchases, day)
        for customer in customers[:12]:
            answer = admin.answer(RFM, customer=customer, day=day.isoformat())
            if customer not in wanted:
                assert answer["errors"][0]["extensions"]["reason"] == "RFM_NOT_SCORED"
                continue
            found = answer["data"]["rfm"]
            assert found["code"] == wanted[customer]
            assert (found["analysisDate"], found["customer"]["id"]) == (day.isoformat(), customer)
        summary = admin.run(SUMMARY, day=day.isoformat())["rfmSummary"]
        assert sum(line["customerCount"] for line in summary["segments"]) == len(wanted)
        assert sum(line["customerCount"] for line in summary["types"]) == len(wanted)
    assert walk(admin, today) == expected(purchases, today)
    segments = admin.run(SUMMARY, day=today.isoformat())["rfmSummary"]["segments"]
    [(segment, count)] = Counter({line["segment"]: line["customerCount"] for line in segments}).most_common(1)
    assert len(walk(admin, today, segment)) == count
    missing = admin.answer(RFM, customer=customers[0], day=(today - timedelta(days=7)).isoformat())
    assert missing["errors"][0]["extensions"]["reason"] == "RFM_NOT_RUN"
    _, stranger = organisation.user(organisation.department("外"), organisation.role("SELF", "purchase.read"))
    hidden = stranger.answer(RFM, customer=customers[0])["errors"][0]["extensions"]
    assert hidden["reason"] == "CUSTOMER_NOT_FOUND"
    assert stranger.run(SCORES)["rfmScores"]["nodes"] == []


def walk(client: GraphQLClient, day: date, *segments: str) -> dict[str, int]:
    """Customer → code, over all pages."""
    found, after = {}, None
    while True:
        page = client.run(SCORES, day=day.isoformat(), segments=list(segments), after=after)["rfmScores"]
        found |= {one["customerId"]: one["code"] for one in page["nodes"]}
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def expected(purchases: list, day) -> dict[str, int]:
    """Customer → code, reckoned from what was told, over 90 days."""
    inside = [(customer, bought, Decimal(values["amount"]["amount"])) for customer, bought, values in purchases
              if day - timedelta(days=89) <= bought <= day]  # fmt: skip
    customers = {customer for customer, _, _ in inside}
    last = {one: -min((day - bought).days for customer, bought, _ in inside if customer == one) for one in customers}
    count = {one: sum(customer == one for customer, _, _ in inside) for one in customers}
    value = {one: sum(amount for customer, _, amount in inside if customer == one) for one in customers}
    r, f, m = scores_of(last), scores_of(count), scores_of(value)
    return {one: r[one] * 100 + f[one] * 10 + m[one] for one in customers}
