"""Giving customers to others, and deleting them."""

import pytest
from chassis.errors import Invalid, NotFound, Stale
from chassis.names import new_id
from chassis.personal_data.model import DeletedRecord
from customers.model import Contact, Customer, TimelineEntry
from customers.usecases import delete_customer as deleting
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_customer import delete_customer
from customers.usecases.transfer_customer import transfer_customer
from sqlalchemy import func, select


@pytest.fixture
def customer(database, organisation):
    with database.write(organisation.li.caller()) as session:
        return create_customer(session, CustomerDraft({"display_name": "上海华诚科技有限公司"}, {}))


def transfer(database, caller, customer_id, owner, **options):
    with database.write(caller) as session:
        return transfer_customer(session, customer_id, owner.id, **options)


def test_the_new_owner_takes_over_and_is_told(database, organisation, customer, facts, audited):
    zhao = organisation.zhao
    given = transfer(database, organisation.boss.caller(), customer.id, zhao, reason="李伟调岗")
    assert (given.owner_id, given.owner_department_path, given.version) == (zhao.id, zhao.path, 2)
    kinds = [kind for kind, _ in facts()]
    assert kinds == ["CustomerCreated", "CustomerTransferred", "NotificationRaised", "NotificationRaised"]
    transferred, notification, farewell = (data for _, data in facts()[1:])
    assert transferred["previous_owner"] == organisation.li.name
    assert transferred["reason"] == "李伟调岗"
    assert transferred["state"]["owner"] == zhao.name
    assert (notification["recipient"], notification["kind"]) == (zhao.name, "CUSTOMER_ASSIGNED")
    assert (farewell["recipient"], farewell["kind"]) == (organisation.li.name, "CUSTOMER_TAKEN")
    entry = audited()[-1]
    assert (entry.action, entry.before["owner"], entry.after["owner"]) == (
        "customer.transfer",
        organisation.li.name,
        zhao.name,
    )
    with database.read(organisation.boss.caller()) as session:
        [noted] = session.scalars(select(TimelineEntry))
    assert noted.kind == "OWNER_CHANGED"
    assert noted.summary == "li.wei → zhao.lei"
    assert noted.details["note"] == "李伟调岗"


def test_nobody_is_told_what_they_did_themselves(database, organisation, customer, facts):
    transfer(database, organisation.wang.caller(), customer.id, organisation.wang)
    told = [data["recipient"] for kind, data in facts() if kind == "NotificationRaised"]
    assert told == [organisation.li.name]
    transfer(database, organisation.wang.caller(), customer.id, organisation.li)
    told = [data["recipient"] for kind, data in facts() if kind == "NotificationRaised"]
    assert told == [organisation.li.name] * 2


def test_a_transfer_to_the_owner_changes_nothing(database, organisation, customer, facts):
    same = transfer(database, organisation.boss.caller(), customer.id, organisation.li)
    assert same.version == 1
    assert len(facts()) == 1


def test_a_transfer_is_refused(database, organisation, customer):
    with pytest.raises(Stale):
        transfer(database, organisation.boss.caller(), customer.id, organisation.zhao, etag="v7")
    with pytest.raises(NotFound):
        transfer(database, organisation.boss.caller(), new_id(), organisation.zhao)
    with pytest.raises(Invalid) as caught:
        transfer(database, organisation.boss.caller(), customer.id, organisation.zhao, reason="x" * 501)
    assert (caught.value.reason, caught.value.field) == ("TOO_LONG", "reason")


def test_a_deleted_customer_is_gone_with_all_that_hung_on_it(database, organisation, customer, facts, audited):
    with database.write(organisation.li.caller()) as session:
        contact = create_contact(session, customer.id, {"display_name": "王经理"})
    transfer(database, organisation.boss.caller(), customer.id, organisation.zhao)
    with database.write(organisation.boss.caller()) as session:
        delete_customer(session, customer.id)
    with database.read(organisation.boss.caller()) as session:
        for entity in (Customer, Contact, TimelineEntry):
            assert session.scalar(select(func.count()).select_from(entity)) == 0
    assert facts()[-1] == ("CustomerDeleted", {"customer": customer.name, "version": 2})
    kept = {entry.resource: entry.before for entry in audited() if entry.after is None}
    assert kept[customer.name]["display_name"] == "上海华诚科技有限公司"
    assert kept[contact.name]["display_name"] == "王经理"


def test_contacts_are_set_aside_part_by_part(database, organisation, customer, audited, monkeypatch):
    monkeypatch.setattr(deleting, "_PART", 2)
    with database.write(organisation.li.caller()) as session:
        contacts = [create_contact(session, customer.id, {"display_name": f"王{at}"}).name for at in range(5)]
    with database.write(organisation.boss.caller()) as session:
        delete_customer(session, customer.id)
    with database.read(organisation.boss.caller()) as session:
        kept = session.scalars(select(DeletedRecord.record)).all()
    assert sorted(kept) == sorted([customer.name, *contacts])
    gone = [entry.resource for entry in audited() if entry.action == "contact.delete"]
    assert sorted(gone) == sorted(contacts)


def test_a_delete_with_a_stale_etag_is_refused(database, organisation, customer):
    with pytest.raises(Stale), database.write(organisation.boss.caller()) as session:
        delete_customer(session, customer.id, etag="v2")
