"""What clients are told when something is wrong."""

import pytest
from gateway.errors import public_path
from gateway.locales import locale_of

pytestmark = pytest.mark.anyio

CREATE = 'mutation { createCustomer(input: {name: "x"}) { id } }'
ME = "{ me { name } }"


async def test_failure_of_a_service_keeps_its_code_reason_and_fields(suite):
    answer = (await suite.post(CREATE)).json()
    [error] = answer["errors"]
    assert answer["data"] == {"createCustomer": None}
    assert error["message"] == "this is no phone number"
    assert error["path"] == ["createCustomer"]
    assert error["extensions"] == {
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_PHONE",
        "field": "customer.name",
        "fieldViolations": [
            {"field": "customer.name", "reason": "INVALID_PHONE", "message": "this is no phone number"}
        ],
        "service": "customers",
    }


async def test_messages_are_in_the_language_of_the_client(suite):
    messages = [
        (await suite.post(CREATE, accept_language=language)).json()["errors"][0]["message"]
        for language in ("zh-CN,zh;q=0.9", "zh-Hant-TW", "en-GB,en;q=0.8,zh;q=0.1", "fr")
    ]
    assert messages == ["电话号码不正确", "電話號碼不正確", "this is no phone number", "电话号码不正确"]


async def test_caller_without_token_is_refused_by_the_service(suite):
    refused = await suite.refused(ME, token="")
    assert (refused["code"], refused["reason"]) == ("UNAUTHENTICATED", "INVALID_TOKEN")


async def test_defect_of_a_service_shows_an_id_and_nothing_else(suite):
    suite.world.raising["GetMe"] = RuntimeError("SELECT secret FROM users")
    response = await suite.post(ME)
    assert "secret" not in response.text
    extensions = response.json()["errors"][0]["extensions"]
    assert (extensions["code"], extensions["reason"]) == ("INTERNAL", "INTERNAL")
    assert extensions["error_id"]


async def test_defect_of_the_gateway_shows_an_id_and_nothing_else(suite, monkeypatch):
    monkeypatch.setattr(suite.gateway.services, "auth", None)
    response = await suite.post(ME)
    extensions = response.json()["errors"][0]["extensions"]
    assert "NoneType" not in response.text
    assert (extensions["code"], bool(extensions["error_id"])) == ("INTERNAL", True)


async def test_request_that_is_no_graphql_is_said_to_be_none(suite):
    for query in ("{ me {", "{ nothing }", "query($x: Int!) { customers(first: $x) { nodes { id } } }"):
        refused = await suite.refused(query)
        assert (refused["code"], refused["reason"]) == ("INVALID_ARGUMENT", "INVALID_GRAPHQL")
    assert not suite.world.calls


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("customer.display_name", "customer.name"),
        ("name", "id"),
        ("customer.owner", "customer.ownerId"),
        ("custom_fields.my_key", "customFields.my_key"),
        ("customer.custom_fields.my_key", "customer.customFields.my_key"),
        ("filter.all.filters.values", "filter.all.filters.values"),
    ],
)
async def test_fields_are_named_as_in_the_schema(given, shown):
    assert public_path(given) == shown


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("", "zh-CN"),
        ("en", "en"),
        ("zh-HK", "zh-TW"),
        ("zh", "zh-CN"),
        ("de, en;q=0.5, zh-TW;q=0.9", "zh-TW"),
        (";;q=x", "zh-CN"),
    ],
)
async def test_language_is_the_one_liked_best(header, locale):
    assert locale_of(header) == locale
