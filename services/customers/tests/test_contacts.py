"""Contacts of customers."""

import pytest
from chassis import paging
from chassis.callers import Reach
from chassis.errors import Invalid, NotFound, Stale
from chassis.names import new_id
from customers import queries
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_contact import delete_contact
from customers.usecases.update_contact import update_contact


@pytest.fixture
def customer(database, organisation):
    with database.write(organisation.li.caller()) as session:
        return create_customer(session, CustomerDraft({"display_name": "上海华诚科技有限公司"}, {}))


@pytest.fixture
def add(database, organisation, customer):
    def create(name, **values):
        with database.write(organisation.li.caller()) as session:
            return create_contact(session, customer.id, {"display_name": name} | values)

    return create


def listed(database, caller, *customer_ids, size=50):
    with database.read(caller) as session:
        page = queries.list_contacts(session, customer_ids, page_size=size, page_token="")
        rows = list(page.rows)
        while page.next_token:
            page = queries.list_contacts(session, customer_ids, page_size=size, page_token=page.next_token)
            rows += page.rows
    return [row.display_name for row in rows]


def test_the_primary_contact_comes_first_and_there_is_one(database, organisation, add, customer, audited):
    add("甲", primary=True)
    add("乙")
    third = add("丙", primary=True)
    assert listed(database, organisation.li.caller(), customer.id) == ["丙", "甲", "乙"]
    assert listed(database, organisation.li.caller(), customer.id, size=1) == ["丙", "甲", "乙"]
    demoted = [entry for entry in audited() if entry.action == "contact.update"]
    assert [entry.before for entry in demoted] == [{"is_primary": True}]
    with database.write(organisation.li.caller()) as session:
        update_contact(session, third.id, {"primary": False})
    assert listed(database, organisation.li.caller(), customer.id) == ["甲", "乙", "丙"]


def test_another_contact_can_become_the_primary_one(database, organisation, add, customer):
    add("甲", primary=True)
    second = add("乙")
    with database.write(organisation.li.caller()) as session:
        changed = update_contact(session, second.id, {"primary": True, "job_title": "采购经理"})
    assert (changed.is_primary, changed.job_title, changed.version) == (True, "采购经理", 2)
    assert listed(database, organisation.li.caller(), customer.id) == ["乙", "甲"]


def test_a_contact_is_changed_and_deleted_under_its_etag(database, organisation, add, audited):
    contact = add("甲", phones=["13800138000"])
    with database.write(organisation.li.caller()) as session:
        assert update_contact(session, contact.id, {"wechat": "jia"}, etag="v1").version == 2
        assert update_contact(session, contact.id, {"wechat": "jia"}).version == 2
    with pytest.raises(Stale), database.write(organisation.li.caller()) as session:
        delete_contact(session, contact.id, etag="v1")
    with database.write(organisation.li.caller()) as session:
        delete_contact(session, contact.id, etag="v2")
    with pytest.raises(NotFound), database.read(organisation.li.caller()) as session:
        queries.get_contact(session, contact.id)
    assert audited()[-1].before["wechat"] == "jia"


def test_contacts_are_reached_by_their_own_permissions_through_the_customer(database, organisation, add, customer):
    contact = add("甲")
    near = organisation.wang.caller(reach=Reach.DEPARTMENT_TREE)
    far = organisation.zhao.caller(reach=Reach.DEPARTMENT_TREE)
    assert listed(database, near, customer.id, new_id()) == ["甲"]
    assert listed(database, far, customer.id) == []
    with database.read(near) as session:
        assert queries.get_contact(session, contact.id).display_name == "甲"
    with pytest.raises(NotFound), database.read(far) as session:
        queries.get_contact(session, contact.id)
    for attempt in (
        lambda session: create_contact(session, customer.id, {"display_name": "乙"}),
        lambda session: update_contact(session, contact.id, {"display_name": "乙"}),
        lambda session: delete_contact(session, contact.id),
    ):
        with pytest.raises(NotFound), database.write(far) as session:
            attempt(session)


def test_bad_contacts_are_refused_with_every_fault(database, organisation, customer):
    with pytest.raises(Invalid) as caught, database.write(organisation.li.caller()) as session:
        create_contact(session, customer.id, {"phones": ["abc"], "emails": ["x"]})
    assert {(fault.field, fault.reason) for fault in caught.value.violations} == {
        ("display_name", "REQUIRED"),
        ("phones", "INVALID_PHONE"),
        ("emails", "INVALID_EMAIL"),
    }


def test_a_list_names_its_customers(database, organisation):
    with database.read(organisation.li.caller()) as session:
        for ids in ([], [new_id() for _ in range(201)]):
            with pytest.raises(Invalid) as caught:
                queries.list_contacts(session, ids, page_size=0, page_token="")
            assert caught.value.field == "customers"
        with pytest.raises(Invalid):
            queries.list_contacts(session, [new_id()], page_size=201, page_token="")
    assert paging.page_size(0) == 50
