"""A data scope shows the same customers on every way to them, also after the company reorganised."""

import csv
import io
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient
from local_suite.organisations import Organisation

CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
LIST = """query($text: String, $after: String) { customers(search: $text, first: 2, after: $after) {
  totalCount nodes { id name } pageInfo { hasNextPage endCursor } } }"""
EXPORT = "mutation($input: ExportCustomersInput!) { exportCustomers(input: $input) { id } }"
EXPORTED = "query($id: ID!) { exportJob(id: $id) { state fileUrl } }"
MOVE = "mutation($input: UpdateDepartmentInput!) { updateDepartment(input: $input) { id } }"
SEAT = "mutation($input: UpdateUserInput!) { updateUser(input: $input) { id } }"

RIGHTS = ("customer.read", "customer.create", "customer.export", "contact.read", "contact.create", "user.read")


class Company:
    """Reps in the departments of a small company, each with two customers, and what everybody should see."""

    def __init__(self, organisation: Organisation) -> None:
        self.mark = uuid4().hex[:10]
        self.organisation = organisation
        self.east = organisation.department("华东")
        self.shanghai = organisation.department("上海", parent=self.east)
        self.pudong = organisation.department("浦东", parent=self.shanghai)
        self.north = organisation.department("华北")
        self.rep = organisation.role("SELF", *RIGHTS)
        self.users: dict[str, str] = {}
        self.customers: dict[str, dict[str, str]] = {}
        for place in ("east", "shanghai", "pudong", "north"):
            user, client = organisation.user(getattr(self, place), self.rep)
            names = [f"{place}{number}-{self.mark}" for number in range(2)]
            self.users[place] = user
            self.customers[place] = {
                client.run(CREATE, input={"name": name})["createCustomer"]["id"]: name for name in names
            }

    def of(self, *places: str) -> dict[str, str]:
        """The customers of the reps who began in some places, by id."""
        return {key: name for place in places for key, name in self.customers[place].items()}


def paged(client: GraphQLClient, text: str | None) -> tuple[dict[str, str], int]:
    """The customers on all pages, and how many there are by the last one."""
    found, after = {}, None
    while True:
        page = client.run(LIST, text=text, after=after)["customers"]
        found |= {node["id"]: node["name"] for node in page["nodes"]}
        if not page["pageInfo"]["hasNextPage"]:
            return found, page["totalCount"]
        after = page["pageInfo"]["endCursor"]


def listed(client: GraphQLClient, text: str | None) -> dict[str, str]:
    found, total = paged(client, text)
    assert total == len(found)
    return found


def exported(client: GraphQLClient) -> set[str]:
    job = client.run(EXPORT, input={"fields": ["name"]})["exportCustomers"]["id"]

    def ended() -> dict | None:
        state = client.run(EXPORTED, id=job)["exportJob"]
        return state if state["state"] not in ("QUEUED", "RUNNING") else None

    done = eventually(ended, timeout=90, interval=0.2)
    assert done["state"] == "SUCCEEDED"
    content = client.http.get(done["fileUrl"]).content.decode("utf-8-sig")
    return {row[0] for row in list(csv.reader(io.StringIO(content)))[1:]}


def visible_by_id(client: GraphQLClient, ids: list[str]) -> set[str]:
    return {key for key in ids if "errors" not in client.answer("query($id: ID!) { customer(id: $id) { id } }", id=key)}


def shows_just(client: GraphQLClient, company: Company, expected: dict[str, str]) -> None:
    assert listed(client, None) == expected
    assert listed(client, company.mark) == expected
    assert visible_by_id(client, list(company.of(*company.customers))) == set(expected)


@pytest.mark.feature("A1")
def test_a_manager_sees_just_the_subtree_on_every_way_to_it(admin, organisation):
    company = Company(organisation)
    manager_role = organisation.role("DEPARTMENT_TREE", *RIGHTS)
    _, manager = organisation.user(company.east, manager_role)
    _, near = organisation.user(company.shanghai, organisation.role("DEPARTMENT", *RIGHTS))
    before = company.of("east", "shanghai", "pudong")
    shows_just(manager, company, before)
    assert exported(manager) == set(before.values())
    shows_just(near, company, company.of("shanghai"))

    admin.run(MOVE, input={"id": company.pudong, "parentId": company.north})
    admin.run(SEAT, input={"id": company.users["north"], "departmentId": company.shanghai})
    expected = company.of("east", "shanghai", "north")
    # Customers change places between two pages while the company reorganises: no count fits such a list.
    eventually(lambda: set(paged(manager, company.mark)[0]) == set(expected))
    shows_just(manager, company, expected)
    assert exported(manager) == set(expected.values())
    _, north = organisation.user(company.north, manager_role)
    shows_just(north, company, company.of("pudong"))
