"""Several theatres follow one customer, through GraphQL and all services."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient

REP = ("customer.read", "customer.create", "contact.read", "follow_up.read", "follow_up.create")
CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id jointTheatreId } }"
ASSIGN = """mutation($input: AssignCustomerTheatreInput!) { assignCustomerTheatre(input: $input) {
  id theatreId ownerId open holder } }"""
THEATRES = """query($id: ID!) { customerTheatres(customer: $id) { nodes {
  id theatreId holder open ownerId lastTouchDate nextContactTime startTime } } }"""
READ = """query($id: ID!) { customer(id: $id) { id } followUps(customer: $id) { nodes { content } }
  timeline(customer: $id) { nodes { kind summary } } }"""


class Sales:
    """A theatre with a manager and a rep in a team below it."""

    def __init__(self, organisation, name: str) -> None:
        self.department = organisation.department(name, theatre=True)
        head = organisation.role("DEPARTMENT_TREE", *REP, "customer.transfer", "customer.assign_theatre")
        colleagues = organisation.role("ALL", "user.read", "department.read")
        self.head_id, self.head = organisation.user(self.department, head, colleagues)
        team = organisation.department("组", self.department)
        self.rep_id, self.rep = organisation.user(team, organisation.role("SELF", *REP), colleagues)


def log(client: GraphQLClient, customer: str, content: str, due: datetime) -> str:
    """Log a follow-up that plans the next contact, and say for which theatre it was, once the customer is known."""
    note = {"customerId": customer, "method": "VISIT", "content": content, "nextContactTime": due.isoformat()}
    answer = eventually(lambda: (client.answer(LOG, input=note).get("data") or {}).get("logFollowUp"))
    return answer["jointTheatreId"]


def seen(client: GraphQLClient, customer: str) -> set[str] | None:
    """What somebody sees of what was logged; None while lists and the timeline, or the services, differ."""
    told = client.answer(READ, id=customer)
    if "errors" in told:
        return None
    answer = told["data"]
    notes = {node["content"] for node in answer["followUps"]["nodes"]}
    told = {node["summary"] for node in answer["timeline"]["nodes"] if node["kind"] == "FOLLOW_UP_LOGGED"}
    return told if told == notes else None


@pytest.mark.feature("B15")
def test_two_theatres_follow_one_customer_each_with_its_own_owner_and_plans(admin, organisation, real_time):
    east, west = Sales(organisation, "东战区"), Sales(organisation, "西战区")
    name = f"同客{uuid4().hex[:10]}有限公司"
    customer = east.rep.run(CREATE, input={"name": name})["createCustomer"]["id"]
    for client in (west.rep, west.head):
        refused = client.answer(READ, id=customer)["errors"]
        assert {error["extensions"]["reason"] for error in refused} == {"CUSTOMER_NOT_FOUND"}
    wanted = {"customerId": customer, "ownerId": west.rep_id}
    given = eventually(lambda: (east.head.answer(ASSIGN, input=wanted).get("data") or {}).get("assignCustomerTheatre"))
    assert (given["theatreId"], given["ownerId"]) == (west.department, west.rep_id)
    found = "query($name: String) { customers(search: $name) { totalCount nodes { id } } }"
    for client in (west.rep, west.head, east.rep):
        assert client.run(found, name=name)["customers"] == {"totalCount": 1, "nodes": [{"id": customer}]}

    due = {"east": real_time + timedelta(days=3), "west": real_time + timedelta(days=5)}
    assert log(east.rep, customer, "东区谈了价格", due["east"]) is None
    assert log(west.rep, customer, "西区看了车间", due["west"]) == west.department
    eventually(lambda: seen(east.rep, customer) == {"东区谈了价格"})
    eventually(lambda: seen(west.rep, customer) == {"西区看了车间"})
    assert seen(west.head, customer) == {"西区看了车间"}
    assert seen(admin, customer) == {"东区谈了价格", "西区看了车间"}
    private_fields = ("open", "ownerId", "nextContactTime", "startTime")
    for client, own, other in ((east.rep, east, west), (west.rep, west, east)):
        nodes = {one["theatreId"]: one for one in client.run(THEATRES, id=customer)["customerTheatres"]["nodes"]}
        assert {key: one["holder"] for key, one in nodes.items()} == {east.department: True, west.department: False}
        assert [nodes[other.department][key] for key in private_fields] == [False, None, None, None]
        assert nodes[other.department]["lastTouchDate"]
        assert (nodes[own.department]["open"], nodes[own.department]["ownerId"]) == (True, own.rep_id)
    mine = west.rep.run(THEATRES, id=customer)["customerTheatres"]["nodes"][1]
    assert datetime.fromisoformat(mine["nextContactTime"]) == due["west"]
    plans = "query($id: ID!) { handOverPacket(customer: $id) { sections { kind items { title } } } }"
    for client, note in ((east.rep, "东区谈了价格"), (west.rep, "西区看了车间")):
        promises = client.run(plans, id=customer)["handOverPacket"]["sections"][0]
        assert promises == {"kind": "OPEN_PROMISES", "items": [{"title": note}]}

    # Whoever owns it in the west needs not follow it for the west: it is the west's then, and the east has lost it.
    transfer = "mutation($input: TransferCustomerInput!) { transferCustomer(input: $input) { ownerId } }"
    east.head.run(transfer, input={"id": customer, "ownerId": west.head_id})
    [only] = west.head.run(THEATRES, id=customer)["customerTheatres"]["nodes"]
    assert (only["theatreId"], only["holder"], only["ownerId"]) == (west.department, True, west.head_id)
    eventually(lambda: seen(west.head, customer) == {"东区谈了价格", "西区看了车间"})
    assert "errors" in east.rep.answer(READ, id=customer)
