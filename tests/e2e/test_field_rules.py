"""Fields that a role hides or masks, looked for in every way that GraphQL and files offer."""

import csv
import io
from uuid import uuid4

import grpc
import pytest
from chassis.entities import entity_of, restrictable
from chassis.testing import eventually
from crm.common.v1 import filter_pb2
from google.protobuf.descriptor import Descriptor
from local_suite.graphql import GraphQLClient, GraphQLError
from local_suite.methods import Method, all_methods, call, put, references

FIELDS = "id phones emails remark level lastFollowUpTime customFields hiddenFields"
ONE = f"query($id: ID!) {{ customer(id: $id) {{ {FIELDS} }} }}"
MANY = f"""query($filter: FilterInput, $search: String, $orderBy: [OrderByInput!]) {{
  customers(first: 10, filter: $filter, search: $search, orderBy: $orderBy) {{ nodes {{ {FIELDS} }} }} }}"""
COUNT = """query($filter: FilterInput, $search: String) {
  customers(first: 1, filter: $filter, search: $search) { totalCount } }"""
PICTURE = f"""query($id: ID!) {{ customer360(id: $id) {{
  profile {{ customer {{ {FIELDS} }} }} contacts {{ nodes {{ name phones wechat }} }}
  followUps {{ nodes {{ content method }} }} timeline {{ nodes {{ kind summary }} }} }} }}"""
UPDATE = "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { id phones industry } }"
EXPORT = "mutation($input: ExportCustomersInput!) { exportCustomers(input: $input) { id } }"
PERMISSIONS = ("customer.read", "customer.update", "customer.export", "contact.read", "follow_up.read")


@pytest.fixture
def amount(admin: GraphQLClient) -> str:
    """The key of a field of the company's own that holds a sum."""
    key = f"amount_{uuid4().hex[:8]}"
    document = "mutation($input: CreateCustomFieldInput!) { createCustomField(input: $input) { id } }"
    admin.run(document, input={"entity": "customer", "key": key, "label": f"金额{key}", "type": "NUMBER"})
    return key


@pytest.fixture
def customer(admin: GraphQLClient, amount: str) -> dict:
    """A customer with a contact and a follow-up, and what may not be seen of it."""
    mark = uuid4().hex[:6]
    document = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id name } }"
    values = {
        "name": f"苏州密{mark}光电有限公司",
        "phones": ["138 1234 1234"],
        "emails": [f"boss@{mark}.example"],
        "remark": f"底价{mark}",
        "level": "B",
        "customFields": {amount: 987654.5},
    }
    made = admin.run(document, input=values)["createCustomer"]
    contact = "mutation($input: CreateContactInput!) { createContact(input: $input) { id } }"
    admin.run(
        contact, input={"customerId": made["id"], "name": "王芳", "phones": ["13912345678"], "wechat": f"wx{mark}"}
    )
    follow_up = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
    content = f"客户愿出价{mark}"
    admin.run(follow_up, input={"customerId": made["id"], "method": "CALL", "content": content})
    secrets = [
        "+8613812341234",
        "+8613912345678",
        values["emails"][0],
        values["remark"],
        f"wx{mark}",
        content,
        "987654",
    ]
    return {**made, "mark": mark, "secrets": secrets}


@pytest.mark.feature("A4")
def test_what_a_role_keeps_is_in_no_answer_and_no_file(admin, organisation, amount, customer):
    role = organisation.role("ALL", *PERMISSIONS)
    _, reader = organisation.user(organisation.department("限"), role)
    assert reader.run(ONE, id=customer["id"])["customer"]["phones"] == ["+8613812341234"]
    restrict(admin, role, amount)
    eventually(lambda: reader.run(ONE, id=customer["id"])["customer"]["phones"] == ["138****1234"])
    # Each service hears of the rules by itself.
    said = "query($id: ID!) { followUps(customer: $id) { nodes { content } } }"
    eventually(lambda: reader.run(said, id=customer["id"])["followUps"]["nodes"] == [{"content": None}])
    answers_conceal(admin, reader, amount, customer)
    questions_are_refused(reader, amount, customer)
    searches_find_nothing_by_what_is_kept(admin, reader, customer)
    changes_are_refused(admin, reader, customer)
    files_conceal(reader, amount, customer)


def restrict(admin: GraphQLClient, role: str, amount: str) -> None:
    rules = [
        ("customer", "phones", "MASK"),
        ("customer", "emails", "MASK"),
        ("customer", "remark", "HIDE"),
        ("customer", "level", "HIDE"),
        ("customer", "last_follow_up_time", "HIDE"),
        ("customer", f"custom.{amount}", "HIDE"),
        ("contact", "phones", "MASK"),
        ("contact", "wechat", "HIDE"),
        ("follow_up", "content", "HIDE"),
    ]
    document = "mutation($input: UpdateRoleInput!) { updateRole(input: $input) { fieldRules { field effect } } }"
    given = [{"entity": entity, "field": field, "effect": effect} for entity, field, effect in rules]
    kept = admin.run(document, input={"id": role, "fieldRules": given})["updateRole"]["fieldRules"]
    assert [(rule["field"], rule["effect"]) for rule in kept] == [(field, effect) for _, field, effect in rules]


def answers_conceal(admin: GraphQLClient, reader: GraphQLClient, amount: str, customer: dict) -> None:
    eventually(lambda: "FOLLOW_UP_LOGGED" in str(whole(admin, customer)))
    one = reader.run(ONE, id=customer["id"])["customer"]
    listed = reader.run(MANY, search=f"苏州密{customer['mark']}")["customers"]["nodes"]
    picture = whole(reader, customer)
    for found in (one, listed[0], picture["profile"]["customer"]):
        assert found["phones"] == ["138****1234"]
        assert found["emails"] == [f"b***@{customer['mark']}.example"]
        assert (found["remark"], found["level"], found["lastFollowUpTime"]) == (None, None, None)
        assert amount not in (found["customFields"] or {})
        assert {"remark", "level", "lastFollowUpTime", f"custom.{amount}"} == set(found["hiddenFields"])
    assert picture["contacts"]["nodes"] == [{"name": "王芳", "phones": ["139****5678"], "wechat": None}]
    assert picture["followUps"]["nodes"] == [{"content": None, "method": "CALL"}]
    for answer in (one, listed, picture):
        assert [secret for secret in customer["secrets"] if secret in str(answer)] == []
    assert all(secret in str(whole(admin, customer)) for secret in customer["secrets"])


def whole(client: GraphQLClient, customer: dict) -> dict:
    """The whole picture, once all services were there in time to tell it."""
    answer = eventually(lambda: (told := client.answer(PICTURE, id=customer["id"])) and "errors" not in told and told)
    return answer["data"]["customer360"]


def questions_are_refused(reader: GraphQLClient, amount: str, customer: dict) -> None:
    conditions = [
        {"field": "phones", "operator": "CONTAINS", "values": ["+8613812341234"]},
        {"field": "emails", "operator": "IS_NOT_EMPTY"},
        {"field": "remark", "operator": "STARTS_WITH", "values": ["底"]},
        {"field": "level", "operator": "EQUAL", "values": ["B"]},
        {"field": f"custom.{amount}", "operator": "GREATER", "values": [1]},
    ]
    for condition in conditions:
        name = condition["field"]
        for given in ({"condition": condition}, {"not": {"any": [{"condition": condition}]}}):
            for document in (MANY, COUNT):  # a page and its count are asked for apart
                assert set(refusals(reader, document, filter=given)) == {("FIELD_NOT_READABLE", name)}
            assert refusals(reader, EXPORT, input={"filter": given}) == [("FIELD_NOT_READABLE", name)]
    for field, name in (("lastFollowUpTime", "last_follow_up_time"), (f"custom.{amount}", f"custom.{amount}")):
        assert refusals(reader, MANY, orderBy=[{"field": field}]) == [("FIELD_NOT_READABLE", name)]


def refusals(client: GraphQLClient, document: str, **variables: object) -> list[tuple[str, str]]:
    try:
        client.run(document, **variables)
    except GraphQLError as error:
        return [(each["extensions"]["reason"], each["extensions"].get("name", "")) for each in error.errors]
    return []


def searches_find_nothing_by_what_is_kept(admin: GraphQLClient, reader: GraphQLClient, customer: dict) -> None:
    by_name = f"苏州密{customer['mark']}"
    for text in ("13812341234", "12341234", "boss", f"{customer['mark']}example"):
        query = f"{by_name} {text}"
        assert admin.run(COUNT, search=query)["customers"]["totalCount"] == 1, text
        assert reader.run(COUNT, search=query)["customers"]["totalCount"] == 0, text
    assert reader.run(COUNT, search=by_name)["customers"]["totalCount"] == 1


def changes_are_refused(admin: GraphQLClient, reader: GraphQLClient, customer: dict) -> None:
    for values in ({"phones": ["138****1234"]}, {"level": None}, {"remark": "x", "industry": "光电"}):
        [(reason, name)] = refusals(reader, UPDATE, input={"id": customer["id"], **values})
        assert (reason, name) == ("FIELD_NOT_WRITABLE", next(iter(values)))
    changed = reader.run(UPDATE, input={"id": customer["id"], "industry": "光电", "requestId": str(uuid4())})
    assert changed["updateCustomer"] == {"id": customer["id"], "phones": ["138****1234"], "industry": "光电"}
    assert admin.run(ONE, id=customer["id"])["customer"]["phones"] == ["+8613812341234"]


def files_conceal(reader: GraphQLClient, amount: str, customer: dict) -> None:
    name = {"condition": {"field": "name", "operator": "EQUAL", "values": [customer["name"]]}}
    assert refusals(reader, EXPORT, input={"fields": ["name", "remark"]}) == [("FIELD_NOT_READABLE", "remark")]
    job = reader.run(EXPORT, input={"filter": name})["exportCustomers"]["id"]
    state = "query($id: ID!) { exportJob(id: $id) { state fileUrl } }"
    eventually(lambda: reader.run(state, id=job)["exportJob"]["state"] == "SUCCEEDED", timeout=60)
    content = reader.http.get(reader.run(state, id=job)["exportJob"]["fileUrl"]).content.decode("utf-8-sig")
    heading, row = csv.reader(io.StringIO(content))
    shown = dict(zip(heading, row, strict=True))
    assert (shown["客户名称"], shown["电话"]) == (customer["name"], "138****1234")
    assert not {"备注", "客户级别", "最近跟进时间", f"金额{amount}"} & set(heading)
    assert [secret for secret in customer["secrets"] if secret in content] == []


def test_the_fields_that_roles_can_restrict_are_listed(admin):
    nodes = admin.run("{ protectableFields(first: 200) { nodes { entity field } } }")["protectableFields"]["nodes"]
    assert {"entity": "customer", "field": "custom.*"} in nodes
    assert {"entity": "follow_up", "field": "content"} in nodes


LISTS = [
    method
    for method in all_methods()
    if "filter" in method.descriptor.input_type.fields_by_name and not list(references(method))
]
"""Lists of all records that there are, not of what belongs to one."""


def listed_entity(method: Method) -> Descriptor | None:
    """The type of the records that a method lists, if roles can restrict their fields."""
    held = (field.message_type for field in method.descriptor.output_type.fields)
    return next((message for message in held if message is not None and entity_of(message)), None)


def test_no_list_can_be_asked_by_a_field_that_is_kept(suite, admin, organisation, customer):
    """Of all lists of the suite, by their contracts: for a caller from whom everything is kept that can be."""
    lists = {method: record for method in LISTS if (record := listed_entity(method)) is not None}
    assert {method.descriptor.name for method in lists} >= {"ListCustomers", "ListFollowUps", "ListUsers"}
    role = organisation.role("ALL", *sorted({method.access.permission for method in lists} | {"customer.read"}))
    nodes = admin.run("{ protectableFields(first: 200) { nodes { entity field } } }")["protectableFields"]["nodes"]
    rules = [{**node, "effect": "MASK"} for node in nodes if node["field"] != "custom.*"]
    document = "mutation($input: UpdateRoleInput!) { updateRole(input: $input) { id } }"
    admin.run(document, input={"id": role, "fieldRules": rules})
    _, reader = organisation.user(organisation.department("盲"), role)
    answered = []
    for method, record in lists.items():
        with grpc.insecure_channel(suite.target(method.service)) as channel:
            for name in restrictable(record):
                request = method.request()
                if "customers" in request.DESCRIPTOR.fields_by_name:  # without them it refuses before it sees a filter
                    put(request, ("customers",), customer["id"])
                request.filter.condition.field = name
                request.filter.condition.operator = filter_pb2.OPERATOR_IS_NOT_EMPTY
                outcome = call(channel, method, request, reader.token)
                if outcome.reason not in ("FIELD_NOT_READABLE", "UNKNOWN_FIELD"):
                    answered.append(f"{method.path} by {name}: {outcome.code} {outcome.reason}")
    assert answered == []
