"""The 360° answer: all sections at once, and what is left when a service is down."""

import asyncio
import time

import pytest
from gateway.operations import customer360
from world import make_follow_up, uuid

pytestmark = pytest.mark.anyio

CUSTOMER = "customers/00000000-0000-7000-8000-000000000001"
QUERY = """query Picture($id: ID!) { customer360(id: $id) {
  id
  profile { source status asOf confidence freshness { missing } customer { name owner { name } } }
  owner { source status user { name } department { name } }
  contacts { source status nodes { name } hasMore }
  timeline { source status nodes { kind summary } }
  followUps { source status asOf confidence nodes { content author { name } } }
  customFields { source status values { field { key label } value } }
} }"""
FRESHNESS = """query($id: ID!) { customer360(id: $id) {
  profile { status confidence freshness { source missing missingSince lagSeconds } customer { lastFollowUpTime } }
  timeline { status confidence asOf freshness { source missing missingSince lagSeconds } } } }"""


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """What answers does so in time, however busy the machine is."""
    monkeypatch.setattr(customer360, "ANSWER_SECONDS", 15)


async def test_every_service_is_asked_once(suite):
    picture = (await suite.run(QUERY, {"id": CUSTOMER}))["customer360"]
    assert picture["profile"]["customer"]["name"] == "上海华诚1"
    assert {section["status"] for name, section in picture.items() if name != "id"} == {"OK"}
    assert picture["profile"]["confidence"] == "HIGH"
    assert picture["profile"]["freshness"] is None
    assert picture["followUps"]["source"] == "leads"
    assert picture["owner"]["user"] == {"name": "李伟"}
    assert picture["owner"]["department"] == {"name": "华东战区"}
    assert picture["customFields"]["values"] == [{"field": {"key": "region", "label": "大区"}, "value": "华东"}]
    assert picture["followUps"]["nodes"][0]["content"] == "谈价格"
    assert picture["contacts"]["nodes"] == [{"name": "王芳"}]
    assert picture["timeline"]["nodes"] == [{"kind": "FOLLOW_UP_LOGGED", "summary": "电话"}]
    assert set(suite.world.calls) == {"GetCustomerOverview", "ListFollowUps", "BatchGetUsers", "BatchGetDepartments"}
    assert suite.world.calls["GetCustomerOverview"] == suite.world.calls["ListFollowUps"] == 1


async def test_only_what_is_asked_for_is_fetched(suite):
    await suite.run(
        "query($id: ID!) { customer360(id: $id) { ...F } } fragment F on Customer360 { profile { asOf } }",
        {"id": CUSTOMER},
    )
    assert suite.world.calls == {"GetCustomerOverview": 1}


async def test_what_belongs_to_a_section_is_fetched_only_if_it_is_asked_for(suite):
    picture = "query($id: ID!) { customer360(id: $id) { owner { user { name } } customFields { asOf ... { %s } } } }"
    for selection, read in (("status", False), ("values { value }", True)):
        await suite.run(picture % selection, {"id": CUSTOMER})
        [request] = [one for one in suite.world.requests if hasattr(one, "timeline_page_size")]
        assert request.custom_fields is read
        assert (request.contact_page_size, request.timeline_page_size, request.purchases) == (0, 0, False)
        assert suite.world.calls["BatchGetDepartments"] == 0
        suite.world.requests.clear()


@pytest.mark.parametrize("service", ["leads", "identity", "customers"])
async def test_part_of_a_stopped_service_is_missing_and_the_rest_answers(suite, service):
    await suite.run(QUERY, {"id": CUSTOMER})
    await suite.servers[service].stop(0)
    answer = (await suite.post(QUERY, {"id": CUSTOMER})).json()
    picture = answer["data"]["customer360"]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAVAILABLE"}
    assert {error["extensions"]["service"] for error in answer["errors"]} == {service}
    missing = {"leads": {"followUps"}, "identity": {"owner"}}.get(
        service, {"profile", "owner", "contacts", "timeline", "customFields"}
    )
    sections = {name: section for name, section in picture.items() if name != "id"}
    assert {name for name, section in sections.items() if section["status"] == "UNAVAILABLE"} == missing
    assert {tuple(error["path"]) for error in answer["errors"] if len(error["path"]) == 2} == {
        ("customer360", name) for name in missing
    }
    for name in missing:
        assert sections[name]["source"] == service
        assert all(sections[name].get(values) is None for values in ("nodes", "values", "customer", "user", "asOf"))


async def test_what_came_by_events_is_compared_with_the_service_that_sent_them(suite):
    def logged(number, seconds):
        found = make_follow_up(number)
        found.occur_time.FromSeconds(seconds)
        found.create_time.FromSeconds(seconds)
        return found

    suite.world.follow_ups = [logged(1, 1000), logged(2, 2000)]
    suite.world.read_time = 2030
    suite.world.timeline = ["followUps/" + uuid(1)]
    suite.world.customers[CUSTOMER].last_follow_up_time.FromSeconds(1000)
    behind = (await suite.run(FRESHNESS, {"id": CUSTOMER}))["customer360"]
    lag = {"source": "leads", "missing": 1, "missingSince": "1970-01-01T00:33:20Z", "lagSeconds": 30.0}
    for section in (behind["timeline"], behind["profile"]):
        assert (section["status"], section["confidence"], section["freshness"]) == ("STALE", "LOW", lag)
    assert behind["timeline"]["asOf"] == "1970-01-01T00:33:50Z"

    suite.world.timeline.append("followUps/" + uuid(2))
    suite.world.customers[CUSTOMER].last_follow_up_time.FromSeconds(2000)
    complete = (await suite.run(FRESHNESS, {"id": CUSTOMER}))["customer360"]
    none = {"source": "leads", "missing": 0, "missingSince": None, "lagSeconds": 0.0}
    for section in (complete["timeline"], complete["profile"]):
        assert (section["status"], section["confidence"], section["freshness"]) == ("OK", "HIGH", none)


async def test_how_fresh_a_copy_is_is_not_known_without_its_source(suite):
    await suite.servers["leads"].stop(0)
    timeline = (await suite.run(FRESHNESS, {"id": CUSTOMER}))["customer360"]["timeline"]
    assert (timeline["status"], timeline["confidence"]) == ("OK", "MEDIUM")
    assert timeline["freshness"] == {"source": "leads", "missing": None, "missingSince": None, "lagSeconds": None}


async def test_service_that_hangs_counts_as_down(suite, monkeypatch):
    monkeypatch.setattr(customer360, "ANSWER_SECONDS", 3)
    suite.world.hanging["ListFollowUps"] = asyncio.Event()
    started = time.perf_counter()
    answer = (await suite.post(QUERY, {"id": CUSTOMER})).json()
    assert time.perf_counter() - started < 12, "an operation may take 20 s"
    suite.world.hanging["ListFollowUps"].set()
    assert answer["data"]["customer360"]["followUps"]["status"] == "UNAVAILABLE"
    assert [error["extensions"]["reason"] for error in answer["errors"]] == ["SERVICE_UNAVAILABLE"]


async def test_other_fields_of_the_operation_keep_their_time(suite, monkeypatch):
    monkeypatch.setattr(customer360, "ANSWER_SECONDS", 0.8)
    suite.world.hanging["ListFollowUps"] = asyncio.Event()
    both = "query($id: ID!) { customer360(id: $id) { followUps { status } } followUps { nodes { content } } }"
    asked = asyncio.create_task(suite.post(both, {"id": CUSTOMER}))
    await suite.world.reached("ListFollowUps", 2)
    await asyncio.sleep(1.2)
    suite.world.hanging["ListFollowUps"].set()
    data = (await asked).json()["data"]
    assert data["customer360"]["followUps"]["status"] == "UNAVAILABLE"
    assert {one["content"] for one in data["followUps"]["nodes"]} == {"谈价格"}


async def test_unknown_customer_shows_nothing_at_all(suite):
    answer = (await suite.post(QUERY, {"id": "customers/none"})).json()
    assert answer["data"] == {"customer360": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]
