"""Customers through GraphQL, from creation to deletion."""

from uuid import uuid4

import pytest
from local_suite.graphql import GraphQLClient, GraphQLError

CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id etag name phones owner { id } } }"
UPDATE = "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { id etag level customFields } }"
SEARCH = "query($text: String) { customers(search: $text, first: 10) { totalCount nodes { id name } } }"


def a_company() -> str:
    return f"上海华诚{uuid4().hex[:8]}科技有限公司"


def create(client: GraphQLClient, **values: object) -> dict:
    return client.run(CREATE, input={"name": a_company(), **values})["createCustomer"]


def test_a_customer_is_found_by_part_of_its_name_pinyin_and_phone_tail(admin):
    mark = uuid4().int % 10**7
    customer = create(admin, name=f"宁波甬江{mark}轴承制造有限公司", phones=[f"0574-8{mark:07d}"])
    for text in (f"甬江{mark}轴", f"yj{mark}zc", f"{mark:07d}"[-6:], f"甬江{mark}"):
        found = admin.run(SEARCH, text=text)["customers"]
        assert customer["id"] in [node["id"] for node in found["nodes"]], text


def test_phone_numbers_are_kept_in_one_form(admin):
    assert create(admin, phones=["021 6888-0000", "138 0013 8000"])["phones"] == ["+862168880000", "+8613800138000"]


def test_faulty_fields_are_all_named_with_the_remedy(admin):
    with pytest.raises(GraphQLError) as refused:
        create(admin, phones=["12345"], emails=["nobody"], creditCode="91310000000000000X")
    [error] = refused.value.errors
    assert error["extensions"]["code"] == "INVALID_ARGUMENT"
    faults = {fault["field"]: fault["reason"] for fault in error["extensions"]["fieldViolations"]}
    assert set(faults.values()) == {"INVALID_PHONE", "INVALID_EMAIL", "INVALID_CREDIT_CODE"}


def test_a_retried_creation_makes_one_customer(admin):
    request = {"name": a_company(), "requestId": str(uuid4())}
    first, second = (admin.run(CREATE, input=request)["createCustomer"] for _ in range(2))
    assert first == second
    with pytest.raises(GraphQLError) as refused:
        admin.run(CREATE, input={**request, "name": a_company()})
    assert refused.value.reasons == ["REQUEST_ID_REUSED"]


def test_the_same_company_is_not_entered_twice(admin):
    name = a_company()
    create(admin, name=name)
    with pytest.raises(GraphQLError) as refused:
        create(admin, name=name.replace("有限公司", " 有限公司"))
    assert refused.value.reasons == ["DUPLICATE_CUSTOMER"]


def test_a_stale_change_is_refused_and_changes_nothing(admin):
    customer = create(admin)
    change = {"id": customer["id"], "etag": customer["etag"], "level": "A"}
    admin.run(UPDATE, input=change)
    with pytest.raises(GraphQLError) as refused:
        admin.run(UPDATE, input={**change, "level": "B"})
    assert refused.value.reasons == ["STALE_ETAG"]
    assert admin.run("query($id: ID!) { customer(id: $id) { level } }", id=customer["id"])["customer"]["level"] == "A"


def test_a_new_field_is_stored_checked_and_filtered_at_once(admin):
    key = f"region_{uuid4().hex[:8]}"
    define = "mutation($input: CreateCustomFieldInput!) { createCustomField(input: $input) { id } }"
    admin.run(define, input={"key": key, "label": f"大区{key}", "type": "CHOICE", "options": ["东", "西"]})
    customer = create(admin, customFields={key: "东"})
    with pytest.raises(GraphQLError):
        create(admin, customFields={key: "南"})
    condition = {"field": f"custom.{key}", "operator": "EQUAL", "values": ["东"]}
    query = "query($filter: FilterInput) { customers(filter: $filter) { totalCount nodes { id customFields } } }"
    found = admin.run(query, filter={"condition": condition})["customers"]
    assert found["totalCount"] == 1
    assert found["nodes"] == [{"id": customer["id"], "customFields": {key: "东"}}]


def test_pages_hold_every_customer_once(admin):
    level = "E"
    source = f"来源{uuid4().hex[:8]}"
    made = {create(admin, source=source, level=level)["id"] for _ in range(7)}
    query = """
      query($filter: FilterInput, $after: String) {
        customers(first: 3, after: $after, filter: $filter, orderBy: [{ field: "name" }]) {
          nodes { id } pageInfo { hasNextPage endCursor }
        }
      }"""
    condition = {"condition": {"field": "source", "operator": "EQUAL", "values": [source]}}
    seen: list[str] = []
    after = None
    while True:
        page = admin.run(query, filter=condition, after=after)["customers"]
        seen += [node["id"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert len(seen) == 7
    assert set(seen) == made


def test_a_manager_sees_the_subtree_and_a_rep_their_own(organisation):
    east = organisation.department("华东")
    shanghai = organisation.department("上海", parent=east)
    north = organisation.department("华北")
    rights = ("customer.read", "customer.create", "customer.update", "user.read")
    rep, manager = organisation.role("SELF", *rights), organisation.role("DEPARTMENT_TREE", *rights)
    _, wang = organisation.user(shanghai, rep)
    _, li = organisation.user(north, rep)
    _, boss = organisation.user(east, manager)
    of_wang, of_li = create(wang)["id"], create(li)["id"]

    query = "query($id: ID!) { customer(id: $id) { id } customers(first: 200) { totalCount nodes { id } } }"
    for client, visible, hidden in ((boss, of_wang, of_li), (wang, of_wang, of_li), (li, of_li, of_wang)):
        answer = client.run(query, id=visible)
        assert answer["customer"]["id"] == visible
        assert [node["id"] for node in answer["customers"]["nodes"]] == [visible]
        assert answer["customers"]["totalCount"] == 1
        refused = client.answer(query, id=hidden)
        assert [error["extensions"]["code"] for error in refused["errors"]] == ["NOT_FOUND"]
        with pytest.raises(GraphQLError) as change:
            client.run(UPDATE, input={"id": hidden, "level": "A"})
        assert [error["extensions"]["code"] for error in change.value.errors] == ["NOT_FOUND"]


def test_a_deleted_customer_is_gone_with_its_contacts(admin):
    customer = create(admin)
    contact = admin.run(
        "mutation($input: CreateContactInput!) { createContact(input: $input) { id } }",
        input={"customerId": customer["id"], "name": "王芳", "phones": ["13900001111"], "primary": True},
    )["createContact"]
    admin.run("mutation($input: DeleteInput!) { deleteCustomer(input: $input) }", input={"id": customer["id"]})
    for kind, key in (("customer", customer["id"]), ("contact", contact["id"])):
        answer = admin.answer(f"query($id: ID!) {{ {kind}(id: $id) {{ id }} }}", id=key)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]
