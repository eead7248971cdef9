"""The whole picture of a customer: what it holds, how far it can be relied on, and what is left without a service."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient
from local_suite.testing import Suite

PICTURE = """query Picture($id: ID!) { customer360(id: $id) {
  profile { ...Origin customer { name level lastFollowUpTime } }
  owner { ...Origin user { name } }
  contacts { ...Origin nodes { id name } }
  timeline { ...Origin nodes { kind resource } }
  followUps { ...Origin nodes { id content author { name } } }
  customFields { ...Origin values { value } }
  purchases { ...Origin insight { ...Insight } }
  rfm { ...Origin score { code analysisDate } }
} }"""
INSIGHT = """fragment Insight on PurchaseInsight { orderCount ordered { amount currencyCode } paid { amount }
  refunded { amount } lastPurchaseTime sources lastRecordTime }"""
SECTIONS = {
    "profile": "Profile", "owner": "Owner", "contacts": "Contacts", "timeline": "Timeline", "followUps": "FollowUps",
    "customFields": "CustomFields", "purchases": "Purchases", "rfm": "Rfm",
}  # fmt: skip
OWNERS = dict.fromkeys(SECTIONS, "customers") | {"owner": "identity", "followUps": "leads"}
"""The service that says each section."""
ORIGIN = "source status asOf confidence freshness { source missing missingSince lagSeconds }"
RECORD = "mutation($input: RecordPurchasesInput!) { recordPurchases(input: $input) { created reason } }"


def document() -> str:
    """The query for everything, with the origin of each section."""
    text = PICTURE
    for section in SECTIONS:
        text = text.replace(f"{section} {{ ...Origin", f"{section} {{ {ORIGIN}")
    return f"{text} {INSIGHT}"


def picture(client: GraphQLClient, customer: str) -> dict[str, Any]:
    """The sections of a picture in which none fails: services have a moment to answer in, which may be too short for a
    machine that is busy with something else."""
    answer = eventually(lambda: (told := client.answer(document(), id=customer)) and "errors" not in told and told)
    return dict(answer["data"]["customer360"])


def log_follow_up(client: GraphQLClient, customer: str, content: str) -> str:
    values = {"customerId": customer, "method": "VISIT", "content": content}
    logged = client.run("mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }", input=values)
    return str(logged["logFollowUp"]["id"])


def record(client: GraphQLClient, customer: str, kind: str, amount: str) -> None:
    values = {
        "customerId": customer,
        "source": "erp",
        "externalId": uuid4().hex,
        "kind": kind,
        "time": (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        "amount": {"currencyCode": "CNY", "amount": amount},
    }
    assert client.run(RECORD, input={"purchases": [values]})["recordPurchases"] == [{"created": True, "reason": None}]


def analyse(client: GraphQLClient) -> None:
    started = client.run("mutation { runRfm(input: {}) { id } }")["runRfm"]["id"]
    state = "query($id: ID!) { rfmRun(id: $id) { state } }"
    eventually(lambda: client.run(state, id=started)["rfmRun"]["state"] == "SUCCEEDED", 60)


@contextmanager
def without(suite: Suite, process: str) -> Iterator[None]:
    suite.kill(process)
    try:
        yield
    finally:
        suite.start(process)


@pytest.fixture
def present(admin: GraphQLClient, real_time: datetime) -> None:
    """The suite's time is moved to the day of the newest analysis, if it is ahead: the newest one counts, and nights
    that other tests let pass have theirs."""
    runs = admin.run("{ rfmRuns(first: 200) { nodes { analysisDate } } }")["rfmRuns"]["nodes"]
    newest = max((date.fromisoformat(run["analysisDate"]) for run in runs), default=date.min)
    ahead = newest - real_time.astimezone(ZoneInfo("Asia/Shanghai")).date()
    if ahead > timedelta(0):
        move = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
        admin.run(move, input={"advanceSeconds": int(ahead.total_seconds())})


@pytest.fixture
def customer(admin: GraphQLClient, present: None) -> str:
    values = {"name": f"全景{uuid4().hex[:10]}有限公司", "level": "B"}
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    key: str = admin.run(create, input=values)["createCustomer"]["id"]
    contact = {"customerId": key, "name": "李娜", "phones": ["13700001111"]}
    admin.run("mutation($input: CreateContactInput!) { createContact(input: $input) { id } }", input=contact)
    log_follow_up(admin, key, "看了车间")
    for kind, amount in (("ORDER", "1000.10"), ("ORDER", "0.20"), ("PAYMENT", "700"), ("REFUND", "50.05")):
        record(admin, key, kind, amount)
    eventually(lambda: picture(admin, key)["timeline"]["status"] == "OK")
    return key


@pytest.mark.feature("B8")
def test_one_query_joins_all_services_and_says_what_each_of_them_says(admin, customer):
    analyse(admin)
    found = picture(admin, customer)
    assert {name: section["source"] for name, section in found.items()} == OWNERS
    assert {section["status"] for section in found.values()} == {"OK"}
    assert found["profile"]["customer"]["level"] == "B"
    assert found["owner"]["user"]["name"]
    assert [contact["name"] for contact in found["contacts"]["nodes"]] == ["李娜"]
    assert [entry["kind"] for entry in found["timeline"]["nodes"]] == ["FOLLOW_UP_LOGGED", "CUSTOMER_CREATED"]

    owning = """query($id: ID!, $value: FilterValue!) {
      followUps(filter: { condition: { field: "customerId", operator: EQUAL, values: [$value] } }) {
        nodes { id content author { name } } }
      purchases(customer: $id) { nodes { kind amount { amount } } }
      purchaseInsight(customer: $id) { ...Insight }
      rfm(customer: $id) { code analysisDate } }"""
    own = admin.run(f"{owning} {INSIGHT}", id=customer, value=customer)
    assert found["followUps"]["nodes"] == own["followUps"]["nodes"]
    assert found["purchases"]["insight"] == own["purchaseInsight"]
    assert found["rfm"]["score"] == own["rfm"]
    sums = {"ORDER": Decimal(0), "PAYMENT": Decimal(0), "REFUND": Decimal(0)}
    for purchase in own["purchases"]["nodes"]:
        sums[purchase["kind"]] += Decimal(purchase["amount"]["amount"])
    insight = found["purchases"]["insight"]
    shown = [Decimal(insight[total]["amount"]) for total in ("ordered", "paid", "refunded")]
    assert shown == list(sums.values()) == [Decimal("1000.30"), Decimal(700), Decimal("50.05")]


@pytest.mark.feature("Z25")
def test_what_is_behind_says_so_and_by_how_much(suite, admin, customer):
    analyse(admin)
    before = picture(admin, customer)
    assert {name: section["confidence"] for name, section in before.items()} == dict.fromkeys(SECTIONS, "HIGH") | {
        "purchases": "MEDIUM",
        "rfm": "MEDIUM",
    }
    fresh = {"source": "leads", "missing": 0, "missingSince": None, "lagSeconds": 0.0}
    assert before["timeline"]["freshness"] == before["profile"]["freshness"] == fresh
    with without(suite, "customers-work"):
        logged = log_follow_up(admin, customer, "再去一次")
        time.sleep(0.1)
        behind = picture(admin, customer)
        assert behind["followUps"]["nodes"][0]["id"] == logged
        assert (behind["followUps"]["status"], behind["followUps"]["confidence"]) == ("OK", "HIGH")
        for name in ("timeline", "profile"):
            assert (behind[name]["status"], behind[name]["confidence"]) == ("STALE", "LOW")
            assert behind[name]["freshness"]["missing"] == 1
            assert behind[name]["freshness"]["lagSeconds"] > 0
            assert behind[name]["freshness"]["missingSince"] < behind[name]["asOf"]
        assert logged not in {entry["resource"] for entry in behind["timeline"]["nodes"]}
    record(admin, customer, "ORDER", "5")
    caught_up = eventually(lambda: (now := picture(admin, customer))["timeline"]["status"] == "OK" and now, timeout=30)
    assert logged in {entry["resource"] for entry in caught_up["timeline"]["nodes"]}
    assert caught_up["profile"]["status"] == "OK"
    # The totals have the new order; the score is still that of the analysis before it, and is not passed off as newer.
    assert caught_up["purchases"]["insight"]["orderCount"] == before["purchases"]["insight"]["orderCount"] + 1
    assert (caught_up["rfm"]["status"], caught_up["rfm"]["confidence"]) == ("STALE", "LOW")
    assert caught_up["rfm"]["asOf"] == before["rfm"]["asOf"] < caught_up["purchases"]["insight"]["lastRecordTime"]


@pytest.mark.feature("B8", "Z25")
@pytest.mark.parametrize("service", ["leads", "identity", "customers"])
def test_a_service_that_is_down_costs_only_its_own_sections(suite, admin, customer, service):
    down = {name for name, owner in OWNERS.items() if owner == service} | (
        {"owner"} if service == "customers" else set()
    )

    def answered() -> dict[str, Any] | None:
        """An answer that came in time and in which the other services have told theirs. One that took longer, or lacks
        more, may have met a busy machine."""
        began = time.monotonic()
        answer = admin.answer(document(), id=customer)
        sections = (answer.get("data") or {}).get("customer360") or {}
        missing = {name for name, section in sections.items() if section["status"] == "UNAVAILABLE"}
        return answer if missing == down and time.monotonic() - began < 1 else None

    with without(suite, f"{service}-serve"):
        for _ in range(3):
            answer = eventually(answered)
            found = answer["data"]["customer360"]
            assert {found[name]["source"] for name in down} == {service}
            assert all(found[name]["asOf"] is found[name]["confidence"] is None for name in down)
            assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAVAILABLE"}
            assert {error["path"][1] for error in answer["errors"]} >= down
            if service == "leads":
                unknown = {"source": "leads", "missing": None, "missingSince": None, "lagSeconds": None}
                assert found["timeline"]["freshness"] == unknown
                assert found["timeline"]["confidence"] == "MEDIUM"
                assert found["contacts"]["nodes"]
    eventually(lambda: "errors" not in admin.answer(document(), id=customer), timeout=30)
