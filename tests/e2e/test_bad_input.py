"""Whatever is wrong with a request is said with a stable reason, and nothing changes."""

import base64
import io
from uuid import uuid4

import pytest
from local_suite.graphql import GraphQLClient, GraphQLError
from local_suite.organisations import Organisation
from local_suite.testing import Suite
from openpyxl import Workbook

LIST = "query($filter: FilterInput, $after: String, $first: Int! = 10) { customers(filter: $filter, after: $after, first: $first) { nodes { id } } }"  # noqa: E501
IMPORT = "mutation($file: Upload!) { importCustomers(file: $file) { id } }"


def reason(client: GraphQLClient, document: str, **variables: object) -> tuple[str, str]:
    answer = client.answer(document, **variables)
    [error] = answer["errors"]
    return error["extensions"]["code"], error["extensions"]["reason"]


def count(client: GraphQLClient) -> int:
    return client.run("{ customers(first: 1) { totalCount } }")["customers"]["totalCount"]


@pytest.fixture(scope="module")
def importer(suite: Suite, anyone: GraphQLClient) -> GraphQLClient:
    """Somebody who imports, and sees no customers but what came of that."""
    organisation = Organisation(anyone.sign_in("admin", suite.admin_password))
    role = organisation.role("SELF", "customer.read", "customer.create", "customer.import")
    return organisation.user(organisation.department("导入"), role)[1]


def test_an_unknown_filter_field_is_named(admin):
    condition = {"condition": {"field": "shoeSize", "operator": "EQUAL", "values": ["42"]}}
    answer = admin.answer(LIST, filter=condition)
    [error] = answer["errors"]
    assert error["extensions"]["reason"] == "UNKNOWN_FIELD"
    assert "shoe" in error["message"].lower().replace("_", "")


@pytest.mark.parametrize("token", ["nonsense", base64.b64encode(b'{"a":1}').decode(), "💥"])
def test_a_malformed_page_token_is_refused(admin, token):
    assert reason(admin, LIST, after=token) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize("first", [-1, 201, 500])
def test_a_page_size_out_of_range_is_refused(admin, first):
    assert reason(admin, LIST, first=first) == ("INVALID_ARGUMENT", "PAGE_SIZE_OUT_OF_RANGE")


def test_a_query_of_ten_megabytes_is_refused(admin):
    answer = admin.http.post("/graphql", json={"query": "{ me { id } }" + " " * 10_000_000})
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["extensions"]["reason"] == "BODY_TOO_LARGE"


def test_a_deep_query_is_refused(admin):
    query = "{ me " + "{ department { head " * 25 + "{ id }" + " } }" * 25 + " }"
    assert reason(admin, query)[1] == "QUERY_TOO_DEEP"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"\xff\xff\xfe name\n\x81", "UNREADABLE_ENCODING"),
        ("a.csv", "电话,邮箱\n1,2\n".encode(), "MISSING_COLUMN"),
        ("a.csv", b"", "EMPTY_FILE"),
        ("a.pdf", b"%PDF-1.7", "UNSUPPORTED_FORMAT"),
        ("a.xlsx", b"not a zip", "UNREADABLE_FILE"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(importer, name, content, expected):
    assert import_reason(importer, name, content) == expected
    assert count(importer) == 0


def test_formulas_in_a_workbook_are_refused(importer):
    workbook = Workbook()
    workbook.active.append(["客户名称", "备注"])
    workbook.active.append([f"公式{uuid4().hex}公司", "=1+1"])
    data = io.BytesIO()
    workbook.save(data)
    assert import_reason(importer, "a.xlsx", data.getvalue()) == "UNSUPPORTED_FORMULA"
    assert count(importer) == 0


def import_reason(client: GraphQLClient, name: str, content: bytes) -> str:
    """Why a file was refused: at once, or once it was looked into."""
    try:
        job = client.upload(IMPORT, "variables.file", (name, content), file=None)["importCustomers"]["id"]
    except GraphQLError as error:
        return error.reasons[0]
    document = (
        "subscription($id: ID!) { importProgress(id: $id) { state failureReason failedRows firstErrors { reason } } }"
    )
    with client.subscribe(document, id=job) as progress:
        *_, last = (item["importProgress"] for item in progress)
    if last["state"] == "FAILED":
        return last["failureReason"]
    return last["firstErrors"][0]["reason"]


def test_a_wrong_id_is_told_apart_from_a_missing_record(admin):
    query = "query($id: ID!) { customer(id: $id) { id } }"
    assert reason(admin, query, id="customers/42") == ("INVALID_ARGUMENT", "INVALID_NAME")
    assert reason(admin, query, id=f"customers/{uuid4()}")[0] == "NOT_FOUND"


def test_messages_come_in_the_language_of_the_caller(admin):
    query = "query($id: ID!) { customer(id: $id) { id } }"
    body = {"query": query, "variables": {"id": f"customers/{uuid4()}"}}
    messages = {}
    for language in ("zh-CN", "zh-TW", "en"):
        answer = admin.http.post("/graphql", json=body, headers={"accept-language": language}).json()
        messages[language] = answer["errors"][0]["message"]
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert len(set(messages.values())) == 3
