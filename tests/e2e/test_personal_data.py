"""A person gets a copy of all that the suite holds about them, and is then taken out of all of it."""

import itertools
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError
from stdnum.cn import ric

CREATE = """mutation($input: CreatePersonalDataRequestInput!) {
  createPersonalDataRequest(input: $input) { id } }"""
REQUEST = """query($id: ID!) { personalDataRequest(id: $id) {
  state fileUrl parts { service done found erased held kept } } }"""
SERVICES = ("customers", "identity", "leads")
_SERIALS = itertools.count(151)


def next_identity_number() -> str:
    """A number that nobody else bears: persons with one number are one person."""
    number = f"44030819990110{next(_SERIALS):03d}"
    return number + str(ric.calc_check_digit(f"{number}0"))


class Case:
    """A person known as a contact, a customer and a lead, and what was said of the person."""

    def __init__(self, admin: GraphQLClient, organisation) -> None:
        self.admin, self.organisation = admin, organisation
        digits = f"{uuid4().int % 10**8:08d}"
        self.name, self.phone, self.email = (
            f"欧阳{uuid4().hex[:6]}",
            f"138{digits}",
            f"oy.{uuid4().hex[:8]}@person.example",
        )
        self.spelled = f"138 {digits[:4]} {digits[4:]}"
        self.identity_number = next_identity_number()
        self.customer = self.create("Customer", name=f"某某{uuid4().hex}有限公司")
        known = {"phones": [self.phone], "emails": [self.email]}
        person = {"name": self.name, "wechat": f"wx_{uuid4().hex[:8]}", "identityNumber": self.identity_number, **known}
        self.contact = self.create("Contact", customerId=self.customer, **person)
        self.human = self.create("Customer", name=self.name, kind="PERSON", remark="爱喝茶", **known)
        self.lead = self.create("Lead", contactName=self.name, companyName=f"线索{uuid4().hex}", **known)
        self.follow_ups = [
            self.log(self.customer, f"{self.name}说可以，打 {self.spelled} 找她", contactId=self.contact),
            self.log(self.human, f"约了{self.name}，邮箱 {self.email.upper()}"),
        ]
        eventually(lambda: len(self.timeline()) == 2)

    def create(self, entity: str, /, **values: object) -> str:
        document = f"mutation($input: Create{entity}Input!) {{ create{entity}(input: $input) {{ id }} }}"
        made: str = self.admin.run(document, input=values | {"requestId": str(uuid4())})[f"create{entity}"]["id"]
        return made

    def log(self, customer: str, content: str, **more: str) -> str:
        document = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
        values = {"customerId": customer, "method": "CALL", "content": content, "requestId": str(uuid4()), **more}
        made: str = self.admin.run(document, input=values)["logFollowUp"]["id"]
        return made

    def timeline(self) -> list[str]:
        document = 'query($c: ID!) { timeline(customer: $c, kinds: ["FOLLOW_UP_LOGGED"]) { nodes { summary } } }'
        found = [self.admin.run(document, c=customer)["timeline"]["nodes"] for customer in (self.customer, self.human)]
        return [entry["summary"] for entries in found for entry in entries]

    def request(self, kind: str, /, **subject: object) -> dict:
        values = {
            "kind": kind,
            "subject": subject or {"id": self.contact},
            "reason": "本人要求",
            "requestId": str(uuid4()),
        }
        key = self.admin.run(CREATE, input=values)["createPersonalDataRequest"]["id"]

        def ended() -> dict | None:
            found = self.admin.run(REQUEST, id=key)["personalDataRequest"]
            return found if found["state"] != "RUNNING" else None

        return eventually(ended, 20)

    @property
    def secrets(self) -> set[str]:
        return {self.phone, self.spelled, self.email, self.email.upper()}


def counts(request: dict, what: str) -> dict[str, int]:
    """What all services count, by kind."""
    return {kind: count for part in request["parts"] for kind, count in (part[what] or {}).items()}


def dump(suite) -> str:
    """All that the databases hold, as text."""
    lines = []
    for service in SERVICES:
        with suite.database(service) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                lines += [row[0] for row in connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()]
    return "\n".join(lines)


def kept_of(case: Case, text: str) -> set[str]:
    """What a text tells of the person, bytes being shown as digits."""
    return {secret for secret in case.secrets if secret in text or secret.encode().hex() in text}


@pytest.fixture
def case(admin, organisation):
    return Case(admin, organisation)


@pytest.mark.feature("X12")
def test_nothing_in_a_dump_tells_an_identity_number(suite, admin, case):
    shown = "query($id: ID!) { contact(id: $id) { identityNumber } }"
    masked = f"440***********{case.identity_number[-4:]}"
    assert admin.run(shown, id=case.contact)["contact"]["identityNumber"] == masked
    reveal = "mutation($input: RevealIdentityNumberInput!) { revealIdentityNumber(input: $input) { identityNumber } }"
    revealed = admin.run(reveal, input={"id": case.contact, "reason": "核实", "requestId": str(uuid4())})
    assert revealed["revealIdentityNumber"]["identityNumber"] == case.identity_number
    text = dump(suite)
    assert masked in text
    assert case.identity_number not in text
    assert case.identity_number.encode().hex() not in text


def test_a_person_gets_a_copy_and_is_erased_unless_a_legal_hold_keeps_the_data(suite, admin, case):
    exported = case.request("EXPORT")
    assert exported["state"] == "SUCCEEDED"
    expected = {"contact": 1, "customer": 1, "lead": 1, "follow_up": 2, "timeline_entry": 2}
    assert counts(exported, "found").items() >= expected.items()
    file = admin.http.get(exported["fileUrl"])
    services = file.json()["services"]
    assert set(services) == set(SERVICES)
    named = {each["name"] for part in services.values() for each in part["records"]}
    assert named >= {case.contact, case.human, case.lead, *case.follow_ups}
    told = {entry["resource"] for part in services.values() for entry in part["audit_entries"]}
    assert told >= {case.contact, case.human, case.lead, *case.follow_ups}
    assert case.identity_number in file.text
    assert kept_of(case, dump(suite)) >= {case.phone, case.email}

    hold = admin.run(
        "mutation($input: CreateLegalHoldInput!) { createLegalHold(input: $input) { id } }",
        input={
            "subject": {"identifiers": {"emails": [case.email]}},
            "reason": "案号 2026-1",
            "requestId": str(uuid4()),
        },
    )["createLegalHold"]["id"]
    remove = "mutation($input: DeleteInput!) { deleteContact(input: $input) }"
    eventually(lambda: all(knows(suite, service, hold) for service in SERVICES))
    assert refusal(admin, remove, id=case.contact) == ["LEGAL_HOLD"]
    refused = case.request("ERASE")
    assert refused["state"] == "PARTIAL"
    assert counts(refused, "held").items() >= {"contact": 1, "customer": 1, "lead": 1}.items()
    name = "query($id: ID!) { contact(id: $id) { name phones } }"
    assert admin.run(name, id=case.contact)["contact"]["name"] == case.name

    admin.run("mutation($input: DeleteInput!) { deleteLegalHold(input: $input) }", input={"id": hold})
    erased = eventually(lambda: (done := case.request("ERASE"))["state"] == "SUCCEEDED" and done, 30)
    assert counts(erased, "erased").items() >= expected.items()
    assert_gone(suite, admin, case)


def knows(suite, service: str, hold: str) -> bool:
    """Whether the event of a hold has come to a service. Until then it would still delete what is held."""
    with suite.database(service) as connection:
        statement = "SELECT 1 FROM known_legal_hold WHERE 'legalHolds/' || id = %s"
        return connection.execute(statement, (hold,)).fetchone() is not None


def refusal(admin: GraphQLClient, document: str, **values: str) -> list[str]:
    with pytest.raises(GraphQLError) as caught:
        admin.run(document, input=values)
    return caught.value.reasons


def assert_gone(suite, admin: GraphQLClient, case: Case) -> None:
    """Search, get, list, the whole picture and the audit log tell nothing of the person, nor do the databases."""
    search = "query($text: String!) { customers(search: $text) { nodes { id } } }"
    for text in (case.name, case.phone, case.email, case.identity_number):
        assert admin.run(search, text=text)["customers"]["nodes"] == []
    answers = [
        admin.run("query($id: ID!) { contact(id: $id) { name phones emails wechat identityNumber } }", id=case.contact),
        admin.run("query($id: ID!) { customer(id: $id) { name phones emails remark } }", id=case.human),
        admin.run("query($id: ID!) { lead(id: $id) { contactName phones emails } }", id=case.lead),
        admin.run("query($id: ID!) { contacts(customer: $id) { nodes { name phones } } }", id=case.customer),
        admin.run(
            "query($id: ID!) { customer360(id: $id) { contacts { nodes { name phones } } timeline { nodes { summary } }"
            " followUps { nodes { content } } } }",
            id=case.customer,
        ),
    ]
    for record in (case.contact, case.human, case.lead, *case.follow_ups):
        document = """query($filter: AuditFilterInput) { auditEntries(first: 100, filter: $filter) {
          nodes { action before after } } }"""
        answers.append(admin.run(document, filter={"resource": record}))
    assert "「已删除」" in str(answers)
    assert kept_of(case, str(answers)) == set()
    assert case.name not in str(answers)
    assert len(case.timeline()) == 2
    verified = admin.run("{ verifyAudit { services { service complete broken { kind } } } }")["verifyAudit"]["services"]
    assert {(each["service"], each["complete"], each["broken"] is None) for each in verified} == {
        (service, True, True) for service in SERVICES
    }
    eventually(lambda: kept_of(case, dump(suite)) == set())
