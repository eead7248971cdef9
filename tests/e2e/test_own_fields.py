"""The company's own fields, the quality of data, and tags by rule, through GraphQL."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import pytest
from local_suite.graphql import GraphQLClient, GraphQLError

DEFINE = "mutation($input: CreateCustomFieldInput!) { createCustomField(input: $input) { id key resultType } }"
REDEFINE = "mutation($input: UpdateCustomFieldInput!) { updateCustomField(input: $input) { id expression } }"
SHOWN = "id etag phones tags tagDetails { name origin } qualityScore customFields"
CREATE = f"mutation($input: CreateCustomerInput!) {{ createCustomer(input: $input) {{ {SHOWN} }} }}"
UPDATE = f"mutation($input: UpdateCustomerInput!) {{ updateCustomer(input: $input) {{ {SHOWN} }} }}"
GET = f"query($id: ID!) {{ customer(id: $id) {{ {SHOWN} }} }}"
FIND = "query($filter: FilterInput) { customers(filter: $filter, first: 50) { nodes { id } } }"
CLEAN = (
    "query($list: CleaningList!, $field: String, $days: Int, $after: String) { customersToClean(list: $list, "
    "emptyField: $field, days: $days, first: 200, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }"
)
CONTACT = "mutation($input: CreateContactInput!) { createContact(input: $input) { id customFields } }"


def define(client: GraphQLClient, key: str, kind: str, **more: Any) -> dict:
    return client.run(DEFINE, input={"key": key, "label": f"字段{key}", "type": kind, **more})["createCustomField"]


def create(client: GraphQLClient, **values: Any) -> dict:
    return client.run(CREATE, input={"name": f"上海演示{uuid4().hex[:8]}有限公司", **values})["createCustomer"]


def update(client: GraphQLClient, customer: dict, **values: Any) -> dict:
    return client.run(UPDATE, input={"id": customer["id"], **values})["updateCustomer"]


def get(client: GraphQLClient, customer: dict) -> dict:
    return client.run(GET, id=customer["id"])["customer"]


def found(client: GraphQLClient, field: str, operator: str, *values: Any) -> set[str]:
    condition = {"field": field, "operator": operator, "values": list(values)}
    return {node["id"] for node in client.run(FIND, filter={"condition": condition})["customers"]["nodes"]}


def to_clean(client: GraphQLClient, **variables: Any) -> set[str]:
    """All customers of a list, page by page: other tests leave theirs in it."""
    ids: set[str] = set()
    after = None
    while True:
        page = client.run(CLEAN, after=after, **variables)["customersToClean"]
        ids |= {node["id"] for node in page["nodes"]}
        if not page["pageInfo"]["hasNextPage"]:
            return ids
        after = page["pageInfo"]["endCursor"]


def eventually(read: Any, wanted: Any, seconds: float = 60) -> None:
    end = monotonic() + seconds
    while (last := read()) != wanted:
        assert monotonic() < end, f"{last!r} never became {wanted!r}"
        sleep(0.1)


@pytest.mark.feature("X1")
def test_new_fields_of_all_types_are_kept_reckoned_and_found_without_a_restart(admin):
    mark = uuid4().hex[:6]
    old = create(admin, level="B")
    price, count, total, serial = f"price_{mark}", f"count_{mark}", f"total_{mark}", f"serial_{mark}"
    define(admin, price, "MONEY", currency="CNY", minimum="0")
    define(admin, count, "NUMBER", defaultValue="3")
    define(admin, serial, "SERIAL", pattern=f"K{mark}-{{yyyy}}{{mm}}-{{0000}}")
    expression = f'ROUND({price} * {count}, 2) if level == "A" else 0'
    formula = define(admin, total, "FORMULA", expression=expression, resultType="NUMBER")
    people = define(admin, f"people_{mark}", "ROLLUP", rollup={"children": "contacts", "function": "COUNT"})["key"]
    customer = create(admin, level="A", customFields={price: "1250.50"})
    own = customer["customFields"]
    assert own[price] == {"amount": "1250.5", "currency": "CNY"}
    assert (own[count], own[total], own[people]) == (3, 3751.5, 0)
    assert own[serial].startswith(f"K{mark}-")
    assert own[serial].endswith("-0001")
    assert found(admin, f"custom.{total}", "GREATER", 3000) == {customer["id"]}
    assert found(admin, f"custom.{price}", "BETWEEN", 1250, 1251) == {customer["id"]}
    assert found(admin, f"custom.{price}.currency", "EQUAL", "CNY") == {customer["id"]}
    assert update(admin, customer, level="B")["customFields"][total] == 0
    # The field is reckoned for the customers there were, by a job.
    eventually(lambda: (get(admin, old)["customFields"] or {}).get(people), 0)

    with ThreadPoolExecutor(4) as pool:
        numbers = sorted(one["customFields"][serial] for one in pool.map(lambda _: create(admin), range(8)))
    assert [int(number[-4:]) for number in numbers] == list(range(2, 10))
    for wrong, reason in (
        ({serial: "X"}, "DERIVED_FIELD"),
        ({price: "-1"}, "OUT_OF_RANGE"),
        ({total: 5}, "DERIVED_FIELD"),
    ):
        with pytest.raises(GraphQLError) as refused:
            update(admin, customer, customFields=wrong)
        [fault] = refused.value.errors[0]["extensions"]["fieldViolations"]
        assert fault["reason"] == reason

    # A formula that would need itself is refused, and the cycle is named.
    double = define(admin, f"double_{mark}", "FORMULA", expression=f"{total} * 2", resultType="NUMBER")["key"]
    with pytest.raises(GraphQLError) as refused:
        admin.run(REDEFINE, input={"id": formula["id"], "expression": f"{double} + 1"})
    assert refused.value.reasons == ["FORMULA_CYCLE"]
    assert double in refused.value.errors[0]["message"]
    admin.run(REDEFINE, input={"id": formula["id"], "expression": f"{count} * 10"})
    eventually(lambda: get(admin, customer)["customFields"].get(double), 60)

    # A roll-up follows its children, and contacts have fields of their own.
    age = define(admin, f"age_{mark}", "NUMBER", entity="contact")["key"]
    oldest = define(
        admin, f"oldest_{mark}", "ROLLUP", rollup={"children": "contacts", "function": "MAX", "field": f"custom.{age}"}
    )["key"]
    contacts = [
        admin.run(CONTACT, input={"customerId": customer["id"], "name": f"王{at}", "customFields": {age: at}})
        for at in (41, 52)
    ]
    own = get(admin, customer)["customFields"]
    assert (own[people], own[oldest]) == (2, 52)
    query = "query($id: ID!, $filter: FilterInput) { contacts(customer: $id, filter: $filter) { nodes { id } } }"
    condition = {"condition": {"field": f"custom.{age}", "operator": "LESS", "values": [50]}}
    nodes = admin.run(query, id=customer["id"], filter=condition)["contacts"]["nodes"]
    assert nodes == [{"id": contacts[0]["createContact"]["id"]}]
    contact = contacts[1]["createContact"]["id"]
    admin.run("mutation($id: ID!) { deleteContact(input: { id: $id }) }", id=contact)
    own = get(admin, customer)["customFields"]
    assert (own[people], own[oldest]) == (1, 41)

    # What files bring goes into the new fields, and the audit log tells how the fields came to be.
    table = f"客户名称,字段{count}\n演示导入{mark},42\n".encode()
    document = "mutation($file: Upload!) { importCustomers(file: $file) { id } }"
    job = admin.upload(document, "variables.file", ("客户.csv", table), file=None)["importCustomers"]["id"]
    state = "query($id: ID!) { importJob(id: $id) { state createdRows } }"
    eventually(lambda: admin.run(state, id=job)["importJob"], {"state": "SUCCEEDED", "createdRows": 1})
    assert len(found(admin, f"custom.{count}", "EQUAL", 42)) == 1
    entries = "query($of: String) { auditEntries(filter: { resource: $of }) { nodes { action before after } } }"
    changed, made = admin.run(entries, of=formula["id"])["auditEntries"]["nodes"]
    assert (changed["action"], made["action"], made["before"]) == ("custom_field.update", "custom_field.create", None)
    assert made["after"]["expression"] == expression


SET_WEIGHTS = """mutation($input: SetQualityWeightsInput!) {
  setQualityWeights(input: $input) { weights { field weight } } }"""


@pytest.fixture
def weighing(admin):
    """Sets the weights by which the quality of companies is judged. After the test they are as before."""
    usual = admin.run("{ qualityWeights(kind: COMPANY) { weights { field weight } } }")["qualityWeights"]["weights"]

    def weigh(weights: list[dict]) -> None:
        admin.run(SET_WEIGHTS, input={"kind": "COMPANY", "weights": weights})

    yield weigh
    weigh(usual)


@pytest.mark.feature("B13")
def test_quality_is_the_weight_of_what_is_filled_in_and_what_lacks_is_listed(admin, weighing):
    before = create(admin, phones=["021 6888-0000"], creditCode=None)
    assert before["phones"] == ["+862168880000"]
    assert before["qualityScore"] == 20
    weighing([{"field": "phones", "weight": 3}, {"field": "industry", "weight": 1}])
    customer = create(admin, phones=["021 6888-0000"])
    assert customer["qualityScore"] == 75
    assert update(admin, customer, industry="制造业")["qualityScore"] == 100
    assert create(admin)["qualityScore"] == 0
    eventually(lambda: get(admin, before)["qualityScore"], 75)
    assert customer["id"] in found(admin, "qualityScore", "EQUAL", 100)
    ordered = (
        '{ customers(first: 1, orderBy: [{ field: "qualityScore", descending: false }]) { nodes { qualityScore } } }'
    )
    assert admin.run(ordered)["customers"]["nodes"] == [{"qualityScore": 0}]

    missing = to_clean(admin, list="MISSING", field="industry")
    assert before["id"] in missing
    assert customer["id"] not in missing
    assert not {before["id"], customer["id"]} & to_clean(admin, list="INVALID_PHONE")
    assert customer["id"] not in to_clean(admin, list="STALE", days=30)
    with pytest.raises(GraphQLError) as refused:
        to_clean(admin, list="STALE", days=0)
    assert refused.value.reasons == ["INVALID_DAYS"]


@pytest.mark.feature("B13")
def test_what_nobody_touches_for_more_than_so_many_days_is_stale(admin, real_time):
    left, changed, visited = (create(admin) for _ in range(3))
    ids = {one["id"] for one in (left, changed, visited)}
    move = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
    admin.run(move, input={"advanceSeconds": 86_400 * 10 - 60})
    assert not ids & to_clean(admin, list="STALE", days=10)
    admin.run(move, input={"advanceSeconds": 120})
    assert ids <= to_clean(admin, list="STALE", days=10)
    update(admin, changed, remark="刚问过")
    log = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
    admin.run(log, input={"customerId": visited["id"], "method": "VISIT", "content": "看了车间"})
    eventually(lambda: ids & to_clean(admin, list="STALE", days=10), {left["id"]})


@pytest.mark.feature("B14")
def test_a_rule_sets_and_removes_its_tag_and_leaves_what_people_set(admin):
    name, industry = f"重点{uuid4().hex[:6]}", f"行业{uuid4().hex[:6]}"
    old = create(admin, industry=industry)
    by_hand = create(admin, industry=industry, tags=[name])
    rule = {"condition": {"field": "industry", "operator": "EQUAL", "values": [industry]}}
    make = "mutation($input: CreateTagInput!) { createTag(input: $input) { id name colour group rule creator { id } } }"
    tag = admin.run(make, input={"name": name, "colour": "#1e90ff", "group": "级别", "rule": rule})["createTag"]
    assert (tag["colour"], tag["group"], tag["rule"]) == ("#1E90FF", "级别", rule)
    by_rule, manual = [{"name": name, "origin": "RULE"}], [{"name": name, "origin": "MANUAL"}]
    eventually(lambda: get(admin, old)["tagDetails"], by_rule)
    assert create(admin, industry=industry)["tagDetails"] == by_rule
    assert found(admin, "tags", "CONTAINS", name) >= {old["id"], by_hand["id"]}
    assert update(admin, old, industry="其他")["tags"] == []
    assert update(admin, old, industry=industry)["tagDetails"] == by_rule
    assert update(admin, by_hand, industry="其他")["tagDetails"] == manual
    # The rule ends, and what it has set goes; what people have set stays.
    change = "mutation($input: UpdateTagInput!) { updateTag(input: $input) { rule } }"
    assert admin.run(change, input={"id": tag["id"], "rule": None})["updateTag"] == {"rule": None}
    eventually(lambda: get(admin, old)["tags"], [])
    assert get(admin, by_hand)["tagDetails"] == manual
    admin.run("mutation($id: ID!) { deleteTag(input: { id: $id }) }", id=tag["id"])
    assert get(admin, by_hand)["tags"] == [name]
