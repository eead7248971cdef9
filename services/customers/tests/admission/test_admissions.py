"""Leads that are taken in as customers: once, and all of it or nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from chassis.callers import service_caller
from chassis.errors import Conflict, Denied, Duplicate, Invalid, NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from customers.admission.admit import Applicant, ContactDraft, admit_lead, settle_stalled, state_of
from customers.model import Contact, Customer
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_customer import delete_customer
from customers.usecases.set_field_template import set_field_template
from sqlalchemy import func, select, text


def applicant(name="华诚科技有限公司", **values):
    given = {
        "conversion_id": new_id(),
        "lead_id": new_id(),
        "new_customer": CustomerDraft({"display_name": name}, {}),
        "new_contact": ContactDraft({"display_name": "王芳", "phones": ["13800138000"]}, {}),
    }
    return Applicant(**given | values)


@pytest.fixture
def admit(database, organisation):
    def write(wanted, caller=None):
        with database.write(caller or organisation.li.caller()) as session:
            return admit_lead(session, wanted)

    return write


@pytest.fixture
def settle(database):
    def write(wanted):
        with database.write(service_caller("customers")) as session:
            settle_stalled(session, wanted.conversion_id, wanted.lead_id)

    return write


@pytest.fixture
def told(database):
    """The announcements about leads so far."""

    def read():
        with database.read(make_caller()) as session:
            rows = session.execute(text("SELECT type, data FROM outbox WHERE type LIKE '%Lead%' ORDER BY position"))
            return [(row.type.rpartition(".")[2], row.data) for row in rows]

    return read


@pytest.fixture
def count(database):
    def number():
        with database.read(make_caller()) as session:
            return [session.scalar(select(func.count()).select_from(table)) for table in (Customer, Contact)]

    return number


def test_a_lead_becomes_a_customer_with_a_contact_and_that_is_announced(database, admit, told, count):
    wanted = applicant()
    made = admit(wanted)
    with database.read(make_caller()) as session:
        contact = session.get_one(Contact, made.contact_id)
        state = state_of(session, made)
    assert (contact.customer_id, contact.display_name, contact.phones) == (made.customer_id, "王芳", ["+8613800138000"])
    [(kind, data)] = told()
    assert (kind, data["customer"], data["state"]["version"]) == ("LeadAdmitted", state.customer, 1)
    assert count() == [1, 1]


def test_asked_again_it_answers_as_before_whatever_is_asked_for(admit, told, count):
    wanted = applicant()
    made = admit(wanted)
    again = admit(replace(wanted, conversion_id=new_id(), new_customer=CustomerDraft({"display_name": "别的"}, {})))
    assert (again.customer_id, again.contact_id) == (made.customer_id, made.contact_id)
    assert count() == [1, 1]
    assert len(told()) == 1


def test_of_many_at_once_one_takes_effect(admit, count):
    wanted = applicant()
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: admit(replace(wanted, conversion_id=new_id())), range(6)))
    assert len({one.customer_id for one in made}) == 1
    assert count() == [1, 1]


def test_all_that_is_missing_is_told_at_once_and_nothing_is_changed(database, organisation, admit, told, count):
    with database.write(organisation.boss.caller()) as session:
        set_field_template(session, "customer", "COMPANY", [("industry", True)])
    wanted = applicant("", new_contact=ContactDraft({"display_name": "", "phones": ["1"]}, {}))
    with pytest.raises(Invalid) as caught:
        admit(wanted)
    fields = {fault.field for fault in caught.value.violations}
    assert {"new_customer.display_name", "new_contact.display_name", "new_contact.phones"} <= fields
    assert caught.value.reason == "INVALID_FIELDS"
    assert (count(), told()) == ([0, 0], [])
    with pytest.raises(Invalid) as caught:
        admit(replace(wanted, new_customer=CustomerDraft({"display_name": "甲公司"}, {}), new_contact=None))
    assert [fault.field for fault in caught.value.violations] == ["new_customer.industry"]


def test_a_customer_that_is_there_already_is_told_with_the_rest(database, organisation, admit, count):
    with database.write(organisation.li.caller()) as session:
        there = create_customer(session, CustomerDraft({"display_name": "华诚科技有限公司"}, {}))
    with pytest.raises(Duplicate) as caught:
        admit(applicant())
    assert (caught.value.reason, caught.value.field) == ("DUPLICATE_CUSTOMER", "new_customer.display_name")
    assert caught.value.details["existing"] == there.name
    with pytest.raises(Invalid) as refused:
        admit(applicant(new_contact=ContactDraft({"display_name": ""}, {})))
    reasons = {(fault.field, fault.reason) for fault in refused.value.violations}
    assert reasons == {("new_customer.display_name", "DUPLICATE_CUSTOMER"), ("new_contact.display_name", "REQUIRED")}
    assert count() == [1, 0]


def test_an_existing_customer_takes_the_lead_with_a_new_contact_or_one_of_its_own(database, organisation, admit, count):
    with database.write(organisation.li.caller()) as session:
        there = create_customer(session, CustomerDraft({"display_name": "华诚"}, {}))
        contact = create_contact(session, there.id, {"display_name": "李明"})
    joined = admit(applicant(customer_id=there.id, new_customer=None))
    assert joined.customer_id == there.id
    known = admit(applicant(customer_id=there.id, new_customer=None, new_contact=None, contact_id=contact.id))
    assert known.contact_id == contact.id
    assert count() == [1, 2]
    with pytest.raises(Invalid) as caught:
        admit(applicant(customer_id=there.id, new_customer=None, new_contact=None, contact_id=new_id()))
    assert caught.value.reason == "UNKNOWN_CONTACT"
    with pytest.raises(NotFound):
        admit(applicant(customer_id=new_id(), new_customer=None))


def test_each_part_needs_its_own_permission(admit, organisation, count):
    for granted in (("lead.convert", "customer.create"), ("lead.convert", "contact.create")):
        with pytest.raises(Denied):
            admit(applicant(), organisation.li.caller(*granted))
    assert count() == [0, 0]


def test_what_nobody_waits_for_is_called_off_for_good(admit, settle, told, count):
    wanted = applicant()
    settle(wanted)
    settle(wanted)
    assert [kind for kind, _ in told()] == ["LeadNotAdmitted", "LeadNotAdmitted"]
    with pytest.raises(Conflict) as caught:
        admit(wanted)
    assert caught.value.reason == "CONVERSION_CANCELLED"
    assert count() == [0, 0]
    admit(replace(wanted, conversion_id=new_id()))
    assert count() == [1, 1]


def test_what_was_admitted_is_told_again_even_if_the_customer_is_no_more(database, organisation, admit, settle, told):
    wanted = applicant(new_contact=None)
    made = admit(wanted)
    settle(wanted)
    assert [kind for kind, _ in told()] == ["LeadAdmitted", "LeadAdmitted"]
    with database.write(organisation.boss.caller()) as session:
        delete_customer(session, made.customer_id)
    settle(wanted)
    assert told()[-1][1]["state"]["version"] == 0
