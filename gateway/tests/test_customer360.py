"""The 360° answer: all sections at once, and what is left when a service is down."""

import asyncio
import time

import pytest

pytestmark = pytest.mark.anyio

CUSTOMER = "customers/00000000-0000-7000-8000-000000000001"
QUERY = """query Picture($id: ID!) { customer360(id: $id) {
  id
  profile { asOf customer { name owner { name } } }
  owner { user { name } department { name } }
  contacts { nodes { name } hasMore }
  timeline { nodes { kind summary } }
  followUps { nodes { content author { name } } }
  customFields { values { field { key label } value } }
} }"""


async def test_every_service_is_asked_once(suite):
    picture = (await suite.run(QUERY, {"id": CUSTOMER}))["customer360"]
    assert picture["profile"]["customer"]["name"] == "上海华诚1"
    assert picture["owner"] == {"user": {"name": "李伟"}, "department": {"name": "华东战区"}}
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


@pytest.mark.parametrize("service", ["leads", "identity", "customers"])
async def test_part_of_a_stopped_service_is_missing_and_the_rest_answers(suite, service):
    await suite.run(QUERY, {"id": CUSTOMER})
    await suite.servers[service].stop(0)
    started = time.perf_counter()
    answer = (await suite.post(QUERY, {"id": CUSTOMER})).json()
    assert time.perf_counter() - started < 1
    picture = answer["data"]["customer360"]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAVAILABLE"}
    assert {error["extensions"]["service"] for error in answer["errors"]} == {service}
    missing = {"leads": {"followUps"}, "identity": {"owner"}}.get(
        service, {"profile", "owner", "contacts", "timeline", "customFields"}
    )
    assert {name for name, section in picture.items() if section is None} == missing


async def test_service_that_hangs_counts_as_down(suite):
    suite.world.hanging["ListFollowUps"] = asyncio.Event()
    started = time.perf_counter()
    answer = (await suite.post(QUERY, {"id": CUSTOMER})).json()
    assert time.perf_counter() - started < 1.2
    suite.world.hanging["ListFollowUps"].set()
    assert answer["data"]["customer360"]["followUps"] is None
    assert [error["extensions"]["reason"] for error in answer["errors"]] == ["SERVICE_UNAVAILABLE"]


async def test_unknown_customer_shows_nothing_at_all(suite):
    answer = (await suite.post(QUERY, {"id": "customers/none"})).json()
    assert answer["data"] == {"customer360": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]
