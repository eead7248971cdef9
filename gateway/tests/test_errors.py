"""What clients are told when something is wrong."""

import pytest
from chassis.errors import Invalid
from crm.common.v1 import job_pb2
from gateway.errors import public_path
from gateway.locales import locale_of, translate

pytestmark = pytest.mark.anyio

CREATE = 'mutation { createCustomer(input: {name: "x"}) { id } }'
ME = "{ me { name } }"
MERGE = "请指明保留的一项，以及 1 到 10 个与之不同的被合并项"
SUBJECT = "对象不正确，请指定线索或客户：leads/… 或 customers/…"
TRANSFER = "您没有权限执行此操作，需要 customer.transfer"


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
    chinese = "电话号码不正确：固定电话请加区号，国外号码请加国家代码"
    traditional = "電話號碼不正確：市話請加區碼，國外號碼請加國碼"
    assert messages == [chinese, traditional, "this is no phone number", chinese]


async def test_words_for_a_reason_within_an_answer_are_in_the_language_of_the_client(suite):
    error = job_pb2.RowError(row=2, field="level", reason="INVALID_LEVEL", message="there is no level 'Z'")
    suite.world.jobs = [
        job_pb2.ImportJob(
            name="importJobs/00000000-0000-7000-8000-000000000001",
            first_errors=[error],
            failure_reason="TOO_MANY",
            failure_message="at most 20 fit",
        )
    ]
    query = """{ importJob(id: "importJobs/00000000-0000-7000-8000-000000000001") {
      failureMessage firstErrors { message } } }"""
    told = [(await suite.run(query, accept_language=language))["importJob"] for language in ("zh-CN", "en")]
    error.message = ""
    suite.world.jobs[0].first_errors[0].CopyFrom(error)
    kept = (await suite.run(query, accept_language="zh-CN"))["importJob"]["firstErrors"]
    assert kept == [{"message": "没有这个客户级别，请使用已定义的级别代码"}]
    assert told == [
        {
            "failureMessage": "数量过多，最多 20 个",
            "firstErrors": [{"message": "没有这个客户级别，请使用已定义的级别代码"}],
        },
        {"failureMessage": "at most 20 fit", "firstErrors": [{"message": "there is no level 'Z'"}]},
    ]


@pytest.mark.parametrize(
    ("reason", "english", "chinese"),
    [
        ("UNKNOWN_FIELD", "the column '备注' goes to no field called 'nope'", "没有字段 nope"),
        ("UNKNOWN_FIELD", "there is no such field", "没有这个字段，请检查字段名"),
        ("OUT_OF_RANGE", "it must be from 1 to 3,650", "数值超出允许范围：须在 1 到 3,650 之间"),
        ("OUT_OF_RANGE", "年用量: give at most 1000.5", "数值过大：最多为 1000.5"),
        ("OUT_OF_RANGE", "give at least -3", "数值过小：至少为 -3"),
        ("TOO_LONG", "at most 200 characters fit, not 500", "内容过长，最多 200 个字符"),
        ("TOO_MANY_NAMES", "name from 1 to 100 customers", "一次须列出 1 到 100 条记录"),
        ("INVALID_VALUE", "status is one of POTENTIAL, WON", "值不正确，可选：POTENTIAL, WON"),
        ("INVALID_VALUE", "'x' is no time such as 2026-01-31T08:00:00Z", "值不正确，正确写法如 2026-01-31T08:00:00Z"),
        ("INVALID_VALUE", "name each value", "值不正确"),
        ("INVALID_MERGE", "name the customer that stays and from 1 to 10 others, each once", MERGE),
        ("INVALID_SUBJECT", "name a lead or a customer: leads/… or customers/…", SUBJECT),
        ("INVALID_TIME", "a time of day is written as 08:30", "时间不正确，正确写法如 08:30"),
        (
            "UNKNOWN_CHILDREN",
            "the records below are contacts, orders",
            "没有这类下级记录可供汇总，可选：contacts, orders",
        ),
        ("PERMISSION_DENIED", "to give customers to others needs the permission customer.transfer", TRANSFER),
        ("PERMISSION_DENIED", "only those who may transfer name an owner", "您没有权限执行此操作"),
    ],
)
async def test_what_details_do_not_tell_is_read_off_the_english_message(reason, english, chinese):
    assert translate("zh-CN", reason, english, {}) == chinese


async def test_english_messages_call_fields_as_the_schema_does(suite):
    wrong = Invalid("INVALID_REQUEST_ID", "request_id must be a UUID", field="request_id")
    suite.world.raising["CreateCustomer"] = wrong
    refused = (await suite.post(CREATE, accept_language="en")).json()["errors"][0]
    assert refused["message"] == "requestId must be a UUID"
    assert refused["extensions"]["fieldViolations"][0]["message"] == "requestId must be a UUID"
    suite.world.raising["CreateCustomer"] = Invalid(
        "INVALID_NAME", "name must look like customers/{uuid}, not 'name'", field="name"
    )
    refused = (await suite.post(CREATE, accept_language="en")).json()["errors"][0]
    assert refused["message"] == "id must look like customers/{uuid}, not 'name'"


async def test_field_that_a_client_made_up_is_called_as_it_was(suite):
    for key in ("a(b", "a_(b", r"a_\1"):
        suite.world.raising["CreateCustomer"] = Invalid(
            "UNKNOWN_FIELD", f"no field {key}", field=f"custom_fields.{key}"
        )
        refused = (await suite.post(CREATE, accept_language="en")).json()["errors"][0]
        assert (refused["message"], refused["extensions"]["field"]) == (f"no field {key}", f"customFields.{key}")


async def test_value_that_does_not_fit_its_type_is_named(suite):
    query = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    answer = await suite.post(query, {"input": {"name": "x", "status": "WHAT"}}, accept_language="zh-CN")
    [error] = answer.json()["errors"]
    assert error["extensions"]["field"] == "status"
    assert error["message"].startswith("请求与接口定义不符：")
    assert "CustomerStatus" in error["message"]


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
        ("names", "ids"),
        ("participants[2]", "participantIds[2]"),
        ("page_token", "after"),
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
