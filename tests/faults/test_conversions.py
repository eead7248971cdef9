"""Leads become customers in one step, at whichever step the services are killed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from chassis.testing import eventually
from local_suite.graphql import GraphQLClient, GraphQLError

CREATE = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id } }"
LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
CONVERT = """mutation($input: ConvertLeadInput!) { convertLead(input: $input) {
  customer { id } contact { id } lead { status } } }"""
LEAD = "query($id: ID!) { lead(id: $id) { status convertedCustomerId convertedContactId } }"
MOVE = "mutation($input: MoveTestClockInput!) { moveTestClock(input: $input) { now } }"
UNKNOWN = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}


class Converter(threading.Thread):
    """Converts a lead. A patient one asks for the same again as long as it is not known what has become of it."""

    def __init__(self, client: GraphQLClient, lead: str, *, patient: bool) -> None:
        super().__init__()
        self.client, self.patient = client, patient
        self.wanted = {"id": lead, "requestId": str(uuid4())}
        self.answer: dict | None = None

    def run(self) -> None:
        while True:
            try:
                self.answer = self.client.run(CONVERT, input=self.wanted)["convertLead"]
            except GraphQLError as error:
                if {item["extensions"]["code"] for item in error.errors} - UNKNOWN:
                    raise
                if not self.patient:
                    return
                threading.Event().wait(0.2)
            else:
                return


@contextmanager
def held(suite, service: str, table: str) -> Iterator[None]:
    """Let nobody write to a table."""
    with suite.database(service) as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {table} IN SHARE MODE")
        yield


def waiting(suite, service: str, table: str) -> bool:
    """Whether somebody waits to write to a table that is held."""
    with suite.database(service) as connection:
        query = "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
        return bool(connection.execute(query, (table,)).fetchone()[0])


@pytest.fixture
def lead(admin) -> Iterator[tuple[str, str, str]]:
    """A lead, what its company is called, and a follow-up on it. The suite's clock is right again afterwards."""
    name = f"断点{uuid4().hex[:10]}有限公司"
    made = admin.run(CREATE, input={"companyName": name, "contactName": "王芳"})["createLead"]["id"]
    note = {"leadId": made, "method": "WECHAT", "content": f"王总说{name}的样机合格，下月签约"}
    yield made, name, admin.run(LOG, input=note)["logFollowUp"]["id"]
    admin.run("mutation { moveTestClock(input: { reset: true }) { now } }")


def answered(client: GraphQLClient, document: str, **values) -> dict:
    """The answer of services of which some have just come back."""

    def ask() -> dict | None:
        answer = client.answer(document, **values)
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        return None if codes & UNKNOWN else answer

    return eventually(ask, timeout=90, interval=0.1)


def found(admin, name: str) -> list[str]:
    document = "query($name: String) { customers(search: $name) { nodes { id } } }"
    return [node["id"] for node in answered(admin, document, name=name)["data"]["customers"]["nodes"]]


def read(admin, lead: str) -> dict:
    return answered(admin, LEAD, id=lead)["data"]["lead"]


def reasons(answer: dict) -> list[str]:
    return [error["extensions"]["reason"] for error in answer.get("errors", ())]


def whole(admin, lead: str, name: str, follow_up: str) -> str:
    """The one customer that the lead has become, with its contact and what was said, each once."""
    kept = eventually(lambda: (one := read(admin, lead))["status"] == "CONVERTED" and one, timeout=90)
    customer = kept["convertedCustomerId"]
    assert found(admin, name) == [customer]
    contacts = "query($id: ID!) { customer(id: $id) { contacts { id } } }"
    nodes = admin.run(contacts, id=customer)["customer"]["contacts"]
    assert [node["id"] for node in nodes] == [kept["convertedContactId"]]
    timeline = 'query($id: ID!) { timeline(customer: $id, kinds: ["FOLLOW_UP_LOGGED"]) { nodes { resource } } }'
    told = eventually(lambda: admin.run(timeline, id=customer)["timeline"]["nodes"], timeout=90)
    assert [entry["resource"] for entry in told] == [follow_up]
    return customer


@pytest.mark.slow
def test_the_customers_service_dies_in_the_midst_of_it_and_the_caller_asks_again(suite, admin, lead):
    converter = Converter(admin, lead[0], patient=True)
    with held(suite, "customers", "lead_admission"):
        converter.start()
        eventually(lambda: waiting(suite, "customers", "lead_admission"))
        suite.kill("customers-serve")
    suite.start("customers-serve")
    converter.join(120)
    assert whole(admin, *lead) == converter.answer["customer"]["id"]


@pytest.mark.slow
def test_the_leads_service_dies_between_the_two_and_nobody_asks_again(suite, admin, lead):
    made, name, _ = lead
    converter = Converter(admin, made, patient=False)
    with held(suite, "leads", "known_customer"):
        converter.start()
        eventually(lambda: waiting(suite, "leads", "known_customer") and found(admin, name))
        suite.kill("leads-serve")
        suite.start("leads-serve")
        assert read(admin, made)["status"] == "CONTACTED"
    converter.join(120)
    whole(admin, *lead)


@pytest.mark.slow
def test_both_die_before_anything_is_decided_and_the_lead_is_free_again(suite, admin, lead):
    made, name, _ = lead
    converter = Converter(admin, made, patient=False)
    with held(suite, "customers", "lead_admission"):
        converter.start()
        eventually(lambda: waiting(suite, "customers", "lead_admission"))
        suite.kill("leads-serve")
        suite.kill("customers-serve")
    suite.start("customers-serve")
    suite.start("leads-serve")
    converter.join(120)
    assert found(admin, name) == []
    other = {"id": made, "newContact": {"name": "李明"}}
    assert reasons(answered(admin, CONVERT, input=other)) == ["CONVERSION_UNDER_WAY"]
    admin.run(MOVE, input={"advanceSeconds": 600})

    def converted() -> dict | None:
        answer = answered(admin, CONVERT, input=other)
        assert set(reasons(answer)) <= {"CONVERSION_UNDER_WAY"}
        return answer["data"]["convertLead"]

    assert eventually(converted, timeout=90, interval=0.2)["lead"]["status"] == "CONVERTED"
    whole(admin, *lead)
