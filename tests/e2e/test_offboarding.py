"""Somebody leaves: nobody signs in as them from then on, and what they held goes to others by rule, unchanged."""

from collections import Counter
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

CUSTOMERS, PLANS = 40, 6
REP = (
    "customer.read", "customer.create", "customer.update", "contact.read", "contact.create", "contact.update",
    "follow_up.read", "follow_up.create", "lead.read", "lead.create", "lead.update", "user.read",
)  # fmt: skip
OFFBOARD = "mutation($input: OffboardUserInput!) { offboardUser(input: $input) { id state parts { entity state } } }"
PROGRESS = """subscription($id: ID!) { offboardingProgress(id: $id) { state parts {
  service entity state before moved withdrawn left after attached failureReason }
  departments { departmentId headId } } }"""


class Company:
    """A rep with customers of all kinds, and two colleagues to take over."""

    def __init__(self, suite, admin: GraphQLClient, organisation) -> None:
        self.suite, self.admin, self.organisation = suite, admin, organisation
        self.department = organisation.department("华东")
        role = organisation.role("SELF", *REP)
        self.leaver, self.login = self._create_leaver(role)
        pair = self.sign_in()
        self.refresh_token, self.rep = pair["refreshToken"], GraphQLClient(admin.url, pair["accessToken"])
        self.one, self.first = organisation.user(self.department, role)
        self.two, self.second = organisation.user(self.department, role)
        self.head, _ = organisation.user(self.department, role)
        self.customers: dict[str, str] = {}

    def _create_leaver(self, role: str) -> tuple[str, dict[str, str]]:
        login = {"username": f"leaver-{uuid4().hex[:8]}", "password": f"Pass-{uuid4().hex}"}
        values = {**login, "name": "离职者", "departmentId": self.department, "roleIds": [role]}
        document = "mutation($input: CreateUserInput!) { createUser(input: $input) { id } }"
        return self.admin.run(document, input=values)["createUser"]["id"], login

    def known(self, service: str) -> bool:
        """Whether a service has heard of the colleagues."""
        ids = [user.removeprefix("users/") for user in (self.one, self.two, self.head)]
        with self.suite.database(service) as connection:
            count = connection.execute("SELECT count(*) FROM known_user WHERE id = ANY(%s)", (ids,)).fetchone()
        return bool(count == (len(ids),))

    def sign_in(self) -> dict[str, str]:
        """Tokens of the leaver. Raises GraphQLError if there is no way in."""
        document = "mutation($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }"
        pair: dict[str, str] = GraphQLClient(self.admin.url).run(document, input=self.login)["login"]
        return pair

    def refresh(self) -> None:
        """Renew the leaver's tokens. Raises GraphQLError if there is no way in."""
        document = "mutation($input: RefreshTokenInput!) { refreshTokens(input: $input) { accessToken } }"
        GraphQLClient(self.admin.url).run(document, input={"refreshToken": self.refresh_token})

    def create(self, kind: str, **values: object) -> str:
        document = f"mutation($input: Create{kind}Input!) {{ create{kind}(input: $input) {{ id }} }}"
        made: str = self.rep.run(document, input=values)[f"create{kind}"]["id"]
        return made

    def fill(self) -> None:
        """Customers of two levels with contacts, tags, statuses and own fields; follow-ups with plans; leads."""
        key = f"region_{uuid4().hex[:6]}"
        field = {"key": key, "label": f"大区{key}", "type": "TEXT"}
        self.admin.run(
            "mutation($input: CreateCustomFieldInput!) { createCustomField(input: $input) { id } }", input=field
        )
        for number in range(CUSTOMERS):
            level, status = "AB"[number % 2], ("POTENTIAL", "ENGAGED", "WON", "DORMANT")[number % 4]
            values = {"name": f"交接{uuid4().hex}", "level": level, "status": status, "tags": ["重点", f"第{number}"]}
            more = {"customFields": {key: f"值{number}"}, "remark": f"备注{number}", "phones": ["021-58034749"]}
            customer = self.create("Customer", **values, **more)
            self.customers[customer] = level
            self.create("Contact", customerId=customer, name="王", primary=True)

    def plan(self, due: datetime) -> list[str]:
        """Follow-ups of which the rep is to be reminded."""
        log = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
        made = []
        for customer in list(self.customers)[:PLANS]:
            note = {"customerId": customer, "method": "CALL", "content": "约好再谈", "nextContactTime": due.isoformat()}
            made.append(self.rep.run(log, input=note)["logFollowUp"]["id"])
        return made

    def dump(self) -> dict[str, list[tuple]]:
        """All that the databases hold of the customers but who owns them and what tells that something changed."""
        owner = "owner_id, owner_department_id, owner_department_path, version, update_time, held_since"
        queries = {
            "customers": {
                "customer": f"SELECT to_jsonb(customer) - '{{{owner}}}'::text[] FROM customer"
                " WHERE id = ANY(%s) ORDER BY id",
                "contact": "SELECT to_jsonb(contact) FROM contact WHERE customer_id = ANY(%s) ORDER BY id",
                "timeline": "SELECT to_jsonb(timeline_entry) FROM timeline_entry WHERE customer_id = ANY(%s)"
                " AND kind <> 'OWNER_CHANGED' ORDER BY id",
            },
            "leads": {
                "follow_up": "SELECT to_jsonb(follow_up)"
                " - '{assignee_id, follows_owner, awaits_acknowledgement}'::text[] FROM follow_up"
                " WHERE customer_id = ANY(%s) ORDER BY id",
            },
        }
        ids = [name.removeprefix("customers/") for name in self.customers]
        found = {}
        for service, tables in queries.items():
            with self.suite.database(service) as connection:
                for table, query in tables.items():
                    found[table] = connection.execute(query, (ids,)).fetchall()
        return found

    def owners(self) -> dict[str, str]:
        with self.suite.database("customers") as connection:
            rows = connection.execute("SELECT 'customers/' || id, 'users/' || owner_id FROM customer").fetchall()
        return {name: owner for name, owner in rows if name in self.customers}


@pytest.fixture
def company(suite, admin, organisation):
    made = Company(suite, admin, organisation)
    made.fill()
    for service in ("customers", "leads"):  # who is to take over is known there
        eventually(lambda service=service: made.known(service))
    return made


def reasons(error: pytest.ExceptionInfo[GraphQLError]) -> set[str]:
    return {each["extensions"]["code"] for each in error.value.errors}


def finished(admin: GraphQLClient, offboarding: str) -> dict:
    with admin.subscribe(PROGRESS, id=offboarding) as progress:
        *_, last = (item["offboardingProgress"] for item in progress)
    return last


@pytest.mark.feature("A6")
def test_everything_of_a_leaver_goes_to_others_by_rule_and_nothing_else_changes(suite, admin, company, real_time):
    due = real_time + timedelta(days=2)
    plans = company.plan(due)
    lead = company.rep.run(
        "mutation($input: CreateLeadInput!) { createLead(input: $input) { id } }",
        input={"companyName": f"线索{uuid4().hex}"},
    )["createLead"]["id"]
    head = {"id": company.department, "headId": company.leaver}
    admin.run("mutation($input: UpdateDepartmentInput!) { updateDepartment(input: $input) { id } }", input=head)
    follow_ups = 'query($id: ID!) { timeline(customer: $id, kinds: ["FOLLOW_UP_LOGGED"]) { nodes { id } } }'
    for planned in list(company.customers)[:PLANS]:
        eventually(lambda planned=planned: admin.run(follow_ups, id=planned)["timeline"]["nodes"])
    before = company.dump()

    best = {"condition": {"field": "level", "operator": "EQUAL", "values": ["A"]}}
    plan = {
        "rules": [{"entity": "customer", "filter": best, "successorIds": [company.one, company.two]}],
        "defaultSuccessorId": company.two,
    }
    preview = """query($id: ID!, $plan: OffboardingPlanInput) { previewOffboarding(userId: $id, plan: $plan) {
      counts { entity count attached shares { rule successorId count } } departmentIds } }"""
    foreseen = eventually(lambda: _foreseen(admin.run(preview, id=company.leaver, plan=plan)))
    assert foreseen["customer"] == (
        CUSTOMERS,
        {"contact": CUSTOMERS},
        {(1, company.one): CUSTOMERS // 4, (1, company.two): CUSTOMERS // 4, (0, company.two): CUSTOMERS // 2},
    )
    assert foreseen["follow_up"] == (PLANS, {}, {(0, None): PLANS})

    values = {"userId": company.leaver, "plan": plan, "headSuccessorId": company.head, "requestId": str(uuid4())}
    started = admin.run(OFFBOARD, input=values)["offboardUser"]
    for refused in (company.sign_in, company.refresh):
        with pytest.raises(GraphQLError) as error:
            refused()
        assert reasons(error) == {"UNAUTHENTICATED"}
    # Every process hears of a revoked access token within half a second.
    eventually(lambda: "errors" in company.rep.answer("{ customers { nodes { id } } }"))
    assert admin.run(OFFBOARD, input=values)["offboardUser"]["id"] == started["id"]

    done = finished(admin, started["id"])
    assert done["state"] == "SUCCEEDED", done
    counts = {part["entity"]: part for part in done["parts"]}
    for entity, count in {"customer": CUSTOMERS, "follow_up": PLANS, "lead": 1}.items():
        part = counts[entity]
        assert (part["before"], part["moved"], part["withdrawn"], part["left"], part["after"]) == (
            count, count, 0, 0, count,
        )  # fmt: skip
    assert counts["customer"]["attached"] == {"contact": CUSTOMERS}
    assert done["departments"] == [{"departmentId": company.department, "headId": company.head}]

    owners = company.owners()
    for level, expected in {
        "A": {company.one: CUSTOMERS // 4, company.two: CUSTOMERS // 4},
        "B": {company.two: CUSTOMERS // 2},
    }.items():
        assert Counter(owners[name] for name, its in company.customers.items() if its == level) == expected
    assert company.dump() == before
    found = admin.run("query($id: ID!) { lead(id: $id) { ownerId } }", id=lead)["lead"]
    assert found["ownerId"] == company.two
    _reminded(admin, company, plans, due)


def _foreseen(answer: dict) -> dict | None:
    """What a preview says by kind of records, once all that was entered has arrived everywhere."""
    counts = {each["entity"]: each for each in answer["previewOffboarding"]["counts"]}
    if counts["follow_up"]["count"] < PLANS:
        return None
    return {
        entity: (
            each["count"],
            each["attached"],
            {(share["rule"], share["successorId"]): share["count"] for share in each["shares"]},
        )
        for entity, each in counts.items()
    }


def _reminded(admin: GraphQLClient, company: Company, plans: list[str], due: datetime) -> None:
    """Whoever owns each customer now is reminded of its next contact; nobody else is."""
    owner_of = company.owners()
    customers = dict(zip(plans, company.customers, strict=False))
    query = "query($id: ID!) { followUp(id: $id) { remindTime followsOwner assigneeId } }"
    eventually(lambda: all(_known_owner(company, customer) == owner_of[customer] for customer in customers.values()))
    listen = "subscription { notifications { kind resource } }"
    with company.first.subscribe(listen) as first, company.second.subscribe(listen) as second:
        move = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
        admin.run(move, input={"advanceSeconds": 86_400 * 3})
        assert all(admin.run(query, id=plan)["followUp"]["remindTime"] for plan in plans)
        for listener, user in ((first, company.one), (second, company.two)):
            mine = {plan for plan, customer in customers.items() if owner_of[customer] == user}
            heard: set[str] = set()
            while heard < mine:
                item = next(listener)["notifications"]
                if item["kind"] == "FOLLOW_UP_DUE":
                    heard.add(item["resource"])
            assert heard == mine


def _known_owner(company: Company, customer: str) -> str:
    with company.suite.database("leads") as connection:
        query = "SELECT 'users/' || owner_id FROM known_customer WHERE id = %s"
        return str(connection.execute(query, (customer.removeprefix("customers/"),)).fetchone()[0])


def test_several_customers_are_given_away_at_once(admin, company):
    names = list(company.customers)
    document = """mutation($input: BatchTransferCustomersInput!) { batchTransferCustomers(input: $input) {
      customer { id ownerId } reason message } }"""
    given = {
        "ids": [*names, f"customers/{uuid4()}"],
        "ownerId": company.one,
        "reason": "调区",
        "requestId": str(uuid4()),
    }
    *results, missing = admin.run(document, input=given)["batchTransferCustomers"]
    assert [each["customer"] for each in results] == [{"id": name, "ownerId": company.one} for name in names]
    assert (missing["customer"], missing["reason"]) == (None, "CUSTOMER_NOT_FOUND")
    assert set(company.owners().values()) == {company.one}
