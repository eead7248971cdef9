"""A person gets a copy of all that the suite holds about them, and is then taken out of all of it."""

import itertools
import time
from uuid import uuid4

import pytest
from chassis.testing import eventually
from chassis.testing.personal_data import Trace, search_database, search_files
from local_suite.graphql import GraphQLClient, GraphQLError
from stdnum.cn import ric

CREATE = """mutation($input: CreatePersonalDataRequestInput!) {
  createPersonalDataRequest(input: $input) { id } }"""
REQUEST = """query($id: ID!) { personalDataRequest(id: $id) {
  state fileUrl parts { service done found erased held kept } } }"""
HOLD = "mutation($input: CreateLegalHoldInput!) { createLegalHold(input: $input) { id } }"
DELETE_CONTACT = "mutation($input: DeleteInput!) { deleteContact(input: $input) }"
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

    def spread(self) -> None:
        """Tell of the person wherever people, files and other systems can."""
        former = self.phone
        self.phone = f"139{uuid4().int % 10**8:08d}"
        self.formers = {former}
        self.change("Contact", id=self.contact, phones=[self.phone], customFields=self.own_fields("contact"))
        self.change("Customer", id=self.human, customFields=self.own_fields("customer"))
        self.change("Customer", id=self.customer, remark=f"找{self.name}，{self.spelled}")
        self.change("Lead", id=self.lead, requirement=f"{self.name} 要报价")
        self.interact(self.customer, f"给{self.name}发了报价", externalId=self.email)
        self.interact(self.human, f"打 {self.phone}", details={"to": self.phone, "who": [self.name]})
        self.purchase()
        self.twin = self.create("Customer", name=f"某某分部{uuid4().hex}")
        self.create("Contact", customerId=self.twin, name=self.name, phones=[self.phone], remark=self.name)
        merge = "mutation($input: MergeCustomersInput!) { mergeCustomers(input: $input) { id } }"
        self.admin.run(merge, input={"customerId": self.customer, "otherIds": [self.twin], "requestId": str(uuid4())})
        gone = self.create("Contact", customerId=self.customer, name=self.name, emails=[self.email], remark="离职")
        self.admin.run("mutation($input: DeleteInput!) { deleteContact(input: $input) }", input={"id": gone})
        view = {"field": "phones", "operator": "CONTAINS", "values": [self.phone]}
        self.create("SavedView", entity="customer", name=f"找 {self.phone}", filter={"condition": view})
        self.files()

    def owned_by(self, user: str) -> bool:
        """Give the company to a user, once the service knows of the user."""
        document = "mutation($input: TransferCustomerInput!) { transferCustomer(input: $input) { id } }"
        values = {"id": self.customer, "ownerId": user, "requestId": str(uuid4())}
        try:
            self.admin.run(document, input=values)
        except GraphQLError as error:
            if error.reasons != ["UNKNOWN_OWNER"]:
                raise
            return False
        return True

    def files(self) -> None:
        """A file with a good and a bad row, as spreadsheets write it, and one that the suite writes."""
        rows = [["客户名称", "客户类型", "电话", "备注"], [self.name, "个人", self.phone, f"{self.name}介绍"]]
        rows.append([self.name, "个人", f"{self.phone}转{self.name}", ""])
        table = "\r\n".join(",".join(row) for row in rows).encode("gb18030")
        upload = "mutation($file: Upload!) { importCustomers(file: $file) { id } }"
        job = self.admin.upload(upload, "variables.file", ("名单.csv", table), file=None)["importCustomers"]["id"]
        ended = self.ended("importJob", job, "createdRows failedRows")
        assert (ended["createdRows"], ended["failedRows"]) == (1, 1), ended
        export = "mutation($input: ExportCustomersInput!) { exportCustomers(input: $input) { id } }"
        values = {"search": self.phone, "format": "XLSX", "requestId": str(uuid4())}
        self.ended("exportJob", self.admin.run(export, input=values)["exportCustomers"]["id"])

    def ended(self, kind: str, job: str, fields: str = "") -> dict:
        """A job that has succeeded."""
        document = f"query($id: ID!) {{ {kind}(id: $id) {{ state failureReason {fields} }} }}"

        def over() -> dict | None:
            now: dict = self.admin.run(document, id=job)[kind]
            return now if now["state"] not in ("QUEUED", "RUNNING") else None

        found = eventually(over, 60) or {}
        assert found["state"] == "SUCCEEDED", found
        return found

    def own_fields(self, entity: str) -> dict[str, str]:
        key = f"note{uuid4().hex[:8]}"
        self.create("CustomField", entity=entity, key=key, label=key, type="TEXT")
        return {key: f"{self.name} {self.email}"}

    def change(self, entity: str, /, **values: object) -> None:
        document = f"mutation($input: Update{entity}Input!) {{ update{entity}(input: $input) {{ id }} }}"
        self.admin.run(document, input=values | {"requestId": str(uuid4())})

    def interact(self, customer: str, summary: str, **more: object) -> None:
        document = """mutation($input: RecordInteractionsInput!) {
          recordInteractions(input: $input) { created reason field } }"""
        known = {
            "customerId": customer,
            "kind": "MAIL",
            "source": "mail",
            "externalId": str(uuid4()),
            "summary": summary,
        }
        [told] = self.admin.run(document, input={"interactions": [known | more]})["recordInteractions"]
        assert told["created"], told

    def purchase(self) -> None:
        document = """mutation($input: RecordPurchasesInput!) {
          recordPurchases(input: $input) { created reason field } }"""
        bought = {"customerId": self.human, "source": "shop", "externalId": str(uuid4()), "kind": "ORDER"}
        amount = {"time": "2026-03-01T00:00:00Z", "amount": {"amount": "12.50", "currencyCode": "CNY"}}
        [told] = self.admin.run(document, input={"purchases": [bought | amount]})["recordPurchases"]
        assert told["created"], told

    @property
    def markers(self) -> set[str]:
        """What tells the person and nobody else."""
        return {self.name, self.phone, self.email, self.identity_number, *self.formers, self.spelled}

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

        return eventually(ended, 60)


def counts(request: dict, what: str) -> dict[str, int]:
    """What all services count, by kind."""
    return {kind: count for part in request["parts"] for kind, count in (part[what] or {}).items()}


def left_of(suite, markers: set[str]) -> list[Trace]:
    """Where the databases and the files of the suite tell one of the markers. The servers' own files hold what they
    delete until they reuse the space: see docs/operations/personal-data.md."""
    found = search_files(suite.folder.path, markers, apart_from={"postgres", "rabbitmq"})
    for service in SERVICES:
        with suite.database(service) as connection:
            found += search_database(connection, markers)
    return found


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
    assert "contact.identity_number_shown" in {trace.where for trace in left_of(suite, {masked})}
    assert left_of(suite, {case.identity_number}) == []


@pytest.mark.feature("X12")
def test_a_person_gets_a_copy_and_is_erased_everywhere_unless_a_legal_hold_keeps_the_data(suite, admin, case):
    case.spread()
    exported = case.request("EXPORT")
    assert exported["state"] == "SUCCEEDED"
    expected = {
        "contact": 1, "customer": 2, "lead": 1, "follow_up": 2, "timeline_entry": 4, "customer.remark": 1,
        "job_file": 2, "refused_row": 1, "customer_merge": 1, "deleted_record": 2, "saved_view.display_name": 1,
        "saved_view.filter": 1,
    }  # fmt: skip
    found = counts(exported, "found")
    assert {kind: found.get(kind, 0) for kind in expected if found.get(kind, 0) < expected[kind]} == {}
    assert found["purchase"] == 1
    file = admin.http.get(exported["fileUrl"])
    services = file.json()["services"]
    assert set(services) == set(SERVICES)
    named = {each["name"] for part in services.values() for each in part["records"]}
    assert named >= {case.contact, case.human, case.lead, *case.follow_ups}
    told = {entry["resource"] for part in services.values() for entry in part["audit_entries"]}
    assert told >= {case.contact, case.human, case.lead, *case.follow_ups}
    assert case.identity_number in file.text
    assert {trace.marker for trace in left_of(suite, case.markers)} == case.markers - {case.identity_number}

    subject = {"identifiers": {"emails": [case.email]}}
    values = {"subject": subject, "reason": "案号 2026-1", "requestId": str(uuid4())}
    hold = admin.run(HOLD, input=values)["createLegalHold"]["id"]
    with pytest.raises(GraphQLError) as caught:
        case.request("ERASE")
    assert caught.value.reasons == ["LEGAL_HOLD"]
    eventually(lambda: all(knows(suite, service, hold) for service in SERVICES))
    assert refusal(admin, DELETE_CONTACT, id=case.contact) == ["LEGAL_HOLD"]
    admin.run("mutation($input: DeleteInput!) { deleteLegalHold(input: $input) }", input={"id": hold})
    eventually(lambda: not any(knows(suite, service, hold) for service in SERVICES))
    erased = case.request("ERASE")
    assert erased["state"] == "SUCCEEDED", erased
    counted = counts(erased, "erased")
    assert {kind: counted.get(kind, 0) for kind in expected if counted.get(kind, 0) < expected[kind]} == {}
    assert_gone(suite, admin, case)


def test_what_is_deleted_before_a_service_hears_of_a_legal_hold_is_kept_for_it(suite, admin, case):
    subject = {"subject": {"identifiers": {"emails": [case.email]}}, "reason": "案号 2026-2"}
    suite.halt("customers-work")
    try:
        hold = admin.run(HOLD, input=subject)["createLegalHold"]["id"]
        admin.run(DELETE_CONTACT, input={"id": case.contact})
        assert not knows(suite, "customers", hold)
    finally:
        suite.start("customers-work")
    eventually(lambda: knows(suite, "customers", hold), 30)
    with pytest.raises(GraphQLError) as caught:
        case.request("ERASE", identifiers={"emails": [case.email]})
    assert caught.value.reasons == ["LEGAL_HOLD"]
    exported = case.request("EXPORT", identifiers={"emails": [case.email]})
    assert counts(exported, "found")["deleted_record"] == 1
    assert case.identity_number in admin.http.get(exported["fileUrl"]).text
    admin.run("mutation($input: DeleteInput!) { deleteLegalHold(input: $input) }", input={"id": hold})


def test_somebody_who_has_left_is_erased_everywhere_and_nobody_who_may_sign_in(suite, admin, organisation):
    mark = uuid4().hex[:10]
    known = {"username": f"oy.{mark}", "name": f"欧阳{mark}", "email": f"{mark}@crm.example"}
    values = known | {"departmentId": organisation.root, "phone": f"137{uuid4().int % 10**8:08d}"}
    create = "mutation($input: CreateUserInput!) { createUser(input: $input) { id } }"
    password = f"Pass-{uuid4().hex}"
    user = admin.run(create, input=values | {"password": password})["createUser"]["id"]
    admin.sign_in(known["username"], password)
    markers = {*known.values(), values["phone"]}
    case = Case(admin, organisation)
    eventually(lambda: case.owned_by(user))
    with pytest.raises(GraphQLError) as caught:
        case.request("ERASE", id=user)
    assert caught.value.reasons == ["USER_ACTIVE"]
    leave = "mutation($input: OffboardUserInput!) { offboardUser(input: $input) { id } }"
    plan = {"plan": {"defaultSuccessorId": admin.run("{ me { id } }")["me"]["id"]}, "reason": f"{known['name']} 离职"}
    admin.run(leave, input={"userId": user} | plan)
    assert {trace.marker for trace in left_of(suite, markers)} == markers
    assert case.request("ERASE", id=user)["state"] == "SUCCEEDED"
    eventually(lambda: left_of(suite, markers) == [], 60)


def knows(suite, service: str, hold: str) -> bool:
    """Whether a service knows a hold to be in force."""
    with suite.database(service) as connection:
        statement = "SELECT 1 FROM known_legal_hold WHERE active AND 'legalHolds/' || id = %s"
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
        whole_picture(admin, case.customer),
    ]
    for record in (case.contact, case.human, case.lead, *case.follow_ups):
        document = """query($filter: AuditFilterInput) { auditEntries(first: 100, filter: $filter) {
          nodes { action before after } } }"""
        answers.append(admin.run(document, filter={"resource": record}))
    assert "「已删除」" in str(answers)
    assert {marker for marker in case.markers if marker in str(answers)} == set()
    assert len(case.timeline()) == 2
    assert broken_logs(admin) == dict.fromkeys(SERVICES)
    deadline = time.monotonic() + 60
    while (left := left_of(suite, case.markers)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == []


def whole_picture(admin: GraphQLClient, customer: str) -> dict:
    """The whole picture of a customer, once all services were there in time to tell it."""
    document = """query($id: ID!) { customer360(id: $id) {
      contacts { nodes { name phones } } timeline { nodes { summary } } followUps { nodes { content } } } }"""
    return eventually(lambda: (told := admin.answer(document, id=customer)) and "errors" not in told and told)


def broken_logs(admin: GraphQLClient) -> dict[str, object]:
    """Where the audit log of each service is broken, None if it is whole, once all are verified to their end."""
    document = """query($after: String) { verifyAudit(after: $after) {
      complete endCursor services { service broken { kind } } } }"""
    found, after = {}, None
    while True:
        answer = admin.run(document, after=after)["verifyAudit"]
        found |= {each["service"]: each["broken"] for each in answer["services"]}
        after = answer["endCursor"]
        if answer["complete"]:
            return found
