"""What clients change: inputs become messages, files become streams, the clock moves everywhere alike."""

import csv
import io
import json

import pytest
from world import REFUSED_ROWS

pytestmark = pytest.mark.anyio

CUSTOMER = "customers/00000000-0000-7000-8000-000000000001"
IMPORT = """mutation($file: Upload!, $input: ImportCustomersInput) {
  importCustomers(file: $file, input: $input) { id state mode fileName } }"""


async def test_sign_in_answers_with_tokens(suite):
    login = "mutation($input: LoginInput!) { login(input: $input) { accessToken refreshToken expireTime } }"
    values = {"username": "li.wei", "password": "right-password"}
    pair = (await suite.run(login, {"input": values}, token=""))["login"]
    assert pair == {"accessToken": "good", "refreshToken": "again", "expireTime": None}
    refused = await suite.refused(login, {"input": {**values, "password": "wrong"}}, token="")
    assert (refused["code"], refused["reason"]) == ("UNAUTHENTICATED", "BAD_CREDENTIALS")


async def test_created_record_holds_what_was_given(suite):
    await suite.run(
        "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { name } }",
        {
            "input": {
                "name": "华诚",
                "kind": "PERSON",
                "ownerId": "users/1",
                "phones": ["021-1"],
                "address": {"city": "上海"},
                "customFields": {"region": "华东"},
                "requestId": "r",
            }
        },
    )
    [request] = suite.world.requests
    assert request.request_id == "r"
    assert (request.customer.display_name, request.customer.owner, request.customer.kind) == ("华诚", "users/1", 2)
    assert request.customer.address.city == "上海"
    assert dict(request.customer.custom_fields) == {"region": "华东"}


async def test_update_changes_what_was_given_and_clears_what_is_null(suite):
    await suite.run(
        "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { id } }",
        {
            "input": {
                "id": CUSTOMER,
                "etag": "7",
                "level": "A",
                "remark": None,
                "customFields": {"region": None, "x": 1},
            }
        },
    )
    [request] = suite.world.requests
    assert (request.customer.name, request.customer.etag, request.customer.level) == (CUSTOMER, "7", "A")
    assert sorted(request.update_mask.paths) == ["custom_fields.region", "custom_fields.x", "level", "remark"]


async def test_no_custom_field_given_changes_none(suite):
    await suite.run(
        "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { id } }",
        {"input": {"id": CUSTOMER, "customFields": {}}},
    )
    assert list(suite.world.requests[0].update_mask.paths) == []


async def test_nested_inputs_become_messages(suite):
    grants = [{"permission": "customer.read", "scope": "CUSTOM", "departmentIds": ["departments/1"]}]
    data = await suite.run(
        """mutation($input: CreateRoleInput!) {
            createRole(input: $input) { grants { permission scope departmentIds } } }""",
        {"input": {"name": "主管", "grants": grants}},
    )
    assert data["createRole"]["grants"] == grants


async def test_deleting_answers_with_the_id(suite):
    data = await suite.run('mutation($id: ID!) { deleteCustomer(input: {id: $id, etag: "1"}) }', {"id": CUSTOMER})
    assert data == {"deleteCustomer": CUSTOMER}
    assert suite.world.requests[0].etag == "1"


async def upload(suite, content, *, headers=None, operations=None, places=None):
    operations = operations or {"query": IMPORT, "variables": {"file": None, "input": {"mode": "ADD_OR_UPDATE"}}}
    return await suite.http.post(
        "/graphql",
        data={"operations": json.dumps(operations), "map": json.dumps(places or {"0": ["variables.file"]})},
        files={"0": ("客户.csv", content)},
        headers={"authorization": "Bearer good", "graphql-require-preflight": "1"} if headers is None else headers,
    )


async def test_file_is_streamed_to_the_service(suite):
    content = b"x" * (3 * 1024 * 1024 + 17)
    response = await upload(suite, content)
    assert response.json()["data"]["importCustomers"] == {
        "id": "importJobs/00000000-0000-7000-8000-000000000001",
        "state": "QUEUED",
        "mode": "ADD_OR_UPDATE",
        "fileName": "客户.csv",
    }
    assert suite.world.uploaded == content


async def test_form_of_another_site_is_refused(suite):
    response = await upload(suite, b"x", headers={"authorization": "Bearer good"})
    assert response.status_code == 403
    assert response.json()["errors"][0]["extensions"]["reason"] == "PREFLIGHT_REQUIRED"
    assert not suite.world.calls


@pytest.mark.parametrize("places", [{"0": ["variables.input"]}, {"1": ["variables.file"]}, {"0": ["nowhere.file"]}, []])
async def test_file_needs_its_place(suite, places):
    response = await upload(suite, b"x", places=places or ["x"])
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["reason"] == "BAD_REQUEST"


async def test_file_must_be_a_file(suite):
    refused = await suite.refused(IMPORT, {"file": "text"})
    assert refused["code"] == "INVALID_ARGUMENT"


async def test_clock_moves_to_the_same_time_everywhere(suite):
    move = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
    moved = await suite.run(move, {"input": {"advanceSeconds": 86400}})
    assert moved["moveTestClock"]["now"] == "2026-01-02T00:00:00Z"
    times = {
        request.set_time.ToJsonString()
        for request in suite.world.requests
        if request.DESCRIPTOR.name == "MoveTestClockRequest"
    }
    assert times == {"2026-01-02T00:00:00Z"}
    assert suite.world.calls["GetTestClock"] == 1
    refused = await suite.refused(move, {"input": {"advanceSeconds": -1}})
    assert refused["reason"] == "INVALID_VALUE"


async def test_what_is_wrong_with_refused_rows_is_told_in_the_language_of_the_caller(suite):
    path = "/files/importErrors/00000000-0000-7000-8000-000000000001"
    response = await suite.http.get(path, headers={"authorization": "Bearer good"})
    heading, first, second, third = csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline=""))
    assert heading == ["row", "field", "reason", "message", "客户名称"]
    assert first[:3] == ["2", "level; phones", "INVALID_LEVEL; INVALID_PHONE"]
    assert first[3:] == ["没有级别 Z，可选：A, B\n电话号码不正确：固定电话请加区号，国外号码请加国家代码", "甲,\r\n乙"]
    assert second == ["3", "remark", "NEWER_THAN_THE_GATEWAY", "no text is known", "丙"]
    assert third == ["4", "level", "INVALID_LEVEL", "there is no level 'a\nb'", "丁"]


async def test_files_are_downloaded_with_the_token(suite):
    path = "/files/importErrors/00000000-0000-7000-8000-000000000001"
    english = {"authorization": "Bearer good", "accept-language": "en"}
    response = await suite.http.get(path, headers=english)
    assert response.content == REFUSED_ROWS
    assert response.headers["content-type"].startswith("text/csv")
    assert "filename*=UTF-8''%E9%94%99" in response.headers["content-disposition"]
    assert (await suite.http.get(path)).status_code == 401
    absent = await suite.http.get("/files/importErrors/none", headers={"authorization": "Bearer good"})
    assert (absent.status_code, absent.json()["reason"]) == (404, "IMPORT_JOB_NOT_FOUND")
