"""The life of a lead: statuses with reasons, what was said, and how it becomes a customer in one step."""

from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

CREATE = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id } }"
STATUS = "mutation($input: ChangeLeadStatusInput!) { changeLeadStatus(input: $input) { status statusReason } }"
LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
TASK = "mutation($input: CreateTaskInput!) { createTask(input: $input) { id } }"
CONVERT = """mutation($input: ConvertLeadInput!) { convertLead(input: $input) {
  id state lead { status } customer { id name ownerId phones industry } contact { id name phones customerId } } }"""
LEAD = """query($id: ID!) { lead(id: $id) { status convertedCustomerId lastEffectiveFollowUpTime }
  leadTimeline(lead: $id) { nodes { kind after reason followUp { id content } } } }"""
NOTE = "张总说下周二看样机，预算已批"


def refusal(client: GraphQLClient, document: str, **values) -> tuple[str, set[str]]:
    """The code of a refusal, and the fields at fault."""
    with pytest.raises(GraphQLError) as caught:
        client.run(document, input=values)
    extensions = caught.value.errors[0]["extensions"]
    return extensions["reason"], {each["field"] for each in extensions.get("fieldViolations", [])}


def customers_named(client: GraphQLClient, name: str) -> list[str]:
    found = client.run("query($name: String) { customers(search: $name) { nodes { id } } }", name=name)
    return [node["id"] for node in found["customers"]["nodes"]]


@pytest.mark.feature("C3")
def test_a_conversion_takes_everything_along_or_changes_nothing(admin, organisation):
    rights = ("lead.read", "lead.create", "lead.update", "lead.convert", "customer.read", "customer.create")
    work = ("contact.read", "contact.create", "follow_up.read", "follow_up.create", "task.read", "task.create")
    role = organisation.role("SELF", *rights, *work, "user.read")
    user, seller = organisation.user(organisation.department("线索"), role)
    name = f"华诚{uuid4().hex[:8]}科技有限公司"
    values = {"companyName": name, "phones": ["13800138000"], "industry": "制造业"}
    lead = seller.run(CREATE, input=values)["createLead"]["id"]
    logged = seller.run(LOG, input={"leadId": lead, "method": "WECHAT", "content": NOTE})["logFollowUp"]["id"]
    task = seller.run(TASK, input={"subject": lead, "title": "寄样机"})["createTask"]["id"]
    assert seller.run(LEAD, id=lead)["lead"]["status"] == "CONTACTED"

    bad = {
        "newContact": {"phones": ["12"]},
        "opportunity": {"name": "", "amount": {"currencyCode": "CNY", "amount": "-1"}},
    }
    reason, fields = refusal(seller, CONVERT, id=lead, **bad)
    assert reason == "INVALID_FIELDS"
    assert len(fields) >= 4, fields
    before = seller.run(LEAD, id=lead)
    assert (before["lead"]["status"], before["lead"]["convertedCustomerId"]) == ("CONTACTED", None)
    assert customers_named(seller, name) == []

    wanted = {
        "id": lead,
        "newContact": {"name": "张伟"},
        "opportunity": {"name": "样机十台", "amount": {"currencyCode": "CNY", "amount": "120000.00"}},
        "requestId": str(uuid4()),
    }
    first, again = (seller.run(CONVERT, input=wanted)["convertLead"] for _ in range(2))
    assert first == again
    customer, contact = first["customer"], first["contact"]
    assert (first["state"], first["lead"]["status"]) == ("DONE", "CONVERTED")
    assert (customer["name"], customer["ownerId"], customer["industry"]) == (name, user, "制造业")
    assert (contact["name"], contact["phones"], contact["customerId"]) == ("张伟", ["+8613800138000"], customer["id"])
    assert customers_named(seller, name) == [customer["id"]]

    timeline = 'query($id: ID!) { timeline(customer: $id, kinds: ["FOLLOW_UP_LOGGED"]) { nodes { resource summary } } }'
    told = eventually(lambda: seller.run(timeline, id=customer["id"])["timeline"]["nodes"])
    assert told == [{"resource": logged, "summary": NOTE}]
    subject = seller.run("query($id: ID!) { task(id: $id) { subject } }", id=task)["task"]["subject"]
    assert subject == customer["id"]
    after = seller.run(LEAD, id=lead)
    assert after["lead"]["convertedCustomerId"] == customer["id"]
    kinds = [entry["kind"] for entry in after["leadTimeline"]["nodes"]]
    assert sorted(kinds) == ["CONVERTED", "CREATED", "FOLLOW_UP", "STATUS_CHANGED", "STATUS_CHANGED"]


@pytest.mark.feature("C3")
def test_a_lead_is_given_up_for_a_reason_and_a_customer_that_is_there_is_joined_by_name_alone(admin):
    name = f"远大{uuid4().hex[:8]}集团有限公司"
    lead = admin.run(CREATE, input={"companyName": name, "contactName": "李娜"})["createLead"]["id"]
    assert refusal(admin, STATUS, id=lead, status="DISQUALIFIED")[0] == "REASON_REQUIRED"
    given_up = admin.run(STATUS, input={"id": lead, "status": "DISQUALIFIED", "reason": "NO_BUDGET"})
    assert given_up["changeLeadStatus"] == {"status": "DISQUALIFIED", "statusReason": "NO_BUDGET"}
    assert refusal(admin, CONVERT, id=lead)[0] == "STATUS_NOT_REACHABLE"
    admin.run(STATUS, input={"id": lead, "status": "NEW", "note": "又来电"})
    create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    there = admin.run(create, input={"name": name})["createCustomer"]["id"]
    assert refusal(admin, CONVERT, id=lead)[0] == "DUPLICATE_CUSTOMER"
    joined = admin.run(CONVERT, input={"id": lead, "customerId": there})["convertLead"]
    assert (joined["customer"]["id"], joined["contact"]["name"]) == (there, "李娜")
    history = "query($id: ID!) { leadStatusHistory(lead: $id) { nodes { after reason actorId } } }"
    nodes = admin.run(history, id=lead)["leadStatusHistory"]["nodes"]
    assert [node["after"] for node in nodes] == ["CONVERTED", "NEW", "DISQUALIFIED", "NEW"]
    assert nodes[2]["reason"] == "NO_BUDGET"
