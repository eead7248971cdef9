"""Numbers of identity documents: checked, sealed, masked, found and shown only by those who may."""

from uuid import uuid4

import pytest
from chassis import rules
from chassis.callers import Reach
from chassis.encryption import new_key
from chassis.errors import Invalid
from chassis.names import new_id
from chassis.testing.edge import running
from crm.customers.v1 import (
    contact_pb2,
    contact_service_pb2,
    customer_pb2,
    customer_service_pb2,
    identity_number_service_pb2,
    identity_number_service_pb2_grpc,
)
from customers.main import SERVICE
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import text

from .test_api import GRANTS, Client, create, refusal

NUMBER, OTHER, SHOWN = "11010519491231002X", "440308199901101512", "110***********002X"
PERSON = customer_pb2.CUSTOMER_KIND_PERSON


@pytest.fixture(scope="module")
def edge(make_database):
    environment = {"DATA_KEYS": f"test:{new_key()}"}
    url = make_database("customers", SERVICE.migrations)
    with running([SERVICE], {"customers": url}, environment=environment) as edge:
        yield edge


class Holder(Client):
    def __init__(self, edge, *more, **scoped):
        super().__init__(edge, new_id(), f"{new_id()}/", GRANTS | dict.fromkeys(more, Reach.ALL) | scoped)
        self.stubs.append(identity_number_service_pb2_grpc.IdentityNumberServiceStub(edge.channel))

    def search(self, query):
        found = self.ListCustomers(customer_service_pb2.ListCustomersRequest(search=query))
        return [customer.name for customer in found.customers]


@pytest.fixture(scope="module")
def officer(edge):
    return Holder(edge, "personal_data.read")


@pytest.fixture(scope="module")
def clerk(edge):
    return Holder(edge)


def update(client, name, number):
    return client.UpdateCustomer(
        customer_service_pb2.UpdateCustomerRequest(
            customer=customer_pb2.Customer(name=name, identity_number=number),
            update_mask=FieldMask(paths=["identity_number"]),
        )
    )


def reveal(client, name, reason="核实身份", request_id=""):
    return client.RevealIdentityNumber(
        identity_number_service_pb2.RevealIdentityNumberRequest(name=name, reason=reason, request_id=request_id)
    ).identity_number


@pytest.mark.parametrize(
    "number", ["110105194912310021", "110105194913310028", "12", "E1234567890123456789012", "张三12345"]
)
def test_a_number_that_cannot_be_right_is_refused(number):
    with pytest.raises(Invalid) as caught:
        rules.identity_number(number)
    assert caught.value.reason == "INVALID_IDENTITY_NUMBER"


def test_numbers_are_kept_in_one_form():
    assert rules.identity_number(" 110105 19491231-002x ") == NUMBER
    assert rules.identity_number("e12345678") == "E12345678"
    assert rules.identity_number(" ") is None


def test_a_number_is_shown_masked_and_found_and_revealed_only_by_those_who_may(edge, officer, clerk):
    person = create(clerk, f"证{uuid4().hex}", kind=PERSON, identity_number=NUMBER)
    assert person.identity_number == SHOWN
    company = create(clerk, f"公司{uuid4().hex}")
    contact = clerk.CreateContact(
        contact_service_pb2.CreateContactRequest(
            contact=contact_pb2.Contact(customer=company.name, display_name="王", identity_number=OTHER),
            request_id=str(uuid4()),
        )
    )
    assert officer.search(NUMBER) == [person.name]
    assert officer.search(OTHER) == [company.name]
    assert clerk.search(NUMBER) == clerk.search(OTHER) == []
    assert reveal(officer, person.name) == NUMBER
    assert reveal(officer, contact.name) == OTHER
    assert refusal(reveal, clerk, person.name)[:2] == ("PERMISSION_DENIED", "PERMISSION_DENIED")
    assert refusal(reveal, officer, person.name, " ") == ("INVALID_ARGUMENT", "MISSING_REASON", {"reason"})
    narrow = Holder(edge, **{"personal_data.read": Reach.SELF})
    assert narrow.search(NUMBER) == []
    assert refusal(reveal, narrow, person.name)[1] == "NOT_YOURS"
    entries = edge_rows(edge, "SELECT actor, resource, after FROM audit_entry WHERE action = 'identity_number.reveal'")
    assert [(row.actor, row.resource, row.after) for row in entries] == [
        (officer.user, person.name, {"reason": "核实身份"}),
        (officer.user, contact.name, {"reason": "核实身份"}),
    ]


def test_an_update_changes_the_number_unless_it_is_what_is_shown(officer, clerk):
    person = create(clerk, f"证{uuid4().hex}", kind=PERSON, identity_number=NUMBER)
    assert update(clerk, person.name, SHOWN).etag == person.etag
    assert update(clerk, person.name, NUMBER.lower()).etag == person.etag
    lookalike = "E12345678"
    assert update(clerk, person.name, lookalike).etag != person.etag
    assert reveal(officer, person.name) == lookalike
    assert update(clerk, person.name, "").identity_number == ""
    assert reveal(officer, person.name) == ""
    assert officer.search(lookalike) == []


def test_a_company_bears_no_number(clerk):
    found = refusal(lambda: create(clerk, f"公司{uuid4().hex}", identity_number=NUMBER))
    assert found == ("INVALID_ARGUMENT", "INVALID_IDENTITY_NUMBER", {"identity_number"})
    company = create(clerk, f"公司{uuid4().hex}")
    assert refusal(update, clerk, company.name, NUMBER)[1] == "INVALID_IDENTITY_NUMBER"


def test_nothing_in_the_database_tells_a_number(edge, officer, clerk):
    """All columns as text and, since some hold bytes, as those; retries and their answers included."""
    request = customer_service_pb2.CreateCustomerRequest(
        customer=customer_pb2.Customer(display_name=f"证{uuid4().hex}", kind=PERSON, identity_number=NUMBER),
        request_id=str(uuid4()),
    )
    person = clerk.CreateCustomer(request)
    assert clerk.CreateCustomer(request) == person
    again = str(uuid4())
    assert [reveal(officer, person.name, request_id=again) for _ in range(2)] == [NUMBER, ""]
    tables = [row.tablename for row in edge_rows(edge, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    dump = "\n".join(str(row[0]) for table in tables for row in edge_rows(edge, f"SELECT t::text FROM {table} t"))
    assert SHOWN in dump
    assert NUMBER not in dump
    assert NUMBER.encode().hex() not in dump


def edge_rows(edge, statement):
    with edge.runtimes["customers"].database.engine.connect() as connection:
        return connection.execute(text(statement)).all()
