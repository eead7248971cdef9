"""What whoever takes over a customer is told of what this service keeps."""

from datetime import timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import NotFound
from customers.model import Customer
from customers.packets.packet import SILENCE, GapKind, packet
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.transfer_customer import transfer_customer


@pytest.fixture
def customer(database, organisation):
    draft = CustomerDraft({"display_name": "上海华诚科技有限公司", "phones": ["021-58034749"], "level": "A"}, {})
    with database.write(organisation.li.caller()) as session:
        return create_customer(session, draft).id


@pytest.fixture
def read(database, customer):
    def ask(caller):
        with database.read(caller) as session:
            return packet(session, customer)

    return ask


def test_it_says_how_the_customer_came_to_its_owner_and_who_had_it(database, organisation, customer, read, clock):
    li, zhao = organisation.li, organisation.zhao
    assert read(li.caller()).hand_over is None
    clock.advance(timedelta(days=1))
    with database.write(organisation.boss.caller()) as session:
        transfer_customer(session, customer, zhao.id, reason="李伟调岗")
    found = read(zhao.caller(reach=Reach.SELF))
    assert found.hand_over is not None
    assert (found.hand_over.kind, found.hand_over.previous_user_id, found.hand_over.note) == (
        "TRANSFERRED",
        li.id,
        "李伟调岗",
    )
    assert [tenure.owner_id for tenure in found.owners] == [zhao.id, li.id]
    with pytest.raises(NotFound):
        read(li.caller(reach=Reach.SELF))


def test_gaps_are_what_counts_and_is_empty(database, organisation, customer, read, clock):
    li = organisation.li.caller()
    gaps = read(li).gaps
    fields = {gap.field for gap in gaps if gap.kind is GapKind.MISSING_FIELD}
    assert {"credit_code", "emails", "address.city"} <= fields
    assert not {"phones", "level"} & fields
    assert [gap.kind for gap in gaps if not gap.field] == [GapKind.NO_CONTACT_PERSON, GapKind.NEVER_CONTACTED]
    with database.write(li) as session:
        create_contact(session, customer, {"display_name": "王经理"})
        session.get_one(Customer, customer).last_follow_up_time = clock.now
    last = clock.now
    assert [gap.kind for gap in read(li).gaps if not gap.field] == []
    clock.advance(SILENCE)
    [silent] = [gap for gap in read(li).gaps if not gap.field]
    assert (silent.kind, silent.last_touch_time) == (GapKind.SILENT, last)


def test_what_the_caller_may_not_read_is_none_and_no_gap(organisation, read):
    found = read(organisation.li.caller("customer.read"))
    assert (found.contacts, found.orders) == (None, None)
    assert GapKind.NO_CONTACT_PERSON not in [gap.kind for gap in found.gaps]
    told = read(organisation.li.caller("customer.read", "contact.read", "purchase.read"))
    assert (told.contacts, told.orders) == ([], [])
