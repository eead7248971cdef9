"""What clients read, and how many calls it takes."""

import pytest

pytestmark = pytest.mark.anyio

CUSTOMER = "customers/00000000-0000-7000-8000-000000000001"

LIST = """query List($first: Int, $after: String) {
  customers(first: $first, after: $after) {
    edges { cursor node { id name status owner { id name } ownerDepartment { name } contacts { name } } }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}"""


async def test_record_is_shown_by_the_names_of_the_schema(suite):
    data = await suite.run(
        """query($id: ID!) { customer(id: $id) {
            __typename id name kind status level ownerId phones address { city province } customFields
            createTime updateTime creatorId creator { name } } }""",
        {"id": CUSTOMER},
    )
    assert data["customer"] == {
        "__typename": "Customer",
        "id": CUSTOMER,
        "name": "上海华诚1",
        "kind": "COMPANY",
        "status": "WON",
        "level": None,
        "ownerId": "users/00000000-0000-7000-8000-000000000001",
        "phones": ["+8613800000000"],
        "address": {"city": "上海", "province": None},
        "customFields": {"region": "华东", "seats": 12.0},
        "createTime": "2026-01-31T08:00:00.500000Z",
        "updateTime": None,
        "creatorId": "clients/00000000-0000-7000-8000-000000000001",
        "creator": None,
    }


async def test_list_takes_one_call_per_kind_of_record(suite):
    await suite.run(LIST, {"first": 40})
    assert suite.world.calls == {"ListCustomers": 1, "BatchGetUsers": 1, "BatchGetDepartments": 1, "ListContacts": 1}


@pytest.mark.parametrize(
    ("selection", "paths"),
    [
        ("nodes { id name status }", ["display_name", "name", "status"]),
        ("edges { node { __typename ownerId owner { name } } }", ["name", "owner"]),
        ("nodes { name } edges { cursor node { ...Tagged @include(if: false) } }", ["display_name", "name", "tags"]),
        ("... on CustomerConnection { nodes { ... on Node { id } kind: level } }", ["level", "name"]),
        ("totalCount", ["name"]),
        ("nodes { id contacts { name } }", []),
    ],
)
async def test_a_list_reads_no_more_of_customers_than_is_asked_for(suite, selection, paths):
    fragment = "fragment Tagged on Customer { tags }"
    await suite.run(f"{{ customers(first: 2) {{ {selection} }} }} {fragment if 'Tagged' in selection else ''}")
    [request] = [one for one in suite.world.requests if hasattr(one, "read_mask")]
    assert list(request.read_mask.paths) == paths


async def test_total_is_counted_only_when_asked_for(suite):
    assert (await suite.run("{ customers(first: 1) { totalCount } }"))["customers"] == {"totalCount": 120}
    assert suite.world.calls["CountCustomers"] == 1


async def test_pages_follow_each_other_to_the_end(suite):
    seen, after = [], None
    for _ in range(3):
        page = (await suite.run(LIST, {"first": 50, "after": after}))["customers"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert len(seen) == len(set(seen)) == 120
    assert page["pageInfo"]["hasNextPage"] is False
    assert (await suite.run(LIST, {"first": 50, "after": after}))["customers"]["edges"] == []


async def test_page_can_begin_after_any_edge(suite):
    page = (await suite.run(LIST, {"first": 30}))["customers"]
    after = page["edges"][11]["cursor"]
    rest = (await suite.run(LIST, {"first": 200, "after": after}))["customers"]
    assert [edge["node"]["id"] for edge in rest["edges"]][:18] == [edge["node"]["id"] for edge in page["edges"]][12:]
    assert len(rest["edges"]) == 108


async def test_page_size_is_bounded(suite):
    for first in (0, -1, 201):
        refused = await suite.refused("query($f: Int!) { customers(first: $f) { nodes { id } } }", {"f": first})
        assert (refused["code"], refused["reason"]) == ("INVALID_ARGUMENT", "PAGE_SIZE_OUT_OF_RANGE")


async def test_filter_and_order_go_by_the_names_of_the_schema(suite):
    await suite.run(
        """query($filter: FilterInput) { customers(filter: $filter, orderBy: [{field: "createTime", descending: true}])
            { nodes { id } } }""",
        {
            "filter": {
                "all": [
                    {"condition": {"field": "ownerId", "operator": "IN", "values": ["users/1"]}},
                    {"not": {"condition": {"field": "customFields.seats", "operator": "LESS", "values": [5]}}},
                    {"condition": {"field": "name", "operator": "IS_NOT_EMPTY"}},
                ]
            }
        },
    )
    request = suite.world.requests[0]
    first, second, third = request.filter.all.filters
    assert (first.condition.field, first.condition.values[0].text) == ("owner", "users/1")
    inner = getattr(second, "not").condition
    assert (inner.field, inner.values[0].number) == ("custom.seats", 5)
    assert third.condition.field == "display_name"
    assert (request.order_by[0].field, request.order_by[0].descending) == ("create_time", True)


async def test_node_finds_records_of_any_type(suite):
    data = await suite.run(f'{{ node(id: "{CUSTOMER}") {{ id __typename ... on Customer {{ name }} }} }}')
    assert data["node"] == {"id": CUSTOMER, "__typename": "Customer", "name": "上海华诚1"}
    assert (await suite.refused('{ node(id: "nothing/1") { id } }'))["reason"] == "INVALID_NAME"


async def test_follow_ups_find_their_contacts_in_one_call(suite):
    data = await suite.run(
        "query($id: ID) { followUps(customer: $id) { nodes { method contact { name } author { name } } } }",
        {"id": CUSTOMER},
    )
    assert data["followUps"]["nodes"][0] == {"method": "CALL", "contact": {"name": "王芳"}, "author": {"name": "李伟"}}
    assert suite.world.calls == {"ListFollowUps": 1, "BatchGetContacts": 1, "BatchGetUsers": 1}


async def test_no_contact_of_many_is_cut(suite):
    suite.world.contacts_per_customer = 300
    data = await suite.run("{ customers(first: 8) { nodes { contacts { name } } } }")
    assert [len(node["contacts"]) for node in data["customers"]["nodes"]] == [300] * 8
    assert suite.world.calls["ListContacts"] == 12


async def test_locale_and_trace_reach_both_ends(suite):
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    response = await suite.post("query Who { me { name } }", traceparent=parent)
    assert response.headers["x-trace-id"] == "a" * 32
    assert suite.world.metadata["GetMe"]["traceparent"].split("-")[1] == "a" * 32


async def test_loaders_answer_in_the_order_asked(suite):
    users = suite.gateway.context("Bearer good", "en").loaders.of("users")
    names = [f"users/00000000-0000-7000-8000-{number:012d}" for number in (3, 1, 2)]
    assert [user.wire.name for user in await users.load_many(names)] == names


async def test_absent_records_load_as_nothing(suite):
    customers = suite.gateway.context("Bearer good", "en").loaders.of("customers")
    found, absent = await customers.load_many([CUSTOMER, "customers/none"])
    assert found.wire.name == CUSTOMER
    assert absent is None
