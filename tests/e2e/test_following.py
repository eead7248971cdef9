"""What managers see follows people and departments that move, through all services."""

from dataclasses import dataclass
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient
from local_suite.organisations import Organisation

RIGHTS = ("customer.read", "customer.create", "follow_up.read", "follow_up.create", "contact.read")
CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
USER = "mutation($input: UpdateUserInput!) { updateUser(input: $input) { id } }"
DEPARTMENT = "mutation($input: UpdateDepartmentInput!) { updateDepartment(input: $input) { path } }"
MERGE = "mutation($input: MergeDepartmentsInput!) { mergeDepartments(input: $input) { id } }"
GET = "query($id: ID!) { customer(id: $id) { id } }"
ALL = "{ customers(first: 200) { nodes { id } } followUps(first: 200) { nodes { id } } }"


@dataclass
class Person:
    """A user who signs in anew whenever a change has ended their token."""

    id: str
    username: str
    password: str
    client: GraphQLClient

    def answer(self, document: str, **values: object) -> dict:
        answer = self.client.answer(document, **values)
        if any(error["extensions"]["code"] == "UNAUTHENTICATED" for error in answer.get("errors", [])):
            self.client = self.client.sign_in(self.username, self.password)
            answer = self.client.answer(document, **values)
        return answer

    def sees(self) -> set[str]:
        """The customers and follow-ups in the lists."""
        found = self.answer(ALL)["data"]
        customers = {node["id"] for node in found["customers"]["nodes"]}
        return customers | {node["id"] for node in found["followUps"]["nodes"]}

    def code_for(self, customer: str) -> str:
        errors = self.answer(GET, id=customer).get("errors", [])
        return errors[0]["extensions"]["code"] if errors else "OK"


class Company:
    """People with customers of their own, and managers, in departments of the test's own."""

    def __init__(self, organisation: Organisation, anyone: GraphQLClient) -> None:
        self.organisation, self.admin, self.anyone = organisation, organisation.admin, anyone
        self.rep = organisation.role("SELF", *RIGHTS)
        self.manager = organisation.role("DEPARTMENT_TREE", *RIGHTS)

    def hire(self, department: str, role: str) -> Person:
        document = "mutation($input: CreateUserInput!) { createUser(input: $input) { id } }"
        username, password = f"user-{uuid4().hex[:8]}", f"Pass-{uuid4().hex}"
        values = {
            "username": username,
            "name": "员工",
            "departmentId": department,
            "roleIds": [role],
            "password": password,
        }
        created = self.admin.run(document, input=values)["createUser"]["id"]
        return Person(created, username, password, self.anyone.sign_in(username, password))

    def department(self, name: str, parent: str = "") -> str:
        return self.organisation.department(name, parent)

    def sell(self, person: Person, count: int = 1) -> set[str]:
        """Customers that a person enters, each with a follow-up; the ids of both."""
        client, made = person.client, set[str]()
        for _ in range(count):
            customer = client.run(CREATE, input={"name": f"随动{uuid4().hex}"})["createCustomer"]["id"]
            note = {"customerId": customer, "method": "CALL", "content": "你好"}
            made |= {customer, client.run(LOG, input=note)["logFollowUp"]["id"]}
        return made


@pytest.fixture
def company(organisation, anyone):
    return Company(organisation, anyone)


def customers(ids):
    return [each for each in ids if each.startswith("customers/")]


@pytest.mark.feature("A2")
def test_a_persons_customers_go_to_the_new_manager_and_leave_the_old_one(company, admin):
    east, west = company.department("东"), company.department("西")
    team = company.department("组", parent=east)
    old, new = company.hire(east, company.manager), company.hire(west, company.manager)
    person, colleague = company.hire(team, company.rep), company.hire(team, company.rep)
    sold, others = company.sell(person, 3), company.sell(colleague)
    eventually(lambda: old.sees() == sold | others)
    assert new.sees() == set()

    admin.run(USER, input={"id": person.id, "departmentId": west})
    eventually(lambda: new.sees() == sold)
    eventually(lambda: old.sees() == others)
    for customer in customers(sold):
        assert (new.code_for(customer), old.code_for(customer)) == ("OK", "NOT_FOUND")
    assert person.sees() == sold

    admin.run(DEPARTMENT, input={"id": team, "parentId": west})
    eventually(lambda: new.sees() == sold | others)
    eventually(lambda: old.sees() == set())

    north = company.department("北")
    third, there = company.hire(north, company.manager), company.department("别组", parent=north)
    admin.run(MERGE, input={"sourceIds": [team], "targetId": there})
    eventually(lambda: third.sees() == others)
    eventually(lambda: new.sees() == sold)
    assert [new.code_for(customer) for customer in customers(others)] == ["NOT_FOUND"]


@pytest.mark.slow
def test_until_a_service_has_followed_nobody_sees_more_than_before(company, suite, admin):
    east, west = company.department("东"), company.department("西")
    team, crew = company.department("组", parent=east), company.department("队", parent=east)
    people = [company.hire(place, company.rep) for place in (team, crew, east)]
    managers = {place: company.hire(place, company.manager) for place in (east, west, team, crew)}
    sold = [company.sell(person) for person in people]
    eventually(lambda: managers[east].sees() == set().union(*sold))

    workers = ("customers-work", "leads-work")
    for worker in workers:
        suite.kill(worker)
    try:
        everybody = [*people, *managers.values()]
        before = [person.sees() for person in everybody]
        admin.run(USER, input={"id": people[2].id, "departmentId": west})
        admin.run(DEPARTMENT, input={"id": team, "parentId": west})
        admin.run(MERGE, input={"sourceIds": [crew], "targetId": team})
        # Whoever sat in the merged department is at home in the other one now, and reads what its people have.
        after = [person.sees() for person in everybody]
        grown = [now - then for now, then in zip(after, before, strict=True)]
        assert grown[:-1] == [set()] * (len(everybody) - 1)
        assert grown[-1] <= sold[0]
    finally:
        for worker in workers:
            suite.start(worker)
    expected = {east: set(), west: set().union(*sold), team: sold[0] | sold[1], crew: sold[0] | sold[1]}
    for place, manager in managers.items():
        eventually(lambda manager=manager, place=place: manager.sees() == expected[place], timeout=30)
    for person, own in zip(people, sold, strict=True):
        assert person.sees() == own
