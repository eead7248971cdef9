"""Who decides at customers, how customers relate, and one search that finds both by whatever is known."""

from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id name } }"
CONTACT = "mutation($input: CreateContactInput!) { createContact(input: $input) { id name } }"
RELATE = "mutation($input: CreateCustomerRelationInput!) { createCustomerRelation(input: $input) { id etag kind } }"
GRAPH = """query($id: ID!, $depth: Int!, $kinds: [CustomerRelationKind!]) {
  relationGraph(customer: $id, depth: $depth, kinds: $kinds) {
    nodes { depth customer { id name } } edges { customerId relatedId kind } hiddenNodes truncated } }"""
CHAIN = """query($id: ID!) { decisionChain(customer: $id) { truncated nodes { depth contact { name } } roots {
  contact { name decisionRole influence stance }
  reports { contact { name decisionRole influence stance reportsTo { name } } reports { contact { name } } } } } }"""
SEARCH = """query($text: String!) { search(query: $text) {
  customers { matches customer { id name } } contacts { matches contact { name customer { id } } } } }"""
RIGHTS = ("customer.read", "customer.create", "customer.update", "contact.read", "contact.create")
DECIDES = {"decisionRole": "DECISION_MAKER", "influence": 5, "stance": "NEUTRAL", "birthday": "1975-03-08"}


def create(client: GraphQLClient, name: str, **values: object) -> str:
    return client.run(CREATE, input={"name": name, **values})["createCustomer"]["id"]


def add(client: GraphQLClient, customer: str, name: str, **values: object) -> str:
    return client.run(CONTACT, input={"customerId": customer, "name": name, **values})["createContact"]["id"]


def relate(client: GraphQLClient, one: str, other: str, kind: str) -> str:
    given = {"customerId": one, "relatedId": other, "kind": kind}
    return client.run(RELATE, input=given)["createCustomerRelation"]["id"]


@pytest.mark.feature("B16")
def test_the_decision_chain_tells_role_influence_and_stance_as_a_tree(admin):
    customer = create(admin, f"链{uuid4().hex[:8]}有限公司")
    boss = add(admin, customer, "周总", **DECIDES)
    head = add(admin, customer, "吴总监", decisionRole="INFLUENCER", influence=3, stance="SUPPORTER", reportsToId=boss)
    add(admin, customer, "郑采购", decisionRole="BUYER", influence=4, stance="OPPONENT", reportsToId=boss)
    add(admin, customer, "孙工", decisionRole="USER", reportsToId=head)
    add(admin, customer, "前台")
    chain = admin.run(CHAIN, id=customer)["decisionChain"]
    assert [(node["contact"]["name"], node["depth"]) for node in chain["nodes"]] == [
        ("周总", 0), ("郑采购", 1), ("吴总监", 1), ("孙工", 2),
    ]  # fmt: skip
    [root] = chain["roots"]
    assert root["contact"] == {"name": "周总", "decisionRole": "DECISION_MAKER", "influence": 5, "stance": "NEUTRAL"}
    buyer, other = root["reports"]
    assert buyer["contact"] == {
        "name": "郑采购", "decisionRole": "BUYER", "influence": 4, "stance": "OPPONENT", "reportsTo": {"name": "周总"},
    }  # fmt: skip
    assert other["reports"] == [{"contact": {"name": "孙工"}}]
    change = "mutation($input: UpdateContactInput!) { updateContact(input: $input) { id } }"
    with pytest.raises(GraphQLError) as refused:
        admin.run(change, input={"id": boss, "reportsToId": head})
    assert refused.value.reasons == ["REPORTING_CYCLE"]


@pytest.mark.feature("B16")
def test_the_relation_graph_ends_at_a_circle_and_leaves_out_what_one_may_not_see(admin, organisation):
    east = organisation.department("关系")
    role = organisation.role("SELF", *RIGHTS)
    _, rep = organisation.user(east, role)
    mark = uuid4().hex[:8]
    mine = eventually(lambda: create(rep, f"环0{mark}有限公司"))
    ring = [mine, *(create(admin, f"环{number}{mark}有限公司") for number in range(1, 7))]
    for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
        relate(admin, one, other, "SUPPLIER")
    top = create(admin, f"集团{mark}")
    relate(admin, mine, top, "SUBSIDIARY")
    graph = admin.run(GRAPH, id=mine, depth=5)["relationGraph"]
    depths = {node["customer"]["id"]: node["depth"] for node in graph["nodes"]}
    assert depths == dict(zip([*ring, top], [0, 1, 2, 3, 3, 2, 1, 1], strict=True))
    assert (len(graph["edges"]), graph["hiddenNodes"], graph["truncated"]) == (8, 0, False)
    group = admin.run(GRAPH, id=mine, depth=5, kinds=["SUBSIDIARY", "GROUP", "BRANCH"])["relationGraph"]
    assert [node["customer"]["id"] for node in group["nodes"]] == [mine, top]
    with pytest.raises(GraphQLError) as refused:
        relate(admin, top, mine, "GROUP")
    assert refused.value.reasons == ["RELATION_CYCLE"]

    seen = rep.run(GRAPH, id=mine, depth=5)["relationGraph"]
    assert [node["customer"]["id"] for node in seen["nodes"]] == [mine]
    assert (seen["edges"], seen["hiddenNodes"]) == ([], 3)
    listed = "query($id: ID!) { customerRelations(customer: $id, first: 10) { nodes { id } } }"
    assert rep.run(listed, id=mine)["customerRelations"]["nodes"] == []
    assert len(admin.run(listed, id=mine)["customerRelations"]["nodes"]) == 3
    with pytest.raises(GraphQLError) as refused:
        relate(rep, mine, top, "PARTNER")
    assert refused.value.reasons == ["CUSTOMER_NOT_FOUND"]


def test_a_relation_is_changed_read_and_deleted(admin):
    one, other = (create(admin, f"系{uuid4().hex[:8]}") for _ in range(2))
    key = relate(admin, one, other, "DISTRIBUTOR")
    change = "mutation($input: UpdateCustomerRelationInput!) { updateCustomerRelation(input: $input) { etag } }"
    admin.run(change, input={"id": key, "validUntil": "2030-12-31", "etag": "v1"})
    read = "query($id: ID!) { node(id: $id) { ... on CustomerRelation { validUntil related { id } } } }"
    assert admin.run(read, id=key)["node"] == {"validUntil": "2030-12-31", "related": {"id": other}}
    admin.run("mutation($id: ID!) { deleteCustomerRelation(input: { id: $id }) }", id=key)
    assert admin.answer(read, id=key)["errors"][0]["extensions"]["reason"] == "RELATION_NOT_FOUND"


@pytest.mark.feature("X8")
def test_a_customer_is_found_by_whatever_one_knows_of_it(admin, organisation):
    """Digits make the numbers unlike those of other tests; the name is the one of the catalogue."""
    digits = f"{uuid4().int % 10**8:08d}"
    role = organisation.role("SELF", *RIGHTS)
    _, rep = organisation.user(organisation.department("搜索"), role)
    values = {"phones": [f"139{digits}"], "emails": [f"it{digits}@hckj.example"]}
    customer = eventually(lambda: create(rep, "华诚科技", **values))
    add(rep, customer, "欧阳修", phones=[f"138{digits[::-1]}"])
    for text, reason in {
        "hcke": "PINYIN", "hckj": "PINYIN", "huacheng": "PINYIN", "huachengkeji": "PINYIN", digits[-4:]: "PHONE",
        "华诚": "NAME", "诚科": "NAME", f"it{digits}@": "EMAIL",
    }.items():  # fmt: skip
        [hit] = rep.run(SEARCH, text=text)["search"]["customers"]
        assert (hit["customer"]["name"], reason in hit["matches"]) == ("华诚科技", True), text
        listed = rep.run("query($text: String) { customers(search: $text) { nodes { id } } }", text=text)
        assert listed["customers"]["nodes"] == [{"id": customer}], text
    for text, reason in {"欧阳修": "NAME", "ouyangxiu": "PINYIN", digits[::-1][-4:]: "PHONE"}.items():
        found = rep.run(SEARCH, text=text)["search"]
        assert [hit["customer"]["id"] for hit in found["customers"]] == [customer], text
        contacts = {hit["contact"]["name"]: hit for hit in found["contacts"]}
        assert contacts["欧阳修"]["contact"]["customer"] == {"id": customer}
        assert reason in contacts["欧阳修"]["matches"], text
    _, colleague = organisation.user(organisation.department("别处"), role)
    for text in ("hcke", digits[-4:], "欧阳修"):
        eventually(lambda text=text: colleague.run(SEARCH, text=text)["search"] == {"customers": [], "contacts": []})
    restrict = "mutation($input: UpdateRoleInput!) { updateRole(input: $input) { id } }"
    masked = [{"entity": entity, "field": "phones", "effect": "MASK"} for entity in ("customer", "contact")]
    admin.run(restrict, input={"id": role, "fieldRules": masked})
    eventually(lambda: rep.run(SEARCH, text=f"139{digits}")["search"]["customers"] == [])
    assert rep.run(SEARCH, text=digits[::-1][-4:])["search"]["contacts"] == []
    assert rep.run(SEARCH, text="hcke")["search"]["customers"][0]["matches"] == ["PINYIN"]
