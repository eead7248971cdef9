"""Tiers of customers by rules, the stages of their life, and customers that become one with what they bought."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
RECORD = "mutation($input: RecordPurchasesInput!) { recordPurchases(input: $input) { id created reason } }"
TIER = "mutation($input: CreateTierInput!) { createTier(input: $input) { id code position rule } }"
CHANGE = "mutation($input: UpdateTierInput!) { updateTier(input: $input) { id rule archived } }"
TIERS = "{ tiers(first: 200) { nodes { id code rule } } }"
RUN = "mutation { evaluateTiers { id } }"
STATE = "query($id: ID!) { tierRun(id: $id) { state evaluatedCustomers changedTiers } }"
PREVIEW = """query($drafts: [TierDraftInput!]) { tierPreview(drafts: $drafts) {
  totalCustomers moves { before after customerCount examples { id } } } }"""
LEVEL = """query($id: ID!) { customer(id: $id) { level lifecycleStage customFields }
  customerTier(customer: $id) { tier locked lockUntil lockReason }
  tierHistory(customer: $id) { nodes { before after origin reason } }
  lifecycleHistory(customer: $id) { nodes { before after } }
  timeline(customer: $id, kinds: ["TIER_CHANGED"]) { nodes { kind summary } } }"""
LOCK = "mutation($input: LockCustomerTierInput!) { lockCustomerTier(input: $input) { tier locked lockUntil } }"
UNLOCK = "mutation($input: UnlockCustomerTierInput!) { unlockCustomerTier(input: $input) { tier locked } }"
FIND = "query($filter: FilterInput) { customers(filter: $filter, first: 50) { nodes { id } } }"
FIELD = "mutation($input: CreateCustomFieldInput!) { createCustomField(input: $input) { key } }"
MERGE = "mutation($input: MergeCustomersInput!) { mergeCustomers(input: $input) { id } }"
UNDO = "mutation($input: UndoMergeInput!) { undoMerge(input: $input) { id } }"
INSIGHT = """query($id: ID!) { customer(id: $id) { customFields }
  purchaseInsight(customer: $id) { orderCount ordered { amount } } }"""


def over(field: str, operator: str, *values: Any) -> dict:
    return {"condition": {"field": field, "operator": operator, "values": list(values)}}


def customer(client: GraphQLClient, **values: Any) -> str:
    return client.run(CREATE, input={"name": f"级{uuid4().hex}", **values})["createCustomer"]["id"]


def buys(client: GraphQLClient, customer_id: str, when: datetime, amount: str) -> None:
    values = {"customerId": customer_id, "source": "erp", "externalId": uuid4().hex, "kind": "ORDER"}
    order = {**values, "time": when.isoformat(), "amount": {"currencyCode": "CNY", "amount": amount}}
    [told] = client.run(RECORD, input={"purchases": [order]})["recordPurchases"]
    assert told["created"], told


def evaluate(client: GraphQLClient) -> dict:
    run = client.run(RUN)["evaluateTiers"]["id"]
    return eventually(lambda: (one := client.run(STATE, id=run)["tierRun"])["state"] == "SUCCEEDED" and one, 60)


def moves(client: GraphQLClient, customers: set[str], **variables: Any) -> dict[tuple[str, str], set[str]]:
    """The moves of a preview that have some of the customers among their examples."""
    found = client.run(PREVIEW, **variables)["tierPreview"]["moves"]
    shown = {(one["before"], one["after"]): {each["id"] for each in one["examples"]} & customers for one in found}
    return {move: ids for move, ids in shown.items() if ids}


def found(client: GraphQLClient, mark: str, *conditions: dict) -> set[str]:
    nodes = client.run(FIND, filter={"all": [over("source", "EQUAL", mark), *conditions]})["customers"]["nodes"]
    return {node["id"] for node in nodes}


@pytest.fixture
def rules(admin):
    """Gives tiers rules, and ends them after the test: the suite is shared."""

    def give(**by_code: dict | None) -> None:
        tiers = {tier["code"]: tier["id"] for tier in admin.run(TIERS)["tiers"]["nodes"]}
        for code, rule in by_code.items():
            admin.run(CHANGE, input={"id": tiers[code], "rule": rule})

    yield give
    give(**{tier["code"]: None for tier in admin.run(TIERS)["tiers"]["nodes"] if tier["rule"] is not None})


@pytest.mark.feature("B10")
def test_customers_are_sorted_by_rules_kept_by_people_and_found_by_what_they_bought(
    admin, organisation, rules, real_time
):
    mark, code = f"源{uuid4().hex[:8]}", f"V{uuid4().hex[:6]}".upper()
    great, good, new = (customer(admin, source=mark, level=level) for level in ("C", None, "B"))
    for day, amount in ((400, "700"), (100, "200"), (1, "400")):
        buys(admin, great, real_time - timedelta(days=day), amount)
    buys(admin, good, real_time - timedelta(days=200), "150.50")
    mine = over("source", "EQUAL", mark)
    rule = {"all": [mine, over("orderedAmount", "GREATER_OR_EQUAL", 1000)]}
    tier = admin.run(TIER, input={"code": code, "name": "战略客户", "colour": "#d4af37", "rule": rule})["createTier"]
    assert (tier["code"], tier["rule"]) == (code, rule)
    draft = [{"tier": "A", "rule": {"all": [mine, over("daysSincePurchase", "LESS", 300)]}}]
    assert moves(admin, {great, good, new}, drafts=draft) == {("C", "A"): {great}, (None, "A"): {good}}
    assert moves(admin, {great, good, new}) == {("C", code): {great}}
    rules(D={"all": [mine, over("lifecycleStage", "IN", "DORMANT", "LOST")]})
    assert evaluate(admin)["evaluatedCustomers"] >= 3
    expected = {great: (code, "ACTIVE"), good: ("D", "DORMANT"), new: ("B", "PROSPECT")}
    for key, wanted in expected.items():
        one = admin.run(LEVEL, id=key)
        assert (one["customer"]["level"], one["customer"]["lifecycleStage"]) == wanted
        assert one["tierHistory"]["nodes"][0]["after"] == one["customerTier"]["tier"] == wanted[0]
        stages = one["lifecycleHistory"]["nodes"]  # whom a timer found before the first purchase was a prospect then
        assert stages[0]["after"] == wanted[1]
        assert [stage["before"] for stage in stages] == [*[stage["after"] for stage in stages[1:]], None]
    one = admin.run(LEVEL, id=great)
    assert [change["origin"] for change in one["tierHistory"]["nodes"]] == ["RULE", "MANUAL"]
    assert [entry["summary"] for entry in one["timeline"]["nodes"]] == [f"C → {code}"]
    assert evaluate(admin)["changedTiers"] == 0

    assert found(admin, mark, over("level", "EQUAL", code)) == {great}
    assert found(admin, mark, over("lifecycleStage", "EQUAL", "DORMANT")) == {good}
    assert found(admin, mark, over("orderCount", "GREATER_OR_EQUAL", 1)) == {great, good}
    assert found(admin, mark, over("orderedAmount", "EQUAL", "150.5")) == {good}
    seller = organisation.user(organisation.department("售"), organisation.role("ALL", "customer.read"))[1]
    refused = seller.answer(FIND, filter=over("orderCount", "GREATER", 0))["errors"][0]["extensions"]
    assert refused["code"] == "PERMISSION_DENIED"
    for document, values in (
        (RUN, {}),
        (TIER, {"input": {"code": "X"}}),
        (LOCK, {"input": {"customerId": great, "reason": "x"}}),
    ):
        assert seller.answer(document, **values)["errors"][0]["extensions"]["code"] == "PERMISSION_DENIED"

    until = (real_time + timedelta(days=30)).date().isoformat()
    locked = admin.run(LOCK, input={"customerId": good, "tier": "A", "until": until, "reason": "老板的同学"})
    assert locked["lockCustomerTier"] == {"tier": "A", "locked": True, "lockUntil": until}
    evaluate(admin)
    one = admin.run(LEVEL, id=good)
    assert (one["customer"]["level"], one["customerTier"]["lockReason"]) == ("A", "老板的同学")
    assert one["tierHistory"]["nodes"][0] == {
        "before": "D", "after": "A", "origin": "MANUAL", "reason": "老板的同学",
    }  # fmt: skip
    assert admin.run(UNLOCK, input={"customerId": good})["unlockCustomerTier"] == {"tier": "A", "locked": False}
    evaluate(admin)
    assert admin.run(LEVEL, id=good)["customer"]["level"] == "D"
    admin.run(CHANGE, input={"id": tier["id"], "rule": None, "archived": True})
    evaluate(admin)
    assert admin.run(LEVEL, id=great)["customer"]["level"] is None, "what a rule gave goes with the rule"
    reason = admin.answer(CREATE, input={"name": "x", "level": code})["errors"][0]["extensions"]["reason"]
    assert reason == "INVALID_LEVEL"


@pytest.mark.feature("B10")
def test_customers_that_become_one_have_bought_the_sum_at_once(admin, real_time):
    key = f"sum_{uuid4().hex[:6]}"
    rollup = {"children": "orders", "function": "SUM", "field": "amount"}
    admin.run(FIELD, input={"key": key, "label": "订单合计", "type": "ROLLUP", "rollup": rollup})
    one, other = customer(admin), customer(admin)
    for amount in ("100", "20.5"):
        buys(admin, one, real_time - timedelta(days=2), amount)
    buys(admin, other, real_time - timedelta(days=1), "3")

    def bought(customer_id: str) -> tuple[int, str, float]:
        answer = admin.run(INSIGHT, id=customer_id)
        insight = answer["purchaseInsight"]
        return insight["orderCount"], insight["ordered"]["amount"], answer["customer"]["customFields"][key]

    assert (bought(one), bought(other)) == ((2, "120.50", 120.5), (1, "3.00", 3))
    merge = admin.run(MERGE, input={"customerId": one, "otherIds": [other]})["mergeCustomers"]["id"]
    assert bought(one) == (3, "123.50", 123.5)
    buys(admin, other, real_time, "7")
    assert bought(one) == (4, "130.50", 130.5), "who tells of a merged customer is understood"
    admin.run(UNDO, input={"id": merge})
    assert (bought(one), bought(other)) == ((2, "120.50", 120.5), (2, "10.00", 10))
