"""Partners register companies, employees decide, and nobody outside learns what is not theirs."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLError

REGISTER = """
mutation($input: RegisterLeadInput!) {
  registerLead(input: $input) { id companyName registrationState partnerId ownerId protectionExpireTime }
}
"""
LIST = "query($search: String) { leads(search: $search, first: 50) { totalCount nodes { id } } }"


class Agency:
    """A partner with a user who is signed in."""

    def __init__(self, admin, organisation, role, department):
        create = "mutation($input: CreatePartnerInput!) { createPartner(input: $input) { id } }"
        values = {"name": f"伙伴{uuid4().hex[:8]}", "contactName": "王芳"}
        self.id = admin.run(create, input=values)["createPartner"]["id"]
        user, _ = organisation.user(department, role)
        join = "mutation($input: UpdateUserInput!) { updateUser(input: $input) { kind partner { name } } }"
        joined = admin.run(join, input={"id": user, "partnerId": self.id})["updateUser"]
        assert joined == {"kind": "PARTNER", "partner": {"name": values["name"]}}
        password, username = f"Pass-{uuid4().hex}", f"agent-{uuid4().hex[:8]}"
        create = "mutation($input: CreateUserInput!) { createUser(input: $input) { id } }"
        values = {"username": username, "name": "代理", "departmentId": department, "roleIds": [role]}
        values |= {"partnerId": self.id, "password": password}
        self.user = admin.run(create, input=values)["createUser"]["id"]
        self.client = admin.sign_in(username, password)

    def register(self, name, **values):
        return self.client.run(REGISTER, input={"companyName": name, **values})["registerLead"]

    def sees(self, search=None):
        found = self.client.run(LIST, search=search)["leads"]
        assert found["totalCount"] == len(found["nodes"])
        return {node["id"] for node in found["nodes"]}


@pytest.fixture
def agencies(admin, organisation):
    """Two partners whose role says ALL, as one made for employees would."""
    role = organisation.role("ALL", "lead.read", "lead.register", "lead.update", "customer.read", "user.read")
    department = organisation.department("渠道")
    return [Agency(admin, organisation, role, department) for _ in range(2)]


def refusal(call):
    with pytest.raises(GraphQLError) as caught:
        call()
    [error] = caught.value.errors
    return {"message": error["message"], **error["extensions"]}


@pytest.mark.feature("A5")
def test_a_partner_sees_only_what_they_registered_and_learns_nothing_of_the_rest(admin, agencies, organisation):
    one, other = agencies
    mark = f"鹰{uuid4().hex[:10]}"
    lead = one.register(f"{mark}科技有限公司", contactName="赵敏", phones=["13912345678"])
    assert (lead["registrationState"], lead["partnerId"], lead["ownerId"]) == ("PENDING_APPROVAL", one.id, None)
    assert one.sees() == one.sees(mark) == one.sees("345678") == {lead["id"]}
    assert other.sees() == other.sees(mark) == other.sees("345678") == set()
    get = "query($id: ID!) { lead(id: $id) { id } }"
    assert one.client.run(get, id=lead["id"])["lead"]["id"] == lead["id"]
    missing = refusal(lambda: other.client.run(get, id=f"leads/{uuid4()}"))
    assert refusal(lambda: other.client.run(get, id=lead["id"])) == missing
    assert missing["code"] == "NOT_FOUND"

    _access_is_explained(admin, one, other, lead)
    _duplicates_are_refused_in_the_same_words(admin, one, other, mark)
    _what_is_for_employees_is_refused(one, lead)


def _access_is_explained(admin, one, other, lead):
    """The explanation comes to what the partners have just seen."""
    explain = """query($user: ID!, $action: String!, $record: ID!) {
      explainAccess(user: $user, action: $action, record: $record) { allowed reasons { code message } } }"""

    def explained(agency, action):
        found = admin.run(explain, user=agency.user, action=action, record=lead["id"])["explainAccess"]
        return found["allowed"], {reason["code"]: reason["message"] for reason in found["reasons"]}

    allowed, reasons = explained(one, "lead.read")
    assert (allowed, set(reasons)) == (True, {"ROLE_REACHES_REGISTERED", "PARTNER_REACHES_OWN"})
    assert "报备" in reasons["ROLE_REACHES_REGISTERED"]
    assert explained(other, "lead.read")[0] is False
    allowed, reasons = explained(one, "lead.update")
    assert not allowed
    assert "EMPLOYEES_ONLY" in reasons


def _duplicates_are_refused_in_the_same_words(admin, one, other, mark):
    """By another partner, by an employee, as a customer: the answer is the same, and tells nothing of the holder."""
    leads = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id } }"
    admin.run(leads, input={"companyName": f"{mark}乙有限公司", "contactName": "孙悦"})
    customers = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    customer = admin.run(customers, input={"name": f"{mark}丙有限公司"})["createCustomer"]["id"]
    follow_up = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
    admin.run(follow_up, input={"customerId": customer, "method": "CALL", "content": "谈"})
    registrations = [
        {"companyName": f"{mark}科技（集团）股份有限公司"},
        {"companyName": f"另名{uuid4().hex}", "phones": ["139 1234 5678"]},
        {"companyName": f"{mark}乙有限责任公司"},
    ]
    answers = [refusal(lambda values=values: other.client.run(REGISTER, input=values)) for values in registrations]

    def refused_as_customer():
        try:
            made = other.register(f"{mark}丙集团")
        except GraphQLError as error:
            return {"message": error.errors[0]["message"], **error.errors[0]["extensions"]}
        # The customer's event is still on its way: undo and try again.
        admin.run("mutation($input: DeleteInput!) { deleteLead(input: $input) }", input={"id": made["id"]})
        return None

    answers += [eventually(refused_as_customer), refusal(lambda: one.register(f"{mark}科技"))]
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0]["code"], answers[0]["reason"]) == ("ALREADY_EXISTS", "DUPLICATE")
    assert set(answers[0]) == {"message", "code", "reason", "service"}
    assert mark not in answers[0]["message"]


def _what_is_for_employees_is_refused(agency, lead):
    update = "mutation($input: UpdateLeadInput!) { updateLead(input: $input) { id } }"
    attempts = [
        lambda: agency.client.run(update, input={"id": lead["id"], "remark": "x"}),
        lambda: agency.client.run("{ customers { nodes { id } } }"),
        lambda: agency.client.run("{ users { nodes { id } } }"),
    ]
    for attempt in attempts:
        refused = refusal(attempt)
        assert (refused["code"], refused["reason"]) == ("PERMISSION_DENIED", "EMPLOYEES_ONLY")
    assert agency.client.run("{ me { kind partnerId } }")["me"] == {"kind": "PARTNER", "partnerId": agency.id}


@pytest.mark.feature("A5")
def test_registrations_are_approved_or_rejected_by_employees(admin, agencies, organisation):
    one, other = agencies
    role = organisation.role("DEPARTMENT_TREE", "lead.read", "lead.approve", "user.read", "partner.read")
    user, manager = organisation.user(organisation.root, role)
    approved, rejected = (one.register(f"{word}{uuid4().hex}有限公司") for word in "甲乙")
    approve = """
    mutation($input: ApproveLeadInput!) {
      approveLead(input: $input) { registrationState owner { id } registrant { id } partner { id } }
    }"""
    decided = manager.run(approve, input={"id": approved["id"]})["approveLead"]
    assert decided == {
        "registrationState": "APPROVED",
        "owner": {"id": user},
        "registrant": {"id": one.user},
        "partner": {"id": one.id},
    }
    reject = "mutation($input: RejectLeadInput!) { rejectLead(input: $input) { registrationState } }"
    manager.run(reject, input={"id": rejected["id"], "reason": "已在跟进"})
    again = refusal(lambda: manager.run(approve, input={"id": rejected["id"]}))
    assert again["reason"] == "REGISTRATION_NOT_PENDING"
    told = one.client.run("query($id: ID!) { lead(id: $id) { rejectionReason } }", id=rejected["id"])["lead"]
    assert told == {"rejectionReason": "已在跟进"}
    # What was rejected is free, what was approved is not.
    assert other.register(rejected["companyName"])
    assert refusal(lambda: other.register(approved["companyName"]))["reason"] == "DUPLICATE"
    assert one.sees() == {approved["id"], rejected["id"]}


def test_of_partners_who_register_a_company_at_once_one_wins(agencies):
    name = f"抢{uuid4().hex}有限公司"

    def attempt(agency):
        try:
            return agency.register(name)["id"]
        except GraphQLError as error:
            return error.errors[0]["extensions"]["reason"]

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, agencies * 6))
    assert outcomes.count("DUPLICATE") == len(outcomes) - 1
    assert len(agencies[0].sees() | agencies[1].sees()) == 1
